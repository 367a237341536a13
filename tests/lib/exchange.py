"""Thousands of people who write to each other while parts of the farm fail, and the account of what reached whom.

    with Exchange(farm, people=2000, rate=150) as exchange:
        farm.kill("wsrelay")
        exchange.settle()           # sends are acknowledged, everybody has everything
        exchange.check()            # nothing lost, twice, or out of order
        exchange.writing.set()      # and on

The sockets are held by the crowd (lib/crowd.py): whoever is cut off comes back with the newest cursor.  Who is told that the cursor is
not recovered, or "resync", reads over REST what happened, as docs/relay.md says; what REST has shown may then be pushed once more and is
passed over, and nothing else is.  Sends go through REST, repeated under their clientMessageId until they are acknowledged.

People in the ranges `queues` have no cursor: they live on their device's queue, acknowledge what comes, and need no REST (queue_account.py).
"""
import asyncio
import collections
import contextlib
import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field

from lib import queue_account
from lib.crowd import Crowd, clients_of
from lib.people import b64
from lib.people_in_bulk import make_direct, make_group, make_people
from lib.queue_account import Device
from lib.wire import STALE, Site

GROUP_SIZE = 20
SENDERS = 16
PASSING = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError)


@dataclass
class Inbox:
    """What one person received."""
    pushed: dict = field(default_factory=dict)      # message id -> how often the place was lost before it came
    fetched: set = field(default_factory=set)       # ids that REST has shown
    newest: dict = field(default_factory=dict)      # conversation -> seq
    losses: int = 0                                 # times that REST was needed
    waiting: list = field(default_factory=list)     # pushed while REST is still to be asked
    sync: str = ""                                  # where the last synchronisation ended


class Exchange:
    def __init__(self, farm, people=2000, rate=150, groups=None, text=300, queues=()):
        self.farm, self.rate, self.text = farm, rate, text
        site = farm.site()
        self.site = Site(site.name, site.host, site.port, site.mount)  # each reply held against the contract would be too slow
        self.people = make_people(farm, people)
        self.place = {p.id: n for n, p in enumerate(self.people)}
        half = people // 2
        pairs = [(self.people[n], self.people[n + half]) for n in range(half)]
        self.members = {c: [self.place[a.id], self.place[b.id]] for c, (a, b) in zip(make_direct(farm, pairs), pairs)}
        self.direct = list(self.members)
        shuffled = random.Random(people).sample(self.people, people)
        for n in range(groups if groups is not None else people // GROUP_SIZE):
            self.add_group(shuffled[n * GROUP_SIZE:(n + 1) * GROUP_SIZE])
        self.groups = list(self.members)[half:]
        self.queues = queues
        self.devices = {who: Device() for part in queues for who in range(*part)}
        self.inboxes = [self.devices.get(who) or Inbox() for who in range(people)]
        self.sent, self.slowest, self.repeats, self.failure = [], 0, 0, None    # (conversation, sender, id)
        self.twice, self.early, self.notes, self.pending_rest = [], [], collections.Counter(), set()
        self.writing, self.stopped, self.idle = threading.Event(), threading.Event(), threading.Event()

    def add_group(self, people):
        group = make_group(self.farm, people)
        self.members[group] = [self.place[p.id] for p in people]
        return group

    # ---- beginning and end --------------------------------------------------------------------

    def __enter__(self):
        self.log = self.farm.run / f"crowd-{uuid.uuid4()}"
        self.crowd = Crowd(self.farm.run, f"127.0.0.1:{self.farm.settings['relay.port']}", clients_of(self.people), watch=self.log)
        for first, end in self.queues:
            self.crowd(f"queue {first} {end}")
        opened = self.crowd("open 0 200")
        assert opened["ready"] == len(self.people), opened
        self.crowd("comeback 1")
        self.lines = self.log.open()
        self.writer = threading.Thread(target=lambda: asyncio.run(self.write()), daemon=True)
        self.writing.set()
        self.writer.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.writer.join(90)
        self.crowd.close()
        self.lines.close()
        self.log.unlink()

    # ---- writing ------------------------------------------------------------------------------

    async def write(self):
        await asyncio.gather(*(self.sender(n) for n in range(SENDERS)))

    async def sender(self, n):
        chance, wire = random.Random(n), Wire(self.farm.site())
        started, count = time.monotonic() + random.random() / self.rate, 0
        while not self.stopped.is_set():
            if not self.writing.is_set():
                started, count = time.monotonic(), 0
                await asyncio.sleep(0.02)
                continue
            conversation = chance.choice(self.direct if chance.random() < 0.5 or not self.groups else self.groups)
            try:
                await self.send(wire, conversation, chance.choice(self.members[conversation]))
            except Exception as failure:
                self.failure = self.failure or failure
                return
            count += 1
            await asyncio.sleep(max(0, started + count * SENDERS / self.rate - time.monotonic()))
        wire.close()

    async def send(self, wire, conversation, sender, text=None):
        body = {"ciphertext": b64(b"x" * (text or self.text)), "messageType": "text", "clientMessageId": str(uuid.uuid4())}
        began, entry = time.monotonic(), [conversation, sender, None]
        self.sent.append(entry)
        while time.monotonic() - began < 60:
            with contextlib.suppress(*PASSING):
                status, answer = await asyncio.wait_for(
                    wire.post(f"/conversations/{conversation}/messages", body, self.people[sender].token), 10)
                if status in (201, 409):
                    entry[2] = answer["messageId"]
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    return
                assert status >= 500, f"{status} {answer}"
            wire.close()
            self.repeats += 1
            await asyncio.sleep(0.1)
        raise AssertionError("a message was not taken for a minute")

    def burst(self, conversation, count, text):
        """So many messages of so many bytes into one conversation, as fast as they are taken."""
        async def part(wire, share):
            for _ in range(share):
                await self.send(wire, conversation, random.choice(self.members[conversation]), text)
            wire.close()

        async def all_parts():
            await asyncio.gather(*(part(Wire(self.farm.site()), count // 4) for _ in range(4)))
        asyncio.run(all_parts())

    # ---- what arrived -------------------------------------------------------------------------

    def accept(self, who, conversation, seq, message):
        """A pushed message, as a client takes it."""
        inbox = self.inboxes[who]
        if message in inbox.fetched:
            self.notes["pushed after REST had shown it"] += 1
            return
        if message in inbox.pushed:
            self.twice.append((who, conversation, seq))
            return
        inbox.pushed[message] = inbox.losses
        if seq < inbox.newest.get(conversation, 0):
            self.early.append((who, conversation, seq, inbox.newest[conversation]))
        inbox.newest[conversation] = max(seq, inbox.newest.get(conversation, 0))

    def read(self):
        """Take what the crowd has written since."""
        self.crowd("stats")
        while line := self.lines.readline():
            if not line.endswith("\n"):  # the rest of it comes later
                self.lines.seek(self.lines.tell() - len(line))
                return
            kind, who, *rest = line.split()
            assert kind != 'M' or len(rest) == 3, f"not a line of the crowd: {line!r}"
            who = int(who)
            if who in self.devices and kind in "MBEKAR":
                self.read_of_device(kind, who, self.devices[who], rest)
            elif kind == "M":
                one = (rest[0], int(rest[1]), rest[2])
                if who in self.pending_rest:
                    self.inboxes[who].waiting.append(one)
                else:
                    self.accept(who, *one)
            elif kind in "UR":
                self.notes["cursor not recovered" if kind == "U" else "resync"] += 1
                self.pending_rest.add(who)
            elif kind == "C":
                self.notes[f"closed with {rest[0]}"] += 1
            else:
                self.notes[" ".join(rest)] += 1

    def read_of_device(self, kind, who, device, rest):
        if kind == "M":
            conversation, seq, message = rest[0], int(rest[1]), rest[2]
            fault = device.take(conversation, seq, message)
            if fault:
                (self.twice if fault == "twice" else self.early).append((who, conversation, seq, "a queue"))
        elif kind == "B":
            device.begin()
        elif kind == "K":
            device.acknowledge(int(rest[0]), rest[1].split(","))
        elif kind == "A":
            assert rest[1] == "204", f"an acknowledgement was answered {rest[1]}"
            device.confirm(int(rest[0]))
        else:
            device.empty = kind == "E"
            self.notes["resync of a queue"] += kind == "R"

    def heal(self):
        """Everybody who was told to reads over REST what happened since the last time."""
        for who in sorted(self.pending_rest):
            inbox = self.inboxes[who]
            try:
                self.fetch(who, inbox)
            except STALE + (OSError, AssertionError):
                continue  # the farm is not there yet: next time
            inbox.losses += 1
            self.pending_rest.discard(who)
            waiting, inbox.waiting = inbox.waiting, []
            for one in waiting:
                self.accept(who, *one)

    def fetch(self, who, inbox):
        more = True
        while more:
            reply = self.site.request("GET", "/messages/sync", None, {"Authorization": f"Bearer {self.people[who].token}"},
                                      {"page": 1, "pageSize": 100, **({"cursor": inbox.sync} if inbox.sync else {})})
            assert reply.status == 200, reply
            page = reply.json
            for message in page["messages"]:
                inbox.fetched.add(message["messageId"])
                newest = inbox.newest.get(message["conversationId"], 0)
                inbox.newest[message["conversationId"]] = max(newest, message["seq"])
            inbox.sync, more = page["nextCursor"], page["hasMore"]
            self.notes["pages read over REST"] += 1

    # ---- the account --------------------------------------------------------------------------

    def lacking(self):
        """(person, conversation, message) of everything acknowledged that has not reached somebody."""
        return [(who, conversation, message) for conversation, sender, message in self.sent
                for who in self.members[conversation]
                if who != sender and message not in self.inboxes[who].pushed and message not in self.inboxes[who].fetched]

    def settle(self, within=120):
        """Stop writing, and wait until all that was sent is acknowledged and has reached everybody."""
        self.writing.clear()
        end = time.monotonic() + within
        while any(message is None for _, _, message in self.sent) and not self.failure and time.monotonic() < end + 60:
            time.sleep(0.05)
        assert not self.failure, self.failure
        while True:
            self.read()
            self.heal()
            lacking = self.lacking()
            if not lacking and not self.pending_rest and all(d.settled() for d in self.devices.values()) or time.monotonic() > end:
                break
            time.sleep(0.1)
        time.sleep(0.3)  # what comes twice, comes late
        self.read()
        return time.monotonic() - (end - within)

    def check(self):
        lacking = self.lacking()
        report = f"{self.figures()}"
        assert not lacking, f"{len(lacking)} deliveries lost, first {lacking[:3]}; {report}"
        assert not self.twice, f"{len(self.twice)} came twice, first {self.twice[:3]}; {report}"
        assert not self.early, f"{len(self.early)} out of order, first {self.early[:3]}; {report}"
        unsettled = [who for who, device in self.devices.items() if not device.settled()]
        assert not unsettled, f"{len(unsettled)} acknowledged and got no answer, first {unsettled[0]}; {report}"
        left = queue_account.waiting(self.farm, [self.people[who] for who in self.devices])
        assert not left, f"{left} messages still wait for devices that have acknowledged all; {report}"
        ids = [message for _, _, message in self.sent]
        assert len(set(ids)) == len(ids), "a message was acknowledged under two ids"

    def figures(self):
        stats = self.crowd("stats")
        return {"sent": len(self.sent), "pushed": sum(len(i.pushed) for i in self.inboxes), "lost": len(self.lacking()),
                "twice": len(self.twice), "out of order": len(self.early), "repeated sends": self.repeats,
                "slowest send s": round(self.slowest, 1), "cut off": stats["lost"], "recovered": stats["resumed"],
                "not recovered": stats["not_resumed"], **queue_account.figures(self.devices.values()), **self.notes}


class Wire:
    """A kept connection of an asyncio program to the web server."""

    def __init__(self, site):
        self.site, self.writer = site, None

    async def post(self, path, body, token):
        if not self.writer:
            self.reader, self.writer = await asyncio.open_connection(self.site.host, self.site.port)
        data = json.dumps(body).encode()
        self.writer.write(f"POST {self.site.mount}{path} HTTP/1.1\r\nHost: {self.site.host}\r\nContent-Type: application/json\r\n"
                          f"Authorization: Bearer {token}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        answer = await self.reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        status = int(head.split(" ", 2)[1])
        return status, json.loads(answer) if status < 500 else answer

    def close(self):
        if self.writer:
            self.writer.close()
            self.writer = None
