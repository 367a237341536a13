"""Calls as the functions of sql/ have them: outside of conversations, and when several things happen at once."""
import time

from types import SimpleNamespace

from sqllib import at_once, cluster, db, refused, sessions, uuid7  # noqa: F401, fixtures


def begin(db, who, *others, conversation=None, most=8):
    return db.row("SELECT * FROM call_begin(%s, %s, %s, %s, 'audio', %s::uuid[], %s)", uuid7(), who.id, who.device,
                  conversation, [o.id for o in others], most)


def join(db, call, who, most=8):
    return db.row("SELECT * FROM call_status_set(%s, %s, %s, 'joined', %s, %s)", call, who.id, who.id, most, who.device)


def leave(db, call, who):
    return db.row("SELECT * FROM call_remove(%s, %s, %s, %s)", call, who.id, who.id, who.device)


def state(db, call):
    row = db.row("SELECT status, reason FROM call WHERE id = %s", call)
    return row.reason or row.status


def test_a_call_outside_of_conversations_is_among_those_who_are_called(db):
    ann, ben, cid, dan = (db.person() for _ in range(4))
    call = begin(db, ann, ben).id
    with refused(404):
        join(db, call, cid)
    join(db, call, ben)
    db.row("SELECT * FROM call_add(%s, %s, %s, 8, NULL)", call, ben.id, cid.id)
    join(db, call, cid)
    db.row("SELECT * FROM call_connect(%s, %s, 8, %s)", call, cid.id, cid.device)
    leave(db, call, ann)
    assert state(db, call) == "connected", "it is no call between two any more"
    with refused(400, "user_id"):
        begin(db, dan, SimpleNamespace(id=uuid7()))
    with refused(400, "participants"):
        begin(db, dan, dan)


def test_two_outside_of_conversations_are_over_when_one_goes(db):
    ann, ben = db.person(), db.person()
    call = begin(db, ann, ben).id
    join(db, call, ben)
    leave(db, call, ben)
    assert state(db, call) == "declined"


def test_several_calls_outside_of_conversations_stand_beside_each_other(db):
    ann, ben, cid = (db.person() for _ in range(3))
    assert begin(db, ann, ben).id != begin(db, ann, cid).id


def test_the_block_of_one_keeps_all_from_being_called(db):
    ann, ben = db.person(), db.person()
    db.rows("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", ben.id, ann.id)
    for caller, called in ((ann, ben), (ben, ann)):
        with refused(403, "user_id"):
            begin(db, caller, called)


def test_nobody_is_in_a_group_call_and_not_in_the_group(sessions):
    """Joining and being removed at the same moment, in either order."""
    one, two = sessions(), sessions()
    for attempt in range(30):
        ann, ben = one.person(), one.person()
        group = one.group(ann, ben)
        call = begin(one, ann, conversation=group).id

        def remove():
            time.sleep(attempt % 5 / 2000)
            one.rows("SELECT * FROM group_member_remove(%s, %s, %s)", group, ann.id, ben.id)
        at_once(remove, lambda: join(two, call, ben))
        status = one.rows("SELECT status FROM call_participant WHERE call_id = %s AND account_id = %s", call, ben.id)
        assert [s.status for s in status] in ([], ["left"])


def test_a_call_and_a_block_at_once_leave_no_call(sessions):
    one, two = sessions(), sessions()
    for _ in range(30):
        ann, ben = one.person(), one.person()
        room = one.value("SELECT conversation_id FROM direct_open(%s, %s)", ann.id, ben.id)
        at_once(lambda: one.rows("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", ben.id, ann.id),
                lambda: begin(two, ann, conversation=room))
        assert not one.rows("SELECT 1 AS x FROM call WHERE conversation_id = %s AND status <> 'ended'", room)


def test_many_who_leave_at_once_end_the_call_once(sessions):
    links = [sessions() for _ in range(4)]
    ann, *others = (links[0].person() for _ in range(4))
    group = links[0].group(ann, *others)
    call = begin(links[0], ann, *others, conversation=group).id
    for who in others:
        join(links[0], call, who)
    links[0].row("SELECT * FROM call_connect(%s, %s, 8, NULL)", call, ann.id)
    at_once(*[lambda link=link, who=who: leave(link, call, who) for link, who in zip(links, [ann, *others])])
    assert state(links[0], call) == "completed"
    ended = links[0].value("SELECT count(*) FROM event WHERE type = 'call.ended' AND payload ->> 'callId' = %s::text", call)
    assert ended == 1
