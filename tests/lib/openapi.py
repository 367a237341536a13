"""The OpenAPI documents a farm serves about itself: its operations, and values that fit or break their schemas.

    document = Document(site, site.raw("GET", "/openapi.json").json)
    for op in document.operations:
        body = example(op.body, document)
        wrong = wrong_types(op.body, document)
"""
import re
import uuid

METHODS = ("get", "put", "post", "delete", "patch", "head")


class Operation:
    """One method of one path template."""

    def __init__(self, document, path, method, node, shared):
        self.document, self.path, self.method, self.node = document, path, method.upper(), node
        self.id = node.get("operationId", f"{method} {path}")
        self.parameters = [document.resolve(p) for p in shared + node.get("parameters", [])]
        self.statuses = set(node.get("responses", {}))
        request = document.resolve(node.get("requestBody", {}))
        self.media = next(iter(request.get("content", {})), None)
        self.body = request.get("content", {}).get("application/json", {}).get("schema")
        self.body_required = request.get("required", False)
        security = node.get("security", document.json.get("security", []))
        self.guarded = bool(security) and all("bearer" in way for way in security)
        self.operator = any("operator" in way for way in security)

    def __str__(self):
        return f"{self.method} {self.path}"

    def inputs(self, where):
        return [p for p in self.parameters if p["in"] == where]

    def at(self, me, values=()):
        """The path with its {names} filled in from values; my id where it must be, fresh ids elsewhere."""
        own = {p["name"]: me for p in self.inputs("path") if p.get("x-self")}
        values = {**own, **dict(values)}
        return re.sub(r"{(\w+)}", lambda name: str(values.get(name[1], uuid.uuid4())), self.path)

    def fields(self):
        """Top-level fields of the JSON body, and the names of those that are required."""
        schema = self.document.resolve(self.body or {})
        return schema.get("properties", {}), schema.get("required", [])

    def reply_schema(self, status):
        answer = self.document.resolve(self.node.get("responses", {}).get(str(status), {}))
        return answer.get("content", {}).get("application/json", {}).get("schema")


class Document:
    def __init__(self, site, json):
        self.site, self.json = site, json
        self.operations = [
            Operation(self, self._base(item) + path, method, node, item.get("parameters", []))
            for path, item in json.get("paths", {}).items()
            for method, node in item.items() if method in METHODS]
        # Literal segments win over parameters: /groups/{id}/members/me before /groups/{id}/members/{memberId}.
        self._routes = sorted(((self._regex(op.path), op) for op in self.operations), key=lambda r: r[1].path.count("{"))

    def _base(self, item):
        """What stands before the paths: of the path itself, or of the document."""
        server = (item.get("servers") or self.json.get("servers") or [{"url": ""}])[0]["url"]
        return re.sub(r"^https?://[^/]*", "", server).rstrip("/")

    @staticmethod
    def _regex(path):
        return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part)
                                  for part in re.split(r"({\w+})", path)))

    def find(self, method, path):
        return next((op for regex, op in self._routes if op.method == method and regex.fullmatch(path)), None)

    def resolve(self, node):
        """The node that a chain of $ref leads to."""
        while "$ref" in node:
            target = self.json
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node


KINDS = {"string": "text", "integer": 7, "number": 7.5, "boolean": True, "array": [[]], "object": {"a": {}}}


def types(schema):
    """The type names a schema takes; all of them when it does not say."""
    named = schema.get("type") or ("object" if "properties" in schema else None)
    return set([named] if isinstance(named, str) else named or [*KINDS, "null"])


def wrong_types(schema, document):
    """One value of every type that the schema does not take."""
    kinds = types(document.resolve(schema))
    if "number" in kinds:
        kinds = kinds | {"integer"}
    return [value for kind, value in KINDS.items() if kind not in kinds]


FORMATS = {
    "uuid": lambda: str(uuid.uuid4()), "date-time": lambda: "2030-01-31T12:00:00Z", "date": lambda: "2030-01-31",
    "base64": lambda: "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=", "byte": lambda: "QUJDREVGR0hJSktM",
    "phone": lambda: "+4915112345678", "email": lambda: "someone@example.org", "uri": lambda: "https://example.org/x",
}


def example(schema, document):
    """A value that fits the schema: every declared field, the first of alternatives."""
    schema = document.resolve(schema)
    if "oneOf" in schema:
        first = document.resolve(schema["oneOf"][0])
        schema = {**schema, **first, "properties": {**schema.get("properties", {}), **first.get("properties", {})}}
    for given in ("const", "example", "default"):
        if given in schema:
            return schema[given]
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = types(schema)
    if "object" in kinds and ("properties" in schema or "string" not in kinds):
        return {name: example(sub, document) for name, sub in schema.get("properties", {}).items()}
    if "array" in kinds and "string" not in kinds:
        return [example(schema.get("items", {}), document) for _ in range(max(1, schema.get("minItems", 1)))]
    if "string" in kinds:
        return _text(schema)
    if "integer" in kinds or "number" in kinds:
        return schema.get("minimum", min(1, schema.get("maximum", 1)))
    return "boolean" in kinds or None


#: Texts that patterns of contracts are about: codes, tokens, names, locales, emoji.
SAMPLES = ["1234", "123456", "12345678", "de-DE", "\U0001F44D", "a" * 32, "a" * 43, "0" * 64, "a.b.c"]


def _text(schema):
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]()
    plain = "x" * max(1, schema.get("minLength", 1))
    return next((s for s in [plain, *SAMPLES] if matches(schema.get("pattern", ""), s)), plain)


def matches(pattern, text):
    """Does the text fit a pattern of the contract?"""
    try:
        return re.search(pattern, text)
    except re.error:  # PCRE knows classes that Python does not; in contracts they are about emoji
        return not text.isascii()
