#!/usr/bin/python3
"""How many messages a second the farm takes, beside what its database could do.

usage: send.py [--pairs N] [--seconds N] [--connections N] [--conversations N] [--json FILE]

In a private farm (durable: fsync and synchronous_commit are on, which is checked) four things are measured:

    send    wrk sends single messages through the web server into 1,000 conversations, in turn with pgbench, which runs
            the statement of one such send on the same cluster with as many connections (A B A B ...)
    group   the same into groups of 1,024 members, in turn with conversations of two
    idle    proportional memory (PSS) of all processes but PostgreSQL and Redis, before the first request and at rest
            after the last

Printed are medians with minimum and maximum, the processor time that the farm's processes spend on a send (which other work on
the machine does not disturb), and the ratios; --json keeps everything, every run included.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from gauge import cpu, memory  # noqa: E402
from lib.farm import Farm  # noqa: E402
from lib.people import Account  # noqa: E402

GROUP_SIZE = 1024
GROUPS = 16
#: One send as the database sees it.  The id is a UUIDv7 as the app makes them, for the sake of the index.
STATEMENT = ("SELECT * FROM message_send(ARRAY[uuid7()], ARRAY[{account}], ARRAY[{device}], ARRAY[{conversation}], NULL,"
             " ARRAY[gen_random_uuid()::text], ARRAY['text'], ARRAY['{cipher}']);\n")
UNLIMITED = ("AUTH", "GENERAL", "MESSAGES", "GROUPS", "SYNC", "CONTACTS", "KEYS")


def in_parallel(function, items):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(function, items))


def seed(farm, conversations):
    """People in a ring, each with a conversation with the next, and groups of GROUP_SIZE."""
    people = in_parallel(lambda _: Account.register(farm), range(max(conversations, GROUP_SIZE)))
    in_parallel(lambda n: people[n].say(people[(n + 1) % len(people)]), range(conversations))
    in_parallel(lambda n: people[n].group(*people[:n], *people[n + 1:GROUP_SIZE]), range(GROUPS))
    return {person.id: person for person in people}


def places(farm, people, kind):
    """(conversation, a member of it, as Account) of every conversation of a kind."""
    rows = farm.sql("SELECT DISTINCT ON (c.id) c.id::text, m.account_id::text AS account"
                    " FROM conversation c JOIN member m ON m.conversation_id = c.id WHERE c.kind = %s"
                    " ORDER BY c.id, m.account_id", kind)
    return [(row["id"], people[row["account"]]) for row in rows]


def wrk_targets(farm, name, chosen):
    path = farm.run / f"bench-{name}"
    path.write_text("".join(f"/api/v1/conversations/{c}/messages\t{a.token}\n" for c, a in chosen))
    return path


def pgbench_script(farm, chosen):
    """The statement of one send; conversations and senders are constant arrays, so drawing one costs nothing."""
    def array(values):
        return "(ARRAY['" + "','".join(values) + "']::uuid[])[:n]"
    path = farm.run / "bench.sql"
    path.write_text(f"\\set n random(1, {len(chosen)})\n" + STATEMENT.format(
        conversation=array(c for c, _ in chosen), account=array(a.id for _, a in chosen),
        device=array(a.device for _, a in chosen), cipher="Q2lwaGVydGV4dCBv" * 16))
    return path


# ---- runs ---------------------------------------------------------------------------------------


def wrk(farm, path, options):
    """One run through the web server."""
    site = farm.site()
    done = subprocess.run(
        ["wrk", "-t2", f"-c{options.connections}", f"-d{options.seconds}s", "-s", HERE / "send.lua", str(site), "--",
         path, f"{site.host}:{site.port}"], capture_output=True, text=True, check=True)
    run = json.loads(done.stdout.strip().splitlines()[-1])
    assert run["refused"] == 0 and run["errors"] == 0, f"not every send was taken: {run}"
    return {"rate": run["created"] / run["seconds"], "seconds": run["seconds"], "p50": run["p50"] / 1000,
            "p99": run["p99"] / 1000}


def twin(farm):
    """A copy of the seeded database on the same cluster, for pgbench: what it sends there, the sweeper does not carry to the
    stream while the farm is measured."""
    *where, name = farm.libpq_options()
    subprocess.run(["createdb", *where, "bench"], check=True)
    dump = subprocess.Popen(["pg_dump", *where, name], stdout=subprocess.PIPE)
    subprocess.run(["psql", *where, "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d", "bench"], stdin=dump.stdout, check=True)
    assert dump.wait() == 0, "pg_dump failed"
    subprocess.run(["vacuumdb", *where, "-q", "--analyze", "-d", "bench"], check=True)
    subprocess.run(["vacuumdb", *where, "-q", "--analyze", "-d", name], check=True)
    return [*where, "bench"]


def pgbench(farm, database, script, options):
    """One run of the statement alone; latencies come from a log of one transaction in ten."""
    prefix = farm.run / "pgbench"
    done = subprocess.run(
        ["pgbench", "-n", "-M", "prepared", "-c", str(options.connections), "-j", "2", "-T", str(options.seconds),
         "-f", script, "-l", f"--log-prefix={prefix}", "--sampling-rate=0.1", *database],
        capture_output=True, text=True, check=True)
    logs = list(farm.run.glob("pgbench.*"))
    times = sorted(int(line.split()[2]) for log in logs for line in log.read_text().splitlines())
    for log in logs:
        log.unlink()
    rate = float(re.search(r"^tps = ([\d.]+)", done.stdout, re.M)[1])
    return {"rate": rate, "seconds": options.seconds, "p50": times[len(times) // 2] / 1000,
            "p99": times[len(times) * 99 // 100] / 1000}


def measured(farm, run):
    """A run with the processor time it cost the farm, by service, in microseconds a send."""
    before = cpu(farm)
    result = run()
    sends = result["rate"] * result["seconds"]
    return {**result, "cpu": {service: 1e6 * used / sends for service, used in (cpu(farm) - before).items()}}


def in_turn(farm, pairs, kinds):
    """Run the kinds A B A B ...; a first round is not counted.  The runs by kind."""
    runs = {kind: [] for kind in kinds}
    for n in range(-1, pairs):
        for kind, run in kinds.items():
            result = measured(farm, run)
            if n >= 0:
                runs[kind].append(result)
                print(f"  {n + 1}/{pairs} {kind:12} {result['rate']:9.0f}/s", file=sys.stderr, flush=True)
    return runs


# ---- the report ---------------------------------------------------------------------------------


def spread(runs, key):
    values = [run[key] for run in runs]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def table(title, kinds):
    print(f"\n{title:26} {'sends/s':>9} {'min':>9} {'max':>9} {'p50 ms':>9} {'p99 ms':>9} {'CPU us':>9}")
    for kind, runs in kinds.items():
        rate, p50, p99 = (spread(runs, key) for key in ("rate", "p50", "p99"))
        print(f"  {kind:24} {rate['median']:9.0f} {rate['min']:9.0f} {rate['max']:9.0f} {p50['median']:9.2f}"
              f" {p99['median']:9.2f} {statistics.median(map(processor, runs)):9.1f}")


def ratio(kinds, over, under, value=lambda run: run["rate"]):
    """Median of the ratios of neighbouring runs: what slows the machine for a while slows both."""
    pairs = [value(a) / value(b) for a, b in zip(kinds[over], kinds[under])]
    return {"median": statistics.median(pairs), "min": min(pairs), "max": max(pairs)}


def processor(run):
    return sum(run["cpu"].values())


def durable(farm):
    row = farm.sql("SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit")[0]
    assert row == {"fsync": "on", "commit": "on"}, f"not a durable cluster: {row}"


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("pairs", 5), ("seconds", 8), ("connections", 32), ("conversations", 1000)):
        words.add_argument(f"--{name}", type=int, default=value)
    words.add_argument("--json", type=pathlib.Path)
    options = words.parse_args()

    two, many = "two members", f"{GROUP_SIZE} members"
    with Farm.private(TOKEN_LIFETIME="1d", **{f"LIMIT_{name}": "0" for name in UNLIMITED}) as farm:
        durable(farm)
        idle = memory(farm)
        print("seeding", file=sys.stderr)
        people = seed(farm, options.conversations)
        direct, groups = places(farm, people, "direct"), places(farm, people, "group")
        script, database = pgbench_script(farm, direct), twin(farm)
        files = {name: wrk_targets(farm, name, chosen) for name, chosen in (
            ("all", direct), ("two", direct[:GROUPS]), ("many", groups))}
        send = in_turn(farm, options.pairs, {"farm": lambda: wrk(farm, files["all"], options),
                                             "pgbench": lambda: pgbench(farm, database, script, options)})
        group = in_turn(farm, options.pairs, {two: lambda: wrk(farm, files["two"], options),
                                              many: lambda: wrk(farm, files["many"], options)})
        time.sleep(farm.seconds("workers.idle") + 10)
        rest = memory(farm)

    ratios = {"sends, farm : pgbench": (ratio(send, "farm", "pgbench"), "at least 0.75"),
              f"time of a send to {GROUP_SIZE} members : to two": (ratio(group, two, many), "at most 1.5"),
              f"processor time of a send to {GROUP_SIZE} : to two": (ratio(group, many, two, processor), "at most 1.5")}
    table(f"{options.connections} connections", send)
    table(f"{GROUPS} conversations of", group)
    print("\nratios")
    for text, (value, goal) in ratios.items():
        print(f"  {text:50} {value['median']:6.2f}  ({value['min']:.2f} to {value['max']:.2f}; goal {goal})")
    print("\nmemory without PostgreSQL and Redis (PSS)")
    for name, sizes in (("idle", idle), ("at rest", rest)):
        print(f"  {name:50} {sum(sizes.values()):6.1f} MB in {len(sizes)} services (goal: at most 150 MB)")
    result = {"options": {k: v for k, v in vars(options).items() if k != "json"}, "send": send, "group": group,
              "ratios": {text: value for text, (value, _) in ratios.items()}, "memory": {"idle": idle, "at rest": rest}}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
