#!/usr/bin/python3
"""How many messages a second reach how many WebSockets, beside Node ws, Go gorilla/websocket and nginx nchan.

usage: ./rookery bench fanout [--pairs N] [--seconds N] [--connections 1000,10000] [--rate N] [--json FILE]

    single      one message to everybody, the next when all have it
    burst       twenty messages at once to everybody, the next twenty when all have them
    one to one  each message to one receiver, 512 on their way
    latency     from publishing to the client, at --rate messages a second to single receivers, and at half of what
                "one to one" reached

A message is a frame of 300 bytes.  All systems hold all their clients all the time; the runs alternate, and a first round is not
counted.  The processor time is that of the relay or peer alone: Redis, PostgreSQL and the clients are the same for all.
"""
import contextlib
import statistics
import sys

from runs import options, processor, ratio, report, save, spread, table
from sockets import load, measured, populate, started

PEERS = ("node", "go", "nchan")


@contextlib.contextmanager
def crowds_of(systems, people, group, pairs=None):
    """{system: its crowd, connected}."""
    with contextlib.ExitStack() as stack:
        crowds = {}
        for name, system in systems.items():
            crowds[name] = stack.enter_context(system.crowd(people, group, pairs))
            opened = crowds[name]("open 0 100")
            assert opened["ready"] == len(people), f"{name}: {opened}"
        yield crowds


def rounds(systems, crowds, pairs, title, command):
    """Runs of one kind of traffic on all systems, in turn."""
    runs = {name: [] for name in systems}
    for n in range(-1, pairs):
        for name, system in systems.items():
            words = command(name) if callable(command) else command
            result = measured(system, crowds[name], words)
            if n >= 0:
                runs[name].append(result)
                print(f"  {title}, {n + 1}/{pairs} {name:8} {result['rate']:9.0f}/s  p99 {result['p99']:.2f} ms"
                      f"  {processor(result):.2f} us", file=sys.stderr, flush=True)
    return runs


def latency_table(title, runs):
    print(f"\n{title:30} {'p50 ms':>8} {'min':>8} {'max':>8} {'p99 ms':>8} {'min':>8} {'max':>8} {'a second':>9}")
    for name, made in runs.items():
        p50, p99 = (spread(run[key] for run in made) for key in ("p50", "p99"))
        print(f"  {name:28} {p50['median']:8.2f} {p50['min']:8.2f} {p50['max']:8.2f} {p99['median']:8.2f} {p99['min']:8.2f}"
              f" {p99['max']:8.2f} {statistics.median(run['rate'] for run in made):9.0f}")


def to_everybody(systems, chosen, world):
    count = len(world[0])
    with crowds_of(systems, *world[:2]) as crowds:
        for title, command in ((f"single to {count}", f"burst 1 {chosen.seconds}"),
                               (f"bursts to {count}", f"burst {chosen.burst} {chosen.seconds}")):
            yield title, rounds(systems, crowds, chosen.pairs, title, command)


def to_one(systems, chosen, world):
    count = len(world[0])
    with crowds_of(systems, *world) as crowds:
        title = f"one to one of {count}"
        runs = rounds(systems, crowds, chosen.pairs, title, f"pairs {chosen.window} {chosen.seconds}")
        yield title, runs
        if count > min(chosen.connections):
            return
        most = {name: statistics.median(run["rate"] for run in made) for name, made in runs.items()}
        for title, command in ((f"latency at {chosen.rate}/s", f"rate {chosen.rate} {chosen.seconds}"),
                               ("latency at half of the maximum", lambda name: f"rate {int(most[name] / 2)} {chosen.seconds}")):
            yield title, rounds(systems, crowds, chosen.pairs, title, command)


def main():
    chosen = options(__doc__, [1000, 10000], seconds=2, rate=10000, burst=20, window=512)
    runs, ratios, before = {}, {}, load()
    with started() as (farm, systems):
        for count in chosen.connections:
            world = populate(farm, count)
            runs.update(to_everybody(systems, chosen, world))
            runs.update(to_one(systems, chosen, world))
    print(f"load of the machine: {before:.1f} before, {load():.1f} after (the benchmark itself makes about 2)")
    for title, made in runs.items():
        if title.startswith("latency"):
            latency_table(title, made)
            p99 = spread(run["p99"] for run in made["rookery"])
            goal = "at most 1" if "half" not in title else "at most 5"
            ratios[f"ms, {title}: p99 of rookery"] = (p99, goal)
        else:
            table(title, made, "deliveries")
            goal = {"bursts": "at least 5", "single": "at least 1"}.get(title.split()[0], "none")
            ratios[f"{title}, rookery : best peer"] = (ratio(made, "rookery", PEERS), goal)
            for peer in PEERS:
                ratios[f"{title}, rookery : {peer}"] = (ratio(made, "rookery", peer), "none")
            ratios[f"{title}, processor time of rookery : best peer"] = (
                ratio(made, "rookery", PEERS, processor, min), "none")
    save(chosen, {"runs": runs, "ratios": report(ratios), "load": [before, load()]})


if __name__ == "__main__":
    main()
