"""Redis loses its data while many talk: who resumes in the new stream, and a relay that begins with it, is not kept waiting.

Of each conversation the message before the first one of the new stream may be missing, as far as the stream can tell, and the sweeper puts
the last ones into it once more.  Only sixteen conversations can be held at a time.
"""
import time

import pytest

from lib.farm import Farm, eventually
from lib.people import Account

TALKS, READERS = 70, 5


@pytest.fixture(scope="module")
def farm():
    limits = {f"LIMIT_{name}": "0" for name in ("AUTH", "GENERAL", "MESSAGES", "CONTACTS")}
    with Farm.private(RELAY_LOG_BYTES="1m", RELAY_PORT="0", RELAY_NEW_PER_ACCOUNT="0", **limits) as farm:
        yield farm


def test_who_is_connected_stays_and_synchronises(farm):
    """Redis runs on with nothing in it, not even the name of the stream."""
    alice, bob = Account.register(farm), Account.register(farm)
    processes = farm.children(farm.pid("wsrelay"))
    with bob.listen() as live:
        alice.say(bob)
        live.wait_for("message.new")
        for _ in range(2):
            farm.redis.flushall()
            live.wait_for("resync")
        live.wait_for("message.new", messageId=alice.say(bob)["messageId"])
    assert farm.children(farm.pid("wsrelay")) == processes


def messages(live):
    return [frame["data"]["seq"] for frame in live.frames if frame["type"] == "message.new"]


def test_gaps_of_a_stream_made_anew_cost_no_time(farm):
    sender, people = Account.register(farm), [Account.register(farm) for _ in range(TALKS)]
    readers = people[-READERS:]
    lives = [one.listen() for one in readers]
    for one in people:
        sender.say(one)
    farm.redis.flushall()
    cursors = [live.wait_for("resync")["cursor"] for live in lives]
    for live in lives:
        live.drop()
    for one in people:
        sender.say(one)
    farm.kill_all("wsrelay")  # the next one has nothing but the stream
    begun = time.monotonic()
    eventually(farm.ready, within=60)
    assert time.monotonic() - begun < 5
    for _ in range(40):
        sender.say(people[0], "x" * 40000)  # the log goes past what they have received
    for one, cursor in zip(readers, cursors):
        begun = time.monotonic()
        with one.listen(cursor) as live:
            assert time.monotonic() - begun < 3
            assert live.hello["recovered"] is True
            live.wait_for("message.new", seq=2)
            assert messages(live) in ([2], [1, 2]), "once and in order; the sweeper may have brought the first one again"
