"""RFC 6455, section 8.1: text is UTF-8, and what cannot become UTF-8 fails at its first bad byte (Autobahn's area 6).

The cases are those of Markus Kuhn's stress test and of the Unicode standard's table 3-7, in the words of this project.
"""
import pytest

from lib.peer import CONTINUATION, PING, TEXT, close, frame

NOT_UTF8 = 1007

GOOD = {
    "ascii": b"hello",
    "two bytes": "µéß".encode(),
    "greek": "κόσμε".encode(),
    "three bytes": "€ह한".encode(),
    "four bytes": "𐍈😀𝄞".encode(),
    "first of two": b"\xc2\x80",
    "last of two": b"\xdf\xbf",
    "first of three": b"\xe0\xa0\x80",
    "before surrogates": b"\xed\x9f\xbf",
    "after surrogates": b"\xee\x80\x80",
    "replacement": b"\xef\xbf\xbd",
    "last of three": b"\xef\xbf\xbf",
    "first of four": b"\xf0\x90\x80\x80",
    "last of all": b"\xf4\x8f\xbf\xbf",
    "noncharacters": b"\xef\xb7\x90\xf0\x9f\xbf\xbe\xf3\xbf\xbf\xbf",
}
BAD = {
    "continuation alone": b"\x80",
    "continuations alone": b"\xbf\x80\xbf",
    "every continuation": bytes(range(0x80, 0xc0)),
    "start of two, alone": b"\xc2 ",
    "start of three, alone": b"\xe0 ",
    "start of four, alone": b"\xf0 ",
    "one of three missing": b"\xe2\x82 ",
    "one of four missing": b"\xf0\x9f\x98 ",
    "two starts": b"\xe2\xe2\x82\xac",
    "overlong slash of two": b"\xc0\xaf",
    "overlong slash of three": b"\xe0\x80\xaf",
    "overlong slash of four": b"\xf0\x80\x80\xaf",
    "overlong slash of five": b"\xf8\x80\x80\x80\xaf",
    "overlong slash of six": b"\xfc\x80\x80\x80\x80\xaf",
    "overlong nul": b"\xc0\x80",
    "overlong 7f": b"\xc1\xbf",
    "overlong 7ff": b"\xe0\x9f\xbf",
    "overlong ffff": b"\xf0\x8f\xbf\xbf",
    "first high surrogate": b"\xed\xa0\x80",
    "last high surrogate": b"\xed\xaf\xbf",
    "first low surrogate": b"\xed\xb0\x80",
    "last low surrogate": b"\xed\xbf\xbf",
    "pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond 10ffff": b"\xf4\x90\x80\x80",
    "200000": b"\xf8\x88\x80\x80\x80",
    "f5": b"\xf5\x80\x80\x80",
    "4000000": b"\xfc\x84\x80\x80\x80\x80",
    "fe": b"\xfe",
    "ff": b"\xff",
    "latin-1": "é ".encode("latin-1"),
}


def wrapped(text):
    return b'{"type":"ping","x":"' + text + b'"}'


def good(function):
    return pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())(function)


def bad(function):
    return pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())(function)


@good
def test_whatever_is_utf8_is_taken_however_it_is_cut(peer, text):
    whole = wrapped(text)
    peer.say(whole)
    assert peer.said() == {"type": "pong"}
    data = frame(TEXT, whole)
    peer.send(*(data[n:n + 1] for n in range(len(data))))
    assert peer.said() == {"type": "pong"}
    peer.send(*(frame(CONTINUATION if n else TEXT, whole[n:n + 1], fin=n == len(whole) - 1) for n in range(len(whole))))
    assert peer.said() == {"type": "pong"}


@bad
def test_whatever_is_not_utf8_is_refused(peer, text):
    peer.say(wrapped(text))
    assert peer.code() == NOT_UTF8


@bad
def test_it_is_refused_before_the_message_ends(peer, text):
    """The frame that holds the fault is whole; the message is not."""
    peer.send(frame(TEXT, wrapped(b"")[:20], fin=False) + frame(CONTINUATION, text, fin=False))
    assert peer.code() == NOT_UTF8


@bad
def test_it_is_refused_before_the_frame_ends(peer, text):
    data = wrapped(text)[:20 + len(text)]
    peer.send(frame(TEXT, data, length=60000))
    assert peer.code() == NOT_UTF8


@pytest.mark.parametrize("text", [b"\xc2", b"\xe2\x82", b"\xf0\x9f\x98", b"ok\xf4\x8f"], ids=repr)
def test_a_message_that_ends_within_a_character_is_refused(peer, text):
    peer.say(text)
    assert peer.code() == NOT_UTF8


def test_a_character_may_go_over_fragments_with_pings_between(peer):
    text = wrapped("𝄞".encode())
    for n in range(21, 24):
        peer.send(frame(TEXT, text[:n], fin=False) + frame(PING, b"\xff") + frame(CONTINUATION, text[n:]))
        peer.pong(b"\xff")
        assert peer.said() == {"type": "pong"}


@pytest.mark.parametrize("text", [b"\xf4\x90", b"\xed\xa0", b"\xe0\x80", b"\xf0\x80", b"\xc0", b"\xf5"], ids=repr)
def test_a_start_that_nothing_can_mend_is_refused_at_once(peer, text):
    peer.send(frame(TEXT, text, length=1000))
    assert peer.code() == NOT_UTF8


@bad
def test_reasons_of_close_frames_are_utf8(peer, text):
    peer.send(close(1000, text[:120]))
    assert peer.code() == NOT_UTF8


@good
def test_good_reasons_are_taken(peer, text):
    peer.send(close(1000, text))
    assert peer.code() == 1000
