"""Pages that are merged of many conversations, totals that are not counted to the end, and synchronising since a time."""
import random

from sqllib import cluster, db, sessions  # noqa: F401


def crowd(db, others=14, messages=160):
    """Somebody with many conversations, written to in an order that nobody would guess."""
    me, draw = db.person(), random.Random(7)
    friends = [db.person() for _ in range(others)]
    group = db.group(friends[0], me, *friends[1:])
    for _ in range(messages):
        who = draw.choice(friends)
        if draw.random() < 0.3:
            db.send(who, conversation=group)
        else:
            db.send(who, me)
    return me


def test_pages_of_the_queue_are_the_whole_queue_cut(db):
    me = crowd(db)
    whole = [row.id for row in db.rows(
        "SELECT m.id FROM device_waiting(%s, %s) w CROSS JOIN LATERAL device_owed(%s, %s, w.conversation_id, w.after_seq, w.upto_seq) m"
        " ORDER BY m.created_at, m.conversation_id, m.seq", me.id, me.device, me.id, me.device)]
    assert len(whole) == 160
    for size in (1, 7, 50):
        pages = [db.queue(me, limit=size, offset=n) for n in range(0, 160, size)]
        assert [id for page in pages for id in page] == whole


def test_pages_of_changes_are_all_changes_cut(db):
    me = crowd(db)
    whole = [str(row.id) for row in db.rows(
        "SELECT m.id FROM message m JOIN member s ON s.conversation_id = m.conversation_id AND s.account_id = %s"
        " ORDER BY m.changed_xid, m.conversation_id, m.seq", me.id)]
    for size in (1, 7, 50):
        seen, cursor, more = [], None, True
        while more:
            page = db.changes(me.id, cursor, limit=size)
            seen, cursor, more = seen + [str(m.id) for m in page.messages], page.next_cursor, page.has_more
        assert seen == whole


def test_changes_of_one_transaction_are_paged_too(db):
    """After a restore all messages carry one mark."""
    for others in (2, 9):
        b, senders = db.person(), [db.person() for _ in range(others)]
        with db.transaction():
            sent = [str(m.message_id) for m in db.send_batch([{"sender": x, "to": b} for x in senders for _ in range(20)])]
        seen, cursor, more = [], None, True
        while more:
            page = db.changes(b.id, cursor, limit=3)
            seen, cursor, more = seen + [str(m.id) for m in page.messages], page.next_cursor, page.has_more
        assert sorted(seen) == sorted(sent) and len(seen) == 20 * others


def test_more_than_a_thousand_are_not_counted_one_by_one(db):
    a, b, c = (db.person() for _ in range(3))
    db.send_batch([{"sender": a, "to": b} for _ in range(990)])
    own = db.send(b, a)
    assert db.value("SELECT device_queue_count(%s, %s)", b.id, b.device) == 990
    db.send_batch([{"sender": c, "to": b} for _ in range(200)])
    total = db.value("SELECT device_queue_count(%s, %s)", b.id, b.device)
    assert 1190 <= total <= 1191, own
    db.row("SELECT * FROM message_ack(%s, %s, %s::uuid[])", b.id, b.device, [db.queue(b, limit=1, offset=1000)[0]])
    assert db.value("SELECT device_queue_count(%s, %s)", b.id, b.device) == total - 1
    db.row("SELECT * FROM message_ack(%s, %s, %s::uuid[])", b.id, b.device, db.queue(b, limit=989))
    left = db.queue(b, limit=1000)
    assert db.value("SELECT device_queue_count(%s, %s)", b.id, b.device) == len(left) == 200


def test_who_reads_very_much_at_once_tells_everybody(db):
    a, b, c = (db.person() for _ in range(3))
    group = db.group(a, b, c)

    def told(count):
        db.send_batch([{"sender": a, "conversation": group} for _ in range(count)])
        events = db.row("SELECT * FROM conversation_read(%s, %s)", b.id, group)._event
        read, = (event for event in events if event["t"] == "message.read")
        return set(read["to"])

    assert told(3) == {str(a.id)}
    assert told(1001) == {str(a.id), str(c.id)}


def test_changes_since_a_time_begin_at_a_noted_moment(db, sessions):
    a, b = db.person(), db.person()
    before = [str(db.send(a, b).message_id) for _ in range(3)]
    slow = sessions()
    with slow.transaction():
        slow.rows("SELECT pg_current_xact_id()")  # older than the moment
        db.rows("SELECT sync_note()")
        since = db.value("SELECT clock_timestamp()")
        late = str(slow.send(a, b).message_id)
    after = str(db.send(a, b).message_id)
    db.row("SELECT * FROM message_edit(%s, %s, 'new')", a.id, before[1])
    assert [str(m.id) for m in db.changes(b.id, since=since).messages] == [late, after, before[1]]
    start = db.value("SELECT (sync_parse(NULL, %s)).xid::text::bigint", since)
    assert start > db.value("SELECT changed_xid::text::bigint FROM message WHERE id = %s", before[0])
    assert start <= db.value("SELECT changed_xid::text::bigint FROM message WHERE id = %s", late)
    assert db.value("SELECT (sync_parse(NULL, '1999-01-01Z')).xid::text::bigint") == 0


def test_moments_are_forgotten(db):
    db.rows("INSERT INTO sync_moment VALUES ('2001-01-01Z', '3')")
    assert db.value("SELECT sync_note()") == 1
    assert db.rows("SELECT FROM sync_moment WHERE at < '2002-01-01Z'") == []


def test_a_round_through_the_devices_ends_and_begins_anew(db):
    people = sum(row.n for row in db.rows("SELECT count(*) AS n FROM device"))
    looked, calls = 0, 0
    db.rows("UPDATE position_round SET device_id = uuid7_floor('epoch')")
    while True:
        one = db.value("SELECT position_settle(200, 10)")
        looked, calls = looked + one, calls + 1
        if one < 10:
            break
    assert looked == people and calls == people // 10 + 1
    assert db.value("SELECT position_settle(200, 10)") == min(10, people)
