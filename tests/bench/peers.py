"""The peers: servers that do the work of the farm's measured operations as others would write them, built and started beside it.

    with started(farm) as peers:            # {"go": Peer, "node": Peer}
        peers["go"].site.raw("GET", "/api/v1/messages/sync?page=1&pageSize=50")

They use the farm's database, Redis and keys, listen on ports of their own and end with the block.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib.farm import ROOT, eventually, free_ports  # noqa: E402
from lib.wire import Site  # noqa: E402

SOURCES = HERE / "peers"


def place():
    """Where peers are built: beside the programs of the farm."""
    path = pathlib.Path(os.environ.get("ROOKERY_BUILD") or ROOT / "build") / "peers"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def run(command, cwd, **env):
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}"


def build_go():
    """From Debian's packages alone, nothing is fetched.  The command that starts it."""
    program = place() / "go-rest"
    run(["go", "build", "-o", program, "."], SOURCES / "go-rest", GOPATH="/usr/share/gocode", GO111MODULE="off",
        GOCACHE=str(place() / "go-cache"), GOFLAGS="")
    return [program]


def build_node():
    """Packages as package-lock.json says.  The command that starts it."""
    into = place() / "node-rest"
    lock = "package-lock.json"
    fresh = not (into / "node_modules").is_dir() or (SOURCES / "node-rest" / lock).read_bytes() != (into / lock).read_bytes()
    shutil.copytree(SOURCES / "node-rest", into, dirs_exist_ok=True)
    if fresh:
        run(["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], into)
    return ["node", into / "server.js"]


BUILDS = {"go": build_go, "node": build_node}


class Peer:
    def __init__(self, name, farm, command):
        port, = free_ports(1)
        self.name, self.site = name, Site(name, "127.0.0.1", port, "/api/v1")
        *_, database = farm.libpq_options()
        settings = {
            "PORT": port, "REDIS": farm.run / "redis/redis.sock", "KEYS": farm.run / "keys",
            "LIMIT_MESSAGES": farm.settings["limit.messages"], "LIMIT_SYNC": farm.settings["limit.sync"],
            "MESSAGE_MAX": farm.size("message.max"), "STREAM_KEEP": farm.settings["events.stream_keep"]}
        env = {"PATH": os.environ["PATH"], "PGHOST": farm.run / "pg-socket", "PGPORT": farm.settings["db.port"],
               "PGDATABASE": database, "PGUSER": farm.settings["db.user"], "NODE_ENV": "production",
               **{f"PEER_{key}": value for key, value in settings.items()}}
        self.log = farm.run / "log" / f"peer-{name}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, env={k: str(v) for k, v in env.items()}, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
        eventually(self.listens, within=15)

    def listens(self):
        assert self.process.poll() is None, f"{self.name} does not start: {self.log.read_text()}"
        return self.site.raw("GET", "/api/v1/messages/sync", keep=False).status == 401

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@contextlib.contextmanager
def started(farm):
    with contextlib.ExitStack() as stack:
        peers = {}
        for name, build in BUILDS.items():
            peers[name] = Peer(name, farm, build())
            stack.callback(peers[name].stop)
        yield peers


def check(farm):
    """The test that the farm's own path passes, on peers of its own; a peer that does other work is not measured."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", HERE / "test_peers.py"],
                          env={**farm.env, "ROOKERY_FARM": str(farm.run)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"the peers do not do the same work:\n{done.stdout}"
