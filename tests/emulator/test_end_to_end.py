"""template.yaml and the built function, from CloudTrail's event to the subscriber's message. FUNCTION_BINARY names the function's binary."""

import json
import time
import unittest
import urllib.parse
import urllib.request

from end_to_end import Caller, Deployed, EndToEndTest, Subscriber, as_it_is, serve, wait_for

SEVERITIES = {"low", "medium", "high"}
FENCE = json.dumps({"type": "fence"})
NEXT_HOUR_SOON_SECONDS = 20


class Alerts(EndToEndTest):
    def test_an_enumeration_reaches_once_those_who_asked_for_its_severity(self):
        topic = self.deployed.outputs["TopicArn"]
        urgent, low = self.subscriber(["medium", "high"]), self.subscriber(["low"])
        caller = Caller("enumerating")
        self.deployed.handle(*caller.enumeration(8))

        wait_for("the alert", lambda: urgent.messages)
        # Everything sent to the second subscriber was sent before this message.
        fence = {"severity": {"DataType": "String", "StringValue": "low"}}
        self.deployed.sns.publish(TopicArn=topic, Message=FENCE, MessageAttributes=fence)
        wait_for("the fence", lambda: low.messages)
        self.assertEqual([message["Message"] for message in low.messages], [FENCE])
        self.assertEqual(len(self.deployed.findings(caller)), 1)
        (alert,) = urgent.messages
        (finding,) = self.deployed.findings(caller)
        alarm = json.loads(alert["Message"])
        self.assertEqual(alarm["AlarmName"], f"Rattle eu-west-1 {caller.key}")
        self.assertEqual((alarm["OldStateValue"], alarm["NewStateValue"]), ("OK", "ALARM"))
        self.assertIn(finding["title"], alarm["NewStateReason"])
        self.assertEqual((finding["type"], finding["schema"]), ("finding", "rattle.finding/1"))
        self.assertEqual((finding["status"], finding["signal"], finding["scale"]), ("open", "secrets", "5m"))
        self.assertEqual(finding["severity"], "medium")
        # Fewer than 8 if the alert was claimed before all of them had been counted.
        self.assertIn(finding["observed"], range(5, 9))
        self.assertEqual(finding["secrets"]["5m"], finding["observed"])
        self.assertGreaterEqual(finding["deviation"], finding["threshold"])
        self.assertEqual(
            finding["principal"],
            {
                "key": caller.key,
                "type": "AssumedRole",
                "arn": caller.role_arn,
                "name": "enumerating",
                "session": "i-0abc1234def567890",
            },
        )
        self.assertTrue(finding["evidence"])
        for seen in finding["evidence"]:
            self.assertRegex(seen["secret"], r"^secret-name-[0-7]$")
            self.assertEqual((seen["source_ip"], seen["cause"]), ("198.51.100.24", "identity-based policy"))
        count = finding["observed"]
        self.assertEqual(
            alert["Subject"],
            f"ALARM: [Rattle medium] {finding['denials']['5m']} denied reads of {count} secrets in 5 minutes by role enumerating",
        )
        self.assertEqual(
            {name: (value["Type"], value["Value"]) for name, value in alert["MessageAttributes"].items()},
            {
                "severity": ("String", "medium"),
                "status": ("String", "open"),
                "signal": ("String", "secrets"),
                "account": ("String", "111122223333"),
                "region": ("String", "eu-west-1"),
                "principal_type": ("String", "AssumedRole"),
            },
        )
        self.assertEqual(self.deployed.number(caller, "n_1d"), 8)
        self.assertNotIn("pending", self.deployed.item(caller))
        self.assertEqual(self.deployed.failures(), [])

    def subscriber(self, severities):
        subscriber = Subscriber()
        self.addCleanup(subscriber.close)
        topic = self.deployed.outputs["TopicArn"]
        subscriber.subscribe(self.deployed.sns, topic, {"severity": severities})
        return subscriber

    def test_events_delivered_twice_are_counted_once_and_reported_once(self):
        caller = Caller("delivered-twice")
        events = caller.enumeration(6)
        self.deployed.handle(*events)
        self.deployed.handle(*events)
        self.assertEqual(self.deployed.number(caller, "n_1d"), 6)
        self.assertEqual(len(self.deployed.findings(caller)), 1)
        self.assertEqual(self.deployed.number(caller, "alert_seq"), 1)

    def test_events_delivered_twice_at_the_same_time_are_counted_once_and_are_one_finding(self):
        caller = Caller("delivered-at-once")
        events = caller.enumeration(6)
        self.deployed.handle(*events, *events)
        self.assertEqual(self.deployed.number(caller, "n_1d"), 6)
        self.assertEqual(self.deployed.number(caller, "alert_seq"), 1)
        # A second delivery of the event that claimed the finding may send it too, because
        # it cannot know whether the first one is still running.
        self.assertEqual(len({finding["id"] for finding in self.deployed.findings(caller)}), 1)

    def test_denials_of_the_functions_own_role_leave_no_trace(self):
        own = Caller("own", role_arn=self.deployed.outputs["FunctionRoleArn"])
        self.deployed.handle(*own.enumeration(6))
        self.assertIsNone(self.deployed.item(own))
        self.assertEqual(self.deployed.findings(own), [])

    def test_the_finding_about_a_muted_principal_is_recorded_and_not_sent(self):
        caller = Caller("muted")
        first, *others = caller.enumeration(6)
        self.deployed.handle(first)
        self.deployed.set(caller, "muted_until", {"N": str(int(time.time()) + 3600)})
        self.deployed.handle(*others)
        self.assertEqual(self.deployed.findings(caller), [])
        self.assertEqual(self.deployed.number(caller, "alert_seq"), 1)
        self.assertIsNone(self.deployed.number(caller, "suppressed"), "no storm held the finding back")
        self.assertNotIn("pending", self.deployed.item(caller))
        (logged,) = [line for line in map(json.loads, self.deployed.lines()) if caller.key in json.dumps(line)]
        finding = logged["fields"]["finding"]
        held_back = [line["level"] for line in map(json.loads, self.deployed.lines()) if self.warns(line, finding)]
        self.assertEqual(held_back, ["WARN"])

    def test_every_line_of_the_log_is_one_json_object_and_a_finding_has_one(self):
        caller = Caller("logged")
        self.deployed.handle(*caller.enumeration(6))
        lines = [json.loads(line) for line in self.deployed.lines()]
        self.assertEqual({type(line) for line in lines}, {dict})
        (logged,) = [line for line in lines if line.get("fields", {}).get("principal") == caller.key]
        (finding,) = self.deployed.findings(caller)
        self.assertEqual(logged["level"], "INFO")
        fields = logged["fields"]
        self.assertEqual((fields["finding"], fields["message"]), (finding["id"], finding["title"]))
        ordinary = [line for line in lines if "_aws" not in line and caller.name in json.dumps(line)]
        self.assertEqual(ordinary, [logged])

    @staticmethod
    def warns(line, finding):
        fields = line.get("fields", {})
        return fields.get("finding") == finding and "not sent" in fields["message"]


class OneMessage(EndToEndTest):
    """Checks the request to SNS itself, because the local AWS delivers no e-mail."""

    @classmethod
    def deploy(cls):
        template = as_it_is()
        cls.requests = []
        cls.proxy = cls.recording_proxy()
        variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        variables["AWS_ENDPOINT_URL_SNS"] = f"http://127.0.0.1:{cls.proxy.server_port}"
        deployed = Deployed(template)
        cls.forward_to = deployed.account.endpoint
        return deployed

    @classmethod
    def recording_proxy(cls):
        def answer(request, body):
            cls.requests.append(dict(urllib.parse.parse_qsl(body.decode())))
            headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
            onward = urllib.request.Request(cls.forward_to + request.path, data=body, headers=headers)
            with urllib.request.urlopen(onward) as answer:
                return answer.status, answer.read()

        server = serve(answer)
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        return server

    def test_an_alert_is_one_message_with_a_body_for_each_kind_of_subscriber(self):
        caller = Caller("one-message")
        self.deployed.handle(*caller.enumeration(7))
        (request,) = self.requests
        self.assertEqual((request["Action"], request["MessageStructure"]), ("Publish", "json"))
        bodies = json.loads(request["Message"])
        self.assertEqual(set(bodies), {"default", "email", "sms", "http", "https", "sqs", "lambda"})
        self.assertEqual({type(body) for body in bodies.values()}, {str})
        finding = json.loads(bodies["sqs"])
        self.assertEqual([finding], self.deployed.findings(caller))
        self.assertEqual(bodies["lambda"], bodies["sqs"])
        self.assertEqual(json.loads(bodies["https"])["FindingId"], finding["id"])
        self.assertEqual(bodies["http"], bodies["https"])
        # SNS refuses a longer subject, and any character but printable ASCII.
        self.assertRegex(request["Subject"], r"^[ -~]{1,99}$")
        self.assertEqual(request["Subject"], f"ALARM: [Rattle medium] {finding['title']}")
        email = bodies["email"]
        self.assertEqual(email, bodies["default"])
        who, what, unusual = email.split("\n\n")[0].split("\n")
        self.assertEqual(who, f"MEDIUM: role {caller.name}, account 111122223333, eu-west-1")
        self.assertTrue(finding["title"].startswith(what.split(", last at")[0]), what)
        self.assertIn(" sigma: ", unusual)
        self.assertIn(f"--table-name {self.deployed.outputs['TableName']}", email)
        for text in (finding["id"], caller.key, caller.role_arn, "secret-name-", "198.51.100.24", "WHAT TO DO"):
            self.assertIn(text, email)
        self.assertLessEqual(len(bodies["sms"].encode()), 140)


class Chat(EndToEndTest):
    @classmethod
    def deploy(cls):
        template = as_it_is()
        resources = template["Resources"]
        resources["Chat"] = {"Type": "AWS::SNS::Topic"}
        resources["Function"]["Properties"]["Environment"]["Variables"]["RATTLE_CHAT_TOPIC_ARN"] = {"Ref": "Chat"}
        (policy,) = [p for p in resources["FunctionRole"]["Properties"]["Policies"] if p["PolicyName"] == "publish-alerts"]
        policy["PolicyDocument"]["Statement"][0]["Resource"] = [{"Ref": "Topic"}, {"Ref": "Chat"}]
        template["Outputs"]["Chat"] = {"Value": {"Ref": "Chat"}}
        return Deployed(template)

    def test_chat_gets_its_own_message_about_the_same_finding(self):
        subscriber = Subscriber()
        self.addCleanup(subscriber.close)
        subscriber.subscribe(self.deployed.sns, self.deployed.outputs["Chat"], {"severity": ["medium"]})
        caller = Caller("chatted")
        self.deployed.handle(*caller.enumeration(7))
        wait_for("the message in chat", lambda: subscriber.messages)
        (finding,) = self.deployed.findings(caller)
        (message,) = subscriber.messages
        body = json.loads(message["Message"])
        self.assertEqual((body["version"], body["source"], body["id"]), ("1.0", "custom", finding["id"]))
        self.assertEqual(body["metadata"]["threadId"], finding["episode"])
        self.assertIn(f"`{caller.name}`", body["content"]["title"])


class BrokenChat(EndToEndTest):
    @classmethod
    def deploy(cls):
        return Deployed(parameters={"ChatTopicArn": "arn:aws:sns:eu-west-1:999988887777:is-not-there"})

    def test_an_alert_is_sent_once_and_confirmed_when_chat_is_not_to_be_reached(self):
        caller = Caller("unchatted")
        self.deployed.handle(*caller.enumeration(7))
        self.assertEqual(len(self.deployed.findings(caller)), 1)
        self.assertNotIn("pending", self.deployed.item(caller))
        lines = [json.loads(line).get("fields", {}) for line in self.deployed.lines()]
        told = [fields for fields in lines if fields.get("error_type") == "ChatNotPublished"]
        self.assertEqual([fields["finding"] for fields in told], [self.deployed.findings(caller)[0]["id"]])
        self.assertEqual(self.deployed.failures(), [])


class PlainRule(EndToEndTest):
    @classmethod
    def deploy(cls):
        template = as_it_is()
        template["Resources"]["Rule"]["Properties"]["State"] = "ENABLED"
        return Deployed(template)

    def test_a_rule_in_the_plain_state_delivers_no_denial_at_all(self):
        caller, fence = Caller("unheard"), Caller("fence")
        self.deployed.put(*caller.enumeration(8))
        # The same event as a write. Once it has arrived, everything the rule delivers has
        # been delivered.
        self.deployed.handle(fence.denial(0) | {"readOnly": False})
        # Other invocations would have started before it, but may end a little later.
        time.sleep(0.3)
        self.assertEqual([item["principal"]["S"] for item in self.deployed.items()], [fence.key])
        self.assertEqual(len(self.deployed.runs()), 1)
        self.assertEqual(self.deployed.alerts(), [])


class Storm(EndToEndTest):
    @classmethod
    def deploy(cls):
        return Deployed(parameters={"MaxAlertsPerHour": "2"})

    def test_past_the_limit_one_message_says_so_and_further_findings_are_recorded(self):
        # The limit counts alerts by the hour of the clock.
        left = 3600 - time.time() % 3600
        if left < NEXT_HOUR_SOON_SECONDS:
            time.sleep(left + 1)
        callers = [Caller(f"storm-{number}") for number in range(4)]
        for caller in callers:
            self.deployed.handle(*caller.enumeration(6))
        self.assertEqual([len(self.deployed.findings(caller)) for caller in callers], [1, 1, 0, 0])
        self.assertEqual(len(self.deployed.alerts()), 3)
        storm = self.deployed.alerts()[-1]
        self.assertEqual(storm["Subject"], "ALARM: [Rattle storm] More than 2 alerts in one hour")
        attributes = {name: value["Value"] for name, value in storm["MessageAttributes"].items()}
        self.assertEqual((attributes["status"], attributes["severity"]), ("storm", "high"))
        body = json.loads(storm["Message"])
        self.assertEqual((body["type"], body["schema"], body["limit"]), ("storm", "rattle.storm/1", 2))
        self.assertEqual([self.deployed.number(c, "suppressed") for c in callers], [None, None, 1, 1])
        self.assertEqual([self.deployed.number(c, "alert_seq") for c in callers], [1, 1, 1, 1])
        self.assertEqual([c.name for c in callers if "pending" in self.deployed.item(c)], [])
        for metric in ("AlertsSuppressed", "AlertsPublished"):
            total = lambda: sum(line.get(metric, 0) for line in self.deployed.metrics())
            wait_for(f"both {metric} in the log", lambda: total() >= 2)
            self.assertEqual(total(), 2)


class Telemetry(EndToEndTest):
    def test_the_embedded_metrics_are_valid_and_add_up_to_what_was_received(self):
        started = time.time() * 1000
        caller, own = Caller("counted"), Caller("own", role_arn=self.deployed.outputs["FunctionRoleArn"])
        events = caller.enumeration(7)
        self.deployed.handle(*events)
        self.deployed.handle(*events[:2])
        self.deployed.handle(own.denial(0))
        self.deployed.handle(caller.denial(1, at=caller.at - 600))
        nameless = caller.denial(0)
        del nameless["eventID"]
        before = len(self.deployed.runs())
        self.deployed.put(nameless)
        self.deployed.wait_for_runs(before + 3)
        self.deployed.saturate(caller)
        self.deployed.handle(caller.denial(8))
        received = len(self.deployed.runs())
        self.assertEqual(received, 7 + 2 + 1 + 1 + 3 + 1)
        metrics = wait_for("all metrics", lambda: (m := self.deployed.metrics())[received - 1 :] and m)
        self.assertEqual(len(metrics), received)

        sums = {}
        for line in metrics:
            for name, unit, count in self.embedded(line, started):
                self.assertEqual(unit, "Count")
                sums[name] = sums.get(name, 0) + count
        expected = {"Denials": 8, "Duplicates": 2, "Ignored": 1, "Rejected": 3, "Saturated": 1, "Late": 1}
        expected |= {"Findings": 1, "AlertsPublished": 1}
        self.assertEqual({name: sums.get(name) for name in expected}, expected)
        outcomes = ("Denials", "Duplicates", "Saturated", "Ignored", "Rejected")
        self.assertEqual(received, sum(sums[name] for name in outcomes))
        self.assertLessEqual(set(sums), set(expected) | {"DynamoDbRequests", "LostRaces"})
        # Rejected and ignored events cost no request, and most others cost one.
        self.assertGreaterEqual(sums["DynamoDbRequests"], 8 + 2 + 1 + 2)

    def embedded(self, line, started):
        about = line["_aws"]
        self.assertEqual(set(about), {"Timestamp", "CloudWatchMetrics"})
        self.assertTrue(started <= about["Timestamp"] <= time.time() * 1000)
        for directive in about["CloudWatchMetrics"]:
            self.assertEqual(set(directive), {"Namespace", "Dimensions", "Metrics"})
            self.assertEqual(directive["Namespace"], "Rattle")
            for dimensions in directive["Dimensions"]:
                for name in dimensions:
                    self.assertEqual(name, "Severity")
                    self.assertIn(line[name], SEVERITIES)
            self.assertTrue(directive["Metrics"])
            for metric in directive["Metrics"]:
                self.assertIsInstance(line[metric["Name"]], int)
                yield metric["Name"], metric["Unit"], line[metric["Name"]]


if __name__ == "__main__":
    unittest.main()
