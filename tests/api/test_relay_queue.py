"""The device's queue over its WebSocket: what waited comes first, acknowledgements remove it, and nothing is lost at the seams."""
import json
import random
import threading
import time
import uuid

import pytest

from lib.devices import add_device
from lib.farm import Farm, eventually
from lib.live import Live, Raw
from lib.people import Account
from lib.relay import counter
from lib.sentinal import User

FORBIDDEN = 4403
TEXT = 1
WINDOW = 256


def with_queue(account, cursor=None):
    """A WebSocket that gets what waits for its device before anything else."""
    live = Live(f"ws://{account.site.host}:{account.site.port}/api/v1/ws")
    live.sign_in({"token": account.token, "queue": True, **({"resume": cursor} if cursor else {})})
    return live


def ack(live, *ids):
    live.send({"type": "ack", "data": {"messageIds": list(ids)}})


def waiting(account):
    """How many messages wait for the device, as REST tells it."""
    return account.get("/queues", page=1, pageSize=1)["totalItems"]


def say_many(sender, receiver, count):
    """Send one after another; the ids."""
    return [sender.say(receiver, str(n))["messageId"] for n in range(count)]


def messages(live):
    """Ids of the messages that have arrived, in their order."""
    with live.news:
        return [f["data"]["messageId"] for f in live.frames if f["type"] == "message.new"]


# ---- the order of things ------------------------------------------------------------------------


def test_what_waited_comes_first_then_the_marker_then_what_is_new(alice, bob, carol):
    sent = [who.say(bob, str(n))["messageId"] for n in range(10) for who in (alice, carol)]
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        assert [f["type"] for f in live.frames] == ["ready"] + ["message.new"] * 20 + ["queue.empty"]
        assert messages(live) == sent
        new = alice.say(bob)["messageId"]
        live.wait_for("message.new", messageId=new)
        assert messages(live) == sent + [new]


def test_a_message_of_the_queue_is_told_as_a_live_one(alice, bob):
    with bob.listen() as live:
        sent = alice.say(bob, "the same")
        told = live.wait_for("message.new", messageId=sent["messageId"])
    with with_queue(bob) as live:
        again = live.wait_for("message.new", messageId=sent["messageId"])
    assert told.pop("cursor") and again == told


def test_an_empty_queue_is_told_at_once(bob):
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        assert messages(live) == []


def test_without_asking_nothing_of_the_queue_comes(alice, bob):
    alice.say(bob)
    with bob.listen() as live:
        live.never("message.new")
        live.never("queue.empty", within=0)


# ---- acknowledging ------------------------------------------------------------------------------


def test_an_acknowledged_message_does_not_come_again(alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(5)]
    with alice.listen() as sender, with_queue(bob) as live:
        live.wait_for("queue.empty")
        ack(live, *sent[:3])
        assert sender.wait_for("message.delivered")["messageIds"] == sent[:3]
        eventually(lambda: waiting(bob) == 2 or None)
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        assert messages(live) == sent[3:]


def test_what_was_not_acknowledged_comes_again(alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(5)]
    for _ in range(3):
        with with_queue(bob) as live:
            live.wait_for("queue.empty")
            assert messages(live) == sent
            live.drop()


def test_live_messages_are_acknowledged_in_the_same_way(alice, bob):
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        sent = alice.say(bob)["messageId"]
        live.wait_for("message.new", messageId=sent)
        assert waiting(bob) == 1
        live.send({"type": "ack", "id": "a", "data": {"messageId": sent}})
        assert live.wait_for("response", id="a")["status"] == 204
        eventually(lambda: waiting(bob) == 0 or None)


def test_an_answered_acknowledgement_is_for_good(farm, alice, bob):
    """While the app that stores it stands still nothing is answered; with the answer the message is gone, also for whoever is killed next."""
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        sent = [alice.say(bob)["messageId"] for _ in range(3)]
        live.wait_for("message.new", messageId=sent[2])
        with farm.paused("whatsapp-queues"):
            live.send({"type": "ack", "id": 1, "data": {"messageIds": [sent[0]]}})
            live.send({"type": "ack", "id": 2, "data": {"messageIds": [str(uuid.uuid4())]}})
            live.send({"type": "ack", "id": 3, "data": {"messageId": sent[1]}})
            ack(live, sent[2])
            live.never("response")
        for number in 1, 2, 3:
            assert live.wait_for("response", id=number)["status"] == 204
        live.drop()
    farm.kill_all("wsrelay")
    eventually(farm.ready)
    eventually(lambda: waiting(bob) <= 1)
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        assert not set(messages(live)) & set(sent[:2])


def test_what_was_acknowledged_is_not_told_again_when_the_stream_is_filled_anew(farm, alice, bob):
    """Redis has lost the stream and the relay its memory; the sweeper repeats the last messages."""
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        had = alice.say(bob)["messageId"]
        live.wait_for("message.new", messageId=had)
        live.send({"type": "ack", "id": 1, "data": {"messageId": had}})
        assert live.wait_for("response", id=1)["status"] == 204
    entry = next(fields for _, fields in farm.redis.xrange("rt") if fields["id"] == had)
    farm.redis.delete("rt")
    farm.kill_all("wsrelay")
    eventually(farm.ready)
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        time.sleep(1.1)
        farm.redis.xadd("rt", entry)
        new = alice.say(bob)["messageId"]
        live.wait_for("message.new", messageId=new)
        assert messages(live) == [new]
        live.never("queue.empty", within=0)


def test_acknowledging_needs_no_queue(alice, bob):
    with bob.listen() as live:
        sent = alice.say(bob)["messageId"]
        live.wait_for("message.new")
        ack(live, sent)
        eventually(lambda: waiting(bob) == 0 or None)


def test_ids_that_do_not_wait_are_no_hindrance(alice, bob, carol):
    sent = [alice.say(bob)["messageId"] for _ in range(3)]
    strange = [str(uuid.uuid4()), alice.say(carol)["messageId"]]
    bob.post("/queues/ack", {"queueIds": [sent[1]]})
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        ack(live, strange[0], sent[0], sent[1], strange[1], sent[0], sent[2])
        eventually(lambda: waiting(bob) == 0 or None)
    assert waiting(carol) == 1


@pytest.mark.parametrize("data, field", [
    (None, "messageIds"), ({}, "messageIds"), ({"messageIds": []}, "messageIds"), ({"messageIds": "x"}, "messageIds"),
    ({"messageIds": ["x"]}, "messageIds"), ({"messageIds": [7]}, "messageIds"), ({"messageId": "x"}, "messageId"),
    ({"messageIds": [None, str(uuid.uuid4())]}, "messageIds")])
def test_an_acknowledgement_that_makes_no_sense_changes_nothing(alice, bob, data, field):
    alice.say(bob)
    with with_queue(bob) as live:
        live.send({"type": "ack", "data": data})
        answer = live.wait_for("response", command="ack")
        assert answer["status"] == 400 and answer["body"]["field"] == field
    assert waiting(bob) == 1


def test_each_device_has_its_own_queue(alice, bob):
    tablet = add_device(bob)
    sent = alice.say(bob)["messageId"]
    with with_queue(bob) as phone, with_queue(tablet) as other:
        for live in (phone, other):
            live.wait_for("queue.empty")
            assert messages(live) == [sent]
        ack(phone, sent)
        eventually(lambda: waiting(bob) == 0 or None)
        assert waiting(tablet) == 1
    own = bob.say(alice)["messageId"]
    with with_queue(tablet) as other, with_queue(bob) as phone:
        other.wait_for("queue.empty")
        assert messages(other) == [sent, own], "what the phone sent waits for the tablet"
        phone.wait_for("queue.empty")
        assert messages(phone) == []


def test_acknowledgements_outlive_the_death_of_the_app(farm, alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(30)]
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        for n, one in enumerate(sent):
            ack(live, one)
            if n % 10 == 5:
                farm.kill_all("whatsapp-queues")
        eventually(lambda: bob.request("GET", "/queues", query={"page": 1, "pageSize": 1}).status == 200 or None)
        eventually(lambda: waiting(bob) == 0 or None, within=20)


# ---- the window ---------------------------------------------------------------------------------


def test_no_more_are_in_flight_than_the_window_allows(alice, bob):
    sent = say_many(alice, bob, WINDOW + 60)
    with with_queue(bob) as live:
        eventually(lambda: len(messages(live)) >= WINDOW or None)
        live.never("queue.empty")
        assert messages(live) == sent[:WINDOW]
        ack(live, *sent[:10])
        eventually(lambda: len(messages(live)) >= WINDOW + 10 or None)
        live.never("queue.empty")
        assert messages(live) == sent[:WINDOW + 10]
        ack(live, *sent[10:200])
        live.wait_for("queue.empty")
        assert messages(live) == sent

        # Live messages wait too: 256 - 116 more may come, and what is behind them waits with them.
        more = say_many(alice, bob, 150)
        eventually(lambda: len(messages(live)) >= len(sent) + WINDOW - 116 or None)
        live.never("message.new", messageId=more[WINDOW - 116])
        ack(live, *messages(live))
        eventually(lambda: len(messages(live)) == len(sent + more) or None)
        assert messages(live) == sent + more


def test_acknowledging_over_rest_opens_the_window(alice, bob):
    """The relay is not told of it, and what waits comes all the same: out of the queue, and what is new."""
    sent = say_many(alice, bob, WINDOW + 40)
    with with_queue(bob) as live:
        eventually(lambda: len(messages(live)) == WINDOW or None)
        live.never("message.new", messageId=sent[WINDOW])
        bob.post("/queues/ack", {"queueIds": sent[5:25]})
        eventually(lambda: len(messages(live)) == WINDOW + 20 or None)
        live.never("queue.empty")
        bob.post("/queues/ack", {"queueIds": sent[:5] + sent[25:200]})
        live.wait_for("queue.empty")
        assert messages(live) == sent

        more = say_many(alice, bob, WINDOW)
        eventually(lambda: len(messages(live)) == WINDOW + 200 or None)
        live.never("message.new", messageId=more[160])
        bob.post("/queues/ack", {"queueIds": messages(live)[200:]})
        eventually(lambda: messages(live) == sent + more or None)
    assert waiting(bob) == len(more) - 160


@pytest.fixture(scope="module")
def narrow():
    """A farm with a window of four messages."""
    with Farm.private(LIMIT_AUTH="5000/60", RELAY_QUEUE_WINDOW="4") as farm:
        yield farm


def test_a_device_that_never_acknowledges_over_its_socket_gets_everything(narrow):
    """What the account's first device has received already is told to nobody when the second one has it."""
    alice, bob = Account.register(narrow), Account.register(narrow)
    tablet = add_device(bob)
    sent = say_many(alice, bob, 6)
    bob.post("/queues/ack", {"queueIds": sent})
    with with_queue(tablet) as live:
        done = 0
        while len(sent) < 40:
            eventually(lambda: len(messages(live)) >= min(done + 4, len(sent)) or None)
            tablet.post("/queues/ack", {"queueIds": messages(live)[done:]})
            done = len(messages(live))
            sent += say_many(alice, bob, 3)
            bob.post("/queues/ack", {"queueIds": sent[-3:]})
        eventually(lambda: messages(live) == sent or None)


def test_the_window_opens_for_a_client_of_another_surface(narrow):
    """Sentinal has no acknowledgement of its own: "message:delivered" is its operation."""
    ann, ben = User.register(narrow), User.register(narrow)
    talk = ann.direct(ben)
    sent = [ann.say(talk, ben)["id"] for _ in range(9)]
    with Live(f"ws://{ben.site.host}:{ben.site.port}/v1/ws") as live:
        live.send({"type": "auth", "token": ben.token, "queue": True})
        for one in sent:
            live.wait_for("message:new", message_id=one)
            live.send({"type": "message:delivered", "message_id": one})
        live.wait_for("queue:empty")


def test_a_window_that_stays_full_costs_little(narrow):
    """Its messages are looked up once, and again when something was acknowledged, also after a change of processes."""
    alice, bob = Account.register(narrow), Account.register(narrow)
    sent = say_many(alice, bob, 6)
    looks, found = counter(narrow, "queue_looks_total"), counter(narrow, "acks_elsewhere_total")
    with with_queue(bob) as live:
        eventually(lambda: messages(live) == sent[:4] or None)
        time.sleep(3)
        assert counter(narrow, "queue_looks_total") == looks + 1
        assert narrow.rookery("restart", "relay").returncode == 0
        eventually(lambda: counter(narrow, "queue_looks_total") == looks + 2 or None)
        bob.post("/queues/ack", {"queueIds": sent[1:4]})
        live.wait_for("queue.empty")
        assert messages(live) == sent and counter(narrow, "acks_elsewhere_total") == found + 3
        live.wait_for("message.new", messageId=alice.say(bob)["messageId"])
        time.sleep(1)
        assert counter(narrow, "queue_looks_total") == looks + 3, "nothing waits behind the full window"


def test_the_window_opens_although_the_database_was_away(narrow):
    alice, bob = Account.register(narrow), Account.register(narrow)
    sent = say_many(alice, bob, 9)
    with with_queue(bob) as live:
        eventually(lambda: messages(live) == sent[:4] or None)
        for n in (4, 8):
            narrow.kill_session()
            eventually(lambda: bob.request("POST", "/queues/ack", {"queueIds": sent[n - 4:n]}).status == 201 or None)
            eventually(lambda: messages(live) == sent[:n + 4] or None)
        live.wait_for("queue.empty")


def test_a_session_that_ends_is_ended_also_while_it_waits(farm, alice, bob):
    """Its place in the log lies before the end of the session: what counts is that the session has ended."""
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        say_many(alice, bob, WINDOW + 5)
        eventually(lambda: len(messages(live)) >= WINDOW or None)
        bob.post("/auth/logout", {})
        assert live.wait_closed() == FORBIDDEN
        assert len(messages(live)) == WINDOW


def test_what_falls_out_of_the_log_meanwhile_comes_from_the_queue():
    """A window of four, and a log of a megabyte: messages leave the log before there is room for them."""
    with Farm.private(LIMIT_AUTH="5000/60", RELAY_QUEUE_WINDOW="4", RELAY_LOG_BYTES="1m") as farm:
        alice, bob = Account.register(farm), Account.register(farm)
        with with_queue(bob) as live:
            live.wait_for("queue.empty")
            sent = [alice.say(bob, "x" * 40000)["messageId"] for _ in range(60)]
            eventually(lambda: messages(live) == sent[:4] or None)
            acknowledged = 0
            while acknowledged < len(sent):
                eventually(lambda: len(messages(live)) == min(acknowledged + 4, len(sent)) or None)
                ack(live, *sent[acknowledged:acknowledged + 4])
                acknowledged += 4
            assert messages(live) == sent and live.closed is None
            live.wait_for("queue.empty")
            last = alice.say(bob)["messageId"]
            live.wait_for("message.new", messageId=last)
            assert messages(live) == sent + [last]


def test_a_slow_device_with_large_messages_may_speak_before_it_has_read_all(farm, alice, bob):
    """Two megabytes wait; it acknowledges the first of them while nothing but the kernel's buffers has taken more."""
    sent = [alice.say(bob, "x" * 48000)["messageId"] for _ in range(32)]
    with Raw("relay", 80, unix=farm.run / "ws/whatsapp.sock") as slow:
        slow.say(type="auth", token=bob.token, queue=True)
        assert b'"ready"' in slow.until(TEXT)
        got = []
        while len(got) < len(sent):
            frame = json.loads(slow.until(TEXT))
            if frame["type"] != "message.new":
                continue
            got.append(frame["data"]["messageId"])
            slow.say(type="ack", id=len(got), data={"messageId": got[-1]})
            if len(got) < 3:
                time.sleep(0.3)
        assert got == sent
        while b"queue.empty" not in slow.until(TEXT):
            pass
        eventually(lambda: waiting(bob) == 0 or None)


# ---- the seams ----------------------------------------------------------------------------------


@pytest.mark.parametrize("resume", [False, True])
def test_nothing_is_lost_or_doubled_while_connections_come_and_go(alice, bob, resume):
    """Somebody keeps sending; the receiver acknowledges some of what came, breaks off at random, and comes back."""
    dice, sent, stop = random.Random(7), [], threading.Event()

    def send():
        while not stop.is_set():
            sent.append(alice.say(bob)["messageId"])
            time.sleep(0.005)

    sender = threading.Thread(target=send)
    sender.start()
    acknowledged, cursor, end = [], None, time.monotonic() + 8
    try:
        while time.monotonic() < end:
            with with_queue(bob, cursor if resume else None) as live:
                time.sleep(dice.random() * 0.4)
                arrived = messages(live)
                eventually(lambda: len(sent) >= len(acknowledged) + len(arrived) or None)
                assert len(set(arrived)) == len(arrived), "twice on one connection"
                assert not set(arrived) & set(acknowledged), "acknowledged, and yet again"
                assert arrived == sent[len(acknowledged):len(acknowledged) + len(arrived)], "in order, without a gap"
                some = arrived[:dice.randrange(len(arrived) + 1)]
                if some:
                    ack(live, *some)
                    acknowledged += some
                    left = set(some)
                    eventually(lambda: not left & {m["messageId"] for m in bob.get(
                        "/queues", page=1, pageSize=100)["items"]} or None)
                cursor = live.cursor
                live.drop()
    finally:
        stop.set()
        sender.join()
    with with_queue(bob, cursor if resume else None) as live:
        live.wait_for("queue.empty")
        eventually(lambda: messages(live) == sent[len(acknowledged):] or None)
    assert len(sent) > 20


def test_the_queue_waits_for_the_database(farm, alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(40)]
    with with_queue(bob) as live:
        live.wait_for("queue.empty")
        farm.kill_session()
        eventually(lambda: farm.sql("SELECT 1"), within=20)
    with eventually(lambda: with_queue(bob), within=20) as live:
        live.wait_for("queue.empty", 20)
        assert messages(live) == sent
