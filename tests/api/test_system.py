"""Health, start of an app, metrics, keys, the reference page, and paths that nobody has."""
import base64
import hashlib
import json
import os
import re
import time
from datetime import datetime

import pytest

from lib.farm import eventually
from lib.live import Live
from lib.outside import absent
from lib.people import b64, refused


def answer(farm, path, status=200, **how):
    """The whole reply of a path that stands beside /api/v1."""
    reply = farm.site().raw("GET", path, **how)
    assert reply.status == status, reply
    return reply


# ---- is it there --------------------------------------------------------------------------------


def test_health(farm, nobody):
    body = nobody.get("/health", 200)
    assert body["status"] == "ok"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])


def test_alive_and_ready(farm):
    assert answer(farm, "/healthz").body == b"ok\n"
    assert answer(farm, "/readyz").json == {
        "status": "ready", "checks": {"database": "ok", "redis": "ok", "relay": "ok"}}


@pytest.mark.parametrize("service, name", [("postgres", "PostgreSQL"), ("redis", "Redis")])
def test_what_is_away_is_named(farm, nobody, service, name):
    part = "database" if service == "postgres" else service
    with absent(farm, service):
        problem = refused(nobody.get("/health", 503), code="SERVICE_UNAVAILABLE")
        assert name in problem["detail"] and problem["timestamp"]
        ready = answer(farm, "/readyz", 503)
        assert ready.json["checks"][part] != "ok" and part in ready.json["detail"]
        assert ready.headers["retry-after"]
        assert answer(farm, "/healthz").body == b"ok\n"
        assert f'rookery_up{{service="{part}"}} 0' in answer(farm, "/metrics").body.decode()
    eventually(farm.ready, 20)
    nobody.get("/health", 200)


def test_without_the_relay_requests_are_served_but_it_is_not_ready(farm, nobody):
    with absent(farm, "wsrelay"):
        checks = answer(farm, "/readyz", 503).json["checks"]
        assert checks["relay"] != "ok" and checks["database"] == checks["redis"] == "ok"
        nobody.get("/health", 200)
    eventually(farm.ready, 20)


def test_a_relay_that_stands_still_is_not_waited_for(farm):
    with farm.paused("wsrelay"):
        begun = time.monotonic()
        assert answer(farm, "/readyz", 503).json["checks"]["relay"] == "does not answer"
        assert time.monotonic() - begun < 5
    eventually(farm.ready, 20)


def test_health_is_not_limited(farm, nobody):
    assert farm.settings["limit.health"] == "0"
    for _ in range(700):
        nobody.get("/health", 200)


# ---- the start of an app ------------------------------------------------------------------------

PARTS = ("limits", "realtime", "security", "offline")


def test_a_start_answers_every_part(farm, alice):
    start = alice.get("/startup-resources", 200)
    assert start["limits"]["maxGroupMembers"] == int(farm.settings["group.max"])
    assert start["limits"]["maxMessageBytes"] == farm.size("message.max")
    count, seconds = map(int, farm.settings["limit.messages"].split("/"))
    assert start["limits"]["requestRates"]["messages"] == {"count": count, "seconds": seconds}
    assert "health" not in start["limits"]["requestRates"], "it is unlimited"
    assert start["security"]["accessTokenSeconds"] == farm.seconds("token.lifetime")
    assert start["realtime"]["heartbeatSeconds"] == farm.seconds("relay.ping")
    assert start["offline"]["queueId"] is None
    assert abs(datetime.fromisoformat(start["serverTime"]).timestamp() - time.time()) < 60


def test_paths_of_a_start_lead_somewhere(farm, alice):
    start = alice.get("/startup-resources")
    assert answer(farm, start["security"]["keySetPath"]).json["keys"]
    paths = {op.path for op in farm.record.documents["whatsapp"].operations}
    assert start["realtime"]["ticketPath"] in paths
    Live(f"ws://{alice.site.host}:{alice.site.port}{start['realtime']['webSocketPath']}",
         subprotocols=[start["realtime"]["subprotocol"]]).close()


def test_only_what_changed_is_answered_again(farm, alice):
    first = alice.get("/startup-resources")
    again = alice.get("/startup-resources", syncToken=first["syncToken"])
    assert again["syncToken"] == first["syncToken"]
    assert all(again[part] is None for part in PARTS) and again["serverTime"]

    alice.post(f"/users/{alice.id}/2fa", {"pin": "246813"}, 201)
    changed = alice.get("/startup-resources", syncToken=first["syncToken"])
    assert [part for part in PARTS if changed[part]] == ["security"]
    assert changed["security"]["twoFactorEnabled"] is True

    alice.publish_keys(7)
    queue = alice.post("/offline-queues", {"deviceId": alice.device, "clientPublicKey": b64(os.urandom(32))})["queueId"]
    both = alice.get("/startup-resources", syncToken=changed["syncToken"])
    assert [part for part in PARTS if both[part]] == ["security", "offline"]
    assert both["security"]["oneTimePreKeysLeft"] == 7 and both["security"]["keysRegistered"] is True
    assert both["offline"]["queueId"] == queue


def test_a_sync_token_of_ours_never_hides_what_it_does_not_know(alice):
    other = alice.get("/startup-resources", syncToken="1" + ".0123456789abcdef" * 4)
    assert all(other[part] for part in PARTS)


@pytest.mark.parametrize("token", ["", "x", "2" + ".0123456789abcdef" * 4, "1" + ".0123456789abcdef" * 3,
                                   "1" + ".0123456789ABCDEF" * 4, "1" + ".0123456789abcdef" * 4 + " "])
def test_bad_sync_tokens(alice, token):
    refused(alice.get("/startup-resources", 400, syncToken=token), field="syncToken")


@pytest.mark.parametrize("locale, means", [("de-DE", "de-DE"), ("DE_de", "de-DE"), ("en", "en"), ("FIL", "fil"),
                                           ("zh_hant_tw", "zh-Hant-TW"), ("es-419", "es-419")])
def test_locales(alice, locale, means):
    assert alice.get("/startup-resources", locale=locale)["locale"] == means


@pytest.mark.parametrize("locale", ["", "e", "english", "de-", "de-DEU", "12", "de DE", "x" * 40])
def test_bad_locales(alice, locale):
    refused(alice.get("/startup-resources", 400, locale=locale), field="locale")


def test_the_locale_of_the_account_counts_when_none_is_named(farm, alice):
    farm.sql("UPDATE account SET locale = 'fr_ca' WHERE id = %s", alice.id)
    assert alice.get("/startup-resources")["locale"] == "fr-CA"
    farm.sql("UPDATE account SET locale = NULL WHERE id = %s", alice.id)
    assert alice.get("/startup-resources")["locale"] == "en"


def test_a_start_needs_a_token(nobody):
    refused(nobody.get("/startup-resources", 401))


# ---- keys and metrics ---------------------------------------------------------------------------

# The curve P-256 (FIPS 186-4, D.1.2.3): y² = x³ - 3x + B over P, base point G of order N.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def plus(a, b):
    if not a or not b:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = (3 * a[0]**2 - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(n, point):
    total = None
    while n:
        total = plus(total, point) if n & 1 else total
        point, n = plus(point, point), n >> 1
    return total


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text):
    return int.from_bytes(raw(text) if isinstance(text, str) else text, "big")


def test_tokens_verify_under_the_published_keys(farm, alice):
    reply = answer(farm, "/.well-known/jwks.json")
    assert "max-age" in reply.headers["cache-control"]
    keys = {key["kid"]: key for key in reply.json["keys"]}
    assert all("d" not in key for key in keys.values()), "private keys stay private"
    head, payload, signature = alice.token.split(".")
    key = keys[json.loads(raw(head))["kid"]]
    public = number(key["x"]), number(key["y"])
    assert (public[1]**2 - public[0]**3 + 3 * public[0] - B) % P == 0
    r, s = number(raw(signature)[:32]), number(raw(signature)[32:])
    digest = number(hashlib.sha256(f"{head}.{payload}".encode()).digest())
    inverse = pow(s, -1, N)
    point = plus(times(digest * inverse % N, G), times(r * inverse % N, public))
    assert point[0] % N == r


def test_metrics_of_every_part(farm, alice, bob):
    alice.say(bob)
    reply = answer(farm, "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    for service in ("database", "redis", "relay", "jobs"):
        assert f'rookery_up{{service="{service}"}} 1' in text
    assert re.search(r'^rookery_app_requests_total\{surface="whatsapp",family="messages"\} [1-9]', text, re.M)
    assert re.search(r"^rookery_relay_connections\{", text, re.M)
    assert re.search(r"^rookery_jobs_heartbeat_timestamp_seconds 1", text, re.M)
    for line in text.splitlines():
        assert re.fullmatch(r"#.*|[a-z_]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? \S+", line), line


def test_metrics_are_the_operators(farm, alice):
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    answer(farm, "/metrics", 403, headers=proxied)
    answer(farm, "/metrics", 401, headers={**proxied, "Authorization": "Bearer wrong"})
    answer(farm, "/metrics", 401, headers={"Authorization": f"Bearer {alice.token}"})
    secret = (farm.run / "keys/operator.token").read_text().strip()
    answer(farm, "/metrics", 200, headers={**proxied, "Authorization": f"Bearer {secret}"})


# ---- paths of nobody, and the reference page ------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/health",
                                  "/health/", "/api/v1/health/x", "/favicon.ico"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_paths_are_refused_in_the_shape_of_the_surface(farm, path, method):
    reply = farm.site().raw(method, path)
    assert reply.status == 404 and reply.type == "application/problem+json" and reply.json["status"] == 404, reply


@pytest.mark.parametrize("path", ["/%00", "/healthz%00", "/api/v1/%2e%2e/healthz/%2f", "/docs/%2e%2e/%2e%2e/gen"])
def test_paths_that_lead_astray_are_refused(farm, path):
    """By the web server or by the app, each in its own shape."""
    assert farm.site().raw("GET", path).status in (400, 404)


def test_other_methods(farm, nobody):
    reply = nobody.request("POST", "/health", {})
    assert reply.status == 405 and reply.headers["allow"] == "GET"
    assert nobody.request("HEAD", "/health").status == 200


def test_the_reference_page_is_all_there(farm):
    page = answer(farm, "/docs/")
    assert page.type == "text/html"
    text = page.body.decode()
    files = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "docs.js", "docs.css", "/openapi.json"} <= set(files)
    for name in files:
        if not name.startswith("data:"):
            assert not name.startswith(("http:", "https:", "//")), "the page works without internet access"
            assert len(answer(farm, name if name.startswith("/") else f"/docs/{name}").body) > 500
    assert "default-src 'none'" in text
    moved = answer(farm, "/docs", 301)
    assert moved.headers["location"].endswith("/docs/")


def test_the_document_tells_of_every_operation_here(farm):
    paths = answer(farm, "/openapi.json").json["paths"]
    assert {"/api/v1/health", "/api/v1/startup-resources", "/healthz", "/readyz", "/metrics",
            "/.well-known/jwks.json"} <= paths.keys()
