"""A private farm: started in a run directory of its own on free ports, looked behind, and always taken down.

    with Farm.private() as farm:
        farm.site("whatsapp").raw("GET", "/healthz")
        farm.sql("SELECT count(*) AS n FROM account")[0]["n"]
        farm.kill("wsrelay")

ROOKERY_FARM=RUN_DIRECTORY makes the tests use a farm that runs already, and leave it running.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg2
import psycopg2.extras
import redis

from lib.openapi import Document
from lib.record import Record
from lib.wire import Site

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOUNTS = {"whatsapp": "/api/v1", "sentinal": "", "gateway": "/api", "chatcall": "/api/v1", "intok": "/api"}


def free_ports(count):
    """Ports nobody listens on, held together while they are drawn so that all differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def eventually(check, within=10, every=0.05):
    """The first true value of check(), which may raise until then."""
    end = time.monotonic() + within
    while True:
        try:
            value = check()
            if value:
                return value
            failure = AssertionError(f"{getattr(check, '__name__', check)} stayed {value!r} for {within} s")
        except Exception as error:
            failure = error
        if time.monotonic() > end:
            raise failure
        time.sleep(every)


class Farm:
    def __init__(self, run, env=None):
        self.run, self.env = pathlib.Path(run), {**os.environ, **(env or {}), "ROOKERY_RUN": str(run)}
        self.record, self.sites = Record(), {}

    @classmethod
    @contextlib.contextmanager
    def private(cls, **env):
        """A farm of its own; env names settings (LIMIT_GENERAL="0" is limit.general)."""
        run = tempfile.mkdtemp(prefix="rookery-test-")
        os.chmod(run, 0o755)  # PostgreSQL's own user passes through
        ports = dict(zip((f"ROOKERY_{name.upper()}_PORT" for name in MOUNTS), map(str, free_ports(len(MOUNTS)))))
        server = {"ROOKERY_HTTP_SERVER": os.environ.get("ROOKERY_TEST_HTTPD") or "lighttpd"}
        farm = cls(run, {**server, **ports, **{f"ROOKERY_{k}": v for k, v in env.items()}})
        try:
            farm.up()
            yield farm
        finally:
            farm.rookery("down")
            if not os.environ.get("ROOKERY_TEST_KEEP"):
                shutil.rmtree(run, ignore_errors=True)

    @classmethod
    @contextlib.contextmanager
    def running(cls, run):
        farm = cls(run)
        farm.learn()
        yield farm

    def up(self):
        done = self.rookery("up", "--no-demo")
        assert done.returncode == 0, f"the farm does not start:\n{done.stdout}"
        self.learn()

    def learn(self):
        """Read the settings in force and the documents of the surfaces that are served."""
        lines = self.rookery("config").stdout.splitlines()  # name = value  # where it comes from
        pairs = (line.rpartition("  # ")[0].partition(" = ") for line in lines if not line.startswith("#"))
        self.settings = {name: value for name, _, value in pairs if name}
        for name, mount in MOUNTS.items():
            site = Site(name, "127.0.0.1", int(self.settings[f"{name}.port"]), mount, self.record.watch)
            with contextlib.suppress(OSError):
                reply = site.raw("GET", "/openapi.json")
                if reply.status == 200:
                    self.sites[name] = site
                    self.record.learn(Document(site, reply.json))

    def rookery(self, *words, timeout=600):
        """Run the rookery command against this farm; its output, errors too, is in stdout.

        It goes through a file, for what "up" starts might keep a pipe open."""
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run([ROOT / "rookery", *words], env=self.env, cwd=ROOT, timeout=timeout,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            output.seek(0)
            done.stdout = output.read()
            return done

    def site(self, name="whatsapp"):
        return self.sites[name]

    def size(self, name):
        """A setting in bytes: "64k" is 65536."""
        value = self.settings[name]
        return int(value.rstrip("kmg")) << {"k": 10, "m": 20, "g": 30}.get(value[-1], 0)

    def seconds(self, name):
        """A setting in seconds: "15m" is 900."""
        value = self.settings[name]
        return int(value.rstrip("smhd")) * {"m": 60, "h": 3600, "d": 86400}.get(value[-1], 1)

    # ---- behind the farm ----------------------------------------------------------------------

    def database(self):
        """A connection of one's own; rows come as dictionaries."""
        return psycopg2.connect(host=str(self.run / "pg-socket"), port=self.settings["db.port"],
                                dbname=self.settings["db.name"], user=self.settings["db.user"] or None,
                                cursor_factory=psycopg2.extras.RealDictCursor)

    def sql(self, query, *values):
        """Rows as dictionaries, empty ones for SELECT without columns; [] for a statement that answers none."""
        connection = self.database()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, values or None)
                return [] if cursor.description is None else cursor.fetchall()
        finally:
            connection.close()

    def libpq_options(self):
        """The database as the command line options of psql and pgbench."""
        user = self.settings["db.user"]
        return ["-h", str(self.run / "pg-socket"), "-p", self.settings["db.port"], *(["-U", user] if user else []),
                self.settings["db.name"]]

    @property
    def redis(self):
        return redis.Redis(unix_socket_path=str(self.run / "redis/redis.sock"), decode_responses=True)

    def otp(self, phone):
        """The code that was last sent to a phone."""
        return eventually(lambda: self.redis.get(f"otp:{phone}"), within=2)

    def forget_limits(self):
        """Begin every rate limit anew."""
        for key in self.redis.scan_iter("rl:*"):
            self.redis.delete(key)

    # ---- processes ----------------------------------------------------------------------------

    @property
    def services(self):
        return sorted(path.name for path in (self.run / "service").iterdir() if (path / "run").exists())

    def pid(self, service):
        """The process runit supervises under that name."""
        return int((self.run / "service" / service / "supervise/pid").read_text())

    def children(self, pid):
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def alive(self, service):
        """The process under a service name, None while there is none."""
        with contextlib.suppress(OSError, ValueError):
            pid = self.pid(service)
            os.kill(pid, 0)
            return pid

    def kill(self, service, worker=False):
        """Kill what runs under a service name, or one worker of it; the pid that was killed."""
        pid = eventually(lambda: self.alive(service))
        pid = self.children(pid)[0] if worker else pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_all(self, service):
        """Kill a service and its children at once; some may go by themselves when they see the others go."""
        pid = eventually(lambda: self.alive(service))
        for victim in [pid, *self.children(pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    @contextlib.contextmanager
    def paused(self, service):
        """The service stands still for a while."""
        pid = eventually(lambda: self.alive(service))
        pids = [pid, *self.children(pid)]
        for one in pids:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in pids:
                os.kill(one, signal.SIGCONT)

    def kill_session(self):
        """Kill the database process of one client, which makes PostgreSQL throw out all of them and recover."""
        os.kill(self.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                         " AND pid <> pg_backend_pid() LIMIT 1")[0]["pid"], signal.SIGKILL)

    def ready(self):
        with contextlib.suppress(OSError):
            return self.site().raw("GET", "/readyz", keep=False).status == 200
