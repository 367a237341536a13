"""Limits of the relay, over two processes: of an account, of an address, in total, and how fast.

A farm of its own, for the limits are small.
"""
import contextlib
import time

import pytest

from lib.farm import Farm, eventually
from lib.live import Live, Raw
from lib.people import Account

TOO_MANY, TEXT, CLOSE = 4429, 1, 8
ACCOUNT, FRESH, ADDRESS, ALL = 6, 9, 12, 30
TYPING, FOLLOW = 12, 20  # each process counts them for itself


@pytest.fixture(scope="module")
def small():
    with Farm.private(LIMIT_AUTH="50000/60", LIMIT_GENERAL="20000/60", RELAY_PROCESSES="2", RELAY_PORT="0",
                      RELAY_MAX_PER_ACCOUNT=str(ACCOUNT), RELAY_NEW_PER_ACCOUNT=str(FRESH), RELAY_MAX_PER_ADDRESS=str(ADDRESS),
                      RELAY_MAX_CONNECTIONS=str(ALL), LIMIT_TYPING=f"{TYPING}/60", LIMIT_PRESENCE=f"{FOLLOW}/60") as farm:
        yield farm


@pytest.fixture
def someone(small):
    return lambda: Account.register(small)


def limited(farm, which):
    text = farm.site().raw("GET", "/metrics").body.decode()
    name = f'rookery_relay_limited_total{{limit="{which}"}} '
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


def connect(farm, address, token=None):
    """As the web server does for a client at that address."""
    client = Raw("relay", 80, unix=farm.run / "ws/whatsapp.sock", headers={"X-Forwarded-For": f"10.9.9.9, {address}"})
    if token and client.status == 101:
        client.say(type="auth", token=token)
    return client


def test_an_account_has_only_so_many_connections_over_all_processes(small, someone):
    alice, bob = someone(), someone()
    before = limited(small, "account")
    lives = [alice.listen() for _ in range(ACCOUNT)]
    with connect(small, "192.0.2.1", alice.token) as one_more:
        assert one_more.close_code() == TOO_MANY
    assert limited(small, "account") == before + 1
    with bob.listen():
        pass  # others have their own
    lives.pop().close()
    lives.append(eventually(alice.listen))
    for live in lives:
        live.close()


def test_an_account_makes_only_so_many_connections_a_minute(small, someone):
    if time.monotonic() % 60 > 50:
        time.sleep(60 - time.monotonic() % 60)  # a minute of the clock that begins meanwhile would begin the count anew
    alice, before = someone(), limited(small, "account_rate")
    for _ in range(FRESH):
        alice.listen().close()
    with connect(small, "192.0.2.2", alice.token) as one_more:
        assert one_more.close_code() == TOO_MANY
    assert limited(small, "account_rate") == before + 1


def test_who_comes_too_often_is_told_to_come_back_when_it_may(small, someone):
    """The limit is of a minute of the clock: the next one has room for as many, and for the ones after them the one after that."""
    if time.monotonic() % 60 > 45:
        time.sleep(60 - time.monotonic() % 60)
    alice, told = someone(), []
    for n in range(FRESH):
        with alice.listen() as live:
            assert live.hello["retryMs"] < 1000 or n == FRESH - 1
    left = 60 - time.monotonic() % 60
    assert live.hello["retryMs"] / 1000 >= left, "cut off now it would be refused until then"
    for _ in range(FRESH + 1):
        with connect(small, "192.0.2.3", alice.token) as one_more:
            reason = one_more.until(CLOSE)
            assert int.from_bytes(reason[:2], "big") == TOO_MANY
            told.append(int(reason.decode(errors="replace").rpartition("retry=")[2]) / 1000 + time.monotonic())
    minutes = [int(moment // 60) - int(time.monotonic() // 60) for moment in told]
    assert minutes == [1] * FRESH + [2]


def test_more_connections_do_not_type_more(someone):
    """The limit is the account's in each process, also when it comes anew."""
    alice, bob = someone(), someone()
    conversation = {"conversationId": alice.say(bob)["conversationId"]}
    with bob.listen() as live:
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                for one in [stack.enter_context(alice.listen()) for _ in range(4)]:
                    for _ in range(TYPING):
                        one.send({"type": "typing.start", "data": conversation})
                        one.send({"type": "typing.stop", "data": conversation})
                time.sleep(0.5)
        assert TYPING <= len([f for f in live.frames if f["type"] == "typing.started"]) <= 2 * TYPING


def test_more_connections_do_not_begin_to_follow_more(someone):
    alice, bob = someone(), someone()
    with contextlib.ExitStack() as stack:
        lives = [stack.enter_context(alice.listen()) for _ in range(ACCOUNT)]
        for live in lives:
            for n in range(FOLLOW):
                live.send({"type": "presence.subscribe", "id": n, "data": {"userIds": [bob.id]}})
        answers = [live.wait_for("response", id=n)["status"] for live in lives for n in range(FOLLOW)]
    assert FOLLOW <= answers.count(204) <= 2 * FOLLOW and answers.count(204) + answers.count(429) == ACCOUNT * FOLLOW


def test_an_address_has_only_so_many_connections(small):
    before = limited(small, "address")
    with contextlib.ExitStack() as stack:
        for _ in range(ADDRESS):
            assert stack.enter_context(connect(small, "198.51.100.7")).status == 101
        assert stack.enter_context(connect(small, "198.51.100.7")).status == 429
        assert stack.enter_context(connect(small, "198.51.100.8")).status == 101
    assert limited(small, "address") == before + 1
    eventually(lambda: connect(small, "198.51.100.7").status == 101)


def test_an_ipv6_network_is_one_address(small):
    with contextlib.ExitStack() as stack:
        for n in range(ADDRESS):
            assert stack.enter_context(connect(small, f"2001:db8:1:2::{n:x}")).status == 101
        assert stack.enter_context(connect(small, "2001:db8:1:2:ffff::1")).status == 429
        assert stack.enter_context(connect(small, "2001:db8:1:3::1")).status == 101


def test_there_are_only_so_many_connections(small):
    with contextlib.ExitStack() as stack:
        statuses = [stack.enter_context(connect(small, f"203.0.113.{n}")).status for n in range(ALL + 5)]
    assert statuses[:ALL - 2] == [101] * (ALL - 2) and statuses[ALL:] == [503] * 5


def test_a_client_cannot_name_its_address(small, someone):
    """Through the web server the last of X-Forwarded-For is what it saw itself."""
    site, headers = small.site(), {"X-Forwarded-For": "198.51.100.99"}
    with contextlib.ExitStack() as stack:
        for _ in range(ADDRESS):
            assert stack.enter_context(Raw(site.host, site.port, headers=headers)).status == 101
        assert stack.enter_context(Raw(site.host, site.port, headers={})).status == 429
        assert stack.enter_context(connect(small, "198.51.100.99")).status == 101


def test_accepting_is_paced(small):
    """relay.accept_rate: what comes faster waits a little, and is served."""
    conf = small.run / "rookery.conf"
    before = conf.read_text()
    try:
        conf.write_text(before + "\nrelay.accept_rate = 20\n")
        assert small.rookery("restart", "relay").returncode == 0
        begun = time.monotonic()
        with contextlib.ExitStack() as stack:
            for n in range(15):
                assert stack.enter_context(connect(small, f"192.0.2.{100 + n}")).status == 101
        assert 0.4 < time.monotonic() - begun < 5
    finally:
        conf.write_text(before)
        assert small.rookery("restart", "relay").returncode == 0


def test_limits_hold_over_a_restart(small, someone):
    alice = someone()
    with contextlib.ExitStack() as stack:
        for _ in range(ACCOUNT):
            stack.enter_context(alice.listen())
        assert small.rookery("restart", "relay").returncode == 0
        with connect(small, "192.0.2.3", alice.token) as one_more:
            assert one_more.close_code() == TOO_MANY


def test_who_is_sent_away_hears_when_to_come_back(small, someone):
    alice = someone()
    with contextlib.ExitStack() as stack:
        for _ in range(ACCOUNT):
            live = stack.enter_context(alice.listen())
            assert 0 <= live.hello["retryMs"] <= 60000
        with Live(f"ws://{small.site().host}:{small.site().port}/ws") as one_more:
            one_more.send({"type": "auth", "token": alice.token})
            assert one_more.wait_closed() == TOO_MANY
            words, _, pause = one_more.reason.partition("; retry=")
            assert words and 0 <= int(pause) <= 60000
