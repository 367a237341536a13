"""Peers of one person, made once: conformance is of connections, not of people."""
import pytest

from lib.peer import Peer
from lib.people import Account


@pytest.fixture(scope="session")
def someone(farm):
    return Account.register(farm)


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
