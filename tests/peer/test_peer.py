"""The peer finds what the product finds."""

import collections
import json
import os
import pathlib
import subprocess
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATTLE = os.environ.get("PRODUCT_BINARY", str(ROOT / "target" / "release" / "rattle"))
TRACES = sorted((ROOT / "events" / "traces").glob("*.jsonl"))

# Clients are made when the module is imported. None of them is used here.
os.environ.update(TABLE_NAME="baselines", TOPIC_ARN="unused", AWS_DEFAULT_REGION="eu-west-1")
import function  # noqa: E402


def of_the_product():
    lines = subprocess.run(
        [RATTLE, "replay", "--format", "jsonl", *map(str, TRACES)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    # The time of the denial that raised it is the newest one of a sorted replay.
    return [(f["last_denial"], f["signal"], f["scale"], f["observed"]) for f in map(json.loads, lines)]


def of_the_peer():
    table, found = {}, []

    def write(key, window, state, _item):
        table[key] = {"state": {"S": state}, "expires_at": {"N": str(window * 300 + function.RETENTION)}}
        return True

    records = [json.loads(line) for trace in TRACES for line in trace.read_text().splitlines()]
    records.sort(key=lambda record: (record["eventTime"], record["eventID"]))
    with mock.patch.multiple(function, read=table.get, write=write, publish=found.append):
        for record in records:
            function.handle(record, function.parse(record)["time"], collections.Counter())
    return [(f["time"], f["signal"], f["scale"], f["observed"]) for f in found]


class Parity(unittest.TestCase):
    def test_the_peer_finds_what_the_product_finds(self):
        expected = of_the_product()
        self.assertGreater(len(expected), 5)
        self.assertEqual(of_the_peer(), expected)


if __name__ == "__main__":
    unittest.main()
