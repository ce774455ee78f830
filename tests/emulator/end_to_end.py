"""Shared by the end-to-end tests: deploys the function in an account of its own and observes
all its effects there, without looking inside the function."""

import atexit
import copy
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import stack
from test_template import account

BINARY = "FUNCTION_BINARY"
SAMPLE = stack.ROOT / "events" / "denied-role__instance-session.json"
# The limit for every wait. Most waits end within two seconds, and a busy machine must not
# fail a test.
PATIENCE_SECONDS = 30
# Parts of the sample that a log must never contain, because callers choose them or they
# identify their credentials.
CONFIDENTIAL = (
    "ASIA7FF65IIH6EXAMPLE",
    "aws-sdk-java",
    "198.51.100.24",
    "errorMessage",
    "not authorized to perform",
    "secret-name-",
    "47ef2b64-f9e3-4447-afd2-7aac871781d2",
)


@functools.cache
def binary():
    """The function's binary without its symbols, which are most of its size and would be
    compressed and unpacked for each account."""
    given = os.environ.get(BINARY)
    if not given:
        raise RuntimeError(f"{BINARY} is not set: it names the rattle-lambda to test, built with --features lambda")
    if not os.access(given, os.X_OK):
        raise RuntimeError(f"{BINARY} is {given!r}, which is no executable file")
    if not shutil.which("strip"):
        return pathlib.Path(given)
    folder = tempfile.TemporaryDirectory(prefix="rattle-end-to-end-")
    atexit.register(folder.cleanup)
    stripped = pathlib.Path(folder.name) / "rattle-lambda"
    subprocess.run(["strip", "-o", stripped, given], check=True)
    return stripped


def as_it_is():
    """The template of this repository, to deploy or to change."""
    return stack.load_template(stack.TEMPLATE)


def wait_for(what, look, within=PATIENCE_SECONDS):
    """The first result of `look` that is not empty."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {within} s: {what}")
        time.sleep(0.05)
    return seen


class Caller:
    """A role that asks for secrets it may not read. All of its calls are made in one second,
    so that no test depends on the time within a window."""

    def __init__(self, name, role_arn=None, at=None):
        self.name = name
        self.id = f"AROA{uuid.uuid4().hex[:16].upper()}"
        self.role_arn = role_arn or f"arn:aws:iam::111122223333:role/{name}"
        self.at = int(time.time() if at is None else at)

    @property
    def key(self):
        return f"111122223333#{self.id}"

    def denial(self, number, at=None):
        """CloudTrail's record of one denial, for the secret with this number."""
        detail = copy.deepcopy(sample()["detail"])
        text = json.dumps(detail)
        text = text.replace("AROAEXAMPLEWEBFRONT01", self.id).replace("role/web-frontend", f"role/{self.name}")
        detail = json.loads(text)
        issuer = detail["userIdentity"]["sessionContext"]["sessionIssuer"]
        issuer |= {"arn": self.role_arn, "userName": self.name}
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.at if at is None else at))
        message = detail["errorMessage"].replace("prod/catalog/db", f"secret-name-{number}")
        return detail | {"eventID": str(uuid.uuid4()), "eventTime": when, "errorMessage": message}

    def enumeration(self, secrets):
        return [self.denial(number) for number in range(secrets)]


def serve(answer):
    """A server on this machine. `answer` receives each request with its body and returns status and text."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            status, text = answer(self, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@functools.cache
def sample():
    return json.loads(SAMPLE.read_text())


def envelope(detail):
    """The event that EventBridge delivers to the function."""
    return sample() | {"id": str(uuid.uuid4()), "detail": detail}


class Subscriber:
    """An HTTP endpoint that confirms its subscription and records its messages."""

    def __init__(self):
        self.messages = []
        self.server = serve(self.take)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def take(self, _, body):
        self.messages.append(json.loads(body))
        return 200, b""

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def subscribe(self, sns, topic, filter_policy):
        sns.subscribe(
            TopicArn=topic,
            Protocol="http",
            Endpoint=self.url,
            Attributes={"FilterPolicy": json.dumps(filter_policy)},
        )
        (asked,) = wait_for("the subscription's confirmation", lambda: self.messages)
        sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])
        self.messages.clear()


class Deployed:
    """The function in an account of its own."""

    def __init__(self, template=None, parameters=None, code=None):
        self.account = account()
        self.stack = stack.deploy(code or binary(), parameters, account=self.account, template=template)
        self.outputs = self.stack.outputs
        self.dynamodb = self.account.client("dynamodb")
        self.events = self.account.client("events")
        self.functions = self.account.client("lambda")
        self.logs = self.account.client("logs")
        self.sns = self.account.client("sns")
        self.sqs = self.account.client("sqs")
        self._alerts = []
        self._failures = []
        self._alert_queue = self._subscribe_queue()

    def _subscribe_queue(self):
        # The local AWS puts a message here before it answers the function's Publish.
        url = self.sqs.create_queue(QueueName="alerts")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        admit_topic = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.outputs["TopicArn"]}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [admit_topic]})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.sns.subscribe(TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
        return url

    # ---- in ----

    def put(self, *details):
        """Sends these records to EventBridge as CloudTrail does."""
        for first in range(0, len(details), 10):
            answer = self.events.put_events(
                Entries=[
                    {
                        "Source": "aws.secretsmanager",
                        "DetailType": "AWS API Call via CloudTrail",
                        "Detail": json.dumps(detail),
                    }
                    for detail in details[first : first + 10]
                ]
            )
            assert answer["FailedEntryCount"] == 0, answer

    def handle(self, *details):
        """The same, and waits until the function has handled all of them."""
        before = len(self.runs())
        self.put(*details)
        self.wait_for_runs(before + len(details))

    def invoke(self, payload):
        """Invokes the function with a payload that no rule would deliver."""
        self.functions.invoke(
            FunctionName=self.outputs["FunctionName"], InvocationType="Event", Payload=json.dumps(payload)
        )

    # ---- out ----

    def wait_for_runs(self, count):
        wait_for(f"{count} invocations", lambda: len(self.runs()) >= count)

    def runs(self):
        """One line for each invocation that ended."""
        return [line for line in self.log() if line.startswith("REPORT RequestId: ")]

    def lines(self):
        """The lines that the function itself wrote."""
        platform = re.compile(r"(START|END|REPORT) RequestId: ")
        return [line for line in self.log() if not platform.match(line)]

    def log(self):
        lines, token = [], {}
        while True:
            page = self.logs.filter_log_events(logGroupName=self.outputs["LogGroupName"], **token)
            lines += [event["message"] for event in page["events"]]
            if not page.get("nextToken"):
                return lines
            token = {"nextToken": page["nextToken"]}

    def metrics(self):
        """The embedded metrics of each invocation."""
        return [line for line in map(json.loads, self.lines()) if "_aws" in line]

    def item(self, caller):
        key = {"principal": {"S": caller.key}}
        return self.dynamodb.get_item(TableName=self.outputs["TableName"], Key=key, ConsistentRead=True).get("Item")

    def number(self, caller, attribute):
        """An attribute of an item as a whole number, or None if it is missing."""
        held = (self.item(caller) or {}).get(attribute)
        return held and int(held["N"])

    def items(self):
        return self.dynamodb.scan(TableName=self.outputs["TableName"])["Items"]

    def set(self, caller, attribute, value):
        """Changes one attribute of an item by hand."""
        self.dynamodb.update_item(
            TableName=self.outputs["TableName"],
            Key={"principal": {"S": caller.key}},
            UpdateExpression="SET #attribute = :value",
            ExpressionAttributeNames={"#attribute": attribute},
            ExpressionAttributeValues={":value": value},
        )

    def saturate(self, caller):
        """Fills the item's set of counted events, so that its window is full as after 256 denials."""
        held = len(self.item(caller)["ids"]["BS"])
        self.dynamodb.update_item(
            TableName=self.outputs["TableName"],
            Key={"principal": {"S": caller.key}},
            UpdateExpression="ADD ids :ids",
            ExpressionAttributeValues={":ids": {"BS": [number.to_bytes(8, "big") for number in range(256 - held)]}},
        )

    def alerts(self):
        """Every message to the topic so far."""
        self._alerts += self._drained(self._alert_queue)
        return self._alerts

    def findings(self, caller):
        """The findings about one principal among all alerts."""
        bodies = [json.loads(message["Message"]) for message in self.alerts()]
        return [body for body in bodies if body.get("principal", {}).get("key") == caller.key]

    def failures(self):
        """Every event in the failure queue so far."""
        self._failures += self._drained(self.outputs["FailureQueueUrl"])
        return self._failures

    def failure_of(self, payload_holds):
        """Waits for the one event in the failure queue whose payload satisfies this."""
        found = wait_for(
            "the event in the failure queue",
            lambda: [failure for failure in self.failures() if payload_holds(failure["requestPayload"])],
        )
        assert len(found) == 1, found
        return found[0]

    def failure_among(self, details):
        ids = {detail["eventID"] for detail in details}
        return self.failure_of(lambda payload: payload.get("detail", {}).get("eventID") in ids)

    def _drained(self, queue):
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies


class EndToEndTest(unittest.TestCase):
    """Each class has its own deployment, and so its own account."""

    maxDiff = None
    deployed = None

    @classmethod
    def setUpClass(cls):
        cls.deployed = cls.deploy()

    @classmethod
    def deploy(cls):
        return Deployed()

    def tearDown(self):
        # Checked after every test, because any of them could make the log say too much.
        for line in self.deployed.log():
            for text in CONFIDENTIAL:
                self.assertNotIn(text, line)

    def assert_failed(self, failure, error_type, *texts):
        answer = failure["responsePayload"]
        self.assertEqual(answer["errorType"], error_type, answer)
        for text in texts:
            self.assertIn(text, answer["errorMessage"])
