"""apigen: what it makes of good inputs, and that every fault names file and line.

APIGEN is the binary (default: bin/apigen below the working directory), CC the compiler.
"""
import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

APIGEN = os.environ.get("APIGEN", "bin/apigen")
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SAMPLE = HERE / "apigen"


def apigen(*args):
    return subprocess.run([APIGEN, *map(str, args)], capture_output=True, text=True, timeout=60)


def compile_c(folder, *sources):
    """Compile (not link) as the house does; the messages, empty when there are none."""
    command = [os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
               "-fsyntax-only", f"-I{folder}", f"-I{ROOT / 'shared'}", *map(str, sources)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stderr


def family(folder, surface, name, yaml, sql, c=None, core=None, stem="good"):
    args = ["family", surface, name, "--yaml", yaml, "--sql", sql]
    args += ["--core-sql", core] if core else []
    args += ["--c", c] if c else []
    return apigen(*args, "--out-c", folder / f"{stem}.gen.c", "--out-h", folder / f"{stem}.gen.h")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    core = apigen("core", "--sql", SAMPLE / "core.sql", "--out-c", folder / "core_sql.c",
                  "--out-h", folder / "core_sql.h")
    assert core.returncode == 0, core.stderr
    made = family(folder, "whatsapp", "link-things", SAMPLE / "good.yaml", SAMPLE / "good.sql",
                  SAMPLE / "good.c", SAMPLE / "core.sql")
    assert made.returncode == 0, made.stderr
    return folder


# ---- the good family ---------------------------------------------------------------------------

def test_compiles(good):
    assert compile_c(good, good / "core_sql.c", good / "good.gen.c", SAMPLE / "good.c") == ""


def test_routes_prefer_literals(good):
    regex = re.search(r'\.regex = "(.*)"', (good / "good.gen.c").read_text())[1].replace("\\\\", "\\")
    assert regex == (r"^/api/v1(?|/things\z(*MARK:0)|/things/latest\z(*MARK:1)|/things/upload\z(*MARK:2)"
                     r"|/things/([^/]+)\z(*MARK:3)|/things/([^/]+)/owner\.v1\z(*MARK:4))")


def test_struct_members(good):
    header = (good / "good.gen.h").read_text()
    body = re.search(r"struct thing_create_in \{(.*?)\}", header, re.S)[1]
    lines = [line.split(";")[0].strip() for line in body.strip().splitlines()]
    assert lines == ["int form", "const char *code", "json_t *kind", "const char *qr", "int64_t when", "bool has_when"]
    source = (good / "good.gen.c").read_text()
    assert "const char *thingId_body;" in source and "bool default_;" in source
    assert '.name = "thingId", .bind = "thingId_body"' in source
    assert '.name = "X-Tag", .bind = "X_Tag"' in source


def test_functions(good):
    header = (good / "good.gen.h").read_text()
    flat = re.sub(r"\s+", " ", header)
    assert ("int sql_thing_list(struct req *r, struct db_res **out, const char *X_Tag, const char *kinds, "
            "int64_t limit, int64_t offset);") in flat
    assert "int sql_thing_touch(struct req *r, const char *r_);" in flat
    assert "int sql_thing_after(struct req *r, struct db_res **out, const char *after, int64_t limit);" in flat
    assert "/* Rename a thing * of the caller. */" in flat
    assert "void thing_delete_batch(struct req **r, const struct thing_delete_in *const *in, int n);" in flat


def statement(source, name):
    block = source.split(f"query_{name} = {{")[1].split("};")[0]
    sql = "".join(re.findall(r'^\t    "(.*)"', block, re.M)).replace("\\n", "\n").replace('\\"', '"')
    params = re.search(r"\.params = .*?\{(.*?)\}", block)
    return sql.replace("\\\\", "\\"), re.findall(r'"(\w+)"', params[1]) if params else [], block


def test_sql(good):
    source = (good / "good.gen.c").read_text()
    sql, params, block = statement(source, "thing_list")
    assert sql == ('SELECT *, count(*) OVER () AS _total FROM (\n'
                   'SELECT id, name AS "name:x", \':no\' AS t, seen::text AS "seenAt" -- not :this\n'
                   'FROM thing WHERE owner = $1::uuid AND tag = $2 AND kind = ANY ($3::text[])\n'
                   'ORDER BY created DESC\n) AS page\nLIMIT $4::bigint OFFSET $5::bigint')
    assert params == ["me", "X_Tag", "kinds", "limit", "offset"]
    assert ".slot = 1," in block and ".line = 3," in block
    sql, params, _ = statement(source, "thing_insert")
    assert sql == ("SELECT $$ :nope $$ || $x$ $$ :nor $x$ || E'\\':n' || 'it''s :fine' || $1 || $2::text || $3 "
                   "|| f(a := 1)")
    assert params == ["code", "newid", "surface"]
    sql, params, _ = statement(source, "thing_update")
    assert "id = $4::uuid AND owner = $5::uuid AND id <> $4::uuid AND $6::text" in sql
    assert params[3:6] == ["thingId", "me", "thingId_body"]


def listed(tmp_path, text):
    (tmp_path / "some.sql").write_text(text)
    made = apigen("queries", "--sql", tmp_path / "some.sql", SAMPLE / "core.sql")
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def test_queries_are_listed_as_they_are_prepared(tmp_path):
    some, *core = listed(tmp_path, "\n-- name: some :many\nSELECT 'x' WHERE :me = :you AND :me <> 'a\tb';\n")
    assert some == {"file": str(tmp_path / "some.sql"), "line": 2, "name": "some", "kind": "many", "params": ["me", "you"],
                    "sql": "SELECT 'x' WHERE $1 = $2 AND $1 <> 'a\tb'"}
    assert [query["name"] for query in core] == ["account_find"]


def test_a_list_with_a_total_of_its_own_is_not_counted(tmp_path):
    query = listed(tmp_path, "-- name: some :list\nSELECT 1 AS a, (SELECT n FROM c) AS _total FROM t;\n")[0]
    assert query["sql"].startswith("SELECT * FROM (\nSELECT 1 AS a") and "count(" not in query["sql"]


def test_query_list_has_the_core(good):
    source = (good / "good.gen.c").read_text()
    listed = source.split("queries[] = {")[1].split("}")[0]
    assert re.findall(r"query_(\w+)", listed) == [
        "account_find", "thing_list", "thing_update", "thing_insert", "thing_touch", "thing_after"]


def test_second_core_continues_the_slots(tmp_path):
    extra = tmp_path / "jobs.sql"
    extra.write_text("-- name: job_next :one\nSELECT 1;\n")
    made = apigen("core", "--name", "jobs", "--core-sql", SAMPLE / "core.sql", "--sql", extra,
                  "--out-c", tmp_path / "jobs_sql.c", "--out-h", tmp_path / "jobs_sql.h")
    assert made.returncode == 0, made.stderr
    source = (tmp_path / "jobs_sql.c").read_text()
    assert ".slot = 1," in source and "queries_jobs[]" in source and "sql_account_find" not in source
    assert compile_c(tmp_path, tmp_path / "jobs_sql.c") == ""


def test_documented_example(tmp_path):
    """The family in docs/contract.md is one."""
    doc = (ROOT / "docs" / "contract.md").read_text()
    for language, name in (("yaml", "blocks.yaml"), ("sql", "blocks.sql"), ("c", "blocks.c")):
        (tmp_path / name).write_text(re.search(rf"```{language}\n(.*?)```", doc, re.S)[1])
    made = family(tmp_path, "whatsapp", "blocks", tmp_path / "blocks.yaml", tmp_path / "blocks.sql",
                  tmp_path / "blocks.c", stem="blocks")
    assert made.returncode == 0, made.stderr
    assert compile_c(tmp_path, tmp_path / "blocks.gen.c", tmp_path / "blocks.c") == ""


# ---- documents and routes ------------------------------------------------------------------------

def small(name, *paths, extra="", op="", schemas=""):
    text = f"family: {name}\nsurface: whatsapp\nbase: /api/v1\n{extra}\npaths:\n"
    for i, path in enumerate(paths):
        params = "".join(f"      - {{name: {p}, in: path, schema: {{type: string}}}}\n"
                         for p in re.findall(r"{(\w+)}", path))
        text += f"  {path}:\n" + (f"    parameters:\n{params}" if params else "")
        text += f"    get: {{operationId: {name}_{i}, {op}responses: {{'200': {{description: ok}}}}}}\n"
    return text + schemas


def write_all(folder, **texts):
    files = []
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
        files.append(folder / f"{name}.yaml")
    return files


def openapi(folder, files, base="/api/v1"):
    made = apigen("openapi", "whatsapp", "--title", "T", "--base", base, "--out", folder / "o.json", *files)
    assert made.returncode == 0, made.stderr
    return json.loads((folder / "o.json").read_text())


def test_openapi(tmp_path):
    doc = openapi(tmp_path, [SAMPLE / "good.yaml"])
    assert doc["openapi"] == "3.1.0" and doc["servers"] == [{"url": "/api/v1"}]
    listed = doc["paths"]["/things"]["get"]
    assert [p["name"] for p in listed["parameters"]] == ["page", "kinds", "X-Tag"]
    assert listed["x-limit"] == "general" and listed["x-requirement"] == ["WA-TEST-001"]
    assert listed["security"] == [{"bearer": []}] and listed["tags"] == ["link-things"]
    problem = listed["responses"]["401"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/Error"} and "status" in doc["components"]["schemas"]["Error"]["properties"]
    update = doc["paths"]["/things/{thingId}"]["put"]
    assert update["parameters"][0]["required"] is True and "x-body-limit" not in update
    owner = doc["paths"]["/things/{thingId}/owner.v1"]["get"]
    assert owner["security"] == [{}, {"bearer": []}]
    assert doc["paths"]["/things/upload"]["post"]["security"] == []
    assert doc["paths"]["/things/upload"]["put"]["security"] == [{"operator": []}]
    text = json.dumps(doc)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in doc["components"]["schemas"]
    assert "#/components/parameters" not in text and "#/components/responses" not in text


def test_openapi_schemas_that_clash(tmp_path):
    def using(name, kind, shared="{type: string}"):
        return small(name, f"/{name}").replace(
            "{description: ok}", "{description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Page'}}}}"
        ) + ("components:\n  schemas:\n"
             "    Page: {type: object, properties: {item: {$ref: '#/components/schemas/Item'}}}\n"
             f"    Item: {{type: {kind}}}\n    Same: {shared}\n")
    doc = openapi(tmp_path, write_all(tmp_path, one=using("one", "string"), two=using("two", "integer")))
    schemas = doc["components"]["schemas"]
    assert sorted(schemas) == ["Error", "Item", "Page", "Same", "TwoItem", "TwoPage"]
    assert schemas["TwoPage"]["properties"]["item"] == {"$ref": "#/components/schemas/TwoItem"}
    answer = doc["paths"]["/two"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/TwoPage"}


def test_openapi_family_outside_the_base(tmp_path):
    outside = small("ping", "/ping").replace("base: /api/v1", "base: ''")
    doc = openapi(tmp_path, write_all(tmp_path, ping=outside, one=small("one", "/a")))
    assert doc["paths"]["/ping"]["servers"] == [{"url": "/"}] and "/a" in doc["paths"]


def routes(folder, server, files):
    made = apigen("routes", "whatsapp", "--server", server, "--out", folder / "r.conf", *files)
    assert made.returncode == 0, made.stderr
    return (folder / "r.conf").read_text()


OVERLAPPING = {
    "messages": small("messages", "/messages", "/messages/{id}", op="x-batch: true, "),
    "search": small("search", "/messages/search", "/a.b"),
    "system": small("system", "/health", extra="x-catch-all: true"),
}


def owner_of(expressions, path):
    owners = [name for regex, name in expressions if re.search(regex, path)]
    return owners[0] if len(owners) == 1 else owners


def test_routes_exclude_each_other(tmp_path):
    files = write_all(tmp_path, **{k: OVERLAPPING[k] for k in ("search", "messages", "system")})
    light, apache = routes(tmp_path, "lighttpd", files), routes(tmp_path, "apache", files)
    for pairs in (re.findall(r'=~ "(.*?)" \{.*?whatsapp-(\w+)\.sock', light, re.S),
                  re.findall(r'^ProxyPassMatch "(.*?)" ".*whatsapp-(\w+)\.sock', apache, re.M)[:-1]):
        assert [name for _, name in pairs] == ["messages", "search"]  # batches first
        assert owner_of(pairs, "/api/v1/messages") == "messages"
        assert owner_of(pairs, "/api/v1/messages/searching") == "messages"
        assert owner_of(pairs, "/api/v1/messages/search") == "search"
        assert owner_of(pairs, "/api/v1/a.b") == "search"
        for path in ("/api/v1/axb", "/api/v1/messages/", "/api/v1/messages/a/b", "/messages", "/api/v1/health"):
            assert owner_of(pairs, path) == []
    assert light.count("else {") == 1 and "whatsapp-system.sock" in light.split("else {")[1]
    last = apache.strip().splitlines()[-1]
    assert last.startswith('ProxyPassMatch "^/" "unix:${ROOKERY_RUN}/fcgi/whatsapp-system.sock|fcgi://')
    assert owner_of(re.findall(r'"(\^.*?)" ".*whatsapp-(\w+)', apache)[:-1], "/api/v1/messages/a%2Fb") == []


def test_the_relay_gets_the_same_routes_as_a_table(tmp_path):
    files = write_all(tmp_path, **{k: OVERLAPPING[k] for k in ("search", "messages", "system")})
    table, apache = routes(tmp_path, "relay", files), routes(tmp_path, "apache", files)
    pairs = [(json.loads(regex), name) for name, regex in re.findall(r'^\t\{"whatsapp-(\w+)", ("\^.*")\},$', table, re.M)]
    assert pairs == re.findall(r'^ProxyPassMatch "(.*?)" ".*whatsapp-(\w+)\.sock', apache, re.M)
    assert pairs[-1] == ("^/", "system") and 'CALL_ROUTES("whatsapp", routes)' in table


def test_lighttpd_reads_the_routes(tmp_path):
    if subprocess.run("command -v lighttpd", shell=True, capture_output=True).returncode:
        pytest.skip("lighttpd is not installed")
    routes(tmp_path, "lighttpd", write_all(tmp_path, **OVERLAPPING))
    conf = tmp_path / "l.conf"
    conf.write_text('server.modules = ("mod_fastcgi")\nserver.document-root = "/"\nserver.port = 1\n'
                    f'var.run = "{tmp_path}"\n$SERVER["socket"] == ":2" {{\ninclude "r.conf"\n}}\n')
    done = subprocess.run(["lighttpd", "-tt", "-f", conf], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


# ---- faults --------------------------------------------------------------------------------------

GOOD_YAML = """family: f
surface: whatsapp
base: /api/v1
paths:
  /a/{id}:
    parameters:
      - {name: id, in: path, schema: {type: string, format: uuid}}
    put:
      operationId: a_put
      x-query: q
      requestBody:
        content:
          application/json:
            schema:
              type: object
              properties:
                name: {type: string}
      responses:
        '200': {description: ok}
        '409': {description: taken}
  /b:
    get:
      operationId: b_get
      responses:
        '200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/B'}}}}
components:
  schemas:
    B: {type: object, properties: {x: {type: string}}}
"""
GOOD_SQL = "-- name: q :one\nSELECT :id::uuid, :name, :me;\n\n-- name: used :exec\nSELECT 1;\n"
GOOD_C = "int\nb_get(struct req *r, const struct b_get_in *in)\n{\n\treturn sql_used(r);\n}\n"


def run_bad(folder, yaml=GOOD_YAML, sql=GOOD_SQL, c=GOOD_C):
    for name, text in (("f.yaml", yaml), ("f.sql", sql), ("f.c", c)):
        (folder / name).write_text(text)
    return family(folder, "whatsapp", "f", folder / "f.yaml", folder / "f.sql", folder / "f.c")


def expect(done, folder, file, line, message):
    assert done.returncode == 1
    assert not (folder / "good.gen.c").exists()
    assert re.fullmatch(rf"{re.escape(str(folder / file))}:{line}: .*{message}.*\n", done.stderr), done.stderr


def test_base_of_the_faults_is_good(tmp_path):
    done = run_bad(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


YAML_FAULTS = [  # replaced text, replacement, line, message
    ("family: f", "famly: f", 1, 'unknown keyword "famly"'),
    ("family: f", "family: g", 1, 'family is "f", not "g"'),
    ("surface: whatsapp", "surface: intok", 2, "surface is"),
    ("base: /api/v1", "base: /api/", 3, "base must"),
    ("base: /api/v1\n", "", 1, 'needs "base"'),
    ("base: /api/v1", "base: [/api/v1", 4, "did not find expected"),
    ("base: /api/v1", "base: /api/v1\nbase: /x", 4, "occurs twice"),
    ("/a/{id}:", "/a/{id}x:", 5, "whole, named segment"),
    ("/a/{id}:", "a/{id}:", 5, "begins with /"),
    ("/a/{id}:", "/a/{id}/{no}:", 9, "{no} is not declared"),
    ("/b:", "/a/{other}:", 21, 'shape of "/a/{id}" in line 5'),
    ("    put:", "    post_:", 8, 'unknown keyword "post_" in a path'),
    ("in: path", "in: cookie", 7, "in must be"),
    ("name: id, in", "name: di, in", 7, "no {di}"),
    ("in: path, ", "in: path, required: false, ", 7, "always required"),
    ("in: path, ", "in: path, style: simple, ", 7, 'unknown keyword "style"'),
    ("type: string, format: uuid}", "type: object}", 7, "must be a text, number or boolean"),
    ("format: uuid", "format: uid", 7, 'unknown format "uid"'),
    ("format: uuid", "minimum: 1", 7, "does not fit the type"),
    ("format: uuid", "pattern: '(a'", 7, "pattern does not compile"),
    ("format: uuid", "nullable: true", 7, 'unknown keyword "nullable" in a schema'),
    ("format: uuid", "enum: [a, 1]", 7, 'value "1" does not fit'),
    ("format: uuid", "enum: []", 7, "no value to choose"),
    ("format: uuid", "default: 1", 7, "default does not fit"),
    ("format: uuid", "maxLength: -1", 7, "out of range"),
    ("format: uuid", "maxLength: x", 7, "must be a whole number"),
    ("format: uuid", "x-invalid: 422", 9, "x-invalid of \"id\": status 422 is not among"),
    ("format: uuid", "x-invalid: 500", 7, "from 400 to 499"),
    ("schema: {type: string, format: uuid}", "schema: {minLength: 1}", 7, "needs a type"),
    ("schema: {type: string, format: uuid}", "schema: {type: text}", 7, 'unknown type "text"'),
    ("schema: {type: string, format: uuid}", "x-self: yes, schema: {type: string}", 7, "true or false"),
    ("operationId: a_put", "operationId: a-put", 9, "no C identifier"),
    ("operationId: a_put", "operationId: int", 9, "no C identifier"),
    ("operationId: b_get", "operationId: a_put", 23, "taken in line 9"),
    ("      operationId: b_get\n", "", 23, 'needs "operationId"'),
    ("operationId: a_put", "operationId: a_put\n      x-batch: true", 11, "exclude each other"),
    ("operationId: a_put", "operationId: a_put\n      x-auth: token", 10, "x-auth must be"),
    ("operationId: a_put", "operationId: a_put\n      x-body-limit: 64kb", 10, "x-body-limit must"),
    ("operationId: a_put", "operationId: a_put\n      x-constraints: {k: 404}", 10, "404 is not among"),
    ("operationId: a_put", "operationId: a_put\n      x-constraints: {k: {status: 409, field: z}}", 10, "no input"),
    ("operationId: a_put", "operationId: a_put\n      x-auth: none", 11, "uses :me, but a_put takes no access token"),
    ("operationId: b_get", "operationId: b_get\n      x-body-limit: 64k", 24, "without requestBody"),
    ("operationId: b_get", "operationId: b_get\n      x-list: {field: y}", 24, '"y" is no field of the answer'),
    ("operationId: b_get", "operationId: b_get\n      x-list: {total: x}", 24, 'needs "field"'),
    ("x-query: q", "x-query: nope", 10, 'no query "nope"'),
    ("x-query: q", "x-query: q\n      x-list: {field: x}", 11, "no field of the answer"),
    ("type: object\n", "type: object\n              required: [z]\n", 16, 'required "z"'),
    ("type: object\n", "oneOf: [{type: object}, {type: string}]\n", 16, "stands alone"),
    ("application/json:\n            schema:", "text/plain:\n            schema:", 12, "needs x-body-limit"),
    ("name: {type: string}", "name: {type: string, format: binary}", 15, "needs a multipart body"),
    ("name: {type: string}", "name: {type: string, oneOf: []}", 17, "stands alone"),
    ("name: {type: string}", "name: {type: string}\n                has_n: {type: string}\n                n: {type: integer}",
     9, "hides whether"),
    ("name: {type: string}", "name: {type: string}\n                a-b: {type: string}\n                a_b: {type: string}",
     9, "two inputs of a_put are named a_b"),
    ("'200': {description: ok}\n        '409'", "'2xx': {description: ok}\n        '409'", 19, "no HTTP status"),
    ("'200': {description: ok}\n        '409'", "'409'", 19, "no successful response"),
    ("'200': {description: ok}\n        '409'", "'200': {}\n        '409'", 19, 'needs "description"'),
    ("schemas/B'", "schemas/C'", 25, "names nothing"),
    ("'#/components/schemas/B'", "'B.yaml'", 25, "must begin with"),
    ("x: {type: string}", "x: {$ref: '#/components/schemas/B'}", 28, "contains itself"),
    ("x: {type: string}", "x: {type: string, readonly: true}", 28, 'unknown keyword "readonly"'),
    ("    B: {", "    B-b: {", 28, "must be an identifier"),
]


@pytest.mark.parametrize("old,new,line,message", YAML_FAULTS, ids=[f"{f[3]}-{f[2]}" for f in YAML_FAULTS])
def test_yaml_fault(tmp_path, old, new, line, message):
    assert old in GOOD_YAML
    done = run_bad(tmp_path, yaml=GOOD_YAML.replace(old, new, 1))
    expect(done, tmp_path, "f.yaml", line, re.escape(message))


SQL_FAULTS = [
    (":one\n", ":two\n", 1, 'unknown kind ":two"'),
    ("-- name: q :one", "-- name: q", 1, "expected"),
    ("-- name: q :one", "-- name: q-r :one", 1, "no C identifier"),
    ("-- name: q :one", "SELECT 1;\n-- name: q :one", 1, "text before the first"),
    ("-- name: used", "-- name: q", 4, "taken in"),
    ("SELECT 1;", "", 4, "has no statement"),
    ("SELECT 1;", "SELECT 1; SELECT 2;", 5, "more than one statement"),
    ("SELECT 1;", "SELECT '1;", 6, "does not end"),
    ("SELECT 1;", "\nSELECT $a$;", 6, "dollar quote does not end"),
    ("SELECT 1;", "SELECT /* 1;", 6, "comment does not end"),
    ("SELECT 1;", "SELECT $1;", 5, "write parameters as :name"),
    ("-- name: used :exec\nSELECT 1;", "-- name: used :list\nSELECT 1\nLIMIT :limit;", 6, ":limit is added"),
    ("-- name: used :exec", "-- name: spare :exec", 4, '"spare" is used by no operation'),
]


@pytest.mark.parametrize("old,new,line,message", SQL_FAULTS, ids=[f[3] for f in SQL_FAULTS])
def test_sql_fault(tmp_path, old, new, line, message):
    done = run_bad(tmp_path, sql=GOOD_SQL.replace(old, new, 1))
    expect(done, tmp_path, "f.sql", line, re.escape(message))


def test_unbound_parameter(tmp_path):
    done = run_bad(tmp_path, sql=GOOD_SQL.replace(":name", ":nam"))
    expect(done, tmp_path, "f.yaml", 10, "parameter :nam of query \"q\" .*f.sql:1.* is no input of a_put")


def test_binary_rows_are_for_handlers(tmp_path):
    done = run_bad(tmp_path, sql=GOOD_SQL.replace("q :one", "q :binary"))
    expect(done, tmp_path, "f.yaml", 10, "is :binary, which is for handlers alone")


def test_list_needs_x_list(tmp_path):
    done = run_bad(tmp_path, sql=GOOD_SQL.replace("q :one", "q :list"))
    expect(done, tmp_path, "f.yaml", 10, "needs x-list")


@pytest.mark.parametrize("c", [
    "int b_get(struct req *r);\n/* int b_get(void) { } */ int x(void) { return sql_used(0); }\n",
    "int x(void)\n{\n\treturn sql_used(0) + b_get(0);\n}\n",
    'const char *s = "b_get() {";\nint my_b_get(void) { sql_used(0); }\n'])
def test_missing_handler(tmp_path, c):
    done = run_bad(tmp_path, c=c)
    expect(done, tmp_path, "f.yaml", 23, "b_get\\(\\) is not defined in .*f.c")


def test_unused_core_query(tmp_path):
    (tmp_path / "x.yaml").write_text("x-query: account_found\n")
    args = ["core", "--sql", SAMPLE / "core.sql", "--used-in", tmp_path / "x.yaml",
            "--out-c", tmp_path / "c.c", "--out-h", tmp_path / "c.h"]
    done = apigen(*args)
    assert done.returncode == 1 and done.stderr.startswith(f"{SAMPLE / 'core.sql'}:1: ")
    (tmp_path / "x.yaml").write_text("      x-query: account_find # core\n")
    assert apigen(*args).returncode == 0


def test_same_path_in_two_families(tmp_path):
    files = write_all(tmp_path, one=small("one", "/a/{x}"), two=small("two", "/b", "/a/{y}"))
    done = apigen("routes", "whatsapp", "--server", "lighttpd", "--out", tmp_path / "r", *files)
    assert done.returncode == 1 and re.match(rf"{files[0]}:6: .*family two too", done.stderr)


def test_two_catch_alls(tmp_path):
    files = write_all(tmp_path, one=small("one", "/a", extra="x-catch-all: true"),
                      two=small("two", "/b", extra="x-catch-all: true"))
    done = apigen("routes", "whatsapp", "--server", "apache", "--out", tmp_path / "r", *files)
    assert done.returncode == 1 and re.match(rf"{files[1]}:4: .*catch-all already", done.stderr)


@pytest.mark.parametrize("args", [[], ["what"], ["family"], ["core"], ["routes", "whatsapp", "--server", "nginx"],
                                  ["family", "a", "b", "--nope", "x"], ["openapi", "whatsapp", "--title"]])
def test_usage(args):
    done = apigen(*args)
    assert done.returncode == 2 and "usage: apigen" in done.stderr


def test_missing_file(tmp_path):
    done = family(tmp_path, "whatsapp", "f", tmp_path / "none.yaml", tmp_path / "none.sql")
    assert done.returncode == 1 and "none.yaml: No such file" in done.stderr


def test_damaged_inputs_never_crash(tmp_path):
    """Random damage: a result or a message, nothing else."""
    dice = random.Random(20)
    yaml, sql = (SAMPLE / "good.yaml").read_text(), (SAMPLE / "good.sql").read_text()
    pieces = ["{", "}", "[", "]", ":", "'", '"', "\n", "  ", "- ", "null", "$ref", "&a ", "*a ", "0", ";", "$$", "/*", "|"]
    for turn in range(300):
        texts = [yaml, sql]
        which = turn % 2
        for _ in range(dice.randint(1, 3)):
            text = texts[which]
            at, length = dice.randrange(len(text)), dice.choice([0, 0, 1, 3, 20])
            texts[which] = text[:at] + dice.choice(pieces) + text[at + length:]
        (tmp_path / "d.yaml").write_text(texts[0])
        (tmp_path / "d.sql").write_text(texts[1])
        done = family(tmp_path, "whatsapp", "link-things", tmp_path / "d.yaml", tmp_path / "d.sql",
                      SAMPLE / "good.c", SAMPLE / "core.sql")
        assert done.returncode in (0, 1), (texts[which], done.stderr)
        assert done.returncode == 0 or re.search(r"^(\S+:\d+|apigen): ", done.stderr)
