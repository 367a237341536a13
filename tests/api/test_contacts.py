"""Contacts: finding people by what is known of them, matching address books, inviting those who are not there."""
import hashlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.devices import add_device
from lib.people import Account, phone, refused


def add(adder, kind, value, expect=201, **more):
    return adder.post("/contacts", {"identifierType": kind, "identifierValue": value, **more}, expect)


def known_name(reader, other):
    """The name under which the reader knows somebody, as a list of members shows it."""
    group = reader.group(other)
    items = reader.get(f"/groups/{group}/members", page=1, pageSize=5)["items"]
    return next(item["displayName"] for item in items if item["memberId"] == other.id)


def hashed(number):
    """As the contract says: SHA-256 of the number in E.164 with its +, in hex."""
    return hashlib.sha256(number.encode()).hexdigest()


def match(asker, *contacts, expect=201, **more):
    return asker.post("/contacts/sync", {"contacts": list(contacts), **more}, expect)


def invite(inviter, channel, destination, expect=201, **more):
    return inviter.post("/contacts/invitations", {"channel": channel, "destination": destination, **more}, expect)


def qr_token(owner, **more):
    return owner.post(f"/users/{owner.id}/qr-codes", more)["deepLink"].rpartition("/")[2]


def named(farm, account, **columns):
    farm.sql(f"UPDATE account SET {', '.join(f'{column} = %s' for column in columns)} WHERE id = %s",
             *columns.values(), account.id)


# ---- adding -------------------------------------------------------------------------------------


def test_somebody_is_found_by_phone_id_and_username(farm, account, bob):
    username = f"bob.{uuid.uuid4().hex[:12]}"
    named(farm, bob, username=username, display_name="Bob himself")
    for kind, value in (("phoneNumber", bob.phone), ("phoneNumber", f"{bob.phone[:3]} (151) {bob.phone[6:]}"),
                        ("userId", bob.id), ("userId", bob.id.upper()),
                        ("username", username), ("username", f"@{username.upper()}")):
        finder = account()
        added = add(finder, kind, value)
        assert added["userId"] == added["contactId"] == bob.id and added["displayName"] == "Bob himself", (kind, value)
        assert finder.say(bob)["conversationId"]


def test_a_contact_has_the_name_it_was_given(farm, alice, bob):
    named(farm, bob, display_name="Bob himself")
    assert known_name(alice, bob) == "Bob himself"
    assert add(alice, "userId", bob.id, displayName="Bobby")["displayName"] == "Bobby"
    assert known_name(alice, bob) == "Bobby"


def test_the_other_devices_learn_of_a_contact_and_nobody_else(alice, bob):
    tablet = add_device(alice)
    with tablet.listen() as own, alice.listen() as acting, bob.listen() as other:
        added = add(alice, "userId", bob.id, displayName="Bobby")
        told = own.wait_for("contact.added", contactId=bob.id)
        assert told["displayName"] == "Bobby" and told["createdAt"] == added["createdAt"]
        acting.never("contact.added")
        other.never("contact.added", within=0)


def test_a_contact_is_added_once(alice, bob):
    add(alice, "userId", bob.id)
    refused(add(alice, "phoneNumber", bob.phone, 409), "identifierValue")
    refused(alice.post("/contacts/qr", {"qrToken": qr_token(bob)}, 409), "qrToken")
    add(bob, "userId", alice.id)


def test_added_many_times_at_once_it_is_there_once(alice, bob):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: alice.request("POST", "/contacts", {
            "identifierType": "userId", "identifierValue": bob.id}, keep=False).status, range(8)))
    assert sorted(answers) == [201] + [409] * 7


def test_nobody_is_found_where_nobody_is(farm, alice, bob):
    for kind, value in (("phoneNumber", phone()), ("userId", str(uuid.uuid4())), ("username", f"nobody{uuid.uuid4().hex}")):
        add(alice, kind, value, 404)
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", bob.id)
    add(alice, "userId", bob.id, 404)
    add(alice, "phoneNumber", bob.phone, 404)


def test_nobody_is_their_own_contact(farm, alice):
    username = f"alice{uuid.uuid4().hex[:12]}"
    named(farm, alice, username=username)
    for kind, value in (("phoneNumber", alice.phone), ("userId", alice.id), ("username", username)):
        refused(add(alice, kind, value, 400), "identifierValue")


@pytest.mark.parametrize("kind, value", [
    ("phoneNumber", "015112345678"), ("phoneNumber", "+49"), ("phoneNumber", "+999123456789"), ("phoneNumber", "alice"),
    ("phoneNumber", "+4915112345678901234"), ("userId", "alice"), ("userId", "+4915112345678"), ("userId", uuid.uuid4().hex),
    ("username", "@"), ("username", "two words"), ("username", "alice@example.org"), ("username", " ")])
def test_a_value_must_have_the_form_of_its_type(alice, kind, value):
    refused(add(alice, kind, value, 422), "identifierValue")


@pytest.mark.parametrize("body, field", [
    ({}, "identifierType"), ({"identifierType": "userId"}, "identifierValue"),
    ({"identifierType": "email", "identifierValue": "a@b.de"}, "identifierType"),
    ({"identifierType": 1, "identifierValue": "x"}, "identifierType"),
    ({"identifierType": "userId", "identifierValue": ""}, "identifierValue"),
    ({"identifierType": "username", "identifierValue": "x" * 129}, "identifierValue"),
    ({"identifierType": "username", "identifierValue": "x", "displayName": " "}, "displayName"),
    ({"identifierType": "username", "identifierValue": "x", "displayName": "x" * 101}, "displayName")])
def test_an_incomplete_contact_is_refused(alice, body, field):
    refused(alice.post("/contacts", body, 400), field)


# ---- QR codes -----------------------------------------------------------------------------------


def test_a_code_leads_to_its_owner_for_whoever_sees_it(farm, alice, bob, carol):
    named(farm, carol, display_name="Carol")
    token = qr_token(carol)
    for finder in (alice, bob):
        added = finder.post("/contacts/qr", {"qrToken": token}, 201)
        assert added["userId"] == carol.id and added["displayName"] == "Carol"
        assert known_name(finder, carol) == "Carol"


def test_a_code_ends(farm, alice, bob):
    token = qr_token(bob)
    farm.sql("UPDATE qr_code SET expires_at = now() WHERE token = %s", token)
    alice.post("/contacts/qr", {"qrToken": token}, 404)
    alice.post("/contacts/qr", {"qrToken": qr_token(bob)}, 201)


def test_a_code_of_a_closed_account_leads_nowhere(farm, alice, bob):
    token = qr_token(bob)
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", bob.id)
    alice.post("/contacts/qr", {"qrToken": token}, 404)


def test_a_token_that_cannot_be_one_is_refused(alice):
    alice.post("/contacts/qr", {"qrToken": "A" * 32}, 404)
    refused(alice.post("/contacts/qr", {"qrToken": qr_token(alice)}, 400), "qrToken")
    for token in ("", "A" * 31, "A" * 33, "A" * 31 + "/", "A" * 31 + "\n", 7, None):
        refused(alice.post("/contacts/qr", {"qrToken": token}, 400), "qrToken")


# ---- matching an address book -------------------------------------------------------------------


def test_an_address_book_is_matched_by_number_and_by_hash(farm, alice, bob, carol):
    named(farm, bob, display_name="Bob himself")
    found = match(alice, {"contactId": "b", "phoneHash": hashed(bob.phone)}, {"contactId": "x", "phoneNumber": phone()},
                  {"contactId": "c", "phoneNumber": f"{carol.phone[:3]} 151/{carol.phone[6:]}"},
                  {"contactId": "B", "phoneHash": hashed(bob.phone).upper()}, {"contactId": "y", "phoneHash": "0" * 64})
    assert found["status"] == "completed" and found["unmatchedContactIds"] == ["x", "y"]
    assert found["matchedUsers"] == [
        {"contactId": "b", "userId": bob.id, "displayName": "Bob himself"},
        {"contactId": "c", "userId": carol.id, "displayName": None},
        {"contactId": "B", "userId": bob.id, "displayName": "Bob himself"}]
    add(alice, "userId", found["matchedUsers"][1]["userId"])


def test_what_is_no_number_matches_nobody(alice, bob):
    odd = ["112", "*100#", "015112345678", "Bob", "+", "\u0663\u0663\u0663", bob.phone + "#1"]
    found = match(alice, *({"contactId": text, "phoneNumber": text} for text in odd))
    assert found["unmatchedContactIds"] == odd and found["matchedUsers"] == []


def test_an_empty_address_book_matches_nobody(alice):
    found = match(alice)
    assert found["matchedUsers"] == found["unmatchedContactIds"] == []


def test_the_caller_and_closed_accounts_do_not_match(farm, alice, bob):
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", bob.id)
    found = match(alice, {"contactId": "me", "phoneNumber": alice.phone}, {"contactId": "b", "phoneHash": hashed(bob.phone)})
    assert found["matchedUsers"] == []


def test_a_match_is_shown_again_to_who_made_it(alice, bob, carol):
    found = match(alice, {"contactId": "b", "phoneNumber": bob.phone}, {"contactId": "x", "phoneNumber": phone()})
    assert alice.get(f"/contacts/sync/{found['syncId']}") == found
    carol.get(f"/contacts/sync/{found['syncId']}", 404)
    alice.get(f"/contacts/sync/{uuid.uuid4()}", 404)
    alice.get("/contacts/sync/x", 404)


def test_the_device_that_sends_is_the_tokens_own(farm, alice, bob):
    fingerprint = farm.sql("SELECT fingerprint FROM device WHERE id = %s", alice.device)[0]["fingerprint"]
    for name in (alice.device, fingerprint):
        match(alice, deviceId=name, clientTimestamp="2026-01-01T00:00:00Z")
    for name in (bob.device, add_device(alice).device, "x"):
        refused(match(alice, {"contactId": "b", "phoneNumber": bob.phone}, deviceId=name, expect=400), "deviceId")
        refused(match(alice, deviceId=name, expect=400), "deviceId")


@pytest.mark.parametrize("entry, field, status", [
    ({"contactId": "x"}, "contacts[1]", 400), ({"contactId": "x", "phoneNumber": "1", "phoneHash": "0" * 64}, "contacts[1]", 400),
    ({"phoneHash": "0" * 64}, "contacts[1].contactId", 400), ({"contactId": "", "phoneNumber": "1"}, "contacts[1].contactId", 400),
    ({"contactId": "x", "phoneNumber": ""}, "contacts[1].phoneNumber", 400), ("+4915112345678", "contacts[1]", 400),
    ({"contactId": "x", "phoneHash": "0" * 63}, "contacts[1].phoneHash", 422),
    ({"contactId": "x", "phoneHash": hashlib.md5(b"+4915112345678").hexdigest()}, "contacts[1].phoneHash", 422),
    ({"contactId": "x", "phoneHash": "g" * 64}, "contacts[1].phoneHash", 422)])
def test_a_bad_entry_is_named(alice, entry, field, status):
    refused(match(alice, {"contactId": "first", "phoneHash": "0" * 64}, entry, expect=status), field)


@pytest.mark.parametrize("body, field", [
    ({}, "contacts"), ({"contacts": {}}, "contacts"), ({"contacts": [], "deviceId": ""}, "deviceId"),
    ({"contacts": [], "clientTimestamp": "yesterday"}, "clientTimestamp")])
def test_an_incomplete_match_is_refused(alice, body, field):
    refused(alice.post("/contacts/sync", body, 400), field)


def test_a_whole_address_book_is_matched_at_once_and_not_more(farm, alice, bob):
    most = int(farm.settings["contacts.max"])
    book = [{"contactId": f"entry {n}", "phoneHash": hashed(f"+4915{n:09d}")} for n in range(most - 1)]
    begun = time.monotonic()
    found = match(alice, *book, {"contactId": "b", "phoneNumber": bob.phone})
    assert time.monotonic() - begun < 10
    assert {"contactId": "b", "userId": bob.id, "displayName": None} in found["matchedUsers"]
    assert len(found["matchedUsers"]) + len(found["unmatchedContactIds"]) == most
    refused(match(alice, *book, *book[:2], expect=413), "contacts")
    assert alice.get(f"/contacts/sync/{found['syncId']}") == found


def test_address_books_are_not_matched_all_day(farm, alice):
    count, _, window = farm.settings["limit.contact_sync"].partition("/")
    for _ in range(int(count)):
        match(alice)
    reply = alice.request("POST", "/contacts/sync", {"contacts": []})
    assert reply.status == 429 and 0 < int(reply.headers["retry-after"]) <= int(window)


# ---- inviting -----------------------------------------------------------------------------------


def state(farm, invitation):
    return farm.sql("SELECT * FROM invitation WHERE id = %s", invitation["invitationId"])[0]


def claimed(farm, invitation, at="now()", link=None):
    """What the jobs would take at that moment; nothing is kept of it."""
    rows = farm.sql(f"SELECT id::text, channel, destination, subject, body FROM invitation_claim(100000, %s, p_now => {at})", link)
    return next((row for row in rows if row["id"] == invitation["invitationId"]), None)


@pytest.fixture
def waiting(farm):
    """Make an invitation due in another century, when the jobs of the farm do not look; answers that moment."""
    def wait(invitation):
        farm.sql("UPDATE invitation SET next_attempt_at = '2201-01-01', expires_at = '2202-01-01', status = 'queued'"
                 " WHERE id = %s", invitation["invitationId"])
        return "'2201-01-01 00:00:01'::timestamptz"
    yield wait
    farm.sql("UPDATE invitation SET status = 'failed' WHERE next_attempt_at > '2200-01-01'")


def test_an_invitation_goes_out(farm, alice):
    with alice.listen() as live:
        made = invite(alice, "sms", phone(), message="Come over!")
        assert made["status"] == "queued"
        live.wait_for("invitation.sent", 15, invitationId=made["invitationId"])
    assert state(farm, made)["status"] == "sent" and state(farm, made)["sent_at"]


def test_an_invitation_says_who_invites_and_where_to(farm, alice, waiting):
    number = phone()
    made = invite(alice, "sms", f"{number[:3]} {number[3:]}", message="Come over!")
    named(farm, alice, display_name="Alice")
    due = claimed(farm, made, waiting(made), "https://example.org/app")
    assert due["channel"] == "sms" and due["destination"] == number
    assert due["body"].splitlines() == ["Alice invites you to chat.", "Come over!", "https://example.org/app"]
    assert due["subject"] == "Alice invites you to chat"


def test_who_has_no_name_invites_with_their_number(farm, alice, waiting):
    made = invite(alice, "email", "Somebody@Example.org")
    due = claimed(farm, made, waiting(made))
    assert due["destination"] == "somebody@example.org" and due["body"] == f"{alice.phone} invites you to chat."


def test_an_invitation_is_taken_by_one_and_tried_again_ever_later(farm, alice, waiting):
    made = invite(alice, "sms", phone())
    at = waiting(made)
    assert claimed(farm, made, at) and not claimed(farm, made, at), "two took it"
    assert claimed(farm, made, f"{at} + interval '3 minutes'"), "who took it died, nobody else takes it"
    waits = []
    for _ in range(4):
        farm.sql(f"SELECT * FROM invitation_settle(%s, 'later', {at})", made["invitationId"])
        waits.append((state(farm, made)["next_attempt_at"] - farm.sql(f"SELECT {at} AS at")[0]["at"]).total_seconds())
        at = f"'{state(farm, made)['next_attempt_at']}'::timestamptz"
        assert claimed(farm, made, at)
    assert waits == sorted(waits) and waits[0] >= 60 and waits[-1] > 10 * waits[0]
    farm.sql(f"SELECT * FROM invitation_settle(%s, 'later', {at})", made["invitationId"])
    assert state(farm, made)["status"] == "failed"
    assert farm.sql("SELECT type FROM event WHERE payload ->> 'invitationId' = %s", made["invitationId"]) == [
        {"type": "invitation.failed"}]


def test_an_invitation_that_went_out_does_not_go_out_again(farm, alice, waiting):
    made = invite(alice, "sms", phone())
    at = waiting(made)
    assert claimed(farm, made, at)
    farm.sql("SELECT * FROM invitation_settle(%s, 'sent')", made["invitationId"])
    assert not claimed(farm, made, f"{at} + interval '9 days'")
    assert farm.sql("SELECT * FROM invitation_settle(%s, 'failed')", made["invitationId"]) == []


def test_an_expired_invitation_does_not_go_out(farm, alice, waiting):
    made = invite(alice, "sms", phone())
    assert not claimed(farm, made, f"{waiting(made)} + interval '2 years'")


def test_the_same_invitation_within_a_day_is_the_first_one(farm, alice, bob):
    number = phone()
    first = invite(alice, "sms", number)
    assert invite(alice, "sms", f"{number[:5]} {number[5:]}", message="again")["invitationId"] == first["invitationId"]
    mail = invite(alice, "email", "a.b@example.org")
    assert invite(alice, "email", "A.B@example.org")["invitationId"] == mail["invitationId"]
    assert invite(bob, "sms", number)["invitationId"] != first["invitationId"]
    farm.sql("UPDATE invitation SET created_at = now() - interval '25 hours' WHERE id = %s", first["invitationId"])
    assert invite(alice, "sms", number)["invitationId"] != first["invitationId"]


def test_the_same_invitation_sent_at_once_is_one(alice):
    number = phone()
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda _: alice.request("POST", "/contacts/invitations", {
            "channel": "sms", "destination": number}, keep=False).json["invitationId"], range(8))
    assert len(set(made)) == 1


def test_an_invitation_lasts_as_long_as_the_farm_says(farm, alice):
    made = invite(alice, "sms", phone())
    lasts = farm.sql("SELECT extract(epoch FROM expires_at - created_at)::integer AS s FROM invitation WHERE id = %s",
                     made["invitationId"])[0]["s"]
    assert lasts == farm.seconds("invitation.lifetime")


def test_who_has_an_account_is_not_invited(farm, alice, bob):
    refused(invite(alice, "sms", bob.phone, 400), "destination")
    address = f"{uuid.uuid4().hex}@example.org"
    named(farm, bob, email=address.upper())
    refused(invite(alice, "email", address, 400), "destination")


def test_an_invitation_is_accepted_as_long_as_it_lasts(farm, alice):
    number, late = phone(), phone()
    made, expired = invite(alice, "sms", number), invite(alice, "sms", late)
    farm.sql("UPDATE invitation SET expires_at = now() WHERE id = %s", expired["invitationId"])
    guest = Account.register(farm, number)
    Account.register(farm, late)
    assert state(farm, made)["status"] == "accepted" and state(farm, expired)["status"] != "accepted"
    told = farm.sql("SELECT recipients::text[] AS to, payload FROM event WHERE type = 'invitation.accepted'"
                    " AND payload ->> 'invitationId' IN (%s, %s)", made["invitationId"], expired["invitationId"])
    assert [row["to"] for row in told] == [[alice.id]] and told[0]["payload"]["userId"] == guest.id


def test_who_invited_is_told_when_it_is_accepted(farm, alice):
    number = phone()
    made = invite(alice, "sms", number)
    with alice.listen() as live:
        guest = Account.register(farm, number)
        assert live.wait_for("invitation.accepted", 15, invitationId=made["invitationId"])["userId"] == guest.id


@pytest.mark.parametrize("body, field", [
    ({}, "channel"), ({"channel": "sms"}, "destination"), ({"channel": "pigeon", "destination": "+4915112345678"}, "channel"),
    ({"channel": "sms", "destination": "015112345678"}, "destination"), ({"channel": "sms", "destination": "a@b.de"}, "destination"),
    ({"channel": "sms", "destination": "+49 1"}, "destination"), ({"channel": "email", "destination": "+4915112345678"}, "destination"),
    ({"channel": "email", "destination": "a@b"}, "destination"), ({"channel": "email", "destination": "a b@c.de"}, "destination"),
    ({"channel": "email", "destination": "a@b.de\r\nBcc: c@d.de"}, "destination"),
    ({"channel": "email", "destination": "\u00e4@b.de"}, "destination"), ({"channel": "email", "destination": 1}, "destination"),
    ({"channel": "email", "destination": "a@b.de", "message": ""}, "message"),
    ({"channel": "email", "destination": "a@b.de", "message": "m" * 301}, "message")])
def test_an_invitation_that_cannot_arrive_is_refused(alice, body, field):
    refused(alice.post("/contacts/invitations", body, 400), field)


def test_invitations_end_for_a_while(farm, alice, bob):
    count, _, window = farm.settings["limit.invitations"].partition("/")
    for _ in range(int(count)):
        invite(alice, "sms", phone())
    reply = alice.request("POST", "/contacts/invitations", {"channel": "sms", "destination": phone()})
    assert reply.status == 429 and 0 < int(reply.headers["retry-after"]) <= int(window)
    invite(bob, "sms", phone())
