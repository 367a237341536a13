"""Reading: pages of a conversation, jumping to a date, what waits for a device, synchronisation."""
import json
import uuid

import pytest

from lib.people import b64, refused


@pytest.fixture
def talk(alice, bob):
    """Twelve messages of Alice and Bob; the conversation's id."""
    for n in range(12):
        sent = (alice, bob)[n % 2].say((bob, alice)[n % 2], f"text {n}")
    return sent["conversationId"]


def page(reader, conversation, number=1, size=5, **more):
    return reader.get(f"/conversations/{conversation}/messages", page=number, pageSize=size, **more)


def test_pages_run_from_the_newest_back(alice, talk):
    seqs = [m["seq"] for n in (1, 2, 3) for m in page(alice, talk, n)["items"]]
    assert seqs == list(range(12, 0, -1))
    last = page(alice, talk, 3)
    assert (last["page"], last["pageSize"], last["total"], len(last["items"])) == (3, 5, 12, 2)
    assert page(alice, talk, 4)["items"] == [] and page(alice, talk, 4)["total"] == 12


def test_a_date_is_jumped_to_in_both_directions(farm, alice, talk):
    for seq in range(1, 13):
        farm.sql("UPDATE message SET created_at = timestamptz '2026-03-01' + %s * interval '1 day'"
                 " WHERE conversation_id = %s AND seq = %s", seq, talk, seq)
    forward = page(alice, talk, date="2026-03-08T12:00:00Z")
    assert [m["seq"] for m in forward["messages"]] == [8, 9, 10, 11, 12] and forward["totalCount"] == 5
    assert forward["direction"] == "forward" and forward["anchorDate"] == "2026-03-08T12:00:00.000Z"
    backward = page(alice, talk, 2, 3, date="2026-03-08T12:00:00Z", direction="backward")
    assert [m["seq"] for m in backward["messages"]] == [4, 3, 2] and backward["totalCount"] == 7
    assert page(alice, talk, date="2027-01-01T00:00:00Z")["messages"] == []


def test_pages_show_messages_as_events_do(farm, alice, bob):
    sent = [alice.say(bob, 'with "quotes", \\ and\nlines') for _ in range(6)]
    ids = [m["messageId"] for m in sent]
    alice.delete(f"/messages/{ids[0]}", query={"scope": "everyone"})
    farm.sql("UPDATE message SET reply_to_id = %s, ttl_seconds = 5, expires_at = now() + interval '1 day', reaction_count = 2,"
             " body = E'\\x01\\b\\t\\r \u00e4\U0001f600\\x7f' WHERE id = %s", ids[0], ids[1])
    for meta, which in (('{"caption": "x \\"y\\"", "viewOnce": true}', ids[1]), ("{}", ids[2]),
                        ('{"messageId": "forged", "caption": "z"}', ids[3])):
        farm.sql("UPDATE message SET meta = %s WHERE id = %s", meta, which)
    farm.sql("UPDATE message SET created_at = '1999-12-31 23:59:59.9876+00', sender_device_id = NULL WHERE id = %s", ids[4])
    told = {row["json"]["messageId"]: row["json"] for row in farm.sql(
        "SELECT message_json(m) AS json FROM message m WHERE conversation_id = %s", sent[0]["conversationId"])}
    listed, synced = page(bob, sent[0]["conversationId"], size=50)["items"], sync(bob)["messages"]
    assert {m["messageId"]: m for m in listed} == {m["messageId"]: m for m in synced} == told and len(told) == 6
    raw = bob.request("GET", f"/conversations/{sent[0]['conversationId']}/messages", query={"page": 1, "pageSize": 50})
    json.loads(raw.body, object_pairs_hook=lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs)
               else pytest.fail(f"a name stands twice: {pairs}"))


def test_what_has_expired_says_nothing(farm, alice, bob):
    sent = alice.say(bob)
    farm.sql("UPDATE message SET expires_at = now(), meta = '{\"caption\": \"x\"}' WHERE id = %s", sent["messageId"])
    for message in (page(bob, sent["conversationId"])["items"][0], sync(bob)["messages"][0]):
        assert message["messageId"] == sent["messageId"] and not {"ciphertext", "caption"} & message.keys()


def test_bad_parameters_are_named(alice, talk):
    refused(page(alice, talk, 0, expect=400), "page")
    refused(page(alice, talk, 1, 101, expect=400), "pageSize")
    refused(page(alice, talk, date="yesterday", expect=400), "date")
    refused(page(alice, talk, direction="forward", expect=400), "date")
    refused(page(alice, talk, date="2026-01-01T00:00:00Z", direction="up", expect=400), "direction")
    refused(alice.get(f"/conversations/{talk}/messages", page=1, expect=400), "pageSize")


def test_a_stranger_reads_nothing(carol, talk):
    page(carol, talk, expect=403)
    page(carol, str(uuid.uuid4()), expect=404)


def test_a_member_sees_what_was_sent_while_a_member(alice, bob, carol):
    group = alice.group(bob)
    say = lambda text: alice.post(f"/group-chats/{group}/messages", {"ciphertext": b64(text)})["messageId"]
    before = say(b"before")
    alice.post(f"/groups/{group}/members", {"memberIds": [carol.id]})
    during = say(b"during")
    assert [m["messageId"] for m in page(carol, group)["items"]] == [during]
    carol.get(f"/messages/{before}/reactions", page=1, pageSize=5, expect=404)
    alice.delete(f"/groups/{group}/members/{carol.id}")
    say(b"after")
    page(carol, group, expect=403)


# ---- the queue of a device ----------------------------------------------------------------------


def queue(reader, **more):
    return reader.get("/messages", page=1, pageSize=50, **more)


def test_a_message_waits_until_it_is_acknowledged(alice, bob):
    queue(bob, expect=404)
    first, second = alice.say(bob, "one"), alice.say(bob, "two")
    assert [m["messageId"] for m in queue(bob)["items"]] == [first["messageId"], second["messageId"]]
    with alice.listen() as live:
        bob.post(f"/messages/{second['messageId']}/ack", {"deviceId": bob.device}, 201)
        told = live.wait_for("message.delivered")["data"]
    assert told["messageIds"] == [second["messageId"]] and told["userId"] == bob.id
    waiting = queue(bob)
    assert [m["messageId"] for m in waiting["items"]] == [first["messageId"]] and waiting["totalItems"] == 1
    bob.post(f"/messages/{first['messageId']}/ack", {"deviceId": bob.device}, 201)
    queue(bob, expect=404)


def test_a_page_behind_the_last_is_empty(alice, bob):
    alice.say(bob)
    behind = bob.get("/messages", page=9, pageSize=10)
    assert behind["items"] == [] and behind["totalItems"] == 1


def test_acknowledging_takes_ones_own_device_and_message(alice, bob, carol):
    sent = alice.say(bob)
    path = f"/messages/{sent['messageId']}/ack"
    refused(bob.post(path, {}, 400), "deviceId")
    refused(bob.post(path, {"deviceId": alice.device}, 400), "deviceId")
    carol.post(path, {"deviceId": carol.device}, 404)
    bob.post(f"/messages/{uuid.uuid4()}/ack", {"deviceId": bob.device}, 404)
    assert queue(bob)["totalItems"] == 1


# ---- synchronisation ----------------------------------------------------------------------------


def sync(reader, what="messages", size=50, **more):
    return reader.get(f"/{what}/sync", page=1, pageSize=size, **more)


def test_a_cursor_goes_on_where_it_stopped(alice, bob):
    first = alice.say(bob, "one")
    state = sync(bob)
    assert [m["messageId"] for m in state["messages"]] == [first["messageId"]] and state["hasMore"] is False
    assert sync(bob, cursor=state["nextCursor"])["messages"] == []

    alice.put(f"/messages/{first['messageId']}", {"ciphertext": "edited"})
    second = alice.say(bob, "two")
    news = sync(bob, cursor=state["nextCursor"])
    assert {m["messageId"] for m in news["messages"]} == {first["messageId"], second["messageId"]}
    assert next(m for m in news["messages"] if m["messageId"] == first["messageId"])["ciphertext"] == "edited"


def test_small_pages_bring_everything_once(alice, bob, talk):
    seen, cursor, more = [], None, True
    while more:
        part = sync(alice, size=5, **({"cursor": cursor} if cursor else {}))
        seen += [m["seq"] for m in part["messages"]]
        cursor, more = part["nextCursor"], part["hasMore"]
    assert sorted(seen) == list(range(1, 13))


def test_since_leaves_out_what_is_older(alice, bob):
    alice.say(bob)
    assert sync(bob, since="2099-01-01T00:00:00Z")["messages"] == []
    assert len(sync(bob, since="2020-01-01T00:00:00Z")["messages"]) == 1


def test_conversations_tell_what_changed(alice, bob):
    sent = alice.say(bob)
    state = sync(bob, "conversations")
    [one] = state["conversations"]
    assert one["conversationId"] == sent["conversationId"] and one["lastMessageId"] == sent["messageId"]
    assert one["userId"] == alice.id
    assert sync(bob, "conversations", cursor=state["nextCursor"])["conversations"] == []
    group = alice.group(bob)
    news = sync(bob, "conversations", cursor=state["nextCursor"])["conversations"]
    assert [c["conversationId"] for c in news] == [group]


@pytest.mark.parametrize("what", ["messages", "conversations"])
def test_sync_refuses_what_is_no_cursor(alice, what):
    refused(sync(alice, what, cursor="nonsense", expect=400), "cursor")
    refused(sync(alice, what, since="nonsense", expect=400), "since")
    refused(alice.get(f"/{what}/sync", pageSize=5, expect=400), "page")


def test_synchronised_messages_are_acknowledged_together(alice, bob, carol):
    ids = [alice.say(bob)["messageId"] for _ in range(3)]
    foreign = alice.say(carol)["messageId"]
    path = "/messages/sync/ack"
    refused(bob.post(path, {"messageIds": [ids[0], foreign]}, 400), "messageIds")
    assert queue(bob)["totalItems"] == 3
    assert bob.post(path, {"messageIds": ids[:2], "lastSyncTimestamp": "2026-06-01T00:00:00Z"}, 201)["acknowledgedCount"] == 2
    assert [m["messageId"] for m in queue(bob)["items"]] == ids[2:]
    refused(bob.post(path, {"messageIds": ids[2:], "lastSyncTimestamp": "2026-05-01T00:00:00Z"}, 409), "lastSyncTimestamp")
    refused(bob.post(path, {"messageIds": ids[2:], "lastSyncTimestamp": "2099-01-01T00:00:00Z"}, 409), "lastSyncTimestamp")
    refused(bob.post(path, {"messageIds": []}, 400), "messageIds")
    refused(bob.post(path, {"messageIds": ["x"]}, 400), "messageIds[0]")


# ---- reading ------------------------------------------------------------------------------------


def test_reading_tells_those_who_wrote(alice, bob, talk):
    with alice.listen() as live:
        assert bob.post(f"/conversations/{talk}/read", {"seq": 3}, 200)["readSeq"] == 3
        assert live.wait_for("message.read")["data"]["seq"] == 3
        bob.post(f"/conversations/{talk}/read", {}, 200)
        assert live.wait_for("message.read", seq=12)["data"]["userId"] == bob.id
        assert bob.post(f"/conversations/{talk}/read", {"seq": 1}, 200)["readSeq"] == 12


def test_without_read_receipts_nobody_is_told(farm, alice, bob, talk):
    farm.sql("UPDATE account SET read_receipts = false WHERE id = %s", bob.id)
    with alice.listen() as live:
        bob.post(f"/conversations/{talk}/read", {}, 200)
        live.never("message.read")


def test_a_stranger_reads_no_conversation(carol, talk):
    carol.post(f"/conversations/{talk}/read", {}, 403)
    carol.post(f"/conversations/{uuid.uuid4()}/read", {}, 404)
