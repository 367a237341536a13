"""Surface sentinal: one ciphertext for each device, read back by each device alone."""
import base64
import json
import threading
import uuid

import pytest
from lib.farm import eventually
from lib.people import b64
from lib.sentinal import User, named


def text_for(device, text="hello"):
    return b64(f"{text} for {device}".encode())


def entry(device, text="hello", **more):
    return {"recipient_device_id": device, "ciphertext": text_for(device, text), **more}


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


@pytest.fixture
def talk(ann, ben):
    return ann.direct(ben)


def publish_keys(farm, *people):
    """Their devices have key bundles from now on, as other surfaces see them."""
    for person in people:
        farm.sql("UPDATE device SET identity_key = 'a', signed_prekey = 'b', signed_prekey_signature = 'c',"
                 " keys_registered_at = now() WHERE id = %s", person.device)


def history(person, talk, **query):
    return person.get("/messages", conversation_id=talk, **query)["messages"]


# ---- sending -------------------------------------------------------------------------------------


def test_each_device_reads_its_own_ciphertext(farm, ann, ben, talk):
    tablet = User.login(farm, ben)
    header = {"ephemeral_key": "a2V5", "counter": 7, "identity_key": "aWQ="}
    sent = ann.post("/messages", {"conversation_id": talk, "client_message_id": "one", "message_type": "image", "ciphertexts": [
        entry(ben.device, header=header), entry(tablet.device, header=b64(b"{}"))]}, 201)
    assert sent == {**sent, "conversation_id": talk, "sender_id": ann.id, "client_message_id": "one", "sequence_number": 1}
    [phone], [slate], [own] = history(ben, talk), history(tablet, talk), history(ann, talk)
    assert phone["ciphertext"] == text_for(ben.device) and phone["recipient_device_id"] == ben.device
    assert json.loads(base64.b64decode(phone["header"])) == header
    assert slate["ciphertext"] == text_for(tablet.device) and slate["header"] == b64(b"{}")
    assert own["ciphertext"] is None and own["recipient_device_id"] is None
    assert phone == {**phone, "id": sent["id"], "message_type": "image", "is_deleted": False, "is_edited": False}
    assert ben.get(f"/messages/{sent['id']}") == phone


def test_a_device_may_be_called_by_its_own_name(farm, user, ann):
    ben = user(device="ben's phone")
    talk = ann.direct(ben)
    ann.post("/messages", {"conversation_id": talk, "ciphertexts": [
        {"recipient_device_id": "ben's phone", "ciphertext": text_for(ben.device)}]}, 201)
    assert history(ben, talk)[0]["ciphertext"] == text_for(ben.device)


def test_missing_and_stale_devices_are_named_and_nothing_is_sent(farm, ann, ben, talk):
    tablet = User.login(farm, ben)
    publish_keys(farm, ben, tablet)
    gone = str(uuid.uuid4())
    error = ann.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(ben.device), entry(gone)]}, 409)
    assert error["missing"] == [{"user_id": ben.id, "device_id": tablet.device}] and error["stale"] == [gone]
    assert error["code"] == "CONFLICT" and history(ben, talk) == []
    farm.sql("SELECT device_revoke(%s, %s)", ben.id, tablet.device)
    error = ann.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(ben.device), entry(tablet.device)]}, 409)
    assert error["stale"] == [tablet.device] and "missing" not in error
    ann.say(talk, ben, expect=201)


def test_devices_of_strangers_are_stale(ann, ben, talk, user):
    stranger = user()
    assert ann.post("/messages", {"conversation_id": talk, "ciphertexts": [
        entry(ben.device), entry(stranger.device)]}, 409)["stale"] == [stranger.device]


def test_the_senders_other_devices_may_be_given_a_copy(farm, ann, ben, talk):
    laptop = User.login(farm, ann)
    publish_keys(farm, ann, ben, laptop)
    ann.say(talk, ben, expect=201)
    ann.say(talk, ben, laptop, expect=201)
    assert [m["ciphertext"] for m in history(laptop, talk)] == [text_for(laptop.device), None]


@pytest.mark.parametrize("field", ["idempotency_key", "client_message_id"])
def test_a_repeated_send_is_answered_with_the_first_message(farm, ann, ben, talk, field):
    body = {"conversation_id": talk, "ciphertexts": [entry(ben.device)], field: str(uuid.uuid4())}
    first = ann.post("/messages", body, 201)
    publish_keys(farm, User.login(farm, ben))  # what was right once is answered once and for all
    assert ann.post("/messages", body, 200) == {**first, "client_message_id": body.get("client_message_id")}
    assert len(history(ben, talk)) == 1


def test_an_idempotency_key_counts_in_every_conversation_but_for_its_sender_alone(ann, ben, talk, user):
    carl, key = user(), str(uuid.uuid4())
    first = ann.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(ben.device)], "idempotency_key": key}, 201)
    again = ann.post("/messages", {"conversation_id": ann.direct(carl), "ciphertexts": [entry(carl.device)],
                                   "idempotency_key": key}, 200)
    assert again["id"] == first["id"] and again["conversation_id"] == talk
    assert ben.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(ann.device)],
                                  "idempotency_key": key}, 201)["id"] != first["id"]


def test_many_at_once_with_one_key_send_once(ann, ben, talk):
    body = {"conversation_id": talk, "ciphertexts": [entry(ben.device)], "idempotency_key": str(uuid.uuid4())}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ann.request("POST", "/messages", body))) for _ in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert sorted(a.status for a in answers) == [200] * 7 + [201]
    assert len({a.json["data"]["id"] for a in answers}) == 1 and len(history(ben, talk)) == 1


def test_sequence_numbers_are_dense_also_after_refusals(ann, ben, talk):
    for n in range(1, 4):
        ann.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(str(uuid.uuid4()))]}, 409)
        assert ann.say(talk, ben)["sequence_number"] == n


def test_strangers_cannot_send_and_learn_nothing_of_devices(farm, ann, ben, talk, user):
    publish_keys(farm, ann, ben)
    error = user().post("/messages", {"conversation_id": talk, "ciphertexts": [entry(ben.device)]}, 403)
    assert "missing" not in error and "stale" not in error
    user().post("/messages", {"conversation_id": str(uuid.uuid4()), "ciphertexts": [entry(ben.device)]}, 404)


def test_blocks_stop_messages_both_ways(farm, ann, ben, talk):
    farm.sql("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", ben.id, ann.id)
    ann.say(talk, ben, expect=403)
    ben.say(talk, ann, expect=403)


def test_replies_and_mentions(ann, ben, talk, user):
    first = ann.say(talk, ben)
    answer = ben.say(talk, ann, reply_to_id=first["id"], mentions=[ann.id])
    assert history(ann, talk)[0] == {**history(ann, talk)[0], "id": answer["id"], "reply_to_id": first["id"],
                                     "mentions": [ann.id]}
    named(ben.say(talk, ann, expect=404, reply_to_id=str(uuid.uuid4())), "reply_to_id")
    named(ben.say(talk, ann, expect=422, mentions=[user().id]), "mentions")


@pytest.mark.parametrize("change, field", [
    ({"message_type": "smell"}, "message_type"), ({"ciphertexts": []}, "ciphertexts"),
    ({"ciphertexts": [{"recipient_device_id": "x"}]}, "ciphertexts[0].ciphertext"),
    ({"ciphertexts": [{"recipient_device_id": "x", "ciphertext": "§"}]}, "ciphertexts[0].ciphertext"),
    ({"conversation_id": "x"}, "conversation_id")])
def test_bad_fields_are_named(ann, ben, talk, change, field):
    body = {"conversation_id": talk, "ciphertexts": [entry(ben.device)], **change}
    named(ann.post("/messages", body, 422), field)


def test_a_ciphertext_has_a_limit(farm, ann, ben, talk):
    huge = b64(b"x" * farm.size("message.max"))
    named(ann.post("/messages", {"conversation_id": talk, "ciphertexts": [
        {"recipient_device_id": ben.device, "ciphertext": huge}]}, 413), "ciphertexts[0].ciphertext")


# ---- reading -------------------------------------------------------------------------------------


def test_pages_go_back_by_sequence_number(ann, ben, talk):
    for n in range(7):
        ann.say(talk, ben, text=str(n))
    assert [m["sequence_number"] for m in history(ben, talk, limit=3)] == [7, 6, 5]
    assert [m["sequence_number"] for m in history(ben, talk, limit=3, before_seq=5)] == [4, 3, 2]
    assert [m["sequence_number"] for m in history(ben, talk, before_seq=2)] == [1]
    assert history(ben, talk, before_seq=1) == []


def test_a_newcomer_sees_what_came_after_and_a_leaver_what_came_before(farm, ann, ben, user):
    group, carl = ann.group(ben), user()
    ann.say(group, ben)
    farm.sql("SELECT group_member_add(%s, %s, ARRAY[%s]::uuid[])", group, ann.id, carl.id)
    second = ann.say(group, ben, carl)
    assert [m["id"] for m in history(carl, group)] == [second["id"]]
    farm.sql("SELECT group_member_remove(%s, %s, %s)", group, ann.id, carl.id)
    ann.say(group, ben)
    assert [m["id"] for m in history(carl, group)] == [second["id"]]


def test_other_peoples_messages_are_not_there(ann, ben, talk, user):
    sent, stranger = ann.say(talk, ben), user()
    stranger.get("/messages", 404, conversation_id=talk)
    for method, path, body in [("GET", "", None), ("PUT", "", {"ciphertext": "aGk="}), ("DELETE", "", None),
                               ("DELETE", "/hard", None), ("POST", "/read", None), ("POST", "/delivered", None),
                               ("GET", "/reactions", None), ("POST", "/reactions", {"emoji": "+"}),
                               ("DELETE", "/reactions", None)]:
        assert stranger.request(method, f"/messages/{sent['id']}{path}", body).status == 404, (method, path)
        named(getattr(ann, method.lower())(f"/messages/no-id{path}", *([body] if body else []), expect=422), "id")


# ---- changing ------------------------------------------------------------------------------------


def test_an_edit_for_all_and_an_edit_for_each(farm, ann, ben, talk):
    sent = ann.say(talk, ben)
    one = ann.put(f"/messages/{sent['id']}", {"ciphertext": b64(b"all")})
    assert one["is_edited"] and one["ciphertext"] == b64(b"all")
    assert history(ben, talk)[0] == {**history(ben, talk)[0], "ciphertext": b64(b"all"), "header": None,
                                     "recipient_device_id": None, "is_edited": True}
    assert farm.sql("SELECT count(*) AS n FROM message_body WHERE message_id = %s", sent["id"])[0]["n"] == 0
    ann.put(f"/messages/{sent['id']}", {"ciphertexts": [entry(ben.device, "new")]})
    assert history(ben, talk)[0]["ciphertext"] == text_for(ben.device, "new")
    assert history(ann, talk)[0]["ciphertext"] is None


def test_edits_are_the_senders_and_name_devices_too(farm, ann, ben, talk):
    sent = ann.say(talk, ben)
    ben.put(f"/messages/{sent['id']}", {"ciphertext": "aGk="}, 403)
    assert "missing" not in ben.put(f"/messages/{sent['id']}", {"ciphertexts": [entry("x")]}, 403)
    publish_keys(farm, ben)
    error = ann.put(f"/messages/{sent['id']}", {"ciphertexts": [entry("nobody's")]}, 409)
    assert error["stale"] == ["nobody's"] and error["missing"][0]["device_id"] == ben.device
    named(ann.put(f"/messages/{sent['id']}", {}, 422), "ciphertext")
    assert not history(ben, talk)[0]["is_edited"]


def test_a_soft_deletion_leaves_a_tombstone_and_a_hard_one_nothing(farm, ann, ben, talk):
    first, second = ann.say(talk, ben), ann.say(talk, ben)
    ben.delete(f"/messages/{first['id']}", expect=403)
    assert ann.delete(f"/messages/{first['id']}") is None
    ann.delete(f"/messages/{first['id']}", expect=409)
    [_, tombstone] = history(ben, talk)
    assert tombstone["is_deleted"] and tombstone["ciphertext"] is None and tombstone["header"] is None
    ben.delete(f"/messages/{second['id']}/hard", expect=403)
    for sent in (first, second):
        ann.delete(f"/messages/{sent['id']}/hard")
        ann.get(f"/messages/{sent['id']}", 404)
        ann.delete(f"/messages/{sent['id']}/hard", expect=404)
    assert history(ben, talk) == [] == history(ann, talk)
    assert farm.sql("SELECT count(*) AS n FROM message_body WHERE message_id IN (%s, %s)",
                    first["id"], second["id"])[0]["n"] == 0
    assert ann.say(talk, ben)["sequence_number"] == 3


def test_admins_delete_in_groups(ann, ben):
    group = ann.group(ben)
    sent = ben.say(group, ann)
    ann.delete(f"/messages/{sent['id']}")
    assert history(ben, group)[0]["is_deleted"]


def test_reactions_come_once_and_go(ann, ben, talk):
    sent = ann.say(talk, ben)
    made = ben.post(f"/messages/{sent['id']}/reactions", {"emoji": "👍"}, 201)
    ben.post(f"/messages/{sent['id']}/reactions", {"emoji": "👎"}, 409)
    assert ann.get(f"/messages/{sent['id']}/reactions")["reactions"] == [made]
    assert made["user_id"] == ben.id and history(ann, talk)[0]["reaction_count"] == 1
    ben.delete(f"/messages/{sent['id']}/reactions")
    ben.delete(f"/messages/{sent['id']}/reactions", expect=404)
    assert ann.get(f"/messages/{sent['id']}/reactions")["reactions"] == []


# ---- receipts ------------------------------------------------------------------------------------


def test_reading_and_delivery_are_noted_for_the_sender(farm, ann, ben, talk):
    sent = ann.say(talk, ben)
    def member():
        return farm.sql("SELECT delivered_seq, read_seq, shown_read_seq FROM member WHERE conversation_id = %s"
                        " AND account_id = %s", talk, ben.id)[0]
    assert ben.post(f"/messages/{sent['id']}/delivered") is None
    eventually(lambda: member()["delivered_seq"] == 1, 2)
    ben.post(f"/messages/{sent['id']}/delivered")
    assert ben.post(f"/messages/{sent['id']}/read") is None
    assert member()["read_seq"] == member()["shown_read_seq"] == 1
    ben.post(f"/messages/{sent['id']}/read")


def test_who_has_left_can_still_read_but_tells_nobody(farm, ann, ben):
    group = ann.group(ben)
    sent = ann.say(group, ben)
    ben.delete(f"/conversations/{group}/participants/{ben.id}")
    assert ben.get(f"/messages/{sent['id']}")["ciphertext"] == text_for(ben.device)
    with ann.listen() as live:
        ben.post(f"/messages/{sent['id']}/read", expect=403)
        live.never("message:read")
    [stay] = farm.sql("SELECT read_seq FROM member WHERE conversation_id = %s AND account_id = %s", group, ben.id)
    assert stay["read_seq"] == 0


# ---- across surfaces -----------------------------------------------------------------------------


def test_what_is_sent_here_is_read_elsewhere_and_the_other_way_round(farm, ann, alice):
    talk = ann.direct(alice)
    publish_keys(farm, alice)
    ann.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(ann.device)]}, 409)
    with alice.listen() as live:
        sent = ann.post("/messages", {"conversation_id": talk, "ciphertexts": [
            entry(alice.device, header={"counter": 1})]}, 201)
        event = live.wait_for("message.new", messageId=sent["id"])
    assert event["ciphertext"] == text_for(alice.device) and event["sealed"] is True
    assert json.loads(base64.b64decode(event["header"])) == {"counter": 1}
    waiting = alice.get("/messages", page=1, pageSize=10)["items"]
    assert [m["ciphertext"] for m in waiting if m["messageId"] == sent["id"]] == [text_for(alice.device)]
    changes = alice.get("/messages/sync", page=1, pageSize=50)["messages"]
    assert [m["ciphertext"] for m in changes if m["messageId"] == sent["id"]] == [text_for(alice.device)]
    answer = alice.say(ann, "hello back")
    newest = history(ann, talk)[0]
    assert newest["id"] == answer["messageId"] and newest["ciphertext"] == b64(b"hello back")
    assert newest["recipient_device_id"] is None


def test_an_event_shows_each_device_its_own_ciphertext_also_after_a_resume(farm, ann, alice):
    talk = ann.direct(alice)
    with alice.listen() as live:
        cursor = live.cursor
        sent = ann.post("/messages", {"conversation_id": talk, "ciphertexts": [entry(alice.device)]}, 201)
        live.wait_for("message.new", messageId=sent["id"])
    with alice.listen(cursor=cursor) as later:
        event = later.wait_for("message.new", messageId=sent["id"])
        assert event["ciphertext"] == text_for(alice.device)


def test_a_lost_event_is_published_again_with_every_ciphertext(farm, ann, alice):
    talk = ann.direct(alice)
    with alice.listen() as live:
        with farm.paused("redis"):
            reply = ann.request("POST", "/messages", {"conversation_id": talk, "ciphertexts": [entry(alice.device)]})
        assert reply.status == 201, reply
        event = live.wait_for("message.new", 30, messageId=reply.json["data"]["id"])
        assert event["ciphertext"] == text_for(alice.device)
