"""The functions of sql/: identifiers, sending, groups.

    /usr/bin/python3 -m pytest tests/unit/test_sql.py
"""
import itertools
import threading
import uuid

from sqllib import Person, at_once, cluster, db, refused, sessions, uuid7, violates  # noqa: F401, fixtures


# ---- groundwork ---------------------------------------------------------------------------------

def test_uuid7_sorts_by_time_and_says_its_version(db):
    first, second = (db.value("SELECT uuid7()") for _ in range(2))
    assert first.version == 7 and first.variant == uuid.RFC_4122
    assert abs(db.value("SELECT extract(epoch FROM uuid7_time(%s) - now())", second)) < 1
    assert db.value("SELECT uuid7_floor(uuid7_time(%s)) <= %s", first, first)


def test_fail_carries_status_message_and_field(db):
    with refused(409, "name"):
        db.rows("SELECT fail(409, 'taken', 'name')")
    with refused(404):
        db.rows("SELECT CASE WHEN true THEN fail(404, 'gone') END")


def test_emit_leaves_a_row_and_answers_the_event(db):
    who = db.person()
    event = db.value("SELECT emit('x.y', NULL, NULL, ARRAY[%s], '{\"a\": null}', NULL, %s)", who.id, who.device)
    assert event == {"id": event["id"], "t": "x.y", "to": [str(who.id)], "not": str(who.device), "j": {"a": None}}
    assert db.value("SELECT _event FROM event_recent('1 min') WHERE id = %s", event["id"]) == event


# ---- direct conversations and sending ----------------------------------------------------------

def test_two_first_messages_at_once_make_one_conversation(db, sessions):
    for _ in range(10):
        a, b = db.person(), db.person()
        one, two = sessions(), sessions()
        first, second = at_once(lambda: one.send(a, b), lambda: two.send(b, a))
        assert first.status == second.status == 0
        assert first.conversation_id == second.conversation_id
        assert {first.seq, second.seq} == {1, 2}
        one.link.close()
        two.link.close()


def test_nobody_writes_to_themself_or_to_nobody(db):
    a, b = db.person(), db.person()
    assert db.send(a, a).status == 400
    assert db.send(a, Person(uuid7(), None)).status == 404
    assert db.send(a, conversation=uuid7()).status == 404
    stranger = db.person()
    sent = db.send(a, b)
    refusal = db.send(stranger, conversation=sent.conversation_id)
    assert (refusal.status, refusal.problem) == (403, "not_member")
    assert db.send(a, b).seq == sent.seq + 1, "a refused item takes no number"


def test_a_client_id_counts_once_even_at_once(db, sessions):
    a, b = db.person(), db.person()
    first = db.send(a, b, client_id="c1")
    again = db.send(a, b, client_id="c1")
    assert (again.status, again.message_id, again.seq) == (409, first.message_id, first.seq)
    results = at_once(*[lambda s=sessions(): s.send(a, b, client_id="c2") for _ in range(6)])
    assert sorted(r.status for r in results) == [0] + [409] * 5
    assert len({r.message_id for r in results}) == 1
    assert db.send(a, b).seq == 3
    assert [r.status for r in db.send_batch([{"sender": a, "to": b, "client_id": "c3"}] * 2)] == [0, 409]
    assert db.send(b, a, client_id="c3").status == 0, "everybody has ids of their own"
    assert db.send(a, db.person(), client_id="c3").status == 0, "in each conversation"


def test_a_bad_item_fails_alone(db):
    a, b, c = db.person(), db.person(), db.person()
    good = db.send(a, b).conversation_id
    rows = db.send_batch([
        {"sender": a, "conversation": good}, {"sender": c, "conversation": good},
        {"sender": a, "to": c}, {"sender": a, "to": a}, {"sender": a, "conversation": uuid7()},
        {"sender": a, "conversation": good, "reply_to": uuid7()}, {"sender": b, "conversation": good}])
    assert [r.status for r in rows] == [0, 403, 0, 400, 404, 404, 0]
    assert [rows[0].seq, rows[6].seq] == [2, 3]
    assert rows[0].recipients.split(",") == sorted([str(a.id), str(b.id)])


def test_batches_in_opposite_order_do_not_deadlock(db, sessions):
    people = [db.person() for _ in range(12)]
    pairs = list(itertools.combinations(people, 2))

    def work(session, order):
        return [[r.status for r in session.send_batch([{"sender": x, "to": y} for x, y in order])] for _ in range(8)]
    results = at_once(*[lambda s=sessions(), o=pairs[::step]: work(s, o) for step in (1, -1, 1, -1, 2, -2)])
    assert all(set(itertools.chain(*r)) == {0} for r in results), results
    assert db.value("SELECT count(*) FROM conversation c WHERE c.last_seq <> "
                    "(SELECT count(*) FROM message m WHERE m.conversation_id = c.id)") == 0


def test_a_block_closes_the_conversation_until_it_is_lifted(db):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    db.rows("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", b.id, a.id)
    for sender in (a, b):
        assert (r := db.send(sender, conversation=where)).status == 403 and r.problem == "closed"
    db.rows("DELETE FROM block WHERE account_id = %s", b.id)
    assert db.send(a, b).status == 0
    c = db.person()
    db.rows("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", c.id, a.id)
    assert db.send(a, c).status == 403, "nor does a conversation come into being"
    db.rows("UPDATE account SET deleted_at = now() WHERE id = %s", b.id)
    assert db.send(a, conversation=where).status == 403


def test_what_is_decided_while_a_send_waits_counts(db, sessions):
    a, b, c = (db.person() for _ in range(3))
    group, direct = db.group(a, b, c), db.send(a, b).conversation_id
    holder, sender = sessions(), sessions()
    for where, decide, values in (
            (group, "SELECT group_member_remove(%s, %s, %s)", (group, a.id, b.id)),
            (direct, "INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", (a.id, b.id))):
        sent = []
        with holder.transaction():
            holder.rows(decide, *values)
            waiting = threading.Thread(target=lambda: sent.append(sender.send(b, conversation=where)))
            waiting.start()
            while not db.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
                               sender.link.info.backend_pid):
                assert waiting.is_alive()
        waiting.join()
        assert sent[0].status == 403
    assert db.send(a, conversation=group).seq == 1


def test_a_refused_send_changes_nothing(db):
    a, b, c = (db.person() for _ in range(3))
    group, direct = db.group(a, b), db.send(a, b, client_id="c").conversation_id
    look = "SELECT array_agg(x ORDER BY id) FROM conversation x WHERE id IN (%s, %s)"
    before = db.value(look, group, direct)
    for sender, where, more in ((c, group, {}), (c, direct, {}), (a, group, {"reply_to": uuid7()}),
                                (a, group, {"mentions": [c.id]})):
        assert db.send(sender, conversation=where, **more).status in (400, 403, 404)
    assert db.value(look, group, direct) == before
    last = "SELECT last_seq, last_message_at FROM conversation WHERE id = %s"
    before = db.row(last, direct)
    assert db.send(a, conversation=direct, client_id="c").status == 409
    assert db.row(last, direct) == before


def test_sequence_and_time_rise_together(db, sessions):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    at_once(*[lambda s=sessions(): [s.send(a, conversation=where) for _ in range(20)] for _ in range(4)])
    rows = db.rows("SELECT seq, created_at FROM message WHERE conversation_id = %s ORDER BY seq", where)
    assert [r.seq for r in rows] == list(range(1, 82))
    assert all(x.created_at <= y.created_at for x, y in itertools.pairwise(rows))


# ---- groups -------------------------------------------------------------------------------------

def version(db, group):
    return db.value("SELECT member_version FROM conversation WHERE id = %s", group)


def test_a_group_has_its_members_once(db):
    a, b, c = (db.person() for _ in range(3))
    group = db.group(a, b, c, b, a)
    assert db.value("SELECT member_count FROM conversation_profile WHERE conversation_id = %s", group) == 3
    assert db.value("SELECT count(*) FROM member WHERE conversation_id = %s", group) == 3
    with refused(400, "memberIds"):
        db.group(a, Person(uuid7(), None))
    db.rows("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", c.id, a.id)
    with refused(403):
        db.group(a, c)


def test_an_owner_uses_a_title_once(db):
    a, b = db.person(), db.person()
    create = "SELECT * FROM group_create(NULL, %s, %s, NULL, '{}', p_once => %s)"
    group = db.row(create, a.id, "Chess", True).id
    with violates("group_title_taken"):
        db.rows(create, a.id, "chess", True)
    db.rows(create, a.id, "chess", False)
    db.rows(create, b.id, "Chess", True)
    db.rows("SELECT group_delete(%s, %s)", group, a.id)
    db.rows(create, a.id, "Chess", True)


def test_no_group_grows_beyond_its_limit(db, sessions):
    owner = db.person()
    crowd = [r.id for r in db.rows("INSERT INTO account (display_name) SELECT 'x' FROM generate_series(1, 1040) "
                                   "RETURNING id")]
    group = db.row("SELECT * FROM group_create(NULL, %s, 'Crowd', NULL, %s::uuid[])", owner.id, crowd[:1013]).id
    add = "SELECT changed FROM group_member_add(%s, %s, %s::uuid[])"
    results = at_once(*[lambda s=sessions(), n=n: s.value(add, group, owner.id, crowd[1013 + 5 * n:1018 + 5 * n])
                        for n in range(5)])
    assert [r for r in results if r == 5] == [5, 5], results
    assert all(r.pgcode == "RK400" for r in results if r != 5)
    assert db.value("SELECT count(*) FROM member WHERE conversation_id = %s AND left_at IS NULL", group) == 1024
    with violates("group_member_limit"):
        db.rows("UPDATE conversation_profile SET member_count = 1025 WHERE conversation_id = %s", group)
    with refused(400, "memberIds"):
        db.row("SELECT * FROM group_create(NULL, %s, 'Many', NULL, %s::uuid[])", owner.id, crowd[:1024])


def test_membership_is_remembered_by_version(db):
    a, b, c = (db.person() for _ in range(3))
    group = db.group(a, b)
    db.send(a, conversation=group)
    added = db.row("SELECT * FROM group_member_add(%s, %s, %s::uuid[])", group, a.id, [c.id, b.id])
    assert added.changed == 1 and added.accounts == [c.id] and added._event["v"] == 2
    db.send(a, conversation=group)
    removed = db.row("SELECT * FROM group_member_remove(%s, %s, %s)", group, a.id, b.id)
    assert removed._event["to"] == [str(b.id)] and removed._event["v"] == 3
    assert db.send(b, conversation=group).status == 403
    db.rows("SELECT * FROM group_member_add(%s, %s, %s::uuid[])", group, a.id, [b.id])
    members = {v: set(db.value("SELECT array_agg(account_id) FROM member WHERE conversation_id = %s AND "
                               "joined_version <= %s AND coalesce(left_version > %s, true)", group, v, v))
               for v in range(1, 5)}
    assert members == {1: {a.id, b.id}, 2: {a.id, b.id, c.id}, 3: {a.id, c.id}, 4: {a.id, b.id, c.id}}
    assert len(db.queue(c)) == 1, "what was said before somebody came is not theirs"
    assert len(db.queue(b)) == 2


def test_roles_and_who_may_what(db):
    owner, admin, plain, other = (db.person() for _ in range(4))
    group = db.group(owner, admin, plain)
    roles = "SELECT * FROM group_roles(%s, %s, %s::uuid[], %s)"
    assert db.row(roles, group, owner.id, [admin.id], ["admin"]).changed == 1
    for sql, values in (("SELECT group_member_add(%s, %s, %s::uuid[])", [[other.id]]),
                        ("SELECT group_member_remove(%s, %s, %s)", [admin.id]),
                        ("SELECT group_update(%s, %s, %s, NULL)", ["New"]), ("SELECT group_delete(%s, %s)", []),
                        ("SELECT group_transfer(%s, %s, %s)", [plain.id])):
        with refused(403):
            db.rows(sql, group, plain.id, *values)
        with refused(404):
            db.rows(sql, uuid7(), plain.id, *values)
    with refused(403):
        db.rows("SELECT group_member_remove(%s, %s, %s)", group, admin.id, owner.id)
    with refused(404):
        db.rows("SELECT group_member_remove(%s, %s, %s)", group, admin.id, other.id)
    for role, who in (("owner", plain), ("king", plain), ("admin", other), ("member", owner)):
        with refused(400, "roles"):
            db.rows(roles, group, owner.id, [who.id], [role])
    db.rows("SELECT group_update(%s, %s, NULL, NULL, %s)", group, admin.id,
            '{"memberPostingPolicy": "adminsOnly", "invitePolicy": "all"}')
    assert (r := db.send(plain, conversation=group)).status == 403 and r.problem == "not_allowed"
    assert db.send(admin, conversation=group).status == 0
    db.rows("SELECT group_member_add(%s, %s, %s::uuid[])", group, plain.id, [other.id])
    for bad in ('{"memberPostingPolicy": "none"}', '{"maxMembers": 2}', '{"maxMembers": 2000}', '[]'):
        with refused(400):
            db.rows("SELECT group_update(%s, %s, NULL, NULL, %s)", group, admin.id, bad)


def test_leaving_and_handing_on(db):
    owner, heir = db.person(), db.person()
    group = db.group(owner, heir)
    leave = "SELECT * FROM group_leave(%s, %s, %s)"
    with refused(403):
        db.rows(leave, group, owner.id, False)
    with refused(400, "newOwnerId"):
        db.rows("SELECT group_transfer(%s, %s, %s)", group, owner.id, db.person().id)
    db.rows("SELECT group_transfer(%s, %s, %s)", group, owner.id, heir.id)
    assert db.value("SELECT owner_id FROM conversation_profile WHERE conversation_id = %s", group) == heir.id
    silent = db.row(leave, group, owner.id, True)
    assert "c" not in silent._event and silent._event["to"] == [str(owner.id)]
    with refused(409):
        db.rows(leave, group, owner.id, False)
    with refused(404):
        db.rows(leave, group, db.person().id, False)
    assert db.row(leave, group, heir.id, False)._event["t"] == "group.deleted"
    with refused(404):
        db.rows(leave, group, heir.id, False)


def test_mentions_name_members(db):
    a, b, c = (db.person() for _ in range(3))
    group = db.group(a, b)
    assert db.send(a, conversation=group, mentions=[b.id]).status == 0
    assert (r := db.send(a, conversation=group, mentions=[b.id, c.id])).status == 400 and r.problem == "mentions"
