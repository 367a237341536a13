"""Key material: registering a device's bundle, and taking other people's bundles, each one-time key once."""
import os
import uuid

import pytest
from nacl.signing import SigningKey

from lib.devices import add_device, signal_keys
from lib.people import b64, refused


def material(account, one_time=2, **more):
    return {"deviceId": account.device, "identityKey": b64(bytes(account.identity.verify_key)),
            **account.keys(one_time), **more}


# ---- registering --------------------------------------------------------------------------------


def test_registered_keys_are_what_others_get(alice, bob):
    keys = material(alice, registrationId=4711)
    answer = alice.post("/crypto/keys", keys)
    assert answer["deviceId"] == alice.device and answer["status"] == "registered"
    bundle = bob.get(f"/crypto/prekeys/{alice.id}")
    assert bundle["recipientId"] == alice.id and bundle["deviceId"] == alice.device
    assert bundle["registrationId"] == 4711
    for field in ("identityKey", "signedPreKey", "signedPreKeySignature"):
        assert bundle[field] == keys[field]
    assert bundle["oneTimePreKey"] == keys["oneTimePreKeys"][0]


def test_keys_of_the_signal_protocol_are_taken_as_they_are(alice, bob):
    keys = {"deviceId": alice.device, **signal_keys(1)}
    alice.post("/crypto/keys", keys)
    bundle = bob.get(f"/crypto/prekeys/{alice.id}")
    assert bundle["identityKey"] == keys["identityKey"] and bundle["oneTimePreKey"] == keys["oneTimePreKeys"][0]


def test_the_other_devices_learn_when_a_device_can_be_encrypted_for(alice):
    tablet = add_device(alice)
    with alice.listen() as live:
        tablet.publish_keys(1)
        assert live.wait_for("device.updated", deviceId=tablet.device)["hasKeys"] is True
        tablet.publish_keys(1)
        live.never("device.updated")


def test_the_same_identity_may_register_again(alice, bob):
    alice.post("/crypto/keys", material(alice, 2))
    later = material(alice, 1)
    answer = alice.post("/crypto/keys", later)
    assert answer["status"] == "updated" and answer["oneTimePreKeysLeft"] == 3
    assert bob.get(f"/crypto/prekeys/{alice.id}")["signedPreKey"] == later["signedPreKey"]


def test_another_identity_may_not_take_over_a_device(alice, bob):
    keys = material(alice)
    alice.post("/crypto/keys", keys)
    refused(alice.post("/crypto/keys", {"deviceId": alice.device, **signal_keys()}, expect=409), field="identityKey")
    assert bob.get(f"/crypto/prekeys/{alice.id}")["identityKey"] == keys["identityKey"]


def test_keys_are_registered_for_ones_own_devices_only(alice, bob):
    for device in (bob.device, str(uuid.uuid4()), "phone"):
        refused(alice.post("/crypto/keys", material(alice, deviceId=device), expect=400), field="deviceId")
    tablet = add_device(alice)
    alice.post("/crypto/keys", material(tablet))
    assert bob.get(f"/crypto/prekeys/{alice.id}")["deviceId"] == tablet.device
    alice.delete(f"/devices/{tablet.device}")
    refused(alice.post("/crypto/keys", material(tablet), expect=400), field="deviceId")


def test_keys_need_a_token(nobody, alice):
    nobody.post("/crypto/keys", material(alice), expect=401)
    nobody.get(f"/crypto/prekeys/{alice.id}", expect=401)


@pytest.mark.parametrize("field", ["deviceId", "identityKey", "signedPreKey", "signedPreKeySignature", "oneTimePreKeys"])
def test_missing_key_material_is_named(alice, field):
    refused(alice.post("/crypto/keys", {k: v for k, v in material(alice).items() if k != field}, expect=400), field=field)


@pytest.mark.parametrize("field, bad", [
    ("identityKey", b64(os.urandom(16))), ("identityKey", "not base64"), ("identityKey", b64(bytes(32))),
    ("signedPreKey", b64(os.urandom(34))), ("signedPreKeySignature", b64(os.urandom(64))),
    ("signedPreKeySignature", b64(os.urandom(63))), ("oneTimePreKeys", []), ("oneTimePreKeys[1]", [b64(os.urandom(32)), "!"]),
    ("registrationId", 0)])
def test_invalid_key_material_is_named_and_nothing_is_kept(alice, bob, field, bad):
    refused(alice.post("/crypto/keys", material(alice, **{field.partition("[")[0]: bad}), expect=400), field=field)
    bob.get(f"/crypto/prekeys/{alice.id}", expect=404)


def test_a_signature_by_another_key_is_refused(alice):
    prekey = os.urandom(32)
    forged = {"signedPreKey": b64(prekey), "signedPreKeySignature": b64(SigningKey.generate().sign(prekey).signature)}
    refused(alice.post("/crypto/keys", material(alice, **forged), expect=400), field="signedPreKeySignature")


# ---- taking -------------------------------------------------------------------------------------


def test_one_time_keys_are_handed_out_oldest_first_and_once(alice, bob, carol):
    published = alice.publish_keys(3)["oneTimePreKeys"]
    taken = [taker.get(f"/crypto/prekeys/{alice.id}")["oneTimePreKey"] for taker in (bob, carol, bob)]
    assert taken == published
    bob.get(f"/crypto/prekeys/{alice.id}", expect=409)
    carol.get(f"/crypto/prekeys/{alice.id}", expect=409)
    alice.post(f"/devices/{alice.device}/prekeys", alice.keys(1))
    bob.get(f"/crypto/prekeys/{alice.id}")


def test_without_keys_there_is_nothing_to_find(alice, bob):
    alice.get(f"/crypto/prekeys/{bob.id}", expect=404)
    alice.get(f"/crypto/prekeys/{uuid.uuid4()}", expect=404)


def test_a_block_hides_keys_both_ways_and_uses_none_up(alice, bob):
    keys = alice.publish_keys(1)["oneTimePreKeys"]
    bob.publish_keys(1)
    alice.post(f"/users/{alice.id}/blocks", {"contactId": bob.id})
    bob.get(f"/crypto/prekeys/{alice.id}", expect=404)
    alice.get(f"/crypto/prekeys/{bob.id}", expect=404)
    alice.delete(f"/users/{alice.id}/blocks/{bob.id}")
    assert bob.get(f"/crypto/prekeys/{alice.id}")["oneTimePreKey"] == keys[0]


def test_a_bundle_lists_the_devices_so_that_a_sender_knows_all(alice, bob):
    alice.publish_keys(2)
    tablet = add_device(alice, registrationId=77)
    devices = bob.get(f"/crypto/prekeys/{alice.id}")["devices"]
    assert [d["deviceId"] for d in devices] == [alice.device, tablet.device]
    assert [d["hasKeys"] for d in devices] == [True, False] and devices[1]["registrationId"] == 77
    alice.delete(f"/devices/{tablet.device}")
    assert [d["deviceId"] for d in bob.get(f"/crypto/prekeys/{alice.id}")["devices"]] == [alice.device]


def test_a_sender_may_ask_for_one_device(alice, bob):
    alice.publish_keys(1)
    tablet = add_device(alice)
    bob.get(f"/crypto/prekeys/{alice.id}", deviceId=tablet.device, expect=404)
    tablet.publish_keys(2)
    for device in (alice, tablet):
        bundle = bob.get(f"/crypto/prekeys/{alice.id}", deviceId=device.device)
        assert bundle["deviceId"] == device.device
        assert bundle["identityKey"] == b64(bytes(device.identity.verify_key))
    bob.get(f"/crypto/prekeys/{alice.id}", deviceId=alice.device, expect=409)
    assert bob.get(f"/crypto/prekeys/{alice.id}")["deviceId"] == tablet.device  # the one that still has keys
    bob.get(f"/crypto/prekeys/{alice.id}", deviceId=bob.device, expect=404)
    refused(bob.get(f"/crypto/prekeys/{alice.id}", deviceId="tablet", expect=400), field="deviceId")


def test_ones_own_other_devices_can_be_reached_but_not_oneself(alice):
    alice.publish_keys(1)
    alice.get(f"/crypto/prekeys/{alice.id}", expect=404)
    tablet = add_device(alice)
    assert tablet.get(f"/crypto/prekeys/{alice.id}")["deviceId"] == alice.device
    tablet.publish_keys(1)
    assert alice.get(f"/crypto/prekeys/{alice.id}")["deviceId"] == tablet.device


def test_the_owners_devices_are_told_when_keys_run_low(farm, alice, bob):
    low = int(farm.settings["prekeys.low"])
    tablet = add_device(alice)
    alice.publish_keys(low + 1)
    with alice.listen() as live, tablet.listen() as other:
        bob.get(f"/crypto/prekeys/{alice.id}")
        live.never("prekeys.low")
        bob.get(f"/crypto/prekeys/{alice.id}")
        for socket in (live, other):
            assert socket.wait_for("prekeys.low", deviceId=alice.device)["remaining"] == low - 1


def test_someone_elses_shortage_is_not_told_to_the_taker(alice, bob):
    alice.publish_keys(1)
    with bob.listen() as live:
        bob.get(f"/crypto/prekeys/{alice.id}")
        live.never("prekeys.low")
