"""Groups: who is in, who may do what, and what members receive from when to when."""
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.devices import add_device
from lib.people import b64, refused

CIPHER = b64(b"sealed")


def crowd(farm, count):
    """Ids of that many accounts that do nothing."""
    return [row["id"] for row in farm.sql(
        "INSERT INTO account (display_name) SELECT 'one of many' FROM generate_series(1, %s) RETURNING id::text", count)]


def founded(owner, *members, expect=201, **more):
    return owner.post("/groups", {"name": f"group {uuid.uuid4()}", "memberIds": [m.id for m in members], **more}, expect)


def roles(reader, group):
    page = reader.get(f"/groups/{group}/members", page=1, pageSize=100)
    return {item["memberId"]: item["role"] for item in page["items"]}


def set_roles(actor, group, expect=200, **given):
    """set_roles(alice, group, admin=bob)"""
    return actor.put(f"/groups/{group}/roles", {
        "roles": [{"memberId": member.id, "role": role} for role, member in given.items()]}, expect)


def post(sender, group, expect=201):
    return sender.post(f"/conversations/{group}/messages", {"ciphertext": CIPHER, "clientMessageId": str(uuid.uuid4())}, expect)


def history(reader, group, expect=200):
    answer = reader.get(f"/conversations/{group}/messages", expect, page=1, pageSize=100)
    return [item["messageId"] for item in answer["items"]] if expect == 200 else answer


@pytest.fixture
def group(alice, bob, carol):
    """Alice's, with Bob and Carol."""
    return founded(alice, bob, carol)["id"]


# ---- founding -----------------------------------------------------------------------------------


def test_a_new_group_is_shown_to_its_members(alice, bob, carol):
    keys = {"senderKeys": {alice.device: b64(b"key")}}
    made = founded(alice, bob, name="Rookery", description="nests", encryptionMetadata=keys)
    assert made["name"] == "Rookery" and made["description"] == "nests" and made["ownerId"] == alice.id
    assert made["memberCount"] == 2 and made["role"] == "owner" and made["encryptionMetadata"] == keys
    assert made["settings"] == {"memberPostingPolicy": "all", "invitePolicy": "adminsOnly"}
    assert alice.get(f"/groups/{made['id']}") == made
    assert bob.get(f"/groups/{made['id']}") == {**made, "role": "member"}
    assert roles(bob, made["id"]) == {alice.id: "owner", bob.id: "member"}
    assert bob.get("/groups", page=1, pageSize=10)["items"] == [{**made, "role": "member"}]
    assert carol.get("/groups", page=1, pageSize=10) == {"items": [], "page": 1, "pageSize": 10, "total": 0}


def test_a_group_needs_no_more_than_a_name(alice):
    made = alice.post("/groups", {"name": "alone"}, 201)
    assert made["memberCount"] == 1 and made["description"] is None and made["encryptionMetadata"] is None
    assert post(alice, made["id"])["seq"] == 1


def test_members_are_told_and_other_devices_of_the_founder_too(alice, bob):
    tablet = add_device(alice)
    with alice.listen() as acting, tablet.listen() as other, bob.listen() as live:
        made = founded(alice, bob)
        told = live.wait_for("group.created", groupId=made["id"])
        assert told["name"] == made["name"] and told["ownerId"] == alice.id and told["memberCount"] == 2
        other.wait_for("group.created", groupId=made["id"])
        acting.never("group.created")


def test_who_is_named_twice_counts_once(alice, bob):
    made = alice.post("/groups", {"name": "twice", "memberIds": [bob.id, bob.id.upper(), alice.id, bob.id]}, 201)
    assert made["memberCount"] == 2 and roles(alice, made["id"]) == {alice.id: "owner", bob.id: "member"}


def test_a_name_serves_one_group_of_an_owner(alice, bob):
    first, second = founded(alice, name="Crows"), founded(alice, name="Ravens")
    refused(founded(alice, name="cROWS", expect=409), "name")
    founded(bob, name="Crows")
    refused(alice.put(f"/groups/{second['id']}", {"name": "crows"}, 409), "name")
    alice.put(f"/groups/{first['id']}", {"name": "CROWS"}, 200)
    alice.delete(f"/groups/{first['id']}")
    founded(alice, name="Crows")


@pytest.mark.parametrize("field, value", [
    ("name", None), ("name", ""), ("name", "  \n"), ("name", "n" * 101), ("name", 7), ("description", "d" * 2001),
    ("memberIds", "all"), ("memberIds[0]", ["nobody"]), ("memberIds[1]", [str(uuid.uuid4()), 1]),
    ("memberIds", [str(uuid.uuid4())]), ("encryptionMetadata", "none")])
def test_what_cannot_be_a_group_is_refused(alice, field, value):
    refused(alice.post("/groups", {"name": "refused", field.partition("[")[0]: value}, 400), field)
    assert alice.get("/groups", page=1, pageSize=1)["total"] == 0


def test_a_closed_account_joins_nothing(farm, alice, bob):
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", bob.id)
    refused(founded(alice, bob, expect=400), "memberIds")


# ---- 1,024 --------------------------------------------------------------------------------------


def test_a_group_holds_1024_members_and_not_one_more(farm, alice, bob):
    many = crowd(farm, 1024)
    refused(alice.post("/groups", {"name": "too many", "memberIds": many}, 400), "memberIds")
    refused(alice.post("/groups", {"name": "too many", "memberIds": [*many, bob.id]}, 400), "memberIds")
    assert alice.get("/groups", page=1, pageSize=1)["total"] == 0
    made = alice.post("/groups", {"name": "full", "memberIds": many[:1023]}, 201)
    path = f"/groups/{made['id']}/members"
    assert made["memberCount"] == 1024 and alice.get(path, page=11, pageSize=100)["total"] == 1024
    assert len(alice.get(path, page=11, pageSize=100)["items"]) == 24
    refused(alice.post(path, {"memberIds": [bob.id]}, 400), "memberIds")
    assert alice.post(path, {"memberIds": many[:3]}, 201)["addedCount"] == 0
    alice.delete(f"{path}/{many[0]}")
    assert alice.post(path, {"memberIds": [bob.id]}, 201)["addedCount"] == 1
    assert post(bob, made["id"])["seq"] == 1


def test_the_last_places_are_given_out_once(farm, alice):
    many = crowd(farm, 1031)
    group = alice.post("/groups", {"name": "nearly full", "memberIds": many[:1019]}, 201)["id"]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: alice.request(
            "POST", f"/groups/{group}/members", {"memberIds": [one]}, keep=False).status, many[1019:]))
    assert sorted(answers) == [201] * 4 + [400] * 8
    assert alice.get(f"/groups/{group}")["memberCount"] == 1024
    assert alice.get(f"/groups/{group}/members", page=1, pageSize=1)["total"] == 1024


# ---- looking ------------------------------------------------------------------------------------


def test_groups_come_in_pages_the_newest_first(alice, bob):
    made = [founded(alice, bob)["id"] for _ in range(5)][::-1]
    pages = [bob.get("/groups", page=page, pageSize=2) for page in (1, 2, 3, 4)]
    assert [[item["id"] for item in page["items"]] for page in pages] == [made[:2], made[2:4], made[4:], []]
    assert {page["total"] for page in pages} == {5} and pages[1]["page"] == 2 and pages[1]["pageSize"] == 2


def test_members_come_in_pages_those_with_a_role_first(alice, bob, carol, group):
    set_roles(alice, group, admin=carol)
    pages = [bob.get(f"/groups/{group}/members", page=page, pageSize=1) for page in (1, 2, 3, 9)]
    assert [item["memberId"] for page in pages for item in page["items"]] == [alice.id, carol.id, bob.id]
    assert {page["total"] for page in pages} == {3}


@pytest.mark.parametrize("page, size, field", [(0, 1, "page"), ("x", 1, "page"), (1, 0, "pageSize"), (1, 101, "pageSize")])
def test_pages_must_make_sense(alice, group, page, size, field):
    for path in ("/groups", f"/groups/{group}/members"):
        refused(alice.get(path, 400, page=page, pageSize=size), field)
        refused(alice.get(path, 400, pageSize=1), "page")
        refused(alice.get(path, 400, page=1), "pageSize")


def test_members_have_the_name_the_reader_knows_them_by(farm, alice, bob, carol, group):
    farm.sql("UPDATE account SET display_name = 'Bob himself' WHERE id = %s", bob.id)
    alice.post("/contacts", {"identifierType": "userId", "identifierValue": bob.id, "displayName": "Bobby"})
    def name(reader):
        items = reader.get(f"/groups/{group}/members", page=1, pageSize=9)["items"]
        return next(item["displayName"] for item in items if item["memberId"] == bob.id)
    assert name(alice) == "Bobby" and name(carol) == "Bob himself"


def test_to_strangers_a_group_does_not_exist(account, group):
    stranger = account()
    for group in (group, str(uuid.uuid4())):
        stranger.get(f"/groups/{group}", 404)
        stranger.get(f"/groups/{group}/members", 404, page=1, pageSize=5)
        stranger.delete(f"/groups/{group}/members/me", expect=404)


def test_strangers_change_nothing(account, alice, bob, group):
    stranger, path = account(), f"/groups/{group}"
    def attempts(path, status):
        stranger.put(path, {"name": "mine"}, status)
        stranger.put(f"{path}/roles", {"roles": [{"memberId": stranger.id, "role": "admin"}]}, status)
        stranger.put(f"{path}/owner", {"newOwnerId": stranger.id}, status)
        stranger.post(f"{path}/members", {"memberIds": [stranger.id]}, status)
        stranger.delete(f"{path}/members/{bob.id}", expect=status)
        stranger.delete(path, expect=status)
    before = alice.get(path), roles(alice, group)
    attempts(path, 403)
    attempts(f"/groups/{uuid.uuid4()}", 404)
    assert before == (alice.get(path), roles(alice, group))


def test_a_direct_conversation_is_no_group(alice, bob):
    conversation = alice.say(bob)["conversationId"]
    alice.get(f"/groups/{conversation}", 404)
    alice.get(f"/groups/{conversation}/members", 404, page=1, pageSize=5)
    alice.post(f"/groups/{conversation}/members", {"memberIds": [bob.id]}, 404)
    alice.delete(f"/groups/{conversation}", expect=404)
    assert alice.get("/groups", page=1, pageSize=5)["total"] == 0


# ---- changing -----------------------------------------------------------------------------------


def test_a_change_reaches_all_members(alice, bob, carol, group):
    set_roles(alice, group, admin=bob)
    with alice.listen() as live, carol.listen() as other:
        changed = bob.put(f"/groups/{group}", {"name": "Jackdaws", "description": "small"}, 200)
        assert live.wait_for("group.updated", groupId=group, by=bob.id)["name"] == "Jackdaws"
        other.wait_for("group.updated", groupId=group)
    assert changed["name"] == "Jackdaws" and changed["description"] == "small" and changed["role"] == "admin"
    assert carol.get(f"/groups/{group}") == {**changed, "role": "member"}
    assert bob.put(f"/groups/{group}", {"description": ""}, 200)["description"] == ""
    assert alice.get(f"/groups/{group}")["name"] == "Jackdaws"


@pytest.mark.parametrize("body, field", [
    ({}, None), ({"name": " "}, "name"), ({"settings": []}, "settings"), ({"settings": {}}, "settings"),
    ({"settings": {"memberPostingPolicy": "some"}}, "settings.memberPostingPolicy"),
    ({"settings": {"invitePolicy": 1}}, "settings.invitePolicy"), ({"settings": {"maxMembers": 0}}, "settings.maxMembers"),
    ({"settings": {"maxMembers": 1025}}, "settings.maxMembers"), ({"settings": {"colour": "black"}}, "settings.colour"),
    ({"name": "ok", "settings": {"maxMembers": 2}}, "maxMembers")])
def test_a_change_that_makes_no_sense_is_refused_whole(alice, group, body, field):
    before = alice.get(f"/groups/{group}")
    refused(alice.put(f"/groups/{group}", body, 400), field)
    assert alice.get(f"/groups/{group}") == before


def test_only_admins_post_where_the_group_says_so(alice, bob, carol, group):
    set_roles(alice, group, admin=bob)
    alice.put(f"/groups/{group}", {"settings": {"memberPostingPolicy": "adminsOnly"}}, 200)
    post(carol, group, 403)
    carol.post(f"/group-chats/{group}/messages", {"ciphertext": CIPHER}, 403)
    sent = [post(alice, group)["messageId"], post(bob, group)["messageId"]]
    assert history(carol, group) == sent[::-1]
    set_roles(alice, group, member=bob)
    post(bob, group, 403)
    changed = alice.put(f"/groups/{group}", {"settings": {"memberPostingPolicy": "all"}}, 200)
    assert changed["settings"]["memberPostingPolicy"] == "all"
    post(carol, group)


def test_members_invite_where_the_group_says_so(account, alice, bob, carol, group):
    first, second = account(), account()
    bob.post(f"/groups/{group}/members", {"memberIds": [first.id]}, 403)
    alice.put(f"/groups/{group}", {"settings": {"invitePolicy": "all"}}, 200)
    assert bob.post(f"/groups/{group}/members", {"memberIds": [first.id]}, 201)["addedCount"] == 1
    alice.put(f"/groups/{group}", {"settings": {"invitePolicy": "adminsOnly"}}, 200)
    bob.post(f"/groups/{group}/members", {"memberIds": [second.id]}, 403)
    set_roles(alice, group, admin=bob)
    bob.post(f"/groups/{group}/members", {"memberIds": [second.id]}, 201)


def test_a_group_may_be_smaller(account, alice, group):
    assert alice.put(f"/groups/{group}", {"settings": {"maxMembers": 4}}, 200)["settings"]["maxMembers"] == 4
    first, second = account(), account()
    refused(alice.post(f"/groups/{group}/members", {"memberIds": [first.id, second.id]}, 400), "memberIds")
    assert alice.get(f"/groups/{group}")["memberCount"] == 3
    alice.post(f"/groups/{group}/members", {"memberIds": [first.id]}, 201)
    refused(alice.post(f"/groups/{group}/members", {"memberIds": [second.id]}, 400), "memberIds")
    first.get(f"/groups/{group}")
    second.get(f"/groups/{group}", 404)


# ---- coming and going ---------------------------------------------------------------------------


def test_who_is_added_has_what_comes_after(account, alice, bob, group):
    late, before = account(), post(bob, group)["messageId"]
    with late.listen() as live, bob.listen() as other:
        answer = alice.post(f"/groups/{group}/members", {"memberIds": [late.id, bob.id]}, 201)
        assert answer == {"groupId": group, "addedCount": 1, "memberIds": [late.id]}
        for socket in (live, other):
            told = socket.wait_for("member.added", groupId=group, by=alice.id)
            assert told["memberIds"] == [late.id] and told["memberCount"] == 4
        after = post(bob, group)["messageId"]
        live.wait_for("message.new", messageId=after)
    assert history(late, group) == [after] and history(bob, group) == [after, before]
    assert [item["queueId"] for item in late.get("/queues", page=1, pageSize=9)["items"]] == [after]
    assert post(late, group)["seq"] == 3


def test_who_is_removed_has_nothing_that_comes_after(alice, bob, carol, group):
    before = post(alice, group)["messageId"]
    with bob.listen() as live, carol.listen() as other:
        assert alice.delete(f"/groups/{group}/members/{bob.id}") == {"groupId": group, "memberId": bob.id, "removed": True}
        for socket in (live, other):
            assert socket.wait_for("member.removed", groupId=group, memberId=bob.id, by=alice.id)["memberCount"] == 2
        after = post(carol, group)["messageId"]
        other.never("message.new", messageId=after)  # her own
        live.never("message.new", messageId=after)
    post(bob, group, 403)
    bob.get(f"/groups/{group}", 404)
    bob.get(f"/groups/{group}/members", 404, page=1, pageSize=5)
    history(bob, group, 403)
    assert bob.get("/groups", page=1, pageSize=5)["total"] == 0
    assert [item["queueId"] for item in bob.get("/queues", page=1, pageSize=9)["items"]] == [before]
    bob.post(f"/messages/{after}/reactions", {"emoji": "\U0001F44D"}, 404)
    alice.delete(f"/groups/{group}/members/{bob.id}", expect=404)
    assert roles(alice, group).keys() == {alice.id, carol.id}


def test_who_comes_back_misses_the_time_between(alice, bob, group):
    first = post(alice, group)["messageId"]
    alice.delete(f"/groups/{group}/members/{bob.id}")
    missed = post(alice, group)["messageId"]
    alice.post(f"/groups/{group}/members", {"memberIds": [bob.id]}, 201)
    last = post(alice, group)["messageId"]
    assert history(bob, group) == [last, first] and history(alice, group) == [last, missed, first]
    assert roles(bob, group)[bob.id] == "member"


def test_who_leaves_is_out_and_the_others_know(alice, bob, carol, group):
    with alice.listen() as live:
        answer = bob.delete(f"/groups/{group}/members/me")
        told = live.wait_for("member.left", groupId=group, memberId=bob.id)
        assert told["memberCount"] == 2 and told["silent"] is False
    assert answer["groupId"] == group and answer["memberId"] == bob.id and answer["notificationSent"] is True
    post(bob, group, 403)
    bob.delete(f"/groups/{group}/members/me", expect=409)
    assert roles(carol, group).keys() == {alice.id, carol.id}


def test_who_leaves_silently_tells_only_their_own_devices(alice, bob, carol, group):
    tablet = add_device(bob)
    with alice.listen() as live, tablet.listen() as own:
        answer = bob.request("DELETE", f"/groups/{group}/members/me", query={"silent": "true"}).json
        own.wait_for("member.left", groupId=group, memberId=bob.id)
        live.never("member.left")
    assert answer["notificationSent"] is False
    with tablet.listen() as live:
        after = post(carol, group)["messageId"]
        live.never("message.new", messageId=after)
    assert alice.get(f"/groups/{group}")["memberCount"] == 2


def test_leaving_says_what_it_takes(alice, group):
    answer = alice.request("DELETE", f"/groups/{group}/members/me", query={"silent": "perhaps"})
    assert answer.status == 400 and refused(answer.json, "silent")
    alice.delete("/groups/this/members/me", expect=400)


def test_an_owner_hands_the_group_on_before_leaving(alice, bob, carol, group):
    alice.delete(f"/groups/{group}/members/me", expect=403)
    alice.put(f"/groups/{group}/owner", {"newOwnerId": bob.id}, 200)
    alice.delete(f"/groups/{group}/members/me")
    assert roles(carol, group) == {bob.id: "owner", carol.id: "member"}


def test_the_last_one_to_leave_takes_the_group_along(alice, bob):
    group = founded(alice, bob)["id"]
    bob.delete(f"/groups/{group}/members/me")
    assert alice.delete(f"/groups/{group}/members/me")["notificationSent"] is False
    alice.get(f"/groups/{group}", 404)
    alice.delete(f"/groups/{group}/members/me", expect=404)
    bob.delete(f"/groups/{group}/members/me", expect=404)


@pytest.mark.parametrize("body, field", [
    ({}, "memberIds"), ({"memberIds": []}, "memberIds"), ({"memberIds": ["x"]}, "memberIds[0]"),
    ({"memberIds": {}}, "memberIds"), ({"memberIds": [str(uuid.uuid4())]}, "memberIds"),
    ({"memberIds": [str(uuid.uuid4())] * 1025}, "memberIds")])
def test_members_to_add_are_looked_at(alice, group, body, field):
    refused(alice.post(f"/groups/{group}/members", body, 400), field)
    assert len(roles(alice, group)) == 3


# ---- roles --------------------------------------------------------------------------------------


def test_members_without_a_role_change_nothing(account, alice, bob, carol, group):
    path, before = f"/groups/{group}", roles(alice, group)
    bob.put(path, {"name": "mine"}, 403)
    bob.post(f"{path}/members", {"memberIds": [account().id]}, 403)
    bob.delete(f"{path}/members/{carol.id}", expect=403)
    bob.delete(f"{path}/members/{bob.id}", expect=403)  # that is what /members/me is for
    set_roles(bob, group, 403, admin=bob)
    bob.put(f"{path}/owner", {"newOwnerId": bob.id}, 403)
    bob.delete(path, expect=403)
    assert roles(alice, group) == before


def test_admins_run_the_group_but_do_not_own_it(account, alice, bob, carol, group):
    path, dora, emil = f"/groups/{group}", account(), account()
    assert set_roles(alice, group, admin=bob) == {"groupId": group, "updatedCount": 1}
    bob.put(path, {"description": "run by Bob"}, 200)
    assert bob.post(f"{path}/members", {"memberIds": [dora.id, emil.id]}, 201)["addedCount"] == 2
    bob.delete(f"{path}/members/{emil.id}")
    set_roles(bob, group, admin=carol)
    set_roles(bob, group, 403, member=carol)
    bob.delete(f"{path}/members/{carol.id}", expect=403)
    bob.delete(f"{path}/members/{alice.id}", expect=403)
    bob.delete(path, expect=403)
    bob.put(f"{path}/owner", {"newOwnerId": bob.id}, 403)
    assert roles(dora, group) == {alice.id: "owner", bob.id: "admin", carol.id: "admin", dora.id: "member"}
    set_roles(carol, group, member=carol)
    assert roles(dora, group)[carol.id] == "member"
    alice.delete(f"{path}/members/{bob.id}")
    assert bob.id not in roles(dora, group)


def test_a_role_is_told_and_ends_with_the_stay(alice, bob, carol, group):
    with bob.listen() as live, carol.listen() as other:
        set_roles(alice, group, admin=bob)
        for socket in (live, other):
            assert socket.wait_for("member.role", groupId=group, memberId=bob.id)["role"] == "admin"
        assert set_roles(alice, group, admin=bob)["updatedCount"] == 0
        other.never("member.role")
    bob.delete(f"/groups/{group}/members/me")
    alice.post(f"/groups/{group}/members", {"memberIds": [bob.id]}, 201)
    bob.put(f"/groups/{group}", {"name": "mine"}, 403)


def test_roles_are_set_all_or_none(account, alice, bob, carol, group):
    def attempt(*given):
        return refused(alice.put(f"/groups/{group}/roles", {"roles": [
            {"memberId": member, "role": role} for member, role in given]}, 400))
    before = roles(alice, group)
    attempt((bob.id, "admin"), (account().id, "admin"))
    attempt((bob.id, "admin"), (alice.id, "member"))
    refused(alice.put(f"/groups/{group}/roles", {"roles": [{"memberId": bob.id, "role": "owner"}]}, 400), "roles[0].role")
    refused(alice.put(f"/groups/{group}/roles", {"roles": [{"memberId": bob.id}]}, 400), "roles[0].role")
    refused(alice.put(f"/groups/{group}/roles", {"roles": [{"role": "admin"}]}, 400), "roles[0].memberId")
    refused(alice.put(f"/groups/{group}/roles", {"roles": []}, 400), "roles")
    refused(alice.put(f"/groups/{group}/roles", {}, 400), "roles")
    assert roles(alice, group) == before
    assert set_roles(alice, group, admin=bob)["updatedCount"] == 1


def test_a_group_has_one_owner(account, alice, bob, carol, group):
    path = f"/groups/{group}/owner"
    with carol.listen() as live:
        assert alice.put(path, {"newOwnerId": bob.id}, 200) == {"groupId": group, "ownerId": bob.id}
        assert live.wait_for("group.owner", groupId=group, ownerId=bob.id)["previousOwnerId"] == alice.id
    assert roles(carol, group) == {alice.id: "admin", bob.id: "owner", carol.id: "member"}
    assert carol.get(f"/groups/{group}")["ownerId"] == bob.id
    alice.put(path, {"newOwnerId": alice.id}, 403)
    alice.delete(f"/groups/{group}", expect=403)
    refused(bob.put(path, {"newOwnerId": account().id}, 400), "newOwnerId")
    refused(bob.put(path, {"newOwnerId": "x"}, 400), "newOwnerId")
    refused(bob.put(path, {}, 400), "newOwnerId")
    bob.put(path, {"newOwnerId": bob.id}, 200)
    assert roles(carol, group)[bob.id] == "owner"
    bob.delete(f"/groups/{group}")


def test_a_group_does_not_pass_to_the_owner_of_its_name(alice, bob):
    founded(bob, name="Magpies")
    group = founded(alice, bob, name="magpies")["id"]
    refused(alice.put(f"/groups/{group}/owner", {"newOwnerId": bob.id}, 409), "newOwnerId")
    assert roles(bob, group) == {alice.id: "owner", bob.id: "member"}


# ---- the end ------------------------------------------------------------------------------------


def test_a_deleted_group_is_gone_with_its_messages(alice, bob, carol, group):
    sent = post(bob, group)["messageId"]
    with bob.listen() as live:
        assert alice.delete(f"/groups/{group}") == {"id": group, "deleted": True}
        assert live.wait_for("group.deleted", groupId=group)["by"] == alice.id
    for member in (alice, bob, carol):
        member.get(f"/groups/{group}", 404)
        member.get(f"/groups/{group}/members", 404, page=1, pageSize=5)
        post(member, group, 404)
        history(member, group, 404)
        member.post(f"/messages/{sent}/reactions", {"emoji": "\U0001F44D"}, 404)
        assert member.get("/groups", page=1, pageSize=5)["total"] == 0
        assert member.get("/queues", page=1, pageSize=5)["items"] == []
    alice.put(f"/groups/{group}", {"name": "back"}, 404)
    alice.delete(f"/groups/{group}", expect=404)
    alice.post(f"/groups/{group}/members", {"memberIds": [bob.id]}, 404)
