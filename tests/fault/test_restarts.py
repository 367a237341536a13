"""Restarting one app while it is under load refuses no request and cuts none."""
import contextlib
import pathlib
import threading
import time

import pytest

from lib.farm import Farm, eventually
from lib.people import Account
from lib.storm import Storm


class Load(threading.Thread):
    """Sends without pause and without mercy: the first answer that is not 201, or no answer, is kept as the failure."""

    def __init__(self, sender, receiver, keep):
        super().__init__(daemon=True)
        self.sender, self.receiver, self.keep = sender, receiver, keep
        self.count, self.failure, self.stopped = 0, None, threading.Event()

    def run(self):
        try:
            while not self.stopped.is_set():
                self.sender.say(self.receiver, keep=self.keep)
                self.count += 1
        except Exception as failure:
            self.failure = failure


@pytest.mark.parametrize("keep", [True, False], ids=["kept connections", "fresh connections"])
def test_restarting_an_app_refuses_no_request(farm, account, keep):
    loads = [Load(account(), account(), keep) for _ in range(6)]
    for load in loads:
        load.start()
    before, workers = farm.pid("whatsapp-messages"), set()
    for _ in range(4):
        time.sleep(0.8)
        workers |= set(farm.children(before))
        assert farm.rookery("restart", "whatsapp-messages").returncode == 0
    time.sleep(0.8)
    for load in loads:
        load.stopped.set()
        load.join(30)
    assert not [load.failure for load in loads if load.failure]
    assert farm.pid("whatsapp-messages") == before, "a graceful restart keeps the master"
    assert not workers & set(farm.children(before)), "the old workers are gone"
    assert sum(load.count for load in loads) > 200


def test_restarting_the_relay_loses_no_event(farm):
    with Storm(farm, each=40) as storm:
        assert farm.rookery("restart", "wsrelay").returncode == 0
    storm.settle()
    storm.check()


def test_restarting_every_app_leaves_the_farm_ready(farm):
    for service in farm.services:
        if service.startswith("whatsapp-"):
            assert farm.rookery("restart", service).returncode == 0
    assert farm.ready()


def test_restarting_the_web_server_keeps_nobody_waiting_while_sockets_are_open(farm, account):
    """New connections are answered at once, although the old server still serves its WebSockets."""
    socket, load = account(), Load(account(), account(), False)
    with socket.listen():
        load.start()
        for _ in range(2):
            before = load.count
            started = time.monotonic()
            assert farm.rookery("restart", "httpd").returncode == 0
            assert time.monotonic() - started < 10
            eventually(lambda: load.count > before + 20, within=5)
    load.stopped.set()
    load.join(30)
    assert not load.failure


def waits_for_ever(caller):
    with contextlib.suppress(Exception):  # it is cut off, somehow
        caller.request("GET", "/devices", query={"page": 1, "pageSize": 5}, timeout=60)


@pytest.mark.parametrize("words", [("restart", "whatsapp-devices"), ("down",)], ids=["restart", "stop"])
def test_a_worker_that_does_not_finish_is_ended_in_time(words):
    """workers.drain bounds how long a request may hold up a restart or a stop."""
    with Farm.private(WORKERS_DRAIN="2s", DB_TIMEOUT="1h") as farm, contextlib.closing(farm.database()) as database:
        alice, cursor = Account.register(farm), database.cursor()
        cursor.execute("BEGIN; LOCK TABLE device")
        threading.Thread(target=waits_for_ever, args=(alice,), daemon=True).start()
        eventually(lambda: farm.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        master = farm.pid("whatsapp-devices")
        before = farm.children(master)
        started = time.monotonic()
        assert farm.rookery(*words).returncode == 0
        eventually(lambda: not [pid for pid in before if pathlib.Path(f"/proc/{pid}").exists()], within=10)
        assert 1 < time.monotonic() - started < 15
