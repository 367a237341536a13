"""RFC 6455, section 4, and the HTTP/1.1 that carries it (RFC 9112): who is let in, and what is said to the others."""
import base64
import hashlib
import json
import os

import pytest

from lib.peer import ALIVE, TEXT, Line, Peer, frame, handshake

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_MOST = 16384  # bytes of a request's head


@pytest.fixture(params=["the relay", "the web server"])
def line(farm, request):
    """A connection on which nothing has been said; refusals must hold by either way."""
    with Line(farm, farm.site() if request.param == "the web server" else None) as line:
        yield line


@pytest.fixture
def direct(farm):
    with Line(farm) as line:
        yield line


def refused(line, *statuses):
    status, _ = line.answer()
    assert status in statuses, status
    return True


# ---- what is right ----------------------------------------------------------------------------


def test_the_key_is_answered_as_the_rfc_says(line):
    line.send(handshake(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="))  # section 1.3
    status, headers = line.answer()
    assert (status, headers["sec-websocket-accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    assert headers["upgrade"].lower() == "websocket" and "upgrade" in headers["connection"].lower()
    assert "sec-websocket-protocol" not in headers and "sec-websocket-extensions" not in headers


def test_each_key_has_its_own_answer(direct):
    key = base64.b64encode(os.urandom(16)).decode()
    direct.send(handshake(Sec_WebSocket_Key=key))
    expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    assert direct.answer()[1]["sec-websocket-accept"] == expected


@pytest.mark.parametrize("headers", [
    {"Upgrade": "WebSocket"}, {"Upgrade": "WEBSOCKET"}, {"Connection": "upgrade"}, {"Connection": "keep-alive, Upgrade"},
    {"Connection": "Upgrade,keep-alive"}, {"Connection": "keep-alive ,\tUPGRADE"}, {"Upgrade": "  websocket \t"}, {"X_Unknown": "é"},
    {"Content_Length": "0"}], ids=repr)
def test_what_the_rfc_leaves_open_is_taken(direct, headers):
    direct.send(handshake(**headers))
    assert direct.answer()[0] == 101


def test_header_names_are_of_any_case(direct):
    data = handshake().decode()
    head, _, rest = data.partition("\r\n")
    lines = [f"{n.lower()}:{v}" for n, _, v in (line.partition(":") for line in rest.split("\r\n") if line)]
    direct.send("\r\n".join([head, *lines, "", ""]).encode())
    assert direct.answer()[0] == 101


def test_a_handshake_may_arrive_bytewise(line):
    line.send(*(bytes([b]) for b in handshake()))
    assert line.answer()[0] == 101


@pytest.mark.parametrize("direct_to_relay", [True, False], ids=["the relay", "the web server"])
def test_frames_right_behind_the_handshake_are_not_lost(farm, someone, direct_to_relay):
    """Section 4.1 has the client wait for the answer; some do not, and a proxy may hand both on at once."""
    auth = frame(TEXT, json.dumps({"type": "auth", "token": someone.token}))
    with Peer(farm, through=None if direct_to_relay else farm.site(), end=b"\r\n" + auth) as peer:
        assert peer.said()["type"] == "ready"
        peer.alive()


# ---- what is wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZSE=",
                                 "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBs ZSBub25jZQ==", "A" * 24, "=" * 24, None], ids=repr)
def test_keys_that_are_not_16_bytes_of_base64_are_refused(direct, key):
    direct.send(handshake(Sec_WebSocket_Key=key))
    assert refused(direct, 400)


@pytest.mark.parametrize("version", ["8", "7", "0", "12", "14", "013", "13, 8", "thirteen", "", None], ids=repr)
def test_other_versions_are_told_ours(direct, version):
    direct.send(handshake(Sec_WebSocket_Version=version))
    status, headers = direct.answer()
    assert status == 426 and headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("headers", [{"Connection": None}, {"Connection": "keep-alive"}, {"Connection": "upgraded"}, {"Host": None}],
                         ids=repr)
def test_handshakes_that_lack_something_are_refused(direct, headers):
    direct.send(handshake(**headers))
    assert refused(direct, 400)


@pytest.mark.parametrize("upgrade", [None, "h2c", "websockets", "", "web socket"], ids=repr)
def test_whoever_does_not_ask_for_a_websocket_gets_none(direct, upgrade):
    direct.send(handshake(Upgrade=upgrade))
    assert refused(direct, 400, 404)


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "get", "CONNECT", "PATCH"])
def test_only_get_upgrades(line, method):
    line.send(handshake(method=method))
    assert refused(line, 400, 404, 405, 411, 501)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/1.1 ", "HTTP/11", ""], ids=repr)
def test_only_http_1_1_upgrades(direct, version):
    direct.send(handshake(version=version))
    assert refused(direct, 400, 505)


@pytest.mark.parametrize("name, value", [
    ("Sec_WebSocket_Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec_WebSocket_Version", "13"), ("Host", "relay.test"),
    ("Upgrade", "websocket"), ("Origin", "https://relay.test"), ("Authorization", "Bearer x")])
def test_headers_that_may_come_once_do_not_come_twice(direct, name, value):
    direct.send(handshake(**{name: [value, value]}))
    assert refused(direct, 400)


@pytest.mark.parametrize("path", ["/api/v1/wss", "/api/v1/ws/", "/api/v1/WS", "//api/v1/ws", "/", "/api/v1/../v1/ws", "/%61pi/v1/ws"])
def test_other_paths_are_not_upgraded(direct, path):
    direct.send(handshake(path=path))
    assert refused(direct, 404)


@pytest.mark.parametrize("path", ["api/v1/ws", "*", "http://relay.test/api/v1/ws", "/api/v1/ws x", "/api/v1/ws\x7f", ""], ids=repr)
def test_targets_of_another_form_are_refused(direct, path):
    direct.send(handshake(path=path))
    assert refused(direct, 400, 404, 505)


# ---- heads that no honest client sends --------------------------------------------------------


BODIES = [{"Transfer_Encoding": "chunked"}, {"Transfer_Encoding": "identity"}, {"Content_Length": "5"}, {"Content_Length": ["0", "5"]},
          {"Content_Length": "-1"}, {"Content_Length": "5", "Transfer_Encoding": "chunked"}]


def no_second_answer(line, headers):
    """Two readers might disagree where such a request ends: that is how requests are smuggled."""
    line.send(handshake(**headers) + b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    status, _ = line.answer()
    assert status in (400, 411, 413, 501), status
    while line.take():
        pass
    assert b"HTTP/1.1" not in line.rest, "a second request was answered"


@pytest.mark.parametrize("headers", BODIES, ids=repr)
def test_a_handshake_with_a_body_is_refused(line, headers):
    no_second_answer(line, headers)


@pytest.mark.parametrize("length", ["00", "+0", "0x0", "0 0", ""])
def test_lengths_that_only_look_like_nothing_are_refused(direct, length):
    no_second_answer(direct, {"Content_Length": length})


@pytest.mark.parametrize("wrong", [
    b"X-A : b\r\n", b" X-A: b\r\n", b"X-A\r\n", b": b\r\n", b"X A: b\r\n", b"X-A: b\r\n folded\r\n", b"X-A: \x00\r\n", b"X-A: b\x01c\r\n",
    b"X-A: b\rX-B: c\r\n", b"X\x80: b\r\n", b"X-A: b\x7f\r\n", b"X-A: b\nX-B: c\r\n"], ids=repr)
def test_malformed_headers_are_refused(direct, wrong):
    direct.send(handshake(end=wrong + b"\r\n"))
    assert refused(direct, 400)


def test_bare_line_feeds_are_no_line_ends(direct):
    """RFC 9112 lets a server take them; this one and the proxies before it must agree, so it does not."""
    direct.send(handshake().replace(b"\r\n", b"\n"), b"\r\n\r\n")
    assert refused(direct, 400)


def test_blank_lines_before_the_request_are_refused(direct):
    direct.send(b"\r\n" + handshake())
    assert refused(direct, 400)


def test_what_is_not_http_is_refused(direct):
    direct.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here \r\n\r\n")
    assert refused(direct, 400)


@pytest.mark.parametrize("size", [HEAD_MOST - 400, HEAD_MOST, HEAD_MOST + 1, 10 * HEAD_MOST])
def test_a_head_has_a_limit(direct, size):
    data = handshake(end=b"X-Pad: " + b"x" * size + b"\r\n\r\n")
    direct.send(data)
    assert direct.answer()[0] == (101 if len(data) <= HEAD_MOST else 431)


def test_a_head_that_never_ends_is_refused_at_the_limit(direct):
    direct.send(handshake(end=b""))
    try:
        for n in range(2000):
            direct.send(b"X-%d: y\r\n" % n)
    except OSError:
        pass
    assert refused(direct, 431)


def test_whoever_sends_half_a_head_is_not_waited_for(farm, direct):
    direct.socket.settimeout(farm.seconds("relay.auth_timeout") + 3)
    direct.send(handshake(end=b""))
    assert direct.ended()


def test_a_second_request_behind_a_refused_one_is_not_answered(direct):
    direct.send(handshake(Sec_WebSocket_Version="8") + handshake() + b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert refused(direct, 426)
    while direct.take():
        pass
    assert b"HTTP/1.1" not in direct.rest


def test_requests_behind_a_handshake_are_frames_and_nothing_else(farm):
    with Peer(farm, end=b"\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") as peer:
        assert peer.status == 101 and peer.code() == 1002


# ---- origins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [
    "https://evil.example", "null", "", "relay.test", "http://relay.test.evil.example", "http://evil.example/relay.test",
    "http://relay.test:81", "http://relay.test@evil.example", "http://evil.example#relay.test", "file://", "http://", "*"], ids=repr)
def test_foreign_origins_are_refused(direct, origin):
    direct.send(handshake(Origin=origin))
    assert refused(direct, 403)


@pytest.mark.parametrize("origin", ["http://relay.test", "https://relay.test", "https://RELAY.test", None], ids=repr)
def test_our_own_origin_and_none_are_let_in(direct, origin):
    direct.send(handshake(Origin=origin))
    assert direct.answer()[0] == 101


def test_the_origin_is_checked_behind_the_web_server_too(farm):
    site = farm.site()
    for origin, status in ((f"http://{site.host}:{site.port}", 101), ("http://evil.example", 403)):
        with Line(farm, site) as line:
            line.send(handshake(Host=f"{site.host}:{site.port}", Origin=origin))
            assert line.answer()[0] == status


# ---- subprotocols -----------------------------------------------------------------------------


@pytest.mark.parametrize("offer, answer", [
    ("rookery.v1", "rookery.v1"), ("other, rookery.v1", "rookery.v1"), (["other", "rookery.v1"], "rookery.v1"),
    ("rookery.v1,rookery.v1", "rookery.v1"), (" ,, rookery.v1 ,", "rookery.v1"),
    ("other", None), ("rookery.v2", None), ("ROOKERY.V1", None), ("rookery.v1x", None), ("", None)], ids=repr)
def test_only_our_subprotocol_is_answered_and_once(direct, offer, answer):
    direct.send(handshake(Sec_WebSocket_Protocol=offer))
    status, headers = direct.answer()
    assert (status, headers.get("sec-websocket-protocol")) == (101, answer)


def test_credentials_among_the_subprotocols_never_come_back(direct, someone):
    direct.send(handshake(Sec_WebSocket_Protocol=f"rookery.v1, token.{someone.token}"))
    status, headers = direct.answer()
    assert status == 101 and someone.token not in str(headers)


@pytest.mark.parametrize("lines", [5, 50])
def test_a_flood_of_subprotocol_lines_is_refused(direct, lines):
    direct.send(handshake(Sec_WebSocket_Protocol=["rookery.v1"] * lines))
    assert refused(direct, 400)


@pytest.mark.parametrize("extensions", ["x-unknown", "x-webkit-deflate-frame", "bbf-usp-protocol", "mux; a=b, x", ";;,=", '"'], ids=repr)
def test_extensions_that_nobody_knows_are_not_agreed_to(farm, someone, extensions):
    with Peer(farm, Sec_WebSocket_Extensions=extensions) as peer:
        assert peer.status in (101, 400)
        if peer.status == 101:
            assert "sec-websocket-extensions" not in peer.headers
            peer.sign_in(someone).alive()


def test_a_connection_behind_refused_ones_is_as_good_as_any(farm, someone):
    for n in range(50):
        with Line(farm) as line:
            line.send(handshake()[:n * 7], os.urandom(n))
    with Peer(farm) as peer:
        peer.sign_in(someone).send(frame(TEXT, ALIVE))
        assert peer.said() == {"type": "pong"}
