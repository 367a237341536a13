"""Devices that live on their queue while what carries it is killed: nothing is lost, nothing comes out of order."""
import contextlib
import random
import threading
import time

import pytest

from lib.farm import eventually
from lib.live import Live


def with_queue(account):
    live = Live(f"ws://{account.site.host}:{account.site.port}/api/v1/ws")
    live.sign_in({"token": account.token, "queue": True})
    return live


def arrived(live):
    with live.news:
        return [f["data"]["messageId"] for f in live.frames if f["type"] == "message.new"]


def say_until_stored(sender, receiver, sent, stop):
    """Send under ids of our own until the farm says that it has the message."""
    number = 0
    while not stop.is_set():
        body = {"recipientId": receiver.id, "ciphertext": "eA==", "messageType": "text", "clientMessageId": f"m{number}"}
        with contextlib.suppress(Exception):
            reply = sender.request("POST", "/messages", body, keep=False)
            if reply.status in (201, 409):
                sent.append(reply.json["messageId"])
                number += 1
        time.sleep(0.01)


def receive(receiver, taken, stop):
    """Acknowledge what comes, break off at random, and come back; taken is what came, a list a connection."""
    dice = random.Random(3)
    while not stop.is_set():
        connection, had = [], 0
        taken.append(connection)
        with contextlib.suppress(Exception), with_queue(receiver) as live:
            while live.closed is None and not stop.is_set():
                new = arrived(live)[had:]
                had += len(new)
                connection.extend(new)
                if new:
                    live.send({"type": "ack", "data": {"messageIds": new}})
                time.sleep(0.05)
                if dice.random() < 0.02:
                    live.drop()
        time.sleep(0.1)


@pytest.mark.parametrize("victim", ["wsrelay", "whatsapp-queues", "redis"])
def test_nothing_is_lost_on_the_way_through_the_queue(farm, account, victim):
    alice, bob = account(), account()
    sent, taken, stop, enough = [], [], threading.Event(), threading.Event()
    threads = [threading.Thread(target=say_until_stored, args=(alice, bob, sent, stop)),
               threading.Thread(target=receive, args=(bob, taken, enough))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            time.sleep(1 + random.random())
            farm.kill_all(victim)
        time.sleep(2)
        stop.set()
        threads[0].join()
        eventually(lambda: {m for part in taken for m in part} >= set(sent) or None, within=30)
        eventually(lambda: bob.get("/queues", page=1, pageSize=1)["totalItems"] == 0 or None, within=30)
    finally:
        stop.set(), enough.set()
        for thread in threads:
            thread.join()
    place = {message: n for n, message in enumerate(sent)}
    assert len(place) == len(sent) > 20
    for part in taken:
        assert part == sorted(set(part), key=place.get), "out of order, or twice on one connection"
