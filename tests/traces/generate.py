"""Writes events/traces/*.jsonl: the lives of twelve principals, byte for byte the same on every run.

    python3 tests/traces/generate.py            rewrite the traces
    python3 tests/traces/generate.py --check    exit 1 if a committed trace differs from what this script makes

A trace is JSON Lines of CloudTrail records, one denied GetSecretValue call a line, sorted by event time and then event
id, as `rattle replay` sorts them. `attack-*` must raise a finding, `benign-*` must stay silent once its baseline is
learned. Each trace has its own principal, so replaying the whole folder gives the same findings as replaying each file.

Random numbers come only from a generator seeded with the name of the trace, so changing one trace leaves the others alone.
Accounts, addresses and ids are the ones reserved for documentation.
"""

import argparse
import hashlib
import itertools
import json
import random
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

TRACES = Path(__file__).resolve().parents[2] / "events" / "traces"

ACCOUNT = "111122223333"
REGION = "eu-west-1"

BOTO = "Boto3/1.35.71 os/linux"
CLI = "aws-cli/2.17.32 md/command#secretsmanager.get-secret-value"
GO = "aws-sdk-go-v2/1.32.5 os/linux"
JAVA = "aws-sdk-java/2.29.20 md/io#sync"


# Time


def at(month, day, hour=0, minute=0, second=0):
    return datetime(2026, month, day, hour, minute, second, tzinfo=timezone.utc)


def timestamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# Who calls

HEX = "0123456789abcdef"


def digest(text, alphabet, length):
    """Replaces the parts of an id that AWS draws at random: the same text always gives the same id."""
    return "".join(alphabet[byte % len(alphabet)] for byte in hashlib.sha256(text.encode()).digest()[:length])


def access_key(prefix, text):
    # The reserved word comes last, where secret scanners look for it to tell a sample from
    # a leaked key.
    return prefix + digest(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 9) + "EXAMPLE"


def boto_session(since):
    return f"botocore-session-{int(since.timestamp())}"


def iam_user(name, principal_id):
    return {
        "type": "IAMUser",
        "principalId": principal_id,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": access_key("AKIA", name),
        "userName": name,
    }


def role_session(role, principal_id, session, since, path="/"):
    return {
        "type": "AssumedRole",
        "principalId": f"{principal_id}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": access_key("ASIA", session + timestamp(since)),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal_id,
                "arn": f"arn:aws:iam::{ACCOUNT}:role{path}{role}",
                "accountId": ACCOUNT,
                "userName": role,
            }
        },
    }


def sso_session(permission_set, principal_id, person, since):
    path = f"/aws-reserved/sso.amazonaws.com/{REGION}/"
    return role_session(f"AWSReservedSSO_{permission_set}", principal_id, person, since, path)


# What they ask for

TEAMS = (
    "payments orders billing catalog search checkout identity ledger shipping returns pricing invoices fraud loyalty "
    "reports warehouse support mobile partner media notify audit export risk tax cart geo chat crm hr"
).split()
KINDS = "db api-key smtp redis oauth signing webhook kafka".split()
NAMES = [f"{stage}/{team}/{kind}" for stage, team, kind in itertools.product(("prod", "staging"), TEAMS, KINDS)]


def by_name(secret):
    return secret


def by_arn(secret):
    """The full ARN, with the six characters that Secrets Manager appends to every name."""
    suffix = digest(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 6)
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}-{suffix}"


# One trace


class Trace:
    """The records of one principal, and their random numbers."""

    def __init__(self, name):
        self.chance = random.Random(name)
        self.records = []

    def secrets(self, count):
        return self.chance.sample(NAMES, count)

    def pause(self, low, high):
        """A random time between two calls, in whole seconds because CloudTrail records no fractions."""
        return timedelta(seconds=self.chance.randint(low, high))

    def spelled(self, secret, usual, other):
        """Most callers name a secret in one way, but none is consistent."""
        return usual(secret) if self.chance.random() < 0.9 else other(secret)

    def deny(self, moment, identity, secret_id, source_ip, agent):
        """Adds one denial, without the optional fields that detection does not use (events/*.json have them)."""
        action = "secretsmanager:GetSecretValue"
        reason = f"because no identity-based policy allows the {action} action"
        self.records.append(
            {
                "eventVersion": "1.11",
                "userIdentity": identity,
                "eventTime": timestamp(moment),
                "eventSource": "secretsmanager.amazonaws.com",
                "eventName": "GetSecretValue",
                "awsRegion": REGION,
                "sourceIPAddress": source_ip,
                "userAgent": agent,
                "errorCode": "AccessDenied",
                "errorMessage": f"User: {identity['arn']} is not authorized to perform: {action} "
                f"on resource: {secret_id} {reason}",
                "requestParameters": None,
                "responseElements": None,
                "eventID": str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
                "readOnly": True,
                "eventType": "AwsApiCall",
                "recipientAccountId": ACCOUNT,
            }
        )

    def text(self):
        in_order = sorted(self.records, key=lambda record: (record["eventTime"], record["eventID"]))
        return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in in_order)


# Attacks


def attack_fast(trace):
    """A role that is denied now and then for twenty days; then stolen instance credentials try 56 secrets in 90 seconds."""
    instance = "i-0" + digest("orders-worker", HEX, 16)

    def identity(since):
        return role_session("orders-worker", "AROAEXAMPLEORDERSWK01", instance, since)

    secrets = trace.secrets(58)
    for day in sorted(trace.chance.sample(range(20), 8)):
        slip = at(1, 5, 8) + timedelta(days=day) + trace.pause(0, 9 * 3600)
        secret = trace.chance.choice(secrets[:2])
        trace.deny(slip, identity(slip - timedelta(hours=2)), by_arn(secret), "198.51.100.21", JAVA)

    moment = at(1, 26, 2, 15, 7)
    stolen = identity(moment - timedelta(hours=1))
    for secret in secrets[2:]:
        trace.deny(moment, stolen, trace.spelled(secret, by_name, by_arn), "203.0.113.77", CLI)
        moment += trace.pause(1, 2)


def attack_medium(trace):
    """A job that is denied two secrets each hour hides an enumeration of 20 others in ten minutes, under the same role."""

    def identity(since):
        task = digest(timestamp(since), HEX, 32)
        return role_session("reports", "AROAEXAMPLEREPORTS001", task, since)

    secrets = trace.secrets(22)
    for hour in range(3 * 24):
        run = at(1, 15) + timedelta(hours=hour, minutes=17) + trace.pause(0, 40)
        for step, secret in enumerate(secrets[:2]):
            trace.deny(run + timedelta(seconds=3 * step), identity(run), by_arn(secret), "198.51.100.40", BOTO)

    moment = at(1, 17, 14, 31, 12)
    abused = identity(moment)
    for secret in secrets[2:]:
        trace.deny(moment, abused, trace.spelled(secret, by_arn, by_name), "203.0.113.120", BOTO)
        moment += trace.pause(20, 40)


def attack_slow(trace):
    """One new secret each 5 to 15 minutes through a night, with the key of an IAM user that was denied twice before."""
    identity = iam_user("backup-agent", "AIDAEXAMPLEBACKUPAG01")

    secrets = trace.secrets(60)
    for slip in (at(1, 19, 10, 12, 44), at(1, 22, 15, 40, 9)):
        trace.deny(slip, identity, secrets[0], "198.51.100.55", CLI)

    moment = at(1, 27, 20, 5, 31)
    for secret in secrets[1:]:
        trace.deny(moment, identity, trace.spelled(secret, by_name, by_arn), "192.0.2.146", GO)
        moment += trace.pause(5 * 60, 15 * 60)


def attack_very_slow(trace):
    """A person's single sign-on session tries one new secret each 30 to 60 minutes for three days."""

    def identity(since):
        return sso_session("ReadOnlyAccess_fedcba9876543210", "AROAEXAMPLESSOREAD001", "bob@example.com", since)

    start = moment = at(2, 2, 21, 48, 3)
    secrets = iter(trace.secrets(150))
    while moment < start + timedelta(days=3):
        # A permission set's session lasts at most 12 hours, so the attacker signs in again.
        signed_in = moment - (moment - start) % timedelta(hours=12)
        trace.deny(moment, identity(signed_in), trace.spelled(next(secrets), by_name, by_arn), "203.0.113.200", CLI)
        moment += trace.pause(30 * 60, 60 * 60)


def attack_ramp(trace):
    """An attacker who knows that baselines learn: the pace doubles every 18 hours for five days."""

    def identity(since):
        return role_session("resizer", "AROAEXAMPLERESIZER001", boto_session(since), since)

    start = moment = at(2, 9, 6, 20, 15)
    secrets = iter(trace.secrets(300))
    while moment < start + timedelta(days=5):
        # Each call has a new session, so a baseline for each session would never see a
        # second call.
        trace.deny(moment, identity(moment), trace.spelled(next(secrets), by_arn, by_name), "192.0.2.33", BOTO)
        gap = 14 * 3600 / 2 ** ((moment - start) / timedelta(hours=18))
        moment += trace.pause(int(0.8 * gap), int(1.2 * gap))


def attack_cold_start(trace):
    """A new IAM user whose very first calls are an enumeration: there is no history to compare with."""
    identity = iam_user("tf-import", "AIDAEXAMPLETFIMPORT01")

    moment = at(2, 17, 11, 2, 40)
    for secret in trace.secrets(30):
        trace.deny(moment, identity, trace.spelled(secret, by_arn, by_name), "203.0.113.9", CLI)
        moment += trace.pause(2, 9)


# Broken, clumsy and harmless


def benign_hourly_cron(trace):
    """A job that nobody repairs: the same three secrets each hour for two weeks."""
    identity = iam_user("sync-cron", "AIDAEXAMPLESYNCCRON01")

    secrets = trace.secrets(3)
    for hour in range(14 * 24):
        run = at(1, 8) + timedelta(hours=hour, minutes=5) + trace.pause(0, 20)
        for step, secret in enumerate(secrets):
            trace.deny(run + timedelta(seconds=2 * step), identity, secret, "198.51.100.62", "sync-cron/4.2")


def benign_daily_cron(trace):
    """A nightly task that retries four secrets for some minutes, 16 to 20 denials in all, for twenty days."""
    secrets = trace.secrets(4)
    for day in range(20):
        moment = at(1, 6, 3, 30) + timedelta(days=day) + trace.pause(0, 90)
        identity = role_session("nightly", "AROAEXAMPLENIGHTLY001", boto_session(moment), moment)
        for attempt in range(trace.chance.randint(16, 20)):
            secret = secrets[attempt % len(secrets)]
            trace.deny(moment, identity, trace.spelled(secret, by_name, by_arn), "198.51.100.88", BOTO)
            moment += trace.pause(8, 20)


def benign_deploy_burst(trace):
    """Two or three deployments on each working day, each denied 3 to 8 times on the same three secrets."""
    secrets = trace.secrets(3)
    days = [at(1, 5) + timedelta(days=day) for day in range(20)]
    for day in (day for day in days if day.weekday() < 5):
        for hour in sorted(trace.chance.sample(range(8, 18), trace.chance.randint(2, 3))):
            moment = day + timedelta(hours=hour) + trace.pause(0, 3000)
            build = f"deploy-{int(moment.timestamp())}"
            identity = role_session("ci-deploy", "AROAEXAMPLECIDEPLOY01", build, moment)
            for attempt in range(trace.chance.randint(3, 8)):
                secret = secrets[attempt % len(secrets)]
                trace.deny(moment, identity, trace.spelled(secret, by_name, by_arn), "192.0.2.71", GO)
                moment += trace.pause(2, 15)


def benign_steady_drip(trace):
    """A sidecar that asks for one secret every 17 to 20 minutes, day and night, for ten days."""
    identity = iam_user("metrics", "AIDAEXAMPLEMETRICS001")

    (secret,) = trace.secrets(1)
    moment = at(1, 20, 0, 4, 50)
    while moment < at(1, 30):
        trace.deny(moment, identity, secret, "198.51.100.97", "sidecar/1.9")
        moment += trace.pause(17 * 60, 20 * 60)


def benign_retry_storm(trace):
    """A function without back-off: one secret, 40 denials in two minutes, once a day for twelve days."""
    (secret,) = trace.secrets(1)
    for day in range(12):
        moment = at(2, 3, 4, 15) + timedelta(days=day) + trace.pause(0, 40)
        identity = role_session("thumbs", "AROAEXAMPLETHUMBS0001", f"thumbs-{int(moment.timestamp())}", moment)
        for _ in range(40):
            trace.deny(moment, identity, secret, "192.0.2.118", BOTO)
            moment += trace.pause(2, 5)


def benign_new_principal(trace):
    """A new colleague's first week: three secrets a day, each denied once or twice, until somebody grants access."""
    secrets = iter(trace.secrets(15))
    for day in range(5):
        start = moment = at(2, 16, 8, 30) + timedelta(days=day) + trace.pause(0, 1800)
        identity = sso_session("DeveloperAccess_00112233445566aa", "AROAEXAMPLESSODEVS001", "carol@example.com", start)
        for secret in itertools.islice(secrets, 3):
            moment += trace.pause(20 * 60, 120 * 60)
            for _ in range(trace.chance.randint(1, 2)):
                trace.deny(moment, identity, trace.spelled(secret, by_name, by_arn), "203.0.113.18", CLI)
                moment += trace.pause(10, 60)


ALL = (
    attack_fast,
    attack_medium,
    attack_slow,
    attack_very_slow,
    attack_ramp,
    attack_cold_start,
    benign_hourly_cron,
    benign_daily_cron,
    benign_deploy_burst,
    benign_steady_drip,
    benign_retry_storm,
    benign_new_principal,
)


def file_of(life):
    name = life.__name__.replace("_", "-")
    trace = Trace(name)
    life(trace)
    return f"{name}.jsonl", trace.text().encode()


def differences(files):
    """The faults of the committed folder. An extra file is one, because a test that replays the folder replays it."""
    committed = {path.name: path.read_bytes() for path in TRACES.glob("*.jsonl")}
    for name in sorted(files.keys() | committed.keys()):
        if name not in committed:
            yield f"{name}: missing"
        elif name not in files:
            yield f"{name}: not made by this script"
        elif files[name] != committed[name]:
            yield f"{name}: differs"


def main():
    parser = argparse.ArgumentParser(description="Write the traces under events/traces/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed trace differs")
    check = parser.parse_args().check

    files = dict(map(file_of, ALL))
    if check:
        faults = list(differences(files))
        print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
        return 1 if faults else 0

    TRACES.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (TRACES / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
