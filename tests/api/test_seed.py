"""./rookery seed: what it makes could have come about by use, is the same every time, and people in it can sign in."""
import contextlib

import pytest

from lib.farm import Farm
from lib.people import Account, Caller
from lib.seeded import seeded
from lib.signup import sign_in

#: Statements that find rows which no use of the farm leaves behind.
WRONG = {
    "sequences are dense": """
        SELECT c.id FROM conversation c LEFT JOIN message m ON m.conversation_id = c.id
        GROUP BY c.id, c.last_seq HAVING count(m) <> c.last_seq OR coalesce(max(m.seq), 0) <> c.last_seq""",
    "time goes on as numbers rise": """
        SELECT FROM (SELECT created_at, lag(created_at) OVER (PARTITION BY conversation_id ORDER BY seq) AS before FROM message) m
        WHERE created_at < before""",
    "the newest message is the conversation's": """
        SELECT FROM conversation c JOIN message m ON m.conversation_id = c.id AND m.seq = c.last_seq
        WHERE c.last_message_at <> m.created_at""",
    "a conversation has changed when its messages did": """
        SELECT FROM message m JOIN conversation c ON c.id = m.conversation_id WHERE m.changed_xid > c.changed_xid""",
    "changes lie in the past": """
        SELECT FROM conversation WHERE changed_xid >= pg_snapshot_xmax(pg_current_snapshot())""",
    "moments come before what was changed since": """
        SELECT FROM sync_moment o JOIN LATERAL (SELECT FROM message m WHERE m.changed_xid < o.xid
            AND coalesce(m.deleted_at, m.edited_at, m.created_at) >= o.at LIMIT 1) m ON true""",
    "ids tell the time": """
        SELECT FROM message WHERE abs(extract(epoch FROM uuid7_time(id) - created_at)) > 0.001""",
    "senders were members": """
        SELECT FROM message m WHERE NOT EXISTS (SELECT FROM member s WHERE s.conversation_id = m.conversation_id
            AND s.account_id = m.sender_id AND s.joined_seq < m.seq AND (s.left_seq IS NULL OR m.seq <= s.left_seq))""",
    "senders have the device": """
        SELECT FROM message m LEFT JOIN device d ON d.id = m.sender_device_id WHERE d.account_id IS DISTINCT FROM m.sender_id""",
    "direct conversations have their two": """
        SELECT FROM conversation c LEFT JOIN member m ON m.conversation_id = c.id WHERE c.kind = 'direct' GROUP BY c.id
        HAVING count(*) <> 2 OR bool_or(m.account_id NOT IN (c.direct_low, c.direct_high)) OR c.direct_low >= c.direct_high""",
    "groups know how many they are": """
        SELECT FROM conversation_profile p WHERE member_count <> (SELECT count(*) FROM member m
            WHERE m.conversation_id = p.conversation_id AND m.left_version IS NULL)""",
    "groups have their owner": """
        SELECT FROM conversation_profile p JOIN conversation c ON c.id = p.conversation_id
        LEFT JOIN member m ON m.conversation_id = c.id AND m.role = 'owner' AND m.left_version IS NULL
        WHERE c.deleted_at IS NULL AND m.account_id IS DISTINCT FROM p.owner_id""",
    "each change of the members has its version": """
        SELECT FROM conversation c JOIN member m ON m.conversation_id = c.id
        GROUP BY c.id HAVING c.member_version <> greatest(max(m.joined_version), max(m.left_version))
            OR (c.deleted_at IS NULL AND c.member_version <> count(*) FILTER (WHERE m.joined_version > 1) + count(m.left_version) + 1)""",
    "stays lie in their conversation and do not overlap": """
        SELECT FROM member m JOIN conversation c ON c.id = m.conversation_id
        WHERE m.joined_seq > c.last_seq OR m.left_seq > c.last_seq OR m.left_seq < m.joined_seq OR m.left_version <= m.joined_version
            OR m.delivered_seq > coalesce(m.left_seq, c.last_seq) OR m.read_seq > m.delivered_seq OR m.shown_read_seq > m.read_seq
            OR EXISTS (SELECT FROM member o WHERE o.conversation_id = m.conversation_id AND o.account_id = m.account_id
                AND o.joined_version > m.joined_version AND o.joined_version <= coalesce(m.left_version, 2147483647))""",
    "positions lie in their conversation": """
        SELECT FROM device_position p JOIN conversation c ON c.id = p.conversation_id
        LEFT JOIN device d ON d.id = p.device_id AND d.revoked_at IS NULL WHERE p.acked_seq > c.last_seq OR d.id IS NULL""",
    "acknowledgements lie ahead of positions": """
        SELECT FROM device_ack a LEFT JOIN device_position p USING (device_id, conversation_id)
        LEFT JOIN message m ON m.conversation_id = a.conversation_id AND m.seq = a.seq
        WHERE p.acked_seq IS NULL OR a.seq <= p.acked_seq + 1 OR m.id IS NULL""",
    "blocks close, and nothing else does": """
        SELECT FROM conversation WHERE kind = 'direct' AND closed <> direct_closed(direct_low, direct_high)""",
    "reactions are counted": """
        SELECT FROM message m LEFT JOIN reaction r ON r.message_id = m.id
        GROUP BY m.id HAVING m.reaction_count <> count(r)""",
    "edited messages have their edits": """
        SELECT FROM message m LEFT JOIN message_edit e ON e.message_id = m.id
        GROUP BY m.id HAVING m.deleted_at IS NULL AND m.version <> 1 + count(e)""",
    "tombstones are empty": """
        SELECT FROM message WHERE deleted_at IS NOT NULL AND (body IS NOT NULL OR meta IS NOT NULL)""",
    "what is named is there": """
        SELECT FROM message m LEFT JOIN media f ON f.id::text = m.meta ->> 'mediaId'
        WHERE m.meta ? 'mediaId' AND f.account_id IS DISTINCT FROM m.sender_id""",
    "keys have their history": """
        SELECT FROM device d LEFT JOIN device_identity i ON i.device_id = d.id AND i.deactivated_at IS NULL
        LEFT JOIN device_signed_prekey s ON s.device_id = d.id AND s.replaced_at IS NULL AND s.identity_id = i.id
        WHERE d.revoked_at IS NULL AND (i.public_key, s.public_key, s.signature)
            IS DISTINCT FROM (d.identity_key, d.signed_prekey, d.signed_prekey_signature)""",
    "sealed messages are there for the other devices": """
        SELECT FROM message m WHERE m.meta ? 'sealed' AND (m.body IS NOT NULL OR m.deleted_at IS NULL AND NOT EXISTS (
            SELECT FROM message_body b WHERE b.message_id = m.id))
        AND EXISTS (SELECT FROM member s JOIN device d ON d.account_id = s.account_id AND d.revoked_at IS NULL
            WHERE s.conversation_id = m.conversation_id AND d.id <> m.sender_device_id)""",
    "calls end when they have ended": """
        SELECT FROM call c JOIN call_participant p ON p.call_id = c.id
        WHERE (c.status = 'ended') <> (p.status = 'left') OR p.account_id NOT IN (SELECT account_id FROM member m
            WHERE m.conversation_id = c.conversation_id)""",
    "lists know how many are on them": """
        SELECT FROM broadcast_list l WHERE recipient_count <> (SELECT count(*) FROM broadcast_recipient r WHERE r.list_id = l.id)""",
    "stores know what is in them": """
        SELECT FROM offline_queue q WHERE item_count <> (SELECT count(*) FROM offline_queue_item i WHERE i.queue_id = q.id)
            OR last_position <> item_count""",
    "nothing is on its way to anybody": "SELECT FROM invitation WHERE status = 'queued'",
    "nothing lies in the future": """
        SELECT FROM message WHERE created_at > now() OR deleted_at > now() OR edited_at > now()""",
}

ORPHANS = """
SELECT format('SELECT FROM %s x LEFT JOIN %s y ON x.%I = y.%I WHERE x.%I IS NOT NULL AND y.%I IS NULL',
    k.conrelid::regclass, k.confrelid::regclass, a.attname, b.attname, a.attname, b.attname) AS statement
FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND cardinality(k.conkey) = 1"""


@pytest.fixture(scope="module")
def empty(farm):
    with seeded(farm, users=None) as database:
        yield database


@pytest.mark.parametrize("rule", WRONG)
def test_what_is_seeded_could_have_come_about(crowd, rule):
    assert crowd.rows(f"SELECT count(*) AS n FROM ({WRONG[rule]}) wrong")[0]["n"] == 0


def test_no_row_names_one_that_is_not_there(crowd):
    statements = [row["statement"] for row in crowd.rows(ORPHANS)]
    assert len(statements) > 20
    for statement in statements:
        assert crowd.rows(f"SELECT count(*) AS n FROM ({statement}) wrong")[0]["n"] == 0, statement


def test_activity_is_uneven(crowd):
    """A few conversations have most messages, a few people most conversations, and many have next to none."""
    counts = sorted((row["n"] for row in crowd.rows("SELECT last_seq AS n FROM conversation")), reverse=True)
    assert counts[0] == 10000 and sum(counts[:len(counts) // 100]) > sum(counts) / 2
    assert sum(count <= 1 for count in counts) > len(counts) / 10 and 100 in counts
    known = sorted((row["n"] for row in crowd.rows("SELECT count(*) AS n FROM member GROUP BY account_id")), reverse=True)
    assert known[0] > 20 * known[len(known) // 2]
    sizes = [row["n"] for row in crowd.rows("SELECT member_count AS n FROM conversation_profile WHERE member_count > 0")]
    assert min(sizes) <= 3 and max(sizes) == 1000


def test_the_same_words_give_the_same_rows(farm):
    def content(database):
        """All but change marks, identities, and times that nobody gave."""
        columns = {}
        for row in database.rows("SELECT table_name AS home, column_name AS name FROM information_schema.columns c"
                                 " JOIN pg_tables t ON t.schemaname = 'public' AND t.tablename = c.table_name"
                                 " WHERE table_schema = 'public' AND table_name <> 'schema_migration'"
                                 " AND is_identity = 'NO' AND udt_name <> 'xid8' AND coalesce(column_default, '') !~ 'now|clock'"):
            columns.setdefault(row["home"], []).append(f'"{row["name"]}"')
        return {home: database.rows(f"SELECT count(*) AS n, md5(string_agg(r, '' ORDER BY r)) AS sum FROM"
                                    f" (SELECT ({', '.join(sorted(names))})::text AS r FROM {home}) x")[0]
                for home, names in columns.items()}

    with contextlib.ExitStack() as stack:
        first, again, other = (content(stack.enter_context(seeded(farm, users=60, messages=1000, seed=seed,
                                                                  until="2026-01-31T12:00:00Z"))) for seed in (1, 1, 2))
    assert first == again
    assert first["account"] != other["account"] and first["message"] != other["message"]


def test_a_seeded_database_is_not_seeded_again(farm, crowd):
    done = crowd.rookery("seed", "--users", "20", "--messages", "1000")
    assert done.returncode == 1 and "was seeded before" in done.stdout


def test_a_farm_with_people_is_left_alone(farm, alice):
    before = farm.sql("SELECT count(*) AS n FROM message")
    done = farm.rookery("seed", "--users", "20", "--messages", "1000")
    assert done.returncode == 1 and "--among-people" in done.stdout
    assert farm.sql("SELECT count(*) AS n FROM message") == before


@pytest.mark.parametrize("words,named", [(("--users", "3"), "--users"), (("--messages", "x"), "--messages"), (("--seed",), "--seed"),
                                         (("--until", "someday"), "--until"), (("--many",), "--many")])
def test_nonsense_is_refused(empty, words, named):
    done = empty.rookery("seed", *words)
    assert done.returncode == 1 and named in done.stdout
    assert empty.rows("SELECT count(*) AS n FROM account")[0]["n"] == 0


def test_half_a_seed_is_none(empty):
    """The seed ends in the middle of its work: nothing of it is there."""
    indexes = empty.rows("SELECT * FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname")
    empty.rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no events''; END'")
    empty.rows("CREATE TRIGGER refuse BEFORE INSERT ON event EXECUTE FUNCTION refuse()")
    empty.rows("ALTER TABLE event ENABLE ALWAYS TRIGGER refuse")
    try:
        done = empty.rookery("seed", "--users", "20", "--messages", "1000")
    finally:
        empty.rows("DROP FUNCTION refuse CASCADE")
    assert done.returncode == 1 and "no events" in done.stdout
    assert empty.rows("SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM message) AS n")[0]["n"] == 0
    assert empty.rows("SELECT * FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname") == indexes


def test_indexes_are_the_same_afterwards(crowd, empty):
    statement = "SELECT * FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
    assert crowd.rows(statement) == empty.rows(statement)


def test_people_of_the_seed_sign_in_and_find_what_waits_for_them():
    with Farm.private(LIMIT_AUTH="5000/60") as farm:
        done = farm.rookery("seed", "--users", "100", "--messages", "2000")
        assert done.returncode == 0 and "+883510000000001" in done.stdout
        nobody = Caller(farm)
        answer = sign_in(farm, nobody, "+883510000000001", device="seed-1")
        who = Account(farm, answer)
        known = farm.sql("SELECT id FROM device WHERE account_id = %s AND fingerprint = 'seed-1'", who.id)
        assert who.device == known[0]["id"]
        conversation, = farm.sql("SELECT id, last_seq FROM conversation ORDER BY last_seq DESC LIMIT 1")
        page = who.get(f"/conversations/{conversation['id']}/messages", page=1, pageSize=10)
        assert page["total"] == conversation["last_seq"] and page["items"][0]["seq"] == conversation["last_seq"]
        other = Account(farm, sign_in(farm, nobody, "+883510000000004", device="seed-1"))
        sent = who.say(other)
        assert other.get(f"/conversations/{sent['conversationId']}/messages", page=1, pageSize=1)["items"][0]["messageId"] == sent["messageId"]
        synced = other.get("/messages/sync", page=1, pageSize=100)
        assert synced["messages"]
