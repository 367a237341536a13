"""Parts of the farm die, sleep and are overrun while two thousand people write to each other: nothing is lost, doubled or out of order.

Each test is a loop (`--rounds N`, one by default) of a fault at a random moment and the account of every delivery so far.  The figures are
printed with -s.
"""
import os
import random
import shutil
import signal
import time

import pytest

from lib.exchange import Exchange
from lib.farm import Farm, eventually, free_ports

PEOPLE, RATE, SLOW = 2000, 150, 500
#: These use their device's queue instead of a cursor; some are among the slow.
QUEUES = [(400, 500), (1000, 1200)]
SETTINGS = {"TOKEN_LIFETIME": "1d", "RELAY_LOG_BYTES": "2m", "RELAY_PING": "10s", "RELAY_IDLE": "30s", "EVENTS_STREAM_KEEP": "100000",
            **{f"LIMIT_{name}": "0" for name in ("AUTH", "GENERAL", "MESSAGES", "GROUPS", "SYNC", "CONTACTS", "KEYS", "ACKS")}}


@pytest.fixture(scope="module")
def farm():
    with Farm.private(RELAY_PORT=str(free_ports(1)[0]), **SETTINGS) as farm:
        yield farm


@pytest.fixture(scope="module")
def exchange(farm):
    with Exchange(farm, PEOPLE, RATE, queues=QUEUES) as exchange:
        yield exchange


@pytest.fixture
def rounds(request):
    return range(request.config.getoption("rounds"))


def is_ready(farm):
    reply = farm.site().raw("GET", "/readyz", keep=False)
    assert reply.status == 200, reply
    return True


def play(farm, exchange, rounds, fault):
    """Write, let the fault happen at a random moment, write on, and account for all of it; again."""
    for n in rounds:
        exchange.writing.set()
        time.sleep(random.uniform(0.5, 2.0))
        fault()
        time.sleep(random.uniform(0.5, 1.5))
        eventually(lambda: is_ready(farm), within=60)
        took = exchange.settle()
        print(f"round {n + 1}: settled in {took:.1f} s, {exchange.figures()}", flush=True)
        exchange.check()
        eventually(lambda: exchange.crowd("stats")["ready_now"] == len(exchange.people))


def kill_redis_with_its_data(farm):
    """What Redis had is gone, as with a Redis that keeps nothing."""
    farm.redis.config_set("appendonly", "no")
    for path in (farm.run / "redis").glob("appendonlydir*"):
        shutil.rmtree(path)
    farm.kill("redis")


FAULTS = {
    "the relay and all its processes are killed": lambda farm: farm.kill_all("wsrelay"),
    "the relay's master is killed": lambda farm: farm.kill("wsrelay"),
    "a process of the relay is killed": lambda farm: farm.kill("wsrelay", worker=True),
    "Redis is killed and has its data": lambda farm: farm.kill("redis"),
    "Redis is killed and loses its data": kill_redis_with_its_data,
    "PostgreSQL is killed": lambda farm: farm.kill("postgres"),
    "a session of PostgreSQL is killed": lambda farm: farm.kill_session(),
    "an app and its workers are killed": lambda farm: farm.kill_all("whatsapp-messages"),
    "the app that takes acknowledgements is killed": lambda farm: farm.kill_all("whatsapp-queues"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_or_doubled_when(farm, exchange, rounds, fault):
    play(farm, exchange, rounds, lambda: FAULTS[fault](farm))


def test_five_hundred_slow_readers_are_pulled_forward(farm, exchange, rounds):
    """They do not read while more is sent to them than the relay's log holds; then they do.  The others go on meanwhile."""
    group = exchange.add_group(exchange.people[:SLOW + 20])
    exchange.crowd("buffer 8192")
    exchange.crowd(f"drop 0 {SLOW}")
    assert exchange.crowd("open 0 200")["ready"] == PEOPLE
    exchange.crowd("buffer 0")

    def fall_behind():
        exchange.crowd(f"pause 0 {SLOW} 1")
        exchange.burst(group, 400, 8000)
        others = sum(len(i.pushed) for i in exchange.inboxes[SLOW + 20:])
        exchange.read()
        assert sum(len(i.pushed) for i in exchange.inboxes[SLOW + 20:]) > others, "nobody else gets anything"
        exchange.crowd(f"pause 0 {SLOW} 0")
    play(farm, exchange, rounds, fall_behind)
    assert exchange.notes["closed with 4410"], "nobody fell out of the log: this test has shown nothing"


def test_a_relay_that_sleeps_for_ten_seconds_loses_nothing(farm, exchange, rounds):
    def sleep():
        processes = farm.children(farm.pid("wsrelay"))
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(10)
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    play(farm, exchange, rounds, sleep)
