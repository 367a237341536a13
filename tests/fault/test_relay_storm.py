"""Ten thousand clients lose their connection at once and are back within two seconds, while they are written to."""
import random
import time

import pytest

from lib.exchange import Exchange
from lib.farm import Farm, free_ports

PEOPLE, RATE, WITHIN_MS = 10000, 100, 2000
SETTINGS = {"TOKEN_LIFETIME": "1d", "EVENTS_STREAM_KEEP": "100000",
            **{f"LIMIT_{name}": "0" for name in ("AUTH", "GENERAL", "MESSAGES", "GROUPS", "SYNC", "CONTACTS", "KEYS")}}


@pytest.fixture(scope="module")
def farm():
    with Farm.private(RELAY_PORT=str(free_ports(1)[0]), **SETTINGS) as farm:
        yield farm


def test_a_storm_of_ten_thousand_loses_nothing(farm, request):
    with Exchange(farm, PEOPLE, RATE, groups=100) as exchange:
        for n in range(request.config.getoption("rounds")):
            exchange.writing.set()
            time.sleep(random.uniform(0.5, 1.5))
            exchange.crowd(f"drop 0 {PEOPLE}")
            opened = exchange.crowd(f"open {WITHIN_MS} 0")
            assert opened["ready"] == PEOPLE, opened
            took = exchange.settle()
            print(f"round {n + 1}: {opened}; settled in {took:.1f} s, {exchange.figures()}", flush=True)
            exchange.check()
            assert exchange.notes["cursor not recovered"] == 0, "the log and the stream hold all of it"
