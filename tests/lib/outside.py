"""Servers outside of the farm, as tests need them: a mail server, a provider of texts, and services that are away.

    with Mail() as mail, Texts() as texts, Farm.private(SMTP_URL=mail.url, OTP_URL=texts.url) as farm:
        mail.answers["full@example.org"] = "452 try later"
        ...
        assert mail.got("bob@example.org")
"""
import contextlib
import email
import http.server
import re
import socketserver
import subprocess
import threading
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller

from lib.farm import eventually, free_ports


class Server:
    """A server on a free port of this machine, in a thread."""

    def __init__(self, kind, handler):
        self.arrived = []
        self.server = kind(("127.0.0.1", 0), handler)
        self.server.daemon_threads, self.server.outside = True, self
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def got(self, to, within=8):
        """The latest that arrived for a receiver."""
        return eventually(lambda: next((text for name, text in reversed(self.arrived) if name == to), None), within)


class _Smtp(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail.test")
        receivers = []
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "RCPT":
                to = re.search("<(.*)>", line)[1]
                answer = self.server.outside.answers.get(to, "250 ok")
                if answer.startswith("250"):
                    receivers.append(to)
                self.say(answer)
            elif word == "DATA":
                self.say("354 go on")
                text = email.message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.server.outside.arrived += [(to, text) for to in receivers]
                receivers = []
                self.say("250 taken")
            elif word == "QUIT":
                return self.say("221 bye")
            else:
                self.say("250 ok")


class Mail(Server):
    """Takes every mail, but for receivers with another answer to RCPT; what arrives are email.message.Message."""

    def __init__(self):
        self.answers = {}
        super().__init__(socketserver.ThreadingTCPServer, _Smtp)

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"


class MailServer:
    """A real SMTP server (aiosmtpd), for what must survive one; what arrives are email.message.Message."""

    def __init__(self):
        self.arrived = []
        [port] = free_ports(1)
        self.controller, self.url = Controller(self, hostname="127.0.0.1", port=port), f"smtp://127.0.0.1:{port}"

    async def handle_DATA(self, server, session, envelope):
        text = email.message_from_bytes(envelope.content)
        self.arrived += [(to, text) for to in envelope.rcpt_tos]
        return "250 taken"

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()

    got = Server.got


class _Provider(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        status = self.server.outside.answers.get(form["To"][0], 201)
        if status == 201:
            self.server.outside.arrived.append((form["To"][0], form["Body"][0]))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Texts(Server):
    """Takes every text, but for numbers with another status."""

    def __init__(self):
        self.answers = {}
        super().__init__(http.server.ThreadingHTTPServer, _Provider)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def code(self, phone):
        """The one-time code in the latest text to a number."""
        return re.search(r"\d{4,}", self.got(phone))[0]


@contextlib.contextmanager
def absent(farm, *services):
    """Services are stopped, and there again afterwards."""
    for service in services:
        control(farm, "down", service)
    try:
        yield
    finally:
        for service in services:
            control(farm, "up", service)


def control(farm, word, service):
    subprocess.run(["sv", "-w", "30", word, str(farm.run / "service" / service)], check=True, capture_output=True)
