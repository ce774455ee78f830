"""A proxy before a local DynamoDB that counts requests and the units AWS would charge.

The units come from DynamoDB's sizing rules and not from the emulator, which charges one
unit for anything: a write costs a unit for each started KB of the larger of the item
before and after, a refused condition the same for the item as it is; a consistent read
a unit for each started 4 KB.
"""

import asyncio
import base64
import json
import math
import threading
from collections import Counter

TARGET = b"x-amz-target: dynamodb_20120810."


def value_size(value):
    (kind, content), = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return number_size(content)
        case "B":
            return len(base64.b64decode(content))
        case "SS":
            return sum(len(text.encode()) for text in content)
        case "NS":
            return sum(map(number_size, content))
        case "BS":
            return sum(len(base64.b64decode(binary)) for binary in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(inner) for name, inner in content.items())
        case "L":
            return 3 + sum(1 + value_size(inner) for inner in content)
    return 1


def number_size(text):
    """A byte for each two significant digits, and one more; one again if it is negative."""
    digits = text.lower().partition("e")[0].replace(".", "").lstrip("-").strip("0")
    return math.ceil(len(digits) / 2) + 1 + text.startswith("-")


def item_size(item):
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def units(size):
    return max(1, math.ceil(size / 1024))


def purpose(operation, request):
    """Which step of a delivery a request is."""
    expression = request.get("UpdateExpression", "")
    for mark, step in (("ids :id", "count"), (":next", "claim"), ("finding_id", "episode"), ("REMOVE", "confirm"), ("alerts :id", "storm guard"), ("storm =", "storm guard")):
        if mark in expression:
            return step
    return "note hit" if expression else operation


class Meter:
    """`with Meter(port_of_the_emulator) as meter: meter.port, meter.take()`."""

    def __init__(self, upstream_port):
        self._upstream_port = upstream_port
        self._ready = threading.Event()
        self._size_of = {}
        self._reset()

    def _reset(self):
        self.counts = Counter()
        self.write_units = self.read_units = 0
        self.sizes = []

    def take(self):
        taken = {
            "requests": sum(self.counts.values()),
            "by_kind": dict(self.counts),
            "write_units": self.write_units,
            "read_units": self.read_units,
            "sizes": self.sizes,
        }
        self._reset()
        return taken

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        # One request at a time reaches the emulator, so that an item's size before and
        # after belongs to the request that changed it. Clients race all the same.
        self._turn = asyncio.Lock()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._upstream = None
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        try:
            while message := await read_message(reader):
                async with self._turn:
                    answer = await self._forward(*message)
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async def _forward(self, head, body):
        at = head.lower().find(TARGET)
        if at < 0:
            return b"".join(await self._ask(head, body))
        operation = head[at + len(TARGET) :].split(b"\r\n", 1)[0].strip().decode()
        request = json.loads(body)
        status, content = await self._ask(head, body)
        if operation in ("GetItem", "PutItem", "UpdateItem"):
            await self._count(head, operation, request, status, content)
        return status + content

    async def _count(self, head, operation, request, status, content):
        refused = b"ConditionalCheckFailed" in content
        self.counts[purpose(operation, request) + (" refused" if refused else "")] += 1
        key = request.get("Key") or {"principal": request["Item"]["principal"]}
        after = await self._item(head, request["TableName"], key)
        if operation == "GetItem":
            self.read_units += max(1, math.ceil(after / 4096))
            return
        name = request["TableName"] + json.dumps(key)
        before, self._size_of[name] = self._size_of.get(name, 0), after
        self.write_units += units(max(before, after))
        if not refused:
            self.sizes.append(after)

    async def _item(self, head, table, key):
        body = json.dumps({"TableName": table, "Key": key, "ConsistentRead": True}).encode()
        lines = []
        for line in head.split(b"\r\n"):
            lower = line.lower()
            if lower.startswith(b"content-length"):
                line = b"content-length: %d" % len(body)
            elif lower.startswith(b"x-amz-target"):
                line = b"x-amz-target: DynamoDB_20120810.GetItem"
            lines.append(line)
        _, content = await self._ask(b"\r\n".join(lines), body)
        return item_size(json.loads(content).get("Item", {}))

    async def _ask(self, head, body):
        if self._upstream is None:
            self._upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        reader, writer = self._upstream
        writer.write(head + body)
        await writer.drain()
        answer = await read_message(reader)
        if answer is None:
            raise ConnectionError("the emulator closed the connection")
        # It does so after a number of requests.
        if b"\r\nconnection: close" in answer[0].lower():
            writer.close()
            self._upstream = None
        return answer


async def read_message(reader):
    """Head and body of one HTTP message whose length is stated; nothing at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length) if length else b""
