"""permessage-deflate on the running relay: what is agreed to, what is compressed, and what a client may not inflate."""
import json
import time
import zlib

import pytest

from lib.live import Raw

TEXT, CLOSE, RSV1 = 1, 8, 4
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def squeeze(data):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(payload, bits=15):
    return zlib.decompressobj(-bits).decompress(payload + b"\0\0\xff\xff")


class Squeezed(Raw):
    """Signed in, with compression agreed to; read_frame() tells whether a frame was compressed, too."""

    def __init__(self, farm, account, offer=OFFER):
        super().__init__(farm.site().host, farm.site().port, headers=offer)
        self.agreed = self.headers.get("sec-websocket-extensions", "")
        self.bits = 9 if "window_bits=9" in self.agreed else 15
        self.say(type="auth", token=account.token)
        self.event("ready")

    def read_frame(self):
        head = self.input.read(2)
        assert len(head) == 2, "the connection has ended"
        length = head[1] & 0x7f
        if length > 125:
            length = int.from_bytes(self.input.read(2 if length == 126 else 8), "big")
        compressed, payload = bool(head[0] & 0x40), self.input.read(length)
        return head[0] & 0xf, compressed, inflate(payload, self.bits) if compressed else payload, length

    def event(self, kind):
        """(fields, compressed, bytes on the wire) of the next event of that type."""
        while True:
            op, compressed, payload, size = self.read_frame()
            assert op != CLOSE, payload
            frame = json.loads(payload) if op == TEXT else {}
            if frame.get("type") == kind:
                return frame, compressed, size


def test_an_offer_is_agreed_to_without_context(farm, alice):
    with Squeezed(farm, alice) as client:
        assert client.agreed == AGREED
    with Squeezed(farm, alice, {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=10"}) as client:
        assert client.agreed == AGREED + "; server_max_window_bits=9"
    with Squeezed(farm, alice, {}) as client:
        assert client.agreed == ""


@pytest.mark.parametrize("offer", ["permessage-deflate; server_max_window_bits=8", "permessage-deflate; unheard_of", "x-other"])
def test_an_offer_that_cannot_be_taken_is_not(farm, alice, offer):
    with Squeezed(farm, alice, {"Sec-WebSocket-Extensions": offer}) as client:
        assert client.agreed == ""


def test_large_events_come_compressed_and_small_ones_as_they_are(farm, alice, bob):
    narrow = {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=9"}
    with Squeezed(farm, bob) as wide, Squeezed(farm, bob, narrow) as other, Squeezed(farm, bob, {}) as plain:
        alice.say(bob, "small")
        for client in (wide, other, plain):
            _, compressed, _ = client.event("message.new")
            assert not compressed
        text = "the same again " * 2000
        sent = alice.say(bob, text)
        sizes = []
        for client in (wide, other, plain):
            event, compressed, size = client.event("message.new")
            assert event["data"]["messageId"] == sent["messageId"]
            assert compressed is (client is not plain)
            sizes.append(size)
        assert sizes[0] < sizes[2] / 20 and sizes[1] < sizes[2] / 5


def test_a_client_may_send_compressed_and_plain_messages(farm, alice):
    with Squeezed(farm, alice) as client:
        for _ in range(3):  # nothing is kept in between
            client.frame(TEXT, squeeze(b'{"type": "ping"}'), reserved=RSV1)
            client.event("pong")
        client.say(type="ping")
        client.event("pong")
        parts = squeeze(b'{"type": "ping", "x": "' + b"y" * 5000 + b'"}')
        client.frame(TEXT, parts[:7], fin=False, reserved=RSV1)
        client.frame(9, "between")
        client.frame(0, parts[7:])
        client.event("pong")


@pytest.mark.parametrize("code, payload, reserved", [
    (1009, squeeze(b"x" * 65537), RSV1), (1009, squeeze(bytes(50_000_000)), RSV1), (1007, b"\xff\xff\xff", RSV1),
    (1007, squeeze(b"\xc3("), RSV1), (1002, squeeze(b"x"), 2), (1002, squeeze(b"x"), 1)],
    ids=["64 KiB and one", "a bomb", "no deflate", "no UTF-8", "RSV2", "RSV3"])
def test_what_does_not_inflate_ends_the_connection(farm, alice, code, payload, reserved):
    with Squeezed(farm, alice) as client:
        begun = time.monotonic()
        client.frame(TEXT, payload, reserved=reserved)
        while (frame := client.read_frame())[0] != CLOSE:
            pass
        assert int.from_bytes(frame[2][:2], "big") == code
        assert time.monotonic() - begun < 1


def test_a_compressed_message_without_agreement_ends_the_connection(farm, alice):
    with Squeezed(farm, alice, {}) as client:
        client.frame(TEXT, squeeze(b'{"type": "ping"}'), reserved=RSV1)
        assert client.close_code() == 1002


def test_half_a_compressed_message_goes_on_after_a_restart(farm, alice, bob):
    with Squeezed(farm, bob) as client:
        parts = squeeze(b'{"type": "ping"}')
        client.frame(TEXT, parts[:4], fin=False, reserved=RSV1)
        assert farm.rookery("restart", "relay").returncode == 0
        client.frame(0, parts[4:])
        client.event("pong")
        alice.say(bob, "the same again " * 2000)
        assert client.event("message.new")[1], "still compressed"


def test_it_can_be_switched_off(farm, alice):
    conf = farm.run / "rookery.conf"
    before = conf.read_text()
    try:
        conf.write_text(before + "\nrelay.deflate = no\n")
        assert farm.rookery("restart", "relay").returncode == 0
        with Squeezed(farm, alice) as client:
            assert client.agreed == ""
    finally:
        conf.write_text(before)
        assert farm.rookery("restart", "relay").returncode == 0
