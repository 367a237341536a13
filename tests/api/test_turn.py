"""Credentials for TURN, held against a real coturn that knows the same secret."""
import subprocess
import time

import pytest

from lib.farm import free_ports
from lib.people import refused
from lib.signup import settings
from test_web import fields

SECRET = "shared with the turn server"


@pytest.fixture(scope="module")
def turn(farm, tmp_path_factory):
    """A coturn on loopback, and the app told of it; its port."""
    [port], place = free_ports(1), tmp_path_factory.mktemp("turn")
    server = subprocess.Popen(
        ["turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
         "--allow-loopback-peers", f"--listening-port={port}", "--realm=rookery", "--use-auth-secret",
         f"--static-auth-secret={SECRET}", f"--pidfile={place}/pid", f"--log-file={place}/log", "--simple-log"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    uris = f"stun:127.0.0.1:{port} turn:127.0.0.1:{port}?transport=udp"
    try:
        with settings(farm, "whatsapp-web", {"turn.secret": SECRET}, **{"turn.uris": uris, "turn.lifetime": "2m"}):
            yield port
    finally:
        server.kill()
        server.wait()


def credentials(account, **more):
    session = account.post("/web/sessions", fields())["sessionId"]
    return account.post(f"/web/sessions/{session}/webrtc-tokens", {"callType": "voice"}, **more)


def allocates(port, username, password):
    """Does the TURN server give a relay to these credentials, and carry packets through it?"""
    done = subprocess.run(["turnutils_uclient", "-y", "-n", "2", "-m", "1", "-u", username, "-w", password, "-p", str(port),
                           "127.0.0.1"], capture_output=True, text=True, timeout=20)
    return done.returncode == 0 and "error" not in done.stdout.lower()


def test_the_turn_server_takes_the_credentials(alice, turn):
    given = credentials(alice, expect=201)
    assert given["ttlSeconds"] == 120 and len(given["uris"]) == 2
    until, _, owner = given["username"].partition(":")
    assert owner == alice.id and abs(int(until) - time.time() - 120) < 5
    assert allocates(turn, given["username"], given["credential"])
    assert not allocates(turn, given["username"], given["credential"][::-1])
    assert not allocates(turn, f"{int(until) + 999}:{owner}", given["credential"])
    assert alice.get("/web/clients/config")["supportsWebRTC"] is True


def test_a_call_is_voice_or_video_in_ones_own_session(alice, bob, turn):
    session = alice.post("/web/sessions", fields())["sessionId"]
    refused(alice.post(f"/web/sessions/{session}/webrtc-tokens", {"callType": "smell"}, 400), "callType")
    alice.post(f"/web/sessions/{session}/webrtc-tokens", {"callType": "video"}, 201)
    bob.post(f"/web/sessions/{session}/webrtc-tokens", {"callType": "voice"}, 404)
    bob.post(f"/web/sessions/{alice.id}/webrtc-tokens", {"callType": "voice"}, 404)


def test_without_a_turn_server_there_are_no_credentials(farm, alice):
    with settings(farm, "whatsapp-web", **{"turn.uris": ""}):
        credentials(alice, expect=503)
        assert alice.get("/web/clients/config")["supportsWebRTC"] is False
