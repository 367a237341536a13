"""Blocks: from the moment one stands, neither side reaches the other; when it ends, both do again."""
import threading
import uuid

import pytest

from lib.devices import add_device
from lib.people import phone, refused

CIPHER = "c2VhbGVk"


def block(blocker, other, expect=201, **more):
    return blocker.post(f"/users/{blocker.id}/blocks", {"contactId": other.id, **more}, expect)


def unblock(blocker, other, expect=200):
    return blocker.delete(f"/users/{blocker.id}/blocks/{other.id}", expect=expect)


def post(sender, conversation, expect=201):
    return sender.post(f"/conversations/{conversation}/messages", {
        "ciphertext": CIPHER, "clientMessageId": str(uuid.uuid4())}, expect)


def find(finder, other, expect):
    return finder.post("/contacts", {"identifierType": "userId", "identifierValue": other.id}, expect)


# ---- what a block stops -------------------------------------------------------------------------


def test_neither_side_sends_to_the_other(alice, bob):
    conversation = alice.say(bob)["conversationId"]
    block(alice, bob)
    with alice.listen() as live, bob.listen() as other:
        for sender, receiver in ((alice, bob), (bob, alice)):
            sender.say(receiver, expect=403)
            post(sender, conversation, 403)
        live.never("message.new")
        other.never("message.new", within=0)
        unblock(alice, bob)
        for sender, receiver, socket in ((alice, bob, other), (bob, alice, live)):
            socket.wait_for("message.new", messageId=sender.say(receiver)["messageId"])
            post(sender, conversation)


def test_no_first_message_opens_a_conversation(alice, bob):
    block(alice, bob)
    alice.say(bob, expect=403)
    bob.say(alice, expect=403)
    assert alice.get("/conversations/sync", page=1, pageSize=9)["conversations"] == []
    unblock(alice, bob)
    assert bob.say(alice)["seq"] == 1


def test_forwarding_does_not_get_around_it(alice, bob, carol):
    message = carol.say(bob)["messageId"]
    block(alice, bob)
    bob.post(f"/messages/{message}/forward", {"recipients": [{"userId": alice.id}]}, 403)


def test_a_block_by_each_needs_an_end_by_each(alice, bob):
    block(alice, bob)
    block(bob, alice)
    unblock(alice, bob)
    for sender, receiver in ((alice, bob), (bob, alice)):
        sender.say(receiver, expect=403)
    unblock(bob, alice)
    alice.say(bob)
    bob.say(alice)


def test_neither_side_takes_prekeys_of_the_other(alice, bob):
    for account in (alice, bob):
        account.publish_keys(one_time=5)
    block(alice, bob)
    for taker, owner in ((alice, bob), (bob, alice)):
        taker.get(f"/crypto/prekeys/{owner.id}", 404)
    unblock(alice, bob)
    for taker, owner in ((alice, bob), (bob, alice)):
        taker.get(f"/crypto/prekeys/{owner.id}", 200)


def test_to_who_is_blocked_the_blocker_does_not_exist(farm, alice, bob):
    token = alice.post("/users/me/qr-codes", {})["deepLink"].rpartition("/")[2]
    username = f"alice{uuid.uuid4().hex[:12]}"
    farm.sql("UPDATE account SET username = %s WHERE id = %s", username, alice.id)
    block(alice, bob)
    book = {"contacts": [{"contactId": "a", "phoneNumber": alice.phone}]}
    absent = bob.post("/contacts", {"identifierType": "phoneNumber", "identifierValue": phone()}, 404)
    for kind, value in (("phoneNumber", alice.phone), ("userId", alice.id), ("username", username)):
        hidden = bob.post("/contacts", {"identifierType": kind, "identifierValue": value}, 404)
        assert {**hidden, "instance": ""} == {**absent, "instance": ""}, "the refusal tells that there is an account"
    bob.post("/contacts/qr", {"qrToken": token}, 404)
    assert bob.post("/contacts/sync", book)["matchedUsers"] == []
    unblock(alice, bob)
    assert bob.post("/contacts/sync", book)["matchedUsers"][0]["userId"] == alice.id
    bob.post("/contacts/qr", {"qrToken": token}, 201)


def test_who_blocks_still_finds_the_other(alice, bob):
    block(alice, bob)
    find(alice, bob, 201)
    assert alice.post("/contacts/sync", {"contacts": [{"contactId": "b", "phoneNumber": bob.phone}]})["matchedUsers"]
    alice.say(bob, expect=403)


def test_an_invitation_to_who_has_blocked_looks_like_any_other_and_does_not_arrive(farm, alice, bob):
    block(alice, bob)
    body = {"channel": "sms", "destination": alice.phone}
    made = bob.post("/contacts/invitations", body, 201)
    assert made["status"] == "queued"
    assert bob.post("/contacts/invitations", body, 201)["invitationId"] == made["invitationId"]
    waiting = farm.sql("SELECT id::text FROM invitation WHERE status = 'queued'")
    assert made["invitationId"] not in [row["id"] for row in waiting]


def test_who_is_blocked_brings_the_blocker_into_no_group(alice, bob, carol):
    block(alice, bob)
    bob.post("/groups", {"name": "trap", "memberIds": [carol.id, alice.id]}, 403)
    group = bob.group(carol)
    bob.post(f"/groups/{group}/members", {"memberIds": [alice.id]}, 403)
    assert alice.get("/groups", page=1, pageSize=5)["total"] == 0
    unblock(alice, bob)
    bob.post(f"/groups/{group}/members", {"memberIds": [alice.id]}, 201)


def test_in_groups_both_go_on(alice, bob, carol):
    group = carol.group(alice, bob)
    block(alice, bob)
    sent = post(bob, group)["messageId"]
    assert alice.get(f"/conversations/{group}/messages", page=1, pageSize=5)["items"][0]["messageId"] == sent


def test_others_are_not_concerned(alice, bob, carol):
    block(alice, bob)
    for one, other in ((alice, carol), (carol, alice), (bob, carol), (carol, bob)):
        one.say(other)


def test_nothing_gets_through_once_the_block_is_answered(alice, bob):
    """Eight senders go on while the block is made: what is sent after its answer is refused, every time."""
    conversation = alice.say(bob)["conversationId"]
    blocked, stop, late = threading.Event(), threading.Event(), []

    def send():
        while not stop.is_set():
            after = blocked.is_set()
            reply = bob.request("POST", f"/conversations/{conversation}/messages", {
                "ciphertext": CIPHER, "clientMessageId": str(uuid.uuid4())})
            if after:
                late.append(reply.status)

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    block(alice, bob)
    blocked.set()
    while len(late) < 50:
        stop.wait(0.01)
    stop.set()
    for sender in senders:
        sender.join()
    assert set(late) == {403}
    seqs = [item["seq"] for item in alice.get(f"/conversations/{conversation}/messages", page=1, pageSize=100)["items"]]
    assert seqs == list(range(seqs[0], seqs[-1] - 1, -1)), "refused messages left gaps"


# ---- the list -----------------------------------------------------------------------------------


def test_the_list_shows_who_is_blocked_the_newest_first(farm, account, alice, bob, carol):
    farm.sql("UPDATE account SET display_name = 'Bob himself' WHERE id = %s", bob.id)
    alice.post("/contacts", {"identifierType": "userId", "identifierValue": carol.id, "displayName": "Caro"})
    first, second, third = block(alice, bob, reason="spam"), block(alice, carol), block(alice, account())
    assert first["userId"] == alice.id and first["contactId"] == bob.id
    pages = [alice.get(f"/users/{alice.id}/blocks", page=page, pageSize=2) for page in (1, 2, 3)]
    assert [[item["blockId"] for item in page["items"]] for page in pages] == [
        [third["blockId"], second["blockId"]], [first["blockId"]], []]
    assert {page["totalItems"] for page in pages} == {3}
    shown = pages[1]["items"][0]
    assert shown["displayName"] == "Bob himself" and shown["reason"] == "spam" and shown["createdAt"] == first["createdAt"]
    assert pages[0]["items"][1]["displayName"] == "Caro" and pages[0]["items"][1]["reason"] is None
    assert bob.get("/users/me/blocks")["totalItems"] == 0
    unblock(alice, carol)
    assert alice.get("/users/me/blocks")["totalItems"] == 2


def test_own_devices_learn_of_it_and_the_blocked_do_not(alice, bob):
    tablet = add_device(alice)
    with tablet.listen() as own, alice.listen() as acting, bob.listen() as other:
        block(alice, bob)
        own.wait_for("contact.blocked", contactId=bob.id)
        unblock(alice, bob)
        own.wait_for("contact.unblocked", contactId=bob.id)
        for socket in (acting, other):
            socket.never("contact.blocked", within=0.2)
            socket.never("contact.unblocked", within=0)


def test_a_block_stands_once(alice, bob):
    block(alice, bob)
    refused(block(alice, bob, 409), "contactId")
    answer = unblock(alice, bob)
    assert answer["userId"] == alice.id and answer["contactId"] == bob.id and answer["deleted"] is True
    unblock(alice, bob, 404)
    unblock(bob, alice, 404)
    block(alice, bob)


def test_who_cannot_be_blocked(alice):
    refused(block(alice, alice, 403), "contactId")
    for other, status in ((str(uuid.uuid4()), 404), ("bob", 400), ("", 400), (None, 400), (7, 400)):
        refused(alice.post("/users/me/blocks", {"contactId": other}, status), "contactId")
    refused(alice.post("/users/me/blocks", {}, 400), "contactId")
    refused(alice.post("/users/me/blocks", {"contactId": alice.id, "reason": "r" * 501}, 400), "reason")
    assert alice.get("/users/me/blocks")["items"] == []


def test_nobody_blocks_for_somebody_else(alice, bob, carol):
    alice.post(f"/users/{bob.id}/blocks", {"contactId": carol.id}, 403)
    alice.get(f"/users/{bob.id}/blocks", 404)
    block(bob, carol)
    alice.delete(f"/users/{bob.id}/blocks/{carol.id}", expect=403)
    carol.say(bob, expect=403)


@pytest.mark.parametrize("query, field", [({"page": 0}, "page"), ({"pageSize": 101}, "pageSize"), ({"page": "x"}, "page")])
def test_pages_must_make_sense(alice, query, field):
    refused(alice.get("/users/me/blocks", 400, **query), field)
    alice.delete("/users/me/blocks/x", expect=400)
