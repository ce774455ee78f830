"""Failures are named, reach the failure queue, and are made good once their cause is gone. FUNCTION_BINARY names the function's binary."""

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
STILL_FULL_SECONDS = 5
# Actions that AWS performs in the name of the role. The local AWS does not require them;
# test_end_to_end_abuse.py shows how the function reports a key that is denied.
USED_ON_BEHALF_OF_THE_ROLE = (
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "sqs:SendMessage",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
)


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
        # No rule delivers these events, but a person or another rule may.
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

        # As happens when a newer version is rolled back.
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
    def test_without_its_table_the_function_gives_the_event_up_after_three_attempts(self):
        caller = Caller("no-table")
        self.deployed.handle(caller.denial(0))
        table = self.deployed.outputs["TableName"]
        self.deployed.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        self.deployed.dynamodb.delete_table(TableName=table)
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
        # The local AWS puts what a function wrote before it ended into the answer, where
        # AWS puts it into the log.
        written = failure["responsePayload"]["errorMessage"]
        self.assertIn("the function cannot start: ", written)
        self.assertIn(r'RATTLE_MIN_SECRETS is \"0\"; allowed: a whole number from 1 to 512', written)
        self.assertIn("RATTLE_TRESHOLD is no setting; there are RATTLE_DENIALS_THRESHOLD", written)
        self.assertEqual(self.deployed.items(), [])
        self.assertEqual(len(self.deployed.runs()), ATTEMPTS)


class Refused(EndToEndTest):
    """The role's policies are enforced. The stack is updated to a template without one action
    and then back to the unchanged template, and the events that failed are sent again."""

    refusing = False

    def refuse(self, action):
        template = as_it_is()
        withdraw(template, action)
        stack.update(self.deployed.stack, template)
        self.refusing = True
        self.addCleanup(self.permit)

    def permit(self):
        # An update that changes nothing is an error.
        if self.refusing:
            stack.update(self.deployed.stack, as_it_is())
            self.refusing = False

    def given_up(self, *details, error_type, text):
        """The failure of the only one of these events that fails, after all its attempts."""
        runs, errors = len(self.deployed.runs()), len(self.errors())
        self.deployed.put(*details)
        failure = self.deployed.failure_among(details)
        self.deployed.wait_for_runs(runs + len(details) - 1 + ATTEMPTS)
        self.assert_failed(failure, error_type, text)
        # The log may still be receiving an attempt of the previous test.
        self.assertEqual(set(self.errors()[errors:]), {error_type})
        self.assertGreaterEqual(len(self.errors()[errors:]), ATTEMPTS)
        return failure

    def errors(self):
        lines = map(json.loads, self.deployed.lines())
        return [line["fields"]["error_type"] for line in lines if "error_type" in line.get("fields", {})]

    def test_nothing_is_lost_while_the_function_may_not_create_items(self):
        self.refuse("dynamodb:PutItem")
        caller = Caller("no-put")
        error = {"error_type": "StoreUnavailable", "text": "PutItem failed: AccessDenied"}
        first, second, *others = caller.enumeration(5)
        failures = [self.given_up(first, **error), self.given_up(second, **error)]
        self.assertIsNone(self.deployed.item(caller))
        self.permit()
        self.send_again(caller, failures, others)

    def test_nothing_is_lost_while_the_function_may_not_count(self):
        caller = Caller("no-update")
        first, second, *others = caller.enumeration(5)
        self.deployed.handle(first)
        self.refuse("dynamodb:UpdateItem")
        error = {"error_type": "StoreUnavailable", "text": "UpdateItem failed: AccessDenied"}
        failure = self.given_up(second, **error)
        self.assertEqual(self.deployed.number(caller, "n_1d"), 1)
        self.permit()
        self.send_again(caller, [failure], others)

    def test_a_flood_fails_by_name_while_the_function_may_not_read(self):
        self.refuse("dynamodb:GetItem")
        caller = Caller("no-read")
        first, second, third = (caller.denial(number) for number in range(3))
        self.deployed.handle(first)
        self.deployed.saturate(caller)
        self.deployed.handle(second)
        # For some seconds the function does not ask again whether the window is still full.
        time.sleep(STILL_FULL_SECONDS + 1)
        failure = self.given_up(third, error_type="StoreUnavailable", text="GetItem failed: AccessDenied")
        self.permit()
        before = len(self.deployed.runs())
        self.deployed.invoke(failure["requestPayload"])
        self.deployed.wait_for_runs(before + 1)
        self.assertEqual(self.deployed.number(caller, "n_1d"), 1)

    def test_episodes_are_not_closed_in_silence_while_the_function_may_not_ask_for_them(self):
        self.refuse("dynamodb:Query")
        task = {"task": "close-episodes"}
        self.deployed.invoke(task)
        failure = self.deployed.failure_of(lambda payload: payload == task)
        self.assert_failed(failure, "StoreUnavailable", "Query failed: AccessDenied")

    def test_each_action_of_the_role_is_withdrawn_by_a_test_or_is_not_the_functions_own(self):
        source = pathlib.Path(__file__).read_text()
        for action in granted():
            if action not in USED_ON_BEHALF_OF_THE_ROLE:
                self.assertIn(f'self.refuse("{action}")', source)
        self.assertLessEqual(set(USED_ON_BEHALF_OF_THE_ROLE), granted())

    def send_again(self, caller, failures, others):
        """Sends the rest of the enumeration and then the failed events, which complete it."""
        self.deployed.handle(*others)
        self.assertEqual(self.deployed.findings(caller), [])
        for failure in failures:
            self.deployed.invoke(failure["requestPayload"])
        (finding,) = wait_for("the alert", lambda: self.deployed.findings(caller))
        self.assertEqual(finding["observed"], 5)
        self.assertEqual(self.deployed.number(caller, "n_1d"), 5)

    def test_an_alert_that_could_not_be_sent_is_sent_with_its_event(self):
        caller = Caller("no-publish")
        failure = self.unsent(caller)
        pending = self.pending(caller)
        self.permit()
        self.deployed.invoke(failure["requestPayload"])
        (finding,) = wait_for("the alert", lambda: self.deployed.findings(caller))
        self.assertEqual(finding["id"], pending["id"])
        wait_for("its confirmation", lambda: "pending" not in self.deployed.item(caller))
        self.assertEqual(self.deployed.number(caller, "n_1d"), 6)
        self.assertEqual(self.deployed.number(caller, "alert_seq"), 1)

    def test_an_alert_left_behind_is_sent_by_the_next_denial_a_minute_later_and_once(self):
        caller = Caller("left-behind")
        self.unsent(caller)
        left_behind = self.pending(caller)
        self.permit()

        self.deployed.handle(caller.denial(6))
        self.assertEqual(self.deployed.findings(caller), [], "the delivery that claimed it may still be running")

        held = self.deployed.item(caller)["pending"]["M"]
        aged = str(int(held["at"]["N"]) - TAKEN_OVER_AFTER_SECONDS - 1)
        self.deployed.set(caller, "pending", {"M": held | {"at": {"N": aged}}})
        self.deployed.handle(caller.denial(7))
        (finding,) = self.deployed.findings(caller)
        self.assertEqual(finding["id"], left_behind["id"])
        self.assertNotIn("pending", self.deployed.item(caller))

        self.deployed.handle(caller.denial(8))
        self.assertEqual(len(self.deployed.findings(caller)), 1)
        self.assertEqual(self.deployed.number(caller, "n_1d"), 9)

    def unsent(self, caller):
        """The failure of the event that claims an alert while SNS denies the function."""
        self.refuse("sns:Publish")
        failure = self.given_up(
            *caller.enumeration(6), error_type="AlertNotPublished", text="Publish failed: AuthorizationError"
        )
        self.assertEqual(self.deployed.findings(caller), [])
        return failure

    def pending(self, caller):
        return json.loads(self.deployed.item(caller)["pending"]["M"]["finding"]["S"])


@unittest.skipUnless(os.path.exists("/dev/full"), "nothing here refuses every write")
class Panic(EndToEndTest):
    """Writing the metrics panics if standard output cannot be written. That is not a fault of
    the function, but shows what happens after any panic in it."""

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
        # The event was counted before the panic, and only once.
        self.assertEqual(self.deployed.number(caller, "n_1d"), 1)


def granted():
    """The actions of the function's role."""
    policies = as_it_is()["Resources"]["FunctionRole"]["Properties"]["Policies"]
    statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    actions = [statement["Action"] for statement in statements]
    return {action for some in actions for action in (some if isinstance(some, list) else [some])}


def withdraw(template, action):
    """Removes one action from the function's role."""
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
