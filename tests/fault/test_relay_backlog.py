"""A relay that begins with a stream whose older part was cut off: what lay there is not waited for and not published again.

At ten thousand messages a second events.stream_keep is two seconds, and the message before the first one that is left of each conversation
was written just before.  It was in the stream; nobody brings it any more.
"""
import json
import time
import uuid

import psycopg2.extras
import pytest

from lib.farm import Farm, eventually
from lib.live import Live
from lib.people import Account
from lib.people_in_bulk import make_direct, make_people
from lib.relay import counter

KEEP, TALKS, MESSAGES, RATE = 1000, 300, 3000, 10000
AGE = 60    # the sweeper looks back ten seconds


@pytest.fixture(scope="module")
def farm():
    with Farm.private(EVENTS_STREAM_KEEP=str(KEEP), RELAY_PORT="0", TOKEN_LIFETIME="1d") as farm:
        yield farm


def store(farm, talks, pairs):
    """Messages that were sent a moment ago, one conversation after the other; (id, conversation, its pair, seq, time)."""
    start = time.time() - AGE - MESSAGES / RATE
    rows = []
    for n in range(MESSAGES):
        at = start + n / RATE
        message = str(uuid.UUID(int=int(at * 1000) << 80 | 7 << 76 | 2 << 62 | n))
        rows.append((message, talks[n % TALKS], pairs[n % TALKS], n // TALKS + 1, at))
    connection = farm.database()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # triggers would take the present time
            psycopg2.extras.execute_values(
                cursor, "INSERT INTO message (id, conversation_id, sender_id, seq, created_at, kind, body) VALUES %s",
                [(m, c, pair[0].id, seq, at) for m, c, pair, seq, at in rows], "(%s, %s, %s, %s, to_timestamp(%s), 'text', 'eA==')", 1000)
            cursor.execute("UPDATE conversation SET last_seq = %s, last_message_at = now()", (MESSAGES // TALKS,))
    finally:
        connection.close()
    return rows


def publish(farm, rows):
    """As the apps did, and as MAXLEN left it."""
    pipe = farm.redis.pipeline(transaction=False)
    for n, (message, talk, pair, seq, at) in enumerate(rows):
        data = {"messageId": message, "conversationId": talk, "seq": seq}
        pipe.execute_command("XADD", "rt", "MAXLEN", KEEP, f"{int(at * 1000) + 5}-{n}", "id", message, "t", "message.new", "c", talk, "v", "1",
                             "s", seq, "to", ",".join(p.id for p in pair), "j", json.dumps(data))
    pipe.execute()


def counts(farm):
    return {name: counter(farm, name) for name in ("gaps_filled_total", "gaps_given_up_total")}


def test_what_was_cut_off_is_not_missing(farm):
    people = make_people(farm, 2 * TALKS)
    pairs = list(zip(people[:TALKS], people[TALKS:]))
    talks = make_direct(farm, pairs)
    rows = store(farm, talks, pairs)
    farm.redis.delete("rt")
    publish(farm, rows)
    assert farm.redis.xlen("rt") == KEEP
    added = farm.redis.xinfo_stream("rt")["entries-added"]
    farm.kill_all("wsrelay")  # the next one has nothing but the stream
    eventually(farm.ready, within=30)
    live = Live(f"ws://{farm.site().host}:{farm.site().port}/api/v1/ws")
    live.sign_in({"token": pairs[0][1].token})
    first = rows[-TALKS]
    assert first[2] is pairs[0]
    publish(farm, [(str(uuid.uuid4()), *first[1:3], first[3] + 1, time.time())])
    assert live.wait_for("message.new")["seq"] == first[3] + 1, "nothing of before comes first"
    live.drop()
    assert farm.redis.xinfo_stream("rt")["entries-added"] == added + 1, "nothing was published again"
    assert not any(counts(farm).values())
    assert farm.rookery("restart", "relay").returncode == 0
    assert farm.redis.xinfo_stream("rt")["entries-added"] == added + 1
    assert not any(counts(farm).values())


@pytest.fixture(scope="module")
def forgetful():
    """A relay whose log, and so what it loads at its start, is a second or two of the stream."""
    with Farm.private(RELAY_LOG_BYTES="1m", RELAY_PORT="0", TOKEN_LIFETIME="1d") as farm:
        yield farm


def test_what_is_older_than_what_was_loaded_is_not_missing(forgetful):
    """The message before was told by the process that is gone, a few seconds ago; the new one has not read so far back."""
    farm, people = forgetful, make_people(forgetful, 2)
    alice, bob = (Account(farm, {"accessToken": p.token, "userId": p.id}) for p in people)
    first = alice.say(bob)
    pipe = farm.redis.pipeline(transaction=False)
    for _ in range(3000):
        pipe.xadd("rt", {"id": str(uuid.uuid4()), "t": "typing.started", "to": str(uuid.uuid4()), "j": json.dumps({"x": "x" * 1000})})
    pipe.execute()
    farm.kill_all("wsrelay")
    eventually(farm.ready, within=6)
    added = farm.redis.xinfo_stream("rt")["entries-added"]
    with bob.listen() as live:
        second = alice.say(bob)
        live.wait_for("message.new", messageId=second["messageId"])
        time.sleep(0.3)
        assert [f["data"]["messageId"] for f in live.frames if f["type"] == "message.new"] == [second["messageId"]], first
    assert farm.redis.xinfo_stream("rt")["entries-added"] == added + 1, "the first was published again"
