"""Many connections of a few people, all members of one group, and messages that go to everybody.

    with Audience(farm, people=20, each=10) as audience:
        audience.talk(seconds=3)
    audience.check()                # nobody was cut off; each got each message once, in order

The messages are sent over REST by one of the people, whose own device does not get them.
"""
import threading
import time
import uuid

from lib.farm import eventually
from lib.people import Account, b64


class Audience:
    def __init__(self, farm, people=20, each=10, surface_url=None):
        self.farm, self.url = farm, surface_url
        self.people = [Account.register(farm) for _ in range(people + 1)]
        self.speaker = self.people.pop()
        self.group = self.speaker.group(*self.people)
        self.each, self.lives, self.sent, self.failure, self.silent = each, [], [], None, threading.Event()

    def __enter__(self):
        self.lives = [person.listen() for person in self.people for _ in range(self.each)]
        return self

    def __exit__(self, *_):
        for live in self.lives:
            live.drop()

    def say(self):
        body = {"clientMessageId": str(uuid.uuid4()), "ciphertext": b64(b"x" * 200), "mentions": []}
        sent = self.speaker.post(f"/group-chats/{self.group}/messages", body)
        self.sent.append((sent["seq"], sent["messageId"]))

    def _talk(self, pause):
        try:
            while not self.silent.is_set():
                self.say()
                time.sleep(pause)
        except Exception as failure:
            self.failure = failure

    def talking(self, pause=0.02):
        """A context in which messages go out all the time."""
        return Talk(self, pause)

    def got(self, live):
        with live.news:
            return [(f["data"]["seq"], f["data"]["messageId"]) for f in live.frames if f["type"] == "message.new"]

    def check(self, within=20):
        assert not self.failure, self.failure
        want = sorted(self.sent)
        eventually(lambda: all(len(self.got(live)) >= len(want) or live.closed for live in self.lives), within)
        cut = [(live.closed, live.reason) for live in self.lives if live.closed is not None]
        assert not cut, f"{len(cut)} connections ended: {cut[:3]}"
        for live in self.lives:
            got = self.got(live)
            assert got == want, self.difference(got, want)

    @staticmethod
    def difference(got, want):
        seqs, wanted = [s for s, _ in got], [s for s, _ in want]
        return (f"{len(got)} of {len(want)}; lost {sorted(set(wanted) - set(seqs))[:9]}; "
                f"twice {sorted({s for s in seqs if seqs.count(s) > 1})[:9]}; "
                f"out of order {[(a, b) for a, b in zip(seqs, seqs[1:]) if b < a][:9]}")


class Talk:
    def __init__(self, audience, pause):
        self.audience, self.thread = audience, threading.Thread(target=audience._talk, args=(pause,), daemon=True)

    def __enter__(self):
        self.audience.silent.clear()
        self.thread.start()

    def __exit__(self, *_):
        self.audience.silent.set()
        self.thread.join(30)
