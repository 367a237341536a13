"""Two phones exchange an encrypted message through a running farm, and the receiver's WebSocket shows it.

    python3 tools/demo.py http://127.0.0.1:8080 build/bin/rk-ctl

Two accounts are registered with the codes of the development provider.  The receiver publishes keys; the sender takes
a one-time prekey, checks the signature of the signed one, and seals the text with X25519 and XSalsa20-Poly1305 (libsodium).
"""
import asyncio
import base64
import json
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import websockets
from nacl.public import Box, PrivateKey, PublicKey
from nacl.signing import SigningKey, VerifyKey

TEXT = "Hello from one phone to another."


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def unb64(text):
    return base64.b64decode(text)


def say(who, what):
    print(f"    {who:>5}  {what}", flush=True)


class Phone:
    def __init__(self, name, base, ctl):
        self.name, self.base, self.ctl, self.token = name, base, ctl, None
        self.number = f"+49151{random.randrange(10**8):08d}"
        self.identity, self.prekey, self.once = SigningKey.generate(), PrivateKey.generate(), PrivateKey.generate()

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"{self.base}/api/v1{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as refused:
            sys.exit(f"    {method} {path}: {refused.code} {refused.read().decode(errors='replace')}")

    def register(self):
        started = self.call("POST", "/phone-registrations", {
            "phoneNumber": self.number, "deviceId": str(uuid.uuid4()), "locale": "en-US", "deliveryChannel": "sms"})
        code = subprocess.run([self.ctl, "otp", self.number], check=True, capture_output=True, text=True).stdout.strip()
        answer = self.call("POST", f"/phone-registrations/{started['registrationId']}/verify", {
            "otp": code, "devicePublicKey": b64(self.identity.verify_key)})
        self.id, self.token = answer["userId"], answer["accessToken"]
        payload = self.token.split(".")[1]
        self.device = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["did"]
        say(self.name, f"registered {self.number} as {self.id}")

    def publish_keys(self):
        signed = bytes(self.prekey.public_key)
        self.call("POST", "/crypto/keys", {
            "deviceId": self.device, "identityKey": b64(self.identity.verify_key), "signedPreKey": b64(signed),
            "signedPreKeySignature": b64(self.identity.sign(signed).signature),
            "oneTimePreKeys": [b64(self.once.public_key)]})
        say(self.name, "published an identity key, a signed prekey and a one-time prekey")

    def send(self, to, text):
        bundle = self.call("GET", f"/crypto/prekeys/{to.id}")
        VerifyKey(unb64(bundle["identityKey"])).verify(unb64(bundle["signedPreKey"]), unb64(bundle["signedPreKeySignature"]))
        fresh = PrivateKey.generate()
        sealed = Box(fresh, PublicKey(unb64(bundle["oneTimePreKey"]))).encrypt(text.encode())
        sent = self.call("POST", "/messages", {
            "recipientId": to.id, "ciphertext": b64(bytes(fresh.public_key) + sealed), "messageType": "text",
            "clientMessageId": str(uuid.uuid4())})
        say(self.name, f"sent {sent['messageId']}: {b64(sealed)[:32]}…")
        return sent["messageId"]

    def open(self, ciphertext):
        data = unb64(ciphertext)
        return Box(self.once, PublicKey(data[:32])).decrypt(data[32:]).decode()


async def event(socket, kind):
    """The next event of that type; its fields."""
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if frame.get("type") == kind:
            return {**frame, **(frame.get("data") or {})}


async def main(base, ctl):
    anna, bert = Phone("Anna", base, ctl), Phone("Bert", base, ctl)
    anna.register()
    bert.register()
    bert.publish_keys()
    async with websockets.connect(f"ws{base[4:]}/api/v1/ws", open_timeout=10) as socket:
        await socket.send(json.dumps({"type": "auth", "token": bert.token}))
        await event(socket, "ready")
        say("Bert", "listens on his WebSocket")
        started = time.monotonic()
        sent = anna.send(bert, TEXT)
        got = await event(socket, "message.new")
        took = (time.monotonic() - started) * 1000
        text = bert.open(got["ciphertext"])
        if got["messageId"] != sent or text != TEXT:
            sys.exit("    what arrived is not what was sent")
        say("Bert", f"received it: \"{text}\" ({took:.0f} ms after Anna began)")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
