"""What the deployed function discloses, and how it handles text that a caller chose.
FUNCTION_BINARY names the function's binary."""

import json
import pathlib
import tempfile
import time
import unittest

from end_to_end import CONFIDENTIAL, Caller, Deployed, EndToEndTest, as_it_is, binary, envelope, serve, wait_for

# Appears in every event below, and elsewhere only in copies of them.
MARK = "xMARKx"
# Appear only in the body of an alert.
BODIES = ("WHAT WAS SEEN", "WHAT TO DO", "rattle.finding/1", "T1555.006")
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
MAX_ERROR_BYTES = 400

HOSTILE = (
    "prod/db\r\nBcc: victim@example.com\r\n\r\nAll clear",
    "\x1b[2J\x1b[31mred\x07\x08\x9b31m\x00\x7f",
    "\u202edrowssap/dorp\u202c\u2066x\u2069",
    '<script>alert(1)</script><a href="https://evil.example/">x</a>',
    "half a pair \ud83d and the other \udc00",
    "x" * 4096,
)


def marked(detail):
    """The event with a mark in every field about the caller, its address and its request."""
    identity = detail["userIdentity"]
    identity["accessKeyId"] = f"ASIA{MARK}"
    identity["sessionContext"]["attributes"] = {"mfaAuthenticated": MARK}
    return detail | {
        "userAgent": MARK,
        "sourceIPAddress": MARK,
        "requestID": MARK,
        "vpcEndpointId": MARK,
        "errorMessage": detail["errorMessage"].replace("secret-name-", f"{MARK}-secret-"),
    }


class Trace(EndToEndTest):
    """Everything that the process writes, at the most detailed level."""

    @classmethod
    def deploy(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        bootstrap = cls.folder / "bootstrap"
        bootstrap.write_text(
            f"#!/bin/sh\nenv >{cls.folder}/environment\nRUST_LOG=trace exec {binary()} >>{cls.folder}/output 2>&1\n"
        )
        template = as_it_is()
        template["Resources"]["Function"]["Properties"]["LoggingConfig"]["ApplicationLogLevel"] = "TRACE"
        return Deployed(template, code=bootstrap)

    def test_no_event_key_credential_or_message_body_is_written_at_any_level(self):
        caller, damaged = Caller("traced"), Caller("traced-and-damaged")
        self.deployed.handle(*map(marked, caller.enumeration(8)))
        # Events that are ignored, that are rejected, and that fail.
        self.deployed.handle(marked(Caller("other").denial(0)) | {"errorCode": "AccessDenied", "eventVersion": "1.08"})
        nameless = marked(caller.denial(9))
        del nameless["eventID"]
        self.deployed.handle(marked(damaged.denial(0)))
        self.deployed.set(damaged, "base", {"S": MARK})
        failing = marked(damaged.denial(1))
        for payload in (
            envelope(nameless),
            envelope(failing),
            envelope(marked(caller.denial(10))) | {"source": "example.elsewhere"},
            [envelope(marked(caller.denial(11)))],
            MARK,
        ):
            self.deployed.invoke(payload)
        wait_for("five failures", lambda: len(self.deployed.failures()) == 5)
        self.assertEqual(len(self.deployed.findings(caller)), 1)

        output = (self.folder / "output").read_text()
        # Confirms that the log has the finding's line, the metrics and the failures.
        for text in (caller.key, '"_aws"', "RejectedEvent", "CorruptItem"):
            self.assertIn(text, output)
        environment = dict(line.split("=", 1) for line in self.environment() if "=" in line)
        self.assertEqual(environment["AWS_LAMBDA_LOG_LEVEL"], "TRACE")
        credentials = [environment[name] for name in CREDENTIALS if environment.get(name)]
        self.assertGreaterEqual(len(credentials), 2)
        for text in (MARK, *BODIES, *CONFIDENTIAL, *credentials, "Authorization", "AWS4-HMAC"):
            lines = [line for line in output.splitlines() if text in line]
            self.assertEqual(lines[:1], [], f"{text} is in {len(lines)} lines")

    def environment(self):
        return (self.folder / "environment").read_text().splitlines()


class GivenUp(EndToEndTest):
    def test_a_given_up_event_carries_what_sends_it_again_and_an_error_without_its_text(self):
        caller, damaged = Caller("given-up"), Caller("given-up-and-damaged")
        nameless = marked(caller.denial(0))
        del nameless["eventID"]
        untimely = marked(caller.denial(1)) | {"eventTime": MARK * 100}
        self.deployed.handle(marked(damaged.denial(0)))
        self.deployed.set(damaged, "base", {"S": MARK})
        events = [nameless, untimely, marked(damaged.denial(1))]
        self.deployed.put(*events)
        for event, error_type in zip(events, ("RejectedEvent", "RejectedEvent", "CorruptItem")):
            failure = self.deployed.failure_of(lambda payload, event=event: payload["detail"] == event)
            self.assert_failed(failure, error_type)
            answer = failure["responsePayload"]
            self.assertLessEqual(set(answer), {"errorType", "errorMessage"})
            # The error quotes 48 bytes of a field that cannot be used, and nothing of any
            # other field.
            error = answer["errorMessage"].replace(f'"{(MARK * 100)[:23]}', "")
            self.assertLessEqual(len(answer["errorMessage"]), MAX_ERROR_BYTES)
            for text in CONFIDENTIAL:
                self.assertNotIn(text, error)
            self.assertLessEqual(error.count(MARK), 48 // len(MARK), error)
            # The rest of what AWS adds contains no second copy of the event.
            others = {name: value for name, value in failure.items() if name not in ("requestPayload", "responsePayload")}
            self.assertNotIn(MARK, json.dumps(others))


class HostileText(EndToEndTest):
    def test_whatever_a_caller_types_is_counted_and_reaches_a_subscriber_in_one_piece(self):
        for number, text in enumerate(HOSTILE):
            with self.subTest(number):
                caller = Caller(f"hostile-{number}")
                details = [hostile(caller, i, text) for i in range(6)]
                self.deployed.handle(*details)
                self.assertEqual(self.deployed.number(caller, "n_1d"), 6)
                (finding,) = self.deployed.findings(caller)
                shown = json.dumps(finding, ensure_ascii=False)
                self.assertRegex(shown, r"^[ -~±]*$")
                self.assertTrue(finding["evidence"][0]["secret"])
        for message in self.deployed.alerts():
            self.assertRegex(message["Subject"], r"^[ -~]{1,99}$")
            for attribute in message["MessageAttributes"].values():
                self.assertRegex(attribute["Value"], r"^[ -~]{1,256}$")
        self.assertEqual(self.deployed.failures(), [])


def hostile(caller, number, text):
    detail = caller.denial(number)
    detail["userIdentity"]["principalId"] = f"{caller.id}:{text}"
    detail["userIdentity"]["arn"] = f"arn:aws:sts::111122223333:assumed-role/{caller.name}/{text}"
    message = detail["errorMessage"].replace(f"secret-name-{number}", f"{number}{text}")
    # AWS truncates the message to 1 KB.
    return detail | {"userAgent": text, "errorMessage": message[:1024]}


class KeyRefused(EndToEndTest):
    """A server answers as SNS does when KMS denies the key, because the local AWS does not
    encrypt."""

    @classmethod
    def deploy(cls):
        refusal = (
            b"<ErrorResponse><Error><Type>Sender</Type><Code>KMSAccessDenied</Code>"
            b"<Message>denied</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
        server = serve(lambda *_: (400, refusal))
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        template = as_it_is()
        variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        variables["AWS_ENDPOINT_URL_SNS"] = f"http://127.0.0.1:{server.server_port}"
        return Deployed(template)

    def test_without_the_topics_key_the_alert_waits_and_the_failure_names_the_key(self):
        caller = Caller("no-key")
        events = caller.enumeration(5)
        self.deployed.put(*events)
        failure = self.deployed.failure_among(events)
        self.assert_failed(failure, "AlertNotPublished", "Publish failed: KMSAccessDenied")
        self.assertIn("pending", self.deployed.item(caller))
        self.assertEqual(self.deployed.number(caller, "n_1d"), 5)


if __name__ == "__main__":
    unittest.main()
