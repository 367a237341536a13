"""Surface sentinal: calls from the first ring to the end, who takes part, what is told to whom."""
import base64
import concurrent.futures
import time
import uuid

import pytest
from lib.farm import eventually
from lib.live import Live
from lib.people import Account
from lib.sentinal import User, named
from lib.signup import settings


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


@pytest.fixture
def cid(user):
    return user()


def direct(a, b):
    return a.direct(b)


def group(owner, *others):
    return owner.group(*others, subject="calls")


def begin(who, conversation, expect=201, kind="VIDEO", **more):
    return who.post("/calls", {"conversation_id": conversation, "type": kind, "initiator_id": who.id, **more}, expect)


@pytest.fixture
def call(farm, ann, ben):
    """A call of ann to ben that has just begun."""
    return begin(ann, direct(ann, ben))["id"]


def status(who, call, about, value, expect=200):
    return who.put(f"/calls/{call}/participants/{about.id}/status", {"status": value}, expect)


def join(call, *people):
    for who in people:
        status(who, call, who, "JOINED")


def connect(who, call, expect=200):
    return who.post(f"/calls/{call}/connected", None, expect)


def end(who, call, reason=None, expect=200):
    return who.post(f"/calls/{call}/end", {"reason": reason} if reason else {}, expect)


def state(who, call):
    return who.get(f"/calls/{call}")["status"]


def people(who, call):
    return {p["user_id"]: p["status"] for p in who.get(f"/calls/{call}/participants")["participants"]}


def missed(who):
    return [c["id"] for c in who.get("/calls/missed")["calls"]]


def active(who):
    return [c["id"] for c in who.get("/calls/active")["calls"]]


def listen(who):
    """The events as the core tells them, unrendered, on any surface's socket."""
    site = who.farm.site("whatsapp")
    live = Live(f"ws://{site.host}:{site.port}/api/v1/ws")
    live.sign_in({"token": who.token})
    return live


# ---- beginning -----------------------------------------------------------------------------------


def test_a_call_in_a_direct_conversation_calls_the_other_one(farm, ann, ben):
    conversation = direct(ann, ben)
    with listen(ben) as live:
        call = begin(ann, conversation)
        assert {k: call[k] for k in ("conversation_id", "type", "status", "initiator_id", "started_at", "duration")} == {
            "conversation_id": conversation, "type": "VIDEO", "status": "INITIATED", "initiator_id": ann.id,
            "started_at": None, "duration": 0}
        told = live.wait_for("call.created", callId=call["id"])
    assert told["initiatorId"] == ann.id and told["media"] == "video" and set(told["participantIds"]) == {ann.id, ben.id}
    assert people(ben, call["id"]) == {ann.id: "JOINED", ben.id: "INVITED"}
    assert active(ben) == active(ann) == [call["id"]]


def test_the_initiator_is_the_caller(farm, ann, ben):
    conversation = direct(ann, ben)
    named(begin(ann, conversation, 403, initiator_id=ben.id), "initiator_id")
    assert begin(ann, conversation, initiator_id=ann.id.upper())["initiator_id"] == ann.id


def test_only_members_call(farm, ann, ben, cid):
    named(begin(cid, direct(ann, ben), 403), "conversation_id")
    named(begin(cid, str(uuid.uuid4()), 404), "conversation_id")
    assert not active(ann)


def test_one_call_at_a_time_in_a_conversation(farm, ann, ben):
    conversation = direct(ann, ben)
    first = begin(ann, conversation)["id"]
    named(begin(ben, conversation, 409), "conversation_id")
    end(ann, first)
    begin(ben, conversation)


def test_two_who_call_each_other_at_once_have_one_call(farm, ann, ben):
    conversation = direct(ann, ben)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda who: who.request("POST", "/calls", {"conversation_id": conversation, "type": "AUDIO"}),
                                [ann, ben] * 4))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 7
    assert len(active(ann)) == 1


def test_in_a_group_those_who_are_named_are_called(farm, ann, ben, cid, user):
    dan = user()
    conversation = group(ann, ben, cid, dan)
    call = begin(ann, conversation, participants=[ben.id, ann.id], kind="AUDIO")["id"]
    assert people(cid, call) == {ann.id: "JOINED", ben.id: "INVITED"}
    ann.post(f"/calls/{call}/participants", {"user_id": cid.id}, 201)
    assert people(dan, call)[cid.id] == "INVITED"
    join(call, dan)
    assert people(ann, call)[dan.id] == "JOINED" and not active(User.register(farm))


def test_nobody_from_outside_is_called(farm, ann, ben, cid, user):
    conversation = group(ann, ben)
    named(begin(ann, conversation, 422, participants=[cid.id]), "participants")
    call = begin(ann, conversation)["id"]
    named(ann.post(f"/calls/{call}/participants", {"user_id": cid.id}, 422), "user_id")
    named(ann.post(f"/calls/{call}/participants", {"user_id": str(uuid.uuid4())}, 422), "user_id")
    cid.get(f"/calls/{call}", 404)
    status(cid, call, cid, "JOINED", 404)


@pytest.mark.parametrize("field, value", [("type", "TEXT"), ("conversation_id", "x"), ("participants", "x"), ("initiator_id", 7)])
def test_a_bad_field_is_named(farm, ann, ben, field, value):
    body = {"conversation_id": direct(ann, ben), "type": "AUDIO", field: value}
    named(ann.post("/calls", body, 422), field)


def test_a_call_has_room_for_so_many(farm, ann, ben, cid):
    with settings(farm, "sentinal-calls", **{"call.participants": "2"}):
        conversation = group(ann, ben, cid)
        assert "at most 2" in begin(ann, conversation, 409, participants=[ben.id, cid.id])["error"]
        call = begin(ann, conversation, participants=[ben.id])["id"]
        ann.post(f"/calls/{call}/participants", {"user_id": cid.id}, 409)
        status(cid, call, cid, "JOINED", 409)
        assert cid.id not in people(ann, call)


# ---- ringing and connecting ----------------------------------------------------------------------


def test_it_rings_when_the_other_device_says_so(ann, ben, call):
    with listen(ann) as live:
        status(ben, call, ben, "INVITED")
        assert live.wait_for("call.ringing", callId=call)["status"] == "ringing"
        status(ben, call, ben, "INVITED")
        live.never("call.ringing")
    assert state(ann, call) == "RINGING"


def test_it_rings_when_somebody_is_added(ann, ben, call):
    assert ann.post(f"/calls/{call}/participants", {"user_id": ben.id}, 201)["status"] == "INVITED"
    assert state(ben, call) == "RINGING"


def test_from_the_first_ring_to_the_end(ann, ben, call):
    with listen(ann) as live:
        connect(ann, call, 409)
        assert status(ben, call, ben, "JOINED")["joined_at"]
        told = live.wait_for("call.participant", callId=call, accountId=ben.id)
        assert told["participantStatus"] == "joined" and told["deviceId"] == ben.device
        assert state(ann, call) == "RINGING"
        connected = connect(ben, call)
        assert connected["status"] == "CONNECTED" and connected["started_at"] and connected["end_reason"] is None
        assert live.wait_for("call.connected", callId=call)["by"] == ben.id
        assert connect(ann, call)["started_at"] == connected["started_at"]
        live.never("call.connected")
        time.sleep(1.1)
        assert ann.get(f"/calls/{call}/duration")["duration"] >= 1
        ended = end(ben, call, "COMPLETED")
        assert ended["status"] == "ENDED" and ended["end_reason"] == "COMPLETED" and ended["ended_by"] == ben.id
        told = live.wait_for("call.ended", callId=call)
    assert told["reason"] == "completed" and told["endedBy"] == ben.id and told["durationSeconds"] == ended["duration"] >= 1
    assert ann.get(f"/calls/{call}/duration")["duration"] == ended["duration"]
    assert set(people(ann, call).values()) == {"LEFT"} and not active(ann) and not missed(ben)


def test_saying_connected_is_taking_the_call(ann, ben, call):
    assert connect(ben, call)["status"] == "CONNECTED"
    assert people(ann, call)[ben.id] == "JOINED"


def test_nothing_happens_in_a_call_that_has_ended(ann, ben, call):
    end(ann, call)
    for attempt in (lambda: connect(ann, call, 409), lambda: end(ben, call, expect=409),
                    lambda: status(ben, call, ben, "JOINED", 409), lambda: status(ben, call, ben, "LEFT", 409),
                    lambda: ann.post(f"/calls/{call}/participants", {"user_id": ben.id}, 409),
                    lambda: ben.put(f"/calls/{call}/participants/{ben.id}/mute", {"audio_muted": True}, 409),
                    lambda: ann.delete(f"/calls/{call}/participants/{ben.id}", None, 409),
                    lambda: signal(ann, ben, call, expect=409)):
        assert attempt()["code"] == "CONFLICT"


# ---- how it ends ---------------------------------------------------------------------------------


def test_the_caller_gives_up_and_it_is_missed(ann, ben, call):
    with listen(ben) as live:
        assert end(ann, call)["end_reason"] == "MISSED"
        assert live.wait_for("call.ended", callId=call)["reason"] == "missed"
        assert live.wait_for("call.missed", callId=call)["initiatorId"] == ann.id
    assert missed(ben) == [call] and not missed(ann)
    assert [c["seen"] for c in ben.get("/calls/missed")["calls"]] == [False]
    assert ben.post("/calls/missed/seen") == {"seen": 1} and ann.post("/calls/missed/seen") == {"seen": 0}
    assert [c["seen"] for c in ben.get("/calls/missed")["calls"]] == [True]


@pytest.mark.parametrize("how", ["end", "reason", "leave", "delete"])
def test_the_called_one_declines(ann, ben, call, how):
    with listen(ann) as live:
        if how == "leave":
            assert status(ben, call, ben, "LEFT")["status"] == "LEFT"
        elif how == "delete":
            ben.delete(f"/calls/{call}/participants/{ben.id}")
        else:
            end(ben, call, "DECLINED" if how == "reason" else None)
        assert live.wait_for("call.ended", callId=call)["reason"] == "declined"
    assert ann.get(f"/calls/{call}")["end_reason"] == "DECLINED" and not missed(ben)


@pytest.mark.parametrize("reason", ["FAILED", "TIMEOUT", "NETWORK_ERROR"])
def test_it_ends_for_other_reasons_at_any_time(farm, ann, ben, call, reason):
    assert end(ann, call, reason)["end_reason"] == reason and missed(ben) == [call]
    second = begin(ben, direct(ann, ben))["id"]
    connect(ann, second)
    assert end(ann, second, reason)["end_reason"] == reason and not missed(ann)


def test_a_reason_that_is_not_what_happened_is_refused(ann, ben, call):
    named(end(ann, call, "COMPLETED", 409), "reason")
    named(end(ann, call, "DECLINED", 409), "reason")
    connect(ben, call)
    named(end(ann, call, "MISSED", 409), "reason")
    named(end(ben, call, "DECLINED", 409), "reason")
    named(end(ann, call, "BORED", 422), "reason")
    assert state(ann, call) == "CONNECTED"
    assert end(ann, call)["end_reason"] == "COMPLETED"


def test_a_direct_call_is_over_when_one_goes(ann, ben, call):
    connect(ben, call)
    status(ann, call, ann, "LEFT")
    assert ben.get(f"/calls/{call}")["end_reason"] == "COMPLETED"


def test_a_call_of_several_is_over_when_the_last_goes(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id, cid.id])["id"]
    connect(ben, call)
    status(ann, call, ann, "LEFT")
    assert state(ben, call) == "CONNECTED"
    join(call, ann)
    status(ann, call, ann, "LEFT")
    status(ben, call, ben, "LEFT")
    assert cid.get(f"/calls/{call}")["end_reason"] == "COMPLETED"
    assert missed(cid) == [call] and not missed(ben)


def test_when_all_decline_it_is_over(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id, cid.id])["id"]
    status(ben, call, ben, "LEFT")
    assert state(ann, call) == "INITIATED"
    status(cid, call, cid, "LEFT")
    assert ann.get(f"/calls/{call}")["end_reason"] == "DECLINED" and not missed(ben) and not missed(cid)


def test_a_call_of_several_is_ended_by_who_leads_it(farm, ann, ben, cid):
    conversation = group(ann, ben, cid)
    call = begin(ben, conversation, participants=[ann.id, cid.id])["id"]
    connect(cid, call)
    end(cid, call, expect=403)
    end(ann, call)
    call = begin(ben, conversation, participants=[cid.id])["id"]
    connect(cid, call)
    end(ben, call)
    assert state(cid, call) == "ENDED"


@pytest.fixture
def old(farm):
    """Make a call as old as that."""
    def age(call, seconds):
        farm.sql("UPDATE call SET created_at = created_at - s.s, rung_at = rung_at - s.s, alive_at = alive_at - s.s,"
                 " connected_at = connected_at - s.s FROM (SELECT make_interval(secs => %s) AS s) s WHERE id = %s",
                 seconds, call)
        farm.sql("UPDATE call_participant SET invited_at = invited_at - make_interval(secs => %s) WHERE call_id = %s",
                 seconds, call)
    return age


def ended(who, call):
    return eventually(lambda: who.get(f"/calls/{call}")["end_reason"], 10)


def test_ringing_that_nobody_answers_ends(farm, ann, ben, call, old):
    status(ben, call, ben, "INVITED")
    with listen(ann) as live, listen(ben) as other:
        old(call, farm.seconds("call.ring") - 5)
        time.sleep(2.5)
        assert state(ann, call) == "RINGING"
        old(call, 6)
        assert live.wait_for("call.ended", 10, callId=call)["reason"] == "missed"
        other.wait_for("call.missed", callId=call)
    assert ann.get(f"/calls/{call}")["ended_by"] is None and missed(ben) == [call]


def test_who_does_not_answer_while_others_talk_has_missed_it(farm, ann, ben, cid, old):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id, cid.id])["id"]
    connect(ben, call)
    old(call, farm.seconds("call.ring") + 1)
    eventually(lambda: missed(cid) == [call])
    assert people(ann, call) == {ann.id: "JOINED", ben.id: "JOINED", cid.id: "LEFT"} and state(ann, call) == "CONNECTED"
    join(call, cid)
    assert not missed(cid)


def test_those_who_answered_are_not_cut_off(farm, ann, ben, call, old):
    join(call, ben)
    old(call, farm.seconds("call.ring") + 10)
    time.sleep(2.5)
    assert state(ann, call) == "RINGING"


def test_a_call_that_calls_nobody_times_out(farm, ann, ben, old):
    call = begin(ann, group(ann, ben))["id"]
    old(call, farm.seconds("call.ring") + 1)
    assert ended(ann, call) == "TIMEOUT" and not missed(ben)


def test_a_call_that_all_have_vanished_from_ends_when_they_were_last_heard(farm, ann, ben, call, old):
    connect(ben, call)
    old(call, farm.seconds("call.idle") + 100)
    assert ended(ann, call) == "TIMEOUT"
    assert ann.get(f"/calls/{call}")["duration"] < 60


def test_calls_and_measurements_are_kept_for_their_time(farm, ann, ben, call):
    connect(ben, call)
    measure(ann, call, jitter=1)
    end(ann, call)
    farm.sql("UPDATE call_quality SET measured_at = measured_at - interval '31 days' WHERE call_id = %s", call)
    farm.kill("jobs")
    eventually(lambda: ann.get(f"/calls/{call}")["quality"] is None, 20)
    farm.sql("UPDATE call SET ended_at = ended_at - interval '366 days' WHERE id = %s", call)
    farm.kill("jobs")
    eventually(lambda: not farm.sql("SELECT 1 FROM call_participant WHERE call_id = %s", call), 20)
    ann.get(f"/calls/{call}", 404)


# ---- blocks, and those who go --------------------------------------------------------------------


def block_there(a, b):
    Account(a.farm, {"accessToken": a.token, "userId": a.id}).post(f"/users/{a.id}/blocks", {"contactId": b.id})


def block_here(a, b):
    a.post(f"/users/me/contacts/{b.id}/block")


@pytest.fixture(params=[block_there, block_here], ids=["whatsapp", "sentinal"])
def block(request):
    """How somebody blocks somebody, on either surface."""
    return request.param


@pytest.mark.parametrize("blocked", ["caller", "called"])
def test_a_block_stops_calls(farm, ann, ben, block, blocked):
    conversation = direct(ann, ben)
    block(ben, ann) if blocked == "caller" else block(ann, ben)
    named(begin(ann, conversation, 403), "conversation_id")
    assert not active(ben)


def test_a_block_ends_the_call_between_the_two(farm, ann, ben, call, block):
    connect(ben, call)
    with listen(ann) as live:
        block(ben, ann)
        assert live.wait_for("call.ended", 10, callId=call)["reason"] == "completed"
    assert state(ann, call) == "ENDED"


def test_the_blocked_are_not_called_in_groups_either(farm, ann, ben, cid, block):
    conversation = group(ann, ben, cid)
    block(ben, ann)
    named(begin(ann, conversation, 403, participants=[ben.id, cid.id]), "participants")
    call = begin(ann, conversation, participants=[cid.id])["id"]
    named(ann.post(f"/calls/{call}/participants", {"user_id": ben.id}, 403), "user_id")
    join(call, ben)


def test_people_of_the_other_surface_are_called_too(farm, alice, ann):
    """Who signed up by phone hears of the call, and takes it here with the token from there."""
    conversation = alice.say(ann)["conversationId"]
    with alice.listen() as live:
        call = begin(ann, conversation)["id"]
        assert live.wait_for("call.created", callId=call)["initiatorId"] == ann.id
        there = User(farm, {"access_token": alice.token, "user_id": alice.id, "device_id": alice.device, "session_id": alice.session,
                            "refresh_token": None}, None, None)
        join(call, there)
        connect(ann, call)
        live.wait_for("call.connected", callId=call)
    alice.post(f"/users/{alice.id}/blocks", {"contactId": ann.id})
    eventually(lambda: state(ann, call) == "ENDED")


def test_who_leaves_the_group_leaves_its_call(farm, ann, ben, cid):
    conversation = group(ann, ben, cid)
    call = begin(ann, conversation, participants=[ben.id, cid.id])["id"]
    connect(ben, call)
    join(call, cid)
    with listen(ann) as live:
        ben.delete(f"/conversations/{conversation}/participants/{ben.id}")
        live.wait_for("call.participant", 10, accountId=ben.id, participantStatus="left")
        ann.delete(f"/conversations/{conversation}/participants/{cid.id}")
        live.wait_for("call.participant", 10, accountId=cid.id, participantStatus="left")
    status(ben, call, ben, "JOINED", 403)
    connect(ben, call, 403)
    signal(ben, ann, call, expect=403)
    assert people(ann, call) == {ann.id: "JOINED", ben.id: "LEFT", cid.id: "LEFT"}


def test_who_deletes_the_account_is_out_of_every_call(farm, ann, ben, cid, call):
    other = begin(cid, group(cid, ann, ben), participants=[ann.id, ben.id])["id"]
    for c in (call, other):
        connect(ben, c)
    ben.delete("/users/me")
    assert ann.get(f"/calls/{call}")["end_reason"] == "COMPLETED"
    assert people(cid, other)[ben.id] == "LEFT" and state(cid, other) == "CONNECTED"


# ---- participants --------------------------------------------------------------------------------


def test_mute_states_are_ones_own(ann, ben, call):
    join(call, ben)
    with listen(ann) as live:
        mine = ben.put(f"/calls/{call}/participants/{ben.id}/mute", {"audio_muted": True})
        assert mine["audio_muted"] is True and mine["video_muted"] is False
        told = live.wait_for("call.participant", accountId=ben.id, callId=call)
        assert told["audioMuted"] is True and told["videoMuted"] is False
        ben.put(f"/calls/{call}/participants/{ben.id}/mute", {"audio_muted": True})
        live.never("call.participant")
    named(ann.put(f"/calls/{call}/participants/{ben.id}/mute", {"audio_muted": False}, 403), "user_id")
    assert [p["audio_muted"] for p in ann.get(f"/calls/{call}/participants")["participants"] if p["user_id"] == ben.id] == [True]


def test_an_audio_call_begins_without_picture(farm, ann, ben):
    call = begin(ann, direct(ann, ben), kind="AUDIO")["id"]
    assert all(p["video_muted"] for p in ann.get(f"/calls/{call}/participants")["participants"])


def test_who_may_take_others_out(farm, ann, ben, cid, user):
    dan = user()
    call = begin(ben, group(ann, ben, cid, dan), participants=[cid.id])["id"]
    connect(cid, call)
    cid.post(f"/calls/{call}/participants", {"user_id": dan.id}, 201)
    cid.delete(f"/calls/{call}/participants/{ben.id}", None, 403)
    cid.delete(f"/calls/{call}/participants/{dan.id}")
    assert missed(dan) == [call]
    cid.delete(f"/calls/{call}/participants/{dan.id}", None, 404)
    status(dan, call, dan, "JOINED", 403)
    connect(dan, call, 403)
    assert people(ann, call)[dan.id] == "LEFT"
    status(ben, call, dan, "INVITED")
    join(call, dan)
    cid.delete(f"/calls/{call}/participants/{dan.id}", None, 403)
    status(ann, call, dan, "LEFT")
    assert people(ann, call)[dan.id] == "LEFT"


def test_nobody_acts_for_another_in_a_direct_call(ann, ben, call):
    named(status(ann, call, ben, "JOINED", 403), "user_id")
    status(ann, call, ben, "LEFT", 403)
    ann.delete(f"/calls/{call}/participants/{ben.id}", None, 403)
    assert people(ann, call)[ben.id] == "INVITED"


def test_illegal_steps_of_a_participant(ann, ben, call):
    join(call, ben)
    named(status(ben, call, ben, "INVITED", 409), "status")
    named(status(ben, call, ben, "GONE", 422), "status")


def test_only_who_is_in_it_calls_others(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid))["id"]
    ben.post(f"/calls/{call}/participants", {"user_id": cid.id}, 403)
    status(ben, call, ben, "INVITED", 404)
    ben.put(f"/calls/{call}/participants/{ben.id}/mute", {}, 404)
    end(ben, call, expect=403)


def test_other_devices_hear_that_it_was_taken(farm, ann, ben, call):
    laptop = User.login(farm, ben)
    with listen(laptop) as live:
        join(call, ben)
        assert live.wait_for("call.participant", accountId=ben.id)["deviceId"] == ben.device


# ---- lists ---------------------------------------------------------------------------------------


def test_calls_of_a_conversation_in_pages(farm, ann, ben, cid):
    conversation = group(ann, ben)
    made = []
    for who in (ann, ben, ann):
        made.insert(0, begin(who, conversation)["id"])
        end(who, made[0], "FAILED")
    first = ben.get("/calls", conversation_id=conversation, page=1, limit=2)
    assert [c["id"] for c in first["calls"]] == made[:2] and first["total"] == 3
    assert [c["id"] for c in ben.get("/calls", conversation_id=conversation, page=2, limit=2)["calls"]] == made[2:]
    assert ben.get("/calls", conversation_id=conversation, page=9, limit=2)["total"] == 3
    assert cid.get("/calls", conversation_id=conversation) == {"calls": [], "total": 0, "page": 1, "limit": 20}
    ann.post(f"/conversations/{conversation}/participants", {"user_id": cid.id})
    assert cid.get("/calls", conversation_id=conversation)["calls"] == [], "nothing from before"
    named(ben.get("/calls", 422), "conversation_id")


def test_calls_of_a_user_are_the_callers(ann, ben, cid, call):
    assert [c["id"] for c in ben.get("/calls/user", user_id=ben.id)["calls"]] == [call]
    assert [c["id"] for c in ben.get("/calls/user")["calls"]] == [call]
    assert cid.get("/calls/user", user_id=cid.id)["total"] == 0
    named(cid.get("/calls/user", 403, user_id=ben.id), "user_id")


def test_a_call_is_nothing_to_others(ann, ben, cid, call):
    for attempt in (lambda: cid.get(f"/calls/{call}", 404), lambda: cid.get(f"/calls/{call}/duration", 404),
                    lambda: cid.get(f"/calls/{call}/participants", 404), lambda: connect(cid, call, 404),
                    lambda: end(cid, call, expect=404), lambda: status(cid, call, cid, "JOINED", 404),
                    lambda: status(cid, call, ben, "LEFT", 404), lambda: signal(cid, ben, call, expect=404),
                    lambda: cid.post(f"/calls/{call}/participants", {"user_id": cid.id}, 404),
                    lambda: cid.delete(f"/calls/{call}/participants/{ben.id}", None, 404),
                    lambda: cid.put(f"/calls/{call}/participants/{cid.id}/mute", {}, 404),
                    lambda: measure(cid, call, 404, jitter=1)):
        assert attempt()["code"] == "NOT_FOUND"
    assert state(ann, call) == "INITIATED"


# ---- signals -------------------------------------------------------------------------------------


def signal(who, to, call, kind="ice", expect=201, data="Y2FuZGlkYXRl", **more):
    return who.post(f"/calls/{call}/signals", {"to_id": to.id, "signal_type": kind, "data": data, **more}, expect)


def test_offer_answer_and_candidates_reach_the_other_one_alone(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id, cid.id])["id"]
    with listen(ben) as to, listen(cid) as other, listen(ann) as back:
        signal(ann, ben, call, "offer", data="djA=")
        told = to.wait_for("call.signal", callId=call)
        assert {k: told[k] for k in ("fromId", "fromDeviceId", "toId", "signalType", "data")} == {
            "fromId": ann.id, "fromDeviceId": ann.device, "toId": ben.id, "signalType": "offer", "data": "djA="}
        assert state(ann, call) == "RINGING"
        signal(ben, ann, call, "answer")
        assert back.wait_for("call.signal", callId=call)["signalType"] == "answer"
        assert people(ann, call) == {ann.id: "JOINED", ben.id: "JOINED", cid.id: "INVITED"}
        sent = signal(ben, ann, call, "ice")
        assert back.wait_for("call.signal", signalType="ice")["id"] == sent["id"]
        other.never("call.signal")
    assert not farm.sql("SELECT 1 FROM event WHERE type = 'call.signal'"), "kept nowhere"


def test_the_same_over_the_socket(ann, ben, call):
    """What clients say there is carried out by the same operation."""
    with ann.listen() as caller, ben.listen() as called:
        caller.send({"type": "call:offer", "call_id": call, "from_id": ann.id, "to_id": ben.id, "signal_type": "offer",
                     "data": "b2ZmZXI="})
        assert called.wait_for("call:offer", call_id=call)["data"] == "b2ZmZXI="
        called.send({"type": "call:answer", "call_id": call, "from_id": ben.id, "to_id": ann.id, "signal_type": "answer",
                     "data": "YW5zd2Vy"})
        assert caller.wait_for("call:answer", call_id=call)["from_id"] == ben.id
        connect(ann, call)
        end(ben, call)
        told = caller.wait_for("call:ended", call_id=call)
    assert told["reason"] == "completed" and told["ended_by"] == told["user_id"] == ben.id


def test_a_signal_to_one_device(farm, ann, ben, call):
    laptop = User.login(farm, ben)
    with listen(ben) as phone, listen(laptop) as live:
        signal(ann, ben, call, "offer", to_device=laptop.device)
        assert live.wait_for("call.signal", callId=call)["toDeviceId"] == laptop.device
        phone.never("call.signal")
    named(signal(ann, ben, call, expect=404, to_device=ann.device), "to_device")


def test_signals_are_for_participants(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id])["id"]
    signal(cid, ann, call, expect=403)
    named(signal(ann, cid, call, expect=404), "to_id")
    named(signal(ann, ann, call, expect=422), "to_id")
    named(signal(ann, ben, call, expect=403, from_id=ben.id), "from_id")
    named(signal(ann, ben, call, "shout", expect=422), "signal_type")
    named(signal(ann, ben, call, data="not base64!", expect=422), "data")
    named(signal(ann, ben, call, data="A" * 65537, expect=422), "data")
    signal(ann, ben, call, data="A" * 65536)
    signal(ann, ben, call, data="A" * (1 << 17), expect=413)
    status(ben, call, ben, "LEFT")
    # ben's refusal was the last: the call is over
    signal(ann, ben, call, expect=409)


def test_signals_do_not_reach_who_has_left(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id, cid.id])["id"]
    connect(ben, call)
    status(ben, call, ben, "LEFT")
    named(signal(ann, ben, call, expect=404), "to_id")
    signal(ben, ann, call, expect=403)


# ---- quality -------------------------------------------------------------------------------------


def measure(who, call, expect=201, **figures):
    return who.post("/calls/quality", {"call_id": call, "user_id": who.id, **figures}, expect)


def test_measurements_are_kept_and_summed_up(ann, ben, cid, call):
    connect(ben, call)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    got = measure(ann, call, timestamp=now, packet_loss=0.01, jitter=15.5, latency=45.2, bitrate=2500000, frame_rate=30,
                  resolution="1920x1080", audio_level=-20.5)
    assert got["user_id"] == ann.id and got["bitrate"] == 2500000 and got["latency"] == 45.2
    measure(ben, call, packet_loss=0.03, jitter=20.5)
    assert ben.get(f"/calls/{call}")["quality"] == {
        "samples": 2, "packet_loss": 0.02, "jitter": 18.0, "latency": 45.2, "bitrate": 2500000, "frame_rate": 30.0,
        "audio_level": -20.5}
    measure(ann, call, timestamp=now, packet_loss=0.05)
    assert ann.get(f"/calls/{call}")["quality"]["samples"] == 2
    end(ann, call)
    measure(ann, call, latency=9)


def test_measurements_are_of_those_who_took_part(farm, ann, ben, cid):
    call = begin(ann, group(ann, ben, cid), participants=[ben.id])["id"]
    measure(ben, call, 404, jitter=1)
    named(measure(cid, call, 404, jitter=1), "call_id")
    named(measure(ann, call, 403, jitter=1, user_id=ben.id), "user_id")
    assert cid.get(f"/calls/{call}")["quality"] is None
    measure(ann, call, jitter=1)
    assert cid.get(f"/calls/{call}")["quality"] is None and ben.get(f"/calls/{call}")["quality"]["samples"] == 1


@pytest.mark.parametrize("field, value", [
    ("packet_loss", 1.5), ("packet_loss", -0.1), ("jitter", -1), ("latency", 10**6), ("bitrate", -1), ("frame_rate", 2000),
    ("resolution", "large"), ("audio_level", 3), ("timestamp", "yesterday"), ("timestamp", "2020-01-01T00:00:00Z"),
    ("timestamp", "2099-01-01T00:00:00Z")])
def test_measurements_out_of_range_are_refused(farm, ann, ben, call, field, value):
    named(measure(ann, call, 422, **{"jitter": 1, field: value}), field)
    assert ann.get(f"/calls/{call}")["quality"] is None


def test_nothing_measured_is_nothing_recorded(ann, ben, call):
    measure(ann, call, 422)


def test_measurements_end_an_hour_after_the_call(farm, ann, ben, call):
    end(ann, call)
    farm.sql("UPDATE call SET ended_at = ended_at - interval '61 minutes', created_at = created_at - interval '2 hours'"
             " WHERE id = %s", call)
    measure(ann, call, 409, jitter=1)


def test_base64_of_descriptions_is_taken_whole(ann, ben, call):
    sdp = base64.b64encode(b"v=0\r\n" * 2000).decode()
    with listen(ben) as live:
        signal(ann, ben, call, "offer", data=sdp)
        assert live.wait_for("call.signal", callId=call)["data"] == sdp
