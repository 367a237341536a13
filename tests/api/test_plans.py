"""What a statement touches depends on what it asks for, not on how much else there is.

Every query of every program is executed over seeded people (tests/lib/plans.py), with the plan made for its values and with
the one that is kept for any values.  See docs/testing.md.
"""
import os
import pathlib

import pytest

from lib.plans import MODES, Gauge, all_queries

#: Rows that a query may look at: so many, and so many for each row that it is asked for.
ROWS, ROWS_EACH = 60, 6
BLOCKS_EACH = 12  # of 8 kB, for each such row: the table, and the three or four levels of an index

#: Exceptions: queries that may look at more, how much more, and why that is enough.  The words are those of a scenario.
KEYS = "counts the one-time keys of the account's devices, at most some hundreds each"
STAYS = "goes through all conversations of the account, for nothing is written for it when somebody sends"
PAGE = "reads as many messages of as many conversations as there are on a page, before it knows which are the oldest"
ACKS = "moves a position, or notes what came before its turn, for each message by itself"
MEMBERS = "sorts or tells all members, of which a group has at most 1,024"
WIDER = {
    "whatsapp/contacts/contact_add": (lambda s: s.stays, "counts the account's contacts, of which there is a most"),
    "whatsapp/devices/device_list": (lambda s: 600, KEYS),
    "whatsapp/devices/device_get": (lambda s: 150, KEYS),
    "whatsapp/system/startup_state": (lambda s: 150, KEYS),
    "whatsapp/devices/device_add": (lambda s: 3 * s.stays, "a device begins at the end of every conversation"),
    "shared/core/device_revoke": (lambda s: 300 + 3 * s.stays, "takes away its keys and its positions"),
    "shared/core/device_enter": (lambda s: 300 + 3 * s.stays, "a device begins at the end of every conversation"),
    "whatsapp/groups/group_list": (lambda s: 3 * s.stays, "page-numbered; groups are found among all conversations of the account"),
    "whatsapp/groups/group_members": (lambda s: 6 * s.members + 2 * s.stays, f"{MEMBERS}; and joins the caller's contacts"),
    "wsrelay/members_LOOK_UP": (lambda s: 2 * s.members, MEMBERS),
    "whatsapp/messages/reaction_list": (lambda s: 2 * s.members, "page-numbered; a member reacts once"),
    "whatsapp/messages/changes": (lambda s: 8 * s.stays + 4 * s.limit, "looks at the first changes of each conversation that has changed since, before it"
                                  " knows which are the oldest"),
    "whatsapp/messages/conversations_sync": (lambda s: 6 * s.stays, STAYS),
    "whatsapp/messages/queue_page": (lambda s: 12 * s.stays + 1001 + s.limit ** 2 + s.deep, f"{STAYS}; {PAGE}"),
    "whatsapp/messages/queue_count": (lambda s: 8 * s.stays + 1001, STAYS),
    "whatsapp/queues/waiting_page": (lambda s: 6 * s.stays + s.limit ** 2 + s.deep, f"{STAYS}; {PAGE}"),
    "whatsapp/queues/waiting_count": (lambda s: 8 * s.stays + 1001, STAYS),
    "whatsapp/privacy/read_receipts_get": (lambda s: s.stays, STAYS),
    "whatsapp/privacy/presence_visibility_get": (lambda s: 300, "counts whom the account named, of whom there is a most"),
    "whatsapp/privacy/read_receipts_set": (lambda s: s.stays, STAYS),
    "whatsapp/safety/block_list": (lambda s: s.blocks + 3 * s.offset, "page-numbered; counts the blocks of the account"),
    "whatsapp/messages/messages_sync_ack": (lambda s: 20 * 10, ACKS),
    "whatsapp/queues/waiting_ack": (lambda s: 20 * 10, ACKS),
    "whatsapp/queues/offline_queue_delete": (lambda s: 5000, "takes away what is in it"),
    "whatsapp/queues/offline_queue_items": (lambda s: s.offset, "page-numbered; passes over the pages before in the order of the index"),
    "sentinal/encryption/prekey_count": (lambda s: 150, KEYS),
    "sentinal/messages/message_reactions": (lambda s: 2 * s.members, "a member reacts once"),
    "sentinal/users/user_contacts": (lambda s: 5 * s.stays, "page-numbered; sorts the account's contacts by name"),
    "sentinal/users/user_blocked": (lambda s: 5 * s.blocks + 2 * s.stays, "page-numbered; counts the blocks of the account"),
    "sentinal/conversations/participant_list": (lambda s: 6 * s.members + 2 * s.stays, f"{MEMBERS}; and joins the caller's contacts"),
    "sentinal/calls/calls_of_user": (lambda s: 10 * s.stays, "page-numbered; counts the account's calls"),
    "sentinal/uploads/uploads_of": (lambda s: 5 * s.stays, "page-numbered; counts the account's uploads"),
    "sentinal/uploads/uploads_stale_delete": (lambda s: 300, "deletes the account's unfinished uploads, of which there is a most"),
    "wsrelay/watch_ask_ASK_PARTNERS": (lambda s: 3 * s.stays, f"the latest of the account's pairs; {STAYS}"),
    "wsrelay/typing_ASK": (lambda s: 8 * s.blocks + s.members, "who of the members blocks the account, or is blocked by it"),
    "wsrelay/queue_elsewhere_MARKS": (lambda s: 3 * s.stays, "the device's positions, one in each conversation of the account"),
    "wsrelay/queue_LOOK": (lambda s: 6 * s.stays + s.limit ** 2, f"{STAYS}; {PAGE}"),
    "sentinal/conversations/conversation_list": (lambda s: 12 * s.stays, f"page-numbered; {STAYS}"),
    "sentinal/conversations/conversation_search": (lambda s: 12 * s.stays, f"looks for a word among the names of one's own; {STAYS}"),
    "jobs/settle_positions": (lambda s: 500 * 250, "a batch of devices, each with all its conversations"),
    "jobs/jobs_messages": (lambda s: 50 * s.members, "who was a member then; only of what a crash left out"),
    "jobs/jobs_revoked": (lambda s: 5000, "sessions that ended within the last seconds, which nobody bounds"),
}

#: Queries that may read tables whole: which, and why.
ANY = None
WHOLE = {
    "sentinal/conversations/conversation_list": (("conversation_profile",), "as group_list"),
    "sentinal/conversations/conversation_search": (("conversation_profile",), "as group_list"),
    "jobs/purge_messages": (("message_hidden",), "a batch of five hundred, when there are a few thousand"),
    "whatsapp/groups/group_list": (("conversation_profile",), "who is in as many conversations as a quarter of all groups gets them in order"),
    "shared/core/account_erase": (ANY, "once in the life of an account"),
    "jobs/purge_queues": (("offline_queue",), "a batch may be of five hundred stores, when there are a few thousand"),
}

#: Queries that read and find nothing among the seeded people, and why.
EMPTY = {
    "jobs/jobs_horizon": "looks at the server's own state",
    "wsrelay/missing_LOOK_UP": "finds what a crash left out of the stream, and nothing is missing here",
}


@pytest.fixture(scope="module")
def gauge(crowd, request):
    with Gauge(crowd, small=not request.config.option.full) as gauge:
        yield gauge


def build():
    return pathlib.Path(os.environ.get("ROOKERY_BUILD") or pathlib.Path(__file__).resolve().parents[2] / "build")


def pytest_generate_tests(metafunc):
    if "query" in metafunc.fixturenames:
        queries = all_queries(build())
        metafunc.parametrize("query", queries, ids=[query.id for query in queries])


def allowed(run, reads):
    """Rows that a run may look at: that of its page, and for what changes something the members who are told."""
    more = WIDER[run.query.id][0](run.scenario) if run.query.id in WIDER else 0 if reads else 3 * run.scenario.members
    return ROWS + ROWS_EACH * run.page + more


def allowed_at_all(run):
    """Nothing looks at more than one account or one conversation has, whoever forgot to say so in WIDER."""
    s = run.scenario
    return max(allowed(run, False), ROWS + ROWS_EACH * run.page + 8 * (s.stays + s.blocks) + 3 * s.members + s.limit ** 2)


def test_a_query_looks_at_little(gauge, query, request):
    """In the full run all of it has to be true; in the usual one a new query may lack its values or its exception for a
    while, and is shown as skipped."""
    later = pytest.fail if request.config.option.full else pytest.skip
    runs, reads, wide = list(gauge.runs(query)), gauge.reads(query), []
    for run in runs:
        for table, fault in run.faults:
            tables = WHOLE.get(query.id, ((), None))[0]
            assert tables is ANY or table in tables, f"{run}\n{fault}"
        rows, most = allowed(run, reads), allowed_at_all(run)
        if query.id not in WHOLE:
            assert run.rows <= most, f"at most {most} rows expected: {run}"
            assert run.blocks <= 100 + BLOCKS_EACH * most, f"at most {100 + BLOCKS_EACH * most} blocks expected: {run}"
            wide += [run] * (run.rows > rows)
    if wide:
        later(f"{query.id} looks at more than its page; say in WIDER how much more and why: {wide[0]}")
    if reads and query.id not in EMPTY and not any(run.returned and not run.error for run in runs):
        later(f"{query.id} found nothing with any values, so nothing was measured; tell tests/lib/values.py what to ask for, or"
              f" let tools/seed make such rows: {runs[0]}")


def test_a_send_to_a_large_group_looks_at_no_more_than_a_send_to_two(gauge):
    send, = (query for query in all_queries(build()) if query.name == "message_send")
    blocks = {(run.scenario.name, run.mode): run.blocks for run in gauge.runs(send) if run.returned}
    for mode in MODES:
        two, many = blocks["usual", mode], blocks["crowd", mode]
        assert many <= 1.5 * two + 8, f"{many} blocks instead of {two}"


def test_a_message_in_a_long_conversation_costs_what_it_costs_in_a_short_one(gauge):
    """Sending and reading; the last page of the past as much as the first."""
    for name, within in (("message_send", 1.5), ("histories", 3), ("conversation_read", 3)):
        query, = (query for query in all_queries(build()) if query.name == name)
        blocks = {(run.scenario.name, run.mode): run.blocks for run in gauge.runs(query) if not run.error}
        for mode in MODES:
            for long in ("busy", "deep", "behind"):
                assert blocks[long, mode] <= within * blocks["crowd", mode] + 8, (name, blocks)


def test_changes_cost_the_same_from_the_start_and_from_the_middle(gauge):
    query, = (query for query in all_queries(build()) if query.name == "changes")
    blocks = {(run.scenario.name, run.mode): run.blocks for run in gauge.runs(query) if not run.error}
    for mode in MODES:
        assert blocks["deep", mode] <= 3 * blocks["busy", mode] + 8, blocks


def test_exceptions_are_of_queries_that_exist(request):
    if not request.config.option.full:
        pytest.skip("queries move while families grow; looked at with --full")
    assert {*WIDER, *WHOLE, *EMPTY} - {query.id for query in all_queries(build())} == set()
