"""The functions of sql/: queues, acknowledgement, reading, prekeys, changes, synchronisation, retention.

    /usr/bin/python3 -m pytest tests/unit/test_sql_receipts.py
"""
import json
from types import SimpleNamespace

from sqllib import at_once, cluster, db, refused, sessions, uuid7, violates  # noqa: F401, fixtures


# ---- queues and acknowledgement ----------------------------------------------------------------

def test_acknowledgements_in_any_order(db):
    a, b = db.person(), db.person()
    ids = [db.send(a, b).message_id for _ in range(6)]
    assert db.queue(b) == ids and db.queue(a) == []
    assert db.queue(b, limit=2, offset=2) == ids[2:4]
    assert db.ack(b, ids[4], ids[2]).acked == [ids[2], ids[4]]
    assert db.queue(b) == [ids[0], ids[1], ids[3], ids[5]] and db.waiting(b) == 4
    assert db.ack(b, ids[2]).already == [ids[2]]
    stranger = uuid7()
    mixed = db.ack(b, ids[1], ids[0], ids[0], stranger)
    assert mixed.acked == ids[:2] and mixed.unknown == [stranger]
    position = "SELECT acked_seq FROM device_position WHERE device_id = %s"
    assert db.value(position, b.device) == 3
    db.ack(b, ids[3])
    assert db.value(position, b.device) == 5
    assert db.value("SELECT count(*) FROM device_ack WHERE device_id = %s", b.device) == 0
    assert db.queue(b) == ids[5:]


def test_delivery_is_told_once_an_account(db):
    a, b = db.person(), db.person()
    second = db.device(b.id)
    ids = [db.send(a, b).message_id for _ in range(3)]
    event, = db.ack(b, ids[1])._event
    assert event["t"] == "message.delivered" and event["to"] == [str(a.id)]
    assert event["j"]["messageIds"] == [str(ids[1])]
    event, = db.ack(b, *ids, device=second)._event
    assert event["j"]["messageIds"] == [str(ids[0]), str(ids[2])]
    assert db.ack(b, ids[0], ids[2])._event == []
    assert db.value("SELECT message_status(m) FROM message m WHERE id = %s", ids[2]) == "delivered"


def test_devices_are_owed_what_comes_after_them(db):
    a, b = db.person(), db.person()
    db.send(a, b)
    late = db.device(b.id)
    assert db.queue(b, late) == []
    own = db.send(b, a).message_id
    reply = db.send(a, b).message_id
    assert db.queue(b, late) == [own, reply], "what one's other device says is owed too"
    assert own not in db.queue(b)
    db.ack(b, reply, device=late)
    assert db.queue(b, late) == [own]


def test_positions_pass_over_own_deleted_and_hidden(db):
    a, b = db.person(), db.person()
    ids = [db.send(x, y).message_id for x, y in [(a, b), (b, a), (a, b), (a, b), (a, b), (b, a)]]
    db.rows("SELECT message_delete(%s, %s, 'everyone')", a.id, ids[2])
    db.rows("SELECT message_delete(%s, %s, 'me')", b.id, ids[3])
    assert db.queue(b) == [ids[0], ids[4]]
    db.ack(b, ids[0])
    assert db.value("SELECT acked_seq FROM device_position WHERE device_id = %s", b.device) == 4
    db.ack(b, ids[4])
    assert db.value("SELECT acked_seq FROM device_position WHERE device_id = %s", b.device) == 6


def test_many_acknowledge_at_once(db, sessions):
    a, b = db.person(), db.person()
    second = db.device(b.id)
    ids = [db.send(a, b).message_id for _ in range(40)]
    results = at_once(*[lambda s=sessions(), p=ids[n::4], d=d: [s.ack(b, i, device=d) for i in p]
                        for n in range(4) for d in (b.device, second)])
    told = [i for acks in results for ack in acks for event in ack._event for i in event["j"]["messageIds"]]
    assert sorted(told) == sorted(map(str, ids)), "each message is delivered once"
    assert db.waiting(b) == db.waiting(b, second) == 0


def test_reading_is_told_only_when_receipts_are_on(db):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    read = "SELECT * FROM conversation_read(%s, %s, %s)"
    events = db.row(read, b.id, where, 1)._event
    assert [(e["t"], e["to"]) for e in events] == [("conversation.read", [str(b.id)]), ("message.read", [str(a.id)])]
    assert not db.row(read, b.id, where, 1).moved
    db.rows("UPDATE account SET read_receipts = false WHERE id = %s", b.id)
    last = db.send(a, b).message_id
    assert [e["t"] for e in db.row(read, b.id, where, None)._event] == ["conversation.read"]
    assert db.value("SELECT message_status(m) FROM message m WHERE id = %s", last) == "sent"
    with refused(403):
        db.rows(read, db.person().id, where, 1)


def test_fifty_takers_get_fifty_keys(db, sessions):
    who = db.person()
    with refused(404):
        db.rows("SELECT prekey_take(%s)", who.id)
    db.rows("UPDATE device SET identity_key = 'i', signed_prekey = 's', signed_prekey_signature = 'g', "
            "keys_registered_at = now() WHERE id = %s", who.device)
    keys = [f"key{n}" for n in range(45)]
    assert db.value("SELECT prekey_add(%s, %s)", who.device, keys + keys[:3]) == 45
    results = at_once(*[lambda s=sessions(): s.row("SELECT * FROM prekey_take(%s)", who.id) for _ in range(50)])
    taken = [r.one_time_prekey for r in results if isinstance(r, SimpleNamespace)]
    assert sorted(taken) == sorted(keys)
    assert {r.pgcode for r in results if not isinstance(r, SimpleNamespace)} == {"RK409"}


# ---- changing messages --------------------------------------------------------------------------

def test_edits_count_up_and_come_once(db):
    a, b = db.person(), db.person()
    sent = db.send(a, b, meta='{"caption": "x"}').message_id
    edit = "SELECT * FROM message_edit(%s, %s, %s, %s, %s, %s)"
    done = db.row(edit, a.id, sent, "new", None, "e1", None)
    assert done.version == 2 and done._event["j"]["ciphertext"] == "new" and done._event["j"]["caption"] == "x"
    with violates("message_edit_once"):
        db.rows(edit, a.id, sent, "newer", None, "e1", None)
    with refused(409):
        db.rows(edit, a.id, sent, "newer", None, "e2", 1)
    with refused(403):
        db.rows(edit, b.id, sent, "newer", None, None, None)
    with refused(404):
        db.rows(edit, db.person().id, sent, "newer", None, None, None)


def test_deleting_leaves_nothing_of_what_was_said(db):
    a, b = db.person(), db.person()
    sent = db.send(a, b, meta='{"caption": "x"}').message_id
    db.row("SELECT * FROM reaction_add(%s, %s, 'o')", b.id, sent)
    delete = "SELECT * FROM message_delete(%s, %s, %s)"
    with refused(403):
        db.rows(delete, b.id, sent, "everyone")
    assert db.row(delete, b.id, sent, "me")._event["to"] == [str(b.id)]
    with refused(409):
        db.rows(delete, b.id, sent, "me")
    assert db.row(delete, a.id, sent, "everyone")._event["t"] == "message.deleted"
    left = db.row("SELECT body, meta, reaction_count FROM message WHERE id = %s", sent)
    assert (left.body, left.meta, left.reaction_count) == (None, None, 0)
    assert db.rows("SELECT 1 FROM reaction WHERE message_id = %s", sent) == []
    with refused(409):
        db.rows(delete, a.id, sent, "everyone")
    group = db.group(a, b)
    assert db.row(delete, a.id, db.send(b, conversation=group).message_id, "everyone")


def test_one_reaction_each(db):
    a, b, c = (db.person() for _ in range(3))
    sent = db.send(a, b).message_id
    add = "SELECT * FROM reaction_add(%s, %s, %s)"
    mine = db.row(add, b.id, sent, "o")
    with violates("reaction_once"):
        db.rows(add, b.id, sent, "x")
    with refused(404):
        db.rows(add, c.id, sent, "o")
    remove = "SELECT * FROM reaction_remove(%s, %s, %s)"
    with refused(403):
        db.rows(remove, a.id, sent, mine.id)
    assert db.row(remove, b.id, sent, mine.id)._event["t"] == "reaction.removed"
    with refused(404):
        db.rows(remove, b.id, sent, mine.id)
    assert db.value("SELECT reaction_count FROM message WHERE id = %s", sent) == 0


# ---- self-destruction and retention ------------------------------------------------------------

def test_life_begins_with_delivery_and_ends(db):
    a, b = db.person(), db.person()
    mortal = db.send(a, b, ttl=60).message_id
    dated = db.send(a, b, expires="2001-01-01").message_id
    expire = "SELECT * FROM message_expire(now() + %s::interval) WHERE message_id IN (%s, %s)"
    assert db.queue(b) == [mortal], "what has expired is not delivered"
    assert [r.message_id for r in db.rows(expire, "1 hour", mortal, dated)] == [dated]
    policy = "SELECT * FROM message_self_destruct(%s, %s, %s, NULL)"
    assert db.row(policy, a.id, mortal, 30).ttl_seconds == 30
    db.ack(b, mortal)
    with refused(403):
        db.rows(policy, a.id, mortal, 10)
    assert db.rows(expire, "29 s", mortal, mortal) == []
    gone, = db.rows(expire, "31 s", mortal, mortal)
    assert gone._event["t"] == "message.deleted" and gone._event["j"]["reason"] == "expired"
    assert db.value("SELECT body FROM message WHERE id = %s", mortal) is None
    with refused(404):
        db.rows(policy, a.id, mortal, 10)


def test_jobs_remove_what_is_over(db):
    a, b = db.person(), db.person()
    group = db.group(a, b)
    for _ in range(3):
        db.send(a, conversation=group)
    db.rows("SELECT group_delete(%s, %s)", group, a.id)
    assert db.queue(b) == []
    assert db.value("SELECT conversation_purge()") >= 3
    assert db.rows("SELECT 1 FROM message WHERE conversation_id = %s", group) == []
    db.rows("INSERT INTO login_session (token_hash, account_id, purpose, expires_at) "
            "VALUES (uuid7()::text, %s, 'pin', now() - interval '2 hours')", a.id)
    assert db.value("SELECT login_session_prune()") >= 1
    db.rows("UPDATE event SET created_at = now() - interval '9 days' WHERE conversation_id = %s", group)
    assert db.value("SELECT event_trim(1, now() - interval '8 days')") >= 2


def test_settling_moves_the_positions_of_those_who_only_send(db):
    a, b = db.person(), db.person()
    where = db.send_batch([{"sender": a, "to": b}] * 30)[0].conversation_id
    db.rows("SELECT position_settle(20)")
    assert db.value("SELECT acked_seq FROM device_position WHERE device_id = %s AND conversation_id = %s",
                    a.device, where) == 30
    assert db.waiting(b) == 30


# ---- histories ----------------------------------------------------------------------------------

def history(db, who, conversation, limit=3, offset=0, at=None, direction=None):
    """(total, sequence numbers of the page)."""
    rows = db.rows("SELECT * FROM conversation_page(%s, %s, %s, %s, %s, %s, NULL)", who.id, conversation, at, direction, limit, offset)
    return rows[0].total, [m.seq for m in rows if m.id]


def test_a_sealed_message_is_what_the_reading_device_was_given(db):
    a, b = db.person(), db.person()
    other = db.device(b.id)
    sent = db.send(a, b, body=None, meta='{"sealed": true}')
    db.rows("INSERT INTO message_body VALUES (%s, %s, 'for one', NULL)", sent.message_id, b.device)
    db.rows("INSERT INTO message_body VALUES (%s, %s, 'for the other', 'aGVhZA==')", sent.message_id, other)

    def read(device):
        page = db.row("SELECT * FROM conversation_page(%s, %s, NULL, NULL, 5, 0, %s)", b.id, sent.conversation_id, device)
        synced, = db.changes(b.id, device=device).messages
        assert page.sealed == synced.sealed and page.meta == synced.meta == '{"sealed": true}'
        return page.sealed and json.loads("{" + page.sealed[1:] + "}")

    assert read(b.device) == {"ciphertext": "for one"}
    assert read(other) == {"ciphertext": "for the other", "header": "aGVhZA=="}
    assert read(uuid7()) is None


def test_a_history_counts_the_stays_of_its_reader(db):
    a, b = db.person(), db.person()
    c = db.send(a, b).conversation_id
    for _ in range(9):
        db.send(a, b)
    # b saw 1 to 3, was away, and sees 6 to 10.
    db.rows("UPDATE member SET left_version = 2, left_seq = 3, left_at = now() WHERE account_id = %s", b.id)
    db.rows("INSERT INTO member (conversation_id, account_id, joined_version, joined_seq) VALUES (%s, %s, 3, 5)", c, b.id)
    assert history(db, b, c) == (8, [10, 9, 8])
    assert history(db, b, c, offset=3) == (8, [7, 6, 3])
    assert history(db, b, c, offset=6) == (8, [2, 1])
    assert history(db, b, c, offset=8) == (8, []) == history(db, b, c, offset=10**12)
    moment = db.value("SELECT created_at FROM message WHERE conversation_id = %s AND seq = 2", c)
    assert history(db, b, c, at=moment, limit=4) == (7, [2, 3, 6, 7])
    assert history(db, b, c, at=moment, limit=4, offset=4) == (7, [8, 9, 10])
    assert history(db, b, c, at=moment, direction="backward") == (1, [1])
    assert history(db, a, c, limit=4) == (10, [10, 9, 8, 7])
    with refused(403):
        history(db, db.person(), c)
    with refused(404):
        history(db, b, uuid7())
    db.rows("DELETE FROM message WHERE conversation_id = %s AND seq > 6", c)
    assert history(db, a, c, limit=4) == (10, []), "a page of which nothing is left still has its total"
    assert history(db, a, c, limit=4, offset=4) == (10, [6, 5, 4, 3])


# ---- synchronisation ----------------------------------------------------------------------------

def sync(db, who, cursor=None, limit=100, what="message"):
    if what == "message":
        return db.changes(who.id, cursor, limit=limit)
    return db.row(f"SELECT * FROM {what}_sync(%s, %s, NULL, %s)", who.id, cursor, limit)


def test_sync_passes_over_nothing_that_commits_late(db, sessions):
    a, b, c = (db.person() for _ in range(3))
    cursor = sync(db, b).next_cursor
    slow = sessions()
    with slow.transaction():
        late = slow.send(a, b).message_id
        early = db.send(c, b).message_id
        first = sync(db, b, cursor)
        seen = [m.id for m in first.messages]
        assert late not in seen
    second = sync(db, b, first.next_cursor)
    seen += [m.id for m in second.messages]
    assert sorted(seen) == sorted([late, early])
    assert sync(db, b, second.next_cursor).messages == []


def test_sync_shows_each_change_and_pages(db):
    a, b = db.person(), db.person()
    ids = [db.send(a, b).message_id for _ in range(5)]
    seen, cursor, more = [], None, True
    while more:
        page = sync(db, b, cursor, limit=2)
        assert len(page.messages) <= 2
        seen, cursor, more = seen + [m.id for m in page.messages], page.next_cursor, page.has_more
    assert seen == ids
    db.row("SELECT * FROM message_edit(%s, %s, 'new')", a.id, ids[1])
    db.row("SELECT * FROM message_delete(%s, %s, 'everyone')", a.id, ids[3])
    changed = sync(db, b, cursor)
    assert [(m.id, m.body) for m in changed.messages] == [(ids[1], "new"), (ids[3], None)]
    for bad in ("x", "1.2.3", cursor + "'", "9" * 40):
        with refused(400, "cursor"):
            sync(db, b, bad)
    other_epoch = "0" + cursor[cursor.index("."):]
    assert len(sync(db, b, other_epoch).messages) == 5, "a cursor from before a restore begins anew"


def test_conversation_sync_tells_of_comings_and_goings(db):
    a, b, c = (db.person() for _ in range(3))
    group = db.group(a, b)
    first = sync(db, b, what="conversation")
    assert [x["conversationId"] for x in first.conversations] == [str(group)]
    db.rows("SELECT group_member_remove(%s, %s, %s)", group, a.id, b.id)
    gone, = sync(db, b, first.next_cursor, what="conversation").conversations
    assert gone["left"] is True
    assert sync(db, c, what="conversation").conversations == []


def test_a_restore_into_a_younger_cluster_is_noticed(db):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    cursor = sync(db, b).next_cursor
    assert db.value("SELECT sync_rebase()") is False
    for table, key in (("conversation", "id"), ("message", "conversation_id")):
        db.rows(f"UPDATE {table} SET changed_xid = '9000000000' WHERE {key} = %s", where)
    assert db.value("SELECT sync_rebase()") is True
    db.value("SELECT pg_current_xact_id()")
    assert len(sync(db, b, cursor).messages) == 1
