"""What a query touches: every query of the farm, prepared as the programs prepare it, executed with auto_explain in a
transaction that is rolled back, statements inside functions included.

    with Gauge(database) as gauge:
        for query in all_queries(build):
            for run in gauge.runs(query):
                print(run, run.faults)
"""
import collections
import dataclasses
import itertools
import json
import pathlib
import re
import subprocess

import psycopg2

from lib.values import Values

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODES = ("force_custom_plan", "force_generic_plan")
#: Reading a table whole is no fault as long as it is that small, in blocks of eight kilobytes.
SMALL = 4


@dataclasses.dataclass(frozen=True)
class Query:
    file: str
    line: int
    name: str
    kind: str
    params: tuple
    sql: str

    @property
    def id(self):
        """whatsapp/groups/group_list, shared/core/session_open, jobs/purge_messages, wsrelay/members_LOOK_UP"""
        home = pathlib.Path(self.file).relative_to(ROOT).parent
        return "/".join([*(part for part in home.parts if part != "fcgi-apps"), self.name])


def all_queries(build):
    """Of every family, the core and the jobs, whatever there is; and the relay's, which stand in C."""
    files = sorted({*ROOT.glob("fcgi-apps/*/*/*.sql"), *ROOT.glob("shared/core/*.sql"), *ROOT.glob("jobs/*.sql")})
    listed = subprocess.run([build / "bin/apigen", "queries", "--sql", *files], capture_output=True, text=True, check=True)
    return [Query(**{**q, "params": tuple(q["params"])}) for q in json.loads(listed.stdout)] + list(of_the_relay())


def of_the_relay():
    """They number their parameters; names are those of what they stand for."""
    for file in sorted(ROOT.glob("wsrelay/*.c")):
        text = file.read_text()
        for found in re.finditer(r'static const char (\w+)\[\] =\s*((?:"(?:[^"\\]|\\.)*"\s*)+);', text):
            sql = "".join(json.loads(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', found[2]))
            if re.match(r"\s*(SELECT|WITH|UPDATE|INSERT|DELETE)\b", sql):
                params = {int(n) for n in re.findall(r"\$(\d+)", sql)}
                named = names_in(sql)
                yield Query(str(file), text[:found.start()].count("\n") + 1, f"{file.stem}_{found[1]}", "many",
                            tuple(named.get(n, f"number_{n}") for n in sorted(params)), sql)


def names_in(sql):
    """unnest($1::uuid[], $2::bigint[]) … AS w (conversation_id, version, n) names 1 and 2, and f($1, $2) those that sql/ gives
    the parameters of f."""
    named = {}
    for call, more in re.findall(r"unnest\(([^()]*)\)[^(]*\(([^()]*)\)", sql):
        for n, name in zip(re.findall(r"\$(\d+)", call), more.split(",")):
            named[int(n)] = re.sub(r"_id$", "", name.strip()) + "s"
    for function, call in re.findall(r"(\w+)\((\$[^()]*)\)", sql):
        for file in ROOT.glob("sql/*/*.sql"):
            for given in re.findall(rf"CREATE (?:OR REPLACE )?FUNCTION {function}\(([^()]*)\)", file.read_text()):
                for n, name in zip(re.findall(r"\$(\d+)", call), given.split(",")):
                    named[int(n)] = re.sub(r"^p_", "", name.split()[0])
    return named


class Notices:
    """What the server remarks; of a list psycopg2 would keep the last fifty."""

    def __init__(self):
        self.kept = []
        self.append, self.clear = self.kept.append, self.kept.clear

    def plans(self):
        texts = (notice.partition("plan:\n")[2] for notice in self.kept if " plan:\n" in notice)
        return [json.JSONDecoder().raw_decode(text.lstrip())[0] for text in texts]


@dataclasses.dataclass
class Run:
    """What one execution did.  rows and blocks were looked at, by all statements together; statements are (text, rows), the
    most expensive first."""
    query: Query
    scenario: object
    mode: str
    page: int  # as many rows as were asked for
    returned: int = 0
    error: str = None
    rows: int = 0
    blocks: int = 0
    faults: list = dataclasses.field(default_factory=list)  # (table that was read whole, how)
    statements: list = dataclasses.field(default_factory=list)

    def __str__(self):
        dearest = "".join(f"\n    {rows} rows: {' '.join(text.split())[:300]}" for text, rows in self.statements)
        return (f"{self.query.id}, {self.scenario.name}, {self.mode}: {self.returned} answered, {self.rows} rows and {self.blocks} blocks"
                f" looked at{', ' + self.error if self.error else ''}{dearest}")


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)


def looked_at(node):
    """Rows that a scan took from its table, whether it kept them or not."""
    if "Relation Name" not in node or node["Node Type"] == "ModifyTable":
        return 0
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return each * node["Actual Loops"]


class Gauge:
    """With small=True the planner is kept from plans that read whole tables, which it rightly prefers while they are small:
    what still reads one whole has no index that fits, and what is read of an index is counted all the same."""

    def __init__(self, database, small=False):
        self.database, self.small = database, small

    def __enter__(self):
        self.connection = self.database.connect()
        self.connection.notices = Notices()
        self.cursor = self.connection.cursor()
        for statement in ("LOAD 'auto_explain'", "SET auto_explain.log_min_duration = 0", "SET auto_explain.log_analyze = on",
                          "SET auto_explain.log_buffers = on", "SET auto_explain.log_timing = off",
                          "SET auto_explain.log_nested_statements = on", "SET auto_explain.log_format = json",
                          "SET auto_explain.log_level = notice", "SET statement_timeout = '120s'"):
            self.cursor.execute(statement)
        for plan in ("seqscan", "hashjoin", "mergejoin") if self.small else ():
            self.cursor.execute(f"SET enable_{plan} = off")
        self.sizes = {row["name"]: (row["pages"], row["tuples"]) for row in self.database.rows(
            "SELECT relname AS name, pg_relation_size(oid) / 8192 AS pages, reltuples AS tuples FROM pg_class WHERE relkind = 'r'")}
        self.writers = {row["name"] for row in self.database.rows(
            "SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND provolatile = 'v'")} - {"fail"}
        self.values = Values(self.database, self.cursor)
        return self

    def __exit__(self, *_):
        self.connection.close()

    def reads(self, query):
        """Does it list or look up, and change nothing?"""
        words = set(re.findall(r"\w+", query.sql))
        return not words & {"INSERT", "UPDATE", "DELETE"} and not words & self.writers

    def prepared(self, query):
        """Prepare it; the types of its parameters."""
        self.cursor.execute("DEALLOCATE ALL")
        self.cursor.execute(f"PREPARE q AS {query.sql.replace('%', '%%')}", ())
        self.cursor.execute("SELECT parameter_types::text[] AS types FROM pg_prepared_statements WHERE name = 'q'")
        return self.cursor.fetchone()["types"]

    def runs(self, query):
        """Runs of each scenario, with the plan made for its values and with the one made for any; of several rows that a
        query may be about the first with which it does something counts."""
        types = self.prepared(query)
        for _, bindings in itertools.groupby(list(self.values.bindings(query, types)), key=lambda b: b[0].name):
            runs = None
            for scenario, bound in bindings:
                runs = [self.run(query, scenario, bound, types, mode) for mode in MODES]
                if runs[0].returned and not runs[0].error:
                    break
            yield from runs

    def run(self, query, scenario, bound, types, mode):
        words = ", ".join(f"%s::{t}" for t in types)
        call = f"EXECUTE q({words})" if types else "EXECUTE q"
        sizes = [bound[n] for n, name in enumerate(query.params) if name in ("limit", "batch", "most")]
        lists = [max(len(value), *(n for n in value if isinstance(n, int) and n <= 500), 0) for value in bound if isinstance(value, list)]
        run = Run(query, scenario, mode, max([1, *sizes, *lists]))
        self.prepared(query)
        self.cursor.execute(f"BEGIN; SET LOCAL plan_cache_mode = {mode}")
        self.connection.notices.clear()
        try:
            self.cursor.execute(call, bound)
            run.returned = len(self.cursor.fetchall()) if self.cursor.description else self.cursor.rowcount
        except psycopg2.Error as fault:  # what the query itself refuses
            run.error = str(fault).splitlines()[0]
        plans = self.connection.notices.plans()
        self.cursor.execute("ROLLBACK")
        self.judge(run, plans)
        return run

    def judge(self, run, plans):
        texts = collections.Counter()
        for plan in plans:
            for node in walk(plan["Plan"]):
                texts[plan["Query Text"]] += looked_at(node)
                self.look(run, node, plan)
        run.rows = sum(texts.values())
        # The last plan is the statement's own, its buffers hold those of the statements inside; without it, all count.
        run.blocks = sum(p["Plan"].get("Shared Hit Blocks", 0) + p["Plan"].get("Shared Read Blocks", 0)
                         for p in (plans if run.error else plans[-1:]))
        run.statements = texts.most_common(4)

    def look(self, run, node, plan):
        """Is a table, or one of its indexes, read from end to end?"""
        table, kind = node.get("Relation Name"), node["Node Type"]
        if table is None or not node["Actual Loops"] or self.sizes.get(table, (0, 0))[0] <= SMALL:
            return
        whole = looked_at(node) >= 0.9 * self.sizes[table][1]
        if kind == "Seq Scan" or (kind.startswith("Index") and "Index Cond" not in node and whole):
            run.faults.append((table, f"reads the table {table} whole ({kind}): {' '.join(plan['Query Text'].split())[:300]}"))
