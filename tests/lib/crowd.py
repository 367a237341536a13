"""Thousands of WebSocket clients in a process of their own (tests/crowd/*.c), told what to do from here.

    with Crowd(directory, "127.0.0.1:9000", clients, watch=directory / "arrived") as crowd:
        crowd("open 2000 0")                # connect within two seconds; the answer is a dictionary
        crowd("comeback 1")                 # from now on whoever is cut off returns with its cursor
        crowd("stats")["ready_now"]

A client is (source address, path, token, to, not, conversation); see crowd.h.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import select
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "crowd"
#: Of each address there are some 28,000 ports for one target.
ADDRESSES = [f"127.0.0.{n}" for n in range(1, 9)]
#: Other lines of the answer may take long: it is the crowd that gives up, not we.
PATIENCE = 300


def program():
    """The compiled crowd; made anew when its source is."""
    sources = sorted(SOURCE.glob("*.c"))
    place = pathlib.Path(tempfile.gettempdir()) / f"rookery-crowd-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(path.stat().st_mtime_ns for path in SOURCE.iterdir())
        made = place / f"crowd-{newest}"
        if not made.exists():
            subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", made, *sources], check=True)
    return made


class Crowd:
    def __init__(self, directory, target, clients, watch=None, cursors=False, **options):
        listed = tempfile.NamedTemporaryFile("w", dir=directory, prefix="crowd-")
        with listed:
            listed.write("".join("\t".join(client) + "\n" for client in clients))
            listed.flush()
            words = [program(), "--target", target, "--clients", listed.name, *(["--watch", watch] if watch else []),
                     *(["--cursors"] if cursors or watch else [])]
            for name, value in options.items():
                words += [f"--{name}", str(value)]
            self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            self("stats")  # the list has been read

    def tell(self, command):
        """Begin; the answer is fetched by answer()."""
        self.process.stdin.write(command + "\n")

    def answer(self, within=PATIENCE):
        assert select.select([self.process.stdout], [], [], within)[0], "the crowd does not answer"
        line = self.process.stdout.readline()
        assert line, f"the crowd ended with {self.process.wait()}"
        return json.loads(line)

    def __call__(self, command, within=PATIENCE):
        self.tell(command)
        return self.answer(within)

    def close(self):
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself, and said why
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def clients_of(people, path="/api/v1/ws", conversations=None):
    """People as clients.  In one-to-one traffic each writes to the one half the list away."""
    half = len(people) // 2
    rows = []
    for n, person in enumerate(people):
        other = people[(n + half) % len(people)]
        rows.append((ADDRESSES[n % len(ADDRESSES)], path, person.token, person.id, other.device,
                     conversations[n % half] if conversations else ""))
    return rows
