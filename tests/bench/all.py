#!/usr/bin/python3
"""Every benchmark, one after the other, on this machine.

usage: ./rookery bench all [--pairs N] [--json FILE] [--plot DIRECTORY]

Each prints its own table; at the end all ratios stand together.  --json writes everything as one document, by benchmark;
--plot draws the pictures from it (plot.py).
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ORDER = ("send", "read", "start", "pages", "fanout", "idle", "resume")


def run(name, arguments, place):
    """The result of one benchmark, None when it failed."""
    path = place / f"{name}.json"
    print(f"\n==== {name}", flush=True)
    done = subprocess.run([sys.executable, HERE / f"{name}.py", *arguments, "--json", path])
    if done.returncode == 0:
        return json.loads(path.read_text())
    print(f"{name} failed", file=sys.stderr)
    return None


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "unknown")
    return {"processors": os.cpu_count(), "model": model, "kernel": platform.release(), "load": os.getloadavg()}


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--json", type=pathlib.Path)
    words.add_argument("--plot", type=pathlib.Path)
    chosen = words.parse_args()
    result = {"machine": machine()}
    with tempfile.TemporaryDirectory() as place:
        for name in ORDER:
            if (HERE / f"{name}.py").exists():
                arguments = ["--pairs", str(chosen.pairs)]
                result[name] = run(name, arguments, pathlib.Path(place))
    print("\n==== all ratios")
    for name in ORDER:
        for text, value in ((result.get(name) or {}).get("ratios") or {}).items():
            print(f"  {text:62} {value['median']:6.2f}  ({value['min']:.2f} to {value['max']:.2f};"
                  f" goal {value.get('goal', 'none')})")
    path = chosen.json or pathlib.Path(tempfile.gettempdir()) / "rookery-bench.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\neverything: {path}")
    if chosen.plot:
        subprocess.run([sys.executable, HERE / "plot.py", path, chosen.plot], check=True)
    sys.exit(any(name in result and result[name] is None for name in ORDER))


if __name__ == "__main__":
    main()
