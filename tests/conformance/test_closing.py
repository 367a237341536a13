"""RFC 6455, section 7: the closing handshake, which codes may be said, and what follows (Autobahn's area 7)."""
import socket

import pytest

from lib.peer import ALIVE, BINARY, CLOSE, PING, TEXT, Peer, close, frame

PROTOCOL = 1002


def test_a_close_without_a_code_is_answered(peer):
    peer.send(close())
    assert peer.code() == 1000


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
                                  3000, 3999, 4000, 4401, 4999])
def test_a_close_is_answered_with_its_code(peer, code):
    peer.send(close(code, b"a reason"))
    assert peer.code() == code


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535])
@pytest.mark.parametrize("reason", [b"", b"why"])
def test_codes_that_may_not_be_said_are_refused(peer, code, reason):
    peer.send(close(code, reason))
    assert peer.code() == PROTOCOL


def test_half_a_code_is_refused(peer):
    peer.send(frame(CLOSE, b"\x03"))
    assert peer.code() == PROTOCOL


def test_the_longest_reason_is_taken_and_a_longer_one_is_not(farm, someone, peer):
    peer.send(close(1000, b"r" * 123))
    assert peer.code() == 1000
    with Peer(farm) as other:
        other.sign_in(someone).send(close(1000, b"r" * 124))
        assert other.code() == PROTOCOL


@pytest.mark.parametrize("after", [close(1000), frame(PING, b"x"), frame(TEXT, ALIVE), b"\xff" * 100, frame(TEXT, b"x", masked=False)],
                         ids=["another close", "a ping", "a message", "garbage", "a frame without a mask"])
def test_what_follows_a_close_is_not_looked_at(peer, after):
    peer.send(close(4000) + after)
    assert peer.code() == 4000


def test_what_came_before_a_close_is_answered_first(peer):
    peer.send(frame(TEXT, ALIVE) + frame(PING, b"x") + close(1000) + frame(PING, b"y"))
    assert peer.said() == {"type": "pong"}
    peer.pong(b"x")
    assert peer.code() == 1000


def test_a_close_bytewise_is_a_close(peer):
    data = close(1001, b"away")
    peer.send(*(data[n:n + 1] for n in range(len(data))))
    assert peer.code() == 1001


def test_the_server_ends_the_connection_after_the_handshake(peer):
    """Section 7.1.1: the server closes the TCP connection, so that the client is the one without TIME_WAIT."""
    peer.send(close(1000))
    assert peer.code() == 1000  # which waits for the end of the connection


def test_a_client_that_only_shuts_its_side_is_not_kept(peer):
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.ended()


def test_a_client_that_never_answers_a_close_is_not_kept(peer):
    peer.send(frame(BINARY, b""))
    assert peer.read()[0] == CLOSE
    assert peer.ended()


def test_reasons_of_the_server_say_what_is_wrong(peer):
    peer.send(frame(TEXT, b"x", masked=False))
    assert peer.code() == PROTOCOL and "mask" in peer.reason


def test_a_stranger_may_close_too(stranger):
    stranger.send(close(1000))
    assert stranger.code() == 1000
