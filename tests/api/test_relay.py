"""The WebSocket as docs/relay.md describes it: who may connect, what is refused, what arrives, how one resumes."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import time
import uuid

import pytest
import websockets

from lib.farm import eventually
from lib.live import Live, Raw
from lib.people import b64, public_key

BAD_REQUEST, TOKEN, FORBIDDEN, IDLE, TOO_MANY = 4400, 4401, 4403, 4408, 4429
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@pytest.fixture
def url(farm):
    return f"ws://{farm.site().host}:{farm.site().port}/api/v1/ws"


@pytest.fixture
def raw(farm):
    """Connects without a library."""
    return lambda **how: Raw(farm.site().host, farm.site().port, **how)


@pytest.fixture
def signed_in(raw):
    """A raw connection on which somebody is signed in."""
    def connect(account):
        client = raw()
        client.say(type="auth", token=account.token)
        assert b'"ready"' in client.until(TEXT)
        return client
    return connect


def ticket(account):
    """(ticket, nonce) of a fresh browser session."""
    session = account.post("/web/sessions", {"deviceName": "browser", "userAgent": "tests", "publicKey": public_key()})
    nonce = os.urandom(16).hex()
    path = f"/web/sessions/{session['sessionId']}/websocket-tokens"
    return account.post(path, {"clientNonce": nonce})["token"], nonce


# ---- who may connect ----------------------------------------------------------------------------


def test_a_token_in_the_first_message_signs_in(url, alice):
    with Live(url) as live:
        live.sign_in({"token": alice.token})
        assert live.hello["accountId"] == alice.id and live.hello["sessionId"] == alice.session
        assert live.hello["recovered"] is False and live.hello["cursor"]
        assert 0 < live.hello["expiresInSeconds"] <= 900


def test_a_token_among_the_subprotocols_signs_in(url, alice):
    with Live(url, subprotocols=["rookery.v1", f"token.{alice.token}"]) as live:
        assert live.wait_for("ready")["accountId"] == alice.id
        assert live.connection.subprotocol == "rookery.v1", "the token is not echoed"


def test_a_token_in_the_header_signs_in(url, alice):
    with Live(url, extra_headers={"Authorization": f"Bearer {alice.token}"}) as live:
        assert live.wait_for("ready")["accountId"] == alice.id


def test_a_token_in_the_url_does_not_sign_in(url, alice):
    with Live(f"{url}?token={alice.token}") as live:
        live.never("ready", within=0.5)


@pytest.mark.parametrize("way", ["message", "subprotocols", "query"])
def test_a_ticket_signs_in_once(url, alice, way):
    token, nonce = ticket(alice)

    def connect():
        if way == "message":
            live = Live(url)
            live.send({"type": "auth", "ticket": token, "nonce": nonce})
            return live
        if way == "query":
            return Live(f"{url}?ticket={token}&nonce={nonce}")
        return Live(url, subprotocols=["rookery.v1", f"ticket.{token}", f"nonce.{nonce}"])

    with connect() as live:
        assert live.wait_for("ready")["accountId"] == alice.id
    with connect() as again:
        assert again.wait_closed() == TOKEN


def test_a_ticket_is_bound_to_its_nonce_and_spent_by_a_wrong_one(url, alice):
    token, nonce = ticket(alice)
    for tried in ("0" * 32, nonce):
        with Live(url) as live:
            live.send({"type": "auth", "ticket": token, "nonce": tried})
            assert live.wait_closed() == TOKEN


def test_a_ticket_lives_for_a_minute_at_most(farm, alice):
    before = set(farm.redis.scan_iter("wst:*"))
    ticket(alice)
    key, = set(farm.redis.scan_iter("wst:*")) - before
    assert 0 < farm.redis.ttl(key) <= farm.seconds("ticket.lifetime")


@pytest.mark.parametrize("credentials", [
    {"token": "garbage"}, {"token": "a.b.c"}, {"ticket": "garbage", "nonce": "x"}, {"ticket": "garbage"}])
def test_bad_credentials_are_refused(url, credentials):
    with Live(url) as live:
        live.send({"type": "auth", **credentials})
        assert live.wait_closed() == TOKEN


@pytest.mark.parametrize("first", [
    "{", "[]", '"auth"', "{}", '{"type": "auth"}', '{"type": "auth", "token": 7}', '{"type": "ping"}', '{"type": "typing"}',
    '{"type": "auth", "token": "' + "a" * 5000 + '"}'])
def test_whoever_does_not_begin_with_auth_is_sent_away(url, first):
    with Live(url) as live:
        live.send(first)
        assert live.wait_closed() == BAD_REQUEST


def test_whoever_says_nothing_is_sent_away(farm, url):
    with Live(url) as live:
        assert live.wait_closed(farm.seconds("relay.auth_timeout") + 3) == TOKEN


def test_an_ended_session_does_not_sign_in(url, alice):
    alice.post("/auth/logout", {})
    with Live(url) as live:
        live.send({"type": "auth", "token": alice.token})
        assert live.wait_closed() == FORBIDDEN


def test_logging_out_ends_the_sessions_sockets_and_no_other(alice, bob):
    with alice.listen() as one, alice.listen() as two, bob.listen() as other:
        alice.post("/auth/logout", {})
        assert one.wait_closed() == two.wait_closed() == FORBIDDEN
        time.sleep(0.3)
        assert other.closed is None


def test_a_token_renews_the_connection_only_for_its_own_session(alice, bob):
    with alice.listen() as live:
        live.send({"type": "auth", "token": alice.token})
        assert live.wait_for("renewed")["expiresInSeconds"] > 0
        live.send({"type": "auth", "token": bob.token})
        assert live.wait_closed() == FORBIDDEN


def test_an_account_has_only_so_many_connections(farm, alice, url):
    most = int(farm.settings["relay.max_per_account"])
    lives = [alice.listen() for _ in range(most)]
    with Live(url) as one_more:
        one_more.send({"type": "auth", "token": alice.token})
        assert one_more.wait_closed() == TOO_MANY
    lives[0].close()
    lives.append(eventually(alice.listen))
    for live in lives:
        live.close()


# ---- the handshake ------------------------------------------------------------------------------


def test_foreign_origins_are_refused_and_our_own_is_not(farm, raw):
    site = farm.site()
    with raw(headers={"Origin": "https://evil.example"}) as client:
        assert client.status == 403
    with raw(headers={"Origin": f"http://{site.host}:{site.port}"}) as client:
        assert client.status == 101


@pytest.mark.parametrize("headers, status", [
    ({"Sec-WebSocket-Version": "8"}, 426), ({"Sec-WebSocket-Key": None}, 400), ({"Sec-WebSocket-Key": "short"}, 400)])
def test_handshakes_that_are_none_are_refused(raw, headers, status):
    with raw(headers=headers) as client:
        assert client.status == status


def test_the_other_address_works_too(farm, alice):
    with Live(f"ws://{farm.site().host}:{farm.site().port}/ws") as live:
        live.sign_in({"token": alice.token})


# ---- frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code, frame", [
    (1002, dict(op=TEXT, payload="x", masked=False)),
    (1002, dict(op=TEXT, payload="x", reserved=4)),
    (1002, dict(op=3, payload="x")),
    (1002, dict(op=11, payload="x")),
    (1002, dict(op=0, payload="x")),
    (1002, dict(op=PING, payload="x" * 126)),
    (1002, dict(op=PING, payload="x", fin=False)),
    (1002, dict(op=CLOSE, payload=b"\x03")),
    (1002, dict(op=CLOSE, payload=b"\x03\xed")),
    (1003, dict(op=BINARY, payload="x")),
    (1007, dict(op=TEXT, payload=b"\xc0\xaf")),
    (1007, dict(op=TEXT, payload=b"\xed\xa0\x80")),
    (1009, dict(op=TEXT, payload="", length=1 << 40)),
], ids=["unmasked", "reserved bit", "unknown data opcode", "unknown control opcode", "continuation of nothing", "long ping",
        "fragmented ping", "close of one byte", "close 1005", "binary", "overlong UTF-8", "surrogate", "a terabyte"])
def test_bad_frames_end_the_connection_with_their_code(signed_in, alice, code, frame):
    with signed_in(alice) as client:
        client.frame(**frame)
        assert client.close_code() == code


def test_fragments_with_a_ping_between_them_are_one_message(signed_in, alice):
    with signed_in(alice) as client:
        client.frame(TEXT, '{"type": ', fin=False)
        client.frame(PING, "between")
        assert client.until(PONG) == b"between"
        client.frame(0, '"ping"}')
        assert b'"pong"' in client.until(TEXT)


def test_a_close_is_answered_with_its_code(signed_in, alice):
    with signed_in(alice) as client:
        client.frame(CLOSE, (4999).to_bytes(2, "big") + b"bye")
        assert client.close_code() == 4999


def test_nonsense_after_signing_in_is_answered_and_the_connection_lives(alice):
    with alice.listen() as live:
        for text in ("{", "[]", '{"type": 7}', '{"type": "unheard-of"}', '{"type": "a", "type": "b"}'):
            live.send(text)
            assert live.wait_for("error")["code"]
        live.send({"type": "ping"})
        live.wait_for("pong")


def test_whoever_talks_too_much_is_sent_away(alice):
    with alice.listen() as live:
        with contextlib.suppress(websockets.ConnectionClosed, AssertionError):  # it may be over before all is said
            for _ in range(2000):
                live.send({"type": "ping"})
                assert live.closed is None
        assert live.wait_closed() == TOO_MANY


def test_whoever_shows_no_life_is_cut_off_and_who_answers_pings_is_not(farm, signed_in, alice):
    """The library's client answers pings; the raw one is silent."""
    idle = farm.seconds("relay.idle")
    if idle > 10:
        pytest.skip("relay.idle is long in this farm")
    with alice.listen() as alive, signed_in(alice) as silent:
        silent.socket.settimeout(idle + 5)
        assert silent.close_code() == IDLE
        assert alive.closed is None


# ---- what arrives -------------------------------------------------------------------------------


def test_a_message_arrives_whole(alice, bob):
    with bob.listen() as live:
        sent = alice.say(bob, "secret", clientMessageId="mine")
        event = live.wait_for("message.new", messageId=sent["messageId"])
        assert event["senderId"] == alice.id and event["ciphertext"] == b64(b"secret")
        assert (event["conversationId"], event["seq"]) == (sent["conversationId"], sent["seq"])
        assert event["cursor"] and event["id"]


def test_each_connection_of_a_person_gets_it_but_the_sending_device(alice, bob):
    with bob.listen() as one, bob.listen() as two, alice.listen() as own:
        sent = alice.say(bob)
        one.wait_for("message.new", messageId=sent["messageId"])
        two.wait_for("message.new", messageId=sent["messageId"])
        own.never("message.new")


def test_strangers_get_nothing(alice, bob, carol):
    with carol.listen() as live:
        alice.say(bob)
        live.never("message.new")


def test_a_group_message_reaches_every_member_and_who_left_no_more(alice, bob, carol):
    group = alice.group(bob, carol)
    path = f"/group-chats/{group}/messages"
    with bob.listen() as stays, carol.listen() as leaves:
        first = alice.post(path, {"clientMessageId": str(uuid.uuid4()), "ciphertext": "YQ==", "mentions": []})
        for live in (stays, leaves):
            live.wait_for("message.new", messageId=first["messageId"])
        carol.delete(f"/groups/{group}/members/me")
        second = alice.post(path, {"clientMessageId": str(uuid.uuid4()), "ciphertext": "Yg==", "mentions": []})
        stays.wait_for("message.new", messageId=second["messageId"])
        leaves.never("message.new")


def test_messages_of_a_conversation_arrive_in_order(alice, bob):
    with bob.listen() as live:
        sent = [alice.say(bob, str(n))["messageId"] for n in range(50)]
        arrived = [live.wait_for("message.new")["messageId"] for _ in sent]
        assert arrived == sent


def test_a_large_message_arrives(alice, bob):
    text = "x" * 45000
    with bob.listen() as live:
        alice.say(bob, text)
        assert live.wait_for("message.new")["ciphertext"] == b64(text.encode())


# ---- resuming -----------------------------------------------------------------------------------


def test_a_cursor_brings_exactly_what_was_missed(alice, bob):
    with bob.listen() as live:
        alice.say(bob, "seen")
        live.wait_for("message.new")
        cursor = live.cursor
    missed = [alice.say(bob, str(n))["messageId"] for n in range(20)]
    with bob.listen(cursor) as live:
        assert live.hello["recovered"] is True
        assert [live.wait_for("message.new")["messageId"] for _ in missed] == missed
        live.never("message.new")


def test_the_same_cursor_may_be_used_again(alice, bob):
    with bob.listen() as live:
        cursor = live.cursor
    sent = alice.say(bob)["messageId"]
    for _ in range(3):
        with bob.listen(cursor) as live:
            live.wait_for("message.new", messageId=sent)


def test_a_cursor_may_be_a_subprotocol(url, alice, bob):
    with bob.listen() as live:
        cursor = live.cursor
    sent = alice.say(bob)["messageId"]
    with Live(url, subprotocols=["rookery.v1", f"token.{bob.token}", f"resume.{cursor}"]) as live:
        assert live.wait_for("ready")["recovered"] is True
        live.wait_for("message.new", messageId=sent)


def test_a_cursor_that_is_up_to_date_is_recovered_with_nothing_to_bring(bob):
    with bob.listen() as live:
        cursor = live.cursor
    with bob.listen(cursor) as live:
        assert live.hello["recovered"] is True
        live.never("message.new")


@pytest.mark.parametrize("cursor", ["garbage", "0-0", "0123456789ab.1-0", "x" * 4000])
def test_a_cursor_that_means_nothing_is_told_so(bob, cursor):
    with bob.listen(cursor) as live:
        assert live.hello["recovered"] is False


def test_a_cursor_serves_nobody_else_with_others_events(alice, bob, carol):
    with bob.listen() as live:
        cursor = live.cursor
    alice.say(bob)
    with carol.listen(cursor) as live:
        live.never("message.new")


def test_a_resume_across_a_restart_of_the_relay_is_complete(farm, alice, bob):
    with bob.listen() as live:
        cursor = live.cursor
    missed = [alice.say(bob, str(n))["messageId"] for n in range(10)]
    assert farm.rookery("restart", "wsrelay").returncode == 0
    missed += [alice.say(bob, "after")["messageId"]]
    with eventually(lambda: bob.listen(cursor)) as live:
        assert live.hello["recovered"] is True
        assert [live.wait_for("message.new")["messageId"] for _ in missed] == missed


def test_what_left_the_stream_is_never_passed_over_in_silence(farm, alice, bob):
    """Entries are taken out of the stream as its length limit would: the client must hear that it has to synchronise."""
    with bob.listen() as live:
        cursor = live.cursor
    sent = alice.say(bob)["messageId"]
    eventually(lambda: farm.redis.xlen("rt") > 0)
    farm.redis.xtrim("rt", maxlen=0, approximate=False)
    assert farm.rookery("restart", "wsrelay").returncode == 0
    with eventually(lambda: bob.listen(cursor)) as live:
        assert live.hello["recovered"] is False
    assert sent in [m["messageId"] for m in bob.get("/messages/sync", page=1, pageSize=100)["messages"]]


def test_what_the_relay_does_is_told_to_this_machine(farm):
    """On its own sockets; through the web server none of it can be reached."""
    for path, begins in (("/healthz", b"ok"), ("/readyz", b"ready"), ("/status", b"processes "), ("/metrics", b"# HELP rookery_relay")):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(farm.run / "ws/whatsapp.sock"))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
            head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200") and body.startswith(begins)
    text = farm.site().raw("GET", "/status", keep=False)
    assert text.status == 404


def test_the_relay_alone_has_precedence(farm):
    """Where root may give it; and nobody else gets what it takes."""
    def capabilities(pid):
        return int(re.search(r"^CapEff:\s+(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1], 16)

    may = ["setpriv", "--inh-caps=+sys_nice", "--ambient-caps=+sys_nice", "true"]
    given = os.geteuid() == 0 and subprocess.run(may, stderr=subprocess.DEVNULL).returncode == 0
    ordinary, ahead = os.SCHED_OTHER, os.SCHED_RR | os.SCHED_RESET_ON_FORK
    for pid in farm.children(farm.pid("wsrelay")):
        eventually(lambda: os.sched_getscheduler(pid) == (ahead if given else ordinary))
    for service in ("postgres", "redis", "jobs", "httpd", "whatsapp-messages"):
        pid = farm.pid(service)
        assert capabilities(pid) == 0 and os.sched_getscheduler(pid) == ordinary, service
