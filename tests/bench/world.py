"""The people and conversations that benchmarks work on, and the files that tell the load drivers about them.

    people = ring(farm, 1000)                   # each with a conversation with the next; by account id
    direct = places(farm, people, "direct")     # [(conversation, a member of it), ...]
    path = send_targets(farm, "all", direct)    # for send.lua
"""
import concurrent.futures
import contextlib
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lib.farm import Farm  # noqa: E402
from lib.people import Account  # noqa: E402

GROUP_SIZE = 1024
GROUPS = 16
CIPHER = "Q2lwaGVydGV4dCBv" * 16
#: Counted as ever, and never reached.
FREE = "1000000000/60"
CLASSES = ("AUTH", "GENERAL", "MESSAGES", "GROUPS", "SYNC", "CONTACTS", "KEYS", "ACKS")


@contextlib.contextmanager
def measured_farm():
    """A private farm whose limits nobody meets, and that is durable."""
    with Farm.private(TOKEN_LIFETIME="1d", **{f"LIMIT_{name}": FREE for name in CLASSES}) as farm:
        row = farm.sql("SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit")[0]
        assert row == {"fsync": "on", "commit": "on"}, f"not a durable cluster: {row}"
        yield farm


def in_parallel(function, items):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(function, items))


def ring(farm, size):
    """People, each with a conversation with the next; by id."""
    people = in_parallel(lambda _: Account.register(farm), range(size))
    in_parallel(lambda n: people[n].say(people[(n + 1) % size]), range(size))
    return {person.id: person for person in people}


def large_groups(people):
    """Groups of GROUP_SIZE."""
    people = list(people.values())
    in_parallel(lambda n: people[n].group(*people[:n], *people[n + 1:GROUP_SIZE]), range(GROUPS))


def fill(farm, count):
    """count more messages in each direct conversation, from both sides in turn, as the apps send them but without events; the
    sweeper adds these, which is waited for."""
    farm.sql("SELECT count(*) FROM generate_series(1, %s) n, conversation c CROSS JOIN LATERAL message_send("
             " ARRAY[uuid7()], ARRAY[CASE n %% 2 WHEN 0 THEN c.direct_low ELSE c.direct_high END],"
             " ARRAY[(SELECT d.id FROM device d"
             "  WHERE d.account_id = CASE n %% 2 WHEN 0 THEN c.direct_low ELSE c.direct_high END LIMIT 1)],"
             " ARRAY[c.id], NULL, ARRAY[gen_random_uuid()::text], ARRAY['text'], ARRAY[%s])"
             " WHERE c.kind = 'direct'", count, CIPHER)
    time.sleep(farm.seconds("jobs.sweep") + 5)


def places(farm, people, kind):
    """(conversation, a member of it, as Account) of every conversation of a kind that these people have."""
    rows = farm.sql("SELECT DISTINCT ON (c.id) c.id::text, m.account_id::text AS account"
                    " FROM conversation c JOIN member m ON m.conversation_id = c.id"
                    " WHERE c.kind = %s AND m.account_id = ANY (%s::uuid[]) ORDER BY c.id, m.account_id", kind, list(people))
    return [(row["id"], people[row["account"]]) for row in rows]


def targets(farm, name, lines):
    """A file of paths with tokens, for send.lua and read.lua."""
    path = farm.run / f"bench-{name}"
    path.write_text("".join(f"{target}\t{account.token}\n" for target, account in lines))
    return path


def send_targets(farm, name, chosen):
    return targets(farm, name, ((f"/api/v1/conversations/{c}/messages", account) for c, account in chosen))


def analyze(farm, *databases):
    *where, name = farm.libpq_options()
    for database in databases or (name,):
        subprocess.run(["vacuumdb", *where, "-q", "--analyze", "-d", database], check=True)


def twin(farm):
    """A copy of the seeded database on the same cluster, for pgbench: what it sends there, the sweeper does not carry to the
    stream while the farm is measured.  The database as options of psql and pgbench."""
    *where, name = farm.libpq_options()
    subprocess.run(["createdb", *where, "bench"], check=True)
    dump = subprocess.Popen(["pg_dump", *where, name], stdout=subprocess.PIPE)
    subprocess.run(["psql", *where, "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d", "bench"], stdin=dump.stdout,
                   check=True)
    assert dump.wait() == 0, "pg_dump failed"
    analyze(farm, name, "bench")
    return [*where, "bench"]
