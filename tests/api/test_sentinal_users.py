"""Surface sentinal: the caller's profile, settings, contacts, blocks, devices and sessions.

What becomes of an account that is deleted has a file of its own."""
import re
import time
import uuid
from urllib.parse import parse_qsl, urlsplit

import pytest

from lib.devices import add_device
from lib.people import Account
from lib.sentinal import User, named
from test_media import signed


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


def as_whatsapp(someone):
    """The same person with the same token on the other surface."""
    return Account(someone.farm, {"accessToken": someone.token, "userId": someone.id})


def as_sentinal(someone):
    return User(someone.farm, {"access_token": someone.token, "user_id": someone.id, "device_id": someone.device,
                               "session_id": someone.session, "refresh_token": someone.refresh}, None, None)


def add(someone, other, expect=201):
    return someone.post("/users/me/contacts", {"contact_user_id": other.id}, expect)


def contacts(someone, **query):
    return someone.get("/users/me/contacts", **query)["contacts"]


def block(someone, other, expect=200):
    return someone.post(f"/users/me/contacts/{other.id}/block", expect=expect)


def unblock(someone, other, expect=200):
    return someone.post(f"/users/me/contacts/{other.id}/unblock", expect=expect)


# ---- profile -------------------------------------------------------------------------------------


def test_the_profile_has_what_the_account_was_made_with(user):
    phone = f"+49151{uuid.uuid4().int % 10**8:08d}"
    ann = user(phone_number=phone)
    profile = ann.get("/users/me")
    assert profile.pop("created_at")
    assert profile == {"id": ann.id, "email": ann.names["email"], "username": ann.names["username"],
                       "display_name": ann.names["display_name"], "avatar_url": None, "status": None, "bio": None,
                       "phone_number": phone}


def test_people_of_other_surfaces_have_a_profile_too(farm, alice):
    caller = as_sentinal(alice)
    profile = caller.get("/users/me")
    assert profile["phone_number"] == alice.phone and profile["email"] is None and profile["username"] is None


def test_what_is_given_changes_what_is_missing_stays_and_null_clears(ann):
    full = {"display_name": "Ann Other", "avatar_url": "https://example.com/a.png", "bio": "Gärtnerin", "status": "Busy"}
    answer = ann.put("/users/me", full, 200)
    assert full.items() <= answer.items() and answer == ann.get("/users/me")
    assert ann.put("/users/me", {"status": "Back"}) == {**answer, "status": "Back"}
    cleared = ann.put("/users/me", {"status": None, "avatar_url": None, "bio": None})
    assert cleared == {**answer, "status": None, "avatar_url": None, "bio": None}


@pytest.mark.parametrize("field, value", [
    ("display_name", None), ("display_name", ""), ("display_name", "  "), ("display_name", "x" * 101),
    ("avatar_url", "http://example.com/a.png"), ("avatar_url", "a.png"), ("avatar_url", "https://e.com/" + "a" * 2040),
    ("bio", "x" * 501), ("status", "x" * 140), ("status", 5)])
def test_a_bad_profile_field_is_named_and_nothing_changes(ann, field, value):
    before = ann.get("/users/me")
    named(ann.put("/users/me", {"bio": "new", "status": "new", field: value}, 422), field)
    assert ann.get("/users/me") == before


def test_a_change_without_fields_is_refused(ann):
    assert ann.put("/users/me", {}, 422)["code"] == "VALIDATION_ERROR"


def test_the_status_is_the_info_text_of_the_account(farm, ann):
    """whatsapp reads and writes account.info_text."""
    ann.put("/users/me", {"status": "Away"})
    [row] = farm.sql("SELECT info_text, info_text_updated_at > created_at AS moved FROM account WHERE id = %s", ann.id)
    assert row == {"info_text": "Away", "moved": True}
    farm.sql("UPDATE account SET info_text = 'Here again' WHERE id = %s", ann.id)
    assert ann.get("/users/me")["status"] == "Here again"


def test_other_devices_contacts_and_correspondents_learn_of_a_change(farm, ann, ben, alice, bob):
    """Listened to where names are canonical: people of whatsapp, and ann's second device with a ticket of that surface."""
    alice.post("/contacts", {"identifierType": "userId", "identifierValue": ann.id})
    as_whatsapp(ann).post("/messages", {"recipientId": bob.id, "ciphertext": "aGk=", "clientMessageId": "1"})
    with alice.listen() as contact, bob.listen() as correspondent:
        ann.put("/users/me", {"status": "Moving"})
        for live in (contact, correspondent):
            told = live.wait_for("profile.updated", userId=ann.id)
            assert told["infoText"] == "Moving" and told["displayName"] == ann.names["display_name"]
        ann.put("/users/me", {"status": "Moving"})
        contact.never("profile.updated")
        bob.post(f"/users/{bob.id}/blocks", {"contactId": ann.id})
        ann.put("/users/me", {"status": "Moved"})
        contact.wait_for("profile.updated", userId=ann.id)
        correspondent.never("profile.updated", within=0)
    last = farm.sql("SELECT recipients, except_device_id FROM event WHERE type = 'profile.updated'"
                    " AND payload ->> 'userId' = %s ORDER BY created_at DESC LIMIT 1", ann.id)[0]
    assert ann.id in str(last["recipients"]) and str(last["except_device_id"]) == ann.device


# ---- pictures ------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def uploaded_there(someone, content=PNG):
    """A file that came by the other surface; its id."""
    body = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="p.png"\r\nContent-Type: image/png\r\n\r\n'
            + content + b"\r\n--b--\r\n")
    return as_whatsapp(someone).post("/media/images", body, 201,
                                     headers={"Content-Type": "multipart/form-data; boundary=b"})["mediaId"]


def set_there(someone, picture):
    """What a surface does that keeps pictures as files (the core's function; none has an operation for it yet)."""
    someone.farm.sql("SELECT account_profile_set(%s, jsonb_build_object('avatarId', %s::uuid), NULL)", someone.id, picture)


def uploaded_here(someone, content=PNG, kind="image/png"):
    """The file_url of a completed upload."""
    upload = someone.post("/uploads", {"file_name": "p.png", "file_size": len(content), "content_type": kind})
    reply = at(someone, "PUT", upload["upload_url"], content, {"Content-Type": kind})
    assert reply.status == 200, reply
    return someone.post(f"/uploads/{upload['id']}/complete")["file_url"]


def at(someone, method, url, body=None, headers=None):
    """A request to an address that the server gave, without a token."""
    parts = urlsplit(url)
    assert parts.netloc == f"{someone.site.host}:{someone.site.port}", url
    return someone.site.raw(method, parts.path, body, headers, dict(parse_qsl(parts.query)))


def shown(someone, other):
    """The picture of a contact."""
    return next(c["avatar_url"] for c in contacts(someone) if c["id"] == other.id)


def test_a_picture_that_is_a_file_shows_here(ann, ben, user):
    add(ben, ann)
    set_there(ann, uploaded_there(ann))
    assert at(ann, "GET", add(user(), ann)["avatar_url"]).body == PNG
    for url in (ann.get("/users/me")["avatar_url"], shown(ben, ann)):
        reply = at(ann, "GET", url)
        assert reply.status == 200 and reply.body == PNG and reply.type == "image/png"
        assert at(ann, "GET", url, None, {"If-None-Match": reply.headers["etag"]}).status == 304


def test_a_picture_that_was_uploaded_here_is_a_file_for_all(farm, ann, ben):
    """Whatever keeps the address of the upload would break when it ends."""
    add(ben, ann)
    url = uploaded_here(ann)
    assert ann.put("/users/me", {"avatar_url": url})["avatar_url"] != url
    account, = farm.sql("SELECT avatar_id, avatar_url FROM account WHERE id = %s", ann.id)
    assert str(account["avatar_id"]) in url and account["avatar_url"] is None
    ann.delete(f"/uploads/{account['avatar_id']}")
    assert at(ben, "GET", shown(ben, ann)).body == PNG
    assert as_whatsapp(ann).get(f"/media/{account['avatar_id']}")["contentLength"] == len(PNG)


def test_a_profile_that_is_put_back_as_it_was_got_keeps_its_picture(farm, ann):
    set_there(ann, uploaded_there(ann))
    before = farm.sql("SELECT avatar_id, avatar_url FROM account WHERE id = %s", ann.id)
    profile = ann.get("/users/me")
    after = ann.put("/users/me", {name: profile[name] for name in ("display_name", "avatar_url", "bio", "status")})
    assert at(ann, "GET", after["avatar_url"]).body == PNG
    assert farm.sql("SELECT avatar_id, avatar_url FROM account WHERE id = %s", ann.id) == before


def test_there_is_one_picture(farm, ann, ben):
    """Whichever was set last, and none when it is taken away; the addresses of former ones end."""
    add(ben, ann)
    set_there(ann, uploaded_there(ann))
    first = shown(ben, ann)
    set_there(ann, uploaded_there(ann, PNG + b"2"))
    second = shown(ben, ann)
    assert at(ben, "GET", first).status == 404 and at(ben, "GET", second).body == PNG + b"2"
    ann.put("/users/me", {"avatar_url": "https://example.com/a.png"})
    assert shown(ben, ann) == "https://example.com/a.png" and at(ben, "GET", second).status == 404
    assert farm.sql("SELECT avatar_id FROM account WHERE id = %s", ann.id)[0]["avatar_id"] is None
    set_there(ann, uploaded_there(ann))
    assert at(ben, "GET", shown(ben, ann)).body == PNG
    ann.put("/users/me", {"avatar_url": None})
    assert shown(ben, ann) is None


def test_who_is_blocked_sees_no_picture_any_more(ann, ben):
    add(ben, ann)
    set_there(ann, uploaded_there(ann))
    url, own = shown(ben, ann), ann.get("/users/me")["avatar_url"]
    assert at(ben, "GET", url).status == 200
    block(ann, ben)
    assert shown(ben, ann) is None and at(ben, "GET", url).status == 404
    block(ben, ann)
    assert ben.get("/users/me/contacts/blocked")["contacts"][0]["avatar_url"] is None
    unblock(ann, ben)
    assert ben.get("/users/me/contacts/blocked")["contacts"][0]["avatar_url"]
    assert at(ben, "GET", url).status == 200 and at(ann, "GET", own).status == 200
    ann.delete("/users/me")
    assert at(ben, "GET", url).status == 404 and at(ann, "GET", own).status == 404


def test_an_address_of_a_picture_opens_nothing_else(ann, ben):
    for someone in (ann, ben):
        set_there(someone, uploaded_there(someone))
    url = ann.get("/users/me")["avatar_url"]
    other = ben.get("/users/me")["avatar_url"].split("/pictures/")[1].split("?")[0]
    picture = url.split("/pictures/")[1].split("?")[0]
    for wrong in (url.replace(picture, other), url.replace(f"users/{ann.id}", f"users/{ben.id}"),
                  url.replace(f"viewer={ann.id}", f"viewer={ben.id}"),
                  re.sub(r"expires=\d+", "expires=99999999999", url), url[:-3] + ("abc" if url[-3:] != "abc" else "abd")):
        assert at(ann, "GET", wrong).status == 403, wrong
    assert at(ann, "GET", url).status == 200


def test_a_picture_is_sent_in_parts(ann):
    set_there(ann, uploaded_there(ann))
    url = ann.get("/users/me")["avatar_url"]
    part = at(ann, "GET", url, None, {"Range": "bytes=1-3"})
    assert part.status == 206 and part.body == b"PNG"
    assert at(ann, "GET", url, None, {"Range": f"bytes={len(PNG)}-"}).status == 416


def test_the_address_of_a_picture_ends_and_is_the_same_until_then(farm, ann):
    """It is good for one lifetime at least, for two at most."""
    set_there(ann, uploaded_there(ann))
    url, life = ann.get("/users/me")["avatar_url"], farm.seconds("media.url_lifetime")
    ends = int(dict(parse_qsl(urlsplit(url).query))["expires"])
    assert ends % life == 0 and life < ends - time.time() <= 2 * life
    assert ann.get("/users/me")["avatar_url"] == url or time.time() % life < 10
    picture = urlsplit(url).path.rpartition("/")[2]

    def until(when):
        query = signed(farm, f"picture {picture} of {ann.id} for {ann.id}", when)
        return urlsplit(url)._replace(query=f"viewer={ann.id}&{query}").geturl()
    assert until(ends) == url
    assert at(ann, "GET", until(int(time.time()) - 1)).status == 410
    assert at(ann, "GET", url.replace("expires=", "until=")).status == 422


@pytest.mark.parametrize("whose", ["another's", "no picture", "nothing", "plain"])
def test_what_is_no_picture_of_ones_own_is_refused(farm, ann, ben, whose):
    origin = f"http://{ann.site.host}:{ann.site.port}/v1"
    url = {"another's": lambda: uploaded_here(ben), "no picture": lambda: uploaded_here(ann, kind="video/mp4"),
           "nothing": lambda: f"{origin}/uploads/{uuid.uuid4()}/content", "plain": lambda: f"{origin}/ping"}[whose]()
    named(ann.put("/users/me", {"bio": "new", "avatar_url": url}, 422), "avatar_url")
    assert ann.get("/users/me")["bio"] is None and ann.get("/users/me")["avatar_url"] is None


def test_the_core_s_name_of_a_file_is_no_field(farm, ann):
    picture = uploaded_there(ann)
    ann.request("PUT", "/users/me", {"bio": "new", "avatar_id": picture})
    assert farm.sql("SELECT avatar_id FROM account WHERE id = %s", ann.id)[0]["avatar_id"] is None


# ---- settings ------------------------------------------------------------------------------------


def test_settings_have_defaults_and_keep_what_is_set(farm, ann):
    assert ann.get("/users/me/settings") == {"notifications_enabled": True, "theme": "system", "language": None}
    answer = ann.put("/users/me/settings", {"notifications_enabled": False, "theme": "dark", "language": "pt-BR"}, 200)
    assert answer == {"notifications_enabled": False, "theme": "dark", "language": "pt-BR"}
    assert ann.put("/users/me/settings", {"theme": None}) == {**answer, "theme": "system"}
    assert ann.get("/users/me/settings") == {**answer, "theme": "system"}
    assert farm.sql("SELECT locale FROM account WHERE id = %s", ann.id) == [{"locale": "pt-BR"}]
    ann.put("/users/me/settings", {"language": None})
    assert ann.get("/users/me/settings")["language"] is None


@pytest.mark.parametrize("field, value", [("notifications_enabled", "yes"), ("notifications_enabled", None),
                                          ("theme", "a b"), ("theme", ""), ("language", "english-please-"),
                                          ("language", "e")])
def test_a_bad_setting_is_named_and_nothing_changes(ann, field, value):
    named(ann.put("/users/me/settings", {"theme": "dark", field: value}, 422), field)
    assert ann.get("/users/me/settings")["theme"] == "system"


def test_the_locale_of_a_registration_is_the_language(farm, alice):
    caller = as_sentinal(alice)
    assert caller.get("/users/me/settings")["language"] == "en-US"


def test_other_devices_learn_of_settings(farm, alice):
    caller = as_sentinal(alice)
    tablet = add_device(alice)
    with tablet.listen() as live, alice.listen() as own:
        caller.put("/users/me/settings", {"theme": "dark", "notifications_enabled": False})
        assert live.wait_for("settings.updated")["notifications"] is False
        own.never("settings.updated")


# ---- contacts ------------------------------------------------------------------------------------


def test_contacts_are_added_listed_and_removed(ann, ben):
    ben.put("/users/me", {"status": "Busy", "avatar_url": "https://example.com/b.png"})
    entry = add(ann, ben)
    assert entry == contacts(ann)[0]
    assert {**entry, "created_at": 0, "contact_id": 0} == {
        "id": ben.id, "email": ben.names["email"], "username": ben.names["username"], "created_at": 0, "contact_id": 0,
        "display_name": ben.names["display_name"], "avatar_url": "https://example.com/b.png", "status": "Busy",
        "is_blocked": False}
    assert contacts(ben) == []
    assert ann.delete(f"/users/me/contacts/{ben.id}") == {"id": ben.id}
    assert contacts(ann) == []
    ann.delete(f"/users/me/contacts/{ben.id}", expect=404)


def test_a_contact_may_be_named_by_its_entry(ann, ben, user):
    entry = add(ann, ben)["contact_id"]
    user().delete(f"/users/me/contacts/{entry}", expect=404)
    assert ann.post(f"/users/me/contacts/{entry}/block")["id"] == ben.id
    assert ann.post(f"/users/me/contacts/{entry}/unblock")["id"] == ben.id
    ann.delete(f"/users/me/contacts/{entry}")
    assert contacts(ann) == []


def test_whom_one_cannot_add(ann, ben, user):
    named(ann.post("/users/me/contacts", {"contact_user_id": ann.id}, 422), "contact_user_id")
    ann.post("/users/me/contacts", {"contact_user_id": str(uuid.uuid4())}, 404)
    named(ann.post("/users/me/contacts", {"contact_user_id": "ben"}, 422), "contact_user_id")
    add(ann, ben)
    named(add(ann, ben, 409), "contact_user_id")
    stranger = user()
    block(stranger, ann)
    add(ann, stranger, 404)
    assert [c["id"] for c in contacts(ann)] == [ben.id]


def test_contacts_of_both_surfaces_are_the_same(ann, bob):
    add(ann, bob)
    as_whatsapp(ann).post("/contacts", {"identifierType": "userId", "identifierValue": bob.id}, 409)
    bob.post("/contacts", {"identifierType": "userId", "identifierValue": ann.id})
    as_whatsapp(ann).post(f"/users/{ann.id}/blocks", {"contactId": bob.id})
    assert contacts(ann)[0]["is_blocked"] is True


def test_contacts_come_by_name_and_in_pages_when_asked(user):
    ann, others = user(), [user(display_name=name) for name in ("Cleo", "abe", "Bob")]
    for other in others:
        add(ann, other)
    everybody = [c["display_name"] for c in contacts(ann)]
    assert everybody == ["abe", "Bob", "Cleo"]
    assert [c["display_name"] for page in (1, 2, 3) for c in contacts(ann, page=page, limit=2)] == everybody
    for bad in ({"limit": 0}, {"limit": 101}, {"page": 0}, {"page": "x"}):
        named(ann.get("/users/me/contacts", 422, **bad), next(iter(bad)))


def test_own_devices_learn_of_contacts(alice, bob, ann):
    caller = as_sentinal(alice)
    with add_device(alice).listen() as live:
        add(caller, ann)
        live.wait_for("contact.added", userId=ann.id)
        caller.delete(f"/users/me/contacts/{ann.id}")
        live.wait_for("contact.removed", userId=ann.id)
        block(caller, ann)
        live.wait_for("contact.blocked", contactId=ann.id)
        unblock(caller, ann)
        live.wait_for("contact.unblocked", contactId=ann.id)


# ---- blocks --------------------------------------------------------------------------------------


def test_a_block_is_felt_through_both_surfaces(ann, bob):
    """Blocked here, by somebody who has him as no contact: bob writes through whatsapp, ann takes keys there."""
    bob.publish_keys()
    bob.say(ann)
    assert block(ann, bob)["id"] == bob.id
    bob.say(ann, expect=403)
    as_whatsapp(ann).post("/messages", {"recipientId": bob.id, "ciphertext": "aGk=", "clientMessageId": "1"}, 403)
    as_whatsapp(ann).get(f"/crypto/prekeys/{bob.id}", 404)
    ann.get("/encryption/bundles", 404, user_id=bob.id, device_id=bob.device)
    bob.post("/contacts", {"identifierType": "userId", "identifierValue": ann.id}, 404)
    assert [b["contactId"] for b in as_whatsapp(ann).get(f"/users/{ann.id}/blocks")["items"]] == [bob.id]
    unblock(ann, bob)
    bob.say(ann)
    ann.get("/encryption/bundles", 200, user_id=bob.id, device_id=bob.device)


def test_a_block_of_whatsapp_is_felt_here(ann, bob):
    bob.post(f"/users/{bob.id}/blocks", {"contactId": ann.id})
    add(ann, bob, 404)
    bob.publish_keys()
    ann.get("/encryption/bundles", 404, user_id=bob.id, device_id=bob.device)


def test_a_block_hides_who_is_online(farm, ann, ben, alice):
    """From people of this surface, and of the other."""
    ann.say(ann.direct(ben), ben)
    alice.say(ann)
    with ben.listen() as here, alice.listen() as there:
        there.send({"type": "presence.subscribe", "data": {"userIds": [ann.id]}})
        there.wait_for("presence.offline", userId=ann.id)
        for other in (ben, alice):
            block(ann, other)
        with ann.listen():
            here.never("presence:online", within=1, user_id=ann.id)
            there.never("presence.online", within=0, userId=ann.id)
        for other in (ben, alice):
            unblock(ann, other)
    with ben.listen() as here, ann.listen():
        here.wait_for("presence:online", user_id=ann.id)


def test_who_has_blocked_one_shows_no_more_than_a_name(ann, ben):
    ben.put("/users/me", {"status": "Busy", "avatar_url": "https://example.com/b.png"})
    before = add(ann, ben)
    block(ben, ann)
    assert contacts(ann) == [{**before, "email": None, "status": None, "avatar_url": None}]


def test_blocked_people_are_listed_contacts_or_not(ann, ben, user):
    stranger = user()
    add(ann, ben)
    for other in (ben, stranger):
        block(ann, other)
    first, second = ann.get("/users/me/contacts/blocked")["contacts"]
    assert [first["id"], second["id"]] == [stranger.id, ben.id]
    assert first["contact_id"] is None and first["email"] is None, "an address is for contacts"
    assert second["email"] == ben.names["email"] and second["blocked_at"] <= first["blocked_at"]
    assert [c["id"] for c in ann.get("/users/me/contacts/blocked", page=2, limit=1)["contacts"]] == [ben.id]
    ann.delete(f"/users/me/contacts/{ben.id}")
    unblock(ann, stranger)
    [left] = ann.get("/users/me/contacts/blocked")["contacts"]
    assert left["id"] == ben.id and left["contact_id"] is None
    assert ben.get("/users/me/contacts/blocked")["contacts"] == []


def test_blocks_that_cannot_be(ann, ben):
    named(ann.post(f"/users/me/contacts/{ann.id}/block", expect=422), "id")
    named(ann.post(f"/users/me/contacts/{uuid.uuid4()}/block", expect=404), "id")
    unblock(ann, ben, 404)
    block(ann, ben)
    named(block(ann, ben, 409), "id")
    unblock(ben, ann, 404)
    ann.post("/users/me/contacts/nobody/block", expect=404)


# ---- devices -------------------------------------------------------------------------------------


def test_devices_are_listed_with_who_is_signed_in(farm, user):
    ann = user(device=(name := str(uuid.uuid4())))
    laptop = User.login(farm, ann, device="my laptop")
    first, second = ann.get("/users/me/devices")["devices"]
    assert {**first, "last_active": 0} == {
        "id": name, "device_name": "Phone", "device_type": "mobile", "device_id": name, "last_active": 0,
        "is_active": True, "is_current": True}
    assert (second["id"], second["device_id"], second["device_name"], second["device_type"]) == (
        laptop.device, "my laptop", "Laptop", "desktop")
    assert second["is_active"] and not second["is_current"]
    laptop.post("/auth/logout", {})
    assert ann.get("/users/me/devices")["devices"][1]["is_active"] is False


def test_the_device_that_asks_was_active_just_now(farm, ann):
    other = User.login(farm, ann)
    farm.sql("UPDATE device SET last_seen_at = now() - interval '1 hour' WHERE account_id = %s", ann.id)
    mine, theirs = (d["last_active"] for d in ann.get("/users/me/devices")["devices"])
    assert theirs < mine and other.device


def test_devices_of_whatsapp_are_devices_here(farm, alice):
    add_device(alice, platform="web")
    caller = as_sentinal(alice)
    assert [d["device_type"] for d in caller.get("/users/me/devices")["devices"]] == [None, "web"]


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_deactivated_device_is_out(farm, ann, by):
    tablet = User.login(farm, ann, device="tablet")
    named_by = tablet.device if by == "id" else "tablet"
    with as_whatsapp(tablet).listen() as live:
        assert ann.delete(f"/users/me/devices/{named_by}") is None
        live.wait_closed()
    assert not tablet.alive() and ann.alive()
    assert [d["id"] for d in ann.get("/users/me/devices")["devices"]] == [ann.device]
    ann.delete(f"/users/me/devices/{named_by}", expect=404)
    tablet.post("/auth/refresh", {"session_id": tablet.session, "refresh_token": tablet.refresh}, 401)
    again = User.login(farm, ann, device="tablet")
    assert again.device != tablet.device and again.alive()


def test_the_keys_of_a_deactivated_device_go(farm, ann, bob):
    """Published through whatsapp, deactivated here."""
    tablet = add_device(bob)
    tablet.publish_keys()
    caller = as_sentinal(bob)
    ann.get("/encryption/bundles", 200, user_id=bob.id, device_id=tablet.device)
    caller.delete(f"/users/me/devices/{tablet.device}")
    for path in ("bundles", "identity", "keys/active"):
        ann.get(f"/encryption/{path}", 404, user_id=bob.id, device_id=tablet.device)
    assert farm.sql("SELECT count(*) AS n FROM one_time_prekey WHERE device_id = %s", tablet.device) == [{"n": 0}]


def test_the_calling_device_may_deactivate_itself(ann):
    ann.delete(f"/users/me/devices/{ann.device}")
    assert not ann.alive()


def test_other_peoples_devices_cannot_be_deactivated(ann, user):
    ben = user(device="bens phone")
    for name in (ben.device, "bens phone", str(uuid.uuid4())):
        ann.delete(f"/users/me/devices/{name.replace(' ', '%20')}", expect=404)
    assert ben.alive()


# ---- sessions ------------------------------------------------------------------------------------


def test_a_session_is_ended_by_its_id(farm, ann):
    other = User.login(farm, ann)
    with as_whatsapp(other).listen() as live:
        assert ann.delete(f"/users/me/sessions/{other.session}") is None
        live.wait_closed()
    assert not other.alive() and ann.alive()
    ann.delete(f"/users/me/sessions/{other.session}", expect=404)
    assert [d["is_active"] for d in ann.get("/users/me/devices")["devices"]] == [True, False]


def test_other_peoples_sessions_cannot_be_ended(ann, ben):
    ann.delete(f"/users/me/sessions/{ben.session}", expect=404)
    ann.delete(f"/users/me/sessions/{uuid.uuid4()}", expect=404)
    assert ben.alive()


def test_all_others_end_and_this_one_stays(farm, ann, ben):
    others = [User.login(farm, ann) for _ in range(3)]
    assert ann.delete("/users/me/sessions") == {"revoked": 3}
    assert ann.alive() and ben.alive() and not any(other.alive() for other in others)
    assert ann.delete("/users/me/sessions") == {"revoked": 0}
    assert [s["id"] for s in ann.get("/auth/sessions")["sessions"]] == [ann.session]


def test_nothing_here_answers_without_a_token(nobody):
    for method, path in (("GET", "/users/me"), ("DELETE", "/users/me"), ("GET", "/users/me/settings"),
                         ("GET", "/users/me/contacts"), ("GET", "/users/me/contacts/blocked"),
                         ("GET", "/users/me/devices"), ("DELETE", "/users/me/sessions")):
        assert nobody.farm.site("sentinal").request(method, "/v1" + path, None, {}, {}).status == 401
