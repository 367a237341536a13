"""A stream of sends that does not stop for faults, and receivers that come back whenever they are cut off.

    with Storm(farm) as storm:          # senders and receivers at work
        farm.kill("whatsapp-messages")
    storm.settle()                      # all sent, all acknowledged, all received
    storm.check()                       # each exactly once, in order

A sender repeats a message under its clientMessageId until the farm acknowledges it: 201, or a 409 that names the message of
an earlier attempt.  A receiver reconnects with its cursor; told that the cursor cannot be recovered, it reads what it missed over
REST, as a client would.
"""
import collections
import contextlib
import http.client
import threading
import time
import uuid

import websockets

from lib.people import Account, b64

#: What a client sees while a part of the farm is down.  Anything else is a failure of the test.
PASSING = (OSError, http.client.HTTPException)


class Receiver(threading.Thread):
    def __init__(self, account):
        super().__init__(daemon=True)
        self.account, self.stopped = account, threading.Event()
        self.arrived = collections.defaultdict(list)   # conversation -> [(seq, message id)] as pushed
        self.fetched = {}                              # message id -> (conversation, seq) read over REST
        self.connected, self.cursor, self.faults, self.resumes = threading.Event(), None, [], []

    def run(self):
        while not self.stopped.is_set():
            with contextlib.suppress(*PASSING, AssertionError, TimeoutError, websockets.WebSocketException):
                live = self.account.listen(cursor=self.cursor)
                self.resumes.append(live.hello["recovered"])
                try:
                    if self.cursor and not live.hello["recovered"]:
                        self.fetch()
                    self.read(live)
                finally:
                    live.close()
            self.connected.clear()
            time.sleep(0.1)

    def read(self, live):
        """Take messages until the connection ends; the cursor moves only with what was taken."""
        self.cursor = live.hello["cursor"]
        self.connected.set()
        at = 0
        while not self.stopped.is_set():
            with live.news:
                live.news.wait_for(lambda: len(live.frames) > at or live.closed is not None, 0.2)
                frames, closed = live.frames[at:], live.closed
            at += len(frames)
            for frame in frames:
                self.cursor = frame.get("cursor", self.cursor)
                self.take(frame["type"], frame.get("data"))
            if closed is not None and not frames:
                return

    def take(self, kind, data):
        if kind == "message.new":
            self.arrived[data["conversationId"]].append((data["seq"], data["messageId"]))
        elif kind == "resync":  # too slow for the log: the gap must be read over REST
            self.cursor = data["cursor"]
            self.fetch()

    def fetch(self):
        """Everything of the last minutes over REST, page by page."""
        cursor, more = None, True
        while more:
            page = self.account.get("/messages/sync", page=1, pageSize=100, **({"cursor": cursor} if cursor else {}))
            for message in page["messages"]:
                self.fetched[message["messageId"]] = (message["conversationId"], message["seq"])
            cursor, more = page["nextCursor"], page["hasMore"]

    def has(self):
        """Ids of all messages that reached this person, by either way."""
        return {m for messages in self.arrived.values() for _, m in messages} | set(self.fetched)


class Sender(threading.Thread):
    def __init__(self, account, targets, count, pause):
        super().__init__(daemon=True)
        self.account, self.targets, self.count, self.pause = account, targets, count, pause
        self.sent, self.failure, self.repeats, self.slowest = [], None, 0, 0

    def run(self):
        try:
            for n in range(self.count):
                self.sent.append(self.send(self.targets[n % len(self.targets)], n))
                time.sleep(self.pause)
        except Exception as failure:
            self.failure = failure

    def send(self, target, n):
        body = {**target, "ciphertext": b64(f"{self.account.id} {n}".encode()), "messageType": "text",
                "clientMessageId": str(uuid.uuid4())}
        started = time.monotonic()
        while time.monotonic() - started < 60:
            with contextlib.suppress(*PASSING):
                reply = self.account.request("POST", "/messages", body, keep=False, timeout=10)
                if reply.status in (201, 409):
                    self.slowest = max(self.slowest, time.monotonic() - started)
                    return reply.json["messageId"]
                assert reply.status >= 500, reply
            self.repeats += 1
            time.sleep(0.1)
        raise AssertionError("a message was not taken for a minute")


class Storm:
    """Eight senders, each to a receiver of its own and to one group of everybody, alternately."""

    def __init__(self, farm, senders=8, receivers=4, each=50, seconds=6):
        self.farm = farm
        people = [Account.register(farm) for _ in range(senders + receivers)]
        self.receivers = [Receiver(account) for account in people[senders:]]
        group = people[0].group(*people[1:])  # a group is its conversation
        self.senders = [
            Sender(account, [{"recipientId": people[senders + n % receivers].id}, {"conversationId": group}],
                   each, seconds / each) for n, account in enumerate(people[:senders])]

    def __enter__(self):
        for receiver in self.receivers:
            receiver.start()
        for receiver in self.receivers:
            assert receiver.connected.wait(10)
        for sender in self.senders:
            sender.start()
        time.sleep(2)
        return self

    def __exit__(self, *failure):
        if any(failure):
            self.stop()

    def stop(self):
        for receiver in self.receivers:
            receiver.stopped.set()

    def settle(self, within=60):
        """Wait until every send is acknowledged and every receiver has what was sent to it."""
        for sender in self.senders:
            sender.join(90)
            assert not sender.failure, sender.failure
        end = time.monotonic() + within
        while any(self.lacking(receiver) for receiver in self.receivers) and time.monotonic() < end:
            time.sleep(0.1)
        self.stop()

    def expected(self, receiver):
        """Ids of the acknowledged messages that this receiver must have."""
        place = self.receivers.index(receiver)
        ids = set()
        for n, sender in enumerate(self.senders):
            ids |= set(sender.sent[1::2])
            ids |= set(sender.sent[0::2]) if n % len(self.receivers) == place else set()
        return ids

    def lacking(self, receiver):
        return self.expected(receiver) - receiver.has()

    def check(self):
        """Every acknowledged message is stored once, and reached each of its receivers once, in order."""
        acknowledged = [m for sender in self.senders for m in sender.sent]
        assert len(set(acknowledged)) == len(acknowledged) == sum(s.count for s in self.senders)
        for receiver in self.receivers:
            self.check_stored(receiver)
            assert not self.lacking(receiver), f"{len(self.lacking(receiver))} messages did not arrive"
            for conversation, messages in receiver.arrived.items():
                seqs = [seq for seq, _ in messages]
                twice = sorted({seq for seq in seqs if seqs.count(seq) > 1})
                assert not twice, f"{conversation}: {twice} came twice"
                early = [(a, b) for a, b in zip(seqs, seqs[1:]) if b < a]
                assert not early, f"{conversation}: out of order, {' and '.join(f'{a} before {b}' for a, b in early)}"

    def check_stored(self, receiver):
        """What the receiver finds over REST: each acknowledged message once, sequences without a gap."""
        receiver.fetched.clear()
        receiver.fetch()
        stored = collections.defaultdict(list)
        for message, (conversation, seq) in receiver.fetched.items():
            stored[conversation].append(seq)
        assert self.expected(receiver) <= set(receiver.fetched)
        for conversation, seqs in stored.items():
            assert sorted(seqs) == list(range(1, len(seqs) + 1)), f"{conversation}: {sorted(seqs)}"
