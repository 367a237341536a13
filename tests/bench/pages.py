#!/usr/bin/python3
"""Whether it matters how far down a list one reads, and how long the conversation is.

usage: ./rookery bench pages [--users N] [--messages N] [--rounds N] [--json FILE]

A private farm is seeded (docs/seed.md) with 100,000 people and 5 million messages, a fifth of them in one conversation, unless told
otherwise, which takes some minutes.  People of the seed sign in, and one request after the other is made over one kept connection, each
kind in turn (A B C A B C ...):

    history     pages of the long conversation: the newest, the one in the middle, the oldest; those from a moment on; and the newest of
                a short conversation
    changes     synchronising from the start, from a cursor in the middle of everything, from the end
    send, read  a message into the long conversation, and into a short one; telling that it was read
    queue       page-numbered: what waits for a device that is far behind (told, not held to the goal)

Printed are medians with the tenth and ninetieth part of a hundred, in milliseconds, and the ratios; --json keeps every request.
"""
import itertools
import statistics
import sys
import time
import uuid

from runs import options, report, save
from world import CIPHER, measured_farm

from lib.people import Account, Caller
from lib.signup import sign_in

SIZE = 50
SHORTEST = "short, newest page"
LONG = """SELECT c.id, c.last_seq FROM conversation c WHERE c.kind = 'group' ORDER BY c.last_seq DESC LIMIT 1"""
SHORT = """
    SELECT c.id, c.last_seq FROM conversation c JOIN member m ON m.conversation_id = c.id AND m.account_id = %s AND m.left_version IS NULL
    WHERE c.kind = 'group' AND NOT c.admins_only AND c.last_seq > 50 ORDER BY abs(c.last_seq - 100), c.id LIMIT 1"""
#: Two ordinary members of the long conversation: one who is up to date, and one who has read next to nothing.
MEMBERS = """
    SELECT a.phone, d.fingerprint FROM member m JOIN account a ON a.id = m.account_id AND a.phone IS NOT NULL AND a.read_receipts
    JOIN device d ON d.account_id = a.id AND d.revoked_at IS NULL
    JOIN device_position p ON p.device_id = d.id AND p.conversation_id = m.conversation_id
    WHERE m.conversation_id = %s AND m.left_version IS NULL AND m.joined_seq = 0 AND m.role = 'member' AND EXISTS (
        SELECT FROM member o JOIN conversation c ON c.id = o.conversation_id AND c.kind = 'group' AND NOT c.admins_only
            AND c.last_seq BETWEEN 51 AND 400 WHERE o.account_id = a.id AND o.left_version IS NULL)
    ORDER BY p.acked_seq {order}, d.id LIMIT 1"""
CURSOR = """
    SELECT concat_ws('.', (SELECT epoch FROM sync_epoch), changed_xid, conversation_id, seq) AS cursor, created_at
    FROM message WHERE conversation_id = %s AND seq = %s"""


def enter(farm, row):
    """Somebody of the seed, on a device of theirs."""
    return Account(farm, sign_in(farm, Caller(farm), row["phone"], device=row["fingerprint"]))


def getter(person, path, **query):
    return lambda: person.request("GET", path, query=query)


def sender(person, conversation):
    return lambda: person.request("POST", f"/conversations/{conversation}/messages", {
        "ciphertext": CIPHER, "messageType": "text", "clientMessageId": str(uuid.uuid4())})


def histories(farm, person, long, short):
    pages = long["last_seq"] // SIZE
    middle = farm.sql(CURSOR, long["id"], long["last_seq"] // 2)[0]["created_at"].isoformat().replace("+00:00", "Z")
    at, other = f"/conversations/{long['id']}/messages", f"/conversations/{short['id']}/messages"
    return {"long, newest page": getter(person, at, page=1, pageSize=SIZE),
            "long, page in the middle": getter(person, at, page=pages // 2, pageSize=SIZE),
            "long, oldest page": getter(person, at, page=pages, pageSize=SIZE),
            "long, from a moment on": getter(person, at, page=1, pageSize=SIZE, date=middle),
            SHORTEST: getter(person, other, page=1, pageSize=SIZE)}


def changes(farm, person, long):
    middle, end = (farm.sql(CURSOR, long["id"], seq)[0]["cursor"] for seq in (long["last_seq"] // 2, long["last_seq"] - 5000))
    at = "/messages/sync"
    return {"from the start": getter(person, at, page=1, pageSize=SIZE),
            "from the middle": getter(person, at, page=1, pageSize=SIZE, cursor=middle),
            "near the end": getter(person, at, page=1, pageSize=SIZE, cursor=end)}


def sends(person, long, short):
    return {"send, long": sender(person, long["id"]), "send, short": sender(person, short["id"])}


def queues(person):
    return {f"page {page}": getter(person, "/messages", page=page, pageSize=SIZE) for page in (1, 2, 20)}


def measured(kinds, rounds):
    """Milliseconds of each request, by kind, in turn; two rounds before do not count."""
    times = {kind: [] for kind in kinds}
    for n, (kind, ask) in itertools.product(range(-2, rounds), kinds.items()):
        started = time.perf_counter()
        reply = ask()
        if n >= 0:
            times[kind].append(1000 * (time.perf_counter() - started))
        assert 200 <= reply.status < 300, f"{kind}: {reply}"
    return times


def spread(values):
    tenths = statistics.quantiles(values, n=10)
    return {"median": statistics.median(values), "min": tenths[0], "max": tenths[-1]}


def ratios(times, base, goal):
    """Medians beside that of the first kind; from the ratio of the tenths to that of the ninetieths."""
    out = {}
    for kind, values in times.items():
        if kind != base:
            pair = [spread(values), spread(times[base])]
            made = [pair[0][part] / pair[1][part] for part in ("median", "min", "max")]
            out[f"{kind} / {base}"] = ({"median": made[0], "min": min(made), "max": max(made)}, goal)
    return out


def show(title, times):
    print(f"\n{title:30} {'ms':>8} {'10 %':>8} {'90 %':>8}")
    for kind, values in times.items():
        one = spread(values)
        print(f"  {kind:28} {one['median']:8.2f} {one['min']:8.2f} {one['max']:8.2f}", flush=True)


def main():
    chosen = options(__doc__, [1], users=100000, messages=5000000, rounds=60)
    with measured_farm() as farm:
        started = time.monotonic()
        done = farm.rookery("seed", "--users", str(chosen.users), "--messages", str(chosen.messages), timeout=7200)
        assert done.returncode == 0, done.stdout
        print(f"{chosen.users} people, {chosen.messages} messages: {time.monotonic() - started:.0f} s", flush=True)
        long = farm.sql(LONG)[0]
        current, behind = (enter(farm, farm.sql(MEMBERS.format(order=order), long["id"])[0]) for order in ("DESC", "ASC"))
        short = farm.sql(SHORT, current.id)[0]
        print(f"the long conversation has {long['last_seq']} messages, the short one {short['last_seq']}")
        for site in farm.sites.values():
            site.watch = None  # what replies look like is other tests' business, and takes time
        groups = {"history": (histories(farm, current, long, short), "long, newest page", "at most 1.5"),
                  "changes": (changes(farm, current, long), "from the start", "at most 1.5"),
                  "send": (sends(current, long, short), "send, short", "at most 1.5"),
                  "queue": (queues(behind), "page 1", "none")}
        result, all_ratios = {}, {}
        for name, (kinds, base, goal) in groups.items():
            result[name] = measured(kinds, chosen.rounds)
            show(name, result[name])
            all_ratios.update(ratios({kind: times for kind, times in result[name].items() if kind != SHORTEST}, base, goal))
        newest = {kind: result["history"][kind] for kind in ("long, newest page", SHORTEST)}
        all_ratios.update(ratios(newest, SHORTEST, "at most 1.5"))
        save(chosen, {"requests": result, "ratios": report(all_ratios)})


if __name__ == "__main__":
    sys.exit(main())
