"""The functions of sql/: what one account makes of a conversation for itself, links into groups, broadcast lists.

    /usr/bin/python3 -m pytest tests/unit/test_sql_conversations.py
"""
import itertools

import pytest
from sqllib import at_once, cluster, db, refused, sessions, uuid7  # noqa: F401, fixtures


def clear(db, who, where):
    return db.row("SELECT * FROM conversation_clear(%s, %s, %s)", who.id, where, who.device)


def visible(db, who, where):
    return [m.seq for m in db.rows("SELECT v.seq FROM message m CROSS JOIN LATERAL message_visible(%s, m.id) v"
                                   " WHERE m.conversation_id = %s ORDER BY v.seq", who.id, where)]


def statuses(db, where):
    return [m.s for m in db.rows("SELECT message_status(m) AS s FROM message m WHERE m.conversation_id = %s ORDER BY m.seq",
                                 where)]


def card(db, who, where):
    return db.row("SELECT * FROM conversation_card WHERE viewer_id = %s AND id = %s", who.id, where)


# ---- clearing -----------------------------------------------------------------------------------

def test_what_one_clears_the_other_keeps(db):
    a, b = db.person(), db.person()
    sent = [db.send(a, b) for _ in range(3)]
    where = sent[0].conversation_id
    db.ack(b, sent[0].message_id)
    done = clear(db, b, where)
    assert done.seq == 3 and done._event["to"] == [str(b.id)] and done._event["not"] == str(b.device)
    assert visible(db, b, where) == [] and visible(db, a, where) == [1, 2, 3]
    assert db.queue(b) == [] and statuses(db, where) == ["delivered", "sent", "sent"]
    assert card(db, b, where).hidden and card(db, b, where).last_message_at is None
    assert not card(db, a, where).hidden and card(db, a, where).last_message_at
    last = db.send(a, b)
    assert visible(db, b, where) == [4] and db.queue(b) == [last.message_id] and not card(db, b, where).hidden
    assert db.ack(b, sent[1].message_id).unknown == [sent[1].message_id]
    db.ack(b, last.message_id)
    assert db.queue(b) == [] and statuses(db, where)[3] == "delivered"
    assert db.value("SELECT count(*) FROM device_ack WHERE device_id = %s", b.device) == 0
    clear(db, b, where)
    assert visible(db, b, where) == [] and statuses(db, where)[3] == "delivered"


def test_a_message_that_was_delivered_stays_delivered_when_it_is_cleared(db):
    a, b = db.person(), db.person()
    sent = db.send(a, b)
    db.ack(b, sent.message_id)
    clear(db, b, sent.conversation_id)
    with refused(403):
        db.rows("SELECT message_self_destruct(%s, %s, 60, NULL)", a.id, sent.message_id)


def test_clearing_while_others_send_loses_nothing_and_shows_nothing_old(db, sessions):
    a, b = db.person(), db.person()
    where = db.send(a, b).conversation_id
    one, two = sessions(), sessions()
    sent, cleared = at_once(lambda: [one.send(a, b).seq for _ in range(40)],
                            lambda: [clear(two, b, where).seq for _ in range(20)])
    assert sent == list(range(2, 42)) and cleared == sorted(cleared)
    assert visible(db, b, where) == list(range(cleared[-1] + 1, 42)) and len(visible(db, a, where)) == 41
    assert card(db, b, where).hidden == (cleared[-1] == 41)


def test_who_is_shown_an_empty_direct_conversation(db):
    a, b = db.person(), db.person()
    opened = db.row("SELECT * FROM direct_begin(%s, %s)", a.id, b.id)
    where = opened.conversation_id
    assert opened.created and card(db, a, where).creator_id == a.id
    assert [card(db, x, where).hidden for x in (a, b)] == [False, True]
    again = db.row("SELECT * FROM direct_begin(%s, %s)", b.id, a.id)
    assert not again.created and "hidden" not in again._event["j"]
    assert [card(db, x, where).hidden for x in (a, b)] == [False, False]
    assert db.row("SELECT * FROM direct_begin(%s, %s)", b.id, a.id)._event is None
    clear(db, a, where)
    assert [card(db, x, where).hidden for x in (a, b)] == [True, False]
    db.send(b, a)
    assert [card(db, x, where).hidden for x in (a, b)] == [False, False]


def test_two_who_open_it_at_once_have_one(db, sessions):
    one, two = sessions(), sessions()
    for _ in range(20):
        a, b = db.person(), db.person()
        call = "SELECT conversation_id, created FROM direct_begin(%s, %s)"
        first, second = at_once(lambda: one.row(call, a.id, b.id), lambda: two.row(call, b.id, a.id))
        assert first.conversation_id == second.conversation_id and {first.created, second.created} == {True, False}
        assert not [x for x, row in ((a, first), (b, second)) if card(db, x, row.conversation_id).hidden], "both asked for it"


# ---- settings -----------------------------------------------------------------------------------

def test_settings_are_the_accounts_own_and_end_with_it(db):
    a, b = db.person(), db.person()
    group = db.group(a, b)
    for what in ("pinned", "archived"):
        assert db.row("SELECT * FROM conversation_set(%s, %s, %s, now())", b.id, group, what)._event["j"][what]
    assert db.row("SELECT * FROM conversation_set(%s, %s, 'pinned', now())", b.id, group)._event is None
    assert (card(db, b, group).pinned, card(db, a, group).pinned) == (True, False)
    with refused(400):
        db.rows("SELECT conversation_set(%s, %s, 'starred', now())", b.id, group)
    with refused(404):
        db.rows("SELECT conversation_set(%s, %s, 'pinned', now())", db.person().id, group)
    db.rows("UPDATE account SET deleted_at = now() WHERE id = %s", b.id)
    assert db.rows("SELECT FROM conversation_setting WHERE account_id = %s", b.id) == []


def test_muting_is_until_a_moment_or_for_ever(db):
    a = db.person()
    group = db.group(a)
    muted = "SELECT conversation_muted(%s, %s)"
    assert not db.value(muted, a.id, group)
    for until, shown in (("infinity", None), ("2999-01-01", 2999)):
        row = db.row("SELECT muted, extract(year FROM muted_until)::integer AS year FROM conversation_set(%s, %s, 'muted', %s)",
                     a.id, group, until)
        assert row.muted and row.year == shown and db.value(muted, a.id, group)
    with refused(400, "mutedUntil"):
        db.rows("SELECT conversation_set(%s, %s, 'muted', now())", a.id, group)
    db.rows("SELECT conversation_set(%s, %s, 'muted', NULL)", a.id, group)
    assert not db.value(muted, a.id, group)


# ---- links --------------------------------------------------------------------------------------

@pytest.mark.parametrize("link, code", [
    ("abc_-1", "abc_-1"), ("https://x.example/i/abc", "abc"), ("https://x.example/i/abc/", "abc"), ("rookery://invite/abc", "abc"),
    ("https://x.example/abc?a=b#c", "abc"), ("abc#c", "abc"), ("", None), ("/", None), ("a b/", "b")])
def test_the_code_of_a_link(db, link, code):
    assert db.value("SELECT invite_code_of(%s)", link) == code


def test_codes_are_long_and_differ(db):
    codes = {db.value("SELECT random_code()") for _ in range(50)}
    assert len(codes) == 50 and {len(code) for code in codes} == {22}


def test_a_link_that_is_voided_while_somebody_comes_lets_them_in_or_not_but_no_half(db, sessions):
    for _ in range(10):
        a, b = db.person(), db.person()
        group = db.group(a)
        code = db.value("SELECT code FROM group_invite(%s, %s)", group, a.id)
        one, two = sessions(), sessions()
        came, _ = at_once(lambda: one.row("SELECT * FROM group_join(%s, %s, 1024)", code, b.id),
                          lambda: two.value("SELECT code FROM group_invite(%s, %s)", group, a.id))
        members = db.value("SELECT count(*) FROM member WHERE conversation_id = %s AND left_version IS NULL", group)
        assert members == db.value("SELECT member_count FROM conversation_profile WHERE conversation_id = %s", group)
        assert members == (1 if isinstance(came, Exception) else 2)
        one.link.close()
        two.link.close()


# ---- broadcast lists ------------------------------------------------------------------------------

def test_recipients_are_counted_right_whatever_happens_at_once(db, sessions):
    owner, people = db.person(), [db.person().id for _ in range(12)]
    made = db.value("SELECT (list).id FROM broadcast_create(NULL, %s, 'news', NULL)", owner.id)

    def work(session, add):
        name = "broadcast_add(%s, %s, %s::uuid[], 100)" if add else "broadcast_remove(%s, %s, %s::uuid[])"
        return [session.row(f"SELECT * FROM {name}", made, owner.id, people[n:n + 4]) for n in range(0, 12, 2)]
    results = at_once(*[lambda s=sessions(), add=add: work(s, add) for add in (True, False, True, False)])
    assert all(row for row in itertools.chain(*results))
    assert db.value("SELECT recipient_count FROM broadcast_list WHERE id = %s", made) == \
        db.value("SELECT count(*) FROM broadcast_recipient WHERE list_id = %s", made)


def test_no_room_for_all_adds_none(db):
    owner, people = db.person(), [db.person().id for _ in range(3)]
    made = db.value("SELECT (list).id FROM broadcast_create(NULL, %s, 'news', NULL)", owner.id)
    with refused(400, "userIds"):
        db.rows("SELECT broadcast_add(%s, %s, %s::uuid[], 2)", made, owner.id, people)
    assert db.row("SELECT * FROM broadcast_add(%s, %s, %s::uuid[], 2)", made, owner.id, [*people[:2], uuid7()]).recipients == 2
    assert db.row("SELECT * FROM broadcast_add(%s, %s, %s::uuid[], 1)", made, owner.id, people[:1]).already == people[:1]
    with refused(404):
        db.rows("SELECT broadcast_add(%s, %s, %s::uuid[], 2)", made, db.person().id, people)
