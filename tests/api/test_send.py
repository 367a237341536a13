"""Sending: every documented form, who may, what a repetition answers, and that the message arrives."""
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.people import b64, refused

CIPHER = b64(b"sealed")


def fresh():
    return str(uuid.uuid4())


def media(farm, owner, kind="image"):
    """A file as the upload operations leave it."""
    return farm.sql("INSERT INTO media (account_id, kind, mime_type, size) VALUES (%s, %s, 'x/y', 3) RETURNING id::text",
                    owner.id, kind)[0]["id"]


@pytest.fixture
def direct(alice, bob):
    """The conversation of Alice and Bob, with one message in it."""
    return alice.say(bob)["conversationId"]


def history(reader, conversation):
    return reader.get(f"/conversations/{conversation}/messages", page=1, pageSize=50)["items"]


def test_a_message_to_a_person_opens_one_conversation(alice, bob):
    first = alice.say(bob, "one")
    second = bob.say(alice, "two")
    assert second["conversationId"] == first["conversationId"]
    assert [first["seq"], second["seq"]] == [1, 2]


def test_two_first_messages_at_once_open_one_conversation(alice, bob):
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda n: (alice, bob)[n % 2].say((bob, alice)[n % 2], keep=False), range(8)))
    assert len({s["conversationId"] for s in sent}) == 1
    assert sorted(s["seq"] for s in sent) == list(range(1, 9))


def test_text_arrives_at_the_socket_as_it_was_sent(alice, bob, direct):
    with bob.listen() as live:
        sent = alice.post(f"/conversations/{direct}/messages", {
            "ciphertext": CIPHER, "clientMessageId": fresh(), "senderDeviceId": alice.device,
            "sentAt": "2026-01-01T00:00:00Z"}, 201)
        data = live.wait_for("message.new", messageId=sent["messageId"])["data"]
    assert data["ciphertext"] == CIPHER and data["senderId"] == alice.id
    assert data["seq"] == sent["seq"] == 2
    assert sent["chatId"] == direct and sent["type"] == "text"


def test_the_sending_device_is_the_tokens_own(alice, bob, direct):
    refused(alice.post(f"/conversations/{direct}/messages", {"ciphertext": CIPHER, "senderDeviceId": bob.device}, 403),
            "senderDeviceId")


def test_formatting_travels_and_must_lie_within_the_text(alice, bob, direct):
    path = f"/conversations/{direct}/messages"
    formatting = {"textLength": 6, "entities": [{"type": "bold", "offset": 0, "length": 6}]}
    alice.post(path, {"ciphertext": CIPHER, "ciphertextFormat": "signal-protocol-v1", "formatting": formatting}, 201)
    assert history(bob, direct)[0]["formatting"] == formatting
    formatting["entities"][0]["length"] = 7
    refused(alice.post(path, {"ciphertext": CIPHER, "formatting": formatting}, 422), "formatting.entities[0]")
    formatting["entities"][0] = {"type": "blinking", "offset": 0, "length": 1}
    refused(alice.post(path, {"ciphertext": CIPHER, "formatting": formatting}, 400), "formatting.entities[0].type")


def test_an_image_is_sent_by_its_owner(farm, alice, bob, direct):
    path, image = f"/conversations/{direct}/messages", media(farm, alice)
    body = {"messageId": fresh(), "mediaId": image, "caption": "look", "encryptionInfo": "{}"}
    sent = alice.post(path, body, 201)
    assert sent["messageId"] == body["messageId"] and sent["mediaId"] == image and sent["id"] != sent["messageId"]
    assert history(bob, direct)[0]["mediaId"] == image
    refused(bob.post(path, {**body, "messageId": fresh()}, 404), "mediaId")


@pytest.mark.parametrize("form", ["text", "image", "video", "encrypted", "group"])
def test_a_repeated_client_id_names_the_first_message(farm, alice, bob, direct, form):
    image, client = media(farm, alice), fresh()
    group = alice.group(bob)
    path, body = {
        "text": (f"/conversations/{direct}/messages", {"ciphertext": CIPHER, "clientMessageId": client}),
        "image": (f"/conversations/{direct}/messages", {"mediaId": image, "messageId": client}),
        "video": ("/messages", {"recipientType": "user", "recipientId": bob.id, "mediaId": image, "clientMessageId": client}),
        "encrypted": ("/messages", {"recipientId": bob.id, "ciphertext": CIPHER, "clientMessageId": client}),
        "group": (f"/group-chats/{group}/messages", {"ciphertext": CIPHER, "clientMessageId": client}),
    }[form]
    sent = alice.post(path, body, 201)
    refused(alice.post(path, body, 409), "clientMessageId", messageId=sent.get("id", sent["messageId"]))


def test_a_client_id_is_its_senders_alone(alice, bob):
    client = fresh()
    alice.say(bob, clientMessageId=client)
    bob.say(alice, clientMessageId=client, expect=201)


def test_a_stranger_does_not_send_into_a_conversation(carol, direct):
    carol.post(f"/conversations/{direct}/messages", {"ciphertext": CIPHER}, 403)
    carol.post("/messages", {"conversationId": direct, "ciphertext": CIPHER}, 403)


def test_what_does_not_exist_gets_no_message(alice):
    refused(alice.post("/messages", {"recipientId": fresh(), "ciphertext": CIPHER}, 404), "recipientId")
    refused(alice.post("/messages", {"conversationId": fresh(), "ciphertext": CIPHER}, 404), "conversationId")
    alice.post(f"/conversations/{fresh()}/messages", {"ciphertext": CIPHER}, 404)
    alice.post(f"/group-chats/{fresh()}/messages", {"ciphertext": CIPHER}, 404)
    refused(alice.post("/messages", {"recipientId": alice.id, "ciphertext": CIPHER}, 400), "recipientId")


@pytest.mark.parametrize("body, field", [
    ({"ciphertext": CIPHER}, "conversationId"),
    ({"recipientId": "x", "ciphertext": CIPHER}, "recipientId"),
    ({"recipientId": fresh()}, "ciphertext"),
    ({"recipientId": fresh(), "ciphertext": "not base64!"}, "ciphertext"),
    ({"recipientId": fresh(), "ciphertext": CIPHER, "viewOnce": True}, "viewOnce"),
    ({"recipientId": fresh(), "ciphertext": CIPHER, "messageType": "poem"}, "messageType"),
    ({"recipientId": fresh(), "ciphertext": CIPHER, "selfDestruct": {}}, "selfDestruct"),
    ({"recipientId": fresh(), "ciphertext": CIPHER, "selfDestruct": {"ttlSeconds": 0}}, "selfDestruct.ttlSeconds"),
    ({"recipientId": fresh(), "ciphertext": CIPHER, "selfDestruct": {"expiresAt": "2020-01-01T00:00:00Z"}},
     "selfDestruct.expiresAt"),
    ({"recipientType": "nobody", "recipientId": fresh(), "mediaId": fresh()}, "recipientType"),
])
def test_a_bad_field_is_named(alice, body, field):
    refused(alice.post("/messages", body, 400), field)


def test_a_ciphertext_has_a_largest_size(farm, alice, bob, direct):
    largest = farm.size("message.max")
    alice.post(f"/conversations/{direct}/messages", {"ciphertext": "x" * largest}, 201)
    refused(alice.post(f"/conversations/{direct}/messages", {"ciphertext": "x" * (largest + 1)}, 413), "ciphertext")
    group = alice.group(bob)
    refused(alice.post(f"/group-chats/{group}/messages", {"ciphertext": "x" * (largest + 1)}, 413), "ciphertext")
    alice.post("/messages", {"recipientId": bob.id, "ciphertext": "A" * 300_000}, 413)


def test_a_quotation_names_a_message_of_the_conversation(alice, bob, carol):
    mine, other = alice.say(bob), alice.say(carol)
    alice.say(bob, quotedMessageId=mine["messageId"])
    assert history(bob, mine["conversationId"])[0]["quotedMessageId"] == mine["messageId"]
    alice.say(bob, quotedMessageId=other["messageId"], expect=404)


@pytest.mark.parametrize("kind", ["user", "group"])
def test_a_video_goes_to_a_person_or_a_group(farm, alice, bob, kind):
    video = media(farm, alice, "video")
    to = bob.id if kind == "user" else alice.group(bob)
    sent = alice.post("/messages", {"recipientType": kind, "recipientId": to, "mediaId": video, "caption": "see",
                                    "encryption": {"v": 1}}, 201)
    shown = history(bob, sent["conversationId"])[0]
    assert shown["mediaId"] == video and shown["caption"] == "see" and shown["encryption"] == {"v": 1}


def test_a_video_to_no_broadcast_list_is_refused(farm, alice):
    alice.post("/messages", {"recipientType": "broadcast", "recipientId": fresh(), "mediaId": media(farm, alice, "video")}, 404)


def test_media_that_is_viewed_once_is_not_forwarded(farm, alice, bob, carol):
    sent = alice.post("/messages", {"recipientId": bob.id, "mediaId": media(farm, alice), "viewOnce": True}, 201)
    bob.post(f"/messages/{sent['messageId']}/forward", {"recipients": [{"userId": carol.id}]}, 404)


def test_a_group_message_mentions_members(alice, bob, carol):
    group = alice.group(bob)
    path = f"/group-chats/{group}/messages"
    with bob.listen() as live:
        sent = alice.post(path, {"ciphertext": CIPHER, "mentions": [bob.id]}, 201)
        assert live.wait_for("message.new", messageId=sent["messageId"])["data"]["mentions"] == [bob.id]
    assert sent["mentions"] == [bob.id] and sent["groupId"] == group
    refused(alice.post(path, {"ciphertext": CIPHER, "mentions": [carol.id]}, 400), "mentions")
    carol.post(path, {"ciphertext": CIPHER}, 403)


def test_a_direct_conversation_is_no_group(alice, direct):
    alice.post(f"/group-chats/{direct}/messages", {"ciphertext": CIPHER}, 404)


def test_forwarding_reaches_all_or_none(alice, bob, carol):
    original = alice.say(bob, "news")
    path, group = f"/messages/{original['messageId']}/forward", bob.group(carol)
    body = {"recipients": [{"userId": carol.id}, {"groupId": group}], "forwardedText": "see", "clientQueueId": fresh(),
            "e2eEnvelope": {carol.id: b64(b"for carol")}}
    sent = bob.post(path, body, 201)
    assert sent["queued"] is True and len(sent["messages"]) == 2
    texts = [history(carol, m["conversationId"])[0] for m in sent["messages"]]
    assert [t["ciphertext"] for t in texts] == [b64(b"for carol"), b64(b"news")]
    assert all(t["forwarded"] and t["forwardedText"] == "see" for t in texts)
    bob.post(path, body, 409)

    before = len(history(carol, group))
    bob.post(path, {"recipients": [{"groupId": group}, {"userId": fresh()}]}, 404)
    assert len(history(carol, group)) == before


def test_forwarding_is_refused_for_the_right_reason(farm, alice, bob, carol):
    original = alice.say(bob)
    path = f"/messages/{original['messageId']}/forward"
    carol.post(path, {"recipients": [{"userId": bob.id}]}, 404)
    refused(bob.post(path, {"recipients": [{"userId": carol.id, "groupId": fresh()}]}, 400), "recipients[0]")
    refused(bob.post(path, {"recipients": []}, 400), "recipients")
    refused(bob.post(path, {"recipients": [{"userId": carol.id}], "e2eEnvelope": {alice.id: "x"}}, 400), "e2eEnvelope")
    refused(bob.post(path, {"recipients": [{"userId": carol.id}],
                            "e2eEnvelope": {carol.id: "x" * (farm.size("message.max") + 1)}}, 413), "e2eEnvelope")
    refused(bob.post(path, {"recipients": [{"userId": fresh()}] * (int(farm.settings["forward.max"]) + 1)}, 422), "recipients")
    stranger = alice.group()
    bob.post(path, {"recipients": [{"groupId": stranger}]}, 403)


def test_an_idempotency_key_repeats_the_answer(alice, bob):
    original = alice.say(bob)
    path, key = f"/messages/{original['messageId']}/forward", {"Idempotency-Key": fresh()}
    body = {"recipients": [{"userId": bob.id}]}
    first = alice.post(path, body, 201, headers=key)
    assert alice.post(path, body, 201, headers=key) == first
    refused(alice.post(path, {**body, "forwardedText": "other"}, 422, headers=key), "Idempotency-Key")
    assert len(history(bob, original["conversationId"])) == 2
