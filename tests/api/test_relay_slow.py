"""Readers that really do not read: typing is shed for them first, they are pulled forward in the log, and lose it with a code that says so.

They sit at the relay's own socket: a web server between would take everything into its own memory.
"""
import json
import time
import uuid

import pytest

from lib.farm import Farm, eventually
from lib.live import Raw
from lib.people import Account

TEXT, CLOSE, PONG = 1, 8, 10
LOST_PLACE = 4410


@pytest.fixture(scope="module")
def small():
    """A farm whose log holds 1 MiB."""
    with Farm.private(LIMIT_AUTH="50000/60", LIMIT_MESSAGES="0", RELAY_PORT="0", RELAY_LOG_BYTES="1m", RELAY_DEFLATE="no") as farm:
        yield farm


@pytest.fixture
def people(small):
    return Account.register(small), Account.register(small)


class Sleeper(Raw):
    def __init__(self, farm, account, cursor=None):
        super().__init__("relay", 80, unix=farm.run / "ws/whatsapp.sock")
        self.say(type="auth", token=account.token, **({"resume": cursor} if cursor else {}))
        self.hello = json.loads(self.until(TEXT))
        self.cursor, self.code, self.reason = self.hello["data"]["cursor"], None, None

    def wake(self, until=None):
        """Read what is there: frames by their order, until one of that message id or the end."""
        frames = []
        while True:
            op, payload = self.read()
            if op in (None, CLOSE):
                self.code, self.reason = int.from_bytes(payload[:2], "big"), payload[2:].decode()
                return frames
            if op == TEXT:
                frames.append(json.loads(payload))
                self.cursor = frames[-1].get("cursor", self.cursor)
                if until and (frames[-1].get("data") or {}).get("messageId") == until:
                    return frames


def counter(farm, name):
    text = farm.site().raw("GET", "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"rookery_relay_{name} ")))


def messages(frames):
    return [f["data"]["messageId"] for f in frames if f["type"] == "message.new"]


def typing(farm, account, note):
    farm.redis.xadd("rt", {"id": str(uuid.uuid4()), "t": "typing.started", "to": account.id, "j": json.dumps({"note": note})})


def notes(frames):
    return [f["data"]["note"] for f in frames if f["type"] == "typing.started" and "note" in f["data"]]


def test_typing_is_shed_first_and_every_message_comes(small, people):
    alice, bob = people
    shed = counter(small, "shed_total")
    with Sleeper(small, bob) as slow:
        sent = [alice.say(bob, "x" * 40000)["messageId"] for _ in range(10)]
        eventually(lambda: counter(small, "slow_connections") == 1)
        typing(small, bob, "early")
        sent += [alice.say(bob, str(n))["messageId"] for n in range(20)]
        typing(small, bob, "early, too")
        time.sleep(3.5)
        typing(small, bob, "late")
        last = alice.say(bob)["messageId"]
        frames = slow.wake(until=last)
        assert messages(frames) == sent + [last]
        assert notes(frames) == ["late"], "what is three seconds old is worth nothing"
        assert counter(small, "shed_total") == shed + 2
        assert counter(small, "slow_connections") == 0
        typing(small, bob, "awake")
        assert notes(slow.wake(until=alice.say(bob)["messageId"])) == ["awake"]


def test_who_falls_out_of_the_log_is_told_and_resumes_from_the_stream(small, people):
    alice, bob = people
    lost = counter(small, "lost_place_total")
    with Sleeper(small, bob) as slow:
        sent = [alice.say(bob, "y" * 40000)["messageId"] for _ in range(60)]  # more than twice the log
        eventually(lambda: counter(small, "lost_place_total") == lost + 1)
        got = messages(slow.wake())
        assert slow.code == LOST_PLACE and "retry=" in slow.reason
        assert got == sent[:len(got)] and 0 < len(got) < len(sent), "up to there without a hole"
        with Sleeper(small, bob, slow.cursor) as again:
            assert again.hello["data"]["recovered"] is True
            assert messages(again.wake(until=sent[-1])) == sent[len(got):]


def test_as_long_as_the_log_has_its_place_nobody_is_cut_off(small, people):
    """A sleeper and somebody awake: the first is pulled forward through the log, without a copy for it."""
    alice, bob = people
    with Sleeper(small, bob) as slow, bob.listen() as awake:
        sent = []
        for n in range(12):
            sent.append(alice.say(bob, "z" * 40000)["messageId"])
            awake.wait_for("message.new", messageId=sent[-1])
        assert counter(small, "slow_connections") == 1
        assert messages(slow.wake(until=sent[-1])) == sent
        slow.say(type="ping")
        assert json.loads(slow.until(TEXT))["type"] == "pong"


def test_who_does_not_read_answers_either_is_sent_away(small, people):
    """What the relay says beside the log has its own bound."""
    with Sleeper(small, people[1]) as slow:
        slow.socket.settimeout(2)
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 20:
                for _ in range(150):  # more would be too many messages
                    slow.frame(9, "p" * 125)
                time.sleep(0.01)
        except OSError:
            pass
        slow.socket.settimeout(10)
        slow.wake()
        assert slow.code in (4429, 0)


def test_a_burst_takes_few_writes_though_the_log_is_full(small, people):
    _, bob = people

    def burst(count, size):
        pipe = small.redis.pipeline(transaction=True)  # the relay finds all of it at once
        for n in range(count):
            pipe.xadd("rt", {"id": str(uuid.uuid4()), "t": "typing.started", "to": bob.id, "j": json.dumps({"note": n, "x": "x" * size})})
        pipe.execute()
        last = None
        while last != count - 1:
            last = live.wait_for("typing.started")["data"]["note"]

    with bob.listen() as live:
        for _ in range(20):
            burst(100, 1000)  # two mebibytes in all
        frames, writes = counter(small, "frames_out_total"), counter(small, "writes_total")
        burst(60, 100)
        assert counter(small, "frames_out_total") - frames >= 60
        assert counter(small, "writes_total") - writes <= 20
