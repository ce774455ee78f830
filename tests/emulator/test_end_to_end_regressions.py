"""Faults that were found once and must not return."""

import time
import unittest

import stack
from end_to_end import Caller, Deployed, EndToEndTest, as_it_is, wait_for
from test_end_to_end_faults import withdraw


class FailedPublishing(EndToEndTest):
    @classmethod
    def deploy(cls):
        template = as_it_is()
        withdraw(template, "sns:Publish")
        return Deployed(template, {"MaxAlertsPerHour": "2"})

    def test_an_alert_that_fails_to_be_sent_does_not_use_up_the_hours_limit(self):
        caller = Caller("unsent")
        self.deployed.put(*caller.enumeration(5))
        (failure,) = wait_for("the failure", self.deployed.failures)
        stack.update(self.deployed.stack, as_it_is(), {"MaxAlertsPerHour": "2"})
        self.deployed.invoke(failure["requestPayload"])
        wait_for("its confirmation", lambda: "pending" not in self.deployed.item(caller))
        self.assertEqual(len(self.deployed.findings(caller)), 1)
        self.assertIsNone(self.deployed.number(caller, "suppressed"))


class DamagedItems(EndToEndTest):
    def damaged(self, name, attribute):
        caller = Caller(name)
        self.deployed.handle(caller.denial(0))
        self.deployed.dynamodb.update_item(
            TableName=self.deployed.outputs["TableName"],
            Key={"principal": {"S": caller.key}},
            UpdateExpression=f"REMOVE {attribute}",
        )
        event = caller.denial(1)
        self.deployed.put(event)
        failure = self.deployed.failure_among([event])
        self.assert_failed(failure, "CorruptItem", caller.key, f"attribute {attribute}")

    def test_an_item_without_its_expiry_is_named(self):
        self.damaged("no-expiry", "expires_at")

    def test_an_item_without_its_event_ids_is_named(self):
        self.damaged("no-ids", "ids")

    def test_an_item_whose_count_is_no_number_is_named(self):
        caller = Caller("text-for-number")
        self.deployed.handle(caller.denial(0))
        self.deployed.set(caller, "n_1d", {"S": "many"})
        event = caller.denial(1)
        self.deployed.put(event)
        failure = self.deployed.failure_among([event])
        self.assert_failed(failure, "CorruptItem", caller.key, "attribute n_1d")


class OwnRole(EndToEndTest):
    def test_a_denial_of_the_own_role_without_its_issuer_is_ignored(self):
        own = Caller("own")
        detail = own.denial(0)
        role = self.deployed.outputs["FunctionRoleArn"].split("/")[-1]
        session = self.deployed.outputs["FunctionName"]
        detail["userIdentity"]["arn"] = f"arn:aws:sts::{self.deployed.account.id}:assumed-role/{role}/{session}"
        detail["userIdentity"]["sessionContext"]["sessionIssuer"] = {}
        self.deployed.handle(detail)
        self.assertEqual(self.deployed.items(), [])


if __name__ == "__main__":
    unittest.main()
