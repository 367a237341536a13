"""Surface sentinal: its WebSocket, and that what happens on one surface is told on the other."""
import base64
import json
import re
import time
import uuid

import pytest
import websockets
from lib.farm import eventually
from lib.live import Live
from lib.people import b64
from lib.sentinal import User

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


@pytest.fixture
def talk(ann, ben):
    return ann.direct(ben)


def url(person, **query):
    return f"ws://{person.site.host}:{person.site.port}/v1/ws" + "".join(f"?{k}={v}" for k, v in query.items())


def documented(event, **members):
    """The event has the documented members, and a timestamp."""
    assert STAMP.fullmatch(event["timestamp"]), event
    assert {k: event.get(k) for k in members} == members, event
    return event


# ---- signing in ----------------------------------------------------------------------------------


def test_the_three_documented_ways_in(ann):
    for live in (Live(url(ann, token=ann.token)), Live(url(ann), extra_headers={"Authorization": f"Bearer {ann.token}"}),
                 ann.listen()):
        with live:
            ready = live.hello or live.wait_for("ready")
            assert ready["user_id"] == ann.id and ready["session_id"] == ann.session


@pytest.mark.parametrize("first", [{"type": "auth", "token": "Bearer nonsense"}, {"type": "auth"}, {"type": "ping"}])
def test_nobody_gets_in_without_a_token(ann, first):
    with Live(url(ann)) as live:
        live.send(first)
        eventually(lambda: live.closed in (4400, 4401), 5)


def test_a_bad_token_in_the_query_is_refused(ann):
    with Live(url(ann, token="nonsense")) as live:
        eventually(lambda: live.closed == 4401, 5)


def test_tokens_in_queries_are_in_no_log(farm, ann):
    with Live(url(ann, token=ann.token)) as live:
        live.wait_for("ready")
    for path in (farm.run / "log").glob("*"):
        assert ann.token[-40:] not in path.read_text(errors="replace"), path


def test_the_end_of_a_session_ends_its_sockets(farm, ann):
    other = User.login(farm, ann)
    with other.listen() as live, ann.listen() as mine:
        ann.post("/auth/logout", {"session_id": other.session})
        eventually(lambda: live.closed == 4403, 5)
        assert mine.closed is None


def test_ten_connections_and_no_more(farm, user):
    ann = user()
    lives = [ann.listen() for _ in range(10)]
    try:
        with Live(url(ann)) as one_more:
            one_more.send({"type": "auth", "token": ann.token})
            eventually(lambda: one_more.closed == 4429, 5)
    finally:
        for live in lives:
            live.__exit__(None, None, None)


def test_ten_new_connections_a_minute(farm, user):
    ann = user()
    for _ in range(10):
        with ann.listen():
            pass
    with Live(url(ann)) as one_more:
        one_more.send({"type": "auth", "token": ann.token})
        eventually(lambda: one_more.closed == 4429, 5)


def test_a_connection_that_answers_no_ping_is_closed(farm, ann):
    with ann.listen() as live:
        live.connection.transport.pause_reading()
        time.sleep(farm.seconds("relay.idle") + farm.seconds("relay.ping"))
        live.connection.transport.resume_reading()
        eventually(lambda: live.closed == 4408, 5)


# ---- messages ------------------------------------------------------------------------------------


def test_a_message_arrives_with_what_is_for_this_device(farm, ann, ben, talk):
    tablet = User.login(farm, ben)
    with ben.listen() as phone, tablet.listen() as slate, ann.listen() as own:
        sent = ann.say(talk, ben, tablet)
        for person, live in ((ben, phone), (tablet, slate)):
            event = live.wait_for("message:new", message_id=sent["id"])
            documented(event, user_id=ann.id, sender_id=ann.id, conversation_id=talk,
                       content=b64(f"hello for {person.device}".encode()), sequence_number=1, message_type="text")
            assert json.loads(base64.b64decode(event["header"]))["counter"] == 1
        own.never("message:new")


def test_receipts_reach_the_sender(ann, ben, talk):
    sent = ann.say(talk, ben)
    with ann.listen() as live:
        ben.post(f"/messages/{sent['id']}/delivered")
        documented(live.wait_for("message:delivered", message_id=sent["id"]), user_id=ben.id, recipient_id=ben.id,
                   conversation_id=talk)
        ben.post(f"/messages/{sent['id']}/read")
        documented(live.wait_for("message:read", message_id=sent["id"]), user_id=ben.id, reader_id=ben.id,
                   conversation_id=talk)


def test_edits_and_deletions_are_told_too(ann, ben, talk):
    sent = ann.say(talk, ben)
    with ben.listen() as live:
        ann.put(f"/messages/{sent['id']}", {"ciphertext": b64(b"new")})
        documented(live.wait_for("message:edited", message_id=sent["id"]), content=b64(b"new"), user_id=ann.id)
        ann.delete(f"/messages/{sent['id']}")
        documented(live.wait_for("message:deleted", message_id=sent["id"]), user_id=ann.id, conversation_id=talk)


def test_a_reader_who_keeps_it_to_themself(farm, ann, ben, talk):
    sent = ann.say(talk, ben)
    farm.sql("UPDATE account SET read_receipts = false WHERE id = %s", ben.id)
    with ann.listen() as live:
        ben.post(f"/messages/{sent['id']}/read")
        live.never("message:read")


# ---- commands ------------------------------------------------------------------------------------


def test_messages_can_be_sent_and_acknowledged_over_the_socket(ann, ben, talk):
    with ann.listen() as mine, ben.listen() as live:
        mine.send({"type": "message:send", "id": 7, "conversation_id": talk, "ciphertexts": [
            {"recipient_device_id": ben.device, "ciphertext": "aGk="}]})
        sent = mine.wait_for("response", id=7)
        assert sent["status"] == 201 and sent["command"] == "message:send"
        live.wait_for("message:new", message_id=sent["body"]["data"]["id"], content="aGk=")
        live.send({"type": "message:read", "message_id": sent["body"]["data"]["id"]})
        mine.wait_for("message:read", message_id=sent["body"]["data"]["id"])


def test_a_refused_command_is_answered_in_the_surfaces_shape(ann):
    with ann.listen() as live:
        live.send({"type": "message:read", "message_id": str(uuid.uuid4())})
        error = live.wait_for("error")
        assert error["success"] is False and error["code"] == "NOT_FOUND" and error["command"] == "message:read"
        for nonsense in ({"type": "no:such"}, {"no": "type"}, [1], "text"):
            live.send(nonsense if isinstance(nonsense, str) else json.dumps(nonsense))
            assert live.wait_for("error")["success"] is False
        live.send({"type": "ping"})
        live.wait_for("pong")


# ---- typing and presence -------------------------------------------------------------------------


def test_typing_is_told_to_the_others_and_ends(farm, ann, ben, talk, user):
    stranger = user()
    with ann.listen() as mine, ben.listen() as live, stranger.listen() as other:
        mine.send({"type": "typing:started", "conversation_id": talk})
        documented(live.wait_for("typing:started"), user_id=ann.id, conversation_id=talk, is_typing=True,
                   display_name=ann.names["display_name"], expires_in_seconds=farm.seconds("typing.expire"))
        mine.send({"type": "typing:stopped", "conversation_id": talk})
        documented(live.wait_for("typing:stopped"), user_id=ann.id, conversation_id=talk, is_typing=False,
                   display_name=ann.names["display_name"])
        other.send({"type": "typing:started", "conversation_id": talk})
        assert other.wait_for("error")["success"] is False
        for watching in (mine, live, other):
            watching.never("typing:started", within=0.2)


def test_typing_expires_by_itself(farm, ann, ben, talk):
    with ann.listen() as mine, ben.listen() as live:
        mine.send({"type": "typing:started", "conversation_id": talk})
        live.wait_for("typing:started")
        live.wait_for("typing:stopped", timeout=farm.seconds("typing.expire") + 3, user_id=ann.id)


def test_somebody_is_online_until_the_last_device_has_gone(farm, ann, ben, talk):
    ann.say(talk, ben)
    laptop = User.login(farm, ann)
    with ben.listen() as live:
        live.wait_for("presence:offline", user_id=ann.id)  # how it is when one connects
        with ann.listen():
            documented(live.wait_for("presence:online", user_id=ann.id), is_online=True, status="online")
            with laptop.listen():
                pass
            live.never("presence:offline", within=farm.seconds("presence.grace") + 0.5)
        documented(live.wait_for("presence:offline", timeout=farm.seconds("presence.grace") + 5, user_id=ann.id),
                   is_online=False, status="offline")


def test_somebody_may_be_offline_though_connected(farm, ann, ben, talk):
    ann.say(talk, ben)
    with ann.listen() as mine, ben.listen() as live:
        live.wait_for("presence:online", user_id=ann.id)
        mine.send({"type": "presence:offline", "status": "offline"})
        live.wait_for("presence:offline", timeout=farm.seconds("presence.grace") + 5, user_id=ann.id)
        mine.send({"type": "presence:online", "status": "online"})
        live.wait_for("presence:online", user_id=ann.id)


# ---- calls ---------------------------------------------------------------------------------------


def test_signals_go_to_the_named_participant_alone(ann, ben, talk, user):
    stranger = user()
    call = ann.post("/calls", {"conversation_id": talk, "type": "VIDEO", "initiator_id": ann.id})["id"]
    with ann.listen() as caller, ben.listen() as callee, stranger.listen() as other:
        for who, whom, kind in ((caller, callee, "offer"), (callee, caller, "answer"), (caller, callee, "ice")):
            me, you = (ann, ben) if who is caller else (ben, ann)
            who.send({"type": f"call:{kind}", "call_id": call, "from_id": me.id, "to_id": you.id, "signal_type": kind,
                      "data": b64(kind.encode()), "timestamp": "2025-01-01T12:00:00Z", "user_id": me.id})
            documented(whom.wait_for(f"call:{kind}"), call_id=call, user_id=me.id, from_id=me.id, to_id=you.id,
                       signal_type=kind, data=b64(kind.encode()))
            who.never(f"call:{kind}", within=0.1)
        assert not [f for f in other.frames if f["type"].startswith("call:")]
        other.send({"type": "call:offer", "call_id": call, "from_id": stranger.id, "to_id": ben.id,
                    "signal_type": "offer", "data": "aGk="})
        assert other.wait_for("error")["success"] is False
        callee.never("call:offer")
        ann.post(f"/calls/{call}/connected")
        ann.post(f"/calls/{call}/end", {"reason": "COMPLETED"})
        ended = documented(callee.wait_for("call:ended", call_id=call), conversation_id=talk, ended_by=ann.id,
                           user_id=ann.id, reason="completed")
        assert ended["duration_seconds"] >= 0


def test_nobody_signals_in_anothers_name(ann, ben, talk):
    call = ann.post("/calls", {"conversation_id": talk, "type": "AUDIO", "initiator_id": ann.id})["id"]
    with ann.listen() as caller, ben.listen() as callee:
        caller.send({"type": "call:offer", "call_id": call, "from_id": str(uuid.uuid4()), "to_id": ben.id,
                     "signal_type": "offer", "data": "aGk="})
        assert "from_id" in caller.wait_for("error")["error"]
        callee.never("call:offer")


# ---- across surfaces -----------------------------------------------------------------------------


def test_a_message_from_the_other_surface_is_message_new_here(ann, alice):
    with ann.listen() as live:
        sent = alice.say(ann, "hello")
        documented(live.wait_for("message:new", message_id=sent["messageId"]), sender_id=alice.id, user_id=alice.id,
                   content=b64(b"hello"), conversation_id=sent["conversationId"])


def test_a_message_from_here_is_message_new_there(ann, alice):
    talk = ann.direct(alice)
    with alice.listen() as live:
        sent = ann.say(talk, alice)
        event = live.wait_for("message.new", messageId=sent["id"])
        assert event["ciphertext"] == b64(f"hello for {alice.device}".encode()) and event["senderId"] == ann.id


def test_receipts_cross_surfaces(ann, alice):
    talk = ann.direct(alice)
    with ann.listen() as live:
        sent = ann.say(talk, alice)
        alice.post(f"/conversations/{talk}/read", {"seq": sent["sequence_number"]})
        documented(live.wait_for("message:read", message_id=sent["id"]), reader_id=alice.id)


# ---- resuming ------------------------------------------------------------------------------------


def test_a_connection_goes_on_where_the_one_before_ended(ann, ben, talk):
    with ben.listen() as live:
        cursor = live.hello["cursor"]
    sent = [ann.say(talk, ben, text=str(n)) for n in range(3)]
    with Live(url(ben)) as later:
        later.send({"type": "auth", "token": ben.token, "resume": cursor})
        assert later.wait_for("ready")["recovered"] is True
        for one in sent:
            later.wait_for("message:new", message_id=one["id"])
        assert [f["sequence_number"] for f in later.frames if f["type"] == "message:new"] == [1, 2, 3]


def test_foreign_pages_may_not_connect(ann):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        Live(url(ann), origin="https://evil.example")
    assert refused.value.status_code == 403
