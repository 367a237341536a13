"""Queues: what waits for a device, and the stores that a device fills for itself."""
import concurrent.futures
import os
import uuid

import pytest

from lib.devices import add_device
from lib.people import b64, refused


def waiting(account, **query):
    return account.get("/queues", **{"page": 1, "pageSize": 100, **query})


def ids(account):
    return [item["queueId"] for item in waiting(account)["items"]]


# ---- what waits for this device -----------------------------------------------------------------


def test_messages_wait_in_order_until_they_are_acknowledged(alice, bob, carol):
    sent = [bob.say(alice, "one")["messageId"], carol.say(alice, "two")["messageId"], bob.say(alice, "three")["messageId"]]
    queue = waiting(alice)
    assert [item["queueId"] for item in queue["items"]] == sent == [item["messageId"] for item in queue["items"]]
    assert queue["totalItems"] == 3
    first = queue["items"][0]
    assert first["ciphertext"] == b64(b"one") and first["senderId"] == bob.id and first["senderDeviceId"] == bob.device
    assert alice.post("/queues/ack", {"queueIds": [sent[1]]}) == {"acknowledged": 1}
    assert ids(alice) == [sent[0], sent[2]]
    assert alice.post("/queues/ack", {"queueIds": [sent[2], sent[0], sent[0]]}) == {"acknowledged": 2}
    assert waiting(alice) == {"items": [], "page": 1, "pageSize": 100, "totalItems": 0}


def test_the_queue_has_pages(alice, bob):
    sent = [bob.say(alice)["messageId"] for _ in range(5)]
    pages = [waiting(alice, page=page, pageSize=2) for page in (1, 2, 3, 4)]
    assert [[item["queueId"] for item in page["items"]] for page in pages] == [sent[:2], sent[2:4], sent[4:], []]
    assert {(page["pageSize"], page["totalItems"]) for page in pages} == {(2, 5)}
    refused(alice.get("/queues", pageSize=5, expect=400), field="page")
    refused(alice.get("/queues", page=1, expect=400), field="pageSize")
    refused(alice.get("/queues", page=0, pageSize=5, expect=400), field="page")
    refused(alice.get("/queues", page=1, pageSize=-1, expect=400), field="pageSize")


def test_a_device_is_not_told_what_it_said_itself_but_the_others_are(alice, bob):
    tablet = add_device(alice)
    sent = alice.say(bob)["messageId"]
    assert ids(alice) == [] and ids(tablet) == [sent] == ids(bob)
    tablet.post("/queues/ack", {"queueIds": [sent]})
    assert ids(tablet) == [] and ids(bob) == [sent]


def test_the_sender_learns_of_the_first_acknowledgement(alice, bob):
    tablet = add_device(alice)
    sent = bob.say(alice)["messageId"]
    with bob.listen() as live:
        tablet.post("/queues/ack", {"queueIds": [sent]})
        told = live.wait_for("message.delivered")
        assert told["messageIds"] == [sent] and told["userId"] == alice.id
        alice.post("/queues/ack", {"queueIds": [sent]})
        live.never("message.delivered")


def test_nothing_is_acknowledged_when_one_id_does_not_wait(alice, bob, carol):
    sent = [bob.say(alice)["messageId"] for _ in range(2)]
    foreign, unknown = bob.say(carol)["messageId"], str(uuid.uuid4())
    for stranger in (foreign, unknown):
        problem = refused(alice.post("/queues/ack", {"queueIds": [sent[0], stranger]}, expect=404), field="queueIds")
        assert problem["missing"] == [stranger]
    assert ids(alice) == sent
    with bob.listen() as live:
        alice.post("/queues/ack", {"queueIds": [sent[0], unknown]}, expect=404)
        live.never("message.delivered")
    alice.post("/queues/ack", {"queueIds": sent})
    assert refused(alice.post("/queues/ack", {"queueIds": sent[:1]}, expect=404))["missing"] == sent[:1]


def test_deleted_messages_do_not_wait(alice, bob):
    kept, gone = bob.say(alice)["messageId"], bob.say(alice)["messageId"]
    bob.delete(f"/messages/{gone}", {"deleteScope": "everyone", "clientMutationId": str(uuid.uuid4())})
    assert ids(alice) == [kept]


def test_two_acknowledgements_at_once_count_once(alice, bob):
    sent = [bob.say(alice)["messageId"] for _ in range(20)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: alice.request("POST", "/queues/ack", {"queueIds": sent}), range(4)))
    assert sorted(reply.status for reply in replies) == [201, 404, 404, 404]
    assert ids(alice) == []


@pytest.mark.parametrize("body, field", [
    ({}, "queueIds"), ({"queueIds": []}, "queueIds"), ({"queueIds": "all"}, "queueIds"), ({"queueIds": ["x"]}, "queueIds[0]"),
    ({"queueIds": [7]}, "queueIds[0]")])
def test_bad_ids_are_named(alice, body, field):
    refused(alice.post("/queues/ack", body, expect=400), field=field)


def test_queues_need_a_token(nobody):
    nobody.get("/queues", page=1, pageSize=5, expect=401)
    nobody.post("/queues/ack", {"queueIds": [str(uuid.uuid4())]}, expect=401)
    nobody.post("/offline-queues", {"deviceId": str(uuid.uuid4()), "clientPublicKey": b64(os.urandom(32))}, expect=401)
    path = f"/offline-queues/{uuid.uuid4()}"
    nobody.get(f"{path}/messages", page=1, pageSize=5, expect=401)
    nobody.post(f"{path}/messages", {"messageId": "x", "ciphertext": "AAAA"}, expect=401)
    nobody.post(f"{path}/messages/ack", {"messageIds": ["x"]}, expect=401)
    nobody.delete(path, expect=401)


# ---- stores of a device -------------------------------------------------------------------------


class Store:
    def __init__(self, account, device=None):
        self.account = account
        made = account.post("/offline-queues", {"deviceId": device or account.device, "clientPublicKey": b64(os.urandom(32))})
        self.id, self.path = made["queueId"], f"/offline-queues/{made['queueId']}"

    def put(self, message, text="stored", expect=None, **more):
        return self.account.post(f"{self.path}/messages", {"messageId": message, "ciphertext": b64(text.encode()), **more}, expect)

    def page(self, page=1, size=100, expect=None):
        return self.account.get(f"{self.path}/messages", expect, page=page, pageSize=size)

    def ids(self):
        return [item["messageId"] for item in self.page()["items"]]

    def ack(self, *messages, expect=None):
        return self.account.post(f"{self.path}/messages/ack", {"messageIds": list(messages)}, expect)


@pytest.fixture
def store(alice):
    return Store(alice)


def test_what_is_stored_comes_back_in_order(store):
    first = store.put("a", "one", metadata={"type": "text", "scope": {"to": ["x"]}})
    assert (first["messageId"], first["queuePosition"]) == ("a", 1)
    assert store.put("b", "two")["queuePosition"] == 2
    page = store.page()
    assert [(i["messageId"], i["ciphertext"], i["queuePosition"]) for i in page["items"]] == [
        ("a", b64(b"one"), 1), ("b", b64(b"two"), 2)]
    assert page["items"][0]["metadata"] == {"type": "text", "scope": {"to": ["x"]}} and page["totalItems"] == 2
    assert page["items"][0]["queuedAt"] == first["queuedAt"]


def test_a_store_has_pages(store):
    for name in "abcde":
        store.put(name)
    assert [[i["messageId"] for i in store.page(n, 2)["items"]] for n in (1, 2, 3, 4)] == [["a", "b"], ["c", "d"], ["e"], []]
    assert store.page(4, 2)["totalItems"] == 5
    refused(store.page(0, 2, expect=400), field="page")
    refused(store.page(1, 0, expect=400), field="pageSize")


def test_an_empty_store_is_there_and_empty(store):
    assert store.page() == {"items": [], "page": 1, "pageSize": 100, "totalItems": 0}


def test_acknowledged_entries_go_and_positions_do_not_come_again(store):
    for name in "abc":
        store.put(name)
    assert store.ack("a", "c", "never there", "a") == {"acknowledgedCount": 2, "remainingCount": 1}
    assert store.ids() == ["b"]
    assert store.put("d")["queuePosition"] == 4
    assert store.ack("a") == {"acknowledgedCount": 0, "remainingCount": 2}


def test_storing_the_same_again_stores_it_once(store):
    first = store.put("a", "one", metadata={"n": 1})
    assert store.put("a", "one", metadata={"n": 1}) == first
    refused(store.put("a", "two", metadata={"n": 1}, expect=409), field="messageId")
    refused(store.put("a", "one", expect=409), field="messageId")
    assert store.page()["totalItems"] == 1


def test_entries_stored_at_once_get_different_places(store):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda n: store.put(f"m{n}")["queuePosition"], range(24)))
    assert sorted(places) == list(range(1, 25))
    assert [i["queuePosition"] for i in store.page()["items"]] == list(range(1, 25))


def test_a_store_has_room_for_so_many(farm, store):
    most = int(farm.settings["queue.max"])
    farm.sql("INSERT INTO offline_queue_item (queue_id, position, message_id, ciphertext)"
             " SELECT %s, n, 'filler' || n, 'AAAA' FROM generate_series(1, %s) n", store.id, most - 1)
    farm.sql("UPDATE offline_queue SET last_position = %s, item_count = %s WHERE id = %s", most - 1, most - 1, store.id)
    assert store.put("last")["queuePosition"] == most
    store.put("too much", expect=409)
    store.put("last")
    assert store.ack("filler1")["remainingCount"] == most - 1
    store.put("too much")


def test_entries_that_nobody_fetched_for_long_make_room(farm, store):
    for name in "ab":
        store.put(name)
    farm.sql("UPDATE offline_queue_item SET queued_at = now() - interval '31 days' WHERE queue_id = %s AND message_id = 'a'",
             store.id)
    farm.sql("SELECT offline_queue_prune(make_interval(secs => %s))", farm.seconds("queue.keep"))
    assert store.ids() == ["b"]
    assert store.ack("a") == {"acknowledgedCount": 0, "remainingCount": 1}


def test_a_device_has_one_store(alice, bob, store):
    refused(alice.post("/offline-queues", {"deviceId": alice.device, "clientPublicKey": b64(os.urandom(32))}, expect=409),
            field="deviceId")
    Store(alice, add_device(alice).device)
    Store(bob)


def test_a_store_is_made_for_ones_own_devices_and_with_a_key(alice, bob):
    tablet = add_device(alice)
    alice.delete(f"/devices/{tablet.device}")
    for device in (bob.device, tablet.device, str(uuid.uuid4()), "x"):
        refused(alice.post("/offline-queues", {"deviceId": device, "clientPublicKey": b64(os.urandom(32))}, expect=400),
                field="deviceId")
    for key in ("AAAA", "", "?", b64(bytes(32))):
        refused(alice.post("/offline-queues", {"deviceId": alice.device, "clientPublicKey": key}, expect=400),
                field="clientPublicKey")
    refused(alice.post("/offline-queues", {"deviceId": alice.device}, expect=400), field="clientPublicKey")
    refused(alice.post("/offline-queues", {"clientPublicKey": b64(os.urandom(32))}, expect=400), field="deviceId")


@pytest.mark.parametrize("field, bad", [
    ("messageId", ""), ("messageId", "x" * 129), ("messageId", 7), ("ciphertext", ""), ("ciphertext", "not base64!"),
    ("ciphertext", None), ("metadata", "text"), ("metadata", [])])
def test_bad_entries_are_refused(store, field, bad):
    refused(store.put(**{"message": "m", **({"message": bad} if field == "messageId" else {field: bad})}, expect=400), field=field)
    assert store.ids() == []


def test_an_entry_is_no_larger_than_a_message(farm, store):
    most = farm.size("message.max") // 4 * 3
    store.put("largest", "x" * most)
    refused(store.put("larger", "x" * (most + 3), expect=413), field="ciphertext")


@pytest.mark.parametrize("body", [{}, {"messageIds": []}, {"messageIds": "a"}, {"messageIds": [7]}, {"messageIds": [""]}])
def test_bad_acknowledgements_are_refused(store, body):
    store.put("a")
    refused(store.account.post(f"{store.path}/messages/ack", body, expect=400))
    assert store.ids() == ["a"]


def test_stores_of_others_are_not_found(bob, store):
    store.put("a")
    for path in (store.path, f"/offline-queues/{uuid.uuid4()}"):
        bob.get(f"{path}/messages", page=1, pageSize=5, expect=404)
        bob.post(f"{path}/messages", {"messageId": "b", "ciphertext": "AAAA"}, expect=404)
        bob.post(f"{path}/messages/ack", {"messageIds": ["a"]}, expect=404)
        bob.delete(path, expect=404)
    assert store.ids() == ["a"]


def test_a_deleted_store_is_gone_with_its_content(alice, store):
    store.put("a")
    assert alice.delete(store.path) == {"deleted": True}
    store.page(expect=404)
    store.put("b", expect=404)
    store.ack("a", expect=404)
    alice.delete(store.path, expect=404)
    assert Store(alice).ids() == []
