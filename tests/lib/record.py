"""What the tests exercised, and whether every answer was one that the contract documents.

Each reply of each surface passes through Record.watch: a status that the operation does not document, or a JSON body that
does not fit its schema, fails the test that caused it.  At the end Record.missing() names the operations
that never succeeded and the documented statuses that nobody saw, in whatever farm: some are provoked in one of their own.
500 is left out, for it says that something broke.
"""
import collections

import jsonschema

#: The runtime may answer these for any operation: they come from before or below it.
ANYWHERE = {400, 401, 404, 405, 413, 414, 415, 429, 431, 503}


#: (surface, method, path template): statuses answered by any farm of this run.
SEEN = collections.defaultdict(set)


class Record:
    def __init__(self):
        self.documents, self._validators = {}, {}

    def learn(self, document):
        self.documents[document.site.name] = document

    def watch(self, site, reply):
        """Note the reply of an operation, and hold it against its contract."""
        document = self.documents.get(site.name)
        op = document and document.find(reply.method, reply.path)
        if not op:
            return
        SEEN[(site.name, op.method, op.path)].add(reply.status)
        assert str(reply.status) in op.statuses or reply.status in ANYWHERE, f"undocumented status: {reply}"
        schema = op.reply_schema(reply.status)
        if schema and reply.type == "application/json":
            fault = next(self._validator(document, op, reply.status, schema).iter_errors(reply.json), None)
            assert not fault, f"reply outside of its contract at {fault.json_path}: {fault.message[:300]}\n{reply}"

    def _validator(self, document, op, status, schema):
        key = (op.method, op.path, document.site.name, status)
        if key not in self._validators:
            whole = {**schema, "components": document.json.get("components", {})}
            self._validators[key] = jsonschema.Draft202012Validator(whole)
        return self._validators[key]

    def missing(self):
        """(operations without a good answer, [(operation, statuses nobody saw)])."""
        silent, unseen = [], []
        for name, document in self.documents.items():
            for op in document.operations:
                seen = SEEN[(name, op.method, op.path)]
                if not any(200 <= status < 400 for status in seen):
                    silent.append(f"{name} {op}")
                rest = sorted(s for s in op.statuses if s.isdigit() and int(s) not in seen and s != "500")
                if rest:
                    unseen.append((f"{name} {op}", rest))
        return silent, unseen
