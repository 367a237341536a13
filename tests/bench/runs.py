"""Runs of load drivers, in turn, and what is made of them.

    kinds = {"farm": lambda c: wrk(farm.site(), "send.lua", path, c, seconds), "go": ...}
    runs = in_turn(processes, kinds, 32, pairs=5)       # {"farm": [run, ...], "go": [...]}
    table("32 connections", runs)
    ratio(runs, "farm", ("go", "node"))                 # to the better of them, round by round

A run is a dictionary: rate (a second), seconds, p50 and p99 (ms), cpu ({service: microseconds a request}).
"""
import argparse
import itertools
import json
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def options(about, connections, **more):
    """The command line all benchmarks share: how many connections, and further numbers with their defaults."""
    words = argparse.ArgumentParser(description=about.splitlines()[0])
    for name, value in {"pairs": 5, "seconds": 5, **more}.items():
        words.add_argument(f"--{name}", type=int, default=value)
    words.add_argument("--connections", type=lambda text: [int(n) for n in text.split(",")], default=connections)
    words.add_argument("--json", type=pathlib.Path)
    return words.parse_args()


def save(chosen, result):
    if chosen.json:
        chosen.json.write_text(json.dumps(
            {"options": {k: v for k, v in vars(chosen).items() if k != "json"}, **result}, indent=1) + "\n")


# ---- drivers -------------------------------------------------------------------------------------


def wrk(site, script, path, connections, seconds):
    """One run over HTTP; every request must succeed."""
    done = subprocess.run(
        ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", HERE / script, str(site), "--", path,
         f"{site.host}:{site.port}"], capture_output=True, text=True, check=True)
    run = json.loads(done.stdout.strip().splitlines()[-1])
    assert run["refused"] == 0 and run["errors"] == 0, f"not every request was taken: {run}"
    return {"rate": run["created"] / run["seconds"], "seconds": run["seconds"], "p50": run["p50"] / 1000,
            "p99": run["p99"] / 1000}


def pgbench(farm, database, script, connections, seconds):
    """One run of a statement alone; latencies come from a log of one transaction in ten."""
    prefix = farm.run / "pgbench"
    done = subprocess.run(
        ["pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "2", "-T", str(seconds), "-f", script, "-l",
         f"--log-prefix={prefix}", "--sampling-rate=0.1", *database], capture_output=True, text=True, check=True)
    logs = list(farm.run.glob("pgbench.*"))
    times = sorted(int(line.split()[2]) for log in logs for line in log.read_text().splitlines())
    for log in logs:
        log.unlink()
    rate = float(re.search(r"^tps = ([\d.]+)", done.stdout, re.M)[1])
    return {"rate": rate, "seconds": seconds, "p50": times[len(times) // 2] / 1000, "p99": times[len(times) * 99 // 100] / 1000}


def measured(processes, run, connections):
    """A run with the processor time it cost, by service."""
    before = processes.cpu()
    result = run(connections)
    requests = result["rate"] * result["seconds"]
    return {**result, "cpu": {service: 1e6 * used / requests for service, used in (processes.cpu() - before).items()}}


def in_turn(processes, kinds, connections, pairs, label=""):
    """Run the kinds A B A B ...; a first round is not counted.  The runs by kind."""
    runs = {kind: [] for kind in kinds}
    for n in range(-1, pairs):
        for kind, run in kinds.items():
            result = measured(processes, run, connections)
            if n >= 0:
                runs[kind].append(result)
                print(f"  {label} {connections} connections, {n + 1}/{pairs} {kind:14} {result['rate']:9.0f}/s"
                      f"  p99 {result['p99']:.2f} ms", file=sys.stderr, flush=True)
    return runs


# ---- figures -------------------------------------------------------------------------------------


def rate(run):
    return run["rate"]


def p99(run):
    return run["p99"]


def processor(run):
    return sum(run["cpu"].values())


def spread(values):
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(runs, over, under, value=rate, best=max):
    """How a kind compares with the best of others: of the ratios within each round, as what slows the machine for a
    while slows all of them."""
    under = [under] if isinstance(under, str) else under
    others = (best(map(value, kinds)) for kinds in zip(*(runs[kind] for kind in under)))
    return spread(value(run) / other for run, other in zip(runs[over], others))


def table(title, runs, unit="a second"):
    print(f"\n{title:30} {unit:>10} {'min':>9} {'max':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}")
    for kind, made in runs.items():
        speed = spread(map(rate, made))
        print(f"  {kind:28} {speed['median']:10.0f} {speed['min']:9.0f} {speed['max']:9.0f}"
              f" {statistics.median(run['p50'] for run in made):8.2f} {statistics.median(map(p99, made)):8.2f}"
              f" {statistics.median(map(processor, made)):8.1f}")


def costs(runs, kind):
    """Where a kind's processor time goes."""
    services = sorted(set(itertools.chain(*(run["cpu"] for run in runs[kind]))))
    means = {name: statistics.median(run["cpu"].get(name, 0) for run in runs[kind]) for name in services}
    return {name: value for name, value in sorted(means.items(), key=lambda item: -item[1]) if value >= 0.5}


def tell_costs(runs, kinds):
    print("\nprocessor time a request, microseconds")
    for kind in kinds:
        print(f"  {kind:10} " + ", ".join(f"{name} {value:.0f}" for name, value in costs(runs, kind).items()))


def report(ratios):
    """ratios: {text: (spread, goal)}; the goal is text such as "at least 1.5"."""
    print("\nratios (median, and from the worst to the best round)")
    for text, (value, goal) in ratios.items():
        print(f"  {text:58} {value['median']:6.2f}  ({value['min']:.2f} to {value['max']:.2f}; goal {goal})")
    return {text: {**value, "goal": goal} for text, (value, goal) in ratios.items()}
