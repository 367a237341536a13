#!/usr/bin/python3
"""How fast histories are listed and changes synchronised, beside other servers and beside the statement alone.

usage: ./rookery bench read [--pairs N] [--seconds N] [--connections N,...] [--conversations N] [--json FILE]

People in a ring have two conversations each, of some 150 messages.  Measured in turn (A B C A B C ...), through the farm, through each
peer (peers.py) and with pgbench running the statement of one such request on the same cluster:

    list        the newest 50 messages of a conversation
    sync none   what is new since a cursor: nothing
    sync 100    what is new since a cursor: 100 messages

Printed are medians with minimum and maximum, the processor time a request costs, and the ratios; --json keeps every run.
"""
import sys

from gauge import Gauge
from peers import check, started
from runs import in_turn, options, p99, pgbench, processor, ratio, report, save, table, tell_costs, wrk
from world import analyze, fill, in_parallel, measured_farm, places, ring, targets

BEFORE, NEW = 99, 50  # messages a conversation; a person has two conversations
LIST = "SELECT * FROM conversation_page({account}, {conversation}, NULL, NULL, 50, 0, NULL);\n"
SYNC = "SELECT * FROM message_changes_page({account}, {cursor}, NULL, 100, 0, NULL);\n"


def cursor_at_the_end(person):
    """Where synchronising goes on when everything has been taken in."""
    cursor, more = None, True
    while more:
        answer = person.get("/messages/sync", page=1, pageSize=100, **({"cursor": cursor} if cursor else {}))
        cursor, more = answer["nextCursor"], answer["hasMore"]
    return cursor


def synchronised(farm, people):
    """{person: cursor}, for all."""
    people = list(people.values())
    return dict(zip(people, in_parallel(cursor_at_the_end, people)))


def drawn(values):
    """One of the values, by the number that pgbench draws."""
    return "(ARRAY['" + "','".join(values) + "'])[:n]"


def script(farm, name, statement, size, **columns):
    path = farm.run / f"bench-{name}.sql"
    path.write_text(f"\\set n random(1, {size})\n" + statement.format(**columns))
    return path


def reading(farm, people):
    """{operation: (file of targets, pgbench script)} over a world that is made here."""
    fill(farm, BEFORE)
    before = synchronised(farm, people)
    fill(farm, NEW)
    after = synchronised(farm, people)
    analyze(farm)
    chosen = places(farm, people, "direct")
    files = {"list": (
        targets(farm, "list", ((f"/api/v1/conversations/{c}/messages?page=1&pageSize=50", a) for c, a in chosen)),
        script(farm, "list", LIST, len(chosen), account=drawn(a.id for _, a in chosen) + "::uuid",
               conversation=drawn(c for c, _ in chosen) + "::uuid"))}
    for name, cursors in (("sync none", after), ("sync 100", before)):
        short = name.replace(" ", "-")
        files[name] = (
            targets(farm, short, ((f"/api/v1/messages/sync?page=1&pageSize=100&cursor={at}", a) for a, at in cursors.items())),
            script(farm, short, SYNC, len(cursors), account=drawn(a.id for a in cursors) + "::uuid", cursor=drawn(cursors.values())))
    for person, cursor in list(before.items())[:3]:
        new = person.get("/messages/sync", page=1, pageSize=100, cursor=cursor)
        assert len(new["messages"]) == 2 * NEW and not new["hasMore"], "not the 100 new messages that are measured"
    return files


def runs_of(farm, peers, files, chosen):
    """{operation: {connections: runs by kind}}."""
    database, gauge = farm.libpq_options(), Gauge(farm, {name: peer.process.pid for name, peer in peers.items()})
    sites = {"farm": farm.site(), **{name: peer.site for name, peer in peers.items()}}
    made = {}
    for name, (path, sql) in files.items():
        kinds = {kind: lambda c, site=site, path=path: wrk(site, "read.lua", path, c, chosen.seconds)
                 for kind, site in sites.items()}
        kinds["pgbench"] = lambda c, sql=sql: pgbench(farm, database, sql, c, chosen.seconds)
        made[name] = {n: in_turn(gauge, kinds, n, chosen.pairs, name + ",") for n in chosen.connections}
    return made


def ratios_of(made):
    ratios = {}
    for name, by_connections in made.items():
        for n, runs in by_connections.items():
            at = f"{name} at {n} connections"
            ratios[f"{at}, farm : better peer"] = ratio(runs, "farm", ("go", "node")), "at least 1.5"
            ratios[f"p99, {at}, farm : better peer"] = ratio(runs, "farm", ("go", "node"), p99, min), "at most 1"
            ratios[f"{at}, farm : pgbench"] = ratio(runs, "farm", "pgbench"), "none"
            ratios[f"processor time, {at}, farm : cheaper peer"] = (
                ratio(runs, "farm", ("go", "node"), processor, min), "below 1")
    return ratios


def main():
    chosen = options(__doc__, [32, 128], conversations=500, seconds=2)
    with measured_farm() as farm:
        check(farm)
        print("seeding", file=sys.stderr)
        people = ring(farm, chosen.conversations)
        files = reading(farm, people)
        with started(farm) as peers:
            made = runs_of(farm, peers, files, chosen)
    for name, by_connections in made.items():
        for n, runs in by_connections.items():
            table(f"{name}, {n} connections", runs)
            tell_costs(runs, ("farm", "go", "node", "pgbench"))
    save(chosen, {"read": made, "ratios": report(ratios_of(made))})


if __name__ == "__main__":
    main()
