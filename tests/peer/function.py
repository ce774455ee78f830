"""The job of Rattle as a Lambda function in Python is usually written: get the
principal's item, compute, put it back on condition that nobody else did, publish.

The equations are those of docs/detection.md; settings stay at their defaults.
"""

import hashlib
import json
import math
import os
import random
import re
import time
from collections import Counter
from datetime import datetime, timezone
from statistics import NormalDist

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SCALES = ("5m", "1h", "1d")
LENGTHS = (1, 12, 288)
SIGNALS = ("denials", "secrets")
THRESHOLD = {"denials": 5.0, "secrets": 4.0}
FLOOR = {"denials": (5, 5, 10), "secrets": (5, 5, 5)}
CEILING = {"denials": (math.inf,) * 3, "secrets": (20, 25, 30)}
PRIOR = {"denials": 0.5, "secrets": 0.25}
PRIOR_DISPERSION = {"denials": (4, 6, 10), "secrets": (2, 2, 1.5)}
CLIP = {"denials": (4.0, 0.75), "secrets": (2.0, 1.0)}
DECAY = tuple(2 ** (-length / (288 * days)) for length, days in zip(LENGTHS, (7, 7, 14)))
MAX_IDS, MAX_AGE, QUIET, REMIND, ESCALATION = 256, 1200, 12, 288, 10
RETENTION = 90 * 86_400
ATTEMPTS = 8
FORGOTTEN = 1e-100

# One connection for each thread of whoever calls this from several.
CONFIG = Config(max_pool_connections=64, connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 3, "mode": "standard"})
DYNAMODB = boto3.client("dynamodb", config=CONFIG)
SNS = boto3.client("sns", config=CONFIG)
TABLE = os.environ["TABLE_NAME"]
TOPIC = os.environ["TOPIC_ARN"]


class Contended(Exception):
    """Others changed the item each time. Lambda delivers the event again."""


def handler(event, _context=None):
    counts, now = Counter(), time.time()
    try:
        handle(event["detail"], now, counts)
    finally:
        print(metrics(counts, now))


def handle(record, now, counts):
    """Handles one CloudTrail record that arrived `now`; returns its finding, if any."""
    if not is_watched(record):
        counts["Ignored"] += 1
        return None
    denial = parse(record)
    for attempt in range(ATTEMPTS):
        item = read(denial["key"])
        before = item["state"]["S"] if item and int(item["expires_at"]["N"]) > now else "null"
        state, finding = deliver(json.loads(before), denial, now - denial["time"])
        after = json.dumps(state, separators=(",", ":"))
        is_news = after != before
        counts["DynamoDbRequests"] += 1 + is_news
        if not is_news or write(denial["key"], state["window"], after, item):
            counts["Denials" if is_news else "NotCounted"] += 1
            if finding:
                publish(finding)
                counts["AlertsPublished"] += 1
            return finding
        counts["LostRaces"] += 1
        time.sleep(random.uniform(0, 0.01 * 2**attempt))
    raise Contended(denial["key"])


def metrics(counts, now):
    """One line for the log, from which CloudWatch makes metrics (embedded metric format)."""
    directive = {
        "Namespace": "Rattle",
        "Dimensions": [[]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
    }
    about = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({**counts, "_aws": about})


# ---- the table and the topic


def read(key):
    answer = DYNAMODB.get_item(TableName=TABLE, Key={"principal": {"S": key}}, ConsistentRead=True)
    return answer.get("Item")


def write(key, window, state, item):
    """Stores the state unless the item changed since it was read."""
    version = int(item["version"]["N"]) if item else 0
    new = {
        "principal": {"S": key},
        "version": {"N": str(version + 1)},
        "expires_at": {"N": str(window * 300 + RETENTION)},
        "state": {"S": state},
    }
    condition = {"ConditionExpression": "attribute_not_exists(principal)"}
    if item:
        condition = {
            "ConditionExpression": "version = :read",
            "ExpressionAttributeValues": {":read": {"N": str(version)}},
        }
    try:
        DYNAMODB.put_item(TableName=TABLE, Item=new, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def publish(finding):
    subject = f"{finding['observed']} {finding['signal']} in {finding['scale']} by {finding['principal']}"
    lines = [f"{name}: {finding[name]}" for name in ("time", "principal", "account", "mean", "sd", "sigma")]
    lines += [f"  {e['time']} {e['secret']} from {e['ip']}" for e in finding["evidence"]]
    text, data = "\n".join([subject, "", *lines]), json.dumps(finding)
    SNS.publish(
        TopicArn=TOPIC,
        Subject=re.sub(r"[^ -~]", "?", subject)[:99],
        MessageStructure="json",
        Message=json.dumps({"default": text, "email": text, "https": data, "sqs": data}),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": str(finding[name])} for name in ("signal", "account")
        },
    )


# ---- the record


def is_watched(record):
    return (
        record.get("eventSource") == "secretsmanager.amazonaws.com"
        and record.get("eventName") in ("GetSecretValue", "BatchGetSecretValue")
        and (record.get("errorCode") or "").startswith("AccessDenied")
    )


def parse(record):
    account = record.get("recipientAccountId") or "unknown"
    parameters = record.get("requestParameters") or {}
    names = [parameters["secretId"]] if parameters.get("secretId") else parameters.get("secretIdList") or []
    if not names:
        # The reason stands last; what looks like one before it is part of the name.
        before = re.split(r" because no | with an explicit deny", record.get("errorMessage") or "")
        _, found, name = " because no ".join(before[:-1] or before).partition(" on resource: ")
        names = [name] if found and name != "*" else []
    return {
        "id": hashlib.sha256(record["eventID"].encode()).hexdigest()[:16],
        "time": datetime.fromisoformat(record["eventTime"].replace("Z", "+00:00")).timestamp(),
        "account": account,
        "key": f"{account}#{principal(record.get('userIdentity') or {}, account)}",
        "buckets": sorted({bucket for bucket in map(bucket_of, names) if bucket is not None}),
        "secret": names[0][:128] if names else None,
        "ip": record.get("sourceIPAddress"),
    }


def principal(identity, account):
    kind, pid, arn = (identity.get(name) for name in ("type", "principalId", "arn"))
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    role, _, session = (pid or "").partition(":")
    key = None
    if kind == "AssumedRole":
        key = issuer.get("principalId") or issuer.get("arn") or role
        if key and (issuer.get("userName") or "").startswith("AWSReservedSSO_"):
            key += f":{session}"
    elif kind == "Root":
        key = f"{identity.get('accountId') or account}:root"
    elif kind == "FederatedUser":
        key = f"{issuer.get('principalId') or role}:{session}"
    elif kind == "AWSAccount" and identity.get("accountId"):
        key = f"{identity['accountId']}:{role}"
    elif kind == "AWSService" and identity.get("invokedBy"):
        key = f"service:{identity['invokedBy']}"
    elif kind == "IdentityCenterUser" and identity.get("onBehalfOf"):
        key = "{userId}:{identityStoreArn}".format(**identity["onBehalfOf"])
    return key or pid or arn or identity.get("accountId") or "unknown"


def bucket_of(name):
    name = name.strip()
    if name.startswith("arn:") and ":secret:" in name:
        name = re.sub(r"-[A-Za-z0-9]{6}$", "", name.split(":secret:", 1)[1])
    if not name:
        return None
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:2], "big") % 512


# ---- the detection


def deliver(state, denial, age):
    """The state after one delivery, and the finding that it raises. Assesses every
    delivery, a duplicate too, so that one that comes again finds what was missed."""
    window = int(denial["time"] // 300)
    if state is None:
        state = opened(window)
    if denial["id"] not in state["ids"] and denial["id"] not in state["ids_before"]:
        if window > state["window"]:
            roll(state, window)
        if len(state["ids"]) < MAX_IDS:
            count(state, denial, age)
    return state, decide(state, denial)


def opened(window):
    return {
        "window": window, "first": window, "n": [0, 0, 0], "secrets": [], "new": [0, 0],
        "today": [], "once": [], "known": [], "known_before": [],
        "sums": {signal: [[0.0, 0.0] for _ in SCALES] for signal in SIGNALS},
        "told": {signal: [0, 0, 0] for signal in SIGNALS},
        "alerted": {signal: None for signal in SIGNALS}, "hit": {signal: None for signal in SIGNALS},
        "count": {signal: 0 for signal in SIGNALS}, "ids": [], "ids_before": [], "evidence": {},
    }  # fmt: skip


def count(state, denial, age):
    state["n"] = [state["n"][0] + (age <= MAX_AGE), state["n"][1] + 1, state["n"][2] + 1]
    state["secrets"] = sorted({*state["secrets"], *denial["buckets"]})
    state["ids"].append(denial["id"])
    slot = str(denial["buckets"][0] % 8 if denial["buckets"] else 0)
    state["evidence"][slot] = {"time": utc(denial["time"]), "secret": denial["secret"], "ip": denial["ip"]}


def roll(state, window):
    """Closes the open window, and with it the hour and the day if they are over."""
    new = len(unknown(state, state["secrets"]))
    fold(state, 0, (state["n"][0], new), window)
    state["today"] = sorted({*state["today"], *state["secrets"]})
    state["secrets"], state["n"][0] = [], 0
    state["new"] = [state["new"][0] + new, state["new"][1] + new]
    for scale in (1, 2):
        if window // LENGTHS[scale] != state["window"] // LENGTHS[scale]:
            fold(state, scale, (state["n"][scale], state["new"][scale - 1]), window)
            state["n"][scale] = state["new"][scale - 1] = 0
            for signal in SIGNALS:
                state["told"][signal][scale] = 0
            if scale == 2:
                remember(state, window)
    state["window"], state["ids_before"], state["ids"] = window, state["ids"], []


def remember(state, window):
    today, once = set(state["today"]), set(state["once"])
    known, before = set(state["known"]), set(state["known_before"])
    again = today & (once | known | before)
    once, known = (once | today) - again, known | again
    generations = window // 288 // 14 - state["window"] // 288 // 14
    if generations:
        once, known, before = set(), set(), known if generations == 1 else set()
    state.update(today=[], once=sorted(once), known=sorted(known), known_before=sorted(before))


def unknown(state, buckets):
    return set(buckets) - {*state["today"], *state["known"], *state["known_before"]}


def fold(state, scale, counts, window):
    silent = window // LENGTHS[scale] - state["window"] // LENGTHS[scale] - 1
    for signal, x in zip(SIGNALS, counts):
        x = clip(x, *predict(state, signal, scale), *CLIP[signal]) if x else 0
        sums = state["sums"][signal][scale]
        sums = [DECAY[scale] * total + part for total, part in zip(sums, (x, x * x))]
        sums = [total * DECAY[scale] ** silent for total in sums]
        state["sums"][signal][scale] = [0.0 if total < FORGOTTEN else total for total in sums]


def clip(x, mean, dispersion, limit, share):
    if score(x, mean, dispersion) < limit:
        return x
    below, reaches = 0, x
    while reaches - below > 1:
        middle = (below + reaches) // 2
        if score(middle, mean, dispersion) < limit:
            below = middle
        else:
            reaches = middle
    return share * reaches


def predict(state, signal, scale):
    """Mean and dispersion that the baseline and one imagined day expect."""
    completed = state["window"] // LENGTHS[scale] - state["first"] // LENGTHS[scale]
    days = 288 / LENGTHS[scale]
    weight = days + (1 - DECAY[scale] ** completed) / (1 - DECAY[scale])
    prior, (total, squares) = PRIOR[signal], state["sums"][signal][scale]
    mean = (prior + total) / weight
    second = (prior * (PRIOR_DISPERSION[signal][scale] + prior / days) + squares) / weight
    return mean, max(1.1, (second - mean * mean) / mean * (1 + 1 / weight))


def score(x, mean, dispersion):
    """The sigma at which a normal law has the upper tail that a negative binomial has at x."""
    if x <= mean:
        return 0.0
    tail = incomplete_beta(x, mean / (dispersion - 1), (dispersion - 1) / dispersion)
    if tail >= 0.5:
        return 0.0
    return 37.0 if tail < 1e-299 else min(37.0, -NormalDist().inv_cdf(tail))


def incomplete_beta(a, b, x):
    """I_x(a, b) for x below its mean, by Lentz's evaluation of the continued fraction."""
    log_first = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + step * d or tiny), 1 + step / c or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(log_first) / a * value


def decide(state, denial):
    new = len(unknown(state, state["secrets"]))
    counts = {"denials": state["n"], "secrets": [new, state["new"][0] + new, state["new"][1] + new]}
    window, finding = state["window"], None
    is_open = lambda signal: state["hit"][signal] is not None and window - state["hit"][signal] <= QUIET
    for signal in ("secrets", "denials"):
        if signal == "secrets" and not unknown(state, denial["buckets"]):
            continue
        hits, fresh = False, []
        for scale, x in enumerate(counts[signal]):
            law, told = predict(state, signal, scale), state["told"][signal][scale]
            if not is_hit(signal, scale, x, law):
                continue
            hits = True
            if is_hit(signal, scale, x - told, law) or told < CEILING[signal][scale] <= x:
                fresh.append((score(x, *law), -scale, x, x - told, law))
        if fresh and not finding:
            sigma, scale, x, untold, (mean, dispersion) = max(fresh)
            alerted = state["alerted"][signal]
            due = alerted is None or window - alerted >= REMIND
            was_open = is_open(signal) or (signal == "denials" and is_open("secrets"))
            if not was_open or due or untold >= ESCALATION * state["count"][signal]:
                state["alerted"][signal], state["count"][signal] = window, untold
                if signal == "secrets":
                    state["alerted"]["denials"] = window
                    state["count"]["denials"] = max(1, state["n"][-scale])
                state["told"] = {s: [0, *counts[s][1:]] for s in SIGNALS}
                finding = {
                    "time": utc(denial["time"]), "principal": denial["key"], "account": denial["account"],
                    "status": "update" if was_open else "open", "signal": signal, "scale": SCALES[-scale],
                    "observed": x, "mean": mean, "sd": math.sqrt(mean * dispersion), "sigma": sigma,
                    "evidence": list(state["evidence"].values()),
                }  # fmt: skip
        if hits:
            state["hit"][signal] = window
    return finding


def is_hit(signal, scale, x, law):
    return x >= FLOOR[signal][scale] and (score(x, *law) >= THRESHOLD[signal] or x >= CEILING[signal][scale])


def utc(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
