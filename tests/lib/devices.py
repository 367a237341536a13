"""Further devices of an account, and the keys of either kind.

    tablet = add_device(alice, deviceName="tablet")     # an Account: its own token, session and identity key
    keys = signal_keys(3)                               # Curve25519 with XEdDSA signatures, as the Signal protocol has it
"""
import hashlib
import os
import random
import uuid

from nacl import bindings
from nacl.signing import SigningKey

from lib.people import Account, b64


def device_fields(identity=None, **more):
    """The body of POST /devices."""
    identity = identity or SigningKey.generate()
    return {"deviceName": "second device", "platform": "android", "deviceFingerprint": f"test-{uuid.uuid4()}",
            "identityKey": b64(bytes(identity.verify_key)), "registrationId": random.randrange(1, 16380), **more}


def add_device(owner, **more):
    """A further device of somebody, signed in."""
    identity = SigningKey.generate()
    answer = owner.post("/devices", device_fields(identity, **more))
    device = Account(owner.farm, {**answer, "userId": owner.id}, owner.phone, identity)
    assert device.device == answer["id"]
    return device


def xeddsa_sign(private, message):
    """XEdDSA (signal.org/docs/specifications/xeddsa) with SHA-512 over Curve25519 private bytes."""
    scalar = bytes([private[0] & 248]) + private[1:31] + bytes([private[31] & 127 | 64])
    scalar = bindings.crypto_core_ed25519_scalar_reduce(scalar + bytes(32))
    public = bindings.crypto_scalarmult_ed25519_base_noclamp(scalar)
    if public[31] & 128:  # the sign of the point shall be 0
        scalar = bindings.crypto_core_ed25519_scalar_negate(scalar)
        public = public[:31] + bytes([public[31] & 127])
    reduce = lambda *parts: bindings.crypto_core_ed25519_scalar_reduce(hashlib.sha512(b"".join(parts)).digest())
    nonce = reduce(b"\xfe" + b"\xff" * 31, scalar, message, os.urandom(64))
    point = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce)
    challenge = reduce(point, public, message)
    return point + bindings.crypto_core_ed25519_scalar_add(nonce, bindings.crypto_core_ed25519_scalar_mul(challenge, scalar))


def signal_keys(one_time=3):
    """A bundle as Signal's libraries make it: keys of 33 bytes, the first 5."""
    private = os.urandom(32)
    key = lambda: b"\x05" + bindings.crypto_scalarmult_base(os.urandom(32))
    prekey = key()
    return {"identityKey": b64(b"\x05" + bindings.crypto_scalarmult_base(private)), "signedPreKey": b64(prekey),
            "signedPreKeySignature": b64(xeddsa_sign(private, prekey)),
            "oneTimePreKeys": [b64(key()) for _ in range(one_time)]}
