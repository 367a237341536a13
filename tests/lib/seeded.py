"""A database of its own in the cluster of a farm, filled by ./rookery seed; the farm's apps and people do not see it.

    with seeded(farm, users=2000, messages=50000) as database:
        database.rows("SELECT count(*) AS n FROM account WHERE locale = %s", "de")
"""
import contextlib
import itertools
import os
import subprocess

import psycopg2
import psycopg2.extras

NUMBERS = itertools.count()


class Database:
    def __init__(self, farm, name):
        self.farm, self.name = farm, name

    def connect(self):
        connection = psycopg2.connect(host=str(self.farm.run / "pg-socket"), port=self.farm.settings["db.port"], dbname=self.name,
                                      user=self.farm.settings["db.user"] or None, cursor_factory=psycopg2.extras.RealDictCursor)
        connection.autocommit = True
        return connection

    def rows(self, statement, *values):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def rookery(self, *words, timeout=3600):
        """Run a command of ./rookery on this database instead of the farm's."""
        env, self.farm.env = self.farm.env, {**self.farm.env, "ROOKERY_DB_NAME": self.name}
        try:
            return self.farm.rookery(*words, timeout=timeout)
        finally:
            self.farm.env = env


@contextlib.contextmanager
def seeded(farm, users=2000, name=None, **options):
    """With users=None the database has the schema and no rows; with a name it is one that was seeded before and stays."""
    if name:
        yield Database(farm, name)
        return
    *where, _ = farm.libpq_options()
    database = Database(farm, f"seeded_{os.getpid()}_{next(NUMBERS)}")
    subprocess.run(["createdb", *where, database.name], check=True)
    try:
        done = database.rookery("migrate")
        assert done.returncode == 0, done.stdout
        if users:
            words = [word for name, value in {"users": users, **options}.items() for word in (f"--{name}", str(value))]
            done = database.rookery("seed", *words)
            assert done.returncode == 0, done.stdout
        yield database
    finally:
        subprocess.run(["dropdb", "--force", *where, database.name], check=True)
