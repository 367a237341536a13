"""Surface sentinal: what becomes of an account that is deleted, for others, for its names, and in every table."""
import base64
import uuid

import pytest

from lib.devices import add_device
from lib.farm import eventually
from lib.people import Account, public_key, refused
from lib.sentinal import PASSWORD, User, Visitor


@pytest.fixture
def ann(user):
    return user(phone_number=f"+49151{uuid.uuid4().int % 10**8:08d}")


def as_whatsapp(someone):
    return Account(someone.farm, {"accessToken": someone.token, "userId": someone.id})


def delete(someone):
    assert someone.delete("/users/me", expect=200) is None


# ---- signing in is over --------------------------------------------------------------------------


def test_all_sessions_and_sockets_end_at_once(farm, ann):
    other = User.login(farm, ann)
    with as_whatsapp(ann).listen() as live, as_whatsapp(other).listen() as second:
        delete(ann)
        assert not ann.alive() and not other.alive()
        live.wait_closed()
        second.wait_closed()
    visitor = Visitor(farm)
    visitor.post("/auth/refresh", {"session_id": ann.session, "refresh_token": ann.refresh}, 401)
    for name in ("email", "username", "phone_number"):
        visitor.post("/auth/login", {"identity": ann.names[name], "password": PASSWORD, "device_id": "x"}, 401)
    ann.delete("/users/me", expect=401)


def test_its_names_are_free(farm, user, ann):
    delete(ann)
    again = user(**{name: ann.names[name] for name in ("email", "username", "phone_number")})
    assert again.id != ann.id and again.get("/users/me")["username"] == ann.names["username"]


def test_a_proven_number_is_free(farm, account, alice):
    Visitor(farm, alice.token).delete("/users/me", expect=200)
    again = account(alice.phone)
    assert again.id != alice.id


def test_nobody_else_is_touched(farm, user, ann):
    ben = user()
    ben.post("/users/me/contacts", {"contact_user_id": user().id})
    before = ben.get("/users/me"), ben.get("/users/me/contacts"), ben.get("/users/me/devices")["devices"][0]["id"]
    delete(ann)
    after = ben.get("/users/me"), ben.get("/users/me/contacts"), ben.get("/users/me/devices")["devices"][0]["id"]
    assert before == after and ben.alive()


# ---- others' conversations -----------------------------------------------------------------------


def test_its_messages_stay_and_its_conversations_are_closed(ann, alice):
    sent = as_whatsapp(ann).post("/messages", {"recipientId": alice.id, "ciphertext": "Ynll", "clientMessageId": "1"})
    alice.say(ann)
    with alice.listen() as live:
        delete(ann)
        assert live.wait_for("account.deleted", userId=ann.id)["deletedAt"]
    history = alice.get(f"/conversations/{sent['conversationId']}/messages", page=1, pageSize=9)["items"]
    assert [m["senderId"] for m in history if m["messageId"] == sent["messageId"]] == [ann.id]
    assert "Ynll" in str(history)
    alice.say(ann, expect=403)
    alice.post(f"/conversations/{sent['conversationId']}/messages", {"ciphertext": "aGk=", "clientMessageId": "2"}, 403)


def test_nobody_finds_it_any_more(ann, alice, user):
    alice.publish_keys()
    ben = user()
    ben.post("/users/me/contacts", {"contact_user_id": ann.id})
    delete(ann)
    assert ben.get("/users/me/contacts")["contacts"] == []
    ben.post("/users/me/contacts", {"contact_user_id": ann.id}, 404)
    ben.post(f"/users/me/contacts/{ann.id}/block", expect=404)
    ben.get("/encryption/bundles", 404, user_id=ann.id, device_id=ann.device)
    alice.post("/contacts", {"identifierType": "userId", "identifierValue": ann.id}, 404)
    alice.post("/messages", {"recipientId": ann.id, "ciphertext": "aGk=", "clientMessageId": "1"}, 404)
    alice.get(f"/crypto/prekeys/{ann.id}", 404)
    alice.post("/groups", {"name": "x", "description": "x", "memberIds": [ann.id], "encryptionMetadata": {}}, 400)


def test_groups_pass_to_the_oldest_admin_else_the_oldest_member(ann, alice, bob, carol):
    owner = as_whatsapp(ann)
    with_admin, without = owner.group(alice, bob), owner.group(alice)
    owner.post(f"/groups/{without}/members", {"memberIds": [carol.id]})
    owner.put(f"/groups/{with_admin}/roles", {"roles": [{"memberId": bob.id, "role": "admin"}]})
    alone, member_of = owner.group(), bob.group(alice)
    bob.post(f"/groups/{member_of}/members", {"memberIds": [ann.id]})
    with bob.listen() as live:
        delete(ann)
        live.wait_for("group.owner", groupId=with_admin, ownerId=bob.id)
        for group in (with_admin, member_of):
            live.wait_for("member.left", groupId=group, memberId=ann.id)
    assert bob.get(f"/groups/{with_admin}")["ownerId"] == bob.id
    assert alice.get(f"/groups/{without}")["ownerId"] == alice.id
    bob.post(f"/conversations/{with_admin}/messages", {"ciphertext": "aGk=", "clientMessageId": "1"})
    members = bob.get(f"/groups/{member_of}/members", page=1, pageSize=9)
    assert ann.id not in str(members)
    [gone] = ann.farm.sql("SELECT deleted_at IS NOT NULL AS gone FROM conversation WHERE id = %s", alone)
    assert gone["gone"]


def test_an_heir_may_have_a_group_of_that_title_already(ann, alice):
    alice.group(name="chess club")
    group = as_whatsapp(ann).group(alice, name="chess club")
    delete(ann)
    assert alice.get(f"/groups/{group}")["ownerId"] == alice.id


# ---- nothing personal remains --------------------------------------------------------------------


def texts_holding(farm, words):
    """Every table and column whose text holds one of the words: {(table, column): rows}."""
    columns = farm.sql(
        "SELECT c.table_name AS t, c.column_name AS c FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        " AND (data_type IN ('text', 'json', 'jsonb', 'character varying', 'ARRAY', 'bytea') OR udt_name = 'citext')")
    found = {}
    for column in columns:
        rows = farm.sql(f"SELECT x::text AS row FROM \"{column['t']}\" x WHERE EXISTS (SELECT FROM unnest(%s::text[]) w"
                        f" WHERE position(lower(w) IN lower(x.\"{column['c']}\"::text)) > 0)", words)
        if rows:
            found[column["t"], column["c"]] = [row["row"] for row in rows]
    return found


def everything_of_sentinal(ann, ben, mark):
    """Conversations with settings of one's own, sealed messages with keys of one's own, lists."""
    direct = ann.direct(ben)
    ann.say(direct, ben, idempotency_key=f"key {mark}")
    ann.post(f"/conversations/{direct}/pin")
    ann.post(f"/conversations/{direct}/mute", {"until": "2099-01-01T00:00:00Z"})
    ben.say(direct, ann)
    ann.post("/uploads", {"file_name": f"{mark}.png", "file_size": 9, "content_type": "image/png", "uploader_id": ann.id})
    broadcast = ann.post("/broadcasts", {"name": f"list {mark}", "description": f"about {mark}"})["id"]
    ann.post(f"/broadcasts/{broadcast}/recipients", {"user_id": ben.id})
    assert ben.post("/broadcasts", {"name": "of ben"})["id"]


def person_with_everything(farm, user, alice, bob):
    """Somebody who has used everything there is, and the words that tell of them."""
    mark = uuid.uuid4().hex[:10]
    phone = f"+49151{uuid.uuid4().int % 10**8:08d}"
    ann = user(email=f"{mark}@mail.example", username=f"name-{mark}", display_name=f"Dora {mark}", phone_number=phone,
               device=f"phone {mark}")
    own = as_whatsapp(ann)
    everything_of_sentinal(ann, user(), mark)
    ann.put("/users/me", {"bio": f"bio {mark}", "status": f"status {mark}", "avatar_url": f"https://{mark}.example/a"})
    ann.put("/users/me/settings", {"theme": f"theme-{mark}", "language": "de",
                                   "notifications_enabled": False})
    Visitor(farm).post("/auth/password/forgot", {"identity": ann.names["email"]})
    Visitor(farm).post("/auth/password/forgot", {"identity": ann.names["username"].upper()})
    tablet = add_device(own, deviceName=f"tablet {mark}", deviceFingerprint=f"print {mark}", pushToken=f"push {mark}")
    keys = tablet.publish_keys()
    watch = add_device(own, deviceName=f"watch {mark}", deviceFingerprint=f"watch {mark}")
    own.delete(f"/devices/{watch.device}")
    User.login(farm, ann, device=f"laptop {mark}")
    ann.request("GET", "/users/me", headers={"User-Agent": f"agent {mark}"})
    own.post(f"/users/{ann.id}/pin", {"pin": "482915", "pinHint": f"hint {mark}"})
    own.post("/contacts", {"identifierType": "userId", "identifierValue": alice.id, "displayName": f"friend {mark}"})
    alice.post("/contacts", {"identifierType": "userId", "identifierValue": ann.id, "displayName": f"Dora of {mark}"})
    for one, other in ((own, alice), (alice, own)):
        one.put(f"/users/{one.id}/presence-visibility", {"visibility": "custom", "customAllowList": [other.id]})
    farm.sql("UPDATE account SET read_receipts = false WHERE id = %s", ann.id)
    own.post(f"/users/{ann.id}/blocks", {"contactId": bob.id, "reason": f"reason {mark}"})
    own.post("/contacts/invitations", {"channel": "email", "destination": f"to-{mark}@mail.example", "message": f"hi {mark}"})
    farm.sql("UPDATE account SET phone = phone_claim WHERE id = %s", ann.id)
    for someone in (own, alice):
        someone.post("/contacts/sync", {"contacts": [{"contactId": "1", "phoneNumber": phone}, {
            "contactId": "2", "phoneNumber": alice.phone}]})
    own.post(f"/users/{ann.id}/qr-codes", {"validitySeconds": 600, "format": "png", "size": 128})
    own.post("/web/sessions", {"deviceName": f"browser {mark}", "userAgent": f"agent {mark}", "publicKey": public_key()})
    queue = tablet.post("/offline-queues", {"deviceId": tablet.device, "clientPublicKey": public_key()})["queueId"]
    tablet.post(f"/offline-queues/{queue}/messages", {"messageId": f"m {mark}", "ciphertext": base64.b64encode(
        mark.encode()).decode(), "metadata": {"x": mark}})
    keys = [keys[name] for name in ("identityKey", "signedPreKey", "signedPreKeySignature")] + keys["oneTimePreKeys"]
    group = own.group(name=f"alone {mark}")
    ann.put(f"/conversations/{group}", {"avatar_url": f"https://{mark}.example/group"})
    ann.post(f"/conversations/{group}/mute")
    for owner, recipient in ((ann, alice), (Visitor(farm, alice.token), ann)):
        made = owner.post("/broadcasts", {"name": "list", "description": f"of {mark}" if owner is ann else ""})["id"]
        owner.post(f"/broadcasts/{made}/recipients", {"user_id": recipient.id})
    return ann, [mark, phone, *keys]


def account_row(farm, someone):
    """The row of an account, without its id and times."""
    [row] = farm.sql("SELECT to_jsonb(a) AS account FROM account a WHERE id = %s", someone.id)
    return {name: value for name, value in row["account"].items() if name != "id" and not name.endswith("_at")}


def test_nothing_personal_remains_in_any_table(farm, user, alice, bob):
    ann, words = person_with_everything(farm, user, alice, bob)
    with farm.paused("jobs"):
        before = texts_holding(farm, words)
        kept = {table for table, _ in before}
        assert {"account", "device", "contact", "contact_sync", "block", "invitation", "mail", "password_reset", "event",
                "web_session", "offline_queue_item", "one_time_prekey", "device_identity", "device_signed_prekey",
                "conversation_profile", "message_key", "broadcast_list", "upload"} <= kept, "the search finds what is there"
        delete(ann)
        assert texts_holding(farm, words) == {}
    blank = user()
    delete(blank)
    assert account_row(farm, ann) == account_row(farm, blank), "not even a setting"


def test_what_belongs_to_nobody_else_is_gone(farm, user, alice, bob):
    """Rows that name the account and are left: only those that others' conversations and open tokens need."""
    ann, _ = person_with_everything(farm, user, alice, bob)
    as_whatsapp(ann).post("/messages", {"recipientId": alice.id, "ciphertext": "aGk=", "clientMessageId": "1"})
    delete(ann)
    names = farm.sql("SELECT table_name AS t, column_name AS c FROM information_schema.columns"
                     " JOIN information_schema.tables USING (table_schema, table_name)"
                     " WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND data_type = 'uuid'")
    def left():
        return {n["t"] for n in names if farm.sql(f"SELECT FROM \"{n['t']}\" WHERE \"{n['c']}\" = %s LIMIT 1", ann.id)} - {
            "account", "device", "session", "member", "conversation", "conversation_profile", "message", "broadcast_recipient"}
    assert left() <= {"upload"}, "it is kept until its bytes are gone"
    farm.kill("jobs")  # every job runs at once
    eventually(lambda: left() == set(), 20)


def test_files_that_nothing_shows_are_given_up(farm, ann):
    """media.account_id is the uploader; a picture that no message names has no other reader."""
    [file] = farm.sql("INSERT INTO media (account_id, kind, mime_type, size, sha256, meta) VALUES"
                      " (%s, 'image', 'image/png', 1, 'x', '{\"fileName\": \"me.png\"}') RETURNING id", ann.id)
    farm.sql("UPDATE account SET avatar_id = %s WHERE id = %s", file["id"], ann.id)
    delete(ann)
    assert farm.sql("SELECT deleted_at IS NOT NULL AS gone, meta FROM media WHERE id = %s", file["id"]) in (
        [{"gone": True, "meta": {}}], [])


def test_a_file_that_a_message_shows_stays(farm, ann, alice):
    [file] = farm.sql("INSERT INTO media (account_id, kind, mime_type, size, sha256) VALUES"
                      " (%s, 'image', 'image/png', 1, 'x') RETURNING id", ann.id)
    sent = as_whatsapp(ann).post("/messages", {"recipientId": alice.id, "ciphertext": "aGk=", "clientMessageId": "1"})
    farm.sql("UPDATE message SET meta = jsonb_build_object('mediaId', %s::text) WHERE id = %s", file["id"], sent["messageId"])
    delete(ann)
    assert farm.sql("SELECT deleted_at FROM media WHERE id = %s", file["id"]) == [{"deleted_at": None}]


def rows_naming(farm, someone):
    """What stands in the database about somebody: each row with its table."""
    tables = farm.sql("SELECT table_name AS name FROM information_schema.tables"
                      " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
    return farm.sql(" UNION ALL ".join(
        f"SELECT '{t['name']}' AS t, x::text AS row FROM \"{t['name']}\" x WHERE position('{someone.id}' IN x::text) > 0"
        for t in tables) + " ORDER BY 1, 2")


def test_whose_token_outlives_the_account_has_none(farm, ann, alice):
    """As between the commit and the mark that ends the session: the token is good, the account is not there."""
    profile, settings, receipts, presence = "/users/me", "/users/me/settings", "/users/me/settings/read-receipts", \
        "/users/me/presence-visibility"
    with farm.paused("jobs"):  # they would set the mark again
        delete(ann)
        farm.redis.delete(f"rev:{ann.session}")
        before = rows_naming(farm, ann)
        for method, path, body in (("get", profile, []), ("put", profile, [{"display_name": "late"}]), ("delete", profile, []),
                                   ("get", settings, []), ("put", settings, [{"theme": "late"}])):
            assert getattr(ann, method)(path, *body, expect=404)["code"] == "NOT_FOUND"
        own = as_whatsapp(ann)
        for method, path, body in (("get", receipts, []), ("put", receipts, [{"globalEnabled": False}]), ("get", presence, []),
                                   ("put", presence, [{"visibility": "custom", "customAllowList": [alice.id]}]),
                                   ("put", presence, [{"visibility": "nobody"}])):
            refused(getattr(own, method)(path, *body, expect=404))
        assert rows_naming(farm, ann) == before


def test_a_lost_mark_in_redis_is_set_again_for_its_sessions(farm, ann):
    """Tokens stay dead although the rows beside the sessions are empty."""
    delete(ann)
    farm.redis.delete(f"rev:{ann.session}", "rev:all")
    eventually(lambda: farm.redis.exists(f"rev:{ann.session}"), 15)
    assert not ann.alive()
