"""Every operation of every surface refuses what it must: in its documented error shape, without harm.

Nothing here knows an operation by name.  The requests are made from the documents that the running farm serves, so an operation
that is added is covered the moment it is served.  Around each test the whole database is compared: what is refused
changes nothing.
"""
import base64
import http.client
import json
import os
import time
import uuid
from dataclasses import replace

import pytest

from lib.openapi import example, types
from lib.people import Account, public_key
from lib.refusal import CLIENT_ERROR, Attempt, Refusals, forms, outside, replaced, shape_fault, spots, type_faults

UNAUTHORIZED = frozenset({401})


@pytest.fixture(scope="module", autouse=True)
def quiet(farm):
    """Nothing runs out or is swept away meanwhile, and nobody is seen for the last time."""
    time.sleep(farm.seconds("presence.grace") + 1)
    with farm.paused("jobs"):
        yield


@pytest.fixture(scope="module")
def crowd(farm):
    return [Account.register(farm) for _ in range(40)]


@pytest.fixture(scope="module")
def me(crowd):
    return crowd[0]


@pytest.fixture(scope="module")
def refusals(crowd):
    return Refusals(crowd)


@pytest.fixture(scope="module")
def operations(farm):
    return [op for document in farm.record.documents.values() for op in document.operations]


@pytest.fixture(scope="module")
def guarded(operations):
    return [op for op in operations if op.guarded]


@pytest.fixture(scope="module")
def with_body(operations):
    return [op for op in operations if op.body]


def digest(farm):
    """One checksum a table."""
    tables = [row["name"] for row in farm.sql(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema')")]
    return {t: farm.sql(f"SELECT md5(string_agg(x::text, '|' ORDER BY x::text)) AS sum FROM {t} x")[0]["sum"]
            for t in tables}


@pytest.fixture(autouse=True)
def nothing_changes(request, farm):
    """The database is the same after the test, table by table."""
    if request.node.get_closest_marker("writes"):
        yield
        return
    for name in ("crowd", "bystanders"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    before = digest(farm)
    yield
    changed = {t for t, d in digest(farm).items() if before.get(t) != d}
    assert not changed, f"refused requests changed {sorted(changed)}"


# ---- tokens -------------------------------------------------------------------------------------


def test_without_a_token_nothing_guarded_answers(refusals, guarded):
    refusals.check(Attempt(op, "no token", UNAUTHORIZED, token=None) for op in guarded)


def test_without_a_token_a_bad_body_is_not_even_looked_at(refusals, guarded):
    refusals.check(Attempt(op, "no token, bad body", UNAUTHORIZED, token=None, body=b"{", headers={
        "Content-Type": "application/json"}) for op in guarded if op.body)


def forged(token):
    """Tokens that look right: (what, Authorization header)."""
    head, claims, signature = token.split(".")
    def encode(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    yield "garbage", "Bearer garbage"
    yield "empty", "Bearer "
    yield "other scheme", "Basic dXNlcjpwYXNz"
    yield "no scheme", token
    yield "changed signature", f"Bearer {head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    yield "no signature", f"Bearer {head}.{claims}."
    yield "algorithm none", f"Bearer {encode({'alg': 'none', 'typ': 'JWT'})}.{claims}."
    yield "symmetric algorithm", f"Bearer {encode({'alg': 'HS256', 'typ': 'JWT'})}.{claims}.{signature}"
    yield "changed claims", f"Bearer {head}.{encode({**decoded, 'sub': str(uuid.uuid4())})}.{signature}"
    yield "later expiry", f"Bearer {head}.{encode({**decoded, 'exp': decoded['exp'] + 10**6})}.{signature}"
    yield "very long", "Bearer " + "a" * 6000


def test_forged_tokens_open_nothing(refusals, guarded, me):
    refusals.check(Attempt(op, what, UNAUTHORIZED, token=token) for op in guarded for what, token in forged(me.token))


@pytest.mark.writes
def test_a_token_is_dead_once_its_session_is_over(refusals, guarded, account):
    gone = account()
    gone.post("/auth/logout", {}, expect=None)
    refusals.check(Attempt(op, "ended session", UNAUTHORIZED, token=f"Bearer {gone.token}") for op in guarded)


def test_operators_pages_are_for_the_operator_alone(refusals, operations):
    pages = [op for op in operations if op.operator]
    refusals.check(Attempt(op, "user's token", frozenset({401})) for op in pages)
    refusals.check(Attempt(op, "forged", frozenset({401}), token="Bearer garbage") for op in pages)
    refusals.check(Attempt(op, "from afar", frozenset({403}), token=None, headers={"X-Forwarded-For": "192.0.2.1"})
                   for op in pages)


# ---- other people's things ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def bystanders(farm, me):
    """Ids of things that belong to others, by the name of the path parameter that takes them."""
    bob, carol = Account.register(farm), Account.register(farm)
    sent = bob.say(carol)
    group = bob.group(carol)
    things = {"userId": bob.id, "deviceId": bob.device, "messageId": sent["messageId"], "groupId": group,
              "memberId": carol.id, "conversationId": sent["conversationId"], "chatId": sent["conversationId"]}
    things["reactionId"] = carol.post(f"/messages/{sent['messageId']}/reactions", {"emoji": "\U0001F44D"})["reactionId"]
    things["queueId"] = bob.post("/offline-queues", {"deviceId": bob.device, "clientPublicKey": public_key()})["queueId"]
    things["qrCodeId"] = bob.post(f"/users/{bob.id}/qr-codes", {
        "validitySeconds": 600, "format": "png", "size": 256})["qrCodeId"]
    things["sessionId"] = bob.post("/web/sessions", {
        "deviceName": "x", "userAgent": "x", "publicKey": public_key()})["sessionId"]
    return things


def test_things_of_others_stay_theirs(refusals, guarded, bystanders):
    def theirs(op):
        names = [p["name"] for p in op.inputs("path")]
        return names and names[0] in bystanders and all(n in bystanders for n in names)
    refusals.check(Attempt(op, "someone else's", path=bystanders) for op in guarded if theirs(op))


# ---- ids ----------------------------------------------------------------------------------------


def test_unknown_ids_are_not_found(refusals, operations):
    refusals.check(Attempt(op, "unknown ids") for op in operations
                   if any(not p.get("x-self") for p in op.inputs("path")))


MALFORMED = ("x", "00000000-0000-0000-0000-00000000000g", "'; DROP TABLE account; --", "-1", "\u2603", "null", "9" * 400,
             "00000000-0000-0000-0000-000000000000%20", "%252e%252e", "{}")


def test_malformed_ids_are_refused(refusals, operations):
    refusals.check(Attempt(op, f"{p['name']} {bad[:20]}", path={p["name"]: bad})
                   for op in operations for p in op.inputs("path") for bad in MALFORMED)


@pytest.mark.parametrize("bad", ["%00", "%0A", "%C0%AF", "%zz", "%2e%2e", "a" * 6000, "a" * 60000],
                         ids=["NUL", "newline", "overlong UTF-8", "no hex", "dots", "long", "very long"])
def test_ids_that_are_no_path_are_refused_by_whoever_sees_them_first(farm, me, bad):
    """The web server may answer these itself, in its own form."""
    for path in (f"/devices/{bad}", f"/groups/{bad}/members", f"/users/{bad}/blocks"):
        reply = me.request("GET", path, query={"page": 1, "pageSize": 1})
        assert reply.status in CLIENT_ERROR, reply


# ---- query --------------------------------------------------------------------------------------


def test_required_query_parameters_are_named_when_missing(refusals, operations):
    refusals.check(
        Attempt(op, f"without ?{p['name']}", named=p["name"],
                query={k: v for k, v in refusals.query(op).items() if k != p["name"]})
        for op in operations for p in op.inputs("query") if p.get("required") and "default" not in p["schema"])


def test_bad_query_parameters_are_named(refusals, operations):
    def bad(schema):
        if schema.get("type") in ("integer", "number"):
            yield from ("abc", "1.5e", "99999999999999999999999", "")
            yield from ([str(schema["minimum"] - 1)] if "minimum" in schema else [])
            yield from ([str(schema["maximum"] + 1)] if "maximum" in schema else [])
        elif schema.get("type") == "boolean":
            yield "perhaps"
        else:
            yield from ([value for what, value in outside(schema, None)])
    refusals.check(
        Attempt(op, f"?{p['name']}={value[:20]!r}", named=p["name"], query={**refusals.query(op), p["name"]: value})
        for op in operations for p in op.inputs("query") for value in bad(op.document.resolve(p["schema"])))


# ---- bodies -------------------------------------------------------------------------------------


BROKEN = (("cut short", b'{"a": '), ("not JSON", b"certainly"), ("empty", b""), ("a text", b'"text"'), ("a list", b"[]"),
          ("a number", b"7"), ("null", b"null"), ("two values", b"{} {}"), ("not UTF-8", b'{"a": "\xff\xfe"}'),
          ("half a surrogate", b'{"a": "\\ud800"}'), ("deep", b"[" * 20000), ("deep objects", b'{"a":' * 5000),
          ("huge number", b'{"a": 1e999}'), ("NUL", b'{"a\\u0000b": 1}'))


def test_broken_json_is_refused(refusals, with_body):
    refusals.check(
        Attempt(op, what, body=body, headers={"Content-Type": "application/json"})
        for op in with_body for what, body in BROKEN if op.body_required or what != "empty")


def test_other_media_types_are_refused(refusals, with_body):
    refusals.check(
        Attempt(op, media, frozenset({400, 415}), headers={"Content-Type": media},
                body=json.dumps(example(op.body, op.document)).encode())
        for op in with_body for media in ("text/plain", "application/xml", "application/x-www-form-urlencoded"))


def test_required_fields_are_named_when_missing(refusals, with_body):
    def attempts(op):
        fields, required = op.fields()
        whole = example(op.body, op.document)
        for name in required:
            yield Attempt(op, f"without {name}", named=name, body={k: v for k, v in whole.items() if k != name})
            yield Attempt(op, f"{name} null", named=name, body={**whole, name: None})
    refusals.check(a for op in with_body for a in attempts(op))


def test_alternatives_without_any_required_field_are_refused(refusals, with_body):
    refusals.check(Attempt(op, "no field at all", body={}) for op in with_body if "oneOf" in op.document.resolve(op.body))


def spoiled(op, ways):
    """One attempt for each way to spoil each field of the body, in each of its forms.  Only in the first form the field must be
    named: what another form has beyond it may be read as an unknown field of the first."""
    for number, form in enumerate(forms(op.body, op.document)):
        whole = example(form, op.document)
        for at, schema in spots(form, op.document):
            name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).lstrip(".")
            for what, value in ways(schema, op.document):
                yield Attempt(op, f"{name} {what}", named=None if number else name, body=replaced(whole, at, value))


def test_wrong_types_are_refused_and_named(refusals, with_body):
    refusals.check(a for op in with_body for a in spoiled(op, type_faults))


def test_values_out_of_bounds_are_refused_and_named(refusals, with_body):
    refusals.check(a for op in with_body for a in spoiled(op, outside))


def test_nul_characters_are_refused(refusals, with_body):
    def nul(schema, document):
        return [("NUL", "a\0b")] if "string" in types(schema) else []
    refusals.check(replace(a, named=None) for op in with_body for a in spoiled(op, nul))


def test_oversized_bodies_are_refused(refusals, farm, with_body):
    usual = farm.size("body.max")
    def big(op):
        return b'{"a": "' + b"a" * op.node.get("x-body-limit", usual) + b'"}'
    refusals.check(Attempt(op, "oversized", frozenset({413}), body=big(op), headers={"Content-Type": "application/json"})
                   for op in with_body)


# ---- methods, paths, connections ----------------------------------------------------------------


def test_methods_that_a_path_does_not_have_are_refused(refusals, operations):
    known = {}
    for op in operations:
        known.setdefault((op.document.site.name, op.path), (op, set()))[1].add(op.method)
    refusals.check(
        Attempt(op, method, frozenset({405}), method=method, body=None, query={})
        for op, methods in known.values() for method in {"GET", "PUT", "POST", "DELETE", "PATCH"} - methods
        if not others(op, method, operations))


def others(op, method, operations):
    """Does another template that matches the same path have the method?"""
    return any(o.method == method and o.document is op.document and o is not op
               and o.path.count("/") == op.path.count("/") and op.document.find(method, op.at(uuid.uuid4())) for o in operations)


def test_the_answer_to_a_wrong_method_lists_the_right_ones(nobody, farm):
    reply = nobody.request("DELETE", "/phone-registrations")
    assert reply.status == 405
    assert "POST" in reply.headers["allow"]


@pytest.mark.parametrize("method", ["BREW", "TRACE", "CONNECT"])
def test_strange_methods_do_no_harm(farm, method):
    site = farm.site()
    assert site.raw(method, "/api/v1/devices").status in (400, 405, 501)
    assert site.raw("GET", "/healthz").status == 200


@pytest.mark.parametrize("path", ["/nothing-here", "/api/v1/nothing-here", "/api/v1", "/v1/x/y/z", "/api/"])
def test_unknown_paths_are_answered_in_the_shape_of_the_surface(farm, path):
    for name, site in farm.sites.items():
        reply = site.raw("GET", path)
        assert reply.status == 404, f"{name}: {reply}"
        assert not shape_fault(name, reply), f"{name}: {reply}"


def test_paths_do_not_climb_out(farm):
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/docs/../../../../etc/passwd", "/docs/%2e%2e%2fetc"):
        reply = farm.site().raw("GET", path)
        assert reply.status in CLIENT_ERROR and b"root:" not in reply.body


def test_the_connection_survives_refusals(farm, me):
    site = farm.site()
    connection = http.client.HTTPConnection(site.host, site.port, timeout=10)
    bearer = {"Authorization": f"Bearer {me.token}", "Content-Type": "application/json"}
    for method, path, body, headers, status in (
            ("POST", "/api/v1/messages", b"{", bearer, 400), ("POST", "/api/v1/messages", b"{}", {}, 401),
            ("GET", "/api/v1/devices?page=x", None, bearer, 400), ("GET", "/nothing", None, {}, 404),
            ("GET", "/healthz", None, {}, 200)):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status, (method, path, answer.status)
        # Apache always ends a connection after 400; the client is told, and opens another.
        assert not answer.will_close or (farm.settings["http.server"], status) == ("apache", 400), (method, path)


def test_requests_that_are_cut_leave_the_farm_unimpressed(farm, me):
    """Half a head, half a body, and a connection that closes at once."""
    import socket
    site = farm.site()
    head = f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {me.token}\r\n"
    for text in ("", "GET", head, head + "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{", "\0" * 100):
        with socket.create_connection((site.host, site.port)) as wire:
            wire.sendall(text.encode())
    assert me.request("GET", "/devices", query={"page": 1, "pageSize": 1}).status == 200


def test_every_answer_carries_a_request_id_and_keeps_a_sane_one(farm):
    site = farm.site()
    assert site.raw("GET", "/api/v1/nothing").headers["x-request-id"]
    own = f"test-{uuid.uuid4()}"
    assert site.raw("GET", "/api/v1/nothing", headers={"X-Request-ID": own}).headers["x-request-id"] == own
    bad = site.raw("GET", "/api/v1/nothing", headers={"X-Request-ID": "a b\tc" * 100}).headers["x-request-id"]
    assert "\t" not in bad and len(bad) < 200


def test_no_secret_reached_a_log(farm, me):
    """Tokens, codes and message bodies of this session are in no log file."""
    secret = f"secret-{os.urandom(8).hex()}"
    me.request("POST", "/messages", {"recipientId": str(uuid.uuid4()), "ciphertext": base64.b64encode(
        secret.encode()).decode(), "messageType": "text", "clientMessageId": str(uuid.uuid4())})
    needles = [me.token, me.token.split(".")[2], me.refresh, base64.b64encode(secret.encode()).decode(), secret]
    for log in (farm.run / "log").rglob("*"):
        if log.is_file():
            text = log.read_text(errors="replace")
            assert not [n for n in needles if n in text], log
