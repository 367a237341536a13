"""The farm and its peers do the same work: one test of sending, listing and synchronising for all of them.

    ROOKERY_FARM=RUN_DIRECTORY pytest tests/bench/test_peers.py

Each test runs against the farm itself and against the peers, which are built and started beside it.
"""
import copy
import json
import time
import uuid

import pytest

from peers import started
from lib.people import b64, refused

CIPHER = b64(b"sealed" * 40)


@pytest.fixture(scope="session")
def sites(farm):
    with started(farm) as peers:
        yield {"farm": farm.site(), **{name: peer.site for name, peer in peers.items()}}


@pytest.fixture(params=["farm", "go", "node"])
def through(request, sites):
    """A person as somebody whose requests go to the server under test."""
    def person(account):
        there = copy.copy(account)
        there.site = sites[request.param]
        return there
    return person


@pytest.fixture
def ann(through, alice):
    return through(alice)


@pytest.fixture
def direct(alice, bob):
    return alice.say(bob)["conversationId"]


def fresh():
    return str(uuid.uuid4())


def path(conversation):
    return f"/conversations/{conversation}/messages"


def count(farm, conversation):
    return farm.sql("SELECT count(*) AS n FROM message WHERE conversation_id = %s", conversation)[0]["n"]


def test_a_message_is_stored_and_arrives(ann, alice, bob, direct):
    client = fresh()
    with bob.listen() as live:
        sent = ann.post(path(direct), {"ciphertext": CIPHER, "clientMessageId": client, "senderDeviceId": alice.device,
                                       "ciphertextFormat": "signal", "sentAt": "2026-01-01T01:00:00+01:00"}, 201)
        data = live.wait_for("message.new", messageId=sent["messageId"])["data"]
    assert {key: sent[key] for key in ("conversationId", "chatId", "type", "status", "seq")} == {
        "conversationId": direct, "chatId": direct, "type": "text", "status": "queued", "seq": 2}
    assert sent["id"] == sent["messageId"] == data["messageId"] and sent["serverTimestamp"] == data["createdAt"]
    assert data["ciphertext"] == CIPHER and data["clientMessageId"] == client and data["senderId"] == alice.id
    assert data["seq"] == 2 and data["senderDeviceId"] == alice.device
    assert data["ciphertextFormat"] == "signal" and data["sentAt"] == "2026-01-01T00:00:00.000Z"
    listed = bob.get(path(direct), page=1, pageSize=1)["items"][0]
    assert listed == data


def test_the_same_event_goes_out(farm, through, alice, bob, direct):
    sent = through(alice).post(path(direct), {"ciphertext": CIPHER, "clientMessageId": fresh()}, 201)
    ours = alice.post(path(direct), {"ciphertext": CIPHER, "clientMessageId": fresh()}, 201)
    events = {entry["id"]: entry for _, entry in farm.redis.xrevrange("rt", count=200)}
    theirs, own = events[sent["id"]], events[ours["id"]]
    same = ("t", "c", "v", "to", "not")
    assert {key: theirs[key] for key in same} == {key: own[key] for key in same} and theirs.keys() == own.keys()
    assert json.loads(theirs["j"]).keys() == json.loads(own["j"]).keys()
    assert int(theirs["s"]) + 1 == int(own["s"])


@pytest.mark.parametrize("change, status, field", [
    ({"ciphertext": None}, 400, "ciphertext"),
    ({"ciphertext": ""}, 400, "ciphertext"),
    ({"ciphertext": "A" * 70000}, 413, "ciphertext"),
    ({"clientMessageId": "x" * 129}, 400, "clientMessageId"),
    ({"clientMessageId": ""}, 400, "clientMessageId"),
    ({"senderDeviceId": "x"}, 400, "senderDeviceId"),
    ({"senderDeviceId": str(uuid.uuid4())}, 403, "senderDeviceId"),
    ({"sentAt": "yesterday"}, 400, "sentAt"),
    ({"ciphertextFormat": "x" * 65}, 400, "ciphertextFormat"),
    ({"formatting": {"textLength": 3, "entities": [{"type": "bold", "offset": 0, "length": 4}]}}, 422,
     "formatting.entities[0]"),
])
def test_a_faulty_message_changes_nothing(farm, ann, direct, change, status, field):
    body = {"ciphertext": CIPHER, "clientMessageId": fresh(), **change}
    refused(ann.post(path(direct), {key: value for key, value in body.items() if value is not None}, status), field)
    assert count(farm, direct) == 1


@pytest.mark.parametrize("body", [b"{", b'"text"', b'{"ciphertext": 5}', b'{"ciphertext": "eA==", "formatting": 1}'])
def test_a_malformed_body_is_refused(ann, direct, body):
    ann.post(path(direct), body, 400, headers={"Content-Type": "application/json"})


def test_a_repeated_client_id_names_the_first_message(farm, ann, direct):
    body = {"ciphertext": CIPHER, "clientMessageId": fresh()}
    sent = ann.post(path(direct), body, 201)
    refused(ann.post(path(direct), body, 409), "clientMessageId", messageId=sent["id"])
    assert count(farm, direct) == 2


def test_members_alone_send_and_read(through, carol, direct):
    stranger = through(carol)
    stranger.post(path(direct), {"ciphertext": CIPHER}, 403)
    stranger.get(path(direct), 403, page=1, pageSize=50)
    for missing in (fresh(), "x"):
        expected = 400 if missing == "x" else 404
        stranger.post(path(missing), {"ciphertext": CIPHER}, expected)
        stranger.get(path(missing), expected, page=1, pageSize=50)


@pytest.mark.parametrize("spoil", [lambda token: None, lambda token: "x", lambda token: token[:-8] + "AAAAAAAA",
                                   lambda token: token.replace(".", ".e30", 1)])
def test_a_token_is_needed(farm, ann, direct, spoil):
    ann.token = spoil(ann.token)
    ann.post(path(direct), {"ciphertext": CIPHER}, 401)
    ann.get(path(direct), 401, page=1, pageSize=50)
    ann.get("/messages/sync", 401, page=1, pageSize=50)
    assert count(farm, direct) == 1


def test_a_revoked_session_has_ended(farm, ann, direct):
    ann.post(path(direct), {"ciphertext": CIPHER}, 201)
    farm.redis.set(f"rev:{ann.session}", 1, ex=60)
    ann.post(path(direct), {"ciphertext": CIPHER}, 401)
    ann.get("/messages/sync", 401, page=1, pageSize=50)


@pytest.mark.parametrize("name", ["messages", "sync"])
def test_requests_are_counted_and_limited(farm, ann, direct, name):
    def request():
        if name == "messages":
            return ann.request("POST", path(direct), {"ciphertext": CIPHER})
        return ann.request("GET", path(direct), query={"page": 1, "pageSize": 1})
    limit, window = map(int, farm.settings[f"limit.{name}"].split("/"))
    first, second = request().headers, request().headers
    assert first["ratelimit-limit"] == str(limit)
    assert int(first["ratelimit-remaining"]) == int(second["ratelimit-remaining"]) + 1 < limit
    for moment in (0, 1):
        farm.redis.set(f"rl:{name}:{ann.id}:{int(time.time()) // window + moment}", limit, ex=60)
    over = request()
    assert over.status == 429 and 1 <= int(over.headers["retry-after"]) <= window


def test_a_history_is_listed_in_pages(ann, alice, bob, direct):
    ids = [alice.say(bob, f"text {n}")["messageId"] for n in range(5)]
    bob.delete(f"/messages/{ids[1]}", None, 200, query={"scope": "me"})
    alice.delete(f"/messages/{ids[2]}")
    first = ann.get(path(direct), page=1, pageSize=4)
    assert [item["messageId"] for item in first["items"]] == ids[:0:-1]
    assert (first["page"], first["pageSize"], first["total"]) == (1, 4, 6)
    assert first == alice.get(path(direct), page=1, pageSize=4)
    second = ann.get(path(direct), page=2, pageSize=4)
    assert second == alice.get(path(direct), page=2, pageSize=4) and len(second["items"]) == 2


def test_what_one_deleted_for_oneself_is_a_tombstone(through, alice, bob, direct):
    sent = alice.say(bob)
    bob.delete(f"/messages/{sent['messageId']}", None, 200, query={"scope": "me"})
    item = through(bob).get(path(direct), page=1, pageSize=1)["items"][0]
    assert item["messageId"] == sent["messageId"] and "deletedAt" in item and "ciphertext" not in item
    assert "ciphertext" in through(alice).get(path(direct), page=1, pageSize=1)["items"][0]


@pytest.mark.parametrize("query", [{"page": 0, "pageSize": 5}, {"page": 1, "pageSize": 101}, {"page": 1},
                                   {"page": "x", "pageSize": 5}])
def test_a_faulty_page_is_refused(ann, direct, query):
    ann.get(path(direct), 400, **query)
    ann.get("/messages/sync", 400, **query)


def test_synchronising_walks_through_what_is_new(ann, alice, bob, direct):
    def walk(reader, cursor=None):
        seen, more = [], True
        while more:
            answer = reader.get("/messages/sync", page=1, pageSize=2, **({"cursor": cursor} if cursor else {}))
            seen, more, cursor = seen + answer["messages"], answer["hasMore"], answer["nextCursor"]
        return seen, cursor
    everything, cursor = walk(ann)
    assert [message["seq"] for message in everything] == [1]
    ids = [bob.say(alice, f"text {n}")["messageId"] for n in range(3)]
    alice.put(f"/messages/{everything[0]['messageId']}", {"ciphertext": CIPHER})
    new, after = walk(ann, cursor)
    assert [message["messageId"] for message in new] == [*ids, everything[0]["messageId"]]
    assert new == walk(alice, cursor)[0] and walk(ann, after)[0] == []
    refused(ann.get("/messages/sync", 400, page=1, pageSize=2, cursor="nonsense"), "cursor")
