"""Web clients: what they may do, their sessions, and the tickets that open a WebSocket once."""
import os
import time
import uuid
from datetime import datetime, timezone

import pytest

from lib.devices import add_device
from lib.farm import eventually
from lib.live import Live
from lib.outside import absent
from lib.people import b64, refused

NONCE = "0123456789abcdef"


def fields(**more):
    return {"deviceName": "browser", "userAgent": "Mozilla/5.0", "publicKey": b64(os.urandom(32)), **more}


def ticket_of(account, session=None, nonce=NONCE):
    session = session or account.post("/web/sessions", fields())["sessionId"]
    return account.post(f"/web/sessions/{session}/websocket-tokens", {"clientNonce": nonce})["token"]


def connect(account, path="/api/v1/ws"):
    return Live(f"ws://{account.site.host}:{account.site.port}{path}")


def by_ticket(account, ticket, nonce=NONCE):
    """A socket that a ticket opened."""
    live = connect(account)
    live.sign_in({"ticket": ticket, "nonce": nonce})
    return live


def refuses(account, ticket, nonce=NONCE):
    """The relay ends a connection that shows such a ticket, and says nothing else."""
    live = connect(account)
    live.send({"type": "auth", "ticket": ticket, "nonce": nonce})
    live.wait_closed()
    return not any(frame["type"] == "ready" for frame in live.frames)


def when(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# ---- configuration ------------------------------------------------------------------------------


def test_the_configuration_is_what_the_server_enforces(farm, alice):
    config = alice.get("/web/clients/config")
    assert config["maxGroupMembers"] == int(farm.settings["group.max"])
    assert config["maxBroadcastRecipients"] == int(farm.settings["broadcast.max"])
    assert config["maxDocumentSizeBytes"] == min(farm.size("document.max"), farm.size("upload.max"))
    assert config["maxImageSizeBytes"] == min(farm.size("image.max"), farm.size("upload.max"))
    assert config["maxStatusDurationHours"] * 3600 == farm.seconds("status.lifetime")
    assert config["supportsWebSocket"] and config["supportsOfflineQueue"] and not config["supportsWebRTC"]
    assert config["encryptionProtocol"] == "signal"


def test_the_configuration_names_the_websocket(alice):
    path = alice.get("/web/clients/config")["webSocketPath"]
    with connect(alice, path) as live:
        live.sign_in({"token": alice.token})


# ---- sessions -----------------------------------------------------------------------------------


def test_a_session_lives_for_the_configured_time(farm, alice):
    session = alice.post("/web/sessions", fields())
    life = when(session["expiresAt"]) - when(session["createdAt"])
    assert abs(life - farm.seconds("web.session.lifetime")) < 1
    assert abs(when(session["createdAt"]) - datetime.now(timezone.utc).timestamp()) < 30


def test_a_key_has_one_session_at_a_time(farm, alice, bob):
    body = fields()
    session = alice.post("/web/sessions", body)["sessionId"]
    refused(alice.post("/web/sessions", {**body, "deviceName": "other name"}, expect=409), field="publicKey")
    bob.post("/web/sessions", body)
    farm.sql("UPDATE web_session SET expires_at = now() WHERE id = %s", session)
    assert alice.post("/web/sessions", body)["sessionId"] != session


@pytest.mark.parametrize("field, bad", [
    ("deviceName", ""), ("userAgent", ""), ("userAgent", "x" * 513), ("publicKey", "AAAA"), ("publicKey", "?"),
    ("deviceName", None), ("userAgent", None), ("publicKey", None)])
def test_bad_session_parameters_are_named(alice, field, bad):
    body = {k: v for k, v in fields(**{field: bad}).items() if v is not None}
    refused(alice.post("/web/sessions", body, expect=400), field=field)


def test_web_operations_need_a_token(nobody, alice):
    nobody.get("/web/clients/config", expect=401)
    nobody.post("/web/sessions", fields(), expect=401)
    session = alice.post("/web/sessions", fields())["sessionId"]
    nobody.post(f"/web/sessions/{session}/websocket-tokens", {"clientNonce": NONCE}, expect=401)


# ---- tickets ------------------------------------------------------------------------------------


def test_a_ticket_opens_one_socket_as_its_owner(alice, bob):
    ticket = ticket_of(alice)
    with by_ticket(alice, ticket) as live:
        bob.say(alice)
        live.wait_for("message.new")
        assert refuses(alice, ticket)
        live.never("ready")


def test_a_ticket_is_worth_nothing_with_another_nonce(alice):
    assert refuses(alice, ticket_of(alice), NONCE[::-1])


def test_a_ticket_expires(farm, alice):
    session = alice.post("/web/sessions", fields())["sessionId"]
    answer = alice.post(f"/web/sessions/{session}/websocket-tokens", {"clientNonce": NONCE})
    lifetime = farm.seconds("ticket.lifetime")
    assert 0 < when(answer["expiresAt"]) - time.time() <= lifetime + 1
    keys = list(farm.redis.scan_iter("wst:*"))
    assert keys and all(0 < farm.redis.ttl(key) <= lifetime for key in keys)
    assert not any(answer["token"] in text or NONCE in text for key in keys for text in (key, farm.redis.get(key) or ""))
    for key in keys:
        farm.redis.expire(key, 0)
    assert refuses(alice, answer["token"])


def test_each_ticket_is_another(alice):
    session = alice.post("/web/sessions", fields())["sessionId"]
    assert ticket_of(alice, session) != ticket_of(alice, session)
    body, key = {"clientNonce": NONCE}, {"Idempotency-Key": str(uuid.uuid4())}
    tokens = {alice.post(f"/web/sessions/{session}/websocket-tokens", body, headers=key)["token"] for _ in range(2)}
    assert len(tokens) == 2


@pytest.mark.parametrize("nonce", ["x" * 15, "x" * 129, "", 7, None])
def test_bad_nonces_are_refused(alice, nonce):
    session = alice.post("/web/sessions", fields())["sessionId"]
    refused(alice.post(f"/web/sessions/{session}/websocket-tokens", {"clientNonce": nonce}, expect=400), field="clientNonce")
    refused(alice.post(f"/web/sessions/{session}/websocket-tokens", {}, expect=400), field="clientNonce")


def test_tickets_are_for_ones_own_living_sessions(farm, alice, bob):
    session = alice.post("/web/sessions", fields())["sessionId"]
    path = f"/web/sessions/{session}/websocket-tokens"
    bob.post(path, {"clientNonce": NONCE}, expect=404)
    alice.post(f"/web/sessions/{uuid.uuid4()}/websocket-tokens", {"clientNonce": NONCE}, expect=404)
    alice.post(path, {"clientNonce": "x" * 128})
    farm.sql("UPDATE web_session SET expires_at = now() WHERE id = %s", session)
    alice.post(path, {"clientNonce": NONCE}, expect=404)


def test_without_redis_there_are_no_tickets(farm, alice):
    """What else is needed is the database, which tells whether the session has ended when Redis cannot."""
    session = alice.post("/web/sessions", fields())["sessionId"]
    with absent(farm, "redis"):
        refused(alice.post(f"/web/sessions/{session}/websocket-tokens", {"clientNonce": NONCE}, expect=503))
        alice.get("/web/clients/config")
        with absent(farm, "postgres"):
            refused(alice.get("/web/clients/config", expect=503))
    eventually(farm.ready, 20)
    time.sleep(1)  # so long a worker that has missed Redis does not look for it
    with by_ticket(alice, ticket_of(alice, session)):
        assert alice.get("/web/clients/config")["supportsWebSocket"]


def test_a_session_ends_with_the_sign_in_that_opened_it(alice):
    tablet = add_device(alice)
    body = fields()
    session = tablet.post("/web/sessions", body)["sessionId"]
    ticket_of(alice, session)
    tablet.post("/auth/logout", {})
    alice.post(f"/web/sessions/{session}/websocket-tokens", {"clientNonce": NONCE}, expect=404)
    alice.post("/web/sessions", body)


def test_removing_the_device_ends_the_socket_that_a_ticket_opened(alice):
    tablet = add_device(alice)
    with by_ticket(alice, ticket_of(tablet)) as live:
        alice.delete(f"/devices/{tablet.device}")
        live.wait_closed()


def test_the_socket_ends_with_the_web_session(farm, alice):
    session = alice.post("/web/sessions", fields())["sessionId"]
    farm.sql("UPDATE web_session SET expires_at = now() + interval '3 seconds' WHERE id = %s", session)
    with by_ticket(alice, ticket_of(alice, session)) as live:
        assert live.hello["expiresInSeconds"] <= 3
        live.wait_closed(timeout=20)
