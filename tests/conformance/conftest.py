"""Peers that are signed in.  Conformance is of connections, not of people, so a person serves for many tests."""
import pytest

from lib.peer import Peer
from lib.people import Account

TESTS_OF_ONE = 25  # an account may open only so many connections in a minute
served = {"tests": 0, "someone": None}


@pytest.fixture
def someone(farm):
    if served["tests"] % TESTS_OF_ONE == 0:
        served["someone"] = Account.register(farm)
    served["tests"] += 1
    return served["someone"]


@pytest.fixture
def peer(farm, someone):
    """A connection on which someone is signed in."""
    with Peer(farm) as peer:
        yield peer.sign_in(someone)


@pytest.fixture
def stranger(farm):
    """A connection that is upgraded and no more."""
    with Peer(farm) as peer:
        assert peer.status == 101
        yield peer
