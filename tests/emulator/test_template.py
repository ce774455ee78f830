"""Requirements for template.yaml that no validator checks.

Run with the interpreter of tests/.tools: `python -m unittest discover tests/emulator`.
"""

import atexit
import functools
import json
import re
import subprocess
import sys
import unittest

import cloudformation_validate

import emulator
import stack

ROOT = stack.ROOT
README = ROOT / "README.md"
MAIN = ROOT / "src" / "main.rs"

# Findings of AWS's validator that are accepted, with the reasons. An entry that no longer
# occurs fails the test, so the list cannot become outdated.
ACCEPTED_WARNINGS = {
    ("W1030", "PermissionsBoundary"): "the empty default is behind a condition",
    ("W2509", "MinSecrets"): "a number of secrets is no password",
}
# The event pattern does not match its schema. This is only a warning, but such a rule never
# fires.
ERRORS_IN_DISGUISE = {"W3030"}

LOG_STREAMS = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${LogGroup}:"


class TemplateTest(unittest.TestCase):
    """The template under test; test_checks.py replaces it with a broken copy."""

    path = stack.TEMPLATE
    maxDiff = None

    @property
    def template(self):
        return parsed(self.path.read_text())

    @property
    def parameters(self):
        return self.template["Parameters"]

    def resource(self, name):
        return self.template["Resources"][name]

    def properties(self, name):
        return self.resource(name)["Properties"]

    def of_type(self, resource_type):
        return {
            name: resource["Properties"]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == resource_type
        }

    def the(self, resource_type):
        """The name and the content of the only resource of a type."""
        found = self.of_type(resource_type)
        self.assertEqual(len(found), 1, resource_type)
        return next(iter(found.items()))


class Validators(TemplateTest):
    def test_awss_own_validator_finds_nothing(self):
        report = validator().validate_template(str(self.path))
        severity = cloudformation_validate.Severity
        faults, accepted = [], set()
        for found in report.diagnostics:
            key = next((k for k in ACCEPTED_WARNINGS if k[0] == found.rule_id and k[1] in found.message), None)
            if key and found.severity is severity.WARN:
                accepted.add(key)
            elif found.severity not in (severity.INFO, severity.DEBUG) or found.rule_id in ERRORS_IN_DISGUISE:
                faults.append(f"{found.rule_id}: {found.message}")
        self.assertEqual(faults, [])
        self.assertEqual(accepted, set(ACCEPTED_WARNINGS))

    def test_cfn_lint_finds_nothing(self):
        lint = subprocess.run(
            # Not through its script, which stops working when the folder is moved.
            [sys.executable, "-c", "from cfnlint import runner; runner.main()", self.path],
            capture_output=True,
            text=True,
        )
        self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ""))


class Function(TemplateTest):
    def test_the_function_is_the_lambda_binary_on_the_runtime_without_a_language(self):
        name, function = self.the("AWS::Serverless::Function")
        self.assertEqual(function["Runtime"], "provided.al2023")
        self.assertEqual(function["Handler"], "bootstrap")
        self.assertEqual(function["CodeUri"], ".")
        self.assertEqual((function["MemorySize"], function["Timeout"]), (128, 30))
        self.assertEqual(
            self.resource(name)["Metadata"],
            {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": "rattle-lambda"}},
        )
        self.assertRegex((ROOT / "Cargo.toml").read_text(), r'(?m)^name = "rattle-lambda"$')

    def test_it_is_built_with_its_own_features_and_unwinds(self):
        import tomllib

        build = tomllib.loads((ROOT / "CargoLambda.toml").read_text())["build"]
        self.assertTrue(build["no_default_features"])
        self.assertEqual(build["features"], ["lambda"])
        self.assertTrue(build["disable_optimizations"], "cargo-lambda's own optimizations abort on a panic")
        release = tomllib.loads((ROOT / "Cargo.toml").read_text())["profile"]["release"]
        self.assertEqual(release.get("panic", "unwind"), "unwind")
        self.assertFalse([entry for entry in build["config"] if "panic" in entry])

    def test_it_runs_on_arm64_unless_told_otherwise(self):
        self.assertEqual(self.properties("Function")["Architectures"], [ref("Architecture")])
        self.assertEqual(self.parameters["Architecture"]["Default"], "arm64")
        self.assertEqual(self.parameters["Architecture"]["AllowedValues"], ["arm64", "x86_64"])

    def test_no_concurrency_is_reserved_unless_asked_for(self):
        self.assert_optional(self.properties("Function")["ReservedConcurrentExecutions"], "ReservedConcurrency")

    def test_its_logs_are_json_in_a_group_that_forgets(self):
        logging = self.properties("Function")["LoggingConfig"]
        self.assertEqual(logging["LogFormat"], "JSON")
        self.assertEqual(logging["LogGroup"], ref("LogGroup"))
        self.assertIn(logging["ApplicationLogLevel"], ("INFO", "DEBUG", "TRACE"), "a higher level drops the metrics")
        self.assertEqual(self.properties("LogGroup")["RetentionInDays"], ref("LogRetentionInDays"))
        self.assertEqual(self.parameters["LogRetentionInDays"]["Default"], 30)

    def test_what_fails_three_times_or_is_six_hours_old_goes_to_the_failure_queue(self):
        self.assertEqual(
            self.properties("Function")["EventInvokeConfig"],
            {
                "MaximumRetryAttempts": 2,
                "MaximumEventAgeInSeconds": 21600,
                "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": arn("FailureQueue")}},
            },
        )

    def assert_optional(self, value, parameter):
        self.assertEqual(value, {"Fn::If": [f"Has{parameter}", ref(parameter), ref("AWS::NoValue")]})
        self.assertEqual(
            self.template["Conditions"][f"Has{parameter}"],
            {"Fn::Not": [{"Fn::Equals": [ref(parameter), ""]}]},
        )
        self.assertEqual(self.parameters[parameter]["Default"], "")

    def test_the_permissions_boundary_is_optional(self):
        self.assert_optional(self.properties("FunctionRole")["PermissionsBoundary"], "PermissionsBoundary")


class Settings(TemplateTest):
    """The template and the function's settings agree."""

    # The stack itself creates the resources that these name.
    MADE_HERE = {"RATTLE_TABLE_NAME": "Table", "RATTLE_TOPIC_ARN": "Topic"}
    # Not a setting, because nobody chooses it.
    OWN_ROLE = "FUNCTION_ROLE_ARN"

    @property
    def variables(self):
        return self.properties("Function")["Environment"]["Variables"]

    def test_the_function_gets_each_setting_and_nothing_else(self):
        self.assertEqual(set(self.variables) - {self.OWN_ROLE}, {setting.variable for setting in settings()})

    def test_the_function_knows_the_role_whose_denials_it_must_ignore(self):
        self.assertEqual(self.variables.get(self.OWN_ROLE), arn("FunctionRole"))
        self.assertEqual(self.properties("Function")["Role"], arn("FunctionRole"))
        self.assertIn(f'const OWN_ROLE: &str = "{self.OWN_ROLE}";', MAIN.read_text())

    def test_each_setting_comes_from_its_parameter_or_from_the_stack(self):
        for setting in settings():
            with self.subTest(setting.variable):
                value = self.variables[setting.variable]
                if setting.variable in self.MADE_HERE:
                    self.assertEqual(value, ref(self.MADE_HERE[setting.variable]))
                elif setting.default:
                    self.assertEqual(value, ref(setting.parameter))
                else:
                    self.assertEqual(value["Fn::If"][1:], [ref(setting.parameter), ref("AWS::NoValue")])

    def test_each_parameter_has_the_default_of_its_setting(self):
        for setting in self.settable():
            with self.subTest(setting.parameter):
                self.assertEqual(str(self.parameters[setting.parameter]["Default"]), setting.default)

    def test_each_parameter_says_what_is_allowed_in_the_same_words(self):
        for setting in self.settable():
            with self.subTest(setting.parameter):
                self.assertEqual(self.parameters[setting.parameter]["ConstraintDescription"], setting.allowed)

    def test_each_range_is_that_of_its_setting(self):
        ranged = [setting for setting in self.settable() if setting.range]
        self.assertGreaterEqual(len(ranged), 8)
        for setting in ranged:
            with self.subTest(setting.parameter):
                parameter = self.parameters[setting.parameter]
                least, most = setting.range
                if parameter["Type"] == "Number":
                    self.assertEqual((parameter["MinValue"], parameter["MaxValue"]), setting.range)
                else:
                    self.check_pattern(setting, re.compile(parameter["AllowedPattern"]), least, most)

    def check_pattern(self, setting, pattern, least, most):
        if "days" in setting.allowed:
            allowed = ["0.25", "0.3", "0.999", "1", "7.5", "99", "100", "299.9", "300", "364.99", "365", "365.0"]
            refused = ["0", "0.2", "0.249", "365.1", "366", "1000", "-1", "1.", ".5", "NaN"]
        else:
            step = int((re.search(r"multiple of (\d+)", setting.allowed) or [0, "1"])[1])
            numbers = range(int(most) + 200)
            allowed = [str(n) for n in numbers if least <= n <= most and n % step == 0]
            refused = [str(n) for n in numbers if not (least <= n <= most and n % step == 0)] + ["1.5", "-5", ""]
        self.assertEqual([value for value in allowed if not pattern.search(value)], [])
        self.assertEqual([value for value in refused if pattern.search(value)], [])
        first, last = allowed[0], allowed[-1]
        for_each_scale = f"{first},{last},{first}"
        self.assertEqual(bool(pattern.search(for_each_scale)), "three of them" in setting.allowed)
        for wrong in (f"{first},{last}", f"{for_each_scale},{first}", f"{first},{last},{refused[0]}", f"{first},"):
            self.assertIsNone(pattern.search(wrong), wrong)

    def test_a_list_of_globs_and_a_topic_pass_where_the_function_takes_them(self):
        ignore = re.compile(self.parameters["Ignore"]["AllowedPattern"])
        for value in ("", "service:*", "arn:aws:iam::111122223333:role/ci-?, *a-b~!"):
            self.assertTrue(ignore.search(value), value)
        for value in ("a\nb", "a b", "ä", "a,\t", ","):
            self.assertFalse(ignore.search(value), value)
        topic = re.compile(self.parameters["ChatTopicArn"]["AllowedPattern"])
        for value in ("", "arn:aws:sns:eu-west-1:111122223333:chat", "arn:aws-us-gov:sns:us-gov-west-1:111122223333:a_b-c"):
            self.assertTrue(topic.search(value), value)
        for value in ("chat", "arn:aws:sqs:eu-west-1:111122223333:q", "arn:aws:sns:eu-west-1:11112222333:chat", "arn:aws:sns:eu-west-1:111122223333:"):
            self.assertFalse(topic.search(value), value)

    def settable(self):
        return [setting for setting in settings() if setting.variable not in self.MADE_HERE]


class Events(TemplateTest):
    def test_the_rule_sees_calls_that_only_read(self):
        rule = self.properties("Rule")
        self.assertEqual(rule["State"], "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
        # CloudTrail sends only to the default bus.
        self.assertNotIn("EventBusName", rule)

    def test_the_rule_picks_the_denials_among_the_sample_events_and_nothing_else(self):
        rule = self.properties("Rule")
        events = sorted((ROOT / "events").glob("*.json"))
        denied = {event.name for event in events if event.name.startswith("denied-")}
        self.assertGreaterEqual(len(denied), 20)
        self.assertLess(len(denied), len(events))
        client = account().client("events")
        pattern = json.dumps(rule["EventPattern"])
        matching = {
            event.name
            for event in events
            if client.test_event_pattern(EventPattern=pattern, Event=event.read_text())["Result"]
        }
        self.assertEqual(matching, denied)

    def test_each_rule_may_invoke_the_function_and_nobody_else_may(self):
        permissions = self.of_type("AWS::Lambda::Permission")
        admitted = {
            permission["SourceArn"]["Fn::GetAtt"][0]: self.resource(name).get("Condition")
            for name, permission in permissions.items()
        }
        self.assertEqual(
            admitted, {rule: self.resource(rule).get("Condition") for rule in self.of_type("AWS::Events::Rule")}
        )
        self.assertEqual(len(permissions), len(admitted))
        for permission in permissions.values():
            del permission["SourceArn"]
            # With a SourceAccount, EventBridge's deliveries would be denied.
            self.assertEqual(
                permission,
                {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": arn("Function"),
                    "Principal": "events.amazonaws.com",
                },
            )

    def test_a_schedule_has_episodes_closed_every_15_minutes(self):
        rule = self.properties("ClosingSchedule")
        self.assertEqual(rule["ScheduleExpression"], "rate(15 minutes)")
        self.assertNotEqual(rule.get("State"), "DISABLED")
        (target,) = rule["Targets"]
        self.assertEqual(target["Arn"], arn("Function"))
        self.assertEqual(json.loads(target["Input"]), {"task": "close-episodes"})

    def test_a_digest_is_asked_for_once_a_week_and_only_on_demand(self):
        self.assert_on_demand("DigestSchedule", "WeeklyDigest", "HasDigest")
        rule = self.properties("DigestSchedule")
        self.assertEqual(rule["ScheduleExpression"], "cron(0 8 ? * MON *)")
        (target,) = rule["Targets"]
        self.assertEqual(json.loads(target["Input"]), {"task": "send-digest"})

    def test_reads_are_watched_only_on_demand_and_their_price_is_named(self):
        self.assert_on_demand("ReadsRule", "WatchReads", "HasReads")
        self.assertIn("USD 0.35 for a million", self.parameters["WatchReads"]["Description"])
        rule = self.properties("ReadsRule")
        self.assertEqual(rule["State"], "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
        client = account().client("events")
        pattern = json.dumps(rule["EventPattern"])
        matching = {
            event.name
            for event in (ROOT / "events").glob("*.json")
            if client.test_event_pattern(EventPattern=pattern, Event=event.read_text())["Result"]
        }
        self.assertEqual(matching, {event.name for event in (ROOT / "events").glob("succeeded-*.json")})
        self.assertGreaterEqual(len(matching), 1)

    def assert_on_demand(self, resource, parameter, condition):
        self.assertEqual(self.parameters[parameter]["Default"], "false")
        self.assertEqual(self.resource(resource)["Condition"], condition)
        self.assertEqual(self.template["Conditions"][condition], {"Fn::Equals": [ref(parameter), "true"]})

    def test_the_index_of_what_is_due_is_sparse_and_the_one_that_the_function_asks(self):
        table = self.properties("Table")
        (index,) = table["GlobalSecondaryIndexes"]
        self.assertEqual(
            index["KeySchema"],
            [{"AttributeName": "agenda", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
        )
        self.assertEqual(index["Projection"], {"ProjectionType": "ALL"})
        source = (ROOT / "src" / "store" / "dynamodb" / "episodes" / "mod.rs").read_text()
        self.assertIn(f'pub const INDEX: &str = "{index["IndexName"]}";', source)
        # An attribute of every principal's item must not be a key of the index.
        self.assertNotIn("agenda", (ROOT / "src" / "store" / "dynamodb" / "item.rs").read_text())

    def test_what_a_rule_cannot_deliver_goes_to_a_queue_that_admits_it(self):
        rules = self.of_type("AWS::Events::Rule")
        for rule in rules.values():
            (target,) = rule["Targets"]
            self.assertEqual(target["Arn"], arn("Function"))
            self.assertEqual(target["DeadLetterConfig"], {"Arn": arn("UndeliveredQueue")})
            self.assertGreater(target["RetryPolicy"]["MaximumRetryAttempts"], 0)
        (target,) = rules["Rule"]["Targets"]
        self.assertEqual(target["RetryPolicy"]["MaximumEventAgeInSeconds"], 21600)
        policy = self.properties("UndeliveredQueuePolicy")
        self.assertEqual(policy["Queues"], [ref("UndeliveredQueue")])
        (allowed,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
        del allowed["Sid"]
        self.assertEqual(
            allowed,
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn("UndeliveredQueue"),
                "Condition": {"ArnEquals": {"aws:SourceArn": [self.source(rule) for rule in rules]}},
            },
        )

    def source(self, rule):
        condition = self.resource(rule).get("Condition")
        return {"Fn::If": [condition, arn(rule), ref("AWS::NoValue")]} if condition else arn(rule)

    def test_a_trail_is_made_only_on_demand_and_its_price_is_named(self):
        parameter = self.parameters["CreateTrail"]
        self.assertEqual(parameter["Default"], "false")
        self.assertIn("USD 2 for every 100,000 events", parameter["Description"])
        for name in ("Trail", "TrailBucket", "TrailBucketPolicy"):
            self.assertEqual(self.resource(name)["Condition"], "HasTrail")
        self.assertEqual(self.template["Conditions"]["HasTrail"], {"Fn::Equals": [ref("CreateTrail"), "true"]})
        self.assertEqual(
            self.properties("Trail")["EventSelectors"], [{"ReadWriteType": "All", "IncludeManagementEvents": True}]
        )


class Permissions(TemplateTest):
    def test_the_role_may_do_what_the_function_does_and_no_more(self):
        name, role = self.the("AWS::IAM::Role")
        self.assertEqual(self.properties("Function")["Role"], arn(name))
        self.assertNotIn("ManagedPolicyArns", role)
        self.assertNotIn("Policies", self.properties("Function"))
        granted = {}
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                self.assertEqual(statement["Effect"], "Allow")
                for action in listed(statement["Action"]):
                    self.assertNotIn(action, granted)
                    granted[action] = listed(statement["Resource"])
        self.assertEqual(
            granted,
            {
                "dynamodb:GetItem": [arn("Table")],
                "dynamodb:PutItem": [arn("Table")],
                "dynamodb:Query": [{"Fn::Sub": "${Table.Arn}/index/by_due"}],
                "dynamodb:UpdateItem": [arn("Table")],
                "sns:Publish": [
                    ref("Topic"),
                    {"Fn::If": ["HasChatTopic", ref("ChatTopicArn"), ref("AWS::NoValue")]},
                ],
                "kms:Decrypt": [arn("Key")],
                "kms:GenerateDataKey": [arn("Key")],
                "sqs:SendMessage": [arn("FailureQueue")],
                "logs:CreateLogStream": [{"Fn::Sub": f"{LOG_STREAMS}*"}],
                "logs:PutLogEvents": [{"Fn::Sub": f"{LOG_STREAMS}log-stream:*"}],
            },
        )

    def test_no_policy_names_an_action_by_a_wildcard(self):
        statements = list(self.statements())
        self.assertGreaterEqual(len(statements), 15)
        for name, statement in statements:
            self.assertNotIn("NotAction", statement, name)
            self.assertNotIn("NotResource", statement, name)
            for action in listed(statement["Action"]):
                self.assertNotIn("*", action, name)

    def test_a_resource_has_a_wildcard_only_where_aws_leaves_no_choice(self):
        allowed = {
            # The ARN of a group ends like this in a request; Lambda chooses the names of
            # the streams.
            ("FunctionRole", f"{LOG_STREAMS}*"),
            ("FunctionRole", f"{LOG_STREAMS}log-stream:*"),
            # In a key's own policy "*" means this key.
            ("Key", "*"),
            # The files of a trail, and all files in its bucket.
            ("TrailBucketPolicy", "${TrailBucket.Arn}/AWSLogs/${AWS::AccountId}/*"),
            ("TrailBucketPolicy", "${TrailBucket.Arn}/*"),
        }
        found = {
            (name, text)
            for name, statement in self.statements()
            for resource in listed(statement.get("Resource", []))
            for text in strings(resource)
            if "*" in text
        }
        self.assertEqual(found, allowed)

    def test_everybody_is_named_only_to_be_refused(self):
        for name, statement in self.statements():
            if "*" in list(strings(statement.get("Principal", ""))):
                self.assertEqual(statement["Effect"], "Deny", name)

    def test_alarms_of_this_account_alone_reach_the_encrypted_topic(self):
        for name in ("Key", "TopicPolicy"):
            with self.subTest(name):
                (statement,) = [
                    statement
                    for owner, statement in self.statements()
                    if owner == name and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
                ]
                needed = {
                    "Key": ["kms:Decrypt", "kms:GenerateDataKey"],
                    "TopicPolicy": ["sns:Publish"],
                }[name]
                self.assertEqual(listed(statement["Action"]), needed)
                self.assertEqual(
                    statement["Condition"]["StringEquals"], {"aws:SourceAccount": ref("AWS::AccountId")}
                )
                self.assertIn("aws:SourceArn", statement["Condition"]["ArnLike"])

    def test_a_service_is_admitted_only_on_behalf_of_a_resource_of_this_account(self):
        # No source can be given when a function's role is assumed.
        admitted = [
            (name, statement)
            for name, statement in self.statements()
            if statement["Effect"] == "Allow" and "Service" in statement.get("Principal", {}) and name != "FunctionRole"
        ]
        self.assertEqual(
            sorted(name for name, _ in admitted),
            ["Key", "TopicPolicy", "TrailBucketPolicy", "TrailBucketPolicy", "UndeliveredQueuePolicy"],
        )
        for name, statement in admitted:
            with self.subTest(name):
                sources = [
                    source
                    for operator, condition in statement["Condition"].items()
                    if operator in ("ArnEquals", "ArnLike", "StringEquals")
                    for key, source in condition.items()
                    if key == "aws:SourceArn"
                ]
                (source,) = sources
                named = list(strings(source))
                self.assertTrue(named[:2] == ["Rule", "Arn"] or "${AWS::AccountId}" in named[0], named)

    def test_topic_and_queues_refuse_what_is_not_encrypted_on_its_way(self):
        for name, action in (
            ("TopicPolicy", "sns:Publish"),
            ("FailureQueuePolicy", "sqs:SendMessage"),
            ("UndeliveredQueuePolicy", "sqs:SendMessage"),
        ):
            with self.subTest(name):
                refused = [
                    (statement["Action"], statement["Condition"])
                    for owner, statement in self.statements()
                    if owner == name and statement["Effect"] == "Deny"
                ]
                self.assertEqual(refused, [(action, {"Bool": {"aws:SecureTransport": "false"}})])

    def statements(self):
        """Each statement of each policy, after the name of its resource."""
        for name, resource in self.template["Resources"].items():
            for document in documents(resource["Properties"]):
                for statement in document["Statement"]:
                    yield name, statement


class Keeping(TemplateTest):
    def test_the_table_is_keyed_by_principal_and_forgets_expired_items(self):
        _, table = self.the("AWS::DynamoDB::Table")
        self.assertEqual(table["KeySchema"], [{"AttributeName": "principal", "KeyType": "HASH"}])
        self.assertIn({"AttributeName": "principal", "AttributeType": "S"}, table["AttributeDefinitions"])
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "expires_at", "Enabled": True})
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")

    def test_the_table_outlives_the_stack_and_can_be_restored(self):
        name, table = self.the("AWS::DynamoDB::Table")
        self.assertEqual(table["PointInTimeRecoverySpecification"], {"PointInTimeRecoveryEnabled": True})
        self.assertEqual(table["DeletionProtectionEnabled"], ref("TableDeletionProtection"))
        self.assertEqual(self.parameters["TableDeletionProtection"]["Default"], "true")
        self.assert_policies(name, "Retain")

    def test_the_trails_files_outlive_the_stack_and_the_logs_do_not(self):
        self.assert_policies("TrailBucket", "Retain")
        self.assert_policies("LogGroup", "Delete")

    def assert_policies(self, name, policy):
        resource = self.resource(name)
        self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), (policy, policy))

    def test_everything_that_is_kept_is_encrypted(self):
        self.assertEqual(self.properties("Table")["SSESpecification"], {"SSEEnabled": True, "SSEType": "KMS"})
        self.assertEqual(self.properties("Topic")["KmsMasterKeyId"], ref("Key"))
        self.assertIs(self.properties("Key")["EnableKeyRotation"], True)
        self.assertEqual(self.properties("KeyAlias")["TargetKeyId"], ref("Key"))
        self.assertIn("BucketEncryption", self.properties("TrailBucket"))
        queues = self.of_type("AWS::SQS::Queue")
        self.assertEqual(len(queues), 2)
        for name, queue in queues.items():
            self.assertIs(queue["SqsManagedSseEnabled"], True, name)
            self.assertEqual(queue["MessageRetentionPeriod"], 14 * 24 * 60 * 60, name)


class Alerts(TemplateTest):
    def test_each_way_to_fail_has_its_alarm(self):
        function = [{"Name": "FunctionName", "Value": ref("Function")}]
        watched = {
            (alarm["Namespace"], alarm["MetricName"], json.dumps(alarm.get("Dimensions", [])))
            for alarm in self.of_type("AWS::CloudWatch::Alarm").values()
        }
        queue_metric = "ApproximateNumberOfMessagesVisible"
        self.assertEqual(
            watched,
            {
                ("AWS/Lambda", "Errors", json.dumps(function)),
                ("AWS/Lambda", "Throttles", json.dumps(function)),
                ("AWS/SQS", queue_metric, json.dumps([queue_name("FailureQueue")])),
                ("AWS/SQS", queue_metric, json.dumps([queue_name("UndeliveredQueue")])),
                ("Rattle", "AlertsSuppressed", "[]"),
                ("Rattle", "ChatNotPublished", "[]"),
            },
        )
        self.assertEqual(self.resource("ChatAlarm")["Condition"], "HasChatTopic")
        telemetry = (ROOT / "src" / "lambda" / "telemetry.rs").read_text()
        for metric in ("AlertsSuppressed", "ChatNotPublished"):
            self.assertIn(f'("{metric}", ', telemetry)

    def test_each_alarm_speaks_at_the_first_one_and_never_for_lack_of_data(self):
        for name, alarm in self.of_type("AWS::CloudWatch::Alarm").items():
            with self.subTest(name):
                self.assertEqual((alarm["ComparisonOperator"], alarm["Threshold"]), ("GreaterThanThreshold", 0))
                self.assertEqual(alarm["EvaluationPeriods"], 1)
                self.assertIn(alarm["Statistic"], ("Sum", "Maximum"))
                self.assertEqual(alarm["TreatMissingData"], "notBreaching")
                self.assertEqual(alarm["AlarmActions"], [ref("Topic")])

    def test_the_pager_hears_of_high_severity_alone_unless_told_otherwise(self):
        pager = self.properties("PagerSubscription")
        self.assertEqual(pager["Protocol"], "https")
        self.assertEqual(pager["FilterPolicyScope"], "MessageAttributes")
        self.assertEqual(pager["FilterPolicy"], {"severity": {"Fn::Split": [",", ref("PagerSeverities")]}})
        self.assertEqual(self.parameters["PagerSeverities"]["Default"], "high")
        self.assertIs(self.parameters["PagerEndpoint"]["NoEcho"], True)
        severities = re.compile(self.parameters["PagerSeverities"]["AllowedPattern"])
        for value in ("high", "high,medium", "low,medium,high"):
            self.assertTrue(severities.search(value), value)
        for value in ("", "High", "high,", "critical", "high, low"):
            self.assertFalse(severities.search(value), value)

    def test_subscriptions_are_made_only_for_those_who_are_named(self):
        for subscription, condition, parameter in (
            ("EmailSubscription", "HasAlertEmail", "AlertEmail"),
            ("PagerSubscription", "HasPager", "PagerEndpoint"),
        ):
            self.assertEqual(self.resource(subscription)["Condition"], condition)
            self.assertEqual(self.properties(subscription)["Endpoint"], ref(parameter))
            self.assertEqual(self.parameters[parameter]["Default"], "")


class Presentation(TemplateTest):
    def test_each_parameter_is_described_labelled_and_in_one_group(self):
        interface = self.template["Metadata"]["AWS::CloudFormation::Interface"]
        grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(self.parameters))
        self.assertEqual(sorted(interface["ParameterLabels"]), sorted(self.parameters))
        for name, parameter in self.parameters.items():
            self.assertTrue(parameter.get("Description"), name)
            self.assertIn("Default", parameter, name)

    def test_a_default_is_a_value_that_is_allowed(self):
        for name, parameter in self.parameters.items():
            with self.subTest(name):
                default = parameter["Default"]
                if "AllowedValues" in parameter:
                    self.assertIn(default, parameter["AllowedValues"])
                if "AllowedPattern" in parameter:
                    self.assertRegex(default, parameter["AllowedPattern"])

    def test_the_application_points_at_files_that_are_there(self):
        application = self.template["Metadata"]["AWS::ServerlessRepo::Application"]
        self.assertEqual((application["Author"], application["SpdxLicenseId"]), ("Rattle", "Apache-2.0"))
        self.assertTrue((ROOT / application["LicenseUrl"]).is_file())
        self.assertEqual(application["ReadmeUrl"], "README.md")
        self.assertFalse([text for text in strings(application) if "://" in text])
        version = re.search(r'(?m)^version = "(.+)"$', (ROOT / "Cargo.toml").read_text())[1]
        self.assertEqual(application["SemanticVersion"], version)

    def test_the_outputs_name_what_an_operator_looks_for(self):
        self.assertLessEqual(
            {
                "FunctionName",
                "FunctionArn",
                "TableName",
                "TopicArn",
                "FailureQueueUrl",
                "UndeliveredQueueUrl",
                "RuleName",
                "LogGroupName",
            },
            set(self.template["Outputs"]),
        )


class Deployment(TemplateTest):
    """The local AWS accepts the unchanged template. The end-to-end tests cover what it then
    does with a binary."""

    def deploy(self, parameters):
        # Nothing is invoked here, so any file will do as the binary.
        return stack.deploy(__file__, parameters, account=account(), template=self.template)

    def test_the_stack_is_created_with_every_default(self):
        made = self.deploy({})
        self.assertEqual(set(made.outputs), set(self.template["Outputs"]))
        function = made.account.client("lambda").get_function_configuration(
            FunctionName=made.outputs["FunctionName"]
        )
        given = function["Environment"]["Variables"]
        expected = {setting.variable: setting.default for setting in settings() if setting.default}
        expected |= {
            "RATTLE_TABLE_NAME": made.outputs["TableName"],
            "RATTLE_TOPIC_ARN": made.outputs["TopicArn"],
            "FUNCTION_ROLE_ARN": made.outputs["FunctionRoleArn"],
        }
        self.assertEqual(given, expected)

    def test_the_stack_is_created_with_every_option(self):
        # Except the trail, which the local AWS does not have.
        made = self.deploy(
            {
                "AlertEmail": "security@example.com",
                "PagerEndpoint": "https://pager.example.com/enqueue",
                "PagerSeverities": "high,medium",
                "ChatTopicArn": "arn:aws:sns:eu-west-1:111122223333:chat",
                "Ignore": "service:*,arn:aws:iam::111122223333:role/ci-*",
                "ReservedConcurrency": "5",
                "PermissionsBoundary": "arn:aws:iam::111122223333:policy/boundary",
                "Architecture": "x86_64",
                "TableDeletionProtection": "false",
            }
        )
        sns = made.account.client("sns")
        subscriptions = sns.list_subscriptions_by_topic(TopicArn=made.outputs["TopicArn"])["Subscriptions"]
        self.assertEqual({found["Protocol"] for found in subscriptions}, {"email", "https"})


# ---- reading the template ------------------------------------------------------------


def ref(name):
    return {"Ref": name}


def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}


def queue_name(name):
    return {"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}}


def listed(value):
    return value if isinstance(value, list) else [value]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def documents(value):
    """Every policy document anywhere in a resource."""
    if isinstance(value, dict):
        if isinstance(value.get("Statement"), list):
            yield value
        for inner in value.values():
            yield from documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from documents(inner)


def parsed(text):
    # Each caller gets its own copy of the template, because tests change it.
    return json.loads(parsed_json(text))


@functools.cache
def parsed_json(text):
    return json.dumps(stack.parse_template(text))


# ---- reading the settings -------------------------------------------------------------


class Setting:
    def __init__(self, variable, parameter, default, allowed):
        self.variable, self.parameter = variable, parameter
        self.default, self.allowed = default, allowed

    @property
    def range(self):
        found = re.search(r"\bfrom ([\d.]+) to ([\d.]+)", self.allowed)
        return (float(found[1]), float(found[2])) if found else None


@functools.cache
def settings():
    """The table in README.md, which tests/integration/settings_table.rs compares with the code."""
    markers = r"(?ms)^<!-- settings: [^\n]* -->\n(.*?)^<!-- end of settings -->$"
    (table,) = re.findall(markers, README.read_text())
    head, _, *rows = table.splitlines()
    row = r"\| `(RATTLE_[A-Z_]+)` \| (?:`(\w+)`|none) \| (?:`([^`|]+)`|none|the stack's) \| ([^|]+) \| [^|]+ \|"
    found = [re.fullmatch(row, line) for line in rows]
    # A row that the expression does not match must not be skipped silently.
    if head != "| variable | parameter | default | allowed | meaning |" or not found or None in found:
        raise AssertionError("the table of settings in README.md is no longer written as this test reads it")
    return [Setting(variable, parameter, default or "", allowed) for variable, parameter, default, allowed in map(re.Match.groups, found)]


# ---- what the checks run against -----------------------------------------------------


@functools.cache
def validator():
    return cloudformation_validate.CompositeEngine()


@functools.cache
def running():
    local_aws = emulator.Emulator().__enter__()
    atexit.register(local_aws.__exit__)
    return local_aws


def account():
    return stack.Account(running().url, stack.new_account_id())


if __name__ == "__main__":
    unittest.main()
