"""Settings about groups, contacts, codes and invitations are obeyed: a farm that allows little."""
import uuid

import pytest

from lib.farm import Farm
from lib.people import Account, phone, refused


@pytest.fixture(scope="module")
def small():
    with Farm.private(LIMIT_AUTH="1000/60", GROUP_MAX="3", CONTACTS_MAX="2", QR_VALIDITY="10m", QR_MAX_VALIDITY="5m",
                      QR_LINK="https://rookery.example/q/", INVITATION_LIFETIME="2h", LIMIT_GROUPS="0") as farm:
        yield farm


@pytest.fixture
def people(small):
    return [Account.register(small) for _ in range(4)]


def test_group_max(people):
    alice, bob, carol, dora = people
    body = {"name": f"group {uuid.uuid4()}", "memberIds": [bob.id, carol.id, dora.id]}
    refused(alice.post("/groups", body, 400), "memberIds")
    group = alice.post("/groups", {**body, "memberIds": [bob.id]}, 201)["id"]
    refused(alice.post(f"/groups/{group}/members", {"memberIds": [carol.id, dora.id]}, 400), "memberIds")
    alice.put(f"/groups/{group}", {"settings": {"maxMembers": 100}}, 200)
    alice.post(f"/groups/{group}/members", {"memberIds": [carol.id]}, 201)
    refused(alice.post(f"/groups/{group}/members", {"memberIds": [dora.id]}, 400), "memberIds")
    assert alice.get(f"/groups/{group}")["memberCount"] == 3
    dora.get(f"/groups/{group}", 404)


def test_contacts_max(people):
    alice, *others = people
    answers = [alice.request("POST", "/contacts", {"identifierType": "userId", "identifierValue": other.id}).status
               for other in others]
    assert answers == [201, 201, 409]
    book = [{"contactId": other.id, "phoneNumber": other.phone} for other in others]
    refused(alice.post("/contacts/sync", {"contacts": book}, 413), "contacts")
    assert len(alice.post("/contacts/sync", {"contacts": book[:2]}, 201)["matchedUsers"]) == 2


def test_qr_codes(small, people):
    alice, bob, *_ = people
    refused(alice.post("/users/me/qr-codes", {"validitySeconds": 301}, 400), "validitySeconds")
    alice.post("/users/me/qr-codes", {"validitySeconds": 300}, 201)
    code = alice.post("/users/me/qr-codes", {}, 201)
    assert code["deepLink"].startswith("https://rookery.example/q/")
    assert bob.post("/contacts/qr", {"qrToken": code["deepLink"].rpartition("/")[2]}, 201)["userId"] == alice.id
    assert small.sql("SELECT expires_at - created_at = interval '5 minutes' AS ok FROM qr_code WHERE id = %s",
                     code["qrCodeId"]) == [{"ok": True}]


def test_invitation_lifetime(small, people):
    made = people[0].post("/contacts/invitations", {"channel": "sms", "destination": phone()}, 201)
    assert small.sql("SELECT expires_at - created_at = interval '2 hours' AS ok FROM invitation WHERE id = %s",
                     made["invitationId"]) == [{"ok": True}]
