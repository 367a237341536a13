"""WebSockets for tests that read top to bottom: a socket collects what arrives, the test asks for it.

    with account.listen() as live:
        event = live.wait_for("message.new", messageId=sent["messageId"])
        live.never("message.new")
    later = account.listen(cursor=live.cursor)      # goes on where the first one ended

All sockets share one event loop in a thread of its own.
"""
import asyncio
import base64
import contextlib
import json
import os
import socket
import threading
import time

import websockets

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def on_loop(coroutine, timeout=15):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(timeout)


class Live:
    """A connection.  `frames` is everything that arrived; wait_for() hands each event out once."""

    def __init__(self, url, **options):
        self.frames, self.taken, self.closed, self.reason, self.cursor, self.hello = [], set(), None, None, None, None
        self.news = threading.Condition()
        options = {"max_size": None, "open_timeout": 10, "close_timeout": 2, "ping_interval": None, **options}
        self.connection = on_loop(self._open(url, options))
        asyncio.run_coroutine_threadsafe(self._read(), LOOP)

    def sign_in(self, credentials):
        """Name ourselves in the first message, and wait until the server is ready."""
        self.send({"type": "auth", **credentials})
        self.hello = self.wait_for("ready")

    async def _open(self, url, options):
        return await websockets.connect(url, **options)

    async def _read(self):
        try:
            async for text in self.connection:
                frame = json.loads(text)
                with self.news:
                    self.frames.append(frame)
                    self.cursor = self._fields(frame).get("cursor", self.cursor)
                    self.news.notify_all()
        except websockets.ConnectionClosed:
            pass
        with self.news:
            self.closed, self.reason = self.connection.close_code, self.connection.close_reason
            self.news.notify_all()

    def send(self, frame):
        """Send a value as JSON, or text and bytes as they are."""
        on_loop(self.connection.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame)))

    @staticmethod
    def _fields(frame):
        """A frame is {"type", "id", "cursor", "data"}, or flat: all its fields side by side."""
        data = frame.get("data")
        return {**frame, **data} if isinstance(data, dict) else frame

    def _match(self, kind, match):
        for place, frame in enumerate(self.frames):
            fields = self._fields(frame)
            if place not in self.taken and frame["type"] == kind and all(fields.get(k) == v for k, v in match.items()):
                return place
        return None

    def wait_for(self, kind, timeout=5, **match):
        """The next event of that type whose fields match."""
        end = time.monotonic() + timeout
        with self.news:
            while (place := self._match(kind, match)) is None:
                left = end - time.monotonic()
                assert left > 0 and self.closed is None, \
                    f"no {kind} {match}; closed: {self.closed} {self.reason}; arrived: {[f['type'] for f in self.frames]}"
                self.news.wait(left)
            self.taken.add(place)
            return self._fields(self.frames[place])

    def never(self, kind, within=0.4, **match):
        """No such event is there, nor comes within that time."""
        time.sleep(within)
        with self.news:
            place = self._match(kind, match)
            assert place is None, f"unexpected {self.frames[place]}"

    def wait_closed(self, timeout=10):
        """The code the server closed with."""
        end = time.monotonic() + timeout
        with self.news:
            while self.closed is None:
                assert time.monotonic() < end, "the connection stays open"
                self.news.wait(end - time.monotonic())
            return self.closed

    def close(self):
        on_loop(self.connection.close())

    def drop(self):
        """Cut the connection without a goodbye, as a lost network does."""
        LOOP.call_soon_threadsafe(self.connection.transport.abort)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Raw:
    """A client that says what no library would: bytes over a socket, frames as malformed as wished.

    unix: connect to that socket of the relay, without the web server and its buffers."""

    def __init__(self, host, port, path="/api/v1/ws", headers=(), unix=None):
        if unix:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(10)
            self.socket.connect(str(unix))
        else:
            self.socket = socket.create_connection((host, port), timeout=10)
        lines = {"Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                 "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **dict(headers)}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        with contextlib.suppress(BrokenPipeError):  # whoever is refused at the door may have been answered already
            self.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self.input = self.socket.makefile("rb")
        self.status = int(self.input.readline().split()[1])
        self.headers = {}
        while line := self.input.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def frame(self, op, payload=b"", fin=True, masked=True, reserved=0, length=None):
        """Send a frame; length is what its head claims."""
        payload = payload if isinstance(payload, bytes) else payload.encode()
        length = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | reserved << 4 | op])
        mark = 0x80 if masked else 0
        if length < 126:
            head += bytes([mark | length])
        elif length < 65536:
            head += bytes([mark | 126]) + length.to_bytes(2, "big")
        else:
            head += bytes([mark | 127]) + length.to_bytes(8, "big")
        if masked:
            mask = os.urandom(4)
            payload = mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(head + payload)

    def read(self):
        """(opcode, payload) of the next frame; (None, b"") when the connection has ended."""
        head = self.input.read(2)
        if len(head) < 2:
            return None, b""
        length = head[1] & 0x7f
        if length > 125:
            length = int.from_bytes(self.input.read(2 if length == 126 else 8), "big")
        return head[0] & 0x0f, self.input.read(length)

    def say(self, **message):
        self.frame(1, json.dumps(message))

    def until(self, op):
        """Payload of the next frame with that opcode."""
        while True:
            got, payload = self.read()
            assert got is not None, "the connection has ended"
            if got == op:
                return payload

    def close_code(self):
        """The code of the close frame the server sends, None when it just goes away."""
        try:
            return int.from_bytes(self.until(8)[:2], "big")
        except (AssertionError, ConnectionError):
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
