"""What the tests of sql/ share: a private PostgreSQL cluster without network, and sessions with it.

The cluster lives in a temporary folder; when run as root, PostgreSQL runs as the user postgres.
"""
import itertools
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import psycopg2
import psycopg2.extras
import pytest

ROOT = Path(__file__).resolve().parents[2]
PGBIN = Path(os.environ.get("PGBIN", "/usr/lib/postgresql/15/bin"))
Person = namedtuple("Person", "id device")


def as_postgres(*command, **how):
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return subprocess.run([*prefix, *map(str, command)], check=True, capture_output=True, text=True, **how)


def migrate(cluster, root=ROOT):
    """scripts/migrate.sh with the sql/ of root; the finished process, whose output tells what was applied."""
    script = """
        die() { printf '%s\\n' "$*" >&2; exit 1; }
        setting() { eval "echo \\$DB_${1#db.}"; }
        . "$ROOT/scripts/migrate.sh"
        migrate_all || die failed"""
    where = {"DB_host": cluster["host"], "DB_port": "5432", "DB_user": cluster["user"], "DB_name": cluster["dbname"]}
    return subprocess.run(["bash", "-uc", script], capture_output=True, text=True,
                          env={**os.environ, **where, "ROOT": str(root), "PGBIN": str(PGBIN), "RUN": "/run/of/a/farm"})


@pytest.fixture(scope="session")
def cluster():
    """Connection parameters of a cluster with the schema in its database."""
    folder = Path(mkdtemp(prefix="rk-sql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "pg"
    as_postgres(PGBIN / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
                "--locale=C.UTF-8", "--no-sync", cwd=folder)
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=120 " \
              "-c deadlock_timeout=200ms"
    as_postgres(PGBIN / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start", cwd=folder)
    try:
        parameters = {"host": str(folder), "user": "postgres", "dbname": "postgres"}
        done = migrate(parameters)
        assert done.returncode == 0, done.stderr + done.stdout
        yield parameters
    finally:
        as_postgres(PGBIN / "pg_ctl", "-D", data, "-m", "immediate", "stop", cwd=folder)
        shutil.rmtree(folder)


class Session:
    def __init__(self, cluster):
        psycopg2.extras.register_uuid()
        self.link = psycopg2.connect(**cluster)
        self.link.autocommit = True

    def rows(self, sql, *values):
        with self.link.cursor() as cursor:
            cursor.execute(sql, values)
            names = [column.name for column in cursor.description or []]
            return [SimpleNamespace(**dict(zip(names, row))) for row in cursor] if names else []

    def row(self, sql, *values):
        rows = self.rows(sql, *values)
        assert len(rows) == 1, rows
        return rows[0]

    def value(self, sql, *values):
        one, = vars(self.row(sql, *values)).values()
        return one

    @contextmanager
    def transaction(self):
        self.rows("BEGIN")
        try:
            yield
        except BaseException:
            self.rows("ROLLBACK")
            raise
        self.rows("COMMIT")

    def person(self):
        account = self.value("INSERT INTO account (display_name) VALUES ('x') RETURNING id")
        return Person(account, self.device(account))

    def device(self, account):
        return self.value("INSERT INTO device (account_id) VALUES (%s) RETURNING id", account)

    def send_batch(self, items):
        """Items are dicts with sender, to or conversation, and what else message_send takes; rows by item."""
        def column(name, kind, default=None):
            return [i.get(name, default) for i in items], kind
        columns = [
            ([i.get("id") or uuid7() for i in items], "uuid"), ([i["sender"].id for i in items], "uuid"),
            ([i["sender"].device for i in items], "uuid"), column("conversation", "uuid"),
            ([i["to"].id if i.get("to") else None for i in items], "uuid"), column("client_id", "text"),
            column("kind", "text", "text"), column("body", "text", "sealed"), column("meta", "jsonb"),
            column("ttl", "integer"), column("expires", "timestamptz"), column("reply_to", "uuid"),
            ([str([str(a) for a in i["mentions"]]).replace("'", "").replace("[", "{").replace("]", "}")
              if i.get("mentions") else None for i in items], "text")]
        call = ", ".join(f"%s::{kind}[]" for _, kind in columns)
        rows = self.rows(f"SELECT * FROM message_send({call})", *[values for values, _ in columns])
        assert sorted(r.item for r in rows) == list(range(1, len(items) + 1))
        return sorted(rows, key=lambda r: r.item)

    def send(self, sender, to=None, **more):
        return self.send_batch([{"sender": sender, "to": to, **more}])[0]

    def group(self, owner, *members, settings=None):
        return self.row("SELECT * FROM group_create(NULL, %s, %s, NULL, %s::uuid[], %s)", owner.id,
                        str(uuid.uuid4()), [m.id for m in members], settings).id

    def queue(self, who, device=None, limit=100, offset=0):
        return [m.id for m in self.rows("SELECT * FROM device_queue(%s, %s, %s, %s)", who.id,
                                        device or who.device, limit, offset)]

    def waiting(self, who, device=None):
        return self.value("SELECT device_queue_count(%s, %s)", who.id, device or who.device)

    def changes(self, account, cursor=None, since=None, limit=100, device=None):
        """A page of what is new, as an app makes it of the rows: messages, next_cursor, has_more."""
        *rows, end = self.rows("SELECT * FROM message_changes_page(%s, %s, %s, %s, 0, %s)", account, cursor, since, limit, device)
        assert end.id is None and len(rows) <= limit + 1
        more = len(rows) > limit
        return SimpleNamespace(messages=rows[:limit], has_more=more, next_cursor=rows[limit - 1].cursor if more else end.cursor)

    def ack(self, who, *ids, device=None):
        return self.row("SELECT * FROM message_ack(%s, %s, %s::uuid[])", who.id, device or who.device, list(ids))


_ids = itertools.count()


def uuid7():
    stamp = int(time.time() * 1000) << 80 | 7 << 76 | (next(_ids) & 0xfff) << 64 | 2 << 62
    return uuid.UUID(int=stamp | uuid.uuid4().int & (1 << 62) - 1)


@pytest.fixture
def db(cluster):
    session = Session(cluster)
    yield session
    session.link.close()


@pytest.fixture
def sessions(cluster):
    """A maker of further sessions, for what happens at once."""
    made = []

    def make():
        made.append(Session(cluster))
        return made[-1]
    yield make
    for session in made:
        session.link.close()


@contextmanager
def refused(status, field=None):
    with pytest.raises(psycopg2.Error) as caught:
        yield
    assert caught.value.pgcode == f"RK{status}", caught.value
    if field:
        assert caught.value.diag.message_hint == field


@contextmanager
def violates(constraint):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        yield
    assert caught.value.diag.constraint_name == constraint


def at_once(*works):
    """Run the works in threads that start together; their results."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def run(n):
        barrier.wait()
        try:
            results[n] = works[n]()
        except Exception as fault:  # noqa: BLE001, handed to the caller
            results[n] = fault
    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
