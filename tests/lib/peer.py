"""A WebSocket client for conformance tests: it says whatever it is told to, and lets the server get away with nothing.

    with Peer(farm) as peer:                        # straight to the relay, no web server between
        peer.sign_in(account)
        peer.send(frame(TEXT, b"caf\\xc3", fin=False) + frame(PING) + frame(CONTINUATION, b"\\xa9"))
        peer.pong()

What arrives is read by wsproto, which refuses whatever RFC 6455 forbids a server: masks, reserved bits, unknown opcodes, text that is not
UTF-8, lengths not in the shortest form.  Frames to send are made here, as wrong as a test wants them.
"""
import base64
import contextlib
import json
import os
import socket
import time
import zlib

from wsproto.frame_protocol import FrameProtocol, Opcode

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
#: Anything that is answered ({"type":"pong"}) shows that the connection lives and that all before it was taken.
ALIVE = b'{"type":"ping"}'


def frame(op, payload=b"", fin=True, reserved=0, masked=True, form=None, length=None):
    """Bytes of a frame.  form 0, 2 or 8 forces the size of the extended length; length is what the head claims."""
    payload = payload.encode() if isinstance(payload, str) else payload
    length = len(payload) if length is None else length
    form = (0 if length < 126 else 2 if length < 1 << 16 else 8) if form is None else form
    first = bytes([fin << 7 | reserved << 4 | op])
    second = bytes([masked << 7 | {0: length & 0x7f, 2: 126, 8: 127}[form]])
    head = first + second + (length.to_bytes(form, "big") if form else b"")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
                          ).to_bytes(len(payload), "big")


def close(code=None, reason=b""):
    return frame(CLOSE, (b"" if code is None else code.to_bytes(2, "big")) + reason)


def deflated(payload, level=6, window=15):
    """The payload of one compressed message (RFC 7692, section 7.2.1)."""
    squeeze = zlib.compressobj(level, zlib.DEFLATED, -window)
    return (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def handshake(path="/api/v1/ws", version="HTTP/1.1", method="GET", end=b"\r\n", **headers):
    """Bytes of a handshake; a header given as None is left out, its name's _ is a -, a list makes several lines."""
    lines = {"Host": "relay.test", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}
    lines.update({name.replace("_", "-"): value for name, value in headers.items()})
    head = f"{method} {path} {version}\r\n"
    for name, values in lines.items():
        for value in values if isinstance(values, list) else [values]:
            head += "" if value is None else f"{name}: {value}\r\n"
    return head.encode("latin-1") + end


class Line:
    """A socket to the relay's own socket, or to the web server, and what HTTP comes back."""

    def __init__(self, farm, through=None):
        if through:
            self.socket = socket.create_connection((through.host, through.port), timeout=10)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(10)
            self.socket.connect(str(farm.run / "ws/whatsapp.sock"))
        self.rest = b""

    def send(self, *pieces, apart=0.0):
        """Send the pieces, each by itself."""
        for piece in pieces:
            self.socket.sendall(piece)
            if apart:
                time.sleep(apart)

    def take(self):
        """More bytes; b"" at the end."""
        try:
            more = self.socket.recv(1 << 16)
        except ConnectionError:
            more = b""
        self.rest += more
        return more

    def answer(self):
        """(status, headers) of an HTTP answer; (None, {}) when the server just goes away."""
        while b"\r\n\r\n" not in self.rest:
            if not self.take():
                return None, {}
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}

    def ended(self):
        """Does the server end the connection, and says nothing more?"""
        while self.take():
            pass
        return not self.rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Peer(Line):
    def __init__(self, farm, through=None, extension=None, **how):
        super().__init__(farm, through)
        offer = {"Sec_WebSocket_Extensions": extension.offer_text} if extension else {}
        self.send(handshake(**offer, **how))
        self.status, self.headers = self.answer()
        agreed = extension and self.headers.get("sec-websocket-extensions")
        if agreed:
            extension.finalize(agreed)
        self.protocol = FrameProtocol(client=True, extensions=[extension] if agreed else [])
        self.fed, self.waiting = False, []

    # ---- reading ------------------------------------------------------------------------------

    def frames(self):
        """(opcode, payload) of each message and control frame, to the end of the connection."""
        parts = []
        while True:
            self.protocol.receive_bytes(self.rest)
            self.rest = b""
            for got in self.protocol.received_frames():
                if got.opcode.iscontrol():
                    yield int(got.opcode), got.payload
                    if got.opcode == Opcode.CLOSE:
                        return
                    continue
                parts.append(got.payload)
                if got.frame_finished and got.message_finished:
                    yield int(got.opcode), "".join(parts) if got.opcode == Opcode.TEXT else b"".join(parts)
                    parts = []
            if not self.take():
                return

    def read(self):
        """The next frame but for the server's own pings, (None, None) at the end."""
        self.reader = getattr(self, "reader", None) or self.frames()
        for op, payload in self.reader:
            if op != PING:
                return op, payload
        return None, None

    def said(self):
        """The next thing the server says, as JSON."""
        op, text = self.read()
        assert op == TEXT, f"not a text but {op}: {text!r}"
        return json.loads(text)

    def pong(self, payload=b""):
        """The next frame is a pong with this payload."""
        assert self.read() == (PONG, payload)

    def alive(self):
        """Nothing is on its way to us, and what we say is answered."""
        self.send(frame(TEXT, ALIVE))
        assert self.said() == {"type": "pong"}

    def code(self):
        """The code of the close frame that comes next; it is answered, and the connection ends after it."""
        op, payload = self.read()
        assert op == CLOSE, f"no close frame but {op}: {payload!r}"
        self.reason = payload[1]
        with contextlib.suppress(OSError):
            self.send(close(1000))
        assert self.ended(), f"something follows the close frame: {self.rest[:40]!r}"
        return int(payload[0])

    # ---- speaking -----------------------------------------------------------------------------

    def sign_in(self, account):
        self.send(frame(TEXT, json.dumps({"type": "auth", "token": account.token})))
        assert self.said()["type"] == "ready"
        return self

    def say(self, text):
        self.send(frame(TEXT, text))
