"""Operations over the WebSocket: requests and commands, who asks, what bounds them, and what happens when an app dies."""
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import struct
import threading
import time
import uuid

import pytest

from lib.farm import Farm, eventually
from lib.people import Account, b64
from lib.relay import counter
from test_media import image

IDS = itertools.count(1)
#: What the relay may say while an app dies and comes back: interrupted, not there, too much waits for it.
INTERRUPTED = {502, 503, 429}


def ask(live, method, path, body=None, timeout=10, **more):
    """Ask for an operation and wait for the answer; paths are below the mount."""
    return live.wait_for("response", timeout, id=begin(live, method, path, body, **more))


def begin(live, method, path, body=None, **more):
    """Ask without waiting; the id of the answer."""
    name = next(IDS)
    live.send({"type": "request", "id": name, "method": method, "path": "/api/v1" + path,
               **({} if body is None else {"body": body}), **more})
    return name


def command(live, kind, data, timeout=10):
    name = f"c{next(IDS)}"
    live.send({"type": kind, "id": name, "data": data})
    return live.wait_for("response", timeout, id=name)


def message(to, text="hello", **more):
    return {"recipientId": to.id, "ciphertext": b64(text.encode()), "messageType": "text",
            "clientMessageId": str(uuid.uuid4()), **more}


def without_instance(problem):
    return {name: value for name, value in problem.items() if name != "instance"}


@contextlib.contextmanager
def standing_still(farm, app):
    """All processes of an app are stopped."""
    master = farm.pid(app)
    pids = [master, *farm.children(master)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def strict():
    """A farm whose relay has little patience and little room."""
    with Farm.private(LIMIT_AUTH="5000/60", RELAY_CALL_TIMEOUT="3s", RELAY_CALLS="6", RELAY_CALLS_PER_CONNECTION="4",
                      RELAY_CALL_REPLY="4k") as farm:
        yield farm


# ---- requests -----------------------------------------------------------------------------------


def test_a_request_is_carried_out_as_over_rest(alice, bob):
    with alice.listen() as live, bob.listen() as other:
        answer = ask(live, "POST", "/messages", message(bob))
        assert answer["status"] == 201, answer
        arrived = other.wait_for("message.new", messageId=answer["body"]["messageId"])
        assert arrived["senderId"] == alice.id and arrived["senderDeviceId"] == alice.device
        live.never("message.new")


def test_queries_reach_the_operation(alice):
    with alice.listen() as live:
        answer = ask(live, "GET", "/queues?page=1&pageSize=10")
        assert answer["status"] == 200 and answer["body"] == {"items": [], "page": 1, "pageSize": 10, "totalItems": 0}
        assert ask(live, "GET", "/queues?page=0&pageSize=10")["body"]["field"] == "page"


def test_refusals_are_those_of_the_surface(alice, bob):
    with alice.listen() as live:
        refused = ask(live, "POST", "/messages", {"recipientId": "nobody"})
        assert refused["status"] == 400
        assert without_instance(refused["body"]) == \
            without_instance(alice.post("/messages", {"recipientId": "nobody"}, expect=400))
        assert ask(live, "GET", "/nothing/like/this")["status"] == 404
        wrong = ask(live, "DELETE", "/messages")
        assert wrong["status"] == 405 and "GET" in wrong["headers"]["Allow"]
        assert ask(live, "GET", f"/users/{bob.id}/settings/read-receipts")["status"] == 403


def test_a_file_comes_in_base64(alice):
    media = image(alice, b"\x00\xff not a text")["mediaId"]
    address = alice.get(f"/media/{media}")["downloadUrl"].removeprefix("/api/v1")
    with alice.listen() as live:
        answer = ask(live, "GET", address)
        assert answer["status"] == 200 and answer["encoding"] == "base64" and answer["body"] == b64(b"\x00\xff not a text")


def test_an_idempotency_key_goes_along(alice, bob):
    key, body = str(uuid.uuid4()), {"name": "only once", "description": "", "memberIds": [bob.id], "encryptionMetadata": {}}
    with alice.listen() as live:
        first, second = (ask(live, "POST", "/groups", body, headers={"Idempotency-Key": key}) for _ in range(2))
        assert first["status"] == second["status"] == 201 and first["body"]["id"] == second["body"]["id"]
        assert ask(live, "POST", "/groups", {**body, "name": "another"}, headers={"idempotency-key": key})["status"] == 422


def test_useful_headers_come_back(alice):
    with alice.listen() as live:
        answer = ask(live, "GET", "/devices?page=1&pageSize=1", headers={"X-Request-ID": "named-by-me"})
        assert answer["headers"]["X-Request-ID"] == "named-by-me" and "Cache-Control" not in answer["headers"]


@pytest.mark.parametrize("frame, field", [
    ({"method": "GET", "path": "/api/v1/devices"}, "id"),
    ({"id": None, "method": "GET", "path": "/api/v1/devices"}, "id"),
    ({"id": {"a": 1}, "method": "GET", "path": "/api/v1/devices"}, "id"),
    ({"id": "x" * 200, "method": "GET", "path": "/api/v1/devices"}, "id"),
    ({"id": 1, "path": "/api/v1/devices"}, "method"),
    ({"id": 1, "method": 7, "path": "/api/v1/devices"}, "method"),
    ({"id": 1, "method": "TRACE", "path": "/api/v1/devices"}, "method"),
    ({"id": 1, "method": "get", "path": "/api/v1/devices"}, "method"),
    ({"id": 1, "method": "GET"}, "path"),
    ({"id": 1, "method": "GET", "path": ["/"]}, "path"),
    ({"id": 1, "method": "GET", "path": ""}, "path"),
    ({"id": 1, "method": "GET", "path": "devices"}, "path"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices\r\nX: y"}, "path"),
    ({"id": 1, "method": "GET", "path": "/api/v1/dev ices"}, "path"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devic\u00e9s"}, "path"),
    ({"id": 1, "method": "GET", "path": "/" + "a" * 5000}, "path"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": []}, "headers"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": {"Authorization": "Bearer x"}}, "headers"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": {"X-Forwarded-For": "127.0.0.1"}}, "headers"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": {"If-Match": 7}}, "headers"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": {"If-Match": "a\nb"}}, "headers"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": {"If-Match": "a" * 5000}}, "headers"),
    ({"id": 1, "method": "GET", "path": "/api/v1/devices", "headers": {"If-Match": "a", "if-match": "b"}}, "headers")])
def test_a_request_that_makes_no_sense_names_the_field(alice, frame, field):
    with alice.listen() as live:
        live.send({"type": "request", **frame})
        answer = live.wait_for("response")
        assert answer["status"] in (400, 405) and answer["body"]["field"] == field, answer
        assert ask(live, "GET", "/devices?page=1&pageSize=1")["status"] == 200, "the connection goes on"


def test_paths_are_not_decoded_on_the_way(alice, bob):
    with alice.listen() as live:
        for path in (f"/users/{alice.id}/../{bob.id}/settings/read-receipts", f"/users%2F{alice.id}/settings/read-receipts",
                     f"/users/{alice.id}%2Fsettings/read-receipts", "/../../etc/passwd", "//devices"):
            assert ask(live, "GET", path)["status"] == 404, path


# ---- who asks -----------------------------------------------------------------------------------


def test_a_client_cannot_name_itself_over_rest(farm, nobody, bob):
    for name in ("Rookery-Account", "ROOKERY_ACCOUNT", "Rookery_Account"):
        reply = nobody.request("GET", "/devices?page=1&pageSize=1".partition("?")[0], query={"page": 1, "pageSize": 1}, headers={
            name: bob.id, name.replace("ccount", "ession").replace("CCOUNT", "ESSION"): bob.session})
        assert reply.status == 401, reply


def test_the_operators_operations_are_not_for_clients(alice):
    with alice.listen() as live:
        live.send({"type": "request", "id": "m", "method": "GET", "path": "/metrics"})
        assert live.wait_for("response", id="m")["status"] == 403


def test_no_other_user_of_the_machine_vouches_for_callers(farm, alice):
    """A process of another user, even one that may use the app's socket, is not believed."""
    if os.geteuid() != 0:
        pytest.skip("takes root to become somebody else")

    def record(kind, content):
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    def call(uid):
        values = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/api/v1/devices?page=1&pageSize=1", "QUERY_STRING": "page=1&pageSize=1",
                  "ROOKERY_ACCOUNT": alice.id, "ROOKERY_SESSION": alice.session, "ROOKERY_DEVICE": alice.device}
        params = b"".join(bytes([len(k), len(v)]) + k.encode() + v.encode() for k, v in values.items())
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            os.seteuid(uid)
            try:
                client.connect(str(path))
            finally:
                os.seteuid(0)
            client.sendall(record(1, b"\0\1\0\0\0\0\0\0") + record(4, params) + record(4, b"") + record(5, b""))
            answer = b""
            with contextlib.suppress(ConnectionError):
                while piece := client.recv(65536):
                    answer += piece
        return int(answer.partition(b"Status: ")[2][:3])

    path = farm.run / "fcgi/whatsapp-devices.sock"
    before = {place: place.stat().st_mode & 0o7777 for place in (path, path.parent, farm.run)}
    for place in before:
        place.chmod(0o777)
    try:
        assert call(path.stat().st_uid) == 200
        assert {call(uid) for uid in (0, 65534) if uid != path.stat().st_uid} == {401}
    finally:
        for place, mode in before.items():
            place.chmod(mode)


def test_requests_count_against_the_same_limits(alice):
    first = alice.request("GET", "/devices", query={"page": 1, "pageSize": 1})
    with alice.listen() as live:
        second = ask(live, "GET", "/devices?page=1&pageSize=1")
    left = [int(first.headers["ratelimit-remaining"]), int(second["headers"]["RateLimit-Remaining"])]
    assert left[1] == left[0] - 1 or left[1] > left[0], "or a new window has begun"


def test_nothing_is_done_for_a_session_that_has_ended(farm, alice, bob):
    """The mark of the revocation reaches the app before the relay hears of it."""
    with alice.listen() as live:
        farm.redis.set(f"rev:{alice.session}", 1, ex=60)
        assert ask(live, "POST", "/messages", message(bob))["status"] == 401
    assert bob.get("/queues", page=1, pageSize=10)["totalItems"] == 0


# ---- bounds -------------------------------------------------------------------------------------


def test_a_slow_operation_is_answered_in_time(strict):
    alice = Account.register(strict)
    with alice.listen() as live, standing_still(strict, "whatsapp-devices"):
        since = time.monotonic()
        answer = ask(live, "GET", "/devices?page=1&pageSize=1")
        assert answer["status"] == 504 and answer["body"]["code"] == "GATEWAY_TIMEOUT"
        assert 2.5 < time.monotonic() - since < 6
        assert ask(live, "GET", "/queues?page=1&pageSize=1")["status"] == 200, "other apps are not held up"


def test_calls_of_a_connection_and_of_all_are_bounded(strict):
    """4 of a connection run, 64 wait, more are refused; 6 of all run, and the rest is served when there is room."""
    alice, bob = Account.register(strict), Account.register(strict)
    with alice.listen() as one, bob.listen() as two:
        with standing_still(strict, "whatsapp-devices"):
            names = [begin(one, "GET", "/devices?page=1&pageSize=1") for _ in range(80)]
            others = [begin(two, "GET", "/devices?page=1&pageSize=1") for _ in range(4)]
            refused = [one.wait_for("response", status=429) for _ in range(80 - 64 - 4)]
            assert {answer["id"] for answer in refused} == set(names[68:])
            eventually(lambda: counter(strict, "calls_running") == 6 or None, within=2)
        for name in names[:68]:
            assert one.wait_for("response", 20, id=name)["status"] in (200, 504)
        for name in others:
            assert two.wait_for("response", 20, id=name)["status"] in (200, 504)
        assert counter(strict, "calls_running") == 0
        assert ask(one, "GET", "/devices?page=1&pageSize=1")["status"] == 200


def test_an_answer_too_large_for_the_socket_is_told_so(strict):
    alice = Account.register(strict)
    people = [Account.register(strict) for _ in range(2)]
    for person in people:
        person.say(alice, "x" * 2000)
    with alice.listen() as live:
        answer = ask(live, "GET", "/queues?page=1&pageSize=10")
        assert answer["status"] == 502 and "REST" in answer["body"]["detail"]
        assert ask(live, "GET", "/queues?page=1&pageSize=1")["status"] == 200


def test_a_request_may_be_as_large_as_a_message(alice, bob):
    with alice.listen() as live, bob.listen() as other:
        assert ask(live, "POST", "/messages", message(bob, "x" * 45000))["status"] == 201
        assert len(other.wait_for("message.new")["ciphertext"]) == 60000
        live.send(json.dumps({"type": "request", "id": 1, "method": "POST", "path": "/api/v1/messages",
                              "body": message(bob, "x" * 60000)}))
        assert live.wait_closed() == 1009


def test_calls_of_a_client_that_went_are_abandoned(farm, alice):
    before = counter(farm, "calls_abandoned_total")
    with standing_still(farm, "whatsapp-devices"):
        live = alice.listen()
        for _ in range(12):
            begin(live, "GET", "/devices?page=1&pageSize=1")
        eventually(lambda: counter(farm, "calls_running") >= 8 or None)
        live.drop()
        eventually(lambda: counter(farm, "calls_running") == 0 or None)
    assert counter(farm, "calls_abandoned_total") == before + 8
    with alice.listen() as live:
        assert ask(live, "GET", "/devices?page=1&pageSize=1")["status"] == 200


# ---- apps that die ------------------------------------------------------------------------------


def test_an_app_that_is_not_there_is_told_so(farm, alice):
    path = farm.run / "fcgi/whatsapp-devices.sock"
    path.rename(farm.run / "fcgi/away.sock")
    try:
        with alice.listen() as live:
            answer = ask(live, "GET", "/devices?page=1&pageSize=1")
            assert answer["status"] == 503 and "not begun" in answer["body"]["detail"]
    finally:
        (farm.run / "fcgi/away.sock").rename(path)


def test_an_app_that_listens_again_soon_is_asked_again(farm, alice):
    before = counter(farm, "calls_retried_total")
    path = farm.run / "fcgi/whatsapp-devices.sock"
    with alice.listen() as live:
        path.rename(farm.run / "fcgi/away.sock")
        name = begin(live, "GET", "/devices?page=1&pageSize=1")
        eventually(lambda: counter(farm, "calls_retried_total") > before or None)
        (farm.run / "fcgi/away.sock").rename(path)
        assert live.wait_for("response", id=name)["status"] == 200


def test_every_request_is_answered_while_an_app_is_killed(farm, alice, bob):
    """Whatever dies when: each send has one answer, and what was acknowledged has arrived, once."""
    with alice.listen() as live, bob.listen() as other:
        sent = {}
        for n in range(150):
            body = message(bob, str(n))
            sent[begin(live, "POST", "/messages", body)] = body["clientMessageId"]
            if n % 50 == 25:
                farm.kill_all("whatsapp-messages")
            time.sleep(0.01)
        answers = {name: live.wait_for("response", 30, id=name) for name in sent}
        assert {a["status"] for a in answers.values()} <= {201} | INTERRUPTED
        good = {a["body"]["messageId"] for a in answers.values() if a["status"] == 201}
        assert good
        for found in good:
            other.wait_for("message.new", 20, messageId=found)
        everything = [f["data"]["messageId"] for f in other.frames if f["type"] == "message.new"]
        assert len(everything) == len(set(everything))


def test_a_new_binary_of_the_relay_cuts_no_request(farm, alice, bob):
    """Whatever was asked before, while and after the connections were handed over has one answer, and nobody is cut off."""
    with alice.listen() as live, bob.listen() as other:
        done, sent = [], []

        def restart():
            done.append(farm.rookery("restart", "wsrelay").returncode)

        restarting = threading.Thread(target=restart)
        for n in range(120):
            if n == 20:
                restarting.start()
            sent.append(begin(live, "POST", "/messages", message(bob, str(n))))
            time.sleep(0.02)
        restarting.join()
        answers = [live.wait_for("response", 20, id=name) for name in sent]
        assert done == [0] and {a["status"] for a in answers} == {201}
        for answer in answers:
            other.wait_for("message.new", 20, messageId=answer["body"]["messageId"])
        assert live.closed is None and other.closed is None
        assert len([f for f in live.frames if f["type"] == "response"]) == len(sent)
        assert len([f for f in other.frames if f["type"] == "message.new"]) == len(sent)


# ---- commands -----------------------------------------------------------------------------------


def test_messages_sent_as_commands_keep_their_order(alice, bob):
    texts = [b64(str(n).encode()) for n in range(60)]
    with alice.listen() as live, bob.listen() as other:
        for n, text in enumerate(texts):
            live.send({"type": "message.send", "id": n, "data": {**message(bob), "ciphertext": text}})
        assert [live.wait_for("response", id=n)["status"] for n in range(len(texts))] == [201] * len(texts)
        assert [other.wait_for("message.new")["ciphertext"] for _ in texts] == texts


def test_reading_reacting_and_editing_reach_the_other_side(alice, bob):
    sent = alice.say(bob)
    with alice.listen() as one, bob.listen() as two:
        assert command(two, "message.read", {"conversationId": sent["conversationId"]})["status"] == 200
        assert one.wait_for("message.read")["userId"] == bob.id
        added = command(two, "reaction.add", {"messageId": sent["messageId"], "emoji": "👍"})
        assert added["status"] == 201
        assert one.wait_for("reaction.added")["emoji"] == "👍"
        two.send({"type": "reaction.remove", "data": {"messageId": sent["messageId"],
                                                      "reactionId": added["body"]["reactionId"]}})
        one.wait_for("reaction.removed", reactionId=added["body"]["reactionId"])
        two.never("response")


def test_a_command_that_makes_no_sense_is_refused_even_without_an_id(alice, bob):
    with alice.listen() as live:
        live.send({"type": "message.read", "data": {"seq": 1}})
        answer = live.wait_for("response", command="message.read")
        assert answer["id"] is None and answer["status"] == 400 and answer["body"]["field"] == "conversationId"
        for data in (None, [], "x", {"conversationId": 1.5}, {"conversationId": ""}, {"conversationId": "a" * 9000}):
            live.send({"type": "message.read", "id": 5, "data": data})
            assert live.wait_for("response", id=5)["body"]["field"] == "conversationId"
        assert command(live, "message.read", {"conversationId": "../../devices"})["status"] in (400, 404)
        assert command(live, "message.read", {"conversationId": str(uuid.uuid4())})["status"] == 404
        live.send({"type": "message.read", "id": [], "data": {}})
        assert live.wait_for("response", command="message.read")["body"]["field"] == "id"


# ---- whatever clients say -----------------------------------------------------------------------


def nonsense(dice, depth=0):
    """Some JSON value."""
    kind = dice.randrange(8 if depth < 3 else 6)
    if kind == 6:
        return [nonsense(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == 7:
        return {dice.choice(WORDS): nonsense(dice, depth + 1) for _ in range(dice.randrange(4))}
    return [None, True, dice.choice(WORDS), dice.randrange(-2**63, 2**63), dice.random() * 1e300,
            "".join(map(chr, dice.choices(range(1, 0x800), k=dice.randrange(40))))][kind]


WORDS = ["type", "id", "data", "method", "path", "headers", "body", "conversationId", "messageId", "userIds", "request",
         "GET", "POST", "/api/v1/messages", "/api/v1/devices?page=1&pageSize=1", "Idempotency-Key", "{x}", "%00", "..", ""]
TYPES = ["request", "message.send", "message.read", "message.edit", "reaction.add", "reaction.remove", "ack", "typing.start",
         "typing.stop", "presence.subscribe", "presence.set", "ping", "auth"]


def test_nothing_that_clients_say_brings_the_relay_down(farm, alice, bob):
    dice = random.Random(os.environ.get("FUZZ_SEED", "relay"))
    pid = farm.pid("wsrelay")
    with bob.listen() as witness:
        for _ in range(8):
            live = alice.listen()
            for _ in range(100):
                frame = {dice.choice(WORDS): nonsense(dice) for _ in range(dice.randrange(5))}
                frame["type"] = dice.choice(TYPES[:-1])
                if dice.random() < 0.5:
                    frame["data"] = {dice.choice(WORDS): nonsense(dice) for _ in range(3)}
                if live.closed is None:
                    with contextlib.suppress(Exception):
                        live.send(frame)
            live.drop() if dice.random() < 0.5 else live.close()
        assert farm.pid("wsrelay") == pid
        witness.send({"type": "ping"})
        witness.wait_for("pong")


def test_calls_are_counted(farm, alice):
    before = {name: counter(farm, name) for name in ("calls_total", 'answers_total{status="2xx"}', 'answers_total{status="4xx"}')}
    with alice.listen() as live:
        ask(live, "GET", "/devices?page=1&pageSize=1")
        ask(live, "GET", "/devices?page=0&pageSize=1")
        live.send({"type": "request", "id": "w", "method": "GET", "path": "devices"})
        live.wait_for("response", id="w")
    after = {name: counter(farm, name) for name in before}
    assert [after[name] - before[name] for name in before] == [2, 1, 2]
