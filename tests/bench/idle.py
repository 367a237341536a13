#!/usr/bin/python3
"""What an idle connection costs: memory, and the time to let it in, beside Node ws, Go gorilla/websocket and nginx nchan.

usage: ./rookery bench idle [--pairs N] [--connections 10000] [--many 50000] [--processes 3] [--json FILE]

Connections are signed in: the relay asks PostgreSQL and Redis for the session, Node and Go verify the same token and ask Redis, nchan
checks a signed link.  Memory is that of the processes in user space (anonymous and shared, of files nothing), as it grew from before
the first connection to --rest seconds after the last; the kernel adds some 5 KB for each socket of anybody.  Letting in is measured with 100 connections
under way at a time.  At the end the relay alone holds --many connections in several processes.
"""
import contextlib
import statistics
import sys
import time

from runs import options, report, save, spread
from sockets import load, populate, started

PEERS = ("node", "go", "nchan")


def fill(system, people, group, rest):
    """Memory and times of one filling; the connections are gone afterwards."""
    before, used = system.memory(), system.cpu()
    with system.crowd(people, group) as crowd:
        opened = crowd("open 0 100")
        assert opened["ready"] == len(people), f"{system.name}: {opened}"
        cpu = (system.cpu() - used) / len(people)
        time.sleep(rest)
        stats = crowd("stats")
        assert stats["ready_now"] == len(people), f"{system.name}: {stats}"
        bytes_each = (system.memory() - before) / len(people)
    return {"bytes": bytes_each, "rate": opened["ready"] / opened["seconds"], "p50": opened["p50"], "p99": opened["p99"],
            "cpu": {system.name: 1e6 * cpu}, "seconds": opened["seconds"]}


def many(farm, relay, count, rest):
    """The relay with more connections than a process may have, from several processes of clients."""
    people, group, _ = populate(farm, count)
    before = relay.memory()
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(relay.crowd(people[n:n + 16000], group)) for n in range(0, count, 16000)]
        started_at = time.monotonic()
        for crowd in crowds:
            crowd.tell("open 0 100")
        for crowd in crowds:
            opened = crowd.answer()
            assert opened["ready"] == opened["samples"] and opened["failed"] == 0, opened
        seconds = time.monotonic() - started_at
        time.sleep(rest)
        assert sum(crowd("stats")["ready_now"] for crowd in crowds) == count
        return {"connections": count, "processes": len(relay.pids()), "bytes": (relay.memory() - before) / count,
                "rate": count / seconds, "seconds": seconds}


def show(runs, count):
    print(f"\n{count} connections {'':12} {'bytes each':>10} {'min':>8} {'max':>8} {'accepts/s':>10} {'p99 ms':>8} {'CPU us':>8}")
    for name, made in runs.items():
        size = spread(run["bytes"] for run in made)
        print(f"  {name:28} {size['median']:10.0f} {size['min']:8.0f} {size['max']:8.0f}"
              f" {statistics.median(run['rate'] for run in made):10.0f} {statistics.median(run['p99'] for run in made):8.2f}"
              f" {statistics.median(run['cpu'][name] for run in made):8.1f}")


def main():
    chosen = options(__doc__, [10000], many=50000, processes=3, rest=10)
    count = chosen.connections[0]
    runs, ratios, large = {}, {}, None
    # Each filling finds the process as it was after its start, or its memory would be that of the one before.
    for n in range(min(chosen.pairs, 3)):
        with started() as (farm, systems):
            people, group, _ = populate(farm, count)
            for name, system in systems.items():
                run = fill(system, people, group, chosen.rest)
                runs.setdefault(name, []).append(run)
                print(f"  {n + 1} {name:8} {run['bytes']:8.0f} bytes  {run['rate']:8.0f}/s", file=sys.stderr, flush=True)
    if chosen.many:
        with started(RELAY_PROCESSES=str(chosen.processes)) as (farm, systems):
            large = many(farm, systems["rookery"], chosen.many, chosen.rest)
    show(runs, count)
    if large:
        print("\n{connections} connections in {processes} processes of the relay: {bytes:.0f} bytes each, {rate:.0f} accepts/s".format(**large))
    ratios[f"bytes of a connection among {count}"] = (spread(run["bytes"] for run in runs["rookery"]), "at most 700")
    if large:
        ratios[f"bytes of a connection among {chosen.many}"] = (spread([large["bytes"]]), "at most 700")
    save(chosen, {"runs": runs, "many": large, "ratios": report(ratios), "load": load()})


if __name__ == "__main__":
    main()
