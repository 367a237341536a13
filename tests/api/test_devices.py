"""Devices: adding, looking at, changing and removing them, and the prekeys they offer."""
import concurrent.futures
import os
import uuid

import pytest

from lib.devices import add_device, device_fields
from lib.people import b64, refused


def listed(account):
    return {device["id"]: device for device in account.get("/devices", page=1, pageSize=100)["items"]}


# ---- adding -------------------------------------------------------------------------------------


def test_an_added_device_is_signed_in_and_sees_the_same_account(alice, bob):
    tablet = add_device(alice, deviceName="tablet", platform="ios", websocketCapable=True)
    seen = listed(tablet)
    assert seen.keys() == {alice.device, tablet.device}
    assert seen[tablet.device]["deviceName"] == "tablet" and seen[tablet.device]["platform"] == "ios"
    assert seen[tablet.device]["websocketCapable"] and seen[tablet.device]["current"]
    assert not seen[alice.device]["current"]
    tablet.say(bob)
    assert bob.get("/queues", page=1, pageSize=5)["items"][0]["senderDeviceId"] == tablet.device


def test_each_device_has_its_own_session_and_queue(alice, bob):
    tablet = add_device(alice)
    assert tablet.session != alice.session
    sent = bob.say(alice)["messageId"]
    alice.post("/queues/ack", {"queueIds": [sent]})
    assert [item["queueId"] for item in tablet.get("/queues", page=1, pageSize=5)["items"]] == [sent]


def test_the_other_devices_learn_of_a_new_one(alice):
    phone, tablet = alice, add_device(alice)
    with phone.listen() as on_phone, tablet.listen() as on_tablet:
        third = add_device(phone, deviceName="laptop")
        told = on_tablet.wait_for("device.added", deviceId=third.device)
        assert told["deviceName"] == "laptop" and told["platform"] == "android"
        on_phone.never("device.added")


def test_a_fingerprint_serves_one_device_of_an_account_at_a_time(alice, bob):
    tablet = add_device(alice, deviceFingerprint="the tablet")
    again = device_fields(deviceFingerprint="the tablet")
    refused(alice.post("/devices", again, expect=409), field="deviceFingerprint")
    add_device(bob, deviceFingerprint="the tablet")
    alice.delete(f"/devices/{tablet.device}")
    alice.post("/devices", again)


@pytest.mark.parametrize("field", ["deviceName", "platform", "deviceFingerprint", "identityKey", "registrationId"])
def test_what_a_device_must_tell_is_asked_for(alice, field):
    refused(alice.post("/devices", {k: v for k, v in device_fields().items() if k != field}, expect=400), field=field)


@pytest.mark.parametrize("field, bad", [
    ("deviceName", ""), ("platform", "toaster"), ("identityKey", "AAAA"), ("identityKey", b64(bytes(32))),
    ("identityKey", b64(b"\x06" + os.urandom(32))), ("registrationId", 0), ("registrationId", "7"),
    ("websocketCapable", "yes"), ("pushToken", 7)])
def test_invalid_device_fields_are_named(alice, field, bad):
    refused(alice.post("/devices", device_fields(**{field: bad}), expect=400), field=field)
    assert len(listed(alice)) == 1


def test_an_account_has_a_limited_number_of_devices(farm, alice):
    most = int(farm.settings["device.max"])
    while len(listed(alice)) < most - 1:
        add_device(alice)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tries = list(pool.map(lambda _: alice.request("POST", "/devices", device_fields()), range(4)))
    assert sorted(reply.status for reply in tries) == [201, 409, 409, 409]
    alice.delete(f"/devices/{next(id for id in listed(alice) if id != alice.device)}")
    add_device(alice)


def test_tokens_of_a_new_device_are_not_kept_for_repetitions(alice):
    body, key = device_fields(), {"Idempotency-Key": str(uuid.uuid4())}
    alice.post("/devices", body, headers=key)
    refused(alice.post("/devices", body, headers=key, expect=409), field="deviceFingerprint")


# ---- looking and changing -----------------------------------------------------------------------


def test_devices_are_listed_in_pages(alice):
    devices = [alice.device] + [add_device(alice).device for _ in range(2)]
    pages = [alice.get("/devices", page=page, pageSize=2) for page in (1, 2, 3)]
    assert [[item["id"] for item in page["items"]] for page in pages] == [devices[:2], devices[2:], []]
    assert [(page["page"], page["pageSize"], page["totalItems"]) for page in pages] == [(1, 2, 3), (2, 2, 3), (3, 2, 3)]


@pytest.mark.parametrize("name, query", [
    ("page", {"page": 0, "pageSize": 5}), ("pageSize", {"page": 1, "pageSize": 0}), ("page", {"pageSize": 5}),
    ("pageSize", {"page": 1}), ("pageSize", {"page": 1, "pageSize": 101}), ("page", {"page": "one", "pageSize": 5})])
def test_bad_pages_are_refused(alice, name, query):
    refused(alice.get("/devices", expect=400, **query), field=name)


def test_devices_of_others_are_not_found(alice, bob):
    for device in (bob.device, str(uuid.uuid4())):
        alice.get(f"/devices/{device}", expect=404)
        alice.put(f"/devices/{device}", {"deviceName": "mine now"}, expect=404)
        alice.delete(f"/devices/{device}", expect=404)
        alice.post(f"/devices/{device}/prekeys", alice.keys(1), expect=404)
    assert bob.get(f"/devices/{bob.device}")["deviceName"] != "mine now"


def test_devices_are_nobodys_business_without_a_token(nobody, alice):
    nobody.post("/devices", device_fields(), expect=401)
    nobody.get("/devices", page=1, pageSize=5, expect=401)
    nobody.get(f"/devices/{alice.device}", expect=401)
    nobody.put(f"/devices/{alice.device}", {"deviceName": "x"}, expect=401)
    nobody.delete(f"/devices/{alice.device}", expect=401)
    nobody.post(f"/devices/{alice.device}/prekeys", alice.keys(1), expect=401)


def test_a_change_changes_what_it_names_and_the_other_devices_learn_it(alice):
    tablet = add_device(alice, deviceName="tablet", websocketCapable=True)
    with tablet.listen() as live:
        answer = alice.put(f"/devices/{tablet.device}", {"deviceName": "kitchen"})
        assert live.wait_for("device.updated", deviceId=tablet.device)["deviceName"] == "kitchen"
    assert answer["deviceName"] == "kitchen" and answer["websocketCapable"] and answer["platform"] == "android"
    assert alice.put(f"/devices/{tablet.device}", {"websocketCapable": False})["websocketCapable"] is False
    assert alice.get(f"/devices/{tablet.device}")["deviceName"] == "kitchen"


def test_a_push_token_is_kept_until_it_is_taken_away_and_never_shown(farm, alice):
    def token():
        return farm.sql("SELECT push_token FROM device WHERE id = %s", alice.device)[0]["push_token"]
    assert "secret-token" not in str(alice.put(f"/devices/{alice.device}", {"pushToken": "secret-token"}))
    alice.put(f"/devices/{alice.device}", {"deviceName": "phone"})
    assert token() == "secret-token" and "secret-token" not in str(listed(alice))
    alice.put(f"/devices/{alice.device}", {"pushToken": ""})
    assert token() is None


@pytest.mark.parametrize("body", [{}, {"deviceName": ""}, {"deviceName": 7}, {"websocketCapable": "no"}, {"unknown": 1}])
def test_a_change_of_nothing_or_to_nonsense_is_refused(alice, body):
    refused(alice.put(f"/devices/{alice.device}", body, expect=400))


def test_last_seen_is_when_a_device_was_last_there(farm, alice):
    tablet = add_device(alice)
    farm.sql("UPDATE device SET last_seen_at = now() - interval '3 days' WHERE account_id = %s", alice.id)
    before = listed(alice)
    assert before[alice.device]["lastSeenAt"] > before[tablet.device]["lastSeenAt"]  # who asks is there now
    tablet.post("/auth/refresh", {"refreshToken": tablet.refresh})
    after = listed(alice)[tablet.device]["lastSeenAt"]
    assert after > before[tablet.device]["lastSeenAt"] and after[:13] >= before[alice.device]["lastSeenAt"][:13]


# ---- removing -----------------------------------------------------------------------------------


def test_a_removed_device_is_out_at_once(alice, bob):
    tablet = add_device(alice)
    keys = {"deviceId": tablet.device, "identityKey": b64(bytes(tablet.identity.verify_key)), **tablet.keys(3)}
    tablet.post("/crypto/keys", keys)
    queue = tablet.post("/offline-queues", {"deviceId": tablet.device, "clientPublicKey": b64(os.urandom(32))})["queueId"]
    web = tablet.post("/web/sessions", {"deviceName": "browser", "userAgent": "x", "publicKey": b64(os.urandom(32))})
    bob.get(f"/crypto/prekeys/{alice.id}")
    with tablet.listen() as live:
        answer = alice.delete(f"/devices/{tablet.device}")
        assert answer["id"] == tablet.device
        live.wait_closed()
    tablet.get("/devices", page=1, pageSize=5, expect=401)
    tablet.post("/auth/refresh", {"refreshToken": tablet.refresh}, expect=401)
    bob.get(f"/crypto/prekeys/{alice.id}", expect=404)
    alice.get(f"/offline-queues/{queue}/messages", page=1, pageSize=5, expect=404)
    alice.post(f"/web/sessions/{web['sessionId']}/websocket-tokens", {"clientNonce": "n" * 16}, expect=404)
    assert listed(alice).keys() == {alice.device}
    alice.get(f"/devices/{tablet.device}", expect=404)
    alice.put(f"/devices/{tablet.device}", {"deviceName": "back"}, expect=404)
    alice.post(f"/devices/{tablet.device}/prekeys", tablet.keys(1), expect=404)
    alice.delete(f"/devices/{tablet.device}", expect=404)


def test_no_more_pushes_go_to_a_removed_device(farm, alice):
    tablet = add_device(alice, pushToken="secret-token")
    alice.delete(f"/devices/{tablet.device}")
    assert not farm.sql("SELECT 1 FROM device WHERE id = %s AND push_token IS NOT NULL", tablet.device)
    assert not farm.sql("SELECT 1 FROM device_position WHERE device_id = %s", tablet.device)


def test_the_remaining_devices_learn_of_a_removal_and_go_on(alice, bob):
    tablet, laptop = add_device(alice), add_device(alice)
    with laptop.listen() as live, alice.listen() as own:
        alice.delete(f"/devices/{tablet.device}")
        assert live.wait_for("device.removed", deviceId=tablet.device)["removedAt"]
        own.never("device.removed")
        bob.say(alice)
        live.wait_for("message.new")
    laptop.say(bob)


def test_a_device_may_remove_itself(alice):
    tablet = add_device(alice)
    tablet.delete(f"/devices/{tablet.device}")
    tablet.get("/devices", page=1, pageSize=5, expect=401)
    assert listed(alice).keys() == {alice.device}


# ---- prekeys ------------------------------------------------------------------------------------


def upload(account, device=None, expect=None, one_time=2, **more):
    return account.post(f"/devices/{device or account.device}/prekeys", {**account.keys(one_time), **more}, expect)


def test_uploaded_prekeys_are_handed_out(alice, bob):
    keys = alice.keys(2)
    assert alice.post(f"/devices/{alice.device}/prekeys", keys)["uploadedOneTimePreKeys"] == 2
    bundle = bob.get(f"/crypto/prekeys/{alice.id}")
    assert bundle["signedPreKey"] == keys["signedPreKey"] and bundle["oneTimePreKey"] == keys["oneTimePreKeys"][0]
    assert bundle["signedPreKeySignature"] == keys["signedPreKeySignature"]
    assert alice.get(f"/devices/{alice.device}")["oneTimePreKeysLeft"] == 1


def test_a_later_upload_replaces_the_signed_prekey_and_adds_one_time_keys(alice, bob):
    upload(alice, one_time=1)
    later = alice.keys(1)
    assert alice.post(f"/devices/{alice.device}/prekeys", later)["remainingOneTimePreKeys"] == 2
    assert bob.get(f"/crypto/prekeys/{alice.id}")["signedPreKey"] == later["signedPreKey"]
    rotated = alice.keys(0)
    assert alice.post(f"/devices/{alice.device}/prekeys", rotated)["uploadedOneTimePreKeys"] == 0
    assert bob.get(f"/crypto/prekeys/{alice.id}")["signedPreKey"] == rotated["signedPreKey"]


def test_a_repeated_upload_adds_nothing_even_when_keys_were_taken_meanwhile(alice, bob):
    keys = alice.keys(3)
    alice.post(f"/devices/{alice.device}/prekeys", keys)
    taken = bob.get(f"/crypto/prekeys/{alice.id}")["oneTimePreKey"]
    doubled = {**keys, "oneTimePreKeys": keys["oneTimePreKeys"] * 2}
    answer = alice.post(f"/devices/{alice.device}/prekeys", doubled)
    assert answer["uploadedOneTimePreKeys"] == 0 and answer["remainingOneTimePreKeys"] == 2
    rest = [bob.get(f"/crypto/prekeys/{alice.id}")["oneTimePreKey"] for _ in range(2)]
    assert sorted([taken, *rest]) == sorted(keys["oneTimePreKeys"])
    bob.get(f"/crypto/prekeys/{alice.id}", expect=409)


def test_one_key_in_two_spellings_is_one_key(alice):
    key = b64(b"\xff" * 32)
    other = key.replace("/", "_").rstrip("=")
    assert upload(alice, oneTimePreKeys=[key, other])["uploadedOneTimePreKeys"] == 1


def test_another_device_of_the_account_may_upload_for_it(alice, bob):
    tablet = add_device(alice)
    alice.post(f"/devices/{tablet.device}/prekeys", tablet.keys(1))
    assert bob.get(f"/crypto/prekeys/{alice.id}")["deviceId"] == tablet.device


def test_a_prekey_signed_by_somebody_else_is_refused(alice, bob):
    refused(upload(alice, expect=400, signedPreKeySignature=bob.keys(0)["signedPreKeySignature"]),
            field="signedPreKeySignature")
    foreign = bob.keys(1)
    refused(alice.post(f"/devices/{alice.device}/prekeys", foreign, expect=400), field="signedPreKeySignature")
    bob.get(f"/crypto/prekeys/{alice.id}", expect=404)


@pytest.mark.parametrize("field, bad", [
    ("signedPreKey", "AAAA"), ("signedPreKey", "\u2603"), ("signedPreKeySignature", "AAAA"), ("oneTimePreKeys", "AAAA"),
    ("oneTimePreKeys[1]", [b64(os.urandom(32)), b64(os.urandom(31))]), ("oneTimePreKeys[0]", [7]),
    ("oneTimePreKeys[0]", [b64(bytes(32))])])
def test_bad_key_material_is_named(alice, field, bad):
    refused(upload(alice, expect=400, **{field.partition("[")[0]: bad}), field=field)
    assert alice.get(f"/devices/{alice.device}")["oneTimePreKeysLeft"] == 0


def test_a_device_keeps_a_limited_number_of_keys(farm, alice):
    most = int(farm.settings["prekeys.max"])
    for _ in range(most // 500):
        upload(alice, one_time=500)
    refused(upload(alice, expect=400, one_time=most % 500 + 1), field="oneTimePreKeys")
    assert alice.get(f"/devices/{alice.device}")["oneTimePreKeysLeft"] == most - most % 500


def test_prekeys_of_a_device_without_identity_wait_for_it(farm, alice):
    farm.sql("UPDATE device SET identity_key = NULL WHERE id = %s", alice.device)
    refused(upload(alice, expect=400), field="deviceId")
    alice.publish_keys(1)
    upload(alice)
