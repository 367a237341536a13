"""WebSockets for tests that read top to bottom: a socket collects what arrives, the test asks for it.

    with account.listen() as live:
        event = live.wait_for("message.new", messageId=sent["messageId"])
        live.never("message.new")
    later = account.listen(cursor=live.cursor)      # goes on where the first one ended

All sockets share one event loop in a thread of its own.
"""
import asyncio
import json
import threading
import time

import websockets

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def on_loop(coroutine, timeout=15):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(timeout)


class Live:
    """A connection.  `frames` is everything that arrived; wait_for() hands each event out once."""

    def __init__(self, url, first=None, **options):
        self.frames, self.taken, self.closed, self.cursor = [], set(), None, None
        self.news = threading.Condition()
        options = {"max_size": None, "open_timeout": 10, "close_timeout": 2, "ping_interval": None, **options}
        self.connection = on_loop(self._open(url, options))
        self.reader = asyncio.run_coroutine_threadsafe(self._read(), LOOP)
        if first is not None:
            self.send(first)

    async def _open(self, url, options):
        return await websockets.connect(url, **options)

    async def _read(self):
        try:
            async for text in self.connection:
                frame = json.loads(text)
                with self.news:
                    self.frames.append(frame)
                    self.cursor = frame.get("cursor", self.cursor)
                    self.news.notify_all()
        except websockets.ConnectionClosed:
            pass
        with self.news:
            self.closed = self.connection.close_code
            self.news.notify_all()

    def send(self, frame):
        """Send a value as JSON, or text and bytes as they are."""
        on_loop(self.connection.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame)))

    def _match(self, kind, match):
        for place, frame in enumerate(self.frames):
            data = {**frame, **(frame.get("data") or {})}
            if place not in self.taken and frame.get("type") == kind and match.items() <= data.items():
                return place
        return None

    def wait_for(self, kind, timeout=5, **match):
        """The next event of that type whose fields match."""
        end = time.monotonic() + timeout
        with self.news:
            while (place := self._match(kind, match)) is None:
                left = end - time.monotonic()
                assert left > 0 and self.closed is None, \
                    f"no {kind} {match}; closed: {self.closed}; arrived: {[f.get('type') for f in self.frames]}"
                self.news.wait(left)
            self.taken.add(place)
            frame = self.frames[place]
            return {**frame, **(frame.get("data") or {})}

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
