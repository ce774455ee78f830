"""Each check of test_template.py can fail: the template is broken in one place, and the check
that guards the place must fail."""

import io
import pathlib
import tempfile
import unittest

import stack
import test_template

CT_STATE = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"

# What is broken, the text at that place, its replacement, and the test that must fail.
SPOILT = [
    ("the rule's state", f"State: {CT_STATE}", "State: ENABLED", "Events.test_the_rule_sees_calls_that_only_read"),
    ("the rule's bus", f"State: {CT_STATE}", f"State: {CT_STATE}\n      EventBusName: other", "Events.test_the_rule_sees_calls_that_only_read"),
    ("a prefix in the pattern", "[{prefix: AccessDenied}]", "[AccessDenied]", "Events.test_the_rule_picks_the_denials_among_the_sample_events_and_nothing_else"),
    ("an event name in the pattern", "eventName: [GetSecretValue, BatchGetSecretValue]", "eventName: [GetSecretValue]", "Events.test_the_rule_picks_the_denials_among_the_sample_events_and_nothing_else"),
    ("the error in the pattern", "          errorCode: [{prefix: AccessDenied}]\n", "", "Events.test_the_rule_picks_the_denials_among_the_sample_events_and_nothing_else"),
    ("a malformed pattern", "[{prefix: AccessDenied}]", "[{prefixx: AccessDenied}]", "Validators.test_awss_own_validator_finds_nothing"),
    ("an attribute that does not exist", "Arn: !GetAtt UndeliveredQueue.Arn", "Arn: !GetAtt UndeliveredQueue.Arm", "Validators.test_awss_own_validator_finds_nothing"),
    ("a property that does not exist", "BillingMode: PAY_PER_REQUEST", "BilingMode: PAY_PER_REQUEST", "Validators.test_awss_own_validator_finds_nothing"),
    ("a reference to nothing", "TargetKeyId: !Ref Key", "TargetKeyId: !Ref Kee", "Validators.test_cfn_lint_finds_nothing"),
    ("a source account", "      SourceArn: !GetAtt Rule.Arn", "      SourceArn: !GetAtt Rule.Arn\n      SourceAccount: !Ref AWS::AccountId", "Events.test_each_rule_may_invoke_the_function_and_nobody_else_may"),
    ("the rule's dead-letter queue", "          DeadLetterConfig:\n            Arn: !GetAtt UndeliveredQueue.Arn\n", "", "Events.test_what_a_rule_cannot_deliver_goes_to_a_queue_that_admits_it"),
    ("that queue's condition", "                  - !GetAtt ClosingSchedule.Arn\n", "", "Events.test_what_a_rule_cannot_deliver_goes_to_a_queue_that_admits_it"),
    ("the interval of the schedule", "rate(15 minutes)", "rate(1 day)", "Events.test_a_schedule_has_episodes_closed_every_15_minutes"),
    ("what the schedule asks for", '{"task": "close-episodes"}', '{"task": "close"}', "Events.test_a_schedule_has_episodes_closed_every_15_minutes"),
    ("the digest's task", '{"task": "send-digest"}', '{"task": "digest"}', "Events.test_a_digest_is_asked_for_once_a_week_and_only_on_demand"),
    ("reads by default", 'WatchReads:\n    Type: String\n    Default: "false"', 'WatchReads:\n    Type: String\n    Default: "true"', "Events.test_reads_are_watched_only_on_demand_and_their_price_is_named"),
    ("the pattern of reads", "errorCode: [{exists: false}]", "errorCode: [{exists: true}]", "Events.test_reads_are_watched_only_on_demand_and_their_price_is_named"),
    ("the index's order", "            - {AttributeName: due, KeyType: RANGE}\n", "", "Events.test_the_index_of_what_is_due_is_sparse_and_the_one_that_the_function_asks"),
    ("a trail by default", 'CreateTrail:\n    Type: String\n    Default: "false"', 'CreateTrail:\n    Type: String\n    Default: "true"', "Events.test_a_trail_is_made_only_on_demand_and_its_price_is_named"),
    ("a trail without reads", "ReadWriteType: All", "ReadWriteType: WriteOnly", "Events.test_a_trail_is_made_only_on_demand_and_its_price_is_named"),
    ("the runtime", "Runtime: provided.al2023", "Runtime: provided.al2", "Function.test_the_function_is_the_lambda_binary_on_the_runtime_without_a_language"),
    ("the binary's name", "Binary: rattle-lambda", "Binary: rattle", "Function.test_the_function_is_the_lambda_binary_on_the_runtime_without_a_language"),
    ("the processor", "Default: arm64", "Default: x86_64", "Function.test_it_runs_on_arm64_unless_told_otherwise"),
    ("reserved concurrency for all", "!If [HasReservedConcurrency, !Ref ReservedConcurrency, !Ref AWS::NoValue]", "10", "Function.test_no_concurrency_is_reserved_unless_asked_for"),
    ("the permissions boundary", "      PermissionsBoundary: !If [HasPermissionsBoundary, !Ref PermissionsBoundary, !Ref AWS::NoValue]", "      PermissionsBoundary: !Ref PermissionsBoundary", "Function.test_the_permissions_boundary_is_optional"),
    ("the log level", "ApplicationLogLevel: INFO", "ApplicationLogLevel: WARN", "Function.test_its_logs_are_json_in_a_group_that_forgets"),
    ("the logs' retention", "      RetentionInDays: !Ref LogRetentionInDays\n", "", "Function.test_its_logs_are_json_in_a_group_that_forgets"),
    ("the on-failure destination", "Destination: !GetAtt FailureQueue.Arn", "Destination: !GetAtt UndeliveredQueue.Arn", "Function.test_what_fails_three_times_or_is_six_hours_old_goes_to_the_failure_queue"),
    ("a setting left out", "          RATTLE_REMIND_HOURS: !Ref RemindHours\n", "", "Settings.test_the_function_gets_each_setting_and_nothing_else"),
    ("a setting that is none", "          RATTLE_REMIND_HOURS:", "          RATTLE_LOG: debug\n          RATTLE_REMIND_HOURS:", "Settings.test_the_function_gets_each_setting_and_nothing_else"),
    ("the function's own role", "          FUNCTION_ROLE_ARN: !GetAtt FunctionRole.Arn\n", "", "Settings.test_the_function_knows_the_role_whose_denials_it_must_ignore"),
    ("two settings exchanged", "RATTLE_MIN_DENIALS: !Ref MinDenials", "RATTLE_MIN_DENIALS: !Ref MinSecrets", "Settings.test_each_setting_comes_from_its_parameter_or_from_the_stack"),
    ("a default", "Default: 7,7,14", "Default: 7,7,7", "Settings.test_each_parameter_has_the_default_of_its_setting"),
    ("the words for a range", "ConstraintDescription: a whole number from 1 to 720", "ConstraintDescription: a whole number from 1 to 700", "Settings.test_each_parameter_says_what_is_allowed_in_the_same_words"),
    ("a number's range", "    MaxValue: 37\n    ConstraintDescription: sigma from 1 to 37\n    Description: Deviation of a", "    MaxValue: 40\n    ConstraintDescription: sigma from 1 to 37\n    Description: Deviation of a", "Settings.test_each_range_is_that_of_its_setting"),
    ("a pattern's range", "([1-9][0-9]?|[1-6][0-9]{2}|7[01][0-9]|720)", "([1-9][0-9]?|[1-7][0-9]{2})", "Settings.test_each_range_is_that_of_its_setting"),
    ("a pattern's list", "(,([1-9][0-9]{0,4}|100000),([1-9][0-9]{0,4}|100000))?$", "(,([1-9][0-9]{0,4}|100000))*$", "Settings.test_each_range_is_that_of_its_setting"),
    ("the characters of a glob", "[!-+\\x2d-~]+( *, *", "[ -+\\x2d-~]+( *, *", "Settings.test_a_list_of_globs_and_a_topic_pass_where_the_function_takes_them"),
    ("a wildcard action", "dynamodb:PutItem, dynamodb:UpdateItem]", "dynamodb:*]", "Permissions.test_no_policy_names_an_action_by_a_wildcard"),
    ("an action too many", "dynamodb:PutItem, dynamodb:UpdateItem]", "dynamodb:PutItem, dynamodb:Scan, dynamodb:UpdateItem]", "Permissions.test_the_role_may_do_what_the_function_does_and_no_more"),
    ("a managed policy", "      PermissionsBoundary: !If", "      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]\n      PermissionsBoundary: !If", "Permissions.test_the_role_may_do_what_the_function_does_and_no_more"),
    ("a wildcard resource", "Action: sqs:SendMessage\n                Resource: !GetAtt FailureQueue.Arn", 'Action: sqs:SendMessage\n                Resource: "*"', "Permissions.test_a_resource_has_a_wildcard_only_where_aws_leaves_no_choice"),
    ("a wildcard action of the key", "              - kms:CancelKeyDeletion\n", "              - kms:*\n", "Permissions.test_no_policy_names_an_action_by_a_wildcard"),
    ("everybody admitted", 'Effect: Deny\n            Principal: "*"\n            Action: sns:Publish', 'Effect: Allow\n            Principal: "*"\n            Action: sns:Publish', "Permissions.test_everybody_is_named_only_to_be_refused"),
    ("alarms without the key", "            Principal: {Service: cloudwatch.amazonaws.com}\n            Action: [kms:Decrypt, kms:GenerateDataKey]", "            Principal: {Service: cloudwatch.amazonaws.com}\n            Action: [kms:Decrypt]", "Permissions.test_alarms_of_this_account_alone_reach_the_encrypted_topic"),
    ("a service admitted for anybody", "                aws:SourceArn: !Sub arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*\n\n  KeyAlias", "                aws:SourceArn: arn:aws:cloudwatch:*\n\n  KeyAlias", "Permissions.test_a_service_is_admitted_only_on_behalf_of_a_resource_of_this_account"),
    ("a queue without a source", "              ArnEquals:\n                aws:SourceArn:\n                  - !GetAtt Rule.Arn", "              StringEquals:\n                aws:SourceAccount:\n                  - !GetAtt Rule.Arn", "Permissions.test_a_service_is_admitted_only_on_behalf_of_a_resource_of_this_account"),
    ("plain text admitted", 'Action: sqs:SendMessage\n            Resource: !GetAtt FailureQueue.Arn\n            Condition:\n              Bool: {aws:SecureTransport: "false"}', 'Action: sqs:SendMessage\n            Resource: !GetAtt FailureQueue.Arn\n            Condition:\n              Bool: {aws:SecureTransport: "true"}', "Permissions.test_topic_and_queues_refuse_what_is_not_encrypted_on_its_way"),
    ("the expiry attribute", "AttributeName: expires_at", "AttributeName: ttl", "Keeping.test_the_table_is_keyed_by_principal_and_forgets_expired_items"),
    ("provisioned capacity", "BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED", "Keeping.test_the_table_is_keyed_by_principal_and_forgets_expired_items"),
    ("the table's fate", "    # Baselines take weeks to form.\n    DeletionPolicy: Retain", "    DeletionPolicy: Delete", "Keeping.test_the_table_outlives_the_stack_and_can_be_restored"),
    ("the way back", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "Keeping.test_the_table_outlives_the_stack_and_can_be_restored"),
    ("the table's encryption", "SSEEnabled: true", "SSEEnabled: false", "Keeping.test_everything_that_is_kept_is_encrypted"),
    ("the topic's encryption", "      KmsMasterKeyId: !Ref Key\n", "", "Keeping.test_everything_that_is_kept_is_encrypted"),
    ("a queue's encryption", "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false", "Keeping.test_everything_that_is_kept_is_encrypted"),
    ("a queue's retention", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 345600", "Keeping.test_everything_that_is_kept_is_encrypted"),
    ("the trail bucket's fate", "    # A bucket with files in it cannot be deleted, and an audit log should not be.\n    DeletionPolicy: Retain", "    DeletionPolicy: Delete", "Keeping.test_the_trails_files_outlive_the_stack_and_the_logs_do_not"),
    ("the storm alarm's metric", "MetricName: AlertsSuppressed", "MetricName: AlertsPublished", "Alerts.test_each_way_to_fail_has_its_alarm"),
    ("an alarm's silence", "TreatMissingData: notBreaching", "TreatMissingData: breaching", "Alerts.test_each_alarm_speaks_at_the_first_one_and_never_for_lack_of_data"),
    ("an alarm's action", "AlarmActions: [!Ref Topic]", "AlarmActions: []", "Alerts.test_each_alarm_speaks_at_the_first_one_and_never_for_lack_of_data"),
    ("the pager's filter", '        severity: !Split [",", !Ref PagerSeverities]', "        severity: [low]", "Alerts.test_the_pager_hears_of_high_severity_alone_unless_told_otherwise"),
    ("the pager's default", "    Default: high\n", "    Default: low,high\n", "Alerts.test_the_pager_hears_of_high_severity_alone_unless_told_otherwise"),
    ("an unconditional subscription", "    Condition: HasAlertEmail\n", "", "Alerts.test_subscriptions_are_made_only_for_those_who_are_named"),
    ("a parameter without a group", "          - QuietMinutes\n", "", "Presentation.test_each_parameter_is_described_labelled_and_in_one_group"),
    ("a parameter without a label", "      QuietMinutes: {default: Minutes of silence that end an episode}\n", "", "Presentation.test_each_parameter_is_described_labelled_and_in_one_group"),
    ("a default outside its range", 'Default: "24"', 'Default: "1000"', "Presentation.test_a_default_is_a_value_that_is_allowed"),
    ("the version", "SemanticVersion: 0.1.0", "SemanticVersion: 0.2.0", "Presentation.test_the_application_points_at_files_that_are_there"),
    ("a missing output", "  FailureQueueUrl:", "  FailedUrl:", "Presentation.test_the_outputs_name_what_an_operator_looks_for"),
    ("a default that is not allowed", 'Default: "24"', 'Default: "1000"', "Deployment.test_the_stack_is_created_with_every_default"),
    ("an option that is not taken", "    Condition: HasPager\n", "    Condition: HasTrail\n", "Deployment.test_the_stack_is_created_with_every_option"),
]  # fmt: skip

# These tests guard CargoLambda.toml and Cargo.toml, not the template.
NOT_OF_THE_TEMPLATE = {"Function.test_it_is_built_with_its_own_features_and_unwinds"}


class Checks(unittest.TestCase):
    def test_each_check_fails_on_a_template_spoilt_where_it_looks(self):
        text = stack.TEMPLATE.read_text()
        with tempfile.TemporaryDirectory() as folder:
            spoilt = pathlib.Path(folder) / "template.yaml"
            for name, before, after, check in SPOILT:
                with self.subTest(name):
                    self.assertIn(before, text)
                    spoilt.write_text(text.replace(before, after, 1))
                    self.assertEqual(outcome(check, spoilt), "failed")

    def test_each_check_is_shown_to_fail(self):
        loader = unittest.TestLoader()
        checks = {
            f"{case.__name__}.{method}"
            for case in vars(test_template).values()
            if isinstance(case, type) and issubclass(case, test_template.TemplateTest)
            for method in loader.getTestCaseNames(case)
        }
        self.assertEqual(checks - NOT_OF_THE_TEMPLATE, {check for *_, check in SPOILT})


def outcome(check, template):
    case = test_template.TemplateTest
    path, case.path = case.path, template
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(check, test_template)
        result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    finally:
        case.path = path
    return "passed" if result.wasSuccessful() else "failed"


if __name__ == "__main__":
    unittest.main()
