"""An episode from its first alert to its resolution, as a pager sees it; and the weekly digest
of findings that were not sent. FUNCTION_BINARY names the function's binary."""

import json
import time
import unittest

from end_to_end import Caller, Deployed, EndToEndTest, Subscriber, as_it_is, wait_for

HOUR = 3600
# The fields that a CloudWatch alarm sends and PagerDuty's integration reads.
ALARM_FIELDS = {
    "AlarmName",
    "AlarmDescription",
    "AWSAccountId",
    "NewStateValue",
    "NewStateReason",
    "StateChangeTime",
    "Region",
    "OldStateValue",
    "Trigger",
}


class Scheduled(Deployed):
    """A deployment that runs scheduled tasks on request, as AWS does when their time comes."""

    def task(self, schedule):
        """The input of the stack's schedule with this expression."""
        rules = [rule for rule in self.events.list_rules()["Rules"] if rule.get("ScheduleExpression") == schedule]
        (rule,) = rules
        (target,) = self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        return json.loads(target["Input"])

    def run_task(self, schedule):
        before = len(self.runs())
        self.invoke(self.task(schedule))
        self.wait_for_runs(before + 1)

    def close_episodes(self):
        self.run_task("rate(15 minutes)")

    def make_due(self, caller):
        """Makes the episode due, as if 15 minutes had passed since the last alert."""
        self.dynamodb.update_item(
            TableName=self.outputs["TableName"],
            Key={"principal": {"S": f"#episode#{caller.key}"}},
            UpdateExpression="SET #due = :now",
            ConditionExpression="attribute_exists(agenda)",
            ExpressionAttributeNames={"#due": "due"},
            ExpressionAttributeValues={":now": {"N": "1"}},
        )


class Pager(Subscriber):
    """Groups its messages by the alarm's name, as a pager does."""

    def incidents(self):
        incidents = {}
        for message in self.messages:
            alarm = json.loads(message["Message"])
            incidents.setdefault(alarm["AlarmName"], []).append((alarm, message))
        return incidents


class Episode(EndToEndTest):
    @classmethod
    def deploy(cls):
        return Scheduled()

    def test_a_pager_sees_one_incident_open_grow_and_close(self):
        pager = Pager()
        self.addCleanup(pager.close)
        severities = {"severity": ["medium", "high"]}
        pager.subscribe(self.deployed.sns, self.deployed.outputs["TopicArn"], severities)
        # The events are two hours old, so the episode is over when it is first checked.
        caller = Caller("enumerator", at=time.time() - 2 * HOUR)
        self.deployed.handle(*caller.enumeration(6))
        self.deployed.close_episodes()
        self.assertEqual(len(self.deployed.findings(caller)), 1, "its alert may still be on its way")
        self.deployed.handle(*(caller.denial(number) for number in range(6, 60)))
        self.deployed.make_due(caller)
        self.deployed.close_episodes()

        statuses = [finding["status"] for finding in self.deployed.findings(caller)]
        # Updates at fifty denials and at fifty secrets, which are one if the events arrive
        # so.
        self.assertIn(statuses, [["open", *["update"] * updates, "resolved"] for updates in (1, 2)])
        resolved = self.deployed.findings(caller)[-1]
        self.assertEqual(resolved["severity"], "high")
        wait_for("the resolution at the pager", lambda: len(pager.messages) == len(statuses))
        ((name, alarms),) = pager.incidents().items()
        self.assertEqual(
            [(alarm["OldStateValue"], alarm["NewStateValue"]) for alarm, _ in alarms],
            [("OK", "ALARM"), *[("ALARM", "ALARM")] * (len(statuses) - 2), ("ALARM", "OK")],
        )
        for alarm, message in alarms:
            self.assertLessEqual(ALARM_FIELDS, set(alarm))
            self.assertTrue(message["Subject"].startswith(f"{alarm['NewStateValue']}: "), message["Subject"])
        self.assertIn(caller.id, name)
        # Some secrets share a bucket.
        self.assertRegex(alarms[-1][0]["NewStateReason"], r"60 denied reads of (60|5[0-9]) secrets in 1 s by")

        # The episode is resolved once; a later one would be a new episode.
        self.deployed.close_episodes()
        self.assertEqual(len(self.deployed.findings(caller)), len(statuses))
        self.assertEqual(sum(line.get("EpisodesResolved", 0) for line in self.deployed.metrics()), 1)

    def test_an_episode_with_a_hit_of_this_hour_stays_open(self):
        caller = Caller("goes-on")
        self.deployed.handle(*caller.enumeration(6))
        self.deployed.make_due(caller)
        self.deployed.close_episodes()
        self.assertEqual([f["status"] for f in self.deployed.findings(caller)], ["open"])

    def test_a_task_that_there_is_not_is_rejected(self):
        wrong = {"task": "close-episode"}
        self.deployed.invoke(wrong)
        failure = self.deployed.failure_of(lambda payload: payload == wrong)
        said = "its task cannot be read: unknown variant `close-episode`, expected `close-episodes` or `send-digest`"
        self.assert_failed(failure, "RejectedEvent", said)


class Shadow(EndToEndTest):
    @classmethod
    def deploy(cls):
        return Scheduled(parameters={"Mode": "shadow", "WeeklyDigest": "true", "Ignore": "*role/left-alone"})

    def test_nothing_is_sent_but_the_digest_which_has_what_was_found_and_ignored(self):
        last_week = time.time() - 7 * 24 * HOUR
        caller, ignored = Caller("in-shadow"), Caller("left-alone")
        self.deployed.handle(*caller.enumeration(6), *ignored.enumeration(3))
        self.deployed.close_episodes()
        self.assertEqual(self.deployed.alerts(), [])
        self.assertEqual(sum(line.get("AlertsShadowed", 0) for line in self.deployed.metrics()), 1)
        self.assertIsNone(self.deployed.number(caller, "suppressed"), "no storm held the finding back")
        self.assertNotIn("pending", self.deployed.item(caller))
        (line,) = [line for line in map(json.loads, self.deployed.lines()) if "6 denied" in str(line) or "5 denied" in str(line)]
        self.assertEqual(line["fields"]["status"], "open")

        # Moves the records of this week to the last one, which the weekly digest is about.
        for item in self.deployed.items():
            if item["principal"]["S"].startswith(("#digest#", "#ignored#")):
                self.deployed.dynamodb.put_item(
                    TableName=self.deployed.outputs["TableName"], Item=item | {"due": {"N": str(int(last_week))}}
                )
        self.deployed.run_task("cron(0 8 ? * MON *)")
        (message,) = self.deployed.alerts()
        self.assertTrue(message["Subject"].startswith("[Rattle digest] "), message["Subject"])
        self.assertNotIn("severity", message["MessageAttributes"], "a pager's filter must not admit the weekly digest")
        digest = json.loads(message["Message"])
        self.assertEqual((digest["schema"], digest["findings"]["shadow"]), ("rattle.digest/1", 1))
        self.assertEqual(digest["principals"][0]["principal"], "role in-shadow")
        (entry,) = digest["ignored"]
        self.assertEqual(entry["entry"], "*role/left-alone")
        self.assertIn(entry["denials_at_least"], (2, 3))


class Reads(EndToEndTest):
    @classmethod
    def deploy(cls):
        return Scheduled(parameters={"WatchReads": "true"})

    def test_a_principal_that_was_refused_and_then_let_in_raises_one_high_update(self):
        caller, other = Caller("let-in"), Caller("reads-as-ever")
        self.deployed.handle(*caller.enumeration(6))
        before = len(self.deployed.items())
        # The reads follow one another; if they came at once, the alert might list both.
        self.deployed.handle(self.read(caller, "payments"))
        self.deployed.handle(self.read(caller, "orders"), self.read(other, "orders"))

        opened, access = self.deployed.findings(caller)
        self.assertEqual((access["status"], access["severity"]), ("update", "high"))
        self.assertEqual(access["episode"], opened["episode"])
        self.assertRegex(access["title"], r"^Denied on [56] secrets, then read 1 by role let-in$")
        self.assertEqual(access["reads"]["secrets"], ["prod/payments"])
        self.assertEqual(len(self.deployed.items()), before, "a read by another principal writes nothing")
        metrics = self.deployed.metrics()
        self.assertEqual(sum(line.get("Reads", 0) for line in metrics), 2)
        self.assertEqual(sum(line.get("Ignored", 0) for line in metrics), 1)

    def test_without_the_parameter_there_is_no_rule_for_reads(self):
        caller = Caller("not-watched")
        quiet = Scheduled()
        quiet.handle(*caller.enumeration(6))
        quiet.put(self.read(caller, "payments"))
        quiet.handle(caller.denial(6))
        self.assertEqual(len(quiet.runs()), 7)

    def read(self, caller, name):
        record = caller.denial(0) | {"requestParameters": {"secretId": f"prod/{name}"}}
        del record["errorCode"], record["errorMessage"]
        return record


if __name__ == "__main__":
    unittest.main()
