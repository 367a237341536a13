"""Accounts as tests use them: registered through the farm, with a token, a device, keys and short words for requests.

    alice, bob = people(2)
    alice.post("/contacts", {...}, expect=409)          # answers the JSON body, checked against the contract
    sent = alice.say(bob, "hello")
    refused(alice.get("/devices", page=0, expect=400), field="page")
"""
import base64
import itertools
import json
import os
import random
import uuid

from nacl.signing import SigningKey

from lib.live import Live

PHONES = itertools.count(random.randrange(10**8))


def phone():
    """A fresh mobile number in the largest German range, which libphonenumber takes for valid."""
    return f"+49151{next(PHONES) % 10**8:08d}"


def b64(data):
    return base64.b64encode(data).decode()


def public_key():
    """A fresh Ed25519 public key in base64."""
    return b64(bytes(SigningKey.generate().verify_key))


def refused(problem, field=None, **members):
    """Check the body of a refusal by RFC 9457; field is the input that must be named."""
    assert {"type", "title", "status"} <= problem.keys(), problem
    if field:
        named = [problem.get("field")] + [error.get("field") for error in problem.get("errors", [])]
        assert field in named, f"{field} is not named in {problem}"
    assert members.items() <= problem.items(), problem
    return problem


class Caller:
    """Requests of someone, or of nobody: each answers the JSON body after checking the status."""

    def __init__(self, farm, token=None, surface="whatsapp"):
        self.farm, self.token, self.site = farm, token, farm.site(surface)

    def request(self, method, path, body=None, headers=None, query=None, **how):
        """The whole reply, whatever its status."""
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.site.request(method, path, body, {**bearer, **(headers or {})}, query, **how)

    def _expect(self, expect, reply):
        good = reply.status == expect if expect else 200 <= reply.status < 300
        assert good, f"expected {expect or 'success'}, not {reply}"
        if reply.status >= 400:
            assert reply.type == "application/problem+json", reply
            assert reply.json["status"] == reply.status, reply
        return reply.json if "json" in reply.type else reply.body

    def get(self, path, expect=None, **query):
        return self._expect(expect, self.request("GET", path, query=query))

    def post(self, path, body=None, expect=None, **how):
        return self._expect(expect, self.request("POST", path, body, **how))

    def put(self, path, body=None, expect=None, **how):
        return self._expect(expect, self.request("PUT", path, body, **how))

    def patch(self, path, body=None, expect=None, **how):
        return self._expect(expect, self.request("PATCH", path, body, **how))

    def delete(self, path, body=None, expect=None, **how):
        return self._expect(expect, self.request("DELETE", path, body, **how))


class Account(Caller):
    """Somebody with a phone, on one device.  `device` is the id the token carries."""

    def __init__(self, farm, answer, phone=None, identity=None):
        super().__init__(farm, answer["accessToken"])
        self.id, self.refresh, self.phone, self.identity = answer["userId"], answer.get("refreshToken"), phone, identity
        self.device, self.session = self.claims["did"], self.claims["sid"]

    @classmethod
    def register(cls, farm, number=None):
        """Start a registration, read the code, verify it: a fresh account."""
        number, nobody, identity = number or phone(), Caller(farm), SigningKey.generate()
        started = nobody.post("/phone-registrations", {
            "phoneNumber": number, "deviceId": f"test-{uuid.uuid4()}", "locale": "en-US", "deliveryChannel": "sms"})
        answer = nobody.post(f"/phone-registrations/{started['registrationId']}/verify", {
            "otp": farm.otp(number), "devicePublicKey": b64(bytes(identity.verify_key))})
        return cls(farm, answer, number, identity)

    @property
    def claims(self):
        payload = self.token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    def keys(self, one_time=5):
        """Signed prekey, its signature and one-time prekeys, as the key operations take them."""
        prekey = os.urandom(32)
        return {"signedPreKey": b64(prekey), "signedPreKeySignature": b64(self.identity.sign(prekey).signature),
                "oneTimePreKeys": [b64(os.urandom(32)) for _ in range(one_time)]}

    def publish_keys(self, one_time=5):
        keys = {"deviceId": self.device, "identityKey": b64(bytes(self.identity.verify_key)), **self.keys(one_time)}
        self.post("/crypto/keys", keys)
        return keys

    def say(self, to, text="hello", expect=None, keep=True, **more):
        """Send an encrypted message to an account (a direct conversation comes into being)."""
        return self.post("/messages", {
            "recipientId": to.id, "ciphertext": b64(text.encode()), "messageType": "text",
            "clientMessageId": str(uuid.uuid4()), **more}, expect, keep=keep)

    def group(self, *members, name=None):
        """Found a group with these members; its id."""
        return self.post("/groups", {"name": name or f"group {uuid.uuid4()}", "description": "made by a test",
                                     "memberIds": [m.id for m in members], "encryptionMetadata": {}})["id"]

    def listen(self, cursor=None, **options):
        """A WebSocket that is signed in; with a cursor it goes on there, as far as live.hello["recovered"] says so."""
        live = Live(f"ws://{self.site.host}:{self.site.port}/api/v1/ws", **options)
        live.sign_in({"token": self.token, **({"resume": cursor} if cursor else {})})
        return live
