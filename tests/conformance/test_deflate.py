"""permessage-deflate (RFC 7692) on the running relay: what is agreed to, what is taken, and what is refused (Autobahn's areas 12 and 13).

What the relay sends is inflated by wsproto, which keeps no context where none was agreed to, and so notices one that is used.
"""
import json
import random
import uuid
import zlib

import pytest
from wsproto.extensions import PerMessageDeflate

from lib.peer import ALIVE, BINARY, CLOSE, CONTINUATION, PING, TEXT, Line, Peer, close, deflated, frame, handshake

PROTOCOL, NOT_UTF8, TOO_BIG = 1002, 1007, 1009
MOST = 65536
COMPRESSED = 4  # RSV1


class Deflate(PerMessageDeflate):
    """wsproto's extension; offer_text goes into the handshake, answer is what came back."""

    def __init__(self, offer_text="permessage-deflate"):
        super().__init__()
        self.offer_text = offer_text

    def finalize(self, offer):
        self.answer = offer
        super().finalize(offer)


@pytest.fixture
def zipped(farm, someone):
    """A connection that is signed in and compresses."""
    with Peer(farm, extension=Deflate()) as peer:
        assert peer.protocol.extensions, "compression was not agreed to"
        yield peer.sign_in(someone)


def squeezed(text, **more):
    return frame(TEXT, deflated(text), reserved=COMPRESSED, **more)


def big(size):
    """A message of that size that is answered and shrinks well."""
    return b'{"type":"ping","p":"' + b"x" * (size - 22) + b'"}'


# ---- what is agreed to ------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [
    "permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=15",
    "permessage-deflate; client_max_window_bits=9", "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; client_no_context_takeover", "permessage-deflate; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=10", 'permessage-deflate; server_max_window_bits="12"',
    "permessage-deflate;server_no_context_takeover ; client_max_window_bits", "x-unknown, permessage-deflate",
    "permessage-deflate; nonsense, permessage-deflate", "permessage-deflate; server_max_window_bits=99, permessage-deflate",
    "PerMessage-Deflate"])
def test_offers_that_can_be_taken_are_taken(farm, someone, offer):
    with Peer(farm, extension=Deflate(offer)) as peer:
        answer = peer.headers["sec-websocket-extensions"]
        name, *parameters = [part.strip() for part in answer.split(";")]
        assert name == "permessage-deflate"
        assert {"server_no_context_takeover", "client_no_context_takeover"} <= set(parameters)
        known = {"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"}
        assert {p.partition("=")[0] for p in parameters} <= known and len(set(parameters)) == len(parameters)
        assert "client_max_window_bits" in offer or "client_max_window_bits" not in answer, "only who offered it is asked for it"
        wanted = [p.partition("=")[2].strip('"') for p in offer.split(";") if "server_max_window_bits=1" in p]
        for bits in wanted:
            given = [int(p.partition("=")[2]) for p in parameters if p.startswith("server_max_window_bits")]
            assert bits == "15" or given and given[0] <= int(bits), f"{answer} for {offer}"
        peer.sign_in(someone).send(squeezed(ALIVE))
        assert peer.said() == {"type": "pong"}


@pytest.mark.parametrize("offer", [
    "permessage-deflate; unknown", "permessage-deflate; unknown=1", "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=010", "permessage-deflate; server_max_window_bits",
    "permessage-deflate; client_max_window_bits=0", "permessage-deflate; client_max_window_bits=99", "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover", "permessage-deflates", "deflate-frame"])
def test_offers_that_cannot_be_taken_are_passed_over(farm, someone, offer):
    with Line(farm) as line:
        line.send(handshake(Sec_WebSocket_Extensions=offer))
        status, headers = line.answer()
        assert status in (101, 400)
        assert "sec-websocket-extensions" not in headers
    with Peer(farm, Sec_WebSocket_Extensions=offer) as peer:
        if peer.status == 101:
            peer.sign_in(someone).send(squeezed(ALIVE))
            assert peer.code() == PROTOCOL, "RSV1 means nothing here"


def test_offers_may_come_in_several_lines(farm):
    with Line(farm) as line:
        line.send(handshake(Sec_WebSocket_Extensions=["x-unknown", "permessage-deflate"]))
        assert line.answer()[1]["sec-websocket-extensions"].startswith("permessage-deflate")


def test_nobody_who_did_not_offer_it_gets_it(farm):
    with Line(farm) as line:
        line.send(handshake())
        assert "sec-websocket-extensions" not in line.answer()[1]


# ---- what is taken ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [22, 125, 126, 127, 128, 4096, 65535, MOST])
@pytest.mark.parametrize("level", [1, 6, 9])
def test_compressed_messages_of_any_size_are_taken(zipped, size, level):
    zipped.send(frame(TEXT, deflated(big(size), level), reserved=COMPRESSED))
    assert zipped.said() == {"type": "pong"}


@pytest.mark.parametrize("size", [22, 4096, 65000])
def test_blocks_that_are_only_stored_are_taken(zipped, size):
    zipped.send(frame(TEXT, deflated(big(size), 0), reserved=COMPRESSED))
    assert zipped.said() == {"type": "pong"}


@pytest.mark.parametrize("window", [9, 10, 12, 15])
def test_compressed_messages_of_any_window_are_taken(zipped, window):
    zipped.send(frame(TEXT, deflated(big(20000), window=window), reserved=COMPRESSED))
    assert zipped.said() == {"type": "pong"}


def test_messages_that_are_not_compressed_are_taken_too(zipped):
    zipped.send(frame(TEXT, ALIVE) + squeezed(ALIVE) + frame(TEXT, ALIVE))
    assert [zipped.said() for _ in range(3)] == [{"type": "pong"}] * 3


@pytest.mark.parametrize("cuts", [(1,), (0, 1, 2), tuple(range(1, 12))], ids=str)
def test_compressed_messages_in_fragments_are_taken(zipped, cuts):
    """Only the first fragment has the bit; pings go between."""
    data = deflated(big(3000))
    ends = [0, *cuts, len(data)]
    for n in range(len(ends) - 1):
        first, last = n == 0, n == len(ends) - 2
        zipped.send(frame(TEXT if first else CONTINUATION, data[ends[n]:ends[n + 1]], fin=last, reserved=COMPRESSED if first else 0))
        if not last:
            zipped.send(frame(PING, b"%d" % n))
            zipped.pong(b"%d" % n)
    assert zipped.said() == {"type": "pong"}


def test_each_message_stands_alone(zipped):
    """Without context takeover the same message compressed twice is the same bytes."""
    data = squeezed(big(1000))
    for _ in range(10):
        zipped.send(data)
        assert zipped.said() == {"type": "pong"}


@pytest.mark.parametrize("flush", [zlib.Z_FULL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_PARTIAL_FLUSH])
def test_several_blocks_are_one_message(zipped, flush):
    squeeze, text = zlib.compressobj(9, zlib.DEFLATED, -15), big(5000)
    data = squeeze.compress(text[:2000]) + squeeze.flush(flush) + squeeze.compress(text[2000:]) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    zipped.send(frame(TEXT, data[:-4], reserved=COMPRESSED))
    assert zipped.said() == {"type": "pong"}


def test_a_final_block_may_end_the_message(zipped):
    """Section 7.2.3.4: a block with BFINAL set, and an empty one behind it."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    zipped.send(frame(TEXT, squeeze.compress(ALIVE) + squeeze.flush(zlib.Z_FINISH) + b"\0", reserved=COMPRESSED))
    assert zipped.said() == {"type": "pong"}


def test_an_empty_compressed_message_is_empty(zipped):
    zipped.send(frame(TEXT, b"\x00", reserved=COMPRESSED))
    assert zipped.said()["type"] == "error"
    zipped.alive()


@pytest.mark.parametrize("seed", range(6))
def test_any_text_survives_however_it_is_cut(zipped, seed):
    chance = random.Random(seed)
    for _ in range(10):
        text = json.dumps({"type": "ping", "x": "".join(chance.choices("aé€𝄞 0", k=chance.randrange(5000)))}, ensure_ascii=False).encode()
        data = frame(TEXT, deflated(text, chance.randrange(1, 10)), reserved=COMPRESSED)
        while data:
            size = chance.randrange(1, 400)
            zipped.send(data[:size])
            data = data[size:]
        assert zipped.said() == {"type": "pong"}


# ---- what is sent -----------------------------------------------------------------------------


@pytest.mark.parametrize("offer", ["permessage-deflate", "permessage-deflate; server_max_window_bits=10"])
def test_large_events_come_compressed_and_whole(farm, account, offer):
    alice, bob = account(), account()
    text = "all the same " * 1000
    with Peer(farm, extension=Deflate(offer)) as peer, Peer(farm) as plain:
        peer.sign_in(bob)
        plain.sign_in(bob)
        for _ in range(3):
            sent = alice.say(bob, text, clientMessageId=str(uuid.uuid4()))
            events = [one.said() for one in (peer, plain)]
            assert events[0] == events[1] and events[0]["data"]["messageId"] == sent["messageId"]


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("op, payload", [(PING, b"x"), (CLOSE, b"\x03\xe8")])
def test_control_frames_are_not_compressed(zipped, op, payload):
    zipped.send(frame(op, payload, reserved=COMPRESSED))
    assert zipped.code() == PROTOCOL


def test_the_bit_belongs_to_the_first_fragment_alone(zipped):
    zipped.send(frame(TEXT, deflated(ALIVE)[:4], fin=False, reserved=COMPRESSED) + frame(CONTINUATION, deflated(ALIVE)[4:], reserved=COMPRESSED))
    assert zipped.code() == PROTOCOL


def test_a_message_cannot_become_compressed_halfway(zipped):
    zipped.send(frame(TEXT, ALIVE[:4], fin=False) + frame(CONTINUATION, deflated(ALIVE[4:]), reserved=COMPRESSED))
    assert zipped.code() == PROTOCOL


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 7])
def test_other_reserved_bits_stay_refused(zipped, bits):
    zipped.send(frame(TEXT, deflated(ALIVE), reserved=bits))
    assert zipped.code() == PROTOCOL


@pytest.mark.parametrize("garbage", [b"\xff" * 20, b"\x07" * 10, b"not deflate at all", deflated(big(3000))[:-3], b"\x06\x00\xff"], ids=repr)
def test_what_is_not_deflate_is_refused(zipped, garbage):
    zipped.send(frame(TEXT, garbage, reserved=COMPRESSED))
    assert zipped.code() in (PROTOCOL, NOT_UTF8)


def test_a_context_of_the_message_before_is_not_there(zipped):
    """A client that takes its context over, although it was agreed that it does not."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = b'{"type":"ping","p":"' + bytes(random.Random(1).choices(b"abcdefghijklmnop", k=3000)) + b'"}'
    messages = [(squeeze.compress(text) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4] for _ in range(2)]
    assert len(messages[1]) < 100, "the second one refers to the first"
    zipped.send(frame(TEXT, messages[0], reserved=COMPRESSED))
    assert zipped.said() == {"type": "pong"}
    zipped.send(frame(TEXT, messages[1], reserved=COMPRESSED))
    assert zipped.code() in (PROTOCOL, NOT_UTF8)


@pytest.mark.parametrize("text", [b"\xc0\xaf", b"\xed\xa0\x80", b'{"type":"ping","x":"\xff"}', b"ends within \xf0\x9f"], ids=repr)
def test_compressed_text_is_utf8(zipped, text):
    zipped.send(squeezed(text))
    assert zipped.code() == NOT_UTF8


@pytest.mark.parametrize("size", [MOST + 1, 1 << 20, 64 << 20])
def test_what_inflates_beyond_the_limit_is_refused(zipped, size):
    """A bomb: a megabyte shrinks to a kilobyte, 64 to 64."""
    zipped.send(squeezed(big(size)))
    assert zipped.code() == TOO_BIG


def test_a_bomb_in_fragments_is_refused(zipped):
    data = deflated(big(8 << 20))
    parts = [data[n:n + 1000] for n in range(0, len(data), 1000)]
    for n, part in enumerate(parts):
        zipped.send(frame(CONTINUATION if n else TEXT, part, fin=n == len(parts) - 1, reserved=0 if n else COMPRESSED))
    assert zipped.code() == TOO_BIG


def test_bombs_cost_the_relay_no_memory_and_little_time(farm, someone):
    """Twenty of them, and then it is as good as ever."""
    data = squeezed(big(40 << 20))
    assert len(data) < MOST
    before = memory(farm)
    for n in range(20):
        with Peer(farm, extension=Deflate()) as peer:
            peer.send(data)
            assert peer.code() == TOO_BIG
    assert memory(farm) - before < 8 << 20
    with Peer(farm, extension=Deflate()) as peer:
        peer.sign_in(someone).alive()


def memory(farm):
    """Bytes that the relay's processes hold."""
    total = 0
    for pid in farm.children(farm.pid("wsrelay")):
        with open(f"/proc/{pid}/statm") as statm:
            total += int(statm.read().split()[1]) * 4096
    return total


def test_binary_stays_refused_when_compressed(zipped):
    zipped.send(frame(BINARY, deflated(b"\x00" * 100), reserved=COMPRESSED))
    assert zipped.code() == 1003


def test_a_close_ends_a_compressed_connection(zipped):
    zipped.send(squeezed(ALIVE) + close(1000))
    assert zipped.said() == {"type": "pong"}
    assert zipped.code() == 1000
