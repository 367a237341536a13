"""Surface sentinal: broadcast lists, who is on them, and writing to all of them at once."""
import base64
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib.people import Account
from lib.sentinal import User, named
from lib.signup import settings
from nacl.signing import SigningKey


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


@pytest.fixture
def cleo(user):
    return user()


@pytest.fixture
def news(ann, ben, cleo):
    """Ann's list, with Ben and Cleo."""
    return make(ann, ben, cleo)


def there(user):
    """The same person on the surface whatsapp."""
    return Account(user.farm, {"accessToken": user.token, "userId": user.id}, identity=SigningKey.generate())


def make(owner, *recipients, name="News", **more):
    made = owner.post("/broadcasts", {"name": name, **more}, 201)["id"]
    if recipients:
        bulk(owner, made, *recipients)
    return made


def bulk(owner, made, *recipients, expect=200, method="POST"):
    return owner._expect(expect, owner.request(method, f"/broadcasts/{made}/recipients/bulk",
                                               {"user_ids": [r if isinstance(r, str) else r.id for r in recipients]}))


def add(owner, made, recipient, expect=201):
    return owner.post(f"/broadcasts/{made}/recipients", {"user_id": recipient.id}, expect)


def on(owner, made):
    return [r["user_id"] for r in owner.get(f"/broadcasts/{made}/recipients")["recipients"]]


def count(owner, made):
    return owner.get(f"/broadcasts/{made}/recipients/count")["count"]


def sealed(text, *people, **more):
    """What one recipient is given: a ciphertext for each of these devices."""
    return [{"recipient_device_id": person.device, "ciphertext": base64.b64encode(f"{text} {person.device}".encode()).decode(),
             "header": {"ephemeral_key": "a2V5", "counter": 1}, **more} for person in people]


def send(owner, made, *recipients, expect=201, text="news", **more):
    return owner.post(f"/broadcasts/{made}/messages", {"message_type": "text", "recipients": [
        {"user_id": r.id, "ciphertexts": sealed(text, r)} for r in recipients], **more}, expect)


def by_user(answer):
    return {result["user_id"]: result for result in answer["results"]}


def inbox(user, conversation):
    return there(user).get(f"/conversations/{conversation}/messages", page=1, pageSize=100)["items"]


# ---- lists ----------------------------------------------------------------------------------------


def test_a_list_is_made_changed_and_deleted(ann):
    made = ann.post("/broadcasts", {"name": "Marketing List", "description": "updates"}, 201)
    assert made == {**made, "name": "Marketing List", "description": "updates", "owner_id": ann.id, "recipient_count": 0}
    path = f"/broadcasts/{made['id']}"
    assert ann.get(path) == made and ann.get("/broadcasts")["broadcasts"] == [made]
    changed = ann.put(path, {"name": "Friends"})
    assert (changed["name"], changed["description"]) == ("Friends", "updates")
    assert ann.put(path, {"description": ""})["description"] is None
    assert ann.get(path)["name"] == "Friends"
    assert ann.delete(path) is None
    ann.get(path, 404)
    ann.delete(path, expect=404)
    assert ann.get("/broadcasts") == {"broadcasts": [], "total": 0, "page": 1, "limit": 50}


@pytest.mark.parametrize("field, value", [("name", None), ("name", ""), ("name", " "), ("name", "n" * 101), ("name", 3),
                                          ("description", "d" * 2001)])
def test_what_cannot_be_a_list_is_refused(ann, field, value):
    named(ann.post("/broadcasts", {"name": "refused", field: value}, 422), field)
    assert ann.get("/broadcasts")["total"] == 0
    made = make(ann)
    if value is not None:
        named(ann.put(f"/broadcasts/{made}", {field: value}, 422), field)
    ann.put(f"/broadcasts/{made}", {}, 422)
    assert ann.get(f"/broadcasts/{made}")["name"] == "News"


def test_lists_are_found_by_name_and_description(ann, ben):
    crows, ravens = make(ann, name="Crows"), make(ann, name="Ravens", description="crows too")
    make(ben, name="Crows of Ben")

    def found(query, **more):
        return [item["id"] for item in ann.get("/broadcasts/search", query=query, **more)["broadcasts"]]
    assert found("CROW") == [ravens, crows] and found("raven") == [ravens] and found("%") == found("ben") == []
    assert found("crow", limit=1, page=2) == [crows]
    assert ann.get("/broadcasts", limit=1, page=2)["broadcasts"][0]["id"] == crows
    assert ann.get("/broadcasts", limit=1, page=5) == {"broadcasts": [], "total": 2, "page": 5, "limit": 1}
    named(ann.get("/broadcasts/search", 422), "query")


def test_other_peoples_lists_are_not_there(farm, ann, ben, cleo, news):
    path = f"/broadcasts/{news}"
    ben.get(path, 404)
    ben.put(path, {"name": "mine"}, 404)
    ben.delete(path, expect=404)
    ben.get(f"{path}/recipients", 404)
    ben.get(f"{path}/recipients/count", 404)
    ben.get(f"{path}/recipients/{cleo.id}", 404)
    ben.delete(f"{path}/recipients/{cleo.id}", expect=404)
    add(ben, news, cleo, 404)
    bulk(ben, news, cleo, expect=404)
    bulk(ben, news, cleo, expect=404, method="DELETE")
    send(ben, news, cleo, expect=404)
    empty = make(ann)
    ben.get(f"/broadcasts/{empty}/recipients", 404)
    send(ben, empty, cleo, expect=404)
    assert on(ann, news) == [ben.id, cleo.id] and ben.get("/broadcasts")["total"] == 0
    assert ann.get(path)["name"] == "News"


def test_own_devices_hear_of_changes_and_recipients_do_not(farm, ann, ben):
    tablet = User.login(farm, ann)
    with there(tablet).listen() as own, there(ben).listen() as other:
        made = make(ann)
        own.wait_for("broadcast.created", broadcastId=made)
        add(ann, made, ben)
        told = own.wait_for("broadcast.recipients", broadcastId=made)
        assert told["added"] == [ben.id] and told["recipientCount"] == 1
        ann.put(f"/broadcasts/{made}", {"name": "New"})
        own.wait_for("broadcast.updated", name="New")
        ann.delete(f"/broadcasts/{made}")
        own.wait_for("broadcast.deleted", broadcastId=made)
        assert not [frame for frame in other.frames if frame["type"].startswith("broadcast")]


# ---- who is on them ---------------------------------------------------------------------------------


def test_recipients_one_by_one(ann, ben, cleo, alice):
    made = make(ann)
    assert on(ann, made) == [] and count(ann, made) == 0
    added = add(ann, made, ben)
    assert (added["user_id"], added["username"]) == (ben.id, ben.names["username"]) and added["added_at"]
    add(ann, made, alice)
    named(add(ann, made, ben, 409), "user_id")
    assert on(ann, made) == [ben.id, alice.id] and count(ann, made) == 2 == ann.get(f"/broadcasts/{made}")["recipient_count"]

    def check(person):
        return ann.get(f"/broadcasts/{made}/recipients/{person.id}")
    assert check(ben)["is_recipient"] and check(ben)["added_at"] == added["added_at"]
    assert check(cleo) == {"user_id": cleo.id, "is_recipient": False, "added_at": None}
    assert ann.delete(f"/broadcasts/{made}/recipients/{ben.id}") is None
    ann.delete(f"/broadcasts/{made}/recipients/{ben.id}", expect=404)
    assert on(ann, made) == [alice.id] and count(ann, made) == 1 and not check(ben)["is_recipient"]


def test_nobody_to_write_to(farm, ann, ben, cleo):
    made = make(ann)
    there(ben).post(f"/users/{ben.id}/blocks", {"contactId": ann.id})
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", cleo.id)
    unknown = ann.post(f"/broadcasts/{made}/recipients", {"user_id": str(uuid.uuid4())}, 422)
    assert add(ann, made, ben, 422) == unknown == add(ann, made, cleo, 422) == add(ann, made, ann, 422)
    named(unknown, "user_id")
    assert count(ann, made) == 0


def test_many_at_once_are_answered_for_one_by_one(ann, ben, cleo, alice):
    made, nobody = make(ann, ben), str(uuid.uuid4())
    answer = bulk(ann, made, ben, cleo, cleo, alice, nobody, ann)
    assert {**answer, "unknown_ids": sorted(answer["unknown_ids"])} == {
        "added": 2, "already": 1, "unknown": 2, "unknown_ids": sorted([nobody, ann.id]), "recipient_count": 3}
    assert set(on(ann, made)) == {ben.id, cleo.id, alice.id}
    assert bulk(ann, made, ben, alice, alice, nobody, method="DELETE") == {
        "removed": 2, "missing": 1, "missing_ids": [nobody], "recipient_count": 1}
    assert on(ann, made) == [cleo.id] and count(ann, made) == 1
    named(bulk(ann, made, expect=422), "user_ids")
    assert "user_ids[0]" in bulk(ann, made, "ben", expect=422)["error"]
    assert bulk(ann, made, cleo, nobody) == {"added": 0, "already": 1, "unknown": 1, "unknown_ids": [nobody],
                                              "recipient_count": 1}


def test_a_list_has_room_for_so_many(farm, ann, ben, cleo, user):
    with settings(farm, "sentinal-broadcasts", **{"broadcast.max": "2"}):
        made = make(ann, ben)
        named(bulk(ann, made, cleo, user(), expect=422), "user_ids")
        assert on(ann, made) == [ben.id]
        add(ann, made, cleo)
        named(add(ann, made, user(), 422), "user_id")
        named(add(ann, made, cleo, 409), "user_id")
        assert count(ann, made) == 2
        crowd, other = [user() for _ in range(6)], make(ann)
        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(lambda one: ann.request("POST", f"/broadcasts/{other}/recipients",
                                                             {"user_id": one.id}).status, crowd))
        assert sorted(statuses) == [201, 201, 422, 422, 422, 422] and count(ann, other) == len(on(ann, other)) == 2


def test_recipients_by_pages(ann, user):
    people = [user() for _ in range(3)]
    made = make(ann, *people)
    page = ann.get(f"/broadcasts/{made}/recipients", page=2, limit=2)
    assert len(page["recipients"]) == 1 and (page["total"], page["page"], page["limit"]) == (3, 2, 2)
    assert ann.get(f"/broadcasts/{made}/recipients", page=3, limit=2) == {"recipients": [], "total": 3, "page": 3, "limit": 2}


def test_lists_end_with_their_owner(farm, ann, news):
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", ann.id)
    assert farm.sql("SELECT FROM broadcast_list WHERE owner_id = %s", ann.id) == []
    assert farm.sql("SELECT FROM broadcast_recipient WHERE list_id = %s", news) == []


# ---- writing to them --------------------------------------------------------------------------------


def test_each_recipient_gets_a_message_of_their_own(farm, ann, ben, cleo, alice):
    made = make(ann, ben, cleo, alice)
    with there(ben).listen() as live:
        answer = send(ann, made, ben, cleo, alice, client_message_id="one")
        told = live.wait_for("message.new")
    assert (answer["broadcast_id"], answer["sent"], answer["failed"]) == (made, 3, 0)
    results = by_user(answer)
    assert len({result["conversation_id"] for result in results.values()}) == 3
    for person in (ben, cleo, alice):
        result = results[person.id]
        assert result["status"] == "sent" and result["sequence_number"] == 1 and result["created_at"]
        [message] = inbox(person, result["conversation_id"])
        assert message["messageId"] == result["message_id"] and message["senderId"] == ann.id
        assert base64.b64decode(message["ciphertext"]).decode() == f"news {person.device}"
        if person is not alice:
            [same] = person.get("/messages", conversation_id=result["conversation_id"])["messages"]
            assert (same["id"], same["ciphertext"]) == (message["messageId"], message["ciphertext"])
        seen = json.dumps(message)
        assert made not in seen and not [p for p in (ben, cleo, alice) if p is not person and (p.id in seen or p.device in seen)]
    assert told["messageId"] == results[ben.id]["message_id"] and made not in json.dumps(told)
    assert {c["id"] for c in ben.get("/conversations")["conversations"]} == {results[ben.id]["conversation_id"]}
    assert ann.direct(ben) == results[ben.id]["conversation_id"]


def test_who_cannot_be_reached_does_not_stop_the_others(farm, ann, ben, cleo, user, alice):
    dan, eve = user(), user()
    made = make(ann, ben, cleo, dan, eve, alice)
    there(ben).post(f"/users/{ben.id}/blocks", {"contactId": ann.id})
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", cleo.id)
    alice.publish_keys()
    answer = ann.post(f"/broadcasts/{made}/messages", {"recipients": [
        *({"user_id": r.id, "ciphertexts": sealed("hi", r)} for r in (ben, cleo, dan)),
        {"user_id": alice.id, "ciphertexts": sealed("hi", dan)}]}, 201)
    results = by_user(answer)
    assert {person.id: results[person.id]["status"] for person in (ben, cleo, dan, eve, alice)} == {
        ben.id: "blocked", cleo.id: "gone", dan.id: "sent", eve.id: "not_given", alice.id: "devices"}
    assert (answer["sent"], answer["failed"]) == (1, 4)
    assert results[alice.id]["missing"] == [{"user_id": alice.id, "device_id": alice.device}]
    assert results[alice.id]["stale"] == [dan.device] and "missing" not in results[dan.id]
    assert results[ben.id] == {"user_id": ben.id, "status": "blocked", "message_id": None, "conversation_id": None,
                               "sequence_number": None, "created_at": None}
    assert len(inbox(dan, results[dan.id]["conversation_id"])) == 1
    assert alice.request("GET", "/messages", query={"page": 1, "pageSize": 10}).status == 404, "nothing waits"


def test_a_send_repeated_reaches_the_others_only(ann, ben, cleo, news):
    there(cleo).post(f"/users/{cleo.id}/blocks", {"contactId": ann.id})
    first = by_user(send(ann, news, ben, cleo, client_message_id="same"))
    assert (first[ben.id]["status"], first[cleo.id]["status"]) == ("sent", "blocked")
    there(cleo).delete(f"/users/{cleo.id}/blocks/{ann.id}")
    again = by_user(send(ann, news, ben, cleo, client_message_id="same"))
    assert again[ben.id] == first[ben.id] and again[cleo.id]["status"] == "sent"
    assert len(inbox(ben, first[ben.id]["conversation_id"])) == 1
    assert by_user(send(ann, news, ben))[ben.id]["sequence_number"] == 2


def test_other_devices_of_the_sender_may_be_given_it_too(farm, ann, ben):
    tablet, made = User.login(farm, ann), make(ann, ben)
    answer = ann.post(f"/broadcasts/{made}/messages", {"recipients": [
        {"user_id": ben.id, "ciphertexts": sealed("hi", ben, tablet, header="aGVhZGVy")}]}, 201)
    [message] = inbox(tablet, answer["results"][0]["conversation_id"])
    assert base64.b64decode(message["ciphertext"]).decode() == f"hi {tablet.device}" and message["header"] == "aGVhZGVy"


def test_what_is_wrong_with_a_send_stops_all_of_it(farm, ann, ben, cleo, user, news):
    path, dan = f"/broadcasts/{news}/messages", user()

    def refuse(recipients, field, status=422, **more):
        named(ann.post(path, {"recipients": recipients, **more}, status), field)
    good = {"user_id": ben.id, "ciphertexts": sealed("hi", ben)}
    refuse([good, good], "recipients[1].user_id")
    refuse([good, {"user_id": dan.id, "ciphertexts": sealed("hi", dan)}], "recipients[1].user_id")
    refuse([good, {"user_id": cleo.id, "ciphertexts": []}], "recipients[1].ciphertexts")
    refuse([good, {"user_id": cleo.id}], "recipients[1].ciphertexts")
    refuse([good, {"user_id": cleo.id, "ciphertexts": [{"recipient_device_id": "x", "ciphertext": "!"}]}],
           "recipients[1].ciphertexts[0].ciphertext")
    refuse([good, {"user_id": cleo.id, "ciphertexts": sealed("x" * farm.size("message.max"), cleo)}],
           "recipients[1].ciphertexts[0].ciphertext", 413)
    refuse([], "recipients")
    refuse([good], "message_type", message_type="song")
    assert ann.get("/conversations")["total"] == ben.get("/conversations")["total"] == 0
