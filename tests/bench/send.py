#!/usr/bin/python3
"""How many messages a second the farm takes, beside other servers and beside what its database could do.

usage: ./rookery bench send [--pairs N] [--seconds N] [--connections N,...] [--conversations N] [--json FILE]

In a private farm (durable: fsync and synchronous_commit are on, which is checked) are measured, in turn (A B C A B C ...):

    send    wrk sends single messages into 1,000 conversations: through the farm, through each peer (peers.py: the same
            work over the same database and Redis, which a test checks first); pgbench runs the statement of one such
            send on the same cluster; and wrk fetches a small static file from the farm's web server
    group   the farm alone: into groups of 1,024 members, in turn with conversations of two
    memory  proportional (PSS): all processes but PostgreSQL and Redis before the first request and at rest after the last;
            the largest worker under load

Printed are medians with minimum and maximum, the processor time a request costs (which other work on the machine does
not disturb), and the ratios; --json keeps everything, every run included.
"""
import threading
import time

from gauge import Gauge, memory, workers
from peers import check, started
from runs import in_turn, options, p99, pgbench, processor, ratio, report, save, table, tell_costs, wrk
from world import CIPHER, GROUP_SIZE, GROUPS, large_groups, measured_farm, places, ring, send_targets, targets, twin

APP = "whatsapp-messages"
TWO, MANY = "two members", f"{GROUP_SIZE} members"
#: One send as the database sees it.  The id is a UUIDv7 as the app makes them, for the sake of the index.
STATEMENT = ("SELECT * FROM message_send(ARRAY[uuid7()], ARRAY[{account}], ARRAY[{device}], ARRAY[{conversation}], NULL,"
             " ARRAY[gen_random_uuid()::text], ARRAY['text'], ARRAY['{cipher}']);\n")


def pgbench_script(farm, chosen):
    """The statement of one send; conversations and senders are constant arrays, so drawing one costs nothing."""
    def array(values):
        return "(ARRAY['" + "','".join(values) + "']::uuid[])[:n]"
    path = farm.run / "bench.sql"
    path.write_text(f"\\set n random(1, {len(chosen)})\n" + STATEMENT.format(
        conversation=array(c for c, _ in chosen), account=array(a.id for _, a in chosen),
        device=array(a.device for _, a in chosen), cipher=CIPHER))
    return path


def sends(farm, peers, people, chosen):
    """{connections: runs by kind}."""
    direct = places(farm, people, "direct")
    path, script, database = send_targets(farm, "direct", direct), pgbench_script(farm, direct), twin(farm)
    static = targets(farm, "static", (("/docs/index.html", account) for _, account in direct[:1]))
    kinds = {"farm": lambda c: wrk(farm.site(), "send.lua", path, c, chosen.seconds)}
    for name, peer in peers.items():
        kinds[name] = lambda c, site=peer.site: wrk(site, "send.lua", path, c, chosen.seconds)
    kinds["pgbench"] = lambda c: pgbench(farm, database, script, c, chosen.seconds)
    kinds["static file"] = lambda c: wrk(farm.site(), "read.lua", static, c, 1)
    gauge = Gauge(farm, {name: peer.process.pid for name, peer in peers.items()})
    return {n: in_turn(gauge, kinds, n, chosen.pairs, "send,") for n in chosen.connections}


def groups(farm, people, chosen):
    files = {TWO: send_targets(farm, "two", places(farm, people, "direct")[:GROUPS]),
             MANY: send_targets(farm, "many", places(farm, people, "group"))}
    return in_turn(Gauge(farm), {kind: lambda c, path=path: wrk(farm.site(), "send.lua", path, c, chosen.seconds)
                                 for kind, path in files.items()}, 32, chosen.pairs, "group,")


def ratios_of(send, group):
    ratios = {}
    for n, runs in send.items():
        at, few = f"at {n} connections", n < 32
        ratios[f"sends {at}, farm : better peer"] = ratio(runs, "farm", ("go", "node")), "none" if few else "at least 1.5"
        ratios[f"p99 {at}, farm : better peer"] = ratio(runs, "farm", ("go", "node"), p99, min), "at most 1"
        ratios[f"sends {at}, farm : pgbench"] = ratio(runs, "farm", "pgbench"), "none" if few else "at least 0.9"
        ratios[f"processor time {at}, farm : cheaper peer"] = (
            ratio(runs, "farm", ("go", "node"), processor, min), "below 1")
    ratios[f"time of a send to {GROUP_SIZE} members : to two"] = ratio(group, TWO, MANY), "at most 1.5"
    ratios[f"processor time of a send to {GROUP_SIZE} : to two"] = ratio(group, MANY, TWO, processor), "at most 1.5"
    return ratios


class LargestWorker:
    """Looks at the app's workers twice a second as long as the block lasts."""

    def __init__(self, farm):
        self.farm, self.size, self.ended = farm, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.ended.wait(0.5):
            self.size = max([self.size, *workers(self.farm, APP)])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def tell_memory(idle, rest, largest, left):
    print("\nmemory, proportional set size")
    for name, sizes in (("idle", idle), ("at rest after the load", rest)):
        print(f"  all but PostgreSQL and Redis, {name:24} {sum(sizes.values()):6.1f} MB in {len(sizes)} services"
              " (goal: at most 150 MB)")
    print(f"  the largest worker of {APP} under load {largest:6.1f} MB (goal: at most 10 MB);"
          f" at rest {', '.join(f'{size:.1f}' for size in left)} MB")


def main():
    chosen = options(__doc__, [8, 32, 128], conversations=1000, seconds=3)
    with measured_farm() as farm:
        idle = memory(farm)
        check(farm)
        people = ring(farm, max(chosen.conversations, GROUP_SIZE))
        large_groups(people)
        with started(farm) as peers, LargestWorker(farm) as largest:
            send = sends(farm, peers, people, chosen)
        group = groups(farm, people, chosen)
        time.sleep(farm.seconds("workers.idle") + 10)
        rest, left = memory(farm), workers(farm, APP)

    for n, runs in send.items():
        table(f"send, {n} connections", runs)
        tell_costs(runs, ("farm", "go", "node", "pgbench"))
    table(f"send to {GROUPS} conversations of", group)
    ratios = report(ratios_of(send, group))
    tell_memory(idle, rest, largest.size, left)
    save(chosen, {"send": send, "group": group, "ratios": ratios, "memory": {
        "idle": idle, "at rest": rest, "largest worker": largest.size, "workers at rest": left}})


if __name__ == "__main__":
    main()
