"""Redis loses its data while people talk."""
import pytest

from lib.farm import Farm
from lib.people import Account


@pytest.fixture(scope="module")
def farm():
    limits = {f"LIMIT_{name}": "0" for name in ("AUTH", "GENERAL", "MESSAGES", "CONTACTS")}
    with Farm.private(RELAY_LOG_BYTES="1m", RELAY_PORT="0", RELAY_NEW_PER_ACCOUNT="0", **limits) as farm:
        yield farm


def test_who_is_connected_stays_and_synchronises(farm):
    """Redis runs on with nothing in it, not even the name of the stream."""
    alice, bob = Account.register(farm), Account.register(farm)
    processes = farm.children(farm.pid("wsrelay"))
    with bob.listen() as live:
        alice.say(bob)
        live.wait_for("message.new")
        for _ in range(2):
            farm.redis.flushall()
            live.wait_for("resync")
        live.wait_for("message.new", messageId=alice.say(bob)["messageId"])
    assert farm.children(farm.pid("wsrelay")) == processes
