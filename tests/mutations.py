#!/usr/bin/env python3
"""Breaks each guard of the write protocol once, and shows that the tests notice it.

    mutations.py [--schedules N] [NAME...]
    mutations.py --check    only check that each mutation still fits the source

Each mutation is made in a copy of this checkout, target/mutations, so nothing here changes.
Prints a table. The exit status is 1 if a mutation went unnoticed, and 2 if one no longer
fits the source.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "target" / "mutations"
SCHEDULES = 1000
# Schedules that must pass before any mutation is made.
WITHOUT = 100

REGRESSIONS = "faults::regressions"


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    old: str
    new: str
    test: str = "faults::whatever"


def condition(name, constant, old, other, test="faults::whatever"):
    """Replaces one part of a condition by another part, which holds anyway."""
    return Mutation(name, "src/store/dynamodb/expression.rs", f"{constant}|{old}", f"({old} OR {other})", test)


MUTATIONS = [
    condition("count an id of the open window again", "COUNTS", "NOT contains(ids, :digest)", "#format = :format"),
    condition("count an id of the window before again", "COUNTS", "NOT contains(ids_prev, :digest)", "#format = :format"),
    condition("count in an older window", "COUNTS", "#window >= :window", "#format = :format"),
    condition("roll whatever the version", "IS_UNCHANGED", "#version = :version", "#format = :format"),
    condition("put over an item that is there", "IS_NEW", "attribute_not_exists(principal)", "expires_at > :now"),
    condition("claim whatever the alert_seq", "IS_CLAIMABLE", "alert_seq = :seq", "#window = :window"),
    # Whoever closes a window claims what is due, so in most cases alert_seq alone shows
    # that the window has closed; and a hit is seldom recorded at just that moment.
    condition("claim for a window that closed", "IS_CLAIMABLE", "#window = :window", "alert_seq = :seq", REGRESSIONS),
    condition("claim over a hit noted since", "IS_CLAIMABLE", "hit_window = :noted", "#window = :window", REGRESSIONS),
    condition("confirm whatever waits", "IS_UNCONFIRMED", "alert_seq = :seq", "attribute_exists(pending)"),
    condition("note a hit in a window that closed", "IS_ASSESSED", "#window = :window", "alert_seq = :seq", REGRESSIONS),
    Mutation(
        "note both signals' hits as they were read",
        "src/store/dynamodb/mod.rs",
        "        let is_new = [0, 1].map(|signal: usize| {",
        "        let is_new = [0, 1].map(|signal: usize| signal < 2 || {",
    ),
    Mutation(
        "confirm before publish",
        "src/engine/outbox.rs",
        "        let sent = self.send(outbox, brakes, now).await?;\n"
        "        let confirmed = self.store.confirm(stored, sent.disposition).await;",
        "        let early = self.store.confirm(stored, Disposition::Published).await;\n"
        "        early.map_err(EngineError::Store)?;\n"
        "        let sent = self.send(outbox, brakes, now).await?;\n"
        "        let confirmed = self.store.confirm(stored, sent.disposition).await;",
    ),
    Mutation(
        "publish before claim",
        "src/engine/mod.rs",
        "                let claim = store.claim(&self.stored, &decision, outbox).await;",
        "                let early = self.engine.sink.publish(&outbox.finding).await;\n"
        "                early.map_err(EngineError::Sink)?;\n"
        "                let claim = store.claim(&self.stored, &decision, outbox).await;",
    ),
    Mutation(
        "confirm although the topic refused",
        "src/engine/outbox.rs",
        "self.sink.publish(&outbox.finding).await.map_err(EngineError::Sink)?;",
        "self.sink.publish(&outbox.finding).await.unwrap_or_default();",
    ),
    Mutation(
        "look at no duplicate",
        "src/engine/mod.rs",
        "        match reporting.report().await {",
        "        if outcome == Outcome::Duplicate {\n            return Ok(reporting.handled);\n        }\n"
        "        match reporting.report().await {",
    ),
    Mutation(
        "close a window over what is due",
        "src/store/transition.rs",
        "if let Some(report) = &decision.report {",
        "if let Some(report) = decision.report.as_ref().filter(|_| stored.version == u64::MAX) {",
    ),
    Mutation(
        "close a window while a finding waits and another is due",
        "src/store/transition.rs",
        "        if stored.outbox.is_some() {",
        "        if stored.outbox.is_some() && stored.version == u64::MAX {",
    ),
    Mutation(
        "ask for a storm in the hour of the attempt",
        "src/store/dynamodb/mod.rs",
        "        let key = storm_key(outbox.leased_at);",
        "        let key = storm_key(now.as_second().max(outbox.leased_at));",
        REGRESSIONS,
    ),
    Mutation(
        "tell an end although a finding waits",
        "src/engine/resolve.rs",
        "            && let Some(outbox) = &stored.outbox\n",
        "            && let Some(outbox) = stored.outbox.as_ref().filter(|_| stored.version == u64::MAX)\n",
    ),
    Mutation(
        "tell an end before those who come late",
        "src/engine/resolve.rs",
        "const LATE_SECONDS: i64 = MAX_AGE_SECONDS;",
        "const LATE_SECONDS: i64 = -MAX_AGE_SECONDS;",
    ),
    Mutation(
        "take an end for told before it is",
        "src/engine/outbox.rs",
        "            let leased = self.store.lease_resolution(episode, outbox).await;",
        "            let leased = self.store.lease_resolution(episode, outbox).await;\n"
        "            self.store.confirm_resolution(episode).await.map_err(EngineError::Store)?;",
    ),
    Mutation(
        "look at an episode as soon as its alert is sent",
        "src/store/dynamodb/episodes/mod.rs",
        "const FIRST_CHECK_SECONDS: i64 = 900;",
        "const FIRST_CHECK_SECONDS: i64 = -9_000;",
        "episodes::",
    ),
    condition("end an episode of which more was told", "IS_RESOLVABLE", "finding_id = :id", "attribute_exists(finding_id)", "episodes::"),
    condition("end an episode that another run ends", "IS_RESOLVABLE", "ending.#at <= :stale", "finding_id = :id", "episodes::"),
    condition("take an episode off whose end nobody claimed", "IS_RESOLUTION_LEASED", "attribute_exists(ending)", "finding_id = :id", "episodes::"),
    condition("tell twice that a principal was let in", "IS_ACCESS_LEASABLE", "attribute_not_exists(let_in.#done)", "episode = :episode", "reads::"),
    Mutation(
        "an id without the alert's number",
        "src/detection/finding.rs",
        r'let name = format!("{key}\n{}\n{signal}\n{}", state.window.index(), state.alerting.alert_seq);',
        r'let name = format!("{key}\n{}\n{signal}", state.window.index());',
    ),
    Mutation(
        "no deadline for a delivery",
        "src/lambda/mod.rs",
        "tokio::time::timeout(DEADLINE, ",
        "tokio::time::timeout(DEADLINE * 100, ",
        "faults::budget",
    ),
    Mutation(
        "no time-outs for calls",
        "src/aws.rs",
        ".timeout_config(timeouts())",
        ".timeout_config(TimeoutConfig::disabled())",
        "faults::budget",
    ),
    Mutation(
        "no back-off",
        "src/aws.rs",
        "RetryConfig::standard()",
        "RetryConfig::standard().with_max_backoff(Duration::ZERO)",
        "faults::budget",
    ),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=SCHEDULES)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", help="mutations to make; all, if none is named")
    arguments = parser.parse_args()
    chosen = [m for m in MUTATIONS if not arguments.names or m.name in arguments.names]

    if arguments.check:
        stale = [m.name for m in chosen if mutate((ROOT / m.file).read_text(), m) is None]
        sys.exit(f"no longer fit the source: {', '.join(stale)}" if stale else 0)
    copy_checkout()
    passed, why = run_tests("faults", WITHOUT)
    if not passed:
        sys.exit(f"the tests fail without a mutation: {why}")
    print("| guard that is broken | noticed | by |\n|---|---|---|", flush=True)
    results = [try_one(mutation, arguments.schedules) for mutation in chosen]
    if None in results:
        sys.exit(2)
    sys.exit(0 if all(results) else 1)


def copy_checkout():
    for folder in ["src", "tests"]:
        shutil.rmtree(COPY / folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, COPY / name)
    (COPY / "tests" / ".tools").symlink_to((ROOT / "tests" / ".tools").resolve())


def try_one(mutation, schedules):
    """Whether the mutation was noticed, or None if it could not be made."""
    path = COPY / mutation.file
    source = path.read_text()
    mutated = mutate(source, mutation)
    if mutated is None:
        print(f"| {mutation.name} | it no longer fits {mutation.file} | |", flush=True)
        return None
    path.write_text(mutated)
    try:
        passed, why = run_tests(mutation.test, schedules)
    finally:
        path.write_text(source)
    print(f"| {mutation.name} | {'**no**' if passed else 'yes'} | {why} |", flush=True)
    return not passed


def mutate(source, mutation):
    constant, bar, old = mutation.old.partition("|")
    if not bar or " " in constant:
        return source.replace(mutation.old, mutation.new) if mutation.old in source else None
    # The mutation of a condition changes the text of one constant, whose lines are joined
    # first.
    found = re.search(rf"pub const {constant}: &str =\s*\"((?:[^\"\\]|\\.|\\\n)*)\";", source)
    if not found:
        return None
    text = re.sub(r"\\\n\s*", "", found[1])
    if old not in text:
        return None
    return source[: found.start(1)] + text.replace(old, mutation.new, 1) + source[found.end(1) :]


def run_tests(name, schedules):
    """Whether the tests of that name pass, and why not."""
    cargo = ["cargo", "test", "--locked", "--all-features", "--test", "integration"]
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(COPY / "target"),
        "RATTLE_TEST_SCHEDULES": str(schedules),
    }
    built = subprocess.run([*cargo, "--no-run"], cwd=COPY, env=environment, capture_output=True, text=True)
    if built.returncode:
        sys.exit(built.stderr)
    ran = subprocess.run([*cargo, name], cwd=COPY, env=environment, capture_output=True, text=True)
    return ran.returncode == 0, reason(ran.stdout) if ran.returncode else ""


def reason(output):
    """How many of the schedules failed and the first fault, or else which tests failed."""
    failed = re.search(r"(\d+ of \d+ schedules) failed", output)
    if not failed:
        return ", ".join(sorted(set(re.findall(r"^test (?:faults::)?(\S+) \.\.\. FAILED", output, re.M))))
    faults = re.findall(r"^  (?:\d+#\w+: )?([a-z][a-z ]+)", output, re.M)
    first = f": {faults[0].strip()}" if faults else ""
    return f"{failed[1]}{first}"


if __name__ == "__main__":
    main()
