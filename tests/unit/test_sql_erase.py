"""account_erase of sql/: what happens beside it, at the same moment, and to conversations no surface makes yet.

    /usr/bin/python3 -m pytest tests/unit/test_sql_erase.py
"""
import threading
import uuid

import psycopg2
import pytest
from sqllib import at_once, cluster, db, refused, sessions  # noqa: F401, fixtures

ERASE = "SELECT * FROM account_erase(%s)"


def waits(db, session):
    return db.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
                    session.link.info.backend_pid)


def while_open(db, holder, erased, other):
    """Erase an account in a transaction, run other() in another session until it waits for it, then commit."""
    outcome = []

    def run():
        try:
            outcome.append(other.work())
        except psycopg2.Error as error:
            outcome.append(error)
    with holder.transaction():
        holder.rows(ERASE, erased.id)
        waiting = threading.Thread(target=run)
        waiting.start()
        while not waits(db, other.session):
            assert waiting.is_alive(), outcome
    waiting.join()
    return outcome[0]


class Other:
    def __init__(self, session, work):
        self.session, self.work = session, lambda: work(session)


def test_it_happens_once(db, sessions):
    a = db.person()
    one, two = sessions(), sessions()
    results = at_once(lambda: one.rows(ERASE, a.id), lambda: two.rows(ERASE, a.id))
    assert sorted(isinstance(r, psycopg2.Error) for r in results) == [False, True]
    with refused(404):
        db.rows(ERASE, a.id)
    with refused(404):
        db.rows(ERASE, uuid.uuid4())


@pytest.mark.parametrize("what, sql", [
    ("a session", "INSERT INTO session (account_id, expires_at) VALUES (%s, now() + interval '1 hour')"),
    ("a device", "INSERT INTO device (account_id) VALUES (%s)")])
def test_nobody_signs_in_meanwhile(db, sessions, what, sql):
    a = db.person()
    outcome = while_open(db, sessions(), a, Other(sessions(), lambda s: s.rows(sql, a.id)))
    assert getattr(outcome, "pgcode", None) == "RK401", (what, outcome)
    assert db.value("SELECT count(*) FROM session WHERE account_id = %s AND revoked_at IS NULL", a.id) == 0


def test_a_sign_in_that_came_first_is_ended(db, sessions):
    a, other, eraser, result = db.person(), sessions(), sessions(), []
    with other.transaction():
        session = other.value("INSERT INTO session (account_id, device_id, expires_at) VALUES (%s, %s, now() + '1 hour')"
                              " RETURNING id", a.id, a.device)
        waiting = threading.Thread(target=lambda: result.append(eraser.row(ERASE, a.id)))
        waiting.start()
        while not waits(db, eraser):
            assert waiting.is_alive()
    waiting.join()
    assert result[0].sessions == [session]


def test_nobody_takes_it_into_a_group_or_writes_to_it_meanwhile(db, sessions):
    a, b = db.person(), db.person()
    group = db.group(b)
    for work in (lambda s: s.rows("SELECT group_member_add(%s, %s, %s)", group, b.id, [a.id]),
                 lambda s: s.send(b, a)):
        victim = a if db.value("SELECT deleted_at IS NULL FROM account WHERE id = %s", a.id) else None
        if victim is None:
            a = victim = db.person()
        outcome = while_open(db, sessions(), victim, Other(sessions(), work))
        assert getattr(outcome, "pgcode", None) == "RK400" or outcome.status == 404, outcome
    assert db.value("SELECT count(*) FROM member m JOIN account a ON a.id = m.account_id WHERE a.deleted_at IS NOT NULL"
                    " AND m.conversation_id = %s AND m.left_version IS NULL", group) == 0


def test_an_unblocking_meanwhile_does_not_open_the_conversation(db, sessions):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    db.rows("INSERT INTO block (account_id, blocked_id) VALUES (%s, %s)", b.id, a.id)
    holder, other = sessions(), sessions()
    with holder.transaction():
        holder.rows("SELECT id FROM account WHERE id = %s FOR UPDATE", a.id)
        holder.rows("SELECT id FROM conversation WHERE id = %s FOR NO KEY UPDATE", where)
        waiting = threading.Thread(target=lambda: other.rows("SELECT * FROM block_remove(%s, %s, NULL)", b.id, a.id))
        waiting.start()
        while not waits(db, other):
            assert waiting.is_alive()
        holder.rows("UPDATE account SET deleted_at = now() WHERE id = %s", a.id)
    waiting.join()
    assert db.value("SELECT closed FROM conversation WHERE id = %s", where)
    assert db.send(b, conversation=where).status == 403


def test_blocks_of_both_sides_go_and_the_conversation_stays_closed(db):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    for one, two in ((a, b), (b, a)):
        db.rows("SELECT block_add(%s, %s, NULL, NULL)", one.id, two.id)
    db.rows(ERASE, a.id)
    assert db.value("SELECT count(*) FROM block WHERE %s IN (account_id, blocked_id)", a.id) == 0
    assert db.send(b, conversation=where).status == 403
    with refused(404):
        db.rows("SELECT block_add(%s, %s, NULL, NULL)", b.id, a.id)


def test_all_at_once_and_no_deadlock(db, sessions):
    """Everybody of a crowd writes to everybody, and half of it goes."""
    people = [db.person() for _ in range(8)]
    groups = [db.group(*people[n:] + people[:n]) for n in range(4)]
    for n, one in enumerate(people):
        for two in people[n + 1:]:
            db.send(one, two)

    def write(session, n):
        for _ in range(5):
            session.send_batch([{"sender": people[n], "to": other} for other in people if other is not people[n]]
                               + [{"sender": people[n], "conversation": group} for group in groups])

    results = at_once(*[lambda s=sessions(), p=p: s.rows(ERASE, p.id) for p in people[:4]],
                      *[lambda s=sessions(), n=n: write(s, n) for n in range(4, 8)])
    assert not [r for r in results if isinstance(r, Exception)], results
    owners = db.rows("SELECT p.owner_id AS id FROM conversation_profile p WHERE p.conversation_id = ANY (%s)", groups)
    assert {o.id for o in owners} <= {p.id for p in people[4:]}
    assert db.value("SELECT count(*) FROM member WHERE account_id = ANY (%s) AND left_version IS NULL AND conversation_id"
                    " = ANY (%s)", [p.id for p in people[:4]], groups) == 0


@pytest.mark.parametrize("kind", ["broadcast", "channel"])
def test_lists_and_channels_end_with_their_owner(db, kind):
    a, b = db.person(), db.person()
    where = db.value("INSERT INTO conversation (kind) VALUES (%s) RETURNING id", kind)
    db.rows("INSERT INTO conversation_profile (conversation_id, owner_id, title, member_count) VALUES (%s, %s, 'mine', 2)",
            where, a.id)
    db.rows("INSERT INTO member (conversation_id, account_id, role, joined_version) VALUES (%s, %s, 'owner', 1),"
            " (%s, %s, 'member', 1)", where, a.id, where, b.id)
    events = db.value("SELECT _event FROM account_erase(%s)", a.id)
    [told] = [e for e in events if e["t"] == "conversation.deleted"]
    assert told["c"] == str(where) and told["v"] == 1, "those who were in it are told"
    assert db.send(b, conversation=where).status == 404
    assert db.value("SELECT title IS NULL AND member_count = 0 FROM conversation_profile WHERE conversation_id = %s", where)


def test_the_key_history_follows_the_device(db):
    a = db.person()
    look = "SELECT public_key, deactivated_at IS NULL AS active FROM device_identity WHERE device_id = %s ORDER BY created_at"
    for key in ("one", "two"):
        db.rows("UPDATE device SET identity_key = %s WHERE id = %s", key, a.device)
    assert [(r.public_key, r.active) for r in db.rows(look, a.device)] == [("one", False), ("two", True)]
    for n in range(60):
        db.rows("UPDATE device SET signed_prekey = %s, signed_prekey_signature = 's' WHERE id = %s", f"k{n}", a.device)
    kept = db.rows("SELECT public_key, replaced_at IS NULL AS active FROM device_signed_prekey WHERE device_id = %s"
                   " ORDER BY created_at", a.device)
    assert [(r.public_key, r.active) for r in kept] == [(f"k{n}", n == 59) for n in range(9, 60)]
    db.rows("SELECT device_revoke(%s, %s)", a.id, a.device)
    assert db.rows(look, a.device) == []
