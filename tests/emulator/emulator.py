#!/usr/bin/env python3
"""Installs and starts what the tests run against. Needs nothing but Python 3 and npm.

    emulator.py install   install the pinned versions in tests/.tools (quick if they are there)
    emulator.py python    print the path of the interpreter that has the packages
    emulator.py dynalite  print the path of the strict DynamoDB
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parent / ".tools"
PYTHON = TOOLS / "venv" / "bin" / "python"
DYNALITE = TOOLS / "node" / "node_modules" / ".bin" / "dynalite"
REQUIREMENTS = HERE / "requirements.txt"
DYNALITE_PIN = "dynalite@4.0.0"

READY_WITHIN_SECONDS = 30


def main(arguments):
    match arguments:
        case ["install"]:
            install()
        case ["python"]:
            print(PYTHON)
        case ["dynalite"]:
            print(DYNALITE)
        case _:
            sys.exit(__doc__)


def install():
    TOOLS.mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    install_part(TOOLS / "venv", REQUIREMENTS.read_text() + version, PYTHON, install_packages)
    install_part(TOOLS / "node", DYNALITE_PIN, DYNALITE, install_dynalite)


def install_part(folder, pins, executable, make):
    """Makes a folder again unless it was made from the same pins. The stamp is written last,
    so an interrupted installation has none and is repeated."""
    stamp = folder / "pins.sha256"
    wanted = hashlib.sha256(pins.encode()).hexdigest()
    if executable.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    make(folder)
    stamp.write_text(wanted)


def install_packages(folder):
    run([sys.executable, "-m", "venv", folder])
    run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS])


def install_dynalite(folder):
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"private": True}))
    run(["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error", DYNALITE_PIN])


def run(command):
    # Standard output is reserved for the path that a caller asks for.
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


class Emulator:
    """A running local AWS: `with Emulator() as emulator: emulator.url`."""

    def __init__(self, log=subprocess.DEVNULL):
        self._log = log
        self._process = None
        self.url = None

    def __enter__(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment.pop("GATEWAY_PORT", None)
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "local_aws.py"), "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
        )
        try:
            self.url = self._process.stdout.readline().strip().removeprefix("listening on ")
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1):
                    return
            except (OSError, ValueError, urllib.error.URLError):
                time.sleep(0.05)
        raise RuntimeError(f"the local AWS did not start (exit status {self._process.poll()})")


if __name__ == "__main__":
    main(sys.argv[1:])
