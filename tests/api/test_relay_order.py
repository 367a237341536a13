"""Messages that were stored and not published, or will never come: what the relay does about a hole in a sequence."""
import time

import pytest

from lib.farm import Farm, eventually
from lib.people import Account


@pytest.fixture
def talk(alice, bob):
    """A conversation that the relay has in mind."""
    with bob.listen() as live:
        sent = alice.say(bob)
        live.wait_for("message.new", messageId=sent["messageId"])
        yield sent["conversationId"], live


def store(farm, account, conversation, text="b25seSBzdG9yZWQ="):
    """A message as the app writes it, which dies before it can publish it."""
    row, = farm.sql("SELECT message_id, seq FROM message_send(ARRAY[uuid7()], ARRAY[%s::uuid], ARRAY[%s::uuid], ARRAY[%s::uuid],"
                    " NULL, ARRAY[NULL], ARRAY['text'], ARRAY[%s])",
                    account.id, account.claims["did"], conversation, text)
    return row


def counter(farm, name):
    text = farm.site().raw("GET", "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"rookery_relay_{name} ")))


def test_a_message_that_was_not_published_is_fetched(farm, alice, bob, talk):
    conversation, live = talk
    with farm.paused("jobs"):  # whose sweeper would bring it, too
        before = counter(farm, "gaps_filled_total")
        lost = store(farm, alice, conversation)
        begun = time.monotonic()
        sent = alice.say(bob)
        assert sent["seq"] == lost["seq"] + 1
        first, second = live.wait_for("message.new"), live.wait_for("message.new")
        assert time.monotonic() - begun < 2, "nobody waits for relay.gap_ms"
        assert (first["messageId"], first["seq"]) == (str(lost["message_id"]), lost["seq"])
        assert first["ciphertext"] == "b25seSBzdG9yZWQ=" and first["senderId"] == alice.id
        assert first["conversationId"] == conversation and first["cursor"]
        assert second["messageId"] == sent["messageId"]
        eventually(lambda: counter(farm, "gaps_filled_total") > before)
    live.never("message.new", within=2.5)  # the sweeper has nothing to add


def test_a_group_message_that_was_not_published_reaches_those_it_was_for(farm, alice, bob, carol):
    group = alice.group(bob, carol)
    body = {"ciphertext": "YQ==", "mentions": []}
    with bob.listen() as stays, carol.listen() as leaves, farm.paused("jobs"):
        alice.post(f"/group-chats/{group}/messages", {**body, "clientMessageId": "1"})
        stays.wait_for("message.new")
        leaves.wait_for("message.new")
        carol.delete(f"/groups/{group}/members/me")
        lost = store(farm, alice, group)
        alice.post(f"/group-chats/{group}/messages", {**body, "clientMessageId": "2"})
        assert stays.wait_for("message.new")["seq"] == lost["seq"]
        stays.wait_for("message.new")
        leaves.never("message.new")


def test_nobody_waits_long_for_a_message_that_will_never_come(farm, alice, bob, talk):
    conversation, live = talk
    farm.sql("UPDATE conversation SET last_seq = last_seq + 3 WHERE id = %s", conversation)
    begun = time.monotonic()
    sent = alice.say(bob)
    live.wait_for("message.new", messageId=sent["messageId"])
    assert time.monotonic() - begun < 1.5
    assert sent["seq"] == 5


def test_a_resume_brings_a_fetched_message_once(farm, alice, bob, talk):
    conversation, live = talk
    cursor = live.cursor
    with farm.paused("jobs"):
        lost = store(farm, alice, conversation)
        sent = alice.say(bob)
        live.wait_for("message.new")
        live.wait_for("message.new")
    time.sleep(1.5)  # jobs have looked
    for resumed_at, expected in ((cursor, [str(lost["message_id"]), sent["messageId"]]), (live.cursor, [])):
        with bob.listen(resumed_at) as again:
            assert again.hello["recovered"] is True
            assert [again.wait_for("message.new")["messageId"] for _ in expected] == expected
            again.never("message.new")


@pytest.fixture(scope="module")
def strict():
    """A farm that calls a second late."""
    with Farm.private(LIMIT_AUTH="50000/60", RELAY_PORT="0", RELAY_MAX_LAG="1s") as farm:
        yield farm


def test_lag_is_told_to_clients_and_to_whoever_asks_for_readiness(strict):
    """A missing message that another relay says it will publish, and does not: what waits for it is late."""
    alice, bob = Account.register(strict), Account.register(strict)
    with bob.listen() as live, strict.paused("jobs"):
        conversation = alice.say(bob)["conversationId"]
        live.wait_for("message.new")
        lost = store(strict, alice, conversation)
        strict.redis.set(f"rt:missing:{lost['message_id']}", 1, ex=60)
        sent = alice.say(bob)
        assert live.wait_for("degraded")["reason"] == "lag"
        answer = strict.site().raw("GET", "/readyz", keep=False)
        assert answer.status == 503 and "lag: " in answer.json["checks"]["relay"]
        with alice.listen() as newcomer:
            assert newcomer.wait_for("degraded")["reason"] == "lag"
            live.wait_for("message.new", messageId=sent["messageId"], timeout=10)  # relay.gap_ms is over
            live.wait_for("restored")
            newcomer.wait_for("restored")
        eventually(strict.ready)
