"""Lambda's runtime interface and a DynamoDB of canned answers, on one port.

Answers have the headers that they have on AWS, so they cost the function what they would
cost there to read, and nothing else runs in its process. Times and CPU are those of the
function's process alone.
"""

import asyncio
import json
import threading
import time
import uuid
import zlib
from email.utils import formatdate

ARN = "arn:aws:lambda:eu-west-1:111122223333:function:rattle"
# Lambda sends one whether or not the function is traced; the SDKs hand it on.
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
REQUEST_ID = "B0FTQ4ZN3GJ6K8M1PRSUVWXY2ABCDEHIB0FTQ4ZN3GJ6K8M1PRSU"


class Stub:
    """Hands out `event(i)` for i = 0, 1, … until `limit`, then holds the next poll.

    `answers` gives the DynamoDB answer by operation, as text.
    """

    def __init__(self, event, answers):
        self._event = event
        self._answers = {name: body.encode() for name, body in answers.items()}
        self._ready = threading.Event()
        self._wake = None
        self.restart(0)

    def restart(self, limit):
        """Forgets what was; the next process polls anew."""
        self.first_poll = None
        self.polled = threading.Event()
        self.idle = threading.Event()
        self.served = self.requests = 0
        self.failures = []
        self.limit = limit

    def more(self, count):
        """Hands out `count` more events and waits until they are done."""
        self.idle.clear()
        self.limit += count
        self._loop.call_soon_threadsafe(self._release)
        if not self.idle.wait(300):
            raise RuntimeError("the function does not answer")

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    def _release(self):
        waiting, self._wake = self._wake, None
        if waiting:
            waiting()

    def answer(self, connection, method, path, head, body):
        if path.endswith("/invocation/next"):
            if self.first_poll is None:
                self.first_poll = time.perf_counter()
                self.polled.set()
            if self.served >= self.limit:
                self.idle.set()
                self._wake = lambda: self.answer(connection, method, path, head, body)
                return
            connection.write(self._next())
        elif "/runtime/" in path:
            if path.endswith("/error"):
                self.failures.append(body.decode())
            connection.write(response(b'{"status":"OK"}', status=b"202 Accepted"))
        else:
            self.requests += 1
            at = head.lower().find(b"x-amz-target:")
            operation = head[at:].split(b"\r\n", 1)[0].rpartition(b".")[2].decode()
            connection.write(of_dynamodb(self._answers[operation]))

    def _next(self):
        i, self.served = self.served, self.served + 1
        deadline = int(time.time() * 1000) + 30_000
        headers = (
            f"Lambda-Runtime-Aws-Request-Id: {uuid.UUID(int=i + 1)}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {ARN}\r\n"
            f"Lambda-Runtime-Trace-Id: {TRACE}\r\n"
        )
        return response(json.dumps(self._event(i), separators=(",", ":")).encode(), headers.encode())


def of_dynamodb(body):
    headers = f"x-amzn-RequestId: {REQUEST_ID}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
    return response(body, headers.encode(), kind=b"application/x-amz-json-1.0")


def response(body, headers=b"", status=b"200 OK", kind=b"application/json"):
    return (
        b"HTTP/1.1 " + status + b"\r\nDate: " + formatdate(usegmt=True).encode() + b"\r\nContent-Type: " + kind
        + b"\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )  # fmt: skip


class Connection(asyncio.Protocol):
    def __init__(self, stub):
        self._stub = stub
        self._data = b""

    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            length = self._length(head)
            if len(self._data) < end + 4 + length:
                return
            body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self._stub.answer(self, method, path, head, body)

    @staticmethod
    def _length(head):
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            raise RuntimeError("a request without a length")
        at = lower.find(b"content-length:")
        return int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
