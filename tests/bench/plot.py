#!/usr/bin/python3
"""Pictures of throughput and p99 over connections, from what a benchmark wrote.

usage: ./rookery bench plot FILE DIRECTORY

FILE is the --json of send, read or all.  DIRECTORY gets an SVG for sending and for each operation that reads.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KINDS = ("farm", "go", "node", "pgbench")


def lines(by_connections, kind):
    for connections, runs in sorted(by_connections.items(), key=lambda item: int(item[0])):
        rates = [run["rate"] for run in runs[kind]]
        p99 = statistics.median(run["p99"] for run in runs[kind])
        yield f"{connections} {statistics.median(rates)} {min(rates)} {max(rates)} {p99}"


def draw(what, by_connections, output):
    with tempfile.NamedTemporaryFile("w", suffix=".dat") as data:
        data.write("\n\n\n".join("\n".join(lines(by_connections, kind)) for kind in KINDS) + "\n")
        data.flush()
        subprocess.run(["gnuplot", "-e", f"data='{data.name}'; kinds='{' '.join(KINDS)}'; what='{what}'; output='{output}'",
                        HERE / "plot.gp"], check=True)
    print(output)


def measured(result):
    """{operation: {connections: runs by kind}} of a document."""
    parts = [part for part in (result, result.get("send"), result.get("read")) if isinstance(part, dict)]
    found = {}
    for part in parts:
        if isinstance(part.get("send"), dict) and "ratios" in part:
            found["send"] = part["send"]
        if isinstance(part.get("read"), dict) and "ratios" in part:
            found.update(part["read"])
    return found


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("file", type=pathlib.Path)
    words.add_argument("directory", type=pathlib.Path)
    chosen = words.parse_args()
    found = measured(json.loads(chosen.file.read_text()))
    if not found:
        words.error(f"{chosen.file} holds no runs of send or read")
    chosen.directory.mkdir(parents=True, exist_ok=True)
    for what, by_connections in found.items():
        draw(what, by_connections, chosen.directory / f"{what.replace(' ', '-')}.svg")


if __name__ == "__main__":
    main()
