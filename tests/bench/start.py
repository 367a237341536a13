#!/usr/bin/python3
"""How long "./rookery up" takes on a machine that has built already, beside PostgreSQL alone.

usage: ./rookery bench start [--pairs N] [--json FILE]

In turn (A B A B ...): the farm of a run directory that has been used before is started until it is ready; its PostgreSQL alone
is started until it accepts connections.  Between two starts everything is stopped.
"""
import os
import statistics
import subprocess
import time

from runs import options, save, spread
from world import Farm


def farm_start(farm):
    began = time.monotonic()
    farm.up()
    took = time.monotonic() - began
    assert farm.ready(), "up answered before the farm was ready"
    down(farm)
    return took


def postgres_start(farm):
    """The cluster of the same run directory, as the user who owns it."""
    owner = os.stat(farm.run / "pg")
    who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    programs = os.environ.get("ROOKERY_PGBIN") or "/usr/lib/postgresql/15/bin"
    ready = [f"{programs}/pg_isready", "-q", *farm.libpq_options()[:-1]]
    began = time.monotonic()
    server = subprocess.Popen([f"{programs}/postgres", "-D", farm.run / "pg"], cwd=farm.run, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)
    try:
        while subprocess.run(ready).returncode:
            assert server.poll() is None, "PostgreSQL does not start"
            time.sleep(0.005)
        return time.monotonic() - began
    finally:
        server.terminate()
        server.wait(60)


def down(farm):
    done = farm.rookery("down")
    assert done.returncode == 0, done.stdout


def main():
    chosen = options(__doc__, [])
    runs = {"farm": [], "postgres": []}
    with Farm.private() as farm:
        down(farm)
        for n in range(-1, chosen.pairs):
            for kind, start in (("farm", farm_start), ("postgres", postgres_start)):
                took = start(farm)
                if n >= 0:
                    runs[kind].append(took)
        limits = [1.5 * alone + 2 for alone in runs["postgres"]]
        shares = [took / limit for took, limit in zip(runs["farm"], limits)]
    print(f"{'start, seconds':30} {'median':>8} {'min':>8} {'max':>8}")
    for kind, times in runs.items():
        print(f"  {kind:28} {statistics.median(times):8.2f} {min(times):8.2f} {max(times):8.2f}")
    share = spread(shares)
    text = "start of the farm : 1.5 x PostgreSQL alone + 2 s"
    print(f"  {text}  {share['median']:.2f} ({share['min']:.2f} to {share['max']:.2f}; goal at most 1)")
    save(chosen, {"start": runs, "ratios": {text: {**share, "goal": "at most 1"}}})


if __name__ == "__main__":
    main()
