"""Surface sentinal: what belongs to one account is tried with the token of another, operation by operation.

The requests are made from the served document: wherever an operation takes an id, it is given each id that the owner has. The
stranger shares nothing with the owner, so nothing but refusals and empty answers may come back, and nothing that only
the owner knows.
"""
import json
import uuid

import pytest
from lib.openapi import example
from lib.sentinal import User

#: What the document gives to everybody who knows the ids: public keys of devices, to write to them.
PUBLIC = ("/encryption/",)


@pytest.fixture(scope="module")
def made(farm):
    owner, friend, stranger = (User.register(farm) for _ in range(3))
    secret = f"secret-{uuid.uuid4().hex}"
    direct, group = owner.direct(friend), owner.group(friend, subject=secret)
    owner.put("/users/me/settings", {"theme": secret})
    message = owner.say(direct, friend, text=secret)
    call = owner.post("/calls", {"conversation_id": direct, "type": "AUDIO", "initiator_id": owner.id})
    upload = owner.post("/uploads", {"file_name": secret, "file_size": 10, "content_type": "text/plain",
                                     "uploader_id": owner.id})
    broadcast = owner.post("/broadcasts", {"name": secret})
    owner.post("/users/me/contacts", {"contact_user_id": friend.id})
    ids = {"user": owner.id, "device": owner.device, "session": owner.session, "direct": direct, "group": group,
           "message": message["id"], "call": call["id"], "upload": upload["id"], "broadcast": broadcast["id"]}
    return owner, friend, stranger, secret, ids


def operations(farm):
    [document] = [d for d in farm.record.documents.values() if d.site.name == "sentinal"]
    return [op for op in document.operations if op.guarded and not any(p in op.path for p in PUBLIC)]


def attempts(op, ids):
    """(what, path, query, body) with each of the owner's ids in each place that takes one."""
    names = [p["name"] for p in op.inputs("path")]
    query = {p["name"]: p for p in op.inputs("query")}
    body = example(op.body, op.document) if op.body else None
    for what, value in ids.items():
        path = {name: value for name in names}
        asked = {name: value for name in query if name.endswith("_id") or name.startswith("user_id")}
        filled = {k: value if k.endswith("_id") else v for k, v in body.items()} if isinstance(body, dict) else body
        if names or asked or filled != body:
            required = {n: json.dumps(example(p["schema"], op.document)).strip('"')
                        for n, p in query.items() if p.get("required") and n not in asked}
            yield what, path, {**required, **asked}, filled


def test_nothing_of_somebody_elses_is_shown_or_changed(farm, made):
    owner, friend, stranger, secret, ids = made
    before = state(farm, owner)
    tried = 0
    for op in operations(farm):
        if op.method == "DELETE" and op.path.endswith("/users/me"):
            continue
        for what, path, query, body in attempts(op, ids):
            reply = op.document.site.raw(op.method, op.at(stranger.id, path), body,
                                         {"Authorization": f"Bearer {stranger.token}"}, query)
            tried += 1
            assert reply.status < 500, f"{op} with {what}: {reply}"
            assert secret not in reply.body.decode(errors="replace"), f"{op} with {what}: {reply}"
            assert ids["session"] not in json.dumps(reply.json) or reply.status >= 400, f"{op} with {what}: {reply}"
    assert tried > 300, "the document has more places for ids than that"
    assert state(farm, owner) == before


def state(farm, owner):
    """What the owner has, as the owner sees it."""
    return json.dumps([owner.get("/users/me"), owner.get("/users/me/contacts"), [(d["id"], d["device_name"], d["is_active"]) for d in owner.get("/users/me/devices")["devices"]],
                       [s["id"] for s in owner.get("/auth/sessions")["sessions"]], owner.get("/broadcasts"),
                       [c["id"] for c in owner.get("/conversations")["conversations"]], owner.get("/calls/active"),
                       [(u["id"], u["status"]) for u in owner.get("/uploads", uploader_id=owner.id)["uploads"]]], sort_keys=True)
