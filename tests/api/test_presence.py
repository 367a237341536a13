"""Typing and presence: who is told, who is not, and what ends by itself."""
import time
import uuid

import pytest

from lib.devices import add_device
from lib.farm import Farm, eventually
from lib.live import Live
from lib.people import Account, refused
from lib.relay import counter


@pytest.fixture(scope="module")
def brisk():
    """A farm where typing expires and absence is believed soon, with two relay processes."""
    with Farm.private(LIMIT_AUTH="5000/60", TYPING_EXPIRE="1s", PRESENCE_GRACE="1s", PRESENCE_EXPIRE="3s", LIMIT_TYPING="12/60",
                      TYPING_MEMBERS="4", PRESENCE_WATCH="5", LIMIT_PRESENCE="20/60", RELAY_PROCESSES="2") as farm:
        yield farm


@pytest.fixture
def person(brisk):
    return lambda: Account.register(brisk)


def connect(account, **more):
    """A WebSocket, and Redis knows of it: who follows the account now is told that it is online."""
    live = Live(f"ws://{account.site.host}:{account.site.port}/api/v1/ws")
    live.sign_in({"token": account.token, **more})
    eventually(lambda: account.farm.redis.scard(f"on:{account.id}") or None)
    return live


def types(live, conversation, kind="typing.start"):
    live.send({"type": kind, "data": {"conversationId": conversation}})


def follow(live, *accounts):
    live.send({"type": "presence.subscribe", "data": {"userIds": [account.id for account in accounts]}})


def refusal(live, command):
    answer = live.wait_for("response", command=command)
    assert answer["id"] is None
    return answer


def last_seen(account):
    return account.farm.sql("SELECT last_seen_at FROM account WHERE id = %s", account.id)[0]["last_seen_at"]


# ---- typing -------------------------------------------------------------------------------------


def test_typing_reaches_the_other_and_ends_when_said(person):
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    tablet = add_device(bob)
    with connect(alice) as one, connect(bob) as two, connect(tablet) as three:
        types(one, conversation)
        for live in (two, three):
            told = live.wait_for("typing.started", conversationId=conversation, userId=alice.id, deviceId=alice.device)
            assert told["expiresInSeconds"] == 1 and "cursor" not in told
        types(one, conversation, "typing.stop")
        for live in (two, three):
            live.wait_for("typing.stopped", conversationId=conversation, userId=alice.id)
        one.never("typing.stopped")


def test_typing_ends_by_itself(person):
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    with connect(alice) as one, connect(bob) as two:
        types(one, conversation)
        two.wait_for("typing.started")
        since = time.monotonic()
        two.wait_for("typing.stopped", 4)
        assert 0.7 < time.monotonic() - since < 3


def test_typing_goes_on_while_somebody_types(person):
    """Repeated in time for those who let it expire, but not with every keystroke."""
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    with connect(alice) as one, connect(bob) as two:
        for _ in range(20):
            types(one, conversation)
            time.sleep(0.1)
        two.never("typing.stopped", within=0)
        started = [f for f in two.frames if f["type"] == "typing.started"]
        assert 3 <= len(started) <= 6, len(started)
        two.wait_for("typing.stopped", 4)


@pytest.mark.parametrize("end", ["close", "drop"])
def test_typing_ends_when_the_connection_does(person, end):
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    with connect(bob) as two:
        one = connect(alice)
        types(one, conversation)
        two.wait_for("typing.started")
        getattr(one, end)()
        two.wait_for("typing.stopped", 0.8)


def test_typing_ends_with_the_message(person):
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    with connect(alice) as one, connect(bob) as two:
        types(one, conversation)
        two.wait_for("typing.started")
        sent = alice.say(bob)["messageId"]
        two.wait_for("message.new", messageId=sent)
        two.wait_for("typing.stopped", 0.8)


def test_only_members_type_and_only_members_see_it(person):
    alice, bob, carol, eve = (person() for _ in range(4))
    group = alice.group(bob, carol)
    with connect(alice) as one, connect(bob) as two, connect(carol) as three, connect(eve) as outside:
        types(outside, group)
        assert refusal(outside, "typing.start")["status"] == 403
        types(outside, str(uuid.uuid4()))
        assert refusal(outside, "typing.start")["status"] == 403
        types(one, group)
        for live in (two, three):
            live.wait_for("typing.started", conversationId=group, userId=alice.id)
        outside.never("typing.started")
        one.never("typing.started", within=0)
        assert not [f for f in two.frames if f["type"] == "typing.started" and f["data"]["userId"] == eve.id]


def test_who_leaves_neither_types_nor_sees_it_any_more(person):
    alice, bob, carol = person(), person(), person()
    group = alice.group(bob, carol)
    with connect(alice) as one, connect(bob) as two, connect(carol) as three:
        types(one, group)
        types(two, group)
        three.wait_for("typing.started", userId=alice.id)
        three.wait_for("typing.started", userId=bob.id)
        bob.delete(f"/groups/{group}/members/me")
        three.wait_for("member.left")
        two.frames.clear(), two.taken.clear()
        time.sleep(1.2)
        types(two, group)
        assert refusal(two, "typing.start")["status"] == 403
        types(one, group)
        three.wait_for("typing.started", userId=alice.id)
        two.never("typing.started")


def test_who_joins_sees_typing_at_once(person):
    alice, bob, carol = person(), person(), person()
    group = alice.group(bob)
    with connect(alice) as one, connect(bob) as two, connect(carol) as three:
        types(one, group)
        two.wait_for("typing.started")
        alice.post(f"/groups/{group}/members", {"memberIds": [carol.id]})
        three.wait_for("member.added")
        types(one, group, "typing.stop")
        types(one, group)
        three.wait_for("typing.started", userId=alice.id)


def test_blocked_pairs_see_nothing_of_each_other(person):
    alice, bob, carol = person(), person(), person()
    direct, group = alice.say(bob)["conversationId"], alice.group(bob, carol)
    with connect(alice) as one, connect(bob) as two, connect(carol) as three:
        types(one, direct)
        types(one, group)
        two.wait_for("typing.started", conversationId=direct)
        two.wait_for("typing.started", conversationId=group)
        bob.post(f"/users/{bob.id}/blocks", {"contactId": alice.id})
        time.sleep(0.3)
        two.frames.clear(), two.taken.clear(), three.frames.clear(), three.taken.clear()
        for _ in range(3):
            types(one, direct)
            types(one, group)
            types(two, direct)
            types(two, group)
            time.sleep(0.2)
        three.wait_for("typing.started", userId=alice.id, conversationId=group)
        three.wait_for("typing.started", userId=bob.id, conversationId=group)
        one.never("typing.started", within=1.5)
        two.never("typing.started", within=0)
        bob.delete(f"/users/{bob.id}/blocks/{alice.id}")
        time.sleep(0.3)
        types(one, direct)
        two.wait_for("typing.started", conversationId=direct)


def test_large_conversations_are_not_told(person):
    alice, *others = (person() for _ in range(5))
    group = alice.group(*others)
    with connect(alice) as one, connect(others[0]) as two:
        types(one, group)
        assert refusal(one, "typing.start")["status"] == 403
        two.never("typing.started", within=0)


def test_typing_is_limited(person):
    """Twelve times a minute is the limit here; what is beyond is not told, and costs nobody anything."""
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    with connect(alice) as one, connect(bob) as two:
        types(one, conversation)
        two.wait_for("typing.started")
        for _ in range(40):
            types(one, conversation, "typing.stop")
            types(one, conversation)
        time.sleep(0.5)
        assert len([f for f in two.frames if f["type"] == "typing.started"]) == 12
        one.send({"type": "ping"})
        one.wait_for("pong")


@pytest.mark.parametrize("data", [None, {}, {"conversationId": 7}, {"conversationId": "x"}, {"conversationId": [str(uuid.uuid4())]}])
@pytest.mark.parametrize("kind", ["typing.start", "typing.stop"])
def test_typing_nowhere_names_the_field(person, kind, data):
    with connect(person()) as live:
        live.send({"type": kind, "data": data})
        answer = refusal(live, kind)
        assert answer["status"] == 400 and answer["body"]["field"] == "conversationId"


def test_keystrokes_do_not_reach_the_database(brisk, person):
    alice, bob = person(), person()
    conversation = alice.say(bob)["conversationId"]
    with connect(alice) as one, connect(bob) as two:
        types(one, conversation)
        two.wait_for("typing.started")
        before = counter(brisk, "typing_lookups_total")
        assert before > 0
        for _ in range(150):
            types(one, conversation)
        two.wait_for("typing.stopped", 4)
        assert counter(brisk, "typing_lookups_total") == before


# ---- presence -----------------------------------------------------------------------------------


def test_following_tells_how_it_stands_and_what_changes(person):
    alice, bob = person(), person()
    with connect(alice) as one:
        follow(one, bob)
        assert "lastSeenAt" not in one.wait_for("presence.offline", userId=bob.id)
        with connect(bob):
            one.wait_for("presence.online", userId=bob.id)
        went = time.time()
        told = one.wait_for("presence.offline", userId=bob.id)
        assert 0.7 < time.time() - went < 4 and told["lastSeenAt"].endswith("Z")
        eventually(lambda: last_seen(bob) is not None or None)
        assert abs(last_seen(bob).timestamp() - went) < 1
    with connect(alice) as one:
        follow(one, bob)
        assert one.wait_for("presence.offline", userId=bob.id)["lastSeenAt"][:22] == told["lastSeenAt"][:22]


def test_an_account_is_online_with_any_of_its_devices(person):
    alice, bob = person(), person()
    tablet = add_device(bob)
    with connect(alice) as one:
        follow(one, bob)
        one.wait_for("presence.offline")
        phone, other = connect(bob), connect(tablet)
        one.wait_for("presence.online")
        phone.close()
        one.never("presence.offline", within=2)
        other.drop()
        one.wait_for("presence.offline", 4)
        one.never("presence.online", within=0)


def test_who_is_back_soon_was_never_away(person):
    alice, bob = person(), person()
    with connect(alice) as one:
        follow(one, bob)
        one.wait_for("presence.offline")
        live = connect(bob)
        one.wait_for("presence.online")
        for _ in range(5):
            live.drop()
            live = connect(bob)
        one.never("presence.offline", within=1.6)
        one.never("presence.online", within=0)
        live.close()


def test_away_is_not_online(person):
    alice, bob = person(), person()
    with connect(alice) as one, connect(bob) as two:
        follow(one, bob)
        one.wait_for("presence.online")
        two.send({"type": "presence.set", "data": {"status": "away"}})
        one.wait_for("presence.offline", 4)
        two.send({"type": "presence.set", "data": {"status": "away"}})
        two.send({"type": "presence.set", "id": 1, "data": {"status": "online"}})
        assert two.wait_for("response", id=1)["status"] == 204
        one.wait_for("presence.online")
        two.send({"type": "presence.set", "data": {"status": "dancing"}})
        assert refusal(two, "presence.set")["body"]["field"] == "status"
    with connect(alice) as one, connect(bob) as two:
        two.send({"type": "presence.set", "data": {"status": "away"}})
        follow(one, bob)
        one.wait_for("presence.offline", 4)


def test_partners_are_followed_on_request(person):
    alice, bob, carol = person(), person(), person()
    alice.say(bob)
    with connect(alice, presence=True) as one, connect(alice) as without:
        one.wait_for("presence.offline", userId=bob.id)
        with connect(bob), connect(carol):
            one.wait_for("presence.online", userId=bob.id)
            one.never("presence.online")
            without.never("presence.online", within=0)
            one.send({"type": "presence.unsubscribe", "data": {"userIds": [bob.id]}})
            time.sleep(0.2)
        one.never("presence.offline", within=2)


def setting(account, visibility, **lists):
    return account.put(f"/users/{account.id}/presence-visibility", {"visibility": visibility, **lists})


@pytest.mark.parametrize("visibility, seen_by_contact, seen_by_stranger", [
    ("everyone", True, True), ("contacts", True, False), ("nobody", False, False)])
def test_the_setting_decides_who_is_told(person, visibility, seen_by_contact, seen_by_stranger):
    bob, contact, stranger = person(), person(), person()
    bob.post("/contacts", {"identifierType": "userId", "identifierValue": contact.id})
    setting(bob, visibility)
    with connect(contact) as one, connect(stranger) as two:
        follow(one, bob)
        follow(two, bob)
        with connect(bob):
            for live, seen in ((one, seen_by_contact), (two, seen_by_stranger)):
                if seen:
                    live.wait_for("presence.online", userId=bob.id)
                else:
                    live.never("presence.online")
        time.sleep(1.6)
        for live, seen in ((one, seen_by_contact), (two, seen_by_stranger)):
            kinds = [f["type"] for f in live.frames if f["type"].startswith("presence.")]
            assert ("presence.offline" in kinds) == seen, "who may not know is told nothing at all"


def test_custom_lists_allow_and_deny(person):
    bob, alice, carol = person(), person(), person()
    path = f"/users/{bob.id}/presence-visibility"
    with connect(alice) as one, connect(carol) as two, connect(bob):
        follow(one, bob)
        follow(two, bob)
        one.wait_for("presence.online")
        two.wait_for("presence.online")
        set_to = setting(bob, "custom", customDenyList=[alice.id])
        assert set_to["customDenyListCount"] == 1 and set_to["customAllowListCount"] == 0
        assert "lastSeenAt" not in one.wait_for("presence.offline")
        two.never("presence.offline")
        setting(bob, "custom", customAllowList=[alice.id])
        one.wait_for("presence.online")
        two.wait_for("presence.offline")
        assert [u["userId"] for u in bob.get(path + "/allowed-users", page=1, pageSize=10)["items"]] == [alice.id]
        assert bob.get(path + "/denied-users", page=1, pageSize=10)["total"] == 0
        setting(bob, "custom", customAllowList=[], customDenyList=[carol.id])
        assert bob.get(path)["visibility"] == "custom"
        assert [u["userId"] for u in bob.get(path + "/denied-users", page=1, pageSize=10)["items"]] == [carol.id]
        setting(bob, "everyone")
        two.wait_for("presence.online")


def test_a_setting_that_makes_no_sense_changes_nothing(person):
    bob, alice = person(), person()
    path = f"/users/{bob.id}/presence-visibility"
    before = setting(bob, "contacts")
    for body, status, field in (({"visibility": "friends"}, 400, "visibility"), ({}, 400, None),
                                ({"customAllowList": [alice.id]}, 409, "visibility"),
                                ({"visibility": "nobody", "customDenyList": [alice.id]}, 409, "visibility"),
                                ({"visibility": "custom", "customAllowList": [alice.id], "customDenyList": [alice.id]}, 400,
                                 "customDenyList"),
                                ({"visibility": "custom", "customAllowList": [str(uuid.uuid4())]}, 400, "customAllowList"),
                                ({"visibility": "custom", "customDenyList": [bob.id]}, 400, "customDenyList")):
        refused(bob.put(path, body, expect=status), field=field)
    assert bob.get(path) == before


def test_blocks_hide_both_from_each_other_at_once(person):
    alice, bob = person(), person()
    with connect(alice) as one, connect(bob) as two:
        follow(one, bob)
        follow(two, alice)
        one.wait_for("presence.online")
        two.wait_for("presence.online")
        bob.post(f"/users/{bob.id}/blocks", {"contactId": alice.id})
        for live in (one, two):
            assert "lastSeenAt" not in live.wait_for("presence.offline")
        two.close()
        time.sleep(1.6)
        assert [f["type"] for f in one.frames if f["type"].startswith("presence.")] == ["presence.online", "presence.offline"]
        with connect(bob):
            one.never("presence.online")
            bob.delete(f"/users/{bob.id}/blocks/{alice.id}")
            one.wait_for("presence.online")


def test_who_does_not_exist_and_who_hides_look_the_same(person):
    alice, bob = person(), person()
    setting(bob, "nobody")
    with connect(alice) as one, connect(bob):
        one.send({"type": "presence.subscribe", "id": 1, "data": {"userIds": [bob.id]}})
        one.send({"type": "presence.subscribe", "id": 2, "data": {"userIds": [str(uuid.uuid4())]}})
        assert one.wait_for("response", id=1)["status"] == one.wait_for("response", id=2)["status"] == 204
        time.sleep(0.4)
        assert not [f for f in one.frames if f["type"].startswith("presence.")]


@pytest.mark.parametrize("kind", ["presence.subscribe", "presence.unsubscribe"])
@pytest.mark.parametrize("data", [None, {}, {"userIds": []}, {"userIds": "x"}, {"userIds": ["x"]}, {"userIds": [None]}])
def test_following_nobody_names_the_field(person, kind, data):
    with connect(person()) as live:
        live.send({"type": kind, "data": data})
        answer = refusal(live, kind)
        assert answer["status"] == 400 and answer["body"]["field"] == "userIds"


def test_a_connection_follows_a_bounded_number(person):
    alice, bob = person(), person()
    with connect(alice) as one:
        one.send({"type": "presence.subscribe", "data": {"userIds": [str(uuid.uuid4()) for _ in range(6)]}})
        assert refusal(one, "presence.subscribe")["status"] == 422
        one.send({"type": "presence.subscribe", "data": {"userIds": [str(uuid.uuid4()) for _ in range(5)]}})
        follow(one, bob)
        assert refusal(one, "presence.subscribe")["status"] == 422


def test_beginning_to_follow_is_limited(person):
    """Whoever asks about the same people over and over is told so; twenty a minute are the limit here."""
    alice, bob = person(), person()
    with connect(alice) as one, connect(bob):
        for _ in range(20):
            follow(one, bob)
            one.wait_for("presence.online", userId=bob.id)
        follow(one, bob)
        assert refusal(one, "presence.subscribe")["status"] == 429
        one.never("presence.online", within=0)


def test_a_killed_relay_leaves_nobody_online_for_ever(brisk, person):
    """Who came back meanwhile stays online, who did not goes offline."""
    alice, bob, carol = person(), person(), person()
    gone, back = connect(bob), connect(carol)
    brisk.kill_all("wsrelay")
    gone.wait_closed(), back.wait_closed()
    with eventually(lambda: connect(carol), within=15), eventually(lambda: connect(alice), within=15) as one:
        follow(one, bob, carol)
        one.wait_for("presence.online", userId=carol.id)
        one.wait_for("presence.offline", 12, userId=bob.id)
        one.never("presence.offline", within=3.5, userId=carol.id)
        assert last_seen(bob) is not None


def test_a_new_binary_takes_over_and_nobody_notices(brisk, person):
    """Following, typing and being away go along; nobody seems to come or go."""
    alice, bob, carol, dave = (person() for _ in range(4))
    conversation = alice.say(bob)["conversationId"]
    with connect(alice) as one, connect(bob) as two, connect(carol), connect(dave) as four:
        four.send({"type": "presence.set", "data": {"status": "away"}})
        follow(one, bob, carol, dave)
        one.wait_for("presence.online", userId=bob.id)
        one.wait_for("presence.online", userId=carol.id)
        one.wait_for("presence.offline", 4, userId=dave.id)
        types(one, conversation)
        two.wait_for("typing.started")
        before = len(one.frames)
        assert brisk.rookery("restart", "wsrelay").returncode == 0
        time.sleep(5)
        assert not [f for f in one.frames[before:] if f["type"].startswith("presence.")]
        four.send({"type": "presence.set", "data": {"status": "online"}})
        one.wait_for("presence.online", userId=dave.id)
        two.close()
        assert "lastSeenAt" in one.wait_for("presence.offline", 4, userId=bob.id)
        stopped = [f["type"] for f in two.frames if f["type"].startswith("typing.")]
        assert stopped[-1] == "typing.stopped" and stopped.count("typing.stopped") == 1


def test_presence_survives_the_loss_of_redis(brisk, person):
    alice, bob, carol = person(), person(), person()
    with connect(alice) as one, connect(bob) as two, connect(carol) as three:
        follow(one, bob, carol)
        one.wait_for("presence.online", userId=bob.id)
        one.wait_for("presence.online", userId=carol.id)
        brisk.redis.flushall()
        three.close()
        brisk.kill("redis")
        one.wait_for("presence.offline", 15, userId=carol.id)
        one.never("presence.offline", within=4, userId=bob.id)
        two.close()
        one.wait_for("presence.offline", 15, userId=bob.id)
