#!/usr/bin/env python3
"""Measures the Lambda function against the peer and against the floor.

    bench.py                     everything; about ten minutes
    bench.py requests            what each denial costs in DynamoDB
    bench.py process             CPU, start, memory and package
    bench.py --quick             once and little: shows that it runs

See README.md for what is measured and how.
"""

import argparse
import base64
import datetime
import io
import json
import os
import pathlib
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "emulator"))
import emulator  # noqa: E402

if not emulator.PYTHON.exists() or pathlib.Path(sys.prefix) != emulator.PYTHON.parents[1]:
    emulator.install()
    os.execv(emulator.PYTHON, [str(emulator.PYTHON), "-B", *sys.argv])

import boto3  # noqa: E402
from meter import Meter, item_size  # noqa: E402
from runtime import Stub  # noqa: E402

TRACES = sorted((ROOT / "events" / "traces").glob("*.jsonl"))
STEADY = ROOT / "events" / "traces" / "benign-hourly-cron.jsonl"
REGION = "eu-west-1"
ACCOUNT = "111122223333"
WINDOW = 300
PEER = ROOT / "tests" / "peer"
# What AWS runs a Python function with.
RUNTIME = emulator.TOOLS / "python-runtime"
RUNTIME_REQUIREMENTS = HERE / "requirements.txt"
PEER_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="requests, process; both by default")
    parser.add_argument("--target", type=pathlib.Path, default=ROOT / "target", help="where the package is built")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument(
        "--other", action="append", default=[], metavar="NAME=FILE", help="another build of the function to compare"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=2000, help="events in a round")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.events = 1, 100
    pins = f"{RUNTIME_REQUIREMENTS.read_text()}{sys.version}"
    emulator.install_part(RUNTIME, pins, RUNTIME / "awslambdaric" / "__main__.py", install_runtime)
    if not options.no_build:
        build(options.target)
    options.driver = options.target / "release" / "driver"
    report = {}
    with emulator.Emulator() as local:
        if "requests" in options.parts or not options.parts:
            report["requests"] = measure_requests(local, options)
        if "process" in options.parts or not options.parts:
            report["process"] = measure_process(local, options)
    print(json.dumps(report, indent=1))


def install_runtime(folder):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    emulator.run([*pip, "--target", folder, "-r", RUNTIME_REQUIREMENTS])


def build(target):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    lambda_only = ["--no-default-features", "--features", "lambda", "--bin", "rattle-lambda"]
    command = ["cargo", "build", "--release", "--locked", *profile()]
    subprocess.run([*command, *lambda_only], cwd=ROOT, env=environment, check=True)
    subprocess.run(command, cwd=HERE, env=environment, check=True)


def profile():
    """How the package is built, by `sam build` through cargo-lambda."""
    options = tomllib.loads((ROOT / "CargoLambda.toml").read_text())["build"]["config"]
    return [f"--config={option}" for option in options]


# ---- what a denial costs in DynamoDB


def measure_requests(local, options):
    port = int(local.url.rpartition(":")[2])
    bench = Requests(local.url, options)
    with Meter(port) as meter:
        bench.meter = meter
        report = {}
        month = in_order(record for trace in TRACES for record in records(trace))
        report["window"] = bench.both("one open window", inside_a_window(), opened=1)
        report["month"] = bench.both("all traces in order", month)
        assert report["month"]["product"]["findings"] == report["month"]["peer"]["findings"], "the findings differ"
        for denials, concurrency in [(500, 16)] if options.quick else [(500, 16), (1000, 16), (1000, 64)]:
            what = f"{denials} denials, {concurrency} at a time"
            report[what] = bench.both(what, burst(denials), opened=1, concurrency=concurrency)
    return report


class Requests:
    def __init__(self, url, options):
        self._url, self._driver = url, options.driver
        session = {"endpoint_url": url, "region_name": REGION, **keys_of_client()}
        self.dynamodb = boto3.client("dynamodb", **session)
        self._topic = boto3.client("sns", **session).create_topic(Name="alerts")["TopicArn"]
        self._prefix = secrets.token_hex(4)
        self._tables = 0

    def both(self, what, denials, **how):
        result = {name: self.run(name, denials, **how) for name in ("product", "peer")}
        for name, r in result.items():
            print(
                f"{what}: {name} {r['per_denial']} requests, {r['write_units_per_denial']} write units, "
                f"{len(r['findings'])} findings, {r['summary']}, {r['by_kind']}",
                file=sys.stderr,
            )
        return result

    def table(self):
        self._tables += 1
        name = f"baselines-{self._prefix}-{self._tables}"
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "principal", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "principal", "AttributeType": "S"}],
        )
        return name

    def run(self, name, denials, opened=0, concurrency=1):
        """Delivers all; what the first `opened` of them cost is left out."""
        table = self.last_table = self.table()
        if opened:
            self._deliver(name, table, denials[:opened], 1)
        self.meter.take()
        lines = self._deliver(name, table, denials[opened:], concurrency)
        used, count = self.meter.take(), len(denials) - opened
        sizes = sorted(used.pop("sizes"))
        return {
            "denials": count,
            "per_denial": round(used["requests"] / count, 3),
            "write_units_per_denial": round(used["write_units"] / count, 3),
            "read_units_per_denial": round(used["read_units"] / count, 3),
            **used,
            "item_bytes": {"median": sizes[len(sizes) // 2], "largest": sizes[-1]},
            "findings": lines[:-1],
            "summary": lines[-1],
        }

    def _deliver(self, name, table, denials, concurrency):
        url = f"http://127.0.0.1:{self.meter.port}"
        command = {
            "product": [self._driver, table, concurrency],
            "peer": [sys.executable, "-B", HERE / "peer_driver.py", concurrency],
        }[name]
        done = subprocess.run(
            list(map(str, command)),
            input="\n".join(json.dumps(record) for record in denials),
            env={**os.environ, **keys(), "AWS_ENDPOINT_URL": url, "TABLE_NAME": table, "TOPIC_ARN": self._topic},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]


def keys():
    return {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "unused", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def keys_of_client():
    return {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "unused"}


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def in_order(denials):
    return sorted(denials, key=lambda record: (record["eventTime"], record["eventID"]))


def burst(count):
    """`count` denials of one principal, each of another secret, the half of them in the
    last ten seconds of a window and the half in the first ten of the next; before them
    one that opens the first."""
    border = 5_900_000 * WINDOW
    times = [border - 10 + 20 * i // count for i in range(count)]
    return [denial(i, second) for i, second in enumerate([border - WINDOW, *times])]


def inside_a_window():
    return [denial(i, 5_900_000 * WINDOW + i) for i in range(201)]


def denial(i, second):
    record = json.loads(STEADY.read_text().split("\n", 1)[0])
    name = f"prod/service-{i}/password"
    start, _, _ = record["errorMessage"].partition(" on resource: ")
    record["errorMessage"] = (
        f"{start} on resource: {name} because no identity-based policy allows the secretsmanager:GetSecretValue action"
    )
    return at_time({**record, "eventID": f"{i:08x}-0000-4000-8000-000000000000"}, second)


def at_time(record, second):
    text = datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**record, "eventTime": text}


def second_of(record):
    return int(datetime.datetime.fromisoformat(record["eventTime"].replace("Z", "+00:00")).timestamp())


# ---- what an event costs in the process


def measure_process(local, options):
    os.sched_setaffinity(0, CORES - {max(CORES)} or CORES)
    # A principal of three weeks that was refused a moment ago: the trace, moved to now.
    trace = records(STEADY)
    moved = (int(time.time()) - second_of(trace[-1])) // WINDOW * WINDOW
    trace = [at_time(record, second_of(record) + moved) for record in trace]
    items = items_after(trace, local, options)
    report = {"item_bytes": {name: item_size(item) for name, item in items.items()}, "functions": {}}
    last = trace[-1]

    def event(i):
        record = {**last, "eventID": f"{i:08x}-1111-4000-8000-000000000000"}
        return {
            "version": "0", "id": record["eventID"], "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.secretsmanager", "account": ACCOUNT, "time": record["eventTime"],
            "region": REGION, "resources": [], "detail": record,
        }  # fmt: skip

    as_product = {"UpdateItem": json.dumps({"Attributes": items["product"]}, separators=(",", ":"))}
    answers = {
        "product": as_product,
        "floor": {"UpdateItem": "{}"},
        "floor, same request": as_product,
        "peer": {"GetItem": json.dumps({"Item": items["peer"]}, separators=(",", ":")), "PutItem": "{}"},
    }
    release = options.target / "release"
    commands = {
        "product": [release / "rattle-lambda"],
        "floor": [release / "floor"],
        "floor, same request": [release / "floor"],
        "peer": [sys.executable, "-m", "awslambdaric", "function.handler"],
    }
    for other in options.other:
        name, _, path = other.partition("=")
        commands[name], answers[name] = [pathlib.Path(path)], as_product
    stubs = {name: Stub(event, answers[name]).__enter__() for name in commands}
    rounds = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            rounds[name].append(one_round(stubs[name], command, options.events, "same" if "same" in name else "bare"))
    for name, measured in rounds.items():
        median = {key: statistics.median(r[key] for r in measured) for key in measured[0]}
        median["cpu_us_each_round"] = [round(r["cpu_us"], 1) for r in measured]
        median["package_mb"] = package_mb(name, commands[name])
        report["functions"][name] = median
        print(name, {k: v if isinstance(v, list) else round(v, 3) for k, v in median.items()}, file=sys.stderr)
    return report


def items_after(trace, local, options):
    """The item of the trace's principal as each of the two leaves it."""
    bench = Requests(local.url, options)
    with Meter(int(local.url.rpartition(":")[2])) as meter:
        bench.meter = meter
        items = {}
        for name in ("product", "peer"):
            bench.run(name, trace)
            items[name] = raw_item(bench.dynamodb, bench.last_table)
    return items


def raw_item(client, table):
    """The principal's item as DynamoDB's JSON, whose binaries boto3 has decoded."""
    (item,) = [i for i in client.scan(TableName=table)["Items"] if not i["principal"]["S"].startswith("#")]

    def plain(value):
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    return plain(item)


# As long as those that Lambda gives a function.
SESSION_TOKEN = "IQoJb3JpZ2luX2Vj" + "A" * 900
STARTS = 5
CORES = os.sched_getaffinity(0)
WARM_UP = 200


def one_round(stub, command, events, floor):
    starts = []
    for i in range(STARTS):
        stub.restart(0)
        began = time.perf_counter()
        process = start(stub, command, floor)
        if not stub.polled.wait(60):
            raise RuntimeError("the function does not start")
        starts.append((stub.first_poll - began) * 1000)
        if i < STARTS - 1:
            stop(process)
    stub.idle.wait(1)
    start_cpu = cpu(process.pid)
    stub.more(WARM_UP)
    before, asked = cpu(process.pid), stub.requests
    stub.more(events)
    used = cpu(process.pid) - before
    result = {
        "start_ms": statistics.median(starts),
        "start_cpu_ms": start_cpu / 1e6,
        "cpu_us": used / events / 1000,
        "requests_per_event": (stub.requests - asked) / events,
        "memory_mb": peak_memory(process.pid) / 1024,
    }
    stop(process)
    if stub.failures:
        raise RuntimeError(f"invocations failed: {stub.failures[0]}")
    return result


def start(stub, command, floor):
    here = f"127.0.0.1:{stub.port}"
    process = subprocess.Popen(
        list(map(str, command)),
        env={
            **keys(), "AWS_SESSION_TOKEN": SESSION_TOKEN, "AWS_ENDPOINT_URL": f"http://{here}",
            **root_certificates(), "AWS_LAMBDA_RUNTIME_API": here, "AWS_LAMBDA_FUNCTION_NAME": "rattle",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s", "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "RATTLE_TABLE_NAME": "baselines", "RATTLE_TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts",
            "TABLE_NAME": "baselines", "TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts",
            "LAMBDA_TASK_ROOT": str(PEER), "FLOOR": floor, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "TZ": ":UTC", **python_runtime(command),
        },
        stdout=subprocess.PIPE,
        close_fds=False,
    )  # fmt: skip
    # A core of its own: beside the stub, an event costs now the double and now the half.
    os.sched_setaffinity(process.pid, {max(CORES)})
    # Lambda takes the log from a pipe, too.
    threading.Thread(target=lambda: [None for _ in iter(lambda: process.stdout.read(65536), b"")], daemon=True).start()
    return process


def python_runtime(command):
    """What only the functions of a language that AWS has a runtime for get."""
    if "awslambdaric" not in command:
        return {}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}", "PYTHONPATH": f"{PEER}:{RUNTIME}"}


def root_certificates():
    """Amazon Linux has its root certificates in one file; Debian also has one file for each."""
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    return {"SSL_CERT_FILE": str(bundle)} if bundle.exists() else {}


def stop(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def cpu(pid):
    """Nanoseconds that all threads of a process have run, in the kernel and outside."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def peak_memory(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])


def package_mb(name, command):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        if name != "peer":
            with tempfile.NamedTemporaryFile() as stripped:
                subprocess.run(["strip", "-o", stripped.name, command[0]], check=True)
                package.writestr("bootstrap", pathlib.Path(stripped.name).read_bytes())
        else:
            package.write(PEER / "function.py", "function.py")
            site = pathlib.Path(boto3.__file__).parents[1]
            for part in PEER_PACKAGES:
                files = [site / part] if part.endswith(".py") else sorted((site / part).rglob("*"))
                for file in files:
                    if file.is_file() and "__pycache__" not in file.parts:
                        package.write(file, file.relative_to(site))
    return len(archive.getvalue()) / 1e6


if __name__ == "__main__":
    main()
