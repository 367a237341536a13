"""Surface sentinal as a client developer meets it: two clients written from the document alone.

They know paths, fields and events as the document shows them, and nothing of Rookery; their cryptography is libsodium's.  They
register, publish keys, set up a session by X3DH, write to each other, call each other, and pass a file on.
"""
import asyncio
import base64
import hashlib
import hmac
import json
import os
import urllib.request
import uuid

import websockets
from nacl import bindings as sodium
from nacl.signing import SigningKey, VerifyKey


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text)


def derive(secret, label):
    """A key from a secret: HKDF (RFC 5869) with SHA-256, one block."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, label + b"\x01", hashlib.sha256).digest()


class Curve:
    """A key pair of Curve25519."""

    def __init__(self, secret=None):
        self.secret = secret or os.urandom(32)
        self.public = sodium.crypto_scalarmult_base(self.secret)

    def agree(self, public):
        return sodium.crypto_scalarmult(self.secret, public)


class Ratchet:
    """A chain of keys for each direction: each message has a key of its own, which is used once."""

    def __init__(self, root, mine, theirs):
        self.sending, self.receiving = derive(root, mine), derive(root, theirs)
        self.counter = 0

    def seal(self, text):
        self.counter += 1
        key, self.sending = derive(self.sending, b"message"), derive(self.sending, b"chain")
        nonce = self.counter.to_bytes(24, "big")
        return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(text.encode(), None, nonce, key), self.counter

    def open(self, sealed, counter):
        key, self.receiving = derive(self.receiving, b"message"), derive(self.receiving, b"chain")
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, None, counter.to_bytes(24, "big"), key).decode()


class Client:
    def __init__(self, base, name):
        self.base, self.name, self.device = base, name, str(uuid.uuid4())
        self.identity, self.signed, self.one_time = SigningKey.generate(), Curve(), {n: Curve() for n in range(1, 11)}
        self.dh = Curve(sodium.crypto_sign_ed25519_sk_to_curve25519(
            bytes(self.identity) + bytes(self.identity.verify_key)))
        self.token = None

    def call(self, method, path, body=None, base=None, headers=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request((base or self.base) + path, data, method=method, headers={
            "Content-Type": "application/json", "Accept": "application/json", "X-Request-ID": str(uuid.uuid4()),
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})})
        with urllib.request.urlopen(request, timeout=20) as reply:
            answer = json.load(reply)
        assert answer["success"] is True
        return answer["data"]

    # ---- an account, and its keys ----

    def register(self):
        self.email = f"{self.name}-{uuid.uuid4().hex[:8]}@example.com"
        data = self.call("POST", "/v1/auth/register", {
            "email": self.email, "username": self.email.partition("@")[0], "password": "securePassword123",
            "display_name": self.name, "device_id": self.device, "device_name": "Script", "device_type": "desktop"})
        self.id, self.token, self.refresh, self.session = (
            data[name] for name in ("user_id", "access_token", "refresh_token", "session_id"))

    def renew(self):
        data = self.call("POST", "/v1/auth/refresh", {"session_id": self.session, "refresh_token": self.refresh})
        self.token, self.refresh = data["access_token"], data["refresh_token"]

    def publish_keys(self):
        own = {"user_id": self.id, "device_id": self.device}
        self.call("POST", "/v1/encryption/identity", {**own, "public_key": b64(bytes(self.identity.verify_key))})
        self.call("POST", "/v1/encryption/signed-prekeys", {
            **own, "key_id": 1, "public_key": b64(self.signed.public),
            "signature": b64(self.identity.sign(self.signed.public).signature)})
        uploaded = self.call("POST", "/v1/encryption/onetime-prekeys", {"keys": [
            {**own, "key_id": n, "public_key": b64(pair.public)} for n, pair in self.one_time.items()]})
        assert uploaded["uploaded"] == len(self.one_time)

    # ---- X3DH (Signal's specification, section 3), from both sides ----

    def begin_session(self, other):
        bundle = self.call("GET", f"/v1/encryption/bundles?user_id={other.id}&device_id={other.device}"
                                  f"&consumer_device_id={self.device}")
        theirs, signed = unb64(bundle["identity_key"]["public_key"]), bundle["signed_prekey"]
        VerifyKey(theirs).verify(unb64(signed["public_key"]), unb64(signed["signature"]))
        ephemeral, once = Curve(), bundle["one_time_prekey"]
        secret = (self.dh.agree(unb64(signed["public_key"])) +
                  ephemeral.agree(sodium.crypto_sign_ed25519_pk_to_curve25519(theirs)) +
                  ephemeral.agree(unb64(signed["public_key"])) + ephemeral.agree(unb64(once["public_key"])))
        self.ratchet = Ratchet(derive(secret, b"X3DH"), b"first", b"second")
        return {"ephemeral_key": b64(ephemeral.public), "identity_key": b64(bytes(self.identity.verify_key)),
                "signed_prekey_id": signed["key_id"], "one_time_prekey_id": once["key_id"]}

    def accept_session(self, header):
        theirs = sodium.crypto_sign_ed25519_pk_to_curve25519(unb64(header["identity_key"]))
        ephemeral, once = unb64(header["ephemeral_key"]), self.one_time.pop(header["one_time_prekey_id"])
        secret = (self.signed.agree(theirs) + self.dh.agree(ephemeral) + self.signed.agree(ephemeral) +
                  once.agree(ephemeral))
        self.ratchet = Ratchet(derive(secret, b"X3DH"), b"second", b"first")

    def send(self, conversation, other, text, header=None):
        sealed, counter = self.ratchet.seal(text)
        return self.call("POST", "/v1/messages", {
            "conversation_id": conversation, "message_type": "text", "client_message_id": str(uuid.uuid4()),
            "idempotency_key": str(uuid.uuid4()), "ciphertexts": [{
                "recipient_device_id": other.device, "ciphertext": b64(sealed),
                "header": {"ephemeral_key": "", **(header or {}), "counter": counter}}]})

    def read(self, content, header):
        header = json.loads(unb64(header))
        if header["ephemeral_key"]:
            self.accept_session(header)
        return self.ratchet.open(unb64(content), header["counter"])

    # ---- the WebSocket ----

    async def connect(self, by_query):
        url = self.base.replace("http:", "ws:") + "/v1/ws"
        if by_query:
            return await websockets.connect(f"{url}?token={self.token}")
        socket = await websockets.connect(url)
        await socket.send(json.dumps({"type": "auth", "token": f"Bearer {self.token}"}))
        return socket


async def until(socket, kind, **members):
    """The next event of that type; others are passed over, as a client does with what it does not know."""
    while True:
        event = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if event["type"] == kind and all(event[k] == v for k, v in members.items()):
            return event


async def talk(alice, bob):
    """The first message over X3DH, an answer, and what came of them."""
    conversation = alice.call("POST", "/v1/conversations", {"type": "DM", "participants": [bob.id]})["id"]
    hers, his = await alice.connect(by_query=True), await bob.connect(by_query=False)
    await asyncio.sleep(0.5)  # the document has no event that says "signed in"
    sent = alice.send(conversation, bob, "hello bob", alice.begin_session(bob))
    event = await until(his, "message:new", message_id=sent["id"])
    assert event["sender_id"] == alice.id and event["conversation_id"] == conversation
    stored = bob.call("GET", f"/v1/messages?conversation_id={conversation}&before_seq=100&limit=50")["messages"][0]
    assert stored["ciphertext"] == event["content"] and stored["recipient_device_id"] == bob.device
    assert bob.read(stored["ciphertext"], stored["header"]) == "hello bob"
    bob.call("POST", f"/v1/messages/{sent['id']}/delivered")
    await until(hers, "message:delivered", message_id=sent["id"], recipient_id=bob.id)
    bob.call("POST", f"/v1/messages/{sent['id']}/read")
    await until(hers, "message:read", message_id=sent["id"], reader_id=bob.id)

    await his.send(json.dumps({"type": "typing:started", "conversation_id": conversation}))
    assert (await until(hers, "typing:started", user_id=bob.id))["is_typing"] is True
    answer = bob.send(conversation, alice, "hello alice")
    event = await until(hers, "message:new", message_id=answer["id"])
    stored = alice.call("GET", f"/v1/messages/{answer['id']}")
    assert alice.read(stored["ciphertext"], stored["header"]) == "hello alice"
    assert answer["sequence_number"] == sent["sequence_number"] + 1
    await ring(alice, bob, hers, his, conversation)
    await hers.close()
    await his.close()
    return conversation


async def ring(alice, bob, hers, his, conversation):
    """The seven steps of "Call Signaling"."""
    call = alice.call("POST", "/v1/calls", {"conversation_id": conversation, "type": "VIDEO", "initiator_id": alice.id})
    people = {p["user_id"] for p in alice.call("GET", f"/v1/calls/{call['id']}/participants")["participants"]}
    if bob.id not in people:
        alice.call("POST", f"/v1/calls/{call['id']}/participants", {"user_id": bob.id})

    async def signal(sender, mine, receiver, theirs, kind):
        await mine.send(json.dumps({
            "type": f"call:{kind}", "timestamp": "2025-01-01T12:00:00Z", "user_id": sender.id, "call_id": call["id"],
            "from_id": sender.id, "to_id": receiver.id, "signal_type": kind, "data": b64(f"SDP {kind}".encode())}))
        event = await until(theirs, f"call:{kind}", call_id=call["id"])
        assert event["from_id"] == sender.id and unb64(event["data"]) == f"SDP {kind}".encode()

    await signal(alice, hers, bob, his, "offer")
    await signal(bob, his, alice, hers, "answer")
    await signal(alice, hers, bob, his, "ice")
    await signal(bob, his, alice, hers, "ice")
    bob.call("POST", f"/v1/calls/{call['id']}/connected")
    assert alice.call("GET", f"/v1/calls/{call['id']}")["status"] == "CONNECTED"
    alice.call("PUT", f"/v1/calls/{call['id']}/participants/{alice.id}/mute", {"audio_muted": True, "video_muted": False})
    alice.call("POST", f"/v1/calls/{call['id']}/end", {"reason": "COMPLETED"})
    ended = await until(his, "call:ended", call_id=call["id"], conversation_id=conversation)
    assert ended["ended_by"] == alice.id and ended["reason"] == "completed"
    assert alice.call("GET", f"/v1/calls/{call['id']}/duration")["duration"] >= 0


def pass_on_a_file(alice, bob):
    """The bytes go to upload_url; whoever has file_url gets them."""
    photo = os.urandom(100_000)
    data = alice.call("POST", "/v1/uploads", {"file_name": "photo.bin", "file_size": len(photo),
                                              "content_type": "application/octet-stream", "uploader_id": alice.id})
    assert data["status"] == "PENDING"
    put = urllib.request.Request(data["upload_url"], photo, method="PUT",
                                 headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(put, timeout=20) as reply:
        assert reply.status in (200, 201, 204)
    alice.call("POST", f"/v1/uploads/{data['id']}/complete")
    done = alice.call("GET", f"/v1/uploads/{data['id']}")
    assert done["status"] == "COMPLETED" and done["uploaded_bytes"] == len(photo)
    with urllib.request.urlopen(done["file_url"], timeout=20) as reply:  # the address goes to bob in a message
        assert reply.read() == photo


def test_two_clients_written_from_the_document(farm):
    base = str(farm.site("sentinal"))
    alice, bob = Client(base, "alice"), Client(base, "bob")
    for client in (alice, bob):
        assert client.call("GET", "/ping") == {"message": "pong"}
        client.register()
        client.publish_keys()
        client.renew()
        assert client.call("GET", f"/v1/encryption/keys/active?user_id={client.id}&device_id={client.device}") == {
            "has_active_keys": True}
    conversation = asyncio.run(talk(alice, bob))
    assert bob.call("GET", f"/v1/encryption/onetime-prekeys/count?user_id={bob.id}&device_id={bob.device}") == {"count": 9}
    assert alice.call("GET", f"/v1/conversations/direct?user_id_1={alice.id}&user_id_2={bob.id}")["id"] == conversation
    pass_on_a_file(alice, bob)
    for client in (alice, bob):
        client.call("POST", "/v1/auth/logout", {"session_id": client.session})
