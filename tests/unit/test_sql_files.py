"""The files of sql/: where a function stands, whether its body is right, and how the files come into a database."""
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from sqllib import ROOT, Session, at_once, cluster, migrate  # noqa: F401, fixtures

BODIES = (Path(__file__).parent / "bodies.sql").read_text()
TABLES, FUNCTIONS = ([f"{folder}/{file.stem}" for file in sorted((ROOT / "sql" / folder).glob("*.sql"))]
                     for folder in ("tables", "functions"))
# As they stood before there were two folders; see Older databases in docs/schema.md.
BEFORE = [f"{n:03}-before" for n in range(1, 45)] + ["192-empty-pages"]


def said(*lines):
    return "".join(line + "\n" for line in lines)


def applied(*names):
    return said(*(f"applied {name}" for name in names))


@contextmanager
def fresh(cluster, name):
    """A session with a new database, empty; the parameters of its cluster lie in it."""
    boss = Session(cluster)
    boss.rows(f"CREATE DATABASE {name}")
    session = Session({**cluster, "dbname": name})
    session.where = {**cluster, "dbname": name}
    try:
        yield session
    finally:
        session.link.close()
        boss.rows(f"DROP DATABASE {name} WITH (FORCE)")
        boss.link.close()


@pytest.fixture
def empty(cluster):
    with fresh(cluster, "files") as session:
        yield session


@pytest.fixture
def made(empty):
    assert migrate(empty.where).returncode == 0
    yield empty


@pytest.fixture
def copy(tmp_path):
    """A root with an sql/ that may be changed."""
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    return tmp_path


def change(root, name, old, new):
    file = root / "sql" / f"{name}.sql"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def records(session):
    return [(r.name, r.checksum) for r in session.rows("SELECT name, checksum FROM schema_migration ORDER BY name")]


def test_a_function_stands_in_one_place_and_a_file_is_short():
    defined = Counter()
    for name in TABLES + FUNCTIONS:
        text = (ROOT / "sql" / f"{name}.sql").read_text()
        defined.update(re.findall(r"^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|VIEW) (\w+)", text, re.M))
        defined.update(re.findall(r"^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER (\w+)\b[^;]* ON (\w+)", text, re.M))
        assert len(text.splitlines()) <= 500, f"sql/{name}.sql is long: part it by area"
    assert len(defined) > 200
    assert {what: n for what, n in defined.items() if n > 1} == {}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_file_of_functions_can_be_applied_again(name):
    text = re.sub(r"\$\$.*?\$\$|--[^\n]*", "", (ROOT / "sql" / f"{name}.sql").read_text(), flags=re.S)
    heads = re.findall(r"(?:\A|;)\s*(\w+(?: OR REPLACE)? \w+)", text)
    assert heads
    assert set(heads) <= {f"CREATE OR REPLACE {kind}" for kind in ("FUNCTION", "VIEW", "TRIGGER")}


def test_bodies_name_what_there_is(made):
    for name in FUNCTIONS:  # this checks those in SQL
        made.rows((ROOT / "sql" / f"{name}.sql").read_text().replace("%", "%%"), ())
    try:
        made.rows("CREATE EXTENSION plpgsql_check")
    except psycopg2.Error as fault:
        pytest.fail(f"the package postgresql-15-plpgsql-check is missing: {fault}")
    assert [line for line, in map(lambda r: vars(r).values(), made.rows(BODIES))] == []

    # And what is wrong is found.
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        made.rows("CREATE FUNCTION bad_sql() RETURNS uuid LANGUAGE sql AS 'SELECT nothing FROM account'")
    made.rows("CREATE FUNCTION bad() RETURNS void LANGUAGE plpgsql AS 'BEGIN UPDATE account SET nothing = 1; END'")
    made.rows("CREATE FUNCTION bad_new() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.nothing := 1; RETURN NEW; END'")
    made.rows("CREATE TRIGGER bad_new BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION bad_new()")
    made.rows("CREATE TRIGGER bad_new BEFORE INSERT ON device FOR EACH ROW EXECUTE FUNCTION bad_new()")
    faults = [line for line, in map(lambda r: vars(r).values(), made.rows(BODIES))]
    assert len(faults) == 2 and all(f.startswith("bad") and "nothing" in f for f in faults), faults


def test_everything_is_applied_once_and_told(empty):
    first = migrate(empty.where)
    assert (first.returncode, first.stdout) == (0, said("a new database") + applied(*TABLES, *FUNCTIONS)), first.stderr
    before = records(empty)
    again = migrate(empty.where)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert records(empty) == before


def test_two_at_once_do_it_once(empty):
    done = at_once(*[lambda: migrate(empty.where)] * 2)
    assert [d.returncode for d in done] == [0, 0], [d.stdout + d.stderr for d in done]
    assert [name for name, _ in records(empty)] == sorted(TABLES + FUNCTIONS)
    assert empty.value("SELECT count(*) FROM sync_epoch") == 1


def test_a_changed_function_is_replaced(made, copy):
    change(copy, "functions/base", "YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"", "YYYY")
    done = migrate(made.where, copy)
    assert (done.returncode, done.stdout) == (0, applied("functions/base")), done.stderr
    assert made.value("SELECT rfc3339('2020-02-02')") == "2020"
    assert migrate(made.where, copy).stdout == ""
    assert migrate(made.where).stdout == applied("functions/base")


def test_a_changed_table_is_refused(made, copy):
    change(copy, "tables/010-media", "-- A file that arrives in pieces.", "-- A file in pieces.")
    change(copy, "functions/base", "-- Time as", "-- Times as")
    before = records(made)
    done = migrate(made.where, copy)
    assert done.returncode == 1 and "sql/tables/010-media.sql was changed after it had been applied" in done.stderr
    assert records(made) == before


def test_functions_that_a_new_table_takes_away_come_back(made, copy):
    (copy / "sql" / "tables" / "900-new.sql").write_text(
        "CREATE TABLE fresh (id uuid PRIMARY KEY);\nDROP FUNCTION device_seen() CASCADE;\nDROP VIEW device_card;\n")
    done = migrate(made.where, copy)
    assert (done.returncode, done.stdout) == (0, applied("tables/900-new", *FUNCTIONS)), done.stderr
    assert made.value("SELECT count(*) FROM pg_trigger WHERE tgfoid = 'device_seen'::regproc") == 2
    assert made.rows("SELECT * FROM device_card") == made.rows("SELECT * FROM fresh") == []


def test_a_mistake_is_told_with_its_place_and_changes_nothing(made, copy):
    before = records(made)
    (copy / "sql" / "tables" / "900-new.sql").write_text("CREATE TABLE fresh (id uuid);\n\nCREATE TABLE fresh (id uuid);\n")
    done = migrate(made.where, copy)
    assert done.returncode == 1 and "sql/tables/900-new.sql:3: ERROR" in done.stdout, done.stdout
    assert records(made) == before and made.value("SELECT to_regclass('fresh')") is None

    (copy / "sql" / "tables" / "900-new.sql").unlink()
    change(copy, "functions/base", "-- Time as", "-- Times as")
    (copy / "sql" / "functions" / "zoo.sql").write_text("-- Animals.\nCREATE OR REPLACE FUNCTION lion() RETURNS beast;\n")
    done = migrate(made.where, copy)
    assert done.returncode == 1 and "sql/functions/zoo.sql:2: ERROR" in done.stdout, done.stdout
    assert records(made) == before


def as_before(session, names):
    """The same tables, recorded as they were before there were two folders."""
    session.rows("DELETE FROM schema_migration")
    for name in names:
        session.rows("INSERT INTO schema_migration (name, checksum) VALUES (%s, 'x')", name)


def test_a_database_from_before_is_taken_over(made, copy):
    person, fingerprint = made.person(), records(made)
    as_before(made, BEFORE)
    made.rows("DROP VIEW device_card; DROP FUNCTION rfc3339 CASCADE")
    (copy / "sql" / "tables" / "900-new.sql").write_text("CREATE TABLE fresh (id uuid);\n")
    done = migrate(made.where, copy)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("taken over: the 45 migrations") and said(*rest) == applied("tables/900-new", *FUNCTIONS)
    assert [r for r in records(made) if r[0] != "tables/900-new"] == fingerprint
    assert made.value("SELECT account_id FROM device_card WHERE id = %s", person.device) == person.id
    assert migrate(made.where, copy).stdout == ""


@pytest.mark.parametrize("names", [BEFORE[:-1], BEFORE[1:], BEFORE[:3]], ids=["without the last", "without one", "the first"])
def test_a_database_in_between_is_refused(made, names):
    as_before(made, names)
    before = records(made)
    done = migrate(made.where)
    assert done.returncode == 1 and "lacks migrations up to 192-empty-pages" in done.stderr and done.stdout == ""
    assert records(made) == before
