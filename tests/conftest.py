"""Fixtures of every test that needs a running farm, and the account of what was exercised.

One farm serves the whole session (see lib/farm.py for the variables that choose it).  Tests make their own people: nothing is
shared between tests but the farm, so they pass in any order.
"""
import os

import pytest

from lib.farm import Farm
from lib.people import Account, Caller
from lib.seeded import seeded
from lib.sentinal import User

FARMS = []
#: All tests come from one address, and many make people; and nobody likes to wait.
SETTINGS = {"LIMIT_AUTH": "5000/60", "LIMIT_GENERAL": "2000/60", "LIMIT_ACKS": "2000/60", "LIMIT_MEDIA": "2000/60",
            "LIMIT_SENTINAL_GENERAL": "2000/60", "LIMIT_SENTINAL_AUTH": "5000/60", "LIMIT_SENTINAL_MESSAGES": "2000/60",
            "LIMIT_SENTINAL_CALLS": "2000/60", "LIMIT_SENTINAL_SIGNALS": "2000/60", "LIMIT_SENTINAL_UPLOADS": "5000/60",
            "RELAY_AUTH_TIMEOUT": "3s", "RELAY_PING": "2s", "RELAY_IDLE": "5s", "RELAY_NEW_PER_ACCOUNT": "0"}


@pytest.fixture(scope="session")
def farm():
    reused = os.environ.get("ROOKERY_FARM")
    with Farm.running(reused) if reused else Farm.private(**SETTINGS) as farm:
        FARMS.append(farm)
        yield farm


@pytest.fixture(scope="session")
def crowd(farm, request):
    """A database full of invented people, in the farm's cluster but none of its business; nobody changes it."""
    size = {"users": 100000, "messages": 5000000} if request.config.option.full else {"users": 2000, "messages": 50000}
    with seeded(farm, name=os.environ.get("ROOKERY_CROWD"), **size) as database:
        yield database


@pytest.fixture
def account(farm):
    """Makes people: account() is somebody new."""
    return lambda *number: Account.register(farm, *number)


@pytest.fixture
def alice(account):
    return account()


@pytest.fixture
def bob(account):
    return account()


@pytest.fixture
def carol(account):
    return account()


@pytest.fixture
def user(farm):
    """Makes people of the surface sentinal."""
    return lambda **more: User.register(farm, **more)


@pytest.fixture
def nobody(farm):
    """Requests without a token."""
    return Caller(farm)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="plans over 100,000 people and 5 million messages")


def pytest_configure(config):
    config.addinivalue_line("markers", "writes: the test changes the database (it is compared around other refusals)")


def partial(config):
    """Was less asked for than all tests of the operations?"""
    asked = {os.path.basename(str(arg).rstrip("/")) for arg in config.args}
    chosen = any(getattr(config.option, name, None) for name in ("keyword", "markexpr", "deselect", "ignore", "ignore_glob"))
    return bool(os.environ.get("ROOKERY_TEST_PARTIAL") or chosen or not ("tests" in asked or {"api", "fault"} <= asked))


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and not partial(session.config) and any(any(farm.record.missing()) for farm in FARMS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if partial(config):
        return
    for farm in FARMS:
        silent, unseen = farm.record.missing()
        terminalreporter.section("operations and documented statuses that nothing exercised")
        for op in silent:
            terminalreporter.line(f"FAILED {op}: never answered with success", red=True)
        for op, statuses in unseen:
            terminalreporter.line(f"FAILED {op}: never answered with {' '.join(statuses)}", red=True)
        total = sum(len(d.operations) for d in farm.record.documents.values())
        terminalreporter.line(f"{total - len(silent)} of {total} operations succeeded at least once")
