"""Checks the recorded alerts against the formats that their receivers publish, and runs the
commands in them against the local AWS through a real shell."""

import copy
import json
import pathlib
import subprocess
import unittest

import botocore.session
import jsonschema
from botocore.validate import ParamValidator
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

import emulator
import stack

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests" / "integration" / "snapshots" / "alerts"
SCHEMA = ROOT / "docs" / "finding.schema.json"
TABLE = "rattle-Table-1EXAMPLE"


def recorded(rendering):
    """Each recorded alert of one kind, by status and severity."""
    found = {}
    for path in sorted(RECORDED.glob(f"{rendering}-*.snap")):
        _, _, text = path.read_text().split("---\n", 2)
        found[path.stem.removeprefix(f"{rendering}-")] = text
    if len(found) != 10:
        raise AssertionError(f"{rendering}: {sorted(found)}")
    return found


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        schema = json.loads(SCHEMA.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        cls.validator = jsonschema.Draft202012Validator(schema)

    def test_every_recorded_finding_is_valid(self):
        for name, text in recorded("json").items():
            with self.subTest(name):
                self.validator.validate(json.loads(text))

    def test_a_finding_that_is_spoilt_anywhere_is_not(self):
        findings = {name: json.loads(text) for name, text in recorded("json").items()}
        for name, finding in findings.items():
            for key in finding:
                without = copy.deepcopy(finding)
                del without[key]
                if key not in ("cadence", "policy_arn", "reads"):
                    self.assertFalse(self.validator.is_valid(without), f"{name} without {key}")
                wrong = copy.deepcopy(finding) | {key: ["wrong"]}
                self.assertFalse(self.validator.is_valid(wrong), f"{name}: {key}")
            self.assertFalse(self.validator.is_valid(finding | {"surprise": 1}), name)
            self.assertFalse(self.validator.is_valid(finding | {"title": "two\nlines"}), name)


class SecurityHub(unittest.TestCase):
    """Checks ASFF against the service's own model."""

    @classmethod
    def setUpClass(cls):
        cls.model = botocore.session.get_session().get_service_model("securityhub")
        cls.shape = cls.model.operation_model("BatchImportFindings").input_shape

    def faults(self, finding):
        report = ParamValidator().validate({"Findings": [finding]}, self.shape)
        return report.generate_report()

    def test_every_recorded_finding_would_be_taken(self):
        for name, text in recorded("asff").items():
            with self.subTest(name):
                finding = json.loads(text)
                self.assertEqual(self.faults(finding), "")
                self.assertIn(finding["Severity"]["Label"], self.model.shape_for("SeverityLabel").enum)
                self.assertIn(finding["RecordState"], self.model.shape_for("RecordState").enum)
                self.assertEqual(finding["SchemaVersion"], "2018-10-08")
                self.assertLessEqual(finding["CreatedAt"], finding["UpdatedAt"])
                for resource in finding["Resources"]:
                    self.assertIn(resource["Partition"], self.model.shape_for("Partition").enum)
                self.assertLessEqual(len(finding["ProductFields"]), 50)

    def test_a_finding_without_a_required_attribute_would_not(self):
        finding = json.loads(recorded("asff")["open-high"])
        required = self.model.shape_for("AwsSecurityFinding").required_members
        self.assertGreaterEqual(len(required), 10)
        for attribute in required:
            without = {key: value for key, value in finding.items() if key != attribute}
            self.assertIn(attribute, self.faults(without))

    def test_one_finding_of_an_episode_replaces_the_one_before(self):
        for severity in ("high", "medium", "low"):
            opened, update, resolved = (
                json.loads(recorded("asff")[f"{status}-{severity}"]) for status in ("open", "update", "resolved")
            )
            self.assertEqual({opened["Id"], update["Id"], resolved["Id"]}, {opened["Id"]})
            self.assertGreater(resolved["UpdatedAt"], opened["UpdatedAt"])
            self.assertEqual((opened["RecordState"], resolved["RecordState"]), ("ACTIVE", "ARCHIVED"))


class Ocsf(unittest.TestCase):
    # Required in a Detection Finding by the published schema, with the cloud profile.
    REQUIRED = {
        "activity_id",
        "category_uid",
        "class_uid",
        "cloud",
        "finding_info",
        "metadata",
        "severity_id",
        "time",
        "type_uid",
    }

    def test_every_recorded_finding_is_one(self):
        for name, text in recorded("ocsf").items():
            with self.subTest(name):
                body = json.loads(text)
                DetectionFinding.model_validate(body)
                self.assertLessEqual(self.REQUIRED, set(body))
                self.assertEqual((body["class_uid"], body["category_uid"]), (2004, 2))
                self.assertEqual(body["type_uid"], 2004 * 100 + body["activity_id"])
                self.assertTrue(body["finding_info"]["uid"] and body["finding_info"]["title"])
                self.assertTrue(body["metadata"]["version"] and body["metadata"]["product"]["name"])
                self.assertEqual(body["cloud"]["provider"], "AWS")

    def test_a_finding_without_what_is_required_is_none(self):
        body = json.loads(recorded("ocsf")["open-high"])
        for name in ("finding_info", "metadata", "severity_id", "activity_id"):
            without = {key: value for key, value in body.items() if key != name}
            with self.assertRaises(ValueError, msg=name):
                DetectionFinding.model_validate(without)


class Mute(unittest.TestCase):
    """Runs the command of each e-mail and each chat message."""

    @classmethod
    def setUpClass(cls):
        local_aws = emulator.Emulator().__enter__()
        cls.addClassCleanup(local_aws.__exit__)
        account = stack.Account(local_aws.url, stack.new_account_id())
        cls.dynamodb = account.client("dynamodb")
        cls.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "principal", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "principal", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def commands(self):
        for name, text in recorded("email").items():
            _, _, rest = text.partition("  aws dynamodb update-item")
            lines = ["aws dynamodb update-item"]
            for line in rest.split("\n"):
                lines.append(line)
                if not line.endswith("\\"):
                    break
            yield name, " ".join(lines[:1]) + "\n".join(lines[1:]), text
        for name, text in recorded("chat").items():
            for step in json.loads(text)["content"]["nextSteps"]:
                if "`aws dynamodb " in step:
                    yield name, step.split("`")[1], text

    def words(self, command):
        """The words of a command as a shell passes them to the program."""
        script = 'aws() { printf "%s\\0" "$@"; }; ' + command
        output = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
        return output.split("\0")[:-1]

    def run_command(self, words):
        self.assertEqual(words[:2], ["dynamodb", "update-item"])
        options = dict(zip(words[2::2], words[3::2], strict=True))
        self.assertEqual(options.pop("--region"), "eu-west-1")
        self.dynamodb.update_item(
            TableName=options.pop("--table-name"),
            Key=json.loads(options.pop("--key")),
            UpdateExpression=options.pop("--update-expression"),
            ConditionExpression=options.pop("--condition-expression"),
            ExpressionAttributeValues=json.loads(options.pop("--expression-attribute-values")),
        )
        self.assertEqual(options, {})

    def test_each_mutes_the_principal_it_is_about_and_makes_no_item(self):
        findings = {name: json.loads(text) for name, text in recorded("json").items()}
        seen = 0
        for name, command, text in self.commands():
            with self.subTest(name):
                key = {"principal": {"S": findings[name]["principal"]["key"]}}
                self.dynamodb.delete_item(TableName=TABLE, Key=key)
                words = self.words(command)
                with self.assertRaises(self.dynamodb.exceptions.ConditionalCheckFailedException):
                    self.run_command(words)
                self.assertNotIn("Item", self.dynamodb.get_item(TableName=TABLE, Key=key))
                self.dynamodb.put_item(TableName=TABLE, Item=key | {"version": {"N": "7"}})
                self.run_command(words)
                item = self.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
                self.assertEqual(item["version"], {"N": "8"})
                self.assertGreater(int(item["muted_until"]["N"]), 1_700_000_000)
                seen += 1
        self.assertEqual(seen, 10 + 6)


if __name__ == "__main__":
    unittest.main()
