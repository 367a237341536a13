#!/usr/bin/python3
"""How soon ten thousand clients that lost their connection at once have what they missed, beside Node ws, Go gorilla/websocket and nginx nchan.

usage: ./rookery bench resume [--pairs N] [--connections 10000] [--within MILLISECONDS] [--missed N] [--json FILE]

All clients have received a message and are cut off; --missed more are sent to all of them; then they come back, spread over --within
milliseconds, with the cursor of the last one they had.  A client's time is that from its first connect() to the last message it had missed, with every
retry in it.  Each system keeps what it gives back in memory.
"""
import contextlib
import statistics
import sys

from runs import options, ratio, report, save, spread
from sockets import load, populate, started

PEERS = ("node", "go", "nchan")


def storm(system, crowd, people, chosen):
    crowd("burst 1 0")
    crowd(f"drop 0 {len(people)}")
    crowd(f"publish {chosen.missed}")
    before, resumed = system.cpu(), crowd("stats")["resumed"]
    run = crowd(f"open {chosen.within} 0 {chosen.missed} 60")
    assert run["ready"] == len(people), f"{system.name}: {run}"
    assert system.kind == "nchan" or run["resumed"] - resumed >= len(people) and not run["not_resumed"], f"{system.name}: {run}"
    return {**run, "cpu": {system.name: 1e6 * (system.cpu() - before) / len(people)}}


def main():
    chosen = options(__doc__, [10000], within=2000, missed=5)
    count = chosen.connections[0]
    runs = {}
    with started() as (farm, systems), contextlib.ExitStack() as stack:
        people, group, pairs = populate(farm, count)
        crowds = {name: stack.enter_context(system.crowd(people, group, cursors=True)) for name, system in systems.items()}
        for name, crowd in crowds.items():
            opened = crowd("open 0 100")
            assert opened["ready"] == count, f"{name}: {opened}"
        for n in range(-1, chosen.pairs):
            for name, system in systems.items():
                run = storm(system, crowds[name], people, chosen)
                if n >= 0:
                    runs.setdefault(name, []).append(run)
                    print(f"  {n + 1}/{chosen.pairs} {name:8} p50 {run['p50']:7.1f} ms  p99 {run['p99']:7.1f} ms, "
                          f"{run['failed']} tries in vain", file=sys.stderr, flush=True)
    print(f"\n{count} clients within {chosen.within} ms {'':6} {'p50 ms':>8} {'p99 ms':>8} {'min':>8} {'max':>8} {'slowest':>8}"
          f" {'in vain':>8} {'CPU us':>8}")
    for name, made in runs.items():
        p99 = spread(run["p99"] for run in made)
        print(f"  {name:28} {statistics.median(run['p50'] for run in made):8.1f} {p99['median']:8.1f} {p99['min']:8.1f} {p99['max']:8.1f}"
              f" {max(run['max'] for run in made):8.1f} {statistics.median(run['failed'] for run in made):8.0f}"
              f" {statistics.median(run['cpu'][name] for run in made):8.1f}")
    ratios = {"ms, resume of rookery: p99": (spread(run["p99"] for run in runs["rookery"]), "below 1000"),
              "resume p99, rookery : best peer": (ratio(runs, "rookery", PEERS, lambda run: run["p99"], min), "none")}
    save(chosen, {"runs": runs, "ratios": report(ratios), "load": load()})


if __name__ == "__main__":
    main()
