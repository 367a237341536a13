"""What a statement touches depends on what it is about, not on how much else there is."""
import contextlib
import uuid

import pytest

MEMBERS = 1000
OTHERS = 30

FILL = """
WITH people AS (
	INSERT INTO account (id) SELECT uuid7() FROM generate_series(1, %(members)s) RETURNING id),
rooms AS (
	INSERT INTO conversation (id, kind)
	SELECT uuid7(), 'group' FROM generate_series(1, %(others)s) RETURNING id)
INSERT INTO member (conversation_id, account_id, role, joined_version)
SELECT r.id, p.id, 'member', 1 FROM rooms r, people p RETURNING conversation_id, account_id"""

SEND = """
SELECT * FROM message_send(ARRAY[uuid7()], ARRAY[%(sender)s::uuid], ARRAY[%(device)s::uuid],
	ARRAY[%(conversation)s::uuid], NULL, ARRAY[%(client)s], ARRAY['text'], ARRAY['YQ=='])"""


@pytest.fixture
def crowded(farm):
    """A cursor in a transaction that nobody else sees, with large groups of many people; and (group, member) of one."""
    with contextlib.closing(farm.database()) as connection, connection.cursor() as cursor:
        cursor.execute(FILL, {"members": MEMBERS, "others": OTHERS})
        row = cursor.fetchone()
        yield cursor, row["conversation_id"], row["account_id"]
        connection.rollback()


def blocks(cursor, statement, values):
    """Blocks of eight kilobytes that the statement looked at."""
    cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement, values)
    plan = cursor.fetchone()["QUERY PLAN"][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def test_a_send_to_a_large_group_looks_at_no_more_than_a_send_to_two(crowded, alice, bob):
    cursor, group, member = crowded
    pair = alice.say(bob)["conversationId"]

    def cost(conversation, sender, device):
        # The first calls of a session plan anew each time; the last has the plan that is kept.
        costs = [blocks(cursor, SEND, {"conversation": conversation, "sender": sender, "device": device,
                                       "client": str(uuid.uuid4())}) for _ in range(12)]
        return costs[-1]

    two, many = cost(pair, alice.id, alice.device), cost(group, member, str(uuid.uuid4()))
    assert many <= 1.5 * two + 8, f"{many} blocks instead of {two}"


CARDS = "SELECT * FROM conversation_card WHERE viewer_id = %(viewer)s AND NOT hidden ORDER BY pinned DESC, active_at DESC"
SEARCH = ("SELECT * FROM conversation_card WHERE viewer_id = %(viewer)s"
          " AND strpos(lower(concat_ws('', title, peer_name)), 'x') > 0")
CARD = "SELECT * FROM conversation_card WHERE viewer_id = %(viewer)s AND id = %(conversation)s"


@pytest.mark.parametrize("statement, many", [(CARDS, 3), (SEARCH, 3), (CARD, 1)])
def test_a_list_looks_at_the_conversations_of_its_account_only(crowded, alice, bob, carol, statement, many):
    cursor, group, _ = crowded
    conversation = alice.say(bob)["conversationId"]
    alice.say(carol)
    cursor.execute("INSERT INTO member (conversation_id, account_id, role, joined_version) VALUES (%s, %s, 'member', 1)",
                   (group, alice.id))
    cost = blocks(cursor, statement, {"viewer": alice.id, "conversation": conversation})
    assert cost <= many * 25, f"{cost} blocks"
