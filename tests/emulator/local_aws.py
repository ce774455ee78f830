#!/usr/bin/env python3
"""The local AWS of the tests: ministack, changed to match AWS where this project needs it.

Five things differ from ministack as published:

1. `PutEvents` takes events from `aws.*` sources. On AWS only AWS can send those; here
   the test sends them in place of CloudTrail.
2. Rules in state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS work, and an event that
   CloudTrail marks as read-only reaches no other rule. Without this a template with the
   wrong state would pass every test and receive no event on AWS.
3. EventBridge invokes a function asynchronously: failures are retried and then go to the
   function's on-failure destination.
4. Every connection counts as encrypted. This is plain HTTP on the loopback interface,
   where a policy that requires TLS would deny everything.
5. A function gets the log format and level of its LoggingConfig in the variables that
   Lambda sets for it.

ministack's own functions are replaced in this process; nothing is patched on disk.

Listens on 127.0.0.1, on GATEWAY_PORT or else on a free port, and prints one line on
standard output: `listening on http://127.0.0.1:PORT`. With `--until-stdin-closes` it
ends when the process that started it ends, in whatever way.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import socket
import sys
import tempfile
import threading

MINISTACK = "1.5.33"
MATCHES_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
DEFAULTS = {
    # By default ministack listens on every interface.
    "BIND_HOST": "127.0.0.1",
    # Policies of roles are enforced, so a missing permission fails a test.
    "AUTH": "true",
    # AWS waits one minute, and then two, between the attempts of an event.
    "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
}


def main():
    arguments = parse_arguments()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    port = os.environ.setdefault("GATEWAY_PORT", str(free_port()))
    # A function inherits this, and so uses the emulator instead of AWS.
    os.environ.setdefault("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    if arguments.until_stdin_closes:
        threading.Thread(target=end_with_stdin, daemon=True).start()

    with tempfile.TemporaryDirectory(prefix="rattle-local-aws-") as scratch:
        # Otherwise unpacked functions would accumulate in /tmp, one folder for each port.
        tempfile.tempdir = os.environ["TMPDIR"] = os.environ["STATE_DIR"] = scratch
        serve(port)


def serve(port):
    # ministack reads its environment when it is imported.
    from ministack import app
    from ministack.services import eventbridge, lambda_svc

    close_gaps(app, eventbridge, lambda_svc)
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    sys.argv = ["ministack"]
    app.main()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--until-stdin-closes", action="store_true")
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def close_gaps(app, eventbridge, lambda_svc):
    """The replaced functions are private to ministack, so they are replaced only in the
    version that the replacements were written for."""
    installed = importlib.metadata.version("ministack")
    if installed != MINISTACK:
        sys.exit(f"local_aws.py knows ministack {MINISTACK}, not {installed}")
    eventbridge._put_events = any_source(eventbridge._put_events)
    eventbridge._dispatch_event = state_aware_dispatch(eventbridge)
    eventbridge._dispatch_to_lambda = asynchronous_invoke(eventbridge._dispatch_to_lambda, lambda_svc)
    app.pin_request_origin = as_if_encrypted(app.pin_request_origin)
    lambda_svc._provided_worker_env = with_logging(lambda_svc._provided_worker_env)


def any_source(put_events):
    def put_events_from_any_source(data, allow_aws_source=True):
        return put_events(data, allow_aws_source=True)

    return put_events_from_any_source


def state_aware_dispatch(eventbridge):
    """Only reads the rules. Changing their states around ministack's own loop would be
    visible to every request that is served in the meantime."""

    def dispatch(event, view=None):
        view = view or eventbridge._pattern_event_view(event)
        states = {MATCHES_READS} if is_recorded_read(view.event_with_detail()) else {MATCHES_READS, "ENABLED"}
        bus = event.get("EventBusName", "default")
        passed = set(event.get("_DispatchPath") or ())
        for key, rule in list(eventbridge._rules.items()):
            if (
                key not in passed
                and rule.get("EventBusName", "default") == bus
                and rule.get("State") in states
                and rule.get("EventPattern")
                and eventbridge._matches_pattern_view(rule["EventPattern"], view, f"rule {key}")
            ):
                for target in list(eventbridge._targets.get(key, ())):
                    eventbridge._invoke_target(target, event, rule, view)

    return dispatch


def is_recorded_read(envelope):
    """Whether CloudTrail recorded a call that only reads. Re-exported records have the flag as
    a string."""
    detail = envelope.get("detail")
    return (
        str(envelope.get("detail-type", "")).endswith("via CloudTrail")
        and isinstance(detail, dict)
        and str(detail.get("readOnly")).lower() == "true"
    )


def asynchronous_invoke(invoke_once, lambda_svc):
    def invoke(arn, payload):
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        if not function or not config:
            return invoke_once(arn, payload)
        record = lambda_svc._execution_record_for_config(function, config)
        return lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    return invoke


def as_if_encrypted(pin_request_origin):
    def pin(source_ip, secure_transport):
        return pin_request_origin(source_ip, True)

    return pin


def with_logging(environment_of):
    def environment(config, code_dir, port):
        logging = config.get("LoggingConfig") or {}
        variables = {
            "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat"),
            "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel"),
        }
        told = {name: value for name, value in variables.items() if value}
        return environment_of(config, code_dir, port) | told

    return environment


if __name__ == "__main__":
    main()
