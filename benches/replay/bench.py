#!/usr/bin/env python3
"""Measures `rattle replay` against `gunzip` on the same CloudTrail files. See README.md."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import logs

ROOT = Path(__file__).resolve().parents[2]
REPLAY = ["replay", "--format", "jsonl", "--summary", "json"]
DENIAL_COUNTS = [10_000, 50_000]
QUICK_DENIAL_COUNTS = [500, 1_000]
QUICK_SIZE_MB = 8
POLL_SECONDS = 0.001


def main():
    options = parsed_options()
    folder = options.dir
    try:
        made = prepared(folder, options)
        describe(made["mixed"])
        counts_are_right(options.rattle, folder, made)
        compare_speed(options, folder, made["mixed"])
        compare_memory(options, folder, made)
        if options.callgrind:
            count_instructions(options.rattle, folder, made["quiet"][0])
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def parsed_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rattle", type=Path, default=ROOT / "target/release/rattle")
    parser.add_argument("--dir", type=Path, default=ROOT / "target/bench", help="for the logs")
    parser.add_argument("--size-mb", type=int, default=512, help="unpacked size of the logs")
    parser.add_argument("--rounds", type=int, default=5, help="times that each command runs")
    parser.add_argument("--core", default="0", help="the core that everything runs on")
    parser.add_argument("--keep", action="store_true", help="leave the logs, and use those left")
    parser.add_argument("--callgrind", action="store_true", help="count instructions as well")
    parser.add_argument("--quick", action="store_true", help="small logs, one round")
    options = parser.parse_args()
    if options.quick:
        options.size_mb, options.rounds = QUICK_SIZE_MB, 1
    options.denial_counts = QUICK_DENIAL_COUNTS if options.quick else DENIAL_COUNTS
    options.rattle = options.rattle.resolve()
    if not options.rattle.is_file():
        parser.error(f"{options.rattle} is missing: cargo build --release --locked")
    # A folder of its own, since it is deleted afterwards.
    options.dir = options.dir / f"logs-{options.size_mb}"
    return options


def prepared(folder, options):
    """The logs: those an earlier run left, or new ones."""
    manifest = folder / "made.json"
    if manifest.is_file():
        return json.loads(manifest.read_text())
    made = logs.make(folder, options.size_mb, options.denial_counts)
    manifest.write_text(json.dumps(made))
    return made


def total(files, what):
    return sum(file[what] for file in files)


def paths(folder, files):
    return [folder / file["file"] for file in files]


def describe(files):
    size, packed, records = (total(files, what) for what in ("bytes", "packed", "records"))
    print(
        f"logs: {len(files)} files, {size / 1e6:.0f} MB unpacked, {records} records of "
        f"{size / records:.0f} bytes, {size / packed:.1f} times smaller packed, "
        f"{total(files, 'denials')} denials"
    )


# counts


def counts_are_right(rattle, folder, made):
    """Stops unless each record is counted as what it was made as."""
    for files in made.values():
        for file in files:
            run = subprocess.run(
                [rattle, *REPLAY, folder / file["file"]], capture_output=True, check=True
            )
            summary = json.loads(run.stderr)
            found = {name: summary[name] for name in ("records_read", "denials", "rejected")}
            expected = {
                "records_read": file["records"],
                "denials": file["denials"],
                "rejected": 0,
            }
            if found != expected:
                sys.exit(f"{file['file']}: {found}, made as {expected}")
    print("counts: as made, in every file")


# speed


def compare_speed(options, folder, files):
    """Both commands in turn, on one core."""
    commands = {
        "gunzip": ["gunzip", "-c", *paths(folder, files)],
        "rattle": [options.rattle, *REPLAY, *paths(folder, files)],
    }
    runs = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            runs[name].append(timed(options.core, command))
    megabytes = total(files, "bytes") / 1e6
    print(f"speed, unpacked: {options.rounds} rounds on core {options.core}; best and median")
    for name in commands:
        fastest, usual = (megabytes / pick(runs[name], "wall") for pick in (best, median))
        user, system = best(runs[name], "user"), best(runs[name], "system")
        print(
            f"  {name}: {fastest:.0f} and {usual:.0f} MB/s; "
            f"CPU {user:.2f} s user, {system:.2f} s system"
        )
    for pick in (best, median):
        wall, user = (pick(runs["gunzip"], w) / pick(runs["rattle"], w) for w in ("wall", "user"))
        print(f"  rattle / gunzip, {pick.__name__}: {wall:.2f} by time, {user:.2f} by user CPU")


def best(runs, what):
    return min(run[what] for run in runs)


def median(runs, what):
    return statistics.median(run[what] for run in runs)


def on_core(core, command):
    return ["taskset", "-c", core, *map(str, command)]


def timed(core, command):
    started = time.perf_counter()
    child = subprocess.Popen(
        on_core(core, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return {
        "wall": time.perf_counter() - started,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
    }


# memory


def compare_memory(options, folder, made):
    """More logs with the same denials, then more denials."""
    mixed, quiet = made["mixed"], made["quiet"][0]
    size = total(mixed, "bytes")
    print(f"memory, with the same {total(mixed, 'denials')} denials kept")
    for times in (1, 2, 4):
        added = round((times - 1) * size / quiet["bytes"])
        peak = peak_kib(options, paths(folder, mixed + [quiet] * added))
        print(f"  {times} x {size / 1e6:.0f} MB of logs: {peak / 1024:.2f} MiB")
    print("memory, with more denials kept")
    peaks = [peak_kib(options, paths(folder, [file])) for file in made["denials"]]
    for file, peak in zip(made["denials"], peaks):
        print(f"  {file['denials']} denials: {peak / 1024:.2f} MiB")
    more = made["denials"][1]["denials"] - made["denials"][0]["denials"]
    print(f"  {(peaks[1] - peaks[0]) * 1024 / more:.0f} bytes a denial")


def peak_kib(options, files):
    """The most memory that was resident at one time.

    `wait4` reports the maximum of the child and of the Python that started it, so the
    kernel's mark is read while the child runs.
    """
    command = on_core(options.core, [options.rattle, *REPLAY, *files])
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while child.poll() is None:
        peak = max(peak, high_water_kib(child.pid, options.rattle))
        time.sleep(POLL_SECONDS)
    if child.returncode != 0:
        sys.exit(f"rattle ended with {child.returncode}")
    return peak


def high_water_kib(pid, program):
    """The mark of a process, once it runs `program`."""
    try:
        if Path(f"/proc/{pid}/exe").readlink() != program:
            return 0
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


# instructions


def count_instructions(rattle, folder, file):
    """What a record costs, whatever else the machine does."""
    if not shutil.which("valgrind"):
        print("instructions: valgrind is missing")
        return
    with tempfile.TemporaryDirectory() as scratch:
        profile = Path(scratch) / "profile"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
        run = subprocess.run(
            [*command, rattle, *REPLAY, folder / file["file"]], capture_output=True, text=True
        )
        if run.returncode != 0:
            sys.exit(f"valgrind ended with {run.returncode}:\n{run.stderr}")
        instructions = instructions_in(profile.read_text())
    print(
        f"instructions: {instructions / file['records']:.0f} a record, "
        f"{instructions / file['bytes']:.2f} a byte unpacked"
    )


def instructions_in(profile):
    for line in profile.splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    sys.exit("the profile of callgrind has no sum")


if __name__ == "__main__":
    main()
