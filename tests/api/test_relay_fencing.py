"""What ends a session or a membership ends delivery at its place in the stream: measured, and held to a bound.

Somebody sends without pause.  The test ends something and notes when the answer came.  Whatever was sent after that must not
arrive; for what ends the socket, the time until the socket has ended is measured.  With -s the figures are printed.
"""
import base64
import contextlib
import json
import statistics
import threading
import time
import uuid

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from lib.devices import add_device

ROUNDS = 8
#: Seconds from the answer to the end of the socket; the machine may be busy with other tests.
BOUND, EXPIRY_BOUND = 1.0, 1.8


class Sender(threading.Thread):
    """Sends all the time; `sent` is (when it began to send, message id)."""

    def __init__(self, send):
        super().__init__(daemon=True)
        self.send, self.sent, self.stopped = send, [], threading.Event()

    def run(self):
        while not self.stopped.is_set():
            begun = time.monotonic()
            with contextlib.suppress(AssertionError):  # refused: blocked, for instance
                self.sent.append((begun, self.send()["messageId"]))
            time.sleep(0.003)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join(10)


def arrived(live):
    with live.news:
        return {f["data"]["messageId"] for f in live.frames if f["type"] == "message.new"}


def fence(live, send, end):
    """End something while messages flow; the seconds until the socket had ended (None if it is to stay), and checks the rest."""
    with Sender(send) as sender:
        time.sleep(0.15)
        end()
        done = time.monotonic()
        closed = None
        while closed is None and time.monotonic() < done + 0.4:
            if live.closed is not None:
                closed = time.monotonic() - done
            time.sleep(0.001)
    later = {message for begun, message in sender.sent if begun > done}
    assert arrived(live), "there were messages before"
    assert not later & arrived(live), "delivered although it was sent after the end"
    return closed


def report(what, times, bound):
    assert all(t is not None for t in times), f"{what}: the socket stayed open"
    print(f"\n{what}: socket ended {statistics.median(times) * 1000:.1f} ms after the answer (median of {len(times)}), "
          f"{max(times) * 1000:.1f} ms at most; bound {bound * 1000:.0f} ms")
    assert max(times) < bound


def test_a_logout_ends_delivery(account):
    bob, times = account(), []
    for _ in range(ROUNDS):
        alice = account()
        with alice.listen() as live:
            times.append(fence(live, lambda: bob.say(alice), lambda: alice.post("/auth/logout", {})))
            assert live.closed == 4403
    report("logout", times, BOUND)


def test_removing_a_device_ends_its_delivery_and_no_other(account):
    bob, times = account(), []
    for _ in range(ROUNDS):
        alice = account()
        tablet = add_device(alice)
        with alice.listen() as own, tablet.listen() as live:
            times.append(fence(live, lambda: bob.say(alice), lambda: alice.delete(f"/devices/{tablet.device}")))
            assert live.closed == 4403 and own.closed is None
    report("device removal", times, BOUND)


def test_leaving_a_group_ends_its_messages(account):
    alice, bob = account(), account()
    for _ in range(ROUNDS):
        carol = account()
        group = alice.group(bob, carol)

        def send():
            body = {"clientMessageId": str(uuid.uuid4()), "ciphertext": "YQ==", "mentions": []}
            return alice.post(f"/group-chats/{group}/messages", body)

        with carol.listen() as live, bob.listen() as other:
            assert fence(live, send, lambda: carol.delete(f"/groups/{group}/members/me")) is None
            assert live.closed is None and len(arrived(other)) > len(arrived(live))
    print(f"\nleaving a group: nothing sent after the answer arrived in {ROUNDS} rounds; the socket stays")


def test_a_block_ends_messages(account):
    bob = account()
    for _ in range(ROUNDS):
        alice = account()
        with alice.listen() as live:
            block = lambda: alice.post(f"/users/{alice.id}/blocks", {"contactId": bob.id})  # noqa: E731
            assert fence(live, lambda: bob.say(alice), block) is None
            assert live.closed is None
    print(f"\nblock: nothing sent after the answer arrived in {ROUNDS} rounds; the socket stays")


def expiring(farm, account, seconds):
    """A token as the farm would issue it, which ends that soon."""
    path, = farm.run.glob("keys/token-*.pem")
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    text = lambda part: base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")  # noqa: E731
    head = json.loads(base64.urlsafe_b64decode(account.token.split(".")[0] + "=="))
    signed = text(head) + b"." + text({**account.claims, "exp": int(time.time()) + seconds})
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=")
    return (signed + b"." + signature).decode()


def test_the_end_of_a_token_ends_delivery(farm, account):
    times = []
    for _ in range(3):
        alice = account()
        alice.token = expiring(farm, alice, 2)
        ends = alice.claims["exp"]
        with alice.listen() as live:
            assert live.hello["expiresInSeconds"] <= 2
            assert live.wait_closed(6) == 4401
            times.append(max(0, time.time() - ends))
    report("end of a token", times, EXPIRY_BOUND)


@pytest.mark.parametrize("late", ["a second", "long"])
def test_a_token_that_has_ended_does_not_sign_in(farm, account, late):
    alice = account()
    alice.token = expiring(farm, alice, -1 if late == "a second" else -3600)
    with pytest.raises(AssertionError):
        alice.listen()


def test_a_renewed_token_counts(farm, account):
    alice = account()
    good, alice.token = alice.token, expiring(farm, alice, 3)
    with alice.listen() as live:
        live.send({"type": "auth", "token": good})
        live.wait_for("renewed")
        time.sleep(4)
        assert live.closed is None
