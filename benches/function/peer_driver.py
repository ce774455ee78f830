"""What the driver does, for the peer: `peer_driver.py CONCURRENCY < RECORDS`."""

import collections
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "peer"))
import function  # noqa: E402

AGE = 300
DELIVERIES = 3


def main():
    queue = collections.deque(json.loads(line) for line in sys.stdin)
    counts = collections.Counter(redelivered=0, lost=0)
    instances = [threading.Thread(target=work, args=(queue, counts)) for _ in range(int(sys.argv[1]))]
    for instance in instances:
        instance.start()
    for instance in instances:
        instance.join()
    print(json.dumps(counts))


def work(queue, counts):
    while True:
        try:
            record = queue.popleft()
        except IndexError:
            return
        for _ in range(DELIVERIES):
            try:
                finding = function.handle(record, function.parse(record)["time"] + AGE, collections.Counter())
            except function.Contended:
                counts["redelivered"] += 1
                continue
            if finding:
                line = {name: finding[name] for name in ("time", "signal", "scale", "observed")}
                print(json.dumps(line), flush=True)
            break
        else:
            counts["lost"] += 1


main()
