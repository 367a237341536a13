"""Surface sentinal: conversations of two, groups, roles, and what each makes of a conversation for itself."""
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from lib.people import Account
from lib.sentinal import User, named
from lib.signup import settings

NOTHING = {"role": "member", "is_muted": False, "muted_until": None, "is_pinned": False, "is_archived": False}


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


@pytest.fixture
def cleo(user):
    return user()


@pytest.fixture
def team(ann, ben, cleo):
    """Ann's group, with Ben and Cleo."""
    return ann.group(ben, cleo, subject="Team Chat")


def here(account):
    """Somebody of the surface whatsapp as this surface knows them."""
    return User(account.farm, {"access_token": account.token, "user_id": account.id, "device_id": account.device,
                               "session_id": account.session, "refresh_token": account.refresh}, None, None)


def there(user):
    """And the other way round."""
    return Account(user.farm, {"accessToken": user.token, "userId": user.id})


def ids(user, **query):
    return [item["id"] for item in user.get("/conversations", **query)["conversations"]]


def shown(user, conversation):
    return user.get(f"/conversations/{conversation}")


def roles(user, conversation):
    return {p["user_id"]: p["role"] for p in user.get(f"/conversations/{conversation}/participants")["participants"]}


def role(actor, conversation, member, value, expect=200):
    return actor.put(f"/conversations/{conversation}/participants/{member.id}/role", {"role": value}, expect)


def add(actor, conversation, member, expect=201, **more):
    return actor.post(f"/conversations/{conversation}/participants", {"user_id": member.id, **more}, expect)


def remove(actor, conversation, member, expect=200):
    return actor.delete(f"/conversations/{conversation}/participants/{member.id}", expect=expect)


def history(user, conversation):
    page = there(user).get(f"/conversations/{conversation}/messages", page=1, pageSize=100)
    return [item["messageId"] for item in page["items"]]


def make_dm(user, other, expect=None, **more):
    return user.post("/conversations", {"type": "DM", "participants": [other.id], **more}, expect)


# ---- conversations of two -------------------------------------------------------------------------


def test_a_dm_is_there_once(ann, ben):
    made = make_dm(ann, ben, 201)
    assert made == {**made, **NOTHING, "type": "DM", "subject": None, "creator_id": ann.id, "participant_count": 2,
                    "invite_link": None, "last_message_at": None}
    assert made["partner"] == {"user_id": ben.id, "username": ben.names["username"],
                               "display_name": ben.names["display_name"]}
    assert make_dm(ann, ben, 200) == made
    theirs = make_dm(ben, ann, 200)
    assert theirs["id"] == made["id"] and theirs["creator_id"] == ann.id and theirs["partner"]["user_id"] == ann.id
    assert roles(ben, made["id"]) == {ann.id: "member", ben.id: "member"}


def test_two_who_open_it_at_once_get_the_same_one(user):
    for _ in range(5):
        one, two = user(), user()
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda n: (one, two)[n % 2].request("POST", "/conversations", {
                "type": "DM", "participants": [(two, one)[n % 2].id]}), range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 7 + [201]
        assert len({reply.json["data"]["id"] for reply in replies}) == 1


def test_a_dm_without_messages_is_on_the_list_of_who_opened_it(ann, ben):
    dm = ann.direct(ben)
    assert ids(ann) == [dm] and ids(ben) == []
    assert shown(ben, dm)["id"] == dm
    ben.direct(ann)
    assert ids(ben) == [dm]
    other = ben.direct(here(there(ann)))
    assert other == dm


def test_a_dm_that_a_failed_send_opened_is_on_nobody_elses_list(ann, ben, alice):
    alice.publish_keys()
    made = ann.post("/broadcasts", {"name": "news"})["id"]
    ann.post(f"/broadcasts/{made}/recipients", {"user_id": alice.id})
    answer = ann.post(f"/broadcasts/{made}/messages", {"recipients": [{"user_id": alice.id, "ciphertexts": [
        {"recipient_device_id": "none", "ciphertext": "eA=="}]}]})
    assert answer["results"][0]["status"] == "devices"
    assert ids(here(alice)) == []


def test_the_first_message_puts_it_on_the_list_of_the_other(ann, ben):
    dm = ann.direct(ben)
    assert there(ann).say(ben)["conversationId"] == dm
    assert ids(ben) == [dm]


@pytest.mark.parametrize("participants", [[], ["me"], ["me", "me"], ["ben", "cleo"]])
def test_a_dm_has_exactly_one_other(ann, ben, cleo, participants):
    people = {"me": ann.id, "ben": ben.id, "cleo": cleo.id}
    body = {"type": "DM", "participants": [people[p] for p in participants]}
    named(ann.post("/conversations", body, 422), "participants")
    assert ids(ann) == []


def test_a_dm_names_the_other_alone_or_beside_oneself(ann, ben):
    dm = ann.post("/conversations", {"type": "DM", "participants": [ann.id, ben.id.upper(), ben.id]}, 201)
    assert dm["partner"]["user_id"] == ben.id
    named(ann.post("/conversations", {"type": "DM"}, 422), "participants")


def test_a_dm_has_no_subject(ann, ben):
    named(make_dm(ann, ben, 422, subject="us"), "subject")
    named(make_dm(ann, ben, 422, description="us"), "description")
    make_dm(ann, ben, 201, subject=None, description="")


def test_nobody_is_not_somebody(farm, ann, ben):
    error = ann.post("/conversations", {"type": "DM", "participants": [str(uuid.uuid4())]}, 422)
    assert named(error, "participants")["code"] == "VALIDATION_ERROR"
    dm = ann.direct(ben)
    farm.sql("UPDATE account SET deleted_at = now() WHERE id = %s", ben.id)
    named(make_dm(ann, ben, 422), "participants")
    assert shown(ann, dm)["id"] == dm


def test_a_block_closes_a_dm_and_opens_none(ann, ben, cleo):
    dm = ann.direct(ben)
    there(ben).post(f"/users/{ben.id}/blocks", {"contactId": ann.id})
    there(cleo).post(f"/users/{cleo.id}/blocks", {"contactId": ann.id})
    make_dm(ann, ben, 403)
    make_dm(ann, cleo, 403)
    there(ann).say(ben, expect=403)
    assert ids(ann) == [dm], "what was there stays"
    there(ben).delete(f"/users/{ben.id}/blocks/{ann.id}")
    make_dm(ann, ben, 200)


def test_a_dm_has_nothing_that_groups_have(ann, ben, cleo):
    dm = ann.direct(ben)
    ann.put(f"/conversations/{dm}", {"subject": "us"}, 403)
    add(ann, dm, cleo, 403)
    remove(ann, dm, ben, 403)
    role(ann, dm, ben, "admin", 403)


def test_the_dm_between_two(ann, ben, cleo):
    def between(caller, one, two, expect=200):
        return caller.get("/conversations/direct", expect, user_id_1=one.id, user_id_2=two.id)
    between(ann, ann, ben, 404)
    dm = ann.direct(ben)
    assert between(ann, ann, ben)["id"] == between(ann, ben, ann)["id"] == between(ben, ann, ben)["id"] == dm
    assert between(ben, ann, ben)["partner"]["user_id"] == ann.id
    named(between(cleo, ann, ben, 403), "user_id_1")
    named(between(ann, ann, ann, 422), "user_id_2")
    named(ann.get("/conversations/direct", 422, user_id_1=ann.id), "user_id_2")


# ---- groups ---------------------------------------------------------------------------------------


def test_a_group_is_shown_to_its_participants(ann, ben, cleo):
    made = ann.post("/conversations", {"type": "GROUP", "subject": "Team Chat", "description": "for the team",
                                       "participants": [ben.id, ben.id, ann.id]}, 201)
    assert made == {**made, **NOTHING, "type": "GROUP", "subject": "Team Chat", "description": "for the team", "role": "owner",
                    "creator_id": ann.id, "participant_count": 2, "partner": None, "avatar_url": None}
    assert shown(ann, made["id"]) == made
    assert shown(ben, made["id"]) == {**made, "role": "member"}
    assert ben.get("/conversations") == {"conversations": [{**made, "role": "member"}], "total": 1, "page": 1, "limit": 20}
    cleo.get(f"/conversations/{made['id']}", 404)
    assert ids(cleo) == []


def test_a_subject_may_repeat(ann):
    assert ann.group(subject="Crows") != ann.group(subject="Crows")


@pytest.mark.parametrize("field, value", [("subject", None), ("subject", " "), ("subject", "s" * 101), ("type", "CHANNEL"),
                                          ("description", "d" * 2001), ("participants", [str(uuid.uuid4())])])
def test_what_cannot_be_a_group_is_refused(ann, field, value):
    named(ann.post("/conversations", {"type": "GROUP", "subject": "refused", field: value}, 422), field)
    assert ids(ann) == []


def test_whoever_blocked_you_is_not_brought_in(ann, ben, cleo):
    there(ben).post(f"/users/{ben.id}/blocks", {"contactId": ann.id})
    ann.post("/conversations", {"type": "GROUP", "subject": "all", "participants": [ben.id, cleo.id]}, 403)
    add(ann, ann.group(cleo), ben, 403)
    assert ids(cleo) == ids(ann, archived="all")


def test_participants_are_listed_with_owner_and_admins_first(ann, ben, cleo, alice, team):
    add(ann, team, alice, role="admin")
    people = ben.get(f"/conversations/{team}/participants")["participants"]
    assert [p["user_id"] for p in people][:2] == [ann.id, alice.id]
    assert {p["username"] for p in people} == {ann.names["username"], ben.names["username"], cleo.names["username"], None}
    assert all(p["joined_at"] for p in people)


def test_owner_and_admins_change_a_group(ann, ben, cleo, team):
    ben.put(f"/conversations/{team}", {"subject": "Ours"}, 403)
    role(ann, team, ben, "admin")
    changed = ben.put(f"/conversations/{team}", {"subject": "Ours", "avatar_url": "https://example.org/a.png"})
    assert (changed["subject"], changed["avatar_url"], changed["role"]) == ("Ours", "https://example.org/a.png", "admin")
    changed = ben.put(f"/conversations/{team}", {"description": "new"})
    assert (changed["subject"], changed["description"], changed["avatar_url"]) == (
        "Ours", "new", "https://example.org/a.png")
    changed = ann.put(f"/conversations/{team}", {"description": "", "avatar_url": ""})
    assert changed["description"] is None and changed["avatar_url"] is None and shown(cleo, team)["subject"] == "Ours"


@pytest.mark.parametrize("field, value", [("subject", ""), ("subject", "\t"), ("avatar_url", "javascript:alert(1)"),
                                          ("avatar_url", "https://a b"), ("description", 7)])
def test_a_bad_change_is_refused(ann, team, field, value):
    named(ann.put(f"/conversations/{team}", {field: value}, 422), field)
    ann.put(f"/conversations/{team}", {}, 422)
    assert shown(ann, team)["subject"] == "Team Chat"


def test_members_are_told_of_changes(ann, ben, team):
    with there(ben).listen() as live:
        ann.put(f"/conversations/{team}", {"avatar_url": "https://example.org/b.png"})
        assert live.wait_for("group.updated", groupId=team)["avatarUrl"] == "https://example.org/b.png"


# ---- who is in ------------------------------------------------------------------------------------


def test_owner_and_admins_add_people(ann, ben, cleo, user, team):
    dan, eve, fay = user(), user(), user()
    add(cleo, team, dan, 403)
    added = add(ann, team, dan)
    assert added["user_id"] == dan.id and added["role"] == "member" and added["username"] == dan.names["username"]
    assert add(ann, team, eve, role="admin")["role"] == "admin"
    assert add(eve, team, fay, role="admin")["role"] == "admin"
    named(add(ann, team, dan, 409), "user_id")
    named(add(ann, team, user(), 422, role="owner"), "role")
    named(add(ann, team, ann, 409), "user_id")
    named(ann.post(f"/conversations/{team}/participants", {"user_id": str(uuid.uuid4())}, 422), "user_id")
    assert roles(ben, team) == {ann.id: "owner", ben.id: "member", cleo.id: "member", dan.id: "member", eve.id: "admin",
                                fay.id: "admin"}
    assert shown(ben, team)["participant_count"] == 6


def test_a_member_brings_people_in_where_the_group_lets_them_but_no_admins(ann, ben, user, team):
    there(ann).put(f"/groups/{team}", {"settings": {"invitePolicy": "all"}})
    dan = user()
    add(ben, team, dan, 403, role="admin")
    assert dan.id not in roles(ben, team)
    add(ben, team, dan)


def test_a_group_has_room_for_so_many(farm, ann, ben, user, team):
    there(ann).put(f"/groups/{team}", {"settings": {"maxMembers": 3}})
    named(add(ann, team, user(), 422), "user_id")
    remove(ann, team, ben)
    add(ann, team, user())


def test_the_farm_has_a_limit_of_its_own(farm, ann, ben, cleo, user):
    with settings(farm, "sentinal-conversations", **{"group.max": "3"}):
        body = {"type": "GROUP", "subject": "small", "participants": [ben.id, cleo.id, user().id]}
        named(ann.post("/conversations", body, 422), "participants")
        group = ann.group(ben)
        link = link_of(ann, group)
        add(ann, group, cleo)
        named(add(ann, group, user(), 422), "user_id")
        join(user(), link, 409)
        assert len(roles(ann, group)) == 3


def test_a_stranger_changes_nothing(ann, ben, cleo, user, team):
    dan, dm = user(), ann.direct(ben)
    for conversation in (team, dm, str(uuid.uuid4()), "team"):
        path = f"/conversations/{conversation}"
        dan.get(path, 404)
        dan.put(path, {"subject": "mine"}, 404)
        dan.delete(path, expect=404)
        dan.get(f"{path}/participants", 404)
        add(dan, conversation, dan, 404)
        remove(dan, conversation, ben, 404)
        remove(dan, conversation, dan, 404)
        role(dan, conversation, ben, "admin", 404)
        link_of(dan, conversation, 404)
    assert roles(ann, team) == {ann.id: "owner", ben.id: "member", cleo.id: "member"}
    assert shown(ann, team)["subject"] == "Team Chat" and ids(dan, archived="all") == []


def test_people_see_what_comes_after_them(ann, ben, user, team):
    there(ann).post(f"/conversations/{team}/messages", {"ciphertext": "eA==", "clientMessageId": "1"})
    dan = user()
    add(ann, team, dan)
    assert shown(dan, team)["last_message_at"] is None and shown(ben, team)["last_message_at"]
    assert history(dan, team) == [] and len(history(ben, team)) == 1


def test_who_removes_whom(ann, ben, cleo, user, team):
    dan = user()
    add(ann, team, dan, role="admin")
    role(ann, team, ben, "admin")
    remove(cleo, team, dan, 403)
    remove(dan, team, ben, 403)
    remove(dan, team, ann, 403)
    with there(cleo).listen() as live:
        remove(dan, team, cleo)
        live.wait_for("member.removed", groupId=team, memberId=cleo.id)
    remove(dan, team, cleo, 404)
    remove(ann, team, ben)
    cleo.get(f"/conversations/{team}", 404)
    cleo.get(f"/conversations/{team}/participants", 404)
    assert ids(cleo) == [] and roles(ann, team) == {ann.id: "owner", dan.id: "admin"}


def test_removing_oneself_is_leaving(ann, ben, cleo, team):
    remove(cleo, team, cleo)
    assert ids(cleo) == [] and roles(ann, team) == {ann.id: "owner", ben.id: "member"}
    remove(ann, team, ann, 403)
    remove(ben, team, ben)
    remove(ann, team, ann)
    ann.get(f"/conversations/{team}", 404)


def test_roles(ann, ben, cleo, user, team):
    role(ben, team, cleo, "admin", 403)
    assert role(ann, team, ben, "admin") == {**role(ann, team, ben, "admin"), "user_id": ben.id, "role": "admin"}
    role(ben, team, cleo, "admin")
    role(ben, team, cleo, "member", 403)
    role(cleo, team, cleo, "member")
    role(ann, team, ben, "member")
    assert roles(cleo, team) == {ann.id: "owner", ben.id: "member", cleo.id: "member"}
    named(role(ann, team, ann, "member", 422), "role")
    role(ann, team, user(), "admin", 404)
    named(role(ann, team, ben, "king", 422), "role")


def test_handing_a_group_over(ann, ben, cleo, team):
    role(ben, team, ben, "owner", 403)
    role(ann, team, ann, "owner")
    with there(cleo).listen() as live:
        assert role(ann, team, ben, "owner")["role"] == "owner"
        live.wait_for("group.owner", groupId=team, ownerId=ben.id)
    assert roles(cleo, team) == {ann.id: "admin", ben.id: "owner", cleo.id: "member"}
    assert shown(ben, team)["creator_id"] == ann.id, "who founded it stays who founded it"
    role(ann, team, cleo, "owner", 403)
    remove(ann, team, ann)


# ---- links ----------------------------------------------------------------------------------------


def link_of(user, conversation, expect=200):
    answer = user.post(f"/conversations/{conversation}/invite", expect=expect)
    return answer["invite_link"] if expect == 200 else answer


def join(user, link, expect=201):
    return user.post("/conversations/join", {"link": link}, expect)


def face(user, link, expect=200):
    return user.get("/conversations/invite", expect, link=link)


def test_a_link_brings_people_in(farm, ann, ben, cleo, user):
    group = ann.post("/conversations", {"type": "GROUP", "subject": "Open house", "description": "come in",
                                        "participants": [ben.id, cleo.id]}, 201)
    link, dan = link_of(ann, group["id"]), user()
    assert link.startswith(farm.settings["invite.link"]) and len(link) >= len(farm.settings["invite.link"]) + 22
    there(ann).post(f"/conversations/{group['id']}/messages", {"ciphertext": "eA==", "clientMessageId": "1"})
    for way in (link, link.rsplit("/")[-1], link + "/", link + "?from=mail#top"):
        assert face(dan, way) == {"id": group["id"], "type": "GROUP", "subject": "Open house", "description": "come in",
                                  "avatar_url": None, "participant_count": 3, "created_at": group["created_at"],
                                  "is_participant": False}
    with there(ben).listen() as live:
        mine = join(dan, link)
        told = live.wait_for("member.added", groupId=group["id"])
        assert told["memberIds"] == [dan.id] and told["memberCount"] == 4 and told["via"] == "link"
    assert (mine["id"], mine["role"], mine["participant_count"], mine["last_message_at"]) == (group["id"], "member", 4, None)
    assert history(dan, group["id"]) == [] and ids(dan) == [group["id"]] and roles(ben, group["id"])[dan.id] == "member"
    assert join(dan, link, 200)["participant_count"] == 4 and face(dan, link)["is_participant"]


def test_owner_and_admins_make_links_and_a_new_one_voids_the_old(ann, ben, cleo, user, team):
    link_of(ben, team, 403)
    old = link_of(ann, team)
    role(ann, team, ben, "admin")
    with there(cleo).listen() as live:
        new = link_of(ben, team)
        told = live.wait_for("group.invite", groupId=team)
        assert told["by"] == ben.id and new.rsplit("/")[-1] not in str(told)
    assert new != old
    dan = user()
    named(face(dan, old, 404), "link")
    named(join(dan, old, 404), "link")
    join(dan, new)
    link_of(user(), team, 404)
    link_of(ann, ann.direct(ben), 403)


def test_a_link_is_shown_to_those_who_may_add_people(ann, ben, team):
    assert shown(ann, team)["invite_link"] is None
    link = link_of(ann, team)
    assert shown(ann, team)["invite_link"] == link and shown(ben, team)["invite_link"] is None
    there(ann).put(f"/groups/{team}", {"settings": {"invitePolicy": "all"}})
    assert shown(ben, team)["invite_link"] == link


def test_whoever_was_removed_does_not_come_back_by_a_link(ann, ben, cleo, team):
    link = link_of(ann, team)
    remove(ann, team, ben)
    join(ben, link, 403)
    join(ben, link_of(ann, team), 403)
    assert ben.id not in roles(ann, team)
    add(ann, team, ben)
    remove(ben, team, ben)
    join(ben, link_of(ann, team))
    remove(cleo, team, cleo)
    join(cleo, link_of(ann, team))


def test_a_removal_on_the_other_surface_counts_too(ann, alice):
    group = alice.group(ann)
    link = link_of(here(alice), group)
    alice.delete(f"/groups/{group}/members/{ann.id}")
    join(ann, link, 403)


def test_a_full_group_takes_nobody_in(ann, user, team):
    link = link_of(ann, team)
    there(ann).put(f"/groups/{team}", {"settings": {"maxMembers": 3}})
    join(user(), link, 409)
    there(ann).put(f"/groups/{team}", {"settings": {"maxMembers": 4}})
    crowd = [user() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda one: one.request("POST", "/conversations/join", {"link": link}).status, crowd))
    assert sorted(statuses) == [201] + [409] * 5
    assert len(roles(ann, team)) == shown(ann, team)["participant_count"] == 4


def test_whom_the_owner_blocked_does_not_come_in(ann, ben, user, team):
    dan, link = user(), link_of(ann, team)
    there(ann).post(f"/users/{ann.id}/blocks", {"contactId": dan.id})
    join(dan, link, 403)
    there(ann).delete(f"/users/{ann.id}/blocks/{dan.id}")
    join(dan, link)


@pytest.mark.parametrize("link", ["nowhere", "https://example.org/", "x y", "'; --"])
def test_other_links_lead_nowhere(ann, link):
    named(face(ann, link, 404), "link")
    named(join(ann, link, 404), "link")
    named(ann.post("/conversations/join", {}, 422), "link")
    named(ann.get("/conversations/invite", 422), "link")


def test_the_link_of_a_deleted_group_leads_nowhere(ann, ben, user, team):
    link = link_of(ann, team)
    ann.delete(f"/conversations/{team}")
    face(user(), link, 404)
    join(ben, link, 404)


def test_links_begin_as_the_setting_says(farm, ann, user, team):
    with settings(farm, "sentinal-conversations", **{"invite.link": "https://rookery.example/i/"}):
        link = link_of(ann, team)
        assert link.startswith("https://rookery.example/i/") and shown(ann, team)["invite_link"] == link
        join(user(), link)


# ---- what each makes of it --------------------------------------------------------------------------


def moment(**ahead):
    return (datetime.now(timezone.utc) + timedelta(**ahead)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_(user, conversation, what, expect=200, body=None):
    return user.post(f"/conversations/{conversation}/{what}", body, expect)


def test_muting_until_a_moment_or_for_ever(farm, ann, ben, team):
    def muted():
        return farm.sql("SELECT conversation_muted(%s, %s) AS m", ann.id, team)[0]["m"]
    until = moment(hours=1)
    own = set_(ann, team, "mute", body={"until": until})
    assert own == {"id": team, "is_muted": True, "muted_until": until, "is_pinned": False, "is_archived": False} and muted()
    assert set_(ann, team, "mute", body={"until": None}) == {**own, "muted_until": None} and muted()
    assert set_(ann, team, "mute")["is_muted"]
    assert shown(ann, team)["is_muted"] and not shown(ben, team)["is_muted"]
    named(set_(ann, team, "mute", 422, {"until": moment(seconds=-1)}), "until")
    named(set_(ann, team, "mute", 422, {"until": "tomorrow"}), "until")
    assert shown(ann, team)["muted_until"] is None and muted()
    assert set_(ann, team, "unmute") == {**own, "is_muted": False, "muted_until": None} and not muted()
    set_(ann, team, "unmute")


def test_muting_ends_by_itself(farm, ann, team):
    set_(ann, team, "mute", body={"until": moment(hours=1)})
    farm.sql("UPDATE conversation_setting SET muted_until = now() - interval '1 second' WHERE account_id = %s", ann.id)
    assert (shown(ann, team)["is_muted"], shown(ann, team)["muted_until"]) == (False, None)
    assert not farm.sql("SELECT conversation_muted(%s, %s) AS m", ann.id, team)[0]["m"]


def test_the_list_has_pinned_ones_first_then_the_newest(ann, ben, cleo, alice):
    first, second, third = ann.group(ben), ann.group(ben), ann.group(ben)
    assert ids(ann) == [third, second, first]
    set_(ann, first, "pin")
    assert ids(ann) == [first, third, second] and ids(ben) == [third, second, first]
    there(ben).post(f"/conversations/{second}/messages", {"ciphertext": "eA==", "clientMessageId": "1"})
    assert ids(ann) == [first, second, third] and ids(ben) == [second, third, first]
    assert set_(ann, first, "unpin")["is_pinned"] is False
    assert ids(ann) == [second, third, first]


def test_pages(ann):
    made = [ann.group() for _ in range(5)][::-1]
    page = ann.get("/conversations", page=2, limit=2)
    assert [c["id"] for c in page["conversations"]] == made[2:4] and (page["total"], page["page"], page["limit"]) == (5, 2, 2)
    assert ann.get("/conversations", page=9, limit=2) == {"conversations": [], "total": 5, "page": 9, "limit": 2}
    named(ann.get("/conversations", 422, limit=101), "limit")
    named(ann.get("/conversations", 422, page=0), "page")


def test_archived_ones_stay_aside_when_messages_come(ann, ben):
    aside, other = ann.group(ben), ann.group(ben)
    assert set_(ann, aside, "archive")["is_archived"]
    there(ben).post(f"/conversations/{aside}/messages", {"ciphertext": "eA==", "clientMessageId": "1"})
    assert ids(ann) == [other] and ids(ann, archived="true") == [aside] and ids(ann, archived="all") == [aside, other]
    assert ids(ben) == [aside, other]
    assert shown(ann, aside)["is_archived"]
    set_(ann, aside, "unarchive")
    assert ids(ann) == [aside, other]
    named(ann.get("/conversations", 422, archived="maybe"), "archived")


def test_own_devices_hear_of_it_and_nobody_else(farm, ann, ben, team):
    tablet = User.login(farm, ann)
    with there(tablet).listen() as own, there(ann).listen() as acting, there(ben).listen() as others:
        set_(ann, team, "mute")
        told = own.wait_for("conversation.settings", conversationId=team)
        assert (told["muted"], told["pinned"], told["archived"]) == (True, False, False) and "mutedUntil" not in told
        set_(ann, team, "pin")
        set_(ann, team, "pin")
        own.wait_for("conversation.settings", pinned=True)
        own.never("conversation.settings")
        acting.never("conversation.settings")
        others.never("conversation.settings")


@pytest.mark.parametrize("what", ["mute", "unmute", "pin", "unpin", "archive", "unarchive"])
def test_a_stranger_has_nothing_to_set(farm, cleo, ann, ben, what):
    set_(cleo, ann.group(ben), what, 404)
    set_(cleo, str(uuid.uuid4()), what, 404)
    assert farm.sql("SELECT 1 FROM conversation_setting WHERE account_id = %s", cleo.id) == []


def test_what_was_set_ends_with_the_stay(ann, ben, team):
    set_(ben, team, "pin")
    remove(ben, team, ben)
    add(ann, team, ben)
    assert not shown(ben, team)["is_pinned"]


# ---- deleting ---------------------------------------------------------------------------------------


def test_the_owner_deletes_a_group_for_all(farm, ann, ben, team):
    set_(ben, team, "pin")
    ann.put(f"/conversations/{team}", {"avatar_url": "https://example.org/a.png"})
    with there(ben).listen() as live:
        assert ann.delete(f"/conversations/{team}") is None
        live.wait_for("group.deleted", groupId=team)
    for one in (ann, ben):
        one.get(f"/conversations/{team}", 404)
        assert ids(one, archived="all") == []
    ann.delete(f"/conversations/{team}", expect=404)
    assert farm.sql("SELECT avatar_url FROM conversation_profile WHERE conversation_id = %s", team) == [{"avatar_url": None}]
    assert farm.sql("SELECT 1 FROM conversation_setting WHERE conversation_id = %s", team) == []


def test_a_dm_is_deleted_for_oneself_until_the_next_message(farm, ann, ben):
    dm = ann.direct(ben)
    first = [there(ann).say(ben)["messageId"], there(ben).say(ann)["messageId"]]
    set_(ann, dm, "mute")
    set_(ann, dm, "archive")
    tablet = User.login(farm, ann)
    with there(tablet).listen() as own, there(ben).listen() as other:
        ann.delete(f"/conversations/{dm}")
        assert own.wait_for("conversation.cleared", conversationId=dm)["seq"] == 2
        other.never("conversation.cleared")
    assert ids(ann, archived="all") == [] and ids(ben) == [dm]
    assert history(ann, dm) == [] and len(history(ben, dm)) == 2
    assert shown(ann, dm)["last_message_at"] is None
    assert ann.get("/conversations/search", query=ben.names["username"])["total"] == 0
    again = there(ben).say(ann)["messageId"]
    assert ids(ann) == [dm] and history(ann, dm) == [again] and len(history(ben, dm)) == 3
    assert shown(ann, dm)["is_muted"] and shown(ann, dm)["last_message_at"]
    for message in first:
        there(ann).get(f"/messages/{message}/reactions", 404, page=1, pageSize=10)


def test_a_deleted_dm_is_empty_in_every_way_of_reading(farm, ann, ben):
    dm = ann.direct(ben)
    old = [ben.say(dm, ann)["id"], ann.say(dm, ben)["id"]]

    def here_(user):
        return [m["id"] for m in user.get("/messages", conversation_id=dm)["messages"]]
    assert here_(ann) == old[::-1] and shown(ann, dm)["last_message_at"]
    ann.delete(f"/conversations/{dm}")
    assert here_(ann) == history(ann, dm) == [] and here_(ben) == old[::-1]
    for message in old:
        ann.get(f"/messages/{message}", 404)
        ben.get(f"/messages/{message}", 200)
    new = ben.say(dm, ann)["id"]
    assert here_(ann) == [new] and ids(ann) == [dm] and ann.get(f"/conversations/{dm}/sequence")["sequence"] == 3


def test_what_was_deleted_is_not_delivered_later_and_its_sender_sees_the_same(farm, ann, ben):
    read = there(ben).say(ann)
    there(ann).post(f"/messages/{read['messageId']}/ack", {"deviceId": ann.device, "status": "received"})
    there(ben).say(ann)
    dm = read["conversationId"]

    def queue():
        reply = there(ann).request("GET", "/messages", query={"page": 1, "pageSize": 10})
        return [item["messageId"] for item in reply.json["items"]] if reply.status == 200 else []
    assert len(queue()) == 1
    ann.delete(f"/conversations/{dm}")
    assert queue() == []
    assert farm.sql("SELECT message_status(m) AS s FROM message m WHERE conversation_id = %s ORDER BY seq", dm) == [
        {"s": "delivered"}, {"s": "sent"}]
    last = there(ben).say(ann)
    assert queue() == [last["messageId"]]
    there(ann).post(f"/messages/{last['messageId']}/ack", {"deviceId": ann.device, "status": "received"})
    assert queue() == []
    changed = there(ann).get("/messages/sync", page=1, pageSize=100)["messages"]
    assert [m["messageId"] for m in changed] == [last["messageId"]]


def test_a_member_deletes_a_group_for_oneself_and_stays_in(ann, ben, team):
    there(ann).post(f"/conversations/{team}/messages", {"ciphertext": "eA==", "clientMessageId": "1"})
    ben.delete(f"/conversations/{team}")
    assert ids(ben) == [] and history(ben, team) == [] and ben.id in roles(ann, team)
    there(ann).post(f"/conversations/{team}/messages", {"ciphertext": "eA==", "clientMessageId": "2"})
    assert ids(ben) == [team] and len(history(ben, team)) == 1 and len(history(ann, team)) == 2


def test_stays_of_before_are_cleared_too(ann, ben, team):
    def post(n):
        there(ann).post(f"/conversations/{team}/messages", {"ciphertext": "eA==", "clientMessageId": str(n)})
    post(1)
    remove(ann, team, ben)
    post(2)
    add(ann, team, ben)
    post(3)
    assert len(history(ben, team)) == 2
    ben.delete(f"/conversations/{team}")
    assert history(ben, team) == []
    post(4)
    assert len(history(ben, team)) == 1


def test_a_deleted_dm_is_opened_again_empty(ann, ben):
    dm = ann.direct(ben)
    there(ben).say(ann)
    ann.delete(f"/conversations/{dm}")
    assert make_dm(ann, ben, 200)["id"] == dm
    assert ids(ann) == [dm] and history(ann, dm) == []


def test_strangers_delete_nothing(ann, ben, cleo):
    dm = ann.direct(ben)
    cleo.delete(f"/conversations/{dm}", expect=404)
    assert ids(ann) == [dm]


# ---- searching and counting ---------------------------------------------------------------------------


def test_search_finds_own_groups_and_partners(ann, ben, cleo, team):
    dm = ann.direct(ben)
    ben.group(cleo, subject="Team of others")

    def found(query, who=ann, **more):
        return [c["id"] for c in who.get("/conversations/search", query=query, **more)["conversations"]]
    assert found("eam ch") == found("TEAM") == [team]
    assert found(ben.names["username"].upper()) == found(ben.names["display_name"]) == [dm]
    assert found("%") == found("_") == [] and found(ben.names["username"], ben) == []
    assert found("team", page=2) == []
    there(ann).post("/contacts", {"identifierType": "userId", "identifierValue": ben.id, "displayName": "My Benjamin"})
    assert found("benjamin") == [dm]
    set_(ann, team, "archive")
    assert found("team") == [team]
    named(ann.get("/conversations/search", 422), "query")
    named(ann.get("/conversations/search", 422, query=""), "query")


def test_sequences(ann, ben, cleo, team):
    def number(method, who=ann, expect=None):
        return who._expect(expect, who.request(method, f"/conversations/{team}/sequence"))
    assert number("GET") == {"sequence": 0} and number("POST") == {"sequence": 1}
    assert number("POST") == {"sequence": 1}, "asking takes nothing"
    assert there(ann).post(f"/conversations/{team}/messages", {"ciphertext": "eA==", "clientMessageId": "1"})["seq"] == 1
    assert number("GET", ben) == {"sequence": 1} and number("POST", ben) == {"sequence": 2}
    remove(ann, team, cleo)
    number("GET", cleo, 404)
    number("POST", cleo, 404)


# ---- across surfaces ------------------------------------------------------------------------------------


def test_groups_of_the_other_surface_are_here_with_the_same_people(alice, ann, ben):
    group = alice.group(ann, ben, name="Rookery")
    card = shown(ann, group)
    assert card["subject"] == "Rookery" and card["type"] == "GROUP" and card["creator_id"] == alice.id
    assert roles(here(alice), group) == {alice.id: "owner", ann.id: "member", ben.id: "member"} and ids(ben) == [group]
    role(here(alice), group, ann, "admin")
    remove(ann, group, ben)
    members = alice.get(f"/groups/{group}/members", page=1, pageSize=10)["items"]
    assert {m["memberId"]: m["role"] for m in members} == {alice.id: "owner", ann.id: "admin"}


def test_groups_of_this_surface_are_there(alice, ann):
    group = ann.group(alice, subject="Nests")
    assert alice.get(f"/groups/{group}")["name"] == "Nests"
    with alice.listen() as live:
        ann.put(f"/conversations/{group}", {"subject": "Eggs"})
        live.wait_for("group.updated", groupId=group, name="Eggs")
    alice.delete(f"/groups/{group}/members/me")
    assert roles(ann, group) == {ann.id: "owner"}


def test_a_dm_of_the_other_surface_is_the_same_one(alice, ann):
    conversation = alice.say(ann)["conversationId"]
    assert ids(ann) == [conversation] and make_dm(ann, alice, 200)["id"] == conversation
    assert shown(ann, conversation)["creator_id"] == alice.id
    assert ann.get("/conversations/direct", user_id_1=ann.id, user_id_2=alice.id)["last_message_at"]
