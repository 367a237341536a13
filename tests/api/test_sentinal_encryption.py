"""Surface sentinal: keys of devices, published piece by piece, and the bundles made of them."""
import base64
import concurrent.futures
import os
import uuid

import pytest
from nacl import bindings
from nacl.signing import SigningKey

from lib.devices import add_device, signal_keys, xeddsa_sign
from lib.people import Account, b64
from lib.sentinal import User, named
from lib.signup import settings


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


def as_whatsapp(someone):
    return Account(someone.farm, {"accessToken": someone.token, "userId": someone.id})


def ids(someone):
    return {"user_id": someone.id, "device_id": someone.device}


def key():
    return b64(os.urandom(32))


class Keys:
    """The private half of a device's identity (Ed25519), and what it publishes."""

    def __init__(self, someone):
        self.of, self.private = someone, SigningKey.generate()

    @property
    def public(self):
        return b64(bytes(self.private.verify_key))

    def identity(self, expect=201, **more):
        return self.of.post("/encryption/identity", {**ids(self.of), "public_key": self.public, **more}, expect)

    def signed_key(self, number=1):
        public = os.urandom(32)
        return {"key_id": number, "public_key": b64(public), "signature": b64(self.private.sign(public).signature)}

    def signed(self, number=1, expect=201, **more):
        return self.of.post("/encryption/signed-prekeys", {**ids(self.of), **self.signed_key(number), **more}, expect)

    def one_time(self, numbers=(1, 2, 3), expect=201):
        keys = [{**ids(self.of), "key_id": n, "public_key": key()} for n in numbers]
        self.of.post("/encryption/onetime-prekeys", {"keys": keys}, expect)
        return keys

    @classmethod
    def published(cls, someone, one_time=3):
        keys = cls(someone)
        keys.identity()
        keys.signed()
        keys.shelf = keys.one_time(range(1, one_time + 1)) if one_time else []
        return keys


def bundle(taker, owner, expect=200, **more):
    return taker.get("/encryption/bundles", expect, **{**ids(owner), "consumer_device_id": taker.device, **more})


def count(owner):
    return owner.get("/encryption/onetime-prekeys/count", **ids(owner))["count"]


def active(who, owner, expect=None):
    return who.get("/encryption/keys/active", expect, **ids(owner))["has_active_keys"]


# ---- identity ------------------------------------------------------------------------------------


def test_an_identity_is_uploaded_and_seen_by_others(ann, ben):
    ben.get("/encryption/identity", 404, **ids(ann))
    keys = Keys(ann)
    answer = keys.identity()
    assert {**answer, "id": 0, "created_at": 0} == {
        "id": 0, "created_at": 0, "user_id": ann.id, "device_id": ann.device, "public_key": keys.public, "is_active": True}
    assert ben.get("/encryption/identity", **ids(ann)) == answer == ann.get("/encryption/identity", **ids(ann))
    assert keys.identity()["id"] == answer["id"], "the active one may come again"


def test_another_identity_waits_for_the_end_of_the_one_before(ann, ben):
    first = Keys.published(ann)
    before = ben.get("/encryption/identity", **ids(ann))
    Keys(ann).identity(409)
    ended = ann.put(f"/encryption/identity/{before['id']}/deactivate", None, 200)
    assert ended == {**before, "is_active": False} == ann.put(f"/encryption/identity/{before['id']}/deactivate")
    second = Keys(ann)
    assert second.identity()["id"] != before["id"]
    named(ann.post("/encryption/signed-prekeys", {**ids(ann), **first.signed_key(9)}, 422), "signature")
    second.signed(9)
    assert bundle(ben, ann)["identity_key"]["public_key"] == second.public


@pytest.mark.parametrize("way", ["deactivate", "delete"])
def test_with_its_identity_a_device_loses_its_prekeys(ann, ben, way):
    keys = Keys.published(ann)
    identity = ann.get("/encryption/identity", **ids(ann))["id"]
    if way == "deactivate":
        ann.put(f"/encryption/identity/{identity}/deactivate")
    else:
        assert ann.delete(f"/encryption/identity/{identity}") == {"id": identity}
    bundle(ben, ann, 404)
    ben.get("/encryption/identity", 404, **ids(ann))
    ben.get("/encryption/signed-prekeys/active", 404, **ids(ann))
    assert active(ben, ann) is False and count(ann) == 0
    as_whatsapp(ben).get(f"/crypto/prekeys/{ann.id}", 404)
    old = ben.request("GET", "/encryption/signed-prekeys", query={**ids(ann), "key_id": "1"})
    assert old.status == (200 if way == "deactivate" else 404)
    if way == "delete":
        ann.delete(f"/encryption/identity/{identity}", expect=404)
        ann.put(f"/encryption/identity/{identity}/deactivate", None, 404)
    keys.identity()
    keys.signed(2)
    assert bundle(ben, ann)["one_time_prekey"] is None, "keys of before are not offered again"


def test_correspondents_learn_that_an_identity_has_ended(ann, alice):
    Keys.published(ann)
    alice.say(ann)
    with alice.listen() as live:
        ann.put(f"/encryption/identity/{ann.get('/encryption/identity', **ids(ann))['id']}/deactivate")
        live.wait_for("identity.changed", userId=ann.id, deviceId=ann.device)


def test_identities_of_others_cannot_be_ended(ann, ben):
    Keys.published(ann)
    identity = ben.get("/encryption/identity", **ids(ann))["id"]
    for victim in (identity, str(uuid.uuid4())):
        ben.put(f"/encryption/identity/{victim}/deactivate", None, 404)
        ben.delete(f"/encryption/identity/{victim}", expect=404)
    assert active(ben, ann)


# ---- signed prekeys ------------------------------------------------------------------------------


def test_signed_prekeys_have_numbers_and_a_history(ann, ben):
    keys = Keys(ann)
    keys.identity()
    first = keys.signed(7)
    assert first["is_active"] and first["key_id"] == 7 and first["user_id"] == ann.id and first["device_id"] == ann.device
    body = {**ids(ann), "key": keys.signed_key(8)}
    second = ann.post("/encryption/signed-prekeys/rotate", body, 201)
    assert body["key"].items() <= second.items() and second["is_active"]
    get = lambda number, expect=200: ben.get("/encryption/signed-prekeys", expect, **ids(ann), key_id=number)
    assert get(7) == {**first, "is_active": False} and get(8) == second
    get(9, 404)
    assert ben.get("/encryption/signed-prekeys/active", **ids(ann)) == second == ann.get("/encryption/signed-prekeys/active")
    assert bundle(ben, ann)["signed_prekey"] == {k: second[k] for k in ("key_id", "public_key", "signature")}


def test_a_number_stands_for_one_key(ann):
    keys = Keys(ann)
    keys.identity()
    first = {**ids(ann), **keys.signed_key(1)}
    answer = ann.post("/encryption/signed-prekeys", first, 201)
    assert ann.post("/encryption/signed-prekeys", first, 201) == answer, "the one in force may come again"
    named(keys.signed(1, 409), "key_id")
    named(ann.post("/encryption/signed-prekeys/rotate", {"key": keys.signed_key(1)}, 409), "key")
    keys.signed(2)
    named(ann.post("/encryption/signed-prekeys", first, 409), "key_id")
    assert ann.get("/encryption/signed-prekeys/active")["key_id"] == 2


def test_a_signature_must_be_the_identitys(ann, ben):
    keys, foreign = Keys.published(ann), Keys(ben)
    before = ann.get("/encryption/signed-prekeys/active")
    named(ann.post("/encryption/signed-prekeys", {**ids(ann), **foreign.signed_key(2)}, 422), "signature")
    named(ann.post("/encryption/signed-prekeys/rotate", {**ids(ann), "key": foreign.signed_key(2)}, 422), "key.signature")
    swapped = {**keys.signed_key(2), "public_key": key()}
    named(ann.post("/encryption/signed-prekeys", {**ids(ann), **swapped}, 422), "signature")
    assert ann.get("/encryption/signed-prekeys/active") == before


def test_without_an_identity_there_are_no_signed_prekeys(ann):
    Keys(ann).signed(1, 409)
    ann.get("/encryption/signed-prekeys/active", 404)


def test_keys_of_the_signal_protocol_are_taken(ann, ben):
    """Curve25519 keys with the type byte in front, and an XEdDSA signature."""
    keys = signal_keys(1)
    ann.post("/encryption/identity", {**ids(ann), "public_key": keys["identityKey"]}, 201)
    ann.post("/encryption/signed-prekeys", {**ids(ann), "key_id": 1, "public_key": keys["signedPreKey"],
                                            "signature": keys["signedPreKeySignature"]}, 201)
    assert bundle(ben, ann)["identity_key"]["public_key"] == keys["identityKey"]


def test_keys_of_plain_curve25519_are_taken(ann, ben):
    private, prekey = os.urandom(32), bindings.crypto_scalarmult_base(os.urandom(32))
    ann.post("/encryption/identity", {"public_key": b64(bindings.crypto_scalarmult_base(private))}, 201)
    ann.post("/encryption/signed-prekeys", {"key_id": 1, "public_key": b64(prekey),
                                            "signature": b64(xeddsa_sign(private, prekey))}, 201)
    assert active(ben, ann)


@pytest.mark.parametrize("bad", ["", "!!", b64(b"short"), b64(bytes(32)), b64(b"\x06" + bytes(31) + b"\x01"), b64(os.urandom(34))])
def test_what_is_no_public_key_is_refused(ann, bad):
    keys = Keys(ann)
    keys.identity()
    named(ann.post("/encryption/identity", {"public_key": bad}, 422), "public_key")
    named(ann.post("/encryption/signed-prekeys", {**keys.signed_key(1), "public_key": bad}, 422), "public_key")
    named(ann.post("/encryption/onetime-prekeys", {"keys": [{"key_id": 1, "public_key": key()},
                                                            {"key_id": 2, "public_key": bad}]}, 422), "keys[1].public_key")
    assert count(ann) == 0


# ---- one-time prekeys ----------------------------------------------------------------------------


def test_one_time_prekeys_count_once(ann):
    keys = Keys.published(ann, 0)
    uploaded = [{**ids(ann), "key_id": n, "public_key": key()} for n in range(100)]
    assert ann.post("/encryption/onetime-prekeys", {"keys": uploaded}, 201) == {"uploaded": 100}
    assert ann.post("/encryption/onetime-prekeys", {"keys": uploaded[:5]}, 201) == {"uploaded": 0}
    assert count(ann) == 100
    named(ann.post("/encryption/onetime-prekeys", {"keys": [{"key_id": 5, "public_key": key()}]}, 409), "keys")
    named(ann.post("/encryption/onetime-prekeys", {"keys": []}, 422), "keys")
    assert count(ann) == 100 and keys


def test_consuming_takes_one_and_notes_who(farm, ann, ben):
    keys = Keys.published(ann, 2)
    take = lambda expect=200, **more: ben.post("/encryption/onetime-prekeys/consume", None, expect, query={
        **ids(ann), "consumed_by": ben.id, "consumed_device_id": ben.device, **more})
    first = take()
    assert first == {"user_id": ann.id, "device_id": ann.device, "key_id": 1, "public_key": keys.shelf[0]["public_key"]}
    assert count(ann) == 1 and take()["key_id"] == 2 and count(ann) == 0
    take(404)
    [row] = farm.sql("SELECT key_id, consumed_by, consumed_device_id FROM one_time_prekey_spent"
                     " WHERE device_id = %s AND public_key = %s", ann.device, first["public_key"])
    assert (row["key_id"], str(row["consumed_by"]), str(row["consumed_device_id"])) == (1, ben.id, ben.device)
    assert ann.post("/encryption/onetime-prekeys", {"keys": keys.shelf}, 201) == {"uploaded": 0}, "taken keys stay taken"


def test_no_more_keys_than_there_may_be(farm, ann):
    with settings(farm, "sentinal-encryption", **{"prekeys.max": "5"}):
        keys = Keys(ann)
        keys.one_time(range(5))
        named(ann.post("/encryption/onetime-prekeys", {"keys": [{"key_id": 9, "public_key": key()}]}, 422), "keys")
    assert count(ann) == 5


# ---- bundles -------------------------------------------------------------------------------------


def test_a_bundle_has_everything_and_consumes_exactly_one_key(farm, ann, ben):
    keys = Keys.published(ann, 2)
    got = bundle(ben, ann)
    assert got["user_id"] == ann.id and got["device_id"] == ann.device
    assert got["identity_key"] == {"id": ann.get("/encryption/identity", **ids(ann))["id"], "public_key": keys.public}
    assert got["one_time_prekey"] == {"key_id": 1, "public_key": keys.shelf[0]["public_key"]}
    keys.private.verify_key.verify(*map(base64.b64decode, (
        got["signed_prekey"]["public_key"], got["signed_prekey"]["signature"])))
    assert count(ann) == 1
    assert bundle(ben, ann)["one_time_prekey"]["key_id"] == 2
    assert bundle(ben, ann)["one_time_prekey"] is None, "still a bundle"
    rows = farm.sql("SELECT consumed_by FROM one_time_prekey_spent WHERE device_id = %s", ann.device)
    assert [str(row["consumed_by"]) for row in rows] == [ben.id] * 2


def test_devices_are_named_by_id_or_by_their_own_name(farm, user, ben):
    ann = user(device="anns phone")
    Keys.published(ann)
    assert bundle(ben, ann, device_id="anns phone")["device_id"] == ann.device
    laptop = User.login(farm, ben, device="bens laptop")
    assert bundle(ben, ann, consumer_device_id="bens laptop")["one_time_prekey"]["key_id"] == 2
    [row] = farm.sql("SELECT consumed_device_id FROM one_time_prekey_spent WHERE device_id = %s AND key_id = 2", ann.device)
    assert str(row["consumed_device_id"]) == laptop.device
    Keys.published(laptop)
    assert bundle(ben, laptop)["user_id"] == ben.id, "one's own other device"


def test_two_takers_at_once_never_get_the_same_key(ann, user):
    keys = Keys.published(ann, 30)
    takers = [user() for _ in range(6)]

    def take(n):
        taker = takers[n % 6]
        if n % 2:
            got = bundle(taker, ann)["one_time_prekey"]
            return got and got["public_key"]
        reply = taker.request("POST", "/encryption/onetime-prekeys/consume", query={
            **ids(ann), "consumed_by": taker.id, "consumed_device_id": taker.device})
        assert reply.status in (200, 404), reply
        return reply.json["data"]["public_key"] if reply.status == 200 else None
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        taken = [public for public in pool.map(take, range(48)) if public]
    assert len(taken) == len(set(taken))
    while last := bundle(takers[0], ann)["one_time_prekey"]:
        taken.append(last["public_key"])
    assert sorted(taken) == sorted(k["public_key"] for k in keys.shelf)


def test_the_owner_learns_when_few_are_left(alice, ben):
    alice.publish_keys(one_time=1)
    with alice.listen() as live:
        bundle(ben, alice)
        assert live.wait_for("prekeys.low", deviceId=alice.device)["remaining"] == 0
        alice.publish_keys(one_time=2)
        ben.post("/encryption/onetime-prekeys/consume", None, query=ids(alice))
        assert live.wait_for("prekeys.low", deviceId=alice.device, remaining=1)


def test_whether_keys_are_active(ann, ben):
    keys = Keys(ann)
    assert active(ben, ann) is False
    keys.identity()
    assert active(ben, ann) is False
    bundle(ben, ann, 404)
    keys.signed()
    assert active(ben, ann) is True and active(ann, ann) is True


def test_own_devices_learn_that_a_device_can_be_encrypted_for(alice):
    tablet = add_device(alice)
    caller = User(alice.farm, {"access_token": tablet.token, "user_id": tablet.id, "device_id": tablet.device,
                               "session_id": tablet.session, "refresh_token": None}, None, None)
    with alice.listen() as live:
        prekey = os.urandom(32)
        caller.post("/encryption/signed-prekeys", {"key_id": 1, "public_key": b64(prekey), "signature": b64(
            tablet.identity.sign(prekey).signature)}, 201)
        assert live.wait_for("device.updated", deviceId=tablet.device)["hasKeys"] is True


# ---- both surfaces -------------------------------------------------------------------------------


def test_keys_of_whatsapp_are_handed_out_here(ann, bob):
    keys = bob.publish_keys(2)
    got = bundle(ann, bob)
    assert got["identity_key"]["public_key"] == keys["identityKey"]
    assert got["signed_prekey"] == {"key_id": None, "public_key": keys["signedPreKey"],
                                    "signature": keys["signedPreKeySignature"]}
    assert got["one_time_prekey"] == {"key_id": None, "public_key": keys["oneTimePreKeys"][0]}
    later = bob.publish_keys(1)
    assert ann.get("/encryption/signed-prekeys/active", **ids(bob))["public_key"] == later["signedPreKey"]
    assert active(ann, bob)


def test_keys_published_here_are_handed_out_by_whatsapp(ann, bob):
    keys = Keys.published(ann, 2)
    got = bob.get(f"/crypto/prekeys/{ann.id}")
    assert got["deviceId"] == ann.device and got["identityKey"] == keys.public
    assert got["oneTimePreKey"] == keys.shelf[0]["public_key"]
    assert bundle(bob_here(bob), ann)["one_time_prekey"]["key_id"] == 2
    bob.get(f"/crypto/prekeys/{ann.id}", 409)
    [row] = bob.farm.sql("SELECT consumed_by FROM one_time_prekey_spent WHERE device_id = %s AND key_id = 1", ann.device)
    assert str(row["consumed_by"]) == bob.id, "whatsapp notes the taker too"


def bob_here(bob):
    return User(bob.farm, {"access_token": bob.token, "user_id": bob.id, "device_id": bob.device,
                           "session_id": bob.session, "refresh_token": None}, None, None)


# ---- whose ids -----------------------------------------------------------------------------------


def test_ids_in_bodies_are_the_callers_own(ann, ben):
    keys = Keys(ann)
    keys.identity()
    theirs = {"user_id": ben.id}, {"device_id": ben.device}, {"device_id": str(uuid.uuid4())}
    for wrong in theirs:
        field = next(iter(wrong))
        body = {**ids(ann), **wrong}
        named(ann.post("/encryption/identity", {**body, "public_key": key()}, 403), field)
        named(ann.post("/encryption/signed-prekeys", {**body, **keys.signed_key()}, 403), field)
        named(ann.post("/encryption/signed-prekeys/rotate", {**body, "key": keys.signed_key()}, 403), field)
        named(ann.post("/encryption/onetime-prekeys", {"keys": [{**body, "key_id": 1, "public_key": key()}]}, 403),
              f"keys[0].{field}")
        named(ann.get("/encryption/onetime-prekeys/count", 403, **body), field)
    assert count(ann) == 0 and active(ben, ann) is False
    ann.get("/encryption/identity", 404, **ids(ben))


def test_consumers_are_the_caller(ann, ben, user):
    Keys.published(ann, 2)
    carl = user()
    for field, value in (("consumed_by", carl.id), ("consumed_device_id", carl.device)):
        named(ben.post("/encryption/onetime-prekeys/consume", None, 403, query={**ids(ann), field: value}), field)
    named(bundle(ben, ann, 403, consumer_device_id=carl.device), "consumer_device_id")
    assert count(ann) == 2


def test_a_device_takes_no_keys_of_its_own(ann):
    Keys.published(ann, 2)
    named(bundle(ann, ann, 422), "device_id")
    named(ann.post("/encryption/onetime-prekeys/consume", None, 422, query=ids(ann)), "device_id")
    assert count(ann) == 2


def test_a_block_hides_every_key(ann, ben):
    Keys.published(ann)
    Keys.published(ben)
    ann.post(f"/users/me/contacts/{ben.id}/block")
    for taker, owner in ((ann, ben), (ben, ann)):
        bundle(taker, owner, 404)
        taker.post("/encryption/onetime-prekeys/consume", None, 404, query=ids(owner))
        for path in ("identity", "signed-prekeys/active", "keys/active"):
            taker.get(f"/encryption/{path}", 404, **ids(owner))
        taker.get("/encryption/signed-prekeys", 404, **ids(owner), key_id=1)
        assert count(owner) == 3
    ann.post(f"/users/me/contacts/{ben.id}/unblock")
    assert bundle(ben, ann)["one_time_prekey"]["key_id"] == 1


def test_unknown_people_and_devices_have_no_keys(ann, ben):
    Keys.published(ann)
    for user_id, device_id in ((str(uuid.uuid4()), ann.device), (ben.id, ann.device), (ann.id, ben.device), (ann.id, "phone")):
        query = {"user_id": user_id, "device_id": device_id}
        for path in ("bundles", "identity", "keys/active", "signed-prekeys/active"):
            ben.get(f"/encryption/{path}", 404, **query)
    assert count(ann) == 3
    for query in ({"user_id": ann.id}, {"device_id": ann.device}, {"user_id": "ann", "device_id": ann.device}):
        assert ben.get("/encryption/bundles", 422, **query)["code"] == "VALIDATION_ERROR"


def test_the_device_of_the_token_is_meant_when_none_is_named(ann):
    keys = Keys(ann)
    ann.post("/encryption/identity", {"public_key": keys.public}, 201)
    ann.post("/encryption/signed-prekeys", keys.signed_key(), 201)
    ann.post("/encryption/onetime-prekeys", {"keys": [{"key_id": 1, "public_key": key()}]}, 201)
    assert ann.get("/encryption/onetime-prekeys/count") == {"count": 1} and active(ann, ann)
    assert ann.get("/encryption/signed-prekeys/active")["device_id"] == ann.device
