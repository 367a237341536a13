"""RFC 6455, section 5, on the running relay: lengths, pings, reserved bits, opcodes, fragments, limits.

The areas are those of the Autobahn suite (1 framing, 2 pings, 3 reserved bits, 4 opcodes, 5 fragmentation, 9 and 10 limits); the
relay does not echo, so what was understood is seen from its answers.
"""
import itertools
import json
import random

import pytest

from lib.peer import ALIVE, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

PROTOCOL, NOT_TEXT, TOO_BIG = 1002, 1003, 1009
MOST = 65536  # bytes of a message, as docs/relay.md says


def padded(size):
    """A message of so many bytes that is answered."""
    return b'{"type":"ping","p":"' + b"x" * (size - 22) + b'"}'


def bytewise(data):
    return [data[n:n + 1] for n in range(len(data))]


# ---- 1: framing -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [22, 125, 126, 127, 128, 4096, 65535, MOST])
def test_messages_of_any_size_up_to_the_limit_are_taken(peer, size):
    peer.say(padded(size))
    assert peer.said() == {"type": "pong"}


@pytest.mark.parametrize("size, piece", [(125, 1), (128, 1), (300, 1), (65535, 997), (65535, 1460), (MOST, 4096)])
def test_a_message_may_arrive_in_any_pieces(peer, size, piece):
    data = frame(TEXT, padded(size))
    peer.send(*(data[n:n + piece] for n in range(0, len(data), piece)))
    assert peer.said() == {"type": "pong"}


def test_an_empty_message_is_a_message(peer):
    peer.say(b"")
    assert peer.said()["type"] == "error"
    peer.alive()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, MOST])
def test_binary_messages_are_refused(peer, size):
    peer.send(frame(BINARY, b"\xfe" * size))
    assert peer.code() == NOT_TEXT


@pytest.mark.parametrize("op, payload, form", [
    (TEXT, b"x", 2), (TEXT, b"x" * 125, 2), (TEXT, b"x", 8), (TEXT, b"x" * 126, 8), (TEXT, b"x" * 65535, 8), (TEXT, b"", 2),
    (PING, b"x", 2), (PING, b"", 8)])
def test_lengths_come_in_their_shortest_form(peer, op, payload, form):
    peer.send(frame(op, payload, form=form))
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("op", [TEXT, BINARY, PING, PONG, CLOSE, CONTINUATION])
def test_frames_without_a_mask_are_refused(peer, op):
    peer.send(frame(op, b"", masked=False))
    assert peer.code() == PROTOCOL


def test_a_mask_of_zeros_is_a_mask(peer):
    peer.send(bytes([0x81, 0x80 | len(ALIVE), 0, 0, 0, 0]) + ALIVE)
    assert peer.said() == {"type": "pong"}


def test_many_messages_in_one_write_are_answered_in_turn(peer):
    words = [b'{"type":"ping"}', b'{"type":"nothing we know"}', b"["] * 20
    peer.send(b"".join(frame(TEXT, word) for word in words))
    answers = [peer.said() for _ in words]
    assert [a["type"] for a in answers] == ["pong", "error", "error"] * 20
    assert [a["data"]["code"] for a in answers[1:3]] == ["unknown_type", "bad_message"]


# ---- 2: pings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
def test_a_ping_is_answered_with_its_payload(peer, payload):
    peer.send(frame(PING, payload))
    peer.pong(payload)


@pytest.mark.parametrize("size", [126, 127, 65536])
def test_a_ping_of_more_than_125_bytes_is_refused(peer, size):
    peer.send(frame(PING, b"\xfe" * size))
    assert peer.code() == PROTOCOL


def test_a_ping_may_arrive_bytewise(peer):
    peer.send(*bytewise(frame(PING, b"\xfe" * 125)))
    peer.pong(b"\xfe" * 125)


def test_pongs_that_nobody_asked_for_are_passed_over(peer):
    peer.send(frame(PONG), frame(PONG, b"unsolicited"), frame(PONG, b"again") + frame(PING, b"and now"))
    peer.pong(b"and now")


@pytest.mark.parametrize("split", [False, True], ids=["at once", "bytewise"])
def test_ten_pings_have_ten_pongs_in_order(peer, split):
    data = b"".join(frame(PING, str(n)) for n in range(10))
    peer.send(*(bytewise(data) if split else [data]))
    for n in range(10):
        peer.pong(str(n).encode())


def test_pings_are_answered_before_signing_in(stranger):
    stranger.send(frame(PING, b"who is there"))
    stranger.pong(b"who is there")


# ---- 3: reserved bits -------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 8))
@pytest.mark.parametrize("op, payload", [(TEXT, ALIVE), (BINARY, b"x"), (PING, b"x"), (PONG, b""), (CLOSE, b"\x03\xe8")])
def test_reserved_bits_are_refused(peer, op, payload, bits):
    peer.send(frame(op, payload, reserved=bits))
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("bits", [1, 2, 4, 7])
def test_what_came_before_a_reserved_bit_is_still_answered(peer, bits):
    peer.send(frame(TEXT, ALIVE) + frame(PING, b"before") + frame(TEXT, ALIVE, reserved=bits) + frame(PING, b"after"))
    assert peer.said() == {"type": "pong"}
    peer.pong(b"before")
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_reserved_bits_in_a_continuation_are_refused(peer, bits):
    peer.send(frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}", reserved=bits))
    assert peer.code() == PROTOCOL


# ---- 4: opcodes -------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"unknown"])
def test_unknown_opcodes_are_refused(peer, op, payload):
    peer.send(frame(TEXT, ALIVE) + frame(op, payload) + frame(PING))
    assert peer.said() == {"type": "pong"}
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("op", [3, 11])
def test_unknown_opcodes_are_refused_at_their_first_byte(peer, op):
    peer.send(frame(op, b"x" * 1000, length=1000)[:2])
    assert peer.code() == PROTOCOL


# ---- 5: fragments -----------------------------------------------------------------------------


@pytest.mark.parametrize("op", [PING, PONG, CLOSE])
def test_control_frames_are_not_fragmented(peer, op):
    peer.send(frame(op, b"", fin=False) + frame(CONTINUATION, b""))
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("together", [True, False], ids=["one write", "a write each"])
@pytest.mark.parametrize("cuts", [(7,), (0, 7), (7, 7, 7), (0,), (15,), tuple(range(1, 15))], ids=str)
def test_fragments_are_one_message(peer, cuts, together):
    ends = [0, *cuts, len(ALIVE)]
    parts = [ALIVE[a:b] for a, b in itertools.pairwise(ends)]
    frames = [frame(CONTINUATION if n else TEXT, part, fin=n == len(parts) - 1) for n, part in enumerate(parts)]
    peer.send(*([b"".join(frames)] if together else frames))
    assert peer.said() == {"type": "pong"}


def test_fragments_may_arrive_bytewise(peer):
    peer.send(*bytewise(frame(TEXT, ALIVE[:5], fin=False) + frame(CONTINUATION, ALIVE[5:9], fin=False) +
                        frame(CONTINUATION, ALIVE[9:])))
    assert peer.said() == {"type": "pong"}


@pytest.mark.parametrize("split", [False, True], ids=["at once", "bytewise"])
def test_pings_between_fragments_are_answered_at_once(peer, split):
    pieces = []
    for n, byte in enumerate(bytewise(ALIVE)):
        pieces += [frame(CONTINUATION if n else TEXT, byte, fin=n == len(ALIVE) - 1), frame(PING, str(n))]
    data = b"".join(pieces[:-1])
    peer.send(*(bytewise(data) if split else [data]))
    for n in range(len(ALIVE) - 1):
        peer.pong(str(n).encode())
    assert peer.said() == {"type": "pong"}


def test_pongs_between_fragments_are_passed_over(peer):
    peer.send(frame(TEXT, ALIVE[:4], fin=False) + frame(PONG, b"x") + frame(CONTINUATION, ALIVE[4:]))
    assert peer.said() == {"type": "pong"}


def test_a_close_between_fragments_closes(peer):
    peer.send(frame(TEXT, ALIVE[:4], fin=False) + frame(CLOSE, b"\x03\xe8") + frame(CONTINUATION, ALIVE[4:]))
    assert peer.code() == 1000


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_of_nothing_is_refused(peer, fin):
    peer.send(frame(CONTINUATION, b"of nothing", fin=fin) + frame(TEXT, ALIVE))
    assert peer.code() == PROTOCOL


def test_a_continuation_after_a_whole_message_is_refused(peer):
    peer.send(frame(TEXT, ALIVE) + frame(CONTINUATION, b"more"))
    assert peer.said() == {"type": "pong"}
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("op", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_a_message_within_a_message_is_refused(peer, op, fin):
    peer.send(frame(TEXT, b"{", fin=False) + frame(op, b"{", fin=fin))
    assert peer.code() == PROTOCOL


def test_binary_fragments_are_refused(peer):
    peer.send(frame(BINARY, b"\x00", fin=False) + frame(CONTINUATION, b"\x01"))
    assert peer.code() == NOT_TEXT


# ---- 9 and 10: limits -------------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [MOST + 1, 1 << 20, 1 << 31, 1 << 32, (1 << 63) - 1])
def test_a_frame_that_announces_too_much_is_refused_before_it_comes(peer, claimed):
    peer.send(frame(TEXT, b"", length=claimed))
    assert peer.code() == TOO_BIG


@pytest.mark.parametrize("claimed", [1 << 63, (1 << 64) - 1])
def test_a_length_with_its_topmost_bit_is_refused(peer, claimed):
    peer.send(frame(TEXT, b"", length=claimed))
    assert peer.code() == PROTOCOL


@pytest.mark.parametrize("piece", [1024, 4096, 65536])
def test_the_limit_holds_for_the_whole_of_a_fragmented_message(peer, piece):
    whole = padded(MOST)
    parts = [whole[n:n + piece] for n in range(0, MOST, piece)]
    peer.send(*(frame(CONTINUATION if n else TEXT, part, fin=n == len(parts) - 1) for n, part in enumerate(parts)))
    assert peer.said() == {"type": "pong"}, "exactly the limit is taken"
    peer.send(*(frame(CONTINUATION if n else TEXT, part, fin=False) for n, part in enumerate(parts)), frame(CONTINUATION, b"x"))
    assert peer.code() == TOO_BIG


def test_a_message_that_never_ends_does_not_outgrow_the_limit(peer):
    peer.send(frame(TEXT, b"", fin=False), *([frame(CONTINUATION, b"x" * 16384, fin=False)] * 4),
              frame(CONTINUATION, b"", fin=False) * 100)
    peer.send(frame(CONTINUATION, b"x", fin=False))
    assert peer.code() == TOO_BIG


def test_the_rest_of_a_refused_message_does_not_hide_the_close_frame(peer):
    """Whoever is still sending when it is refused gets the code, not a reset that overtakes it."""
    peer.send(frame(TEXT, b"", length=1 << 20))
    try:
        for _ in range(64):
            peer.send(b"x" * 16384)
    except OSError:
        pass
    assert peer.code() == TOO_BIG


# ---- by chance --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_cut_anywhere_is_understood(peer, seed):
    """Messages in random fragments, control frames between them, and the bytes in random pieces."""
    chance, data, expected = random.Random(seed), b"", []
    for n in range(40):
        text = json.dumps({"type": "ping", "n": "é€𝄞" * chance.randrange(60)}, ensure_ascii=False).encode()
        cuts = sorted(chance.sample(range(len(text)), chance.randrange(4)))
        parts = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
        for place, part in enumerate(parts):
            if chance.random() < 0.3:
                data += frame(PING, b"%d" % n)
                expected.append((PONG, b"%d" % n))
            data += frame(CONTINUATION if place else TEXT, part, fin=place == len(parts) - 1)
        expected.append((TEXT, '{"type":"pong"}'))
    while data:
        size = chance.randrange(1, 900)
        peer.send(data[:size])
        data = data[size:]
    assert [peer.read() for _ in expected] == expected
