"""Parts of the farm are killed in the middle of a stream of sends; nothing that was acknowledged is lost or doubled."""
import time

import pytest

from lib.farm import eventually
from lib.storm import Storm

VICTIMS = {
    "a worker": lambda farm: farm.kill("whatsapp-messages", worker=True),
    "an app": lambda farm: farm.kill("whatsapp-messages"),
    "an app and its workers": lambda farm: farm.kill_all("whatsapp-messages"),
    "the relay": lambda farm: farm.kill("wsrelay"),
    "redis": lambda farm: farm.kill("redis"),
    "the postmaster": lambda farm: farm.kill("postgres"),
    "a database session": lambda farm: farm.kill_session(),
    "the web server": lambda farm: farm.kill("httpd"),
    "the jobs daemon": lambda farm: farm.kill("jobs"),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_killing_loses_and_doubles_nothing(farm, victim):
    with Storm(farm) as storm:
        VICTIMS[victim](farm)
    storm.settle()
    storm.check()
    eventually(farm.ready, within=15)


def test_killing_everything_after_another_loses_nothing(farm):
    with Storm(farm, each=100, seconds=12) as storm:
        for victim in ("an app", "the relay", "redis", "the postmaster"):
            VICTIMS[victim](farm)
            time.sleep(2)
    storm.settle()
    storm.check()
    eventually(farm.ready, within=15)


def test_what_dies_is_started_again(farm):
    for service in farm.services:
        before = farm.kill(service)
        eventually(lambda: farm.alive(service) not in (None, before), within=15)
    eventually(farm.ready, within=30)


def test_a_stopped_redis_is_told_and_recovered_from(farm, account):
    """While Redis hangs /readyz fails and requests end in time; afterwards all is well without a restart."""
    alice, bob = account(), account()
    with farm.paused("redis"):
        eventually(lambda: not farm.ready(), within=10)
        started = time.monotonic()
        assert alice.request("POST", "/messages", {}, timeout=30).status in (400, 503)
        assert time.monotonic() - started < 15
    eventually(farm.ready, within=15)
    with bob.listen() as live:
        sent = alice.say(bob)
        live.wait_for("message.new", messageId=sent["messageId"])
