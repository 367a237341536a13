"""People of the surface sentinal: an e-mail address, a user name, a password, on one device.

    ann = User.register(farm)
    ann.get("/users/me")["username"]                    # the data of the envelope
    ann.post("/conversations", {...}, expect=422)       # the whole error: {"success", "error", "code"}
    again = User.login(farm, ann)                       # the same person on a further device
"""
import base64
import itertools
import json
import random
import uuid

from lib.live import Live
from lib.people import Caller

NAMES = itertools.count(random.randrange(10**9))
PASSWORD = "correct horse battery"


def named(error, field):
    """Check that a refusal names a field."""
    assert error["error"].startswith(f"{field}: "), error
    return error


class Visitor(Caller):
    """Requests of someone, or of nobody; success is unwrapped."""

    def __init__(self, farm, token=None):
        super().__init__(farm, token, "sentinal")

    def request(self, method, path, body=None, headers=None, query=None, **how):
        return super().request(method, "/v1" + path, body, headers, query, **how)

    def _expect(self, expect, reply):
        good = reply.status == expect if expect else 200 <= reply.status < 300
        assert good, f"expected {expect or 'success'}, not {reply}"
        if "json" not in reply.type:
            return reply.body
        body = reply.json
        assert body["success"] is (reply.status < 400), reply
        if reply.status < 400:
            return body["data"]
        assert body["error"] and body["code"], reply
        return body


class User(Visitor):
    def __init__(self, farm, answer, names, password):
        super().__init__(farm, answer["access_token"])
        self.id, self.device, self.session = answer["user_id"], answer["device_id"], answer["session_id"]
        self.refresh, self.names, self.password = answer["refresh_token"], names, password

    @staticmethod
    def fresh_names(**more):
        name = f"u{next(NAMES)}"
        return {"email": f"{name}@example.com", "username": name, "display_name": name.title(), **more}

    @classmethod
    def register(cls, farm, device=None, **more):
        names = cls.fresh_names(**more)
        answer = Visitor(farm).post("/auth/register", {
            **names, "password": PASSWORD, "device_id": device or str(uuid.uuid4()), "device_name": "Phone",
            "device_type": "mobile"}, 201)
        return cls(farm, answer, names, PASSWORD)

    @classmethod
    def login(cls, farm, user, device=None, identity=None):
        answer = Visitor(farm).post("/auth/login", {
            "identity": identity or user.names["username"], "password": user.password,
            "device_id": device or str(uuid.uuid4()), "device_name": "Laptop", "device_type": "desktop"}, 200)
        return cls(farm, answer, user.names, user.password)

    @property
    def claims(self):
        payload = self.token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    def direct(self, other):
        """The direct conversation with somebody; its id."""
        return self.post("/conversations", {"type": "DM", "participants": [other.id]})["id"]

    def group(self, *others, subject="group"):
        return self.post("/conversations", {"type": "GROUP", "subject": subject,
                                            "participants": [other.id for other in others]})["id"]

    def say(self, conversation, *to, text="hello", expect=None, **more):
        """One ciphertext for the device of each of the others."""
        return self.post("/messages", {
            "conversation_id": conversation, "message_type": "text", "client_message_id": str(uuid.uuid4()),
            "ciphertexts": [{"recipient_device_id": other.device,
                             "ciphertext": base64.b64encode(f"{text} for {other.device}".encode()).decode(),
                             "header": {"ephemeral_key": "a2V5", "counter": 1}} for other in to],
            **more}, expect)

    def alive(self):
        """Does the access token still open doors?"""
        reply = self.request("GET", "/auth/sessions")
        assert reply.status in (200, 401), reply
        return reply.status == 200

    def listen(self, **options):
        """A WebSocket that is signed in by its first message."""
        live = Live(f"ws://{self.site.host}:{self.site.port}/v1/ws", **options)
        live.sign_in({"token": f"Bearer {self.token}"})
        return live
