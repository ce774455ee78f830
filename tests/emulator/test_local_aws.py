"""The local AWS behaves as AWS does where the product depends on it."""

import json
import pathlib
import sys
import tempfile
import time
import unittest

import stack
from test_template import account

MATCHES_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
PATTERN = json.dumps({"source": ["aws.secretsmanager"]})
# A function that tries permitted and forbidden calls and answers with the outcomes.
PROBE = """#!{python}
import json, os, urllib.request
import boto3

queue = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
table, topic = os.environ["RATTLE_TABLE_NAME"], os.environ["RATTLE_TOPIC_ARN"]
dynamodb, sns, secrets = (boto3.client(name) for name in ("dynamodb", "sns", "secretsmanager"))
key = {{"principal": {{"S": "probe"}}}}
attempts = {{
    "PutItem": lambda: dynamodb.put_item(TableName=table, Item=key),
    "GetItem": lambda: dynamodb.get_item(TableName=table, Key=key),
    "UpdateItem": lambda: dynamodb.update_item(TableName=table, Key=key),
    "Publish": lambda: sns.publish(TopicArn=topic, Message="probe"),
    "DeleteItem": lambda: dynamodb.delete_item(TableName=table, Key=key),
    "Scan": lambda: dynamodb.scan(TableName=table),
    "Subscribe": lambda: sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1/"),
    "GetSecretValue": lambda: secrets.get_secret_value(SecretId="probe"),
}}

def outcome(attempt):
    try:
        attempt()
        return "allowed"
    except Exception as fault:
        return "refused" if "not authorized" in str(fault) else str(fault)

while True:
    with urllib.request.urlopen(queue + "next") as event:
        request = event.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = json.dumps({{name: outcome(attempt) for name, attempt in attempts.items()}}).encode()
    urllib.request.urlopen(urllib.request.Request(queue + request + "/response", data=answer, method="POST")).close()
"""
SAMPLE = stack.ROOT / "events" / "denied-user__secret-by-name.json"


class LocalAws(unittest.TestCase):
    def setUp(self):
        self.account = account()
        self.sqs = self.account.client("sqs")
        self.events = self.account.client("events")

    def test_only_the_state_with_all_management_events_hears_of_a_read(self):
        queues = {state: self.rule(state) for state in ("ENABLED", "DISABLED", MATCHES_READS)}
        self.put({"readOnly": True})
        self.assertEqual(self.received(queues[MATCHES_READS]), 1)
        self.assertEqual(self.received(queues["ENABLED"]), 0)
        self.assertEqual(self.received(queues["DISABLED"]), 0)

    def test_a_read_whose_flag_is_a_string_is_a_read(self):
        queue = self.rule("ENABLED")
        self.put({"readOnly": "true"})
        self.assertEqual(self.received(queue), 0)

    def test_both_enabled_states_hear_of_a_write(self):
        queues = [self.rule("ENABLED"), self.rule(MATCHES_READS)]
        self.put({"readOnly": False})
        self.assertEqual([self.received(queue) for queue in queues], [1, 1])

    def test_an_event_the_function_fails_on_three_times_reaches_its_on_failure_queue(self):
        deployed = self.deploy("#!/bin/sh\nexit 1\n")
        self.put(json.loads(SAMPLE.read_text())["detail"])
        (message,) = self.messages(deployed.outputs["FailureQueueUrl"], within=20)
        failure = json.loads(message["Body"])
        self.assertEqual(failure["requestPayload"]["detail"]["eventID"], "d8ea4abf-4e25-49f1-8884-62a5553a537d")
        self.assertEqual(failure["requestContext"]["approximateInvokeCount"], 3)

    def test_the_templates_role_is_enforced_and_suffices(self):
        deployed = self.deploy(PROBE.format(python=sys.executable))
        answer = self.account.client("lambda").invoke(FunctionName=deployed.outputs["FunctionName"])
        self.assertEqual(
            json.load(answer["Payload"]),
            {name: "allowed" for name in ("GetItem", "PutItem", "UpdateItem", "Publish")}
            | {name: "refused" for name in ("DeleteItem", "Scan", "Subscribe", "GetSecretValue")},
        )

    def test_a_function_is_told_the_log_format_and_level_of_the_template(self):
        script = """#!{python}
import json, os, urllib.request

queue = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
told = json.dumps([os.environ.get("AWS_LAMBDA_LOG_" + name) for name in ("FORMAT", "LEVEL")]).encode()
while True:
    with urllib.request.urlopen(queue + "next") as event:
        request = event.headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(urllib.request.Request(queue + request + "/response", data=told, method="POST")).close()
"""
        deployed = self.deploy(script.format(python=sys.executable))
        answer = self.account.client("lambda").invoke(FunctionName=deployed.outputs["FunctionName"])
        self.assertEqual(json.load(answer["Payload"]), ["JSON", "INFO"])

    def deploy(self, script):
        with tempfile.TemporaryDirectory() as folder:
            binary = pathlib.Path(folder) / "bootstrap"
            binary.write_text(script)
            return stack.deploy(binary, account=self.account)

    def rule(self, state):
        """A rule in `state` with a queue of its own, whose URL is returned."""
        url = self.sqs.create_queue(QueueName=f"queue-{state[:8]}-{len(state)}")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        name = f"rule-{state}"
        self.events.put_rule(Name=name, State=state, EventPattern=PATTERN)
        self.events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def put(self, detail):
        answer = self.events.put_events(
            Entries=[
                {
                    "Source": "aws.secretsmanager",
                    "DetailType": "AWS API Call via CloudTrail",
                    "Detail": json.dumps(detail),
                }
            ]
        )
        self.assertEqual(answer["FailedEntryCount"], 0)

    def received(self, queue):
        # Rules are served before PutEvents answers, so what is missing now will not arrive.
        return len(self.messages(queue, within=0))

    def messages(self, queue, within):
        deadline = time.monotonic() + within
        while True:
            found = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(0.1)


if __name__ == "__main__":
    unittest.main()
