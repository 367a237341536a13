"""Requests that must be refused, many at once, each answer held against the error shape of its surface.

    everything = Refusals(farm)
    everything.check(Attempt(op, "no token", {401}, token=None) for op in operations)

An attempt starts from a request that is right in every part and spoils one.  All are sent from a pool of threads; the
ones that were not refused as they should be are reported together, one line each.
"""
import concurrent.futures
import copy
import itertools
import json
from dataclasses import dataclass, field

from lib.openapi import example, matches, types, wrong_types

POOL = 12
CLIENT_ERROR = frozenset(range(400, 500)) - {429}

#: How each surface answers an error: media type and the members that must be there.
SHAPES = {
    "whatsapp": ("application/problem+json", {"type", "title", "status"}),
    "sentinal": ("application/json", {"success", "error", "code"}),
    "gateway": ("application/json", {"error", "code", "status"}),
    "chatcall": ("application/json", {"detail", "error_code"}),
    "intok": ("application/json", {"message", "code"}),
}


def shape_fault(surface, reply):
    """Why the reply is not an error in the shape of its surface; None when it is."""
    media, members = SHAPES[surface]
    if reply.type != media:
        return f"is {reply.type or 'nothing'}, not {media}"
    try:
        body = reply.json
    except ValueError:
        return "is not JSON"
    if not isinstance(body, dict) or not members <= body.keys():
        return f"lacks {members - set(body)}"
    if body.get("status", reply.status) != reply.status:
        return "names another status"
    return None


def names_field(body, name):
    """Is name (or a part of it: name.x, name[0]) the field the refusal names, wherever its surface puts it?"""
    named = [body.get("field"), *(body.get("details") or {}), *(body.get("extra_info") or {}),
             str(body.get("error")).partition(": ")[0]]
    return any(given and (given == name or given.startswith((name + ".", name + "["))) for given in named)


@dataclass
class Attempt:
    op: object
    what: str
    statuses: frozenset = CLIENT_ERROR
    named: str = None                 # field that the refusal must name
    token: str = "own"                # "own" is the caller's; None is none; anything else is sent as it is
    method: str = None
    path: dict = field(default_factory=dict)
    query: dict = None
    body: object = "right"
    headers: dict = field(default_factory=dict)


class Refusals:
    """Sends attempts as each of its callers in turn, so that nobody reaches a rate limit."""

    def __init__(self, callers):
        self.callers = itertools.cycle(callers)

    def query(self, op):
        return {p["name"]: self.text(example(p["schema"], op.document)) for p in op.inputs("query") if p.get("required")}

    @staticmethod
    def text(value):
        return value if isinstance(value, str) else json.dumps(value)

    def send(self, attempt):
        op, headers, caller = attempt.op, dict(attempt.headers), next(self.callers)
        token = f"Bearer {caller.token}" if attempt.token == "own" else attempt.token
        if token:
            headers["Authorization"] = token
        body = attempt.body
        if isinstance(body, str) and body == "right":
            body = example(op.body, op.document) if op.body else None
        query = self.query(op) if attempt.query is None else attempt.query
        return op.document.site.raw(attempt.method or op.method, op.at(caller.id, attempt.path), body, headers, query)

    def fault(self, attempt):
        """None when the attempt was refused as it should be, else a line that says what happened."""
        try:
            reply = self.send(attempt)
        except Exception as error:
            return f"{attempt.op} [{attempt.what}]: {type(error).__name__} {error}"
        why = None
        if reply.status not in attempt.statuses:
            wanted = "4xx" if attempt.statuses == CLIENT_ERROR else sorted(attempt.statuses)
            why = f"answered {reply.status}, not {wanted}"
        why = why or shape_fault(attempt.op.document.site.name, reply)
        if not why and attempt.named and not names_field(reply.json, attempt.named):
            why = f"does not name {attempt.named}"
        return why and f"{attempt.op} [{attempt.what}]: {why}: {reply.status} {reply.body[:200]!r}"

    def check(self, attempts):
        """Send all of them; fail with the list of those that were not refused properly."""
        attempts = list(attempts)
        with concurrent.futures.ThreadPoolExecutor(POOL) as pool:
            faults = [fault for fault in pool.map(self.fault, attempts) if fault]
        assert not faults, f"{len(faults)} of {len(attempts)}:\n" + "\n".join(faults[:50])
        return len(attempts)


# ---- ways to spoil a body -----------------------------------------------------------------------


def forms(schema, document):
    """The alternatives of a body, or the body itself when it has one form."""
    schema = document.resolve(schema)
    return [document.resolve(form) for form in schema.get("oneOf", [schema])]


def spots(schema, document, at=()):
    """(path, schema) of every field below a schema: ("roles", 0, "role") and the like."""
    schema = forms(schema, document)[0]
    if at:
        yield at, schema
    for name, sub in schema.get("properties", {}).items():
        yield from spots(sub, document, (*at, name))
    if "array" in types(schema) and "items" in schema:
        yield from spots(schema["items"], document, (*at, 0))


def replaced(body, at, value):
    """A copy of the body with the value at that path."""
    body = copy.deepcopy(body)
    node = body
    for step in at[:-1]:
        node = node[step]
    node[at[-1]] = value
    return body


def outside(schema, document):
    """(what, value) of the right type that break the schema's bounds."""
    kinds = types(schema)
    if "string" in kinds:
        yield from _bad_strings(schema)
    if kinds & {"integer", "number"} and "string" not in kinds:
        if "maximum" in schema:
            yield "too large", schema["maximum"] + 1
        if "minimum" in schema:
            yield "too small", schema["minimum"] - 1
    if "array" in kinds and "maxItems" in schema and schema["maxItems"] <= 5000:
        yield "too many", [example(schema.get("items", {}), document)] * (schema["maxItems"] + 1)
    if "array" in kinds and schema.get("minItems"):
        yield "too few", []


def _bad_strings(schema):
    if "maxLength" in schema:
        yield "too long", "x" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield "too short", ""
    if schema.get("enum"):
        yield "not a choice", "certainly-not-a-choice"
    if schema.get("format"):
        yield "not " + schema["format"], "\u00a7 nothing like it"
    against = [text for text in (" ", "\u2603 \u00a7", "\n") if not matches(schema.get("pattern", ""), text)]
    if against:
        yield "against the pattern", against[0]


def type_faults(schema, document):
    return [(f"{type(value).__name__} given", value) for value in wrong_types(schema, document)]
