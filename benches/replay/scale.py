#!/usr/bin/env python3
"""Ten million denials of 50,000 principals: memory, threads, and the pipeline one would write.

Makes gzipped CloudTrail files of a year, nothing but denials, then
1. replays them with 1, 2 and 4 threads, compares the output byte for byte, and reads the
   kernel's mark of resident memory; a part of them once more with a line for each decision;
2. replays a part of them against `zcat | jq | awk`, which does much less: it counts the
   different secrets of each principal in each 5 minutes, and prints those with five or more.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
YEAR_SECONDS = 365 * 86_400
ACCOUNTS = [f"1111222233{n:02}" for n in range(33, 63)]
REPLAY = ["replay", "--format", "jsonl", "--summary", "json"]
RECORD = (
    '{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"%(id)s:i-%(hex)s",'
    '"arn":"arn:aws:sts::%(account)s:assumed-role/%(role)s/i-%(hex)s","accountId":"%(account)s",'
    '"accessKeyId":"ASIAEXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":'
    '"%(id)s","arn":"arn:aws:iam::%(account)s:role/%(role)s","accountId":"%(account)s","userName":'
    '"%(role)s"},"attributes":{"creationDate":"%(time)s","mfaAuthenticated":"false"}}},'
    '"eventTime":"%(time)s","eventSource":"secretsmanager.amazonaws.com","eventName":'
    '"GetSecretValue","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.%(host)d","userAgent":'
    '"aws-sdk-go-v2/1.30.4 os/linux lang/go#1.22.7 md/GOOS#linux md/GOARCH#arm64 '
    'api/secretsmanager#1.32.6","errorCode":"AccessDenied","errorMessage":"User: '
    "arn:aws:sts::%(account)s:assumed-role/%(role)s/i-%(hex)s is not authorized to perform: "
    "secretsmanager:GetSecretValue on resource: %(secret)s because no identity-based policy allows "
    'the secretsmanager:GetSecretValue action","requestParameters":null,"responseElements":null,'
    '"requestID":"%(uuid2)s","eventID":"%(uuid)s","readOnly":true,"eventType":"AwsApiCall",'
    '"managementEvent":true,"recipientAccountId":"%(account)s","eventCategory":"Management",'
    '"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256",'
    '"clientProvidedHostHeader":"secretsmanager.eu-west-1.amazonaws.com"}}'
)
JQ = (
    '.Records[] | select(.eventSource == "secretsmanager.amazonaws.com" and '
    '(.errorCode // "" | startswith("AccessDenied"))) | [(.eventTime | fromdateiso8601 / 300 | '
    "floor), .userIdentity.sessionContext.sessionIssuer.principalId, (.errorMessage | "
    'capture("on resource: (?<secret>[^ ]+)").secret)] | @tsv'
)
AWK = (
    'BEGIN { FS = "\\t" } !(($1, $2, $3) in seen) { seen[$1, $2, $3]; n[$1 FS $2]++ } '
    "END { for (k in n) if (n[k] >= 5) print k, n[k] }"
)


def main():
    options = parsed_options()
    folder = options.dir / f"scale-{options.denials}-{options.principals}"
    try:
        files = prepared(folder, options)
        compare_threads(options, files, [])
        compare_threads(options, files[: options.part], ["--decisions"])
        compare_pipeline(options, files[: options.part])
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def parsed_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rattle", type=Path, default=ROOT / "target/release/rattle")
    parser.add_argument("--dir", type=Path, default=ROOT / "target/bench")
    parser.add_argument("--denials", type=int, default=10_000_000)
    parser.add_argument("--principals", type=int, default=50_000)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--part", type=int, default=10, help="files for the pipeline")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--make-only", action="store_true", help="write the logs and stop")
    parser.add_argument("--keep", action="store_true", help="leave the logs, and use those left")
    parser.add_argument("--quick", action="store_true", help="few denials: shows that it runs")
    options = parser.parse_args()
    if options.quick:
        options.denials, options.principals, options.files = 20_000, 500, 4
        options.part, options.rounds = 2, 1
    options.rattle = options.rattle.resolve()
    return options


def prepared(folder, options):
    done = folder / "made"
    if not done.is_file():
        make(folder, options)
        done.write_text("")
    if options.make_only:
        sys.exit(0)
    return sorted(folder.glob("*.json.gz"))


def make(folder, options):
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    principals = [
        {
            "id": f"AROAEXAMPLE{number:09}",
            "account": chance.choice(ACCOUNTS),
            "role": f"service-{number}",
            "hex": f"{chance.getrandbits(68):017x}",
            "secrets": [f"prod/service-{number}/{kind}" for kind in ("db", "smtp", "api", "key")],
        }
        for number in range(options.principals)
    ]
    # Few principals knock often; all of them knock.
    weights = [1 / (20 + number) for number in range(options.principals)]
    each = options.denials // options.files
    for number in range(options.files):
        chosen = chance.choices(principals, weights, k=each)
        if number == 0:
            chosen[: len(principals)] = principals[:each]
        begin = number * YEAR_SECONDS // options.files
        length = YEAR_SECONDS // options.files
        seconds = sorted(chance.randrange(length) for _ in range(each))
        records = []
        for at, principal in zip(seconds, chosen):
            uuids = f"{chance.getrandbits(256):064x}"
            time_text = (START + timedelta(seconds=begin + at)).strftime("%Y-%m-%dT%H:%M:%SZ")
            # One in five hundred asks for what it never asked for before.
            secret = (
                f"prod/other-{chance.randrange(100_000)}"
                if chance.random() < 0.002
                else chance.choice(principal["secrets"])
            )
            records.append(
                RECORD
                % {
                    **principal,
                    "secret": secret,
                    "time": time_text,
                    "host": 1 + at % 250,
                    "uuid": uuid(uuids[:32]),
                    "uuid2": uuid(uuids[32:]),
                }
            )
        # CloudTrail's files are not in order.
        chance.shuffle(records)
        text = ('{"Records":[' + ",".join(records) + "]}").encode()
        (folder / f"{number:04}.json.gz").write_bytes(gzip.compress(text, 1, mtime=0))


def uuid(text):
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def compare_threads(options, files, further):
    denials = options.denials // options.files * len(files)
    print(f"{denials} denials, {len(files)} files, "
          f"{sum(f.stat().st_size for f in files) / 1e6:.0f} MB packed {' '.join(further)}")
    first = None
    for threads in (1, 2, 4):
        command = [options.rattle, *REPLAY, *further, "--threads", str(threads), *files]
        run = measured(command)
        summary = json.loads(run["errors"].splitlines()[-1])
        if summary["denials"] != denials or summary["rejected"]:
            sys.exit(f"{summary}, made were {denials}")
        result = (run["digest"], run["errors"])
        first = first or result
        same = "the same output" if result == first else "ANOTHER OUTPUT"
        print(f"  {threads} threads: {run['wall']:.1f} s, CPU {run['cpu']:.1f} s, peak {run['peak_kib'] / 1024:.0f} MiB, "
              f"{summary['principals']} principals, {summary['findings']} findings, {same}")
        if result != first:
            sys.exit("the output depends on the number of threads")


def measured(command):
    """Runs it, and takes a digest of its output and the mark of its memory."""
    started = time.perf_counter()
    child = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    digest = hashlib.sha256()
    while piece := child.stdout.read(1 << 20):
        digest.update(piece)
    errors = child.stderr.read().decode()
    # The mark is that of the child if it is more than this program's own.
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(errors)
    return {
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_kib": usage.ru_maxrss,
        "digest": digest.hexdigest(),
        "errors": errors,
    }


def compare_pipeline(options, files):
    if not (shutil.which("jq") and shutil.which("awk") and shutil.which("zcat")):
        return print("pipeline: jq, awk or zcat is missing")
    names = " ".join(f"'{file}'" for file in files)
    commands = {
        "zcat | jq | awk": ["sh", "-c", f"zcat {names} | jq -r '{JQ}' | awk '{AWK}'"],
        "rattle, 1 thread": [options.rattle, *REPLAY, "--threads", "1", *files],
        "rattle, all cores": [options.rattle, *REPLAY, *files],
    }
    runs = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            runs[name].append(cpu_and_wall(command))
    denials = options.denials // options.files * len(files)
    print(f"pipeline, over {denials} denials, best of {options.rounds}:")
    base = {what: min(run[what] for run in runs["zcat | jq | awk"]) for what in ("wall", "cpu")}
    for name in commands:
        wall, cpu = (min(run[what] for run in runs[name]) for what in ("wall", "cpu"))
        print(f"  {name}: {wall:.2f} s, CPU {cpu:.2f} s; {base['wall'] / wall:.1f} times as fast, "
              f"1/{base['cpu'] / cpu:.1f} of the CPU time")


def cpu_and_wall(command):
    before = os.times()
    started = time.perf_counter()
    subprocess.run(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    wall = time.perf_counter() - started
    return {"wall": wall, "cpu": cpu_since(before)}


def cpu_since(before):
    """CPU seconds of the children that ended since then."""
    after = os.times()
    cpu = after.children_user + after.children_system
    return cpu - before.children_user - before.children_system


if __name__ == "__main__":
    main()
