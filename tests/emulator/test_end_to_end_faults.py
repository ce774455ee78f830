"""What goes wrong is named, reaches the failure queue, and is made good once the cause is
gone. FUNCTION_BINARY names the function's binary."""

import json
import os
import pathlib
import tempfile
import time
import unittest

import stack
from end_to_end import Caller, Deployed, EndToEndTest, as_it_is, binary, envelope, wait_for

ATTEMPTS = 3
TAKEN_OVER_AFTER_SECONDS = 60


class Rejected(EndToEndTest):
    def test_a_malformed_event_is_given_up_by_name_and_the_next_one_is_handled(self):
        caller = Caller("malformed")
        nameless = caller.denial(0)
        del nameless["eventID"]
        far = caller.denial(1) | {"eventTime": "9999-12-31T23:59:59Z"}
        tomorrow = caller.denial(2, at=time.time() + 86400)
        elsewhere = envelope(caller.denial(3)) | {"source": "example.elsewhere"}
        put = [
            (nameless, "eventID is missing"),
            (far, 'eventTime is "9999-12-31T23:59:59Z"'),
            (tomorrow, "lies in the future"),
        ]
        # No rule would let these through; a hand or another rule may.
        invoked = [
            (elsewhere, 'its source is "example.elsewhere", not aws.secretsmanager'),
            ([envelope(caller.denial(4))], "it is no EventBridge event"),
            ("an envelope", "it is no EventBridge event"),
            ({"detail": None}, "it is no EventBridge event"),
        ]
        self.deployed.put(*(detail for detail, _ in put))
        for payload, _ in invoked:
            self.deployed.invoke(payload)

        for detail, text in put:
            with self.subTest(text):
                failure = self.deployed.failure_of(lambda p, d=detail: isinstance(p, dict) and p.get("detail") == d)
                self.assert_failed(failure, "RejectedEvent", text)
        for payload, text in invoked:
            with self.subTest(payload=payload):
                failure = self.deployed.failure_of(lambda p, wanted=payload: p == wanted)
                self.assert_failed(failure, "RejectedEvent", text)
        self.assertEqual(len(self.deployed.failures()), len(put + invoked))
        self.assertEqual(len(self.deployed.runs()), ATTEMPTS * len(put + invoked))
        self.assertEqual(self.deployed.items(), [])

        self.deployed.handle(caller.denial(5))
        self.assertEqual(self.deployed.number(caller, "n_1d"), 1)
        self.assertEqual(len(self.deployed.failures()), len(put + invoked))


class Items(EndToEndTest):
    def test_an_item_of_a_newer_format_is_named_and_left_as_it_is(self):
        caller = Caller("newer-format")
        self.deployed.handle(caller.denial(0))
        self.deployed.set(caller, "format", {"N": "2"})
        written = self.deployed.item(caller)
        event = caller.denial(1)
        self.deployed.put(event)

        failure = self.deployed.failure_among([event])
        self.assert_failed(failure, "CorruptItem", caller.key, "attribute format", "another version")
        self.assertEqual(self.deployed.item(caller), written)

        # Where a newer version is rolled back, say.
        self.deployed.set(caller, "format", {"N": "1"})
        self.deployed.invoke(failure["requestPayload"])
        wait_for("the event to count", lambda: self.deployed.number(caller, "n_1d") == 2)

    def test_a_baseline_damaged_by_hand_is_named_and_never_begun_anew(self):
        caller = Caller("damaged")
        self.deployed.handle(caller.denial(0))
        self.deployed.set(caller, "base", {"L": [{"N": "-1"}] * 12})
        event = caller.denial(1)
        self.deployed.put(event)

        failure = self.deployed.failure_among([event])
        self.assert_failed(failure, "CorruptItem", caller.key, "attribute base")
        self.assertEqual(self.deployed.item(caller)["base"], {"L": [{"N": "-1"}] * 12})


class TableGone(EndToEndTest):
    @classmethod
    def deploy(cls):
        return Deployed(parameters={"TableDeletionProtection": "false"})

    def test_without_its_table_the_function_gives_the_event_up_after_three_attempts(self):
        caller = Caller("no-table")
        self.deployed.handle(caller.denial(0))
        self.deployed.dynamodb.delete_table(TableName=self.deployed.outputs["TableName"])
        event = caller.denial(1)
        self.deployed.put(event)
        failure = self.deployed.failure_among([event])
        self.assert_failed(failure, "StoreUnavailable", "UpdateItem failed: ResourceNotFoundException")
        self.assertEqual(len(self.deployed.runs()), 1 + ATTEMPTS)


class WrongSettings(EndToEndTest):
    @classmethod
    def deploy(cls):
        template = as_it_is()
        variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        variables |= {"RATTLE_MIN_SECRETS": "0", "RATTLE_TRESHOLD": "3"}
        return Deployed(template)

    def test_the_function_does_not_start_and_says_all_that_is_wrong(self):
        event = Caller("never-counted").denial(0)
        self.deployed.put(event)
        failure = self.deployed.failure_among([event])
        # The local AWS puts what a function wrote before it ended into the answer; AWS
        # puts it into the log.
        written = failure["responsePayload"]["errorMessage"]
        (line,) = [line for line in written.splitlines() + [written] if self.is_json_error(line)] or [written]
        self.assertIn("the function cannot start", line)
        self.assertIn(r'RATTLE_MIN_SECRETS is \"0\"; allowed: a whole number from 1 to 512', line)
        self.assertIn("RATTLE_TRESHOLD is no setting; there are RATTLE_DENIALS_THRESHOLD", line)
        self.assertEqual(self.deployed.items(), [])

    @staticmethod
    def is_json_error(line):
        return line.startswith("{") and '"level":"ERROR"' in line


class Refused(EndToEndTest):
    """The role's policies are enforced. One action at a time is missing; then the stack is
    updated to the template as it is, and the failed event is sent once more."""

    action = error_type = text = None
    # A first denial creates the item, the fifth new secret raises the alert.
    secrets = 1

    @classmethod
    def setUpClass(cls):
        if cls.action is None:
            raise unittest.SkipTest("what the classes below have in common")
        super().setUpClass()

    @classmethod
    def deploy(cls):
        template = as_it_is()
        withdraw(template, cls.action)
        return Deployed(template)

    def given_up(self, *details):
        """The failure of the one of these events that fails."""
        before = len(self.deployed.runs())
        self.deployed.put(*details)
        failure = self.deployed.failure_among(details)
        self.deployed.wait_for_runs(before + len(details) - 1 + ATTEMPTS)
        self.assert_failed(failure, self.error_type, self.text)
        errors = [line for line in map(json.loads, self.deployed.lines()) if line.get("level") == "ERROR"]
        self.assertEqual({line["fields"]["error_type"] for line in errors}, {self.error_type})
        return failure

    def permit(self):
        stack.update(self.deployed.stack, as_it_is())


class PutItemRefused(Refused):
    action, error_type, text = "dynamodb:PutItem", "StoreUnavailable", "PutItem failed: AccessDeniedException"

    def test_nothing_is_lost_while_the_function_may_not_create_items(self):
        caller = Caller("no-put")
        failure = self.given_up(caller.denial(0))
        self.assertEqual(len(self.deployed.runs()), ATTEMPTS)
        self.assertEqual(self.deployed.items(), [])
        self.permit()
        self.deployed.invoke(failure["requestPayload"])
        wait_for("the event to count", lambda: self.deployed.number(caller, "n_1d") == 1)


class UpdateItemRefused(Refused):
    action, error_type, text = "dynamodb:UpdateItem", "StoreUnavailable", "UpdateItem failed: AccessDeniedException"

    def test_nothing_is_lost_while_the_function_may_not_count(self):
        caller = Caller("no-update")
        failures = [self.given_up(event) for event in caller.enumeration(5)[:1]]
        others = caller.enumeration(5)[1:]
        self.deployed.put(*others)
        failures += [self.deployed.failure_among([event]) for event in others]
        self.assertEqual(self.deployed.items(), [])
        self.permit()
        for failure in failures:
            self.deployed.invoke(failure["requestPayload"])
        wait_for("the alert", lambda: self.deployed.findings(caller))
        self.assertEqual(self.deployed.number(caller, "n_1d"), 5)
        self.assertEqual(len(self.deployed.findings(caller)), 1)


class GetItemRefused(Refused):
    action, error_type, text = "dynamodb:GetItem", "StoreUnavailable", "GetItem failed: AccessDeniedException"

    def test_only_a_denial_past_the_cap_needs_to_read(self):
        caller = Caller("no-get")
        self.deployed.handle(*caller.enumeration(2))
        self.deployed.dynamodb.update_item(
            TableName=self.deployed.outputs["TableName"],
            Key={"principal": {"S": caller.key}},
            UpdateExpression="ADD ids :ids",
            ExpressionAttributeValues={":ids": {"BS": [number.to_bytes(8, "big") for number in range(254)]}},
        )
        # The process that learns of the cap from a failed write remembers it.
        self.deployed.handle(caller.denial(2))
        self.assertEqual(self.deployed.failures(), [])


class PublishRefused(Refused):
    action, error_type, text = "sns:Publish", "AlertNotPublished", "Publish failed: "

    def test_an_alert_that_could_not_be_sent_is_sent_with_its_event(self):
        caller = Caller("no-publish")
        failure = self.given_up(*caller.enumeration(6))
        pending = self.pending(caller)
        self.assertEqual(self.deployed.findings(caller), [])
        self.permit()
        self.deployed.invoke(failure["requestPayload"])
        (finding,) = wait_for("the alert", lambda: self.deployed.findings(caller))
        self.assertEqual(finding["id"], pending["id"])
        wait_for("its confirmation", lambda: "pending" not in self.deployed.item(caller))
        self.assertEqual(self.deployed.number(caller, "n_1d"), 6)
        self.assertEqual(self.deployed.number(caller, "alert_seq"), 1)

    def pending(self, caller):
        return json.loads(self.deployed.item(caller)["pending"]["M"]["finding"]["S"])


class PublishLeftBehind(PublishRefused):
    def test_an_alert_that_could_not_be_sent_is_sent_with_its_event(self):
        """Not again."""

    def test_an_alert_left_behind_is_sent_by_the_next_denial_a_minute_later_and_once(self):
        caller = Caller("left-behind")
        self.given_up(*caller.enumeration(6))
        left_behind = self.pending(caller)
        self.permit()

        self.deployed.handle(caller.denial(6))
        self.assertEqual(self.deployed.findings(caller), [], "whoever claimed it may still be at it")

        held = self.deployed.item(caller)["pending"]["M"]
        aged = str(int(held["at"]["N"]) - TAKEN_OVER_AFTER_SECONDS - 1)
        self.deployed.set(caller, "pending", {"M": held | {"at": {"N": aged}}})
        self.deployed.handle(caller.denial(7))
        (finding,) = self.deployed.findings(caller)
        self.assertEqual(finding["id"], left_behind["id"])
        self.assertNotIn("pending", self.deployed.item(caller))

        self.deployed.handle(caller.denial(8))
        self.assertEqual(len(self.deployed.findings(caller)), 1)


@unittest.skipUnless(os.path.exists("/dev/full"), "nothing here refuses every write")
class Panic(EndToEndTest):
    """Writing the metrics panics where standard output cannot be written, which is no fault
    of the function's and shows what becomes of any panic in it."""

    @classmethod
    def deploy(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.starts = pathlib.Path(folder.name) / "starts"
        bootstrap = pathlib.Path(folder.name) / "bootstrap"
        bootstrap.write_text(f"#!/bin/sh\necho >>{cls.starts}\nexec {binary()} >/dev/full\n")
        return Deployed(code=bootstrap)

    def test_a_panic_is_given_up_as_a_failure_and_the_process_lives_on(self):
        caller = Caller("panic")
        event = caller.denial(0)
        self.deployed.put(event)
        failure = self.deployed.failure_among([event])
        self.assertIn("failed printing to stdout", failure["responsePayload"]["errorMessage"])
        self.assertEqual(len(self.deployed.runs()), ATTEMPTS)
        self.assertEqual(len(self.starts.read_text().splitlines()), 1)
        # It was counted before the panic, and once.
        self.assertEqual(self.deployed.number(caller, "n_1d"), 1)


def withdraw(template, action):
    """Takes one action away from the function's role."""
    policies = template["Resources"]["FunctionRole"]["Properties"]["Policies"]
    found = 0
    for policy in policies:
        document = policy["PolicyDocument"]
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            found += action in actions
            statement["Action"] = [other for other in actions if other != action]
        document["Statement"] = [statement for statement in document["Statement"] if statement["Action"]]
    assert found == 1, f"{action} is granted {found} times"


if __name__ == "__main__":
    unittest.main()
