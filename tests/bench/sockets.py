"""The relay and the servers it is compared with, each with its crowd of clients; what fanout, idle and resume share.

    with world(farm_settings) as world:
        people, systems = world.people(10000), world.systems
        with systems["node"].crowd(people, group) as crowd:
            crowd("burst 20 5")

All systems do the same: they verify who connects, take messages from where apps publish them (a Redis stream; nchan by its own publisher
over a Unix socket), and send each to one user or to everybody of a group in a frame of 300 bytes.  All have the same clients, the
crowd of tests/crowd, and one process.
"""
import base64
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from gauge import TICKS, family  # noqa: E402
from lib.crowd import Crowd, clients_of  # noqa: E402
from lib.farm import Farm, eventually, free_ports  # noqa: E402
from lib.people_in_bulk import make_direct, make_group, make_people  # noqa: E402
from peers import SOURCES, place, run  # noqa: E402

SETTINGS = {"TOKEN_LIFETIME": "1d", "RELAY_MAX_CONNECTIONS": "100000", "RELAY_LOG_BYTES": "64m", "EVENTS_STREAM_KEEP": "20000"}
SECRET = "of the benchmark"


def build_go():
    program = place() / "go-ws"
    run(["go", "build", "-o", program, "."], SOURCES / "go-ws", GOPATH="/usr/share/gocode", GO111MODULE="off",
        GOCACHE=str(place() / "go-cache"), GOFLAGS="")
    return [program]


def build_node():
    into, lock = place() / "node-ws", "package-lock.json"
    fresh = not (into / "node_modules").is_dir() or (SOURCES / "node-ws" / lock).read_bytes() != (into / lock).read_bytes()
    shutil.copytree(SOURCES / "node-ws", into, dirs_exist_ok=True)
    if fresh:
        run(["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], into)
    return ["node", into / "server.js"]


class Relay:
    """The farm's own relay, on its TCP port."""
    name, kind = "rookery", "relay"

    def __init__(self, farm):
        self.farm, self.port = farm, farm.settings["relay.port"]
        self.feed = farm.run / "redis/redis.sock"

    @property
    def root(self):
        return self.farm.pid("wsrelay")

    def clients(self, people, group, conversations):
        rows = clients_of(people, conversations=conversations)
        half = len(people) // 2
        return [(source, path, token, f"{to},{people[(n + half) % len(people)].id}", other, conversation)
                for n, (source, path, token, to, other, conversation) in enumerate(rows)]

    def crowd(self, people, group, conversations=None, **options):
        return Crowd(self.farm.run, f"127.0.0.1:{self.port}", self.clients(people, group, conversations),
                     feed=self.feed, kind=self.kind, group=group, **options)

    # ---- what it holds and uses ---------------------------------------------------------------

    def pids(self):
        return family(self.farm, self.root)

    def cpu(self):
        """Seconds of processor time."""
        used = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                used += sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / TICKS
        return used

    def memory(self):
        """Bytes of memory in user space that are its own: not of files, shared memory counted once."""
        size = 0
        for pid in self.pids():
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            size += 1024 * sum(int(n) for n in re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", text, re.M))
        return size

    def stop(self):
        pass


class Peer(Relay):
    kind = "peer"

    def __init__(self, farm, name, command):
        self.farm, self.name = farm, name
        self.port, = free_ports(1)
        self.feed = farm.run / "redis/redis.sock"
        self.start(command)

    def start(self, command):
        env = {"PATH": os.environ["PATH"], "NODE_ENV": "production", "PEER_PORT": self.port, "PEER_REDIS": self.feed,
               "PEER_KEYS": self.farm.run / "keys"}
        self.log = self.farm.run / "log" / f"peer-{self.name}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env={k: str(v) for k, v in env.items()}, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
        eventually(self.listens, within=15)

    def listens(self):
        assert self.process.poll() is None, f"{self.name} does not start: {self.log.read_text()}"
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-m", "2", f"http://127.0.0.1:{self.port}/"])
        return done.returncode == 0

    @property
    def root(self):
        return self.process.pid

    def clients(self, people, group, conversations):
        return clients_of(people, path=f"/ws?group={group}")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Nchan(Peer):
    kind = "nchan"

    def __init__(self, farm):
        run = farm.run / "nchan"
        run.mkdir()
        port, = free_ports(1)
        words = {"RUN": run, "PORT": port, "SECRET": SECRET, "USER": "user root;" if os.geteuid() == 0 else ""}
        conf = (SOURCES / "nchan.conf").read_text()
        for word, value in words.items():
            conf = conf.replace(f"@{word}@", str(value))
        (run / "nginx.conf").write_text(conf)
        self.farm, self.name, self.port, self.feed = farm, "nchan", port, run / "nchan.sock"
        self.start(["/usr/sbin/nginx", "-p", run, "-e", run / "nchan.log", "-c", run / "nginx.conf"])

    def path(self, channel):
        expires = int(time.time()) + 86400
        digest = hashlib.md5(f"{expires}{channel} {SECRET}".encode()).digest()
        return f"/ws?id={channel}&expires={expires}&signature={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    def clients(self, people, group, conversations):
        """A client subscribes to one channel: that of the group, or for one-to-one traffic its own."""
        rows = clients_of(people)
        return [(source, self.path(to if conversations else group), "", to, "", "") for source, _, _, to, _, _ in rows]


@contextlib.contextmanager
def started(**settings):
    """(farm, {name: system})."""
    with Farm.private(**{**SETTINGS, "RELAY_PORT": str(free_ports(1)[0]), **settings}) as farm, contextlib.ExitStack() as stack:
        systems = {"rookery": Relay(farm)}
        for name, make in {"node": lambda: Peer(farm, "node", build_node()), "go": lambda: Peer(farm, "go", build_go()),
                           "nchan": lambda: Nchan(farm)}.items():
            systems[name] = make()
            stack.callback(systems[name].stop)
        yield farm, systems


def populate(farm, count):
    """(people, a group of all, a conversation for each pair)."""
    people = make_people(farm, count)
    half = count // 2
    pairs = make_direct(farm, [(people[n], people[n + half]) for n in range(half)])
    group = make_group(farm, people)
    farm.sql("ANALYZE")
    return people, group, pairs


def measured(system, crowd, command):
    """The crowd's answer, with the processor time that each delivery cost the system, in microseconds."""
    before = system.cpu()
    result = crowd(command)
    return {**result, "cpu": {system.name: 1e6 * (system.cpu() - before) / result["deliveries"]}}


def load():
    return os.getloadavg()[0]
