"""What happens to a message after it was sent: edits, deletion, reactions, self-destruction."""
import uuid

import pytest

from lib.farm import eventually
from lib.people import refused


@pytest.fixture
def sent(alice, bob):
    """A message from Alice to Bob."""
    return alice.say(bob)


@pytest.fixture
def path(sent):
    return f"/messages/{sent['messageId']}"


def shown(reader, sent):
    items = reader.get(f"/conversations/{sent['conversationId']}/messages", page=1, pageSize=50)["items"]
    return next(m for m in items if m["messageId"] == sent["messageId"])


# ---- edits --------------------------------------------------------------------------------------


def test_an_edit_reaches_everybody(alice, bob, sent, path):
    with bob.listen() as live:
        answer = alice.put(path, {"ciphertext": "second", "nonce": "n", "editedAt": "2026-01-01T00:00:00Z"}, 200)
        data = live.wait_for("message.edited")["data"]
    assert answer["version"] == 2 and answer["status"] == "accepted"
    assert data["ciphertext"] == "second" and data["version"] == 2 and data["nonce"] == "n"
    assert shown(bob, sent)["ciphertext"] == "second" and "editedAt" in shown(bob, sent)


def test_an_edit_made_twice_counts_once(alice, bob, sent, path):
    body = {"ciphertext": "second", "clientEditId": str(uuid.uuid4())}
    alice.put(path, body, 200)
    refused(alice.put(path, body, 409), "clientEditId")
    alice.put(path, {"ciphertext": "third", "version": 1}, 409)
    assert shown(bob, sent)["version"] == 2


def test_only_the_sender_edits(farm, alice, bob, carol, sent, path):
    bob.put(path, {"ciphertext": "x"}, 403)
    carol.put(path, {"ciphertext": "x"}, 404)
    refused(alice.put(path, {}, 400), "ciphertext")
    refused(alice.put(path, {"ciphertext": "x" * (farm.size("message.max") + 1)}, 413), "ciphertext")
    alice.put(f"/messages/{uuid.uuid4()}", {"ciphertext": "x"}, 404)
    assert shown(bob, sent)["version"] == 1


# ---- deletion -----------------------------------------------------------------------------------


def test_a_deleted_message_leaves_a_tombstone(alice, bob, sent, path):
    with bob.listen() as live:
        assert alice.delete(path, {"reason": "typo"}, 200)["status"] == "deleted"
        assert live.wait_for("message.deleted")["data"]["reason"] == "typo"
    stone = shown(bob, sent)
    assert "ciphertext" not in stone and "deletedAt" in stone
    bob.get("/messages", page=1, pageSize=5, expect=404)
    alice.delete(path, expect=409)
    alice.put(path, {"ciphertext": "x"}, 404)


def test_a_receiver_deletes_for_themself_alone(alice, bob, sent, path):
    bob.delete(path, expect=403)
    bob.request("DELETE", path, query={"scope": "me"})
    assert "ciphertext" not in shown(bob, sent) and "ciphertext" in shown(alice, sent)
    assert bob.request("DELETE", path, query={"scope": "me"}).status == 409
    assert bob.request("DELETE", path, query={"scope": "all"}).status == 400


def test_an_admin_deletes_in_a_group(alice, bob, carol):
    group = alice.group(bob, carol)
    sent = bob.post(f"/group-chats/{group}/messages", {"ciphertext": "x"})
    carol.delete(f"/messages/{sent['messageId']}", expect=403)
    alice.delete(f"/messages/{sent['messageId']}", expect=200)


def test_a_stranger_deletes_nothing(carol, path):
    carol.delete(path, expect=404)


# ---- reactions ----------------------------------------------------------------------------------


def test_a_reaction_comes_and_goes(alice, bob, path):
    with alice.listen() as live:
        mine = bob.post(f"{path}/reactions", {"emoji": "👍🏽", "encryptedPayload": "p", "clientMessageId": "c"}, 201)
        assert live.wait_for("reaction.added")["data"]["emoji"] == "👍🏽"
        [listed] = alice.get(f"{path}/reactions", page=1, pageSize=5)["items"]
        assert listed["reactionId"] == mine["reactionId"] and listed["encryptedPayload"] == "p"
        refused(bob.post(f"{path}/reactions", {"emoji": "👍🏽"}, 409), "emoji")
        alice.delete(f"{path}/reactions/{mine['reactionId']}", expect=403)
        bob.delete(f"{path}/reactions/{mine['reactionId']}", {"clientMessageId": "d"}, 200)
        live.wait_for("reaction.removed")
    assert alice.get(f"{path}/reactions", page=1, pageSize=5)["totalItems"] == 0
    bob.delete(f"{path}/reactions/{mine['reactionId']}", expect=404)


@pytest.mark.parametrize("emoji", ["", "ok", "1", "👍 and text", "👍" * 20])
def test_only_an_emoji_is_a_reaction(bob, path, emoji):
    refused(bob.post(f"{path}/reactions", {"emoji": emoji}, 400), "emoji")


def test_a_stranger_neither_reacts_nor_sees_reactions(carol, path):
    carol.post(f"{path}/reactions", {"emoji": "👍"}, 404)
    carol.get(f"{path}/reactions", page=1, pageSize=5, expect=404)
    refused(carol.get(f"{path}/reactions", page=0, pageSize=5, expect=400), "page")
    assert carol.request("DELETE", f"{path}/reactions/nonsense").status == 400


# ---- self-destruction ---------------------------------------------------------------------------


def test_a_policy_changes_until_delivery(alice, bob, carol, sent, path):
    answer = alice.patch(f"{path}/self-destruct", {"ttlSeconds": 60}, 200)
    assert answer["selfDestruct"]["ttlSeconds"] == 60
    assert shown(bob, sent)["ttlSeconds"] == 60
    refused(alice.patch(f"{path}/self-destruct", {}, 400), "ttlSeconds")
    refused(alice.patch(f"{path}/self-destruct", {"ttlSeconds": 0}, 400), "ttlSeconds")
    refused(alice.patch(f"{path}/self-destruct", {"expiresAt": "2020-01-01T00:00:00Z"}, 400), "expiresAt")
    bob.patch(f"{path}/self-destruct", {"ttlSeconds": 60}, 403)
    carol.patch(f"{path}/self-destruct", {"ttlSeconds": 60}, 404)
    bob.post(f"{path}/ack", {"deviceId": bob.device})
    alice.patch(f"{path}/self-destruct", {"ttlSeconds": 90}, 403)


def gone(farm, sent):
    return farm.sql("SELECT body FROM message WHERE id = %s", sent["messageId"])[0]["body"] is None


def test_a_message_destroys_itself_after_delivery(farm, alice, bob):
    sent = alice.say(bob, selfDestruct={"ttlSeconds": 1})
    with alice.listen() as live:
        bob.post(f"/messages/{sent['messageId']}/ack", {"deviceId": bob.device})
        live.wait_for("message.deleted", timeout=15, messageId=sent["messageId"])
    eventually(lambda: gone(farm, sent))
    assert "ciphertext" not in shown(bob, sent)


def test_a_message_destroys_itself_at_a_moment(farm, alice, bob):
    from datetime import datetime, timedelta, timezone
    soon = (datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat()
    sent = alice.say(bob, selfDestruct={"expiresAt": soon})
    eventually(lambda: gone(farm, sent), within=15)
    bob.get("/messages", page=1, pageSize=5, expect=404)
