"""Parameters for the queries of tests/lib/plans.py, taken from the seeded people by name, by the column a query holds the
parameter against, or by type.

A scenario is a point of view: who asks, on which device, about which conversation, and how far into it.
"""
import dataclasses
import json
import pathlib
import re
import uuid

SCENARIOS = {
    # The most active of all, in the conversation of a million messages, on the device that has fallen furthest behind.
    "busy": """
        SELECT m.account_id, c.id AS conversation_id, c.last_seq, 50 AS limit, 0 AS offset
        FROM conversation c JOIN member m ON m.conversation_id = c.id AND m.role = 'owner' WHERE c.kind = 'group'
        ORDER BY c.last_seq DESC LIMIT 1""",
    # The same, far into everything.
    "deep": """
        SELECT m.account_id, c.id AS conversation_id, c.last_seq, 50 AS limit, 5000 AS offset
        FROM conversation c JOIN member m ON m.conversation_id = c.id AND m.role = 'owner' WHERE c.kind = 'group'
        ORDER BY c.last_seq DESC LIMIT 1""",
    # Who has read least of it.
    "behind": """
        SELECT m.account_id, c.id AS conversation_id, c.last_seq, 50 AS limit, 0 AS offset
        FROM (SELECT id, last_seq FROM conversation WHERE kind = 'group' ORDER BY last_seq DESC LIMIT 1) c
        JOIN member m ON m.conversation_id = c.id AND m.left_version IS NULL AND m.joined_seq = 0
        JOIN account a ON a.id = m.account_id AND a.read_receipts ORDER BY m.read_seq, m.account_id LIMIT 1""",
    # Who owns the group with most members.
    "crowd": """
        SELECT p.owner_id AS account_id, c.id AS conversation_id, c.last_seq, 50 AS limit, 0 AS offset
        FROM conversation_profile p JOIN conversation c ON c.id = p.conversation_id ORDER BY p.member_count DESC LIMIT 1""",
    # Somebody in the middle, with a contact.
    "usual": """
        SELECT a.account_id, c.id AS conversation_id, c.last_seq, 50 AS limit, 0 AS offset
        FROM (SELECT m.account_id, row_number() OVER (ORDER BY count(*), m.account_id) AS n, count(*) OVER () AS of
            FROM member m JOIN account p ON p.id = m.account_id AND p.deleted_at IS NULL GROUP BY m.account_id) a
        JOIN member m ON m.account_id = a.account_id
        JOIN conversation c ON c.id = m.conversation_id AND c.kind = 'direct' AND NOT c.closed AND c.last_seq > 5
        WHERE a.n BETWEEN a.of / 2 AND a.of / 2 + 100 ORDER BY a.n, c.last_seq DESC LIMIT 1""",
}

#: More of a scenario, by what is known already.
DETAILS = {
    "device_id": """
        SELECT d.id FROM device d LEFT JOIN device_position p ON p.device_id = d.id
        WHERE d.account_id = %(account_id)s AND d.revoked_at IS NULL AND d.keys_registered_at IS NOT NULL
        GROUP BY d.id ORDER BY coalesce(sum(p.acked_seq), 0), d.id LIMIT 1""",
    "session_id": "SELECT id FROM session WHERE device_id = %(device_id)s AND revoked_at IS NULL ORDER BY id LIMIT 1",
    "message_id": """
        SELECT id FROM message WHERE conversation_id = %(conversation_id)s AND deleted_at IS NULL
        ORDER BY reaction_count DESC, seq DESC LIMIT 1""",
    "own_message_id": """
        SELECT id FROM message WHERE conversation_id = %(conversation_id)s AND deleted_at IS NULL AND sender_id = %(account_id)s
        ORDER BY seq DESC LIMIT 1""",
    "other_id": """
        SELECT account_id FROM member WHERE conversation_id = %(conversation_id)s AND account_id <> %(account_id)s
            AND left_version IS NULL AND role = 'member' ORDER BY account_id LIMIT 1""",
    "stays": "SELECT count(*) FROM member WHERE account_id = %(account_id)s",
    "members": "SELECT count(*) FROM member WHERE conversation_id = %(conversation_id)s",
    "blocks": "SELECT count(*) FROM block WHERE account_id = %(account_id)s",
    "middle": "SELECT created_at FROM message WHERE conversation_id = %(conversation_id)s AND seq = %(last_seq)s / 2 + 1",
    "cursor": """
        SELECT concat_ws('.', (SELECT epoch FROM sync_epoch), m.changed_xid, m.conversation_id, m.seq)
        FROM message m WHERE m.conversation_id = %(conversation_id)s AND m.seq = %(last_seq)s / 2 + 1""",
}


@dataclasses.dataclass
class Scenario:
    name: str
    account_id: str
    conversation_id: str
    last_seq: int
    limit: int
    offset: int
    device_id: str = None
    session_id: str = None
    message_id: str = None
    own_message_id: str = None
    other_id: str = None
    stays: int = 0  # of the account
    members: int = 0  # of the conversation
    blocks: int = 0  # of the account
    middle: object = None
    cursor: str = None

    @property
    def page(self):
        return 1 + self.offset // self.limit

    @property
    def deep(self):
        """Rows before a page far down a list that is merged of many."""
        return self.offset * min(self.stays, 30) if self.offset else 0


#: What is the caller's, or in view, by the name of a parameter without "Id" or "_id".
CALLER = {"me": "account_id", "account": "account_id", "sender": "account_id", "owner": "account_id", "initiator": "account_id",
          "device": "device_id", "session": "session_id", "conversation": "conversation_id", "group": "conversation_id",
          "message": "message_id", "recipient": "other_id", "contact": "other_id", "member": "other_id", "user": "other_id",
          "other": "other_id", "to": "other_id", "participant": "other_id", "limit": "limit", "offset": "offset", "size": "limit",
          "page": "page", "cursor": "cursor", "seq": "last_seq"}

#: Columns that stand for what is in view, whichever table they are of, and keys that do.
VIEWED = {"conversation_id": "conversation_id", "message_id": "message_id", ("conversation", "id"): "conversation_id",
          ("message", "id"): "message_id"}


def viewed(held):
    return held and (VIEWED.get(held) or VIEWED.get(held[1]))


#: What neither name nor column tells, by "query.parameter" or by parameter: a value, or SQL for it.
SPECIAL = {
    "media_owned.ids": "SELECT id FROM media ORDER BY id LIMIT 20",
    "media_owned.owners": "SELECT account_id FROM media ORDER BY id LIMIT 20",
    "groups_among.ids": "SELECT conversation_id FROM conversation_profile ORDER BY member_count DESC LIMIT 20",
    "calls_of_conversation.conversation_id": """
        SELECT c.conversation_id FROM call c JOIN member m ON m.conversation_id = c.conversation_id
        WHERE m.account_id = %(account_id)s ORDER BY c.id DESC LIMIT 1""",
    "waiting_ack.queueIds": "SELECT id FROM device_queue(%(account_id)s, %(device_id)s, 20, 0)",
    "messages_sync_ack.messageIds": """
        SELECT jsonb_agg(id) FROM device_queue(%(account_id)s, %(device_id)s, 20, 0)""",
    "messages_sync_ack.lastSyncTimestamp": "SELECT now()",
    "message_ack.messageId": "SELECT id FROM device_queue(%(account_id)s, %(device_id)s, 1, 0)",
    "message_edit.messageId": "own_message_id",
    "self_destruct_update.messageId": "own_message_id",
    "self_destruct_update.ttlSeconds": 60,
    "message_delete.scope": "me",
    "reaction_remove.reactionId": "SELECT id FROM reaction WHERE message_id = %(message_id)s LIMIT 1",
    "group_roles.roles": """
        SELECT jsonb_build_array(jsonb_build_object('memberId', %(other_id)s, 'role', 'admin'))""",
    "group_create.members": "SELECT contact_id FROM contact WHERE account_id = %(account_id)s LIMIT 100",
    "group_member_add.members": "SELECT contact_id FROM contact WHERE account_id = %(account_id)s LIMIT 10",
    "contact_add.account": """
        SELECT a.id FROM account a WHERE a.deleted_at IS NULL AND a.id <> %(account_id)s AND NOT EXISTS (SELECT FROM contact c
            WHERE c.account_id = %(account_id)s AND c.contact_id = a.id) ORDER BY a.id DESC LIMIT 1""",
    "contact_sync.contacts": "SELECT id::text FROM account WHERE phone IS NOT NULL ORDER BY id DESC LIMIT 100",
    "contact_sync.hashes": """
        SELECT encode(phone_hash(phone), 'hex') FROM account WHERE phone IS NOT NULL ORDER BY id DESC LIMIT 100""",
    "block_insert.contactId": """
        SELECT a.id FROM account a WHERE a.id <> %(account_id)s AND NOT EXISTS (SELECT FROM block b
            WHERE b.account_id = %(account_id)s AND b.blocked_id = a.id) ORDER BY a.id DESC LIMIT 1""",
    "block_delete.contactId": "SELECT blocked_id FROM block WHERE account_id = %(account_id)s LIMIT 1",
    "invitation_create.channel": "email",
    "invitation_create.destination": "nobody@example.net",
    "registration_verify.hash": "SELECT code_hash FROM phone_registration ORDER BY created_at DESC LIMIT 1",
    "challenge_take.factor": "pin",
    "histories.dates": "SELECT ARRAY[%(middle)s::text]",
    "changes.pages": [1],
    "changes.since": "SELECT ARRAY[%(middle)s::timestamptz]",
    "conversations_sync.offset": 0,
    "message_send.metas": None, "message_send.ttls": None, "message_send.expires": None, "message_send.replies": None,
    "message_send.mentions": None, "message_send.recipients": None,
    "read_receipts_set.conversationOverrides": "[]",
    "read_receipts_set.updatedAt": None,
    "offline_queue_ack.messageIds": '["item-1", "item-2"]',
    "registration_start.purpose": "signin",
    "group_leave.silent": True,
    "contact_add.most": 100000,
    "jobs_recent.events": "SELECT extract(epoch FROM max(created_at))::bigint * 1000 - 20000 FROM event",
    "jobs_recent.messages": "SELECT extract(epoch FROM max(created_at))::bigint * 1000 - 20000 FROM message",
    "jobs_recent.events_before": "ffffffff-ffff-ffff-ffff-ffffffffffff", "jobs_recent.events_page": 500,
    "jobs_recent.messages_before": "ffffffff-ffff-ffff-ffff-ffffffffffff", "jobs_recent.messages_page": 500,
    "user_picture.picture": "SELECT f.id FROM media f JOIN account a ON a.avatar_id = f.id ORDER BY f.id LIMIT 1",
    "user_picture.id": "SELECT a.id FROM media f JOIN account a ON a.avatar_id = f.id ORDER BY f.id LIMIT 1",
    "user_picture.viewer": "account_id",
    "user_picture_own.picture": """
        SELECT id FROM media WHERE account_id = %(account_id)s AND kind = 'image' AND deleted_at IS NULL LIMIT 1""",
    "purge_events.swept": "SELECT extract(epoch FROM now())::bigint * 1000",
    "purge_events.keep": 1000,
    "versions": "SELECT member_version::bigint FROM conversation WHERE id = %(conversation_id)s",
    "after": [0],
    "watchers": "SELECT %(other_id)s::text",
    "identity_active.user_id": "account_id", "signed_prekey_get.user_id": "account_id",
    "signed_prekey_active.user_id": "account_id", "keys_active.user_id": "account_id", "device_seen.userId": "account_id",
    "device_seen.name": "device_id", "signed_prekey_get.key_id": 2,
    "message_bodies.ids": "SELECT message_id FROM message_body WHERE device_id = %(device_id)s LIMIT 50",
    "auth_account_find.identity": "SELECT coalesce(username, email, phone) FROM account WHERE id = %(account_id)s",
    "auth_reset_start.identity": "SELECT coalesce(username, email, phone) FROM account WHERE id = %(account_id)s",
    "query": "7",
    "broadcast_search.query": "List",
    "conversation_face.link": "SELECT invite_code FROM conversation_profile WHERE invite_code IS NOT NULL LIMIT 1",
    "recipient_get.user_id": """
        SELECT r.account_id FROM broadcast_recipient r JOIN broadcast_list l ON l.id = r.list_id
        WHERE l.owner_id = %(account_id)s ORDER BY l.created_at DESC, r.account_id LIMIT 1""",
    "conversation_list.archived": "all",
    "uploads_of.which": "all",
    "conversation_between.other": """
        SELECT CASE %(account_id)s::uuid WHEN c.direct_low THEN c.direct_high ELSE c.direct_low END FROM member m
        JOIN conversation c ON c.id = m.conversation_id AND c.kind = 'direct' WHERE m.account_id = %(account_id)s LIMIT 1""",
    "message_send.ids": "SELECT uuid7()",
    "message_send.senders": "SELECT %(account_id)s::uuid",
    "message_send.devices": "SELECT %(device_id)s::uuid",
    "message_send.conversations": "SELECT %(conversation_id)s::uuid",
    "message_send.clientIds": ["plans"],
    "message_send.kinds": ["text"],
    "message_send.bodies": ["cGxhbnM="],
    "prekey_bundle.ofDevice": None,
    "session_end.id": None,
    "since": None, "date": None, "direction": None,
    "channel": "sms",
    "kind": "image",
    "format": "png",
    "purpose": "pin",
    "surface": "whatsapp",
    "phone": "SELECT phone FROM account WHERE phone IS NOT NULL ORDER BY id DESC LIMIT 1",
    "batch": 500, "most": 500, "max": 500, "age": 86400, "keep": 86400,
    "version": None,
}
DEFAULTS = {"boolean": False, "jsonb": "{}", "json": "{}", "bytea": b"", "timestamp with time zone": None,
            "interval": "1 hour"}
TRIES = 6


def plain(name):
    """groupId, group_id and group are the same."""
    return re.sub(r"_id$", "", re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower())


def singular(name):
    return re.sub(r"s$", "", plain(name))


class Values:
    def __init__(self, database, cursor):
        self.database, self.cursor = database, cursor
        self.scenarios = [self.scenario(name) for name in SCENARIOS]
        self.tables = {}
        for row in self.all("SELECT c.relname AS home, a.attname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT attisdropped"):
            self.tables.setdefault(row["home"], set()).add(row["name"])

    def scenario(self, name):
        known = dict(self.all(SCENARIOS[name])[0])
        for detail, statement in DETAILS.items():
            rows = self.all(statement, known)
            known[detail] = next(iter(rows[0].values())) if rows else None
        if name not in ("deep", "behind"):
            known["middle"] = None
        if name != "deep":
            known["cursor"] = None
        return Scenario(name=name, **known)

    def all(self, statement, values=None):
        self.cursor.execute(statement, values)
        return self.cursor.fetchall()

    def bindings(self, query, types):
        """Scenarios with values; a scenario has more than one when the query is about a row of some table."""
        held = self.held_against(query, types)
        for scenario in self.scenarios:
            anchors = self.anchors(query, types, held, scenario)
            for anchor in anchors:
                view = self.seen_by(scenario, anchor)
                yield scenario, [self.value(query, name, kind, view, held.get(n), anchor) for n, (name, kind) in
                                 enumerate(zip(query.params, types))]

    # ---- by column ------------------------------------------------------------------------------

    def held_against(self, query, types):
        """The (table, column) that a parameter is compared with, by its place, as the plan has it."""
        found = {}
        self.cursor.execute("SET plan_cache_mode = force_generic_plan")
        self.cursor.execute("EXPLAIN (FORMAT JSON) EXECUTE q" + (f"({', '.join(['NULL'] * len(types))})" if types else ""))
        stack = [self.cursor.fetchone()["QUERY PLAN"][0]["Plan"]]
        self.cursor.execute("RESET plan_cache_mode")
        while stack:
            node = stack.pop()
            stack.extend(node.get("Plans", ()))
            for key, text in node.items():
                if "Relation Name" in node and (key.endswith("Cond") or key == "Filter"):
                    for column, number in re.findall(r"\b(\w+)\)* = (?:ANY \(|\w+\()?\(*\$(\d+)", text):
                        found.setdefault(int(number) - 1, (node["Relation Name"], column))
        for place, name in enumerate(query.params):
            if place not in found and plain(name) not in CALLER and types[place] == "uuid":
                # id alone is that of the family's own things
                thing = singular(pathlib.Path(query.file).stem if name == "id" else name)
                for table in sorted(self.tables):
                    if "id" in self.tables[table] and (table == thing or table.endswith("_" + thing) or table.startswith(thing + "_")):
                        found[place] = table, "id"
                        if table == thing:
                            break
        return found

    def anchors(self, query, types, held, scenario):
        """Rows that the parameters may be about: the caller's own where there are any, else somebody's."""
        tables = [table for place, (table, column) in held.items()
                  if not self.told(query, query.params[place], types[place], (table, column))]
        if not tables:
            return [None]
        table = tables[0]
        columns = self.tables[table]
        mine = [f"{column} = %({name})s" for column, name in (("account_id", "account_id"), ("owner_id", "account_id"), ("initiator_id", "account_id"), ("device_id", "device_id"),
                                                              ("conversation_id", "conversation_id"), ("message_id", "message_id"))
                if column in columns]
        newest = " ORDER BY created_at DESC" if "created_at" in columns else ""
        rows = []
        if mine:
            rows = self.all(f"SELECT * FROM {table} WHERE {' OR '.join(mine)}{newest} LIMIT {TRIES}", dataclasses.asdict(scenario))
        rows = rows or self.all(f"SELECT * FROM {table}{newest} LIMIT {TRIES}")
        return [(table, row) for row in rows] or [None]

    @staticmethod
    def seen_by(scenario, anchor):
        row = anchor[1] if anchor else {}
        theirs = {name: row[name] for name in ("account_id", "device_id", "conversation_id") if row.get(name)}
        for name in ("owner_id", "initiator_id"):
            if row.get(name):
                theirs["account_id"] = row[name]
        return dataclasses.replace(scenario, **theirs)

    # ---- by name, by column, by type ----------------------------------------------------------------

    @staticmethod
    def told(query, name, kind, held=None):
        """Does the scenario tell the value?  Not that of the key of some other table."""
        foreign = held and held[1] == "id" and held[0] not in ("account", "device", "session", "conversation", "message")
        return f"{query.name}.{name}" in SPECIAL or (not kind.endswith("[]") and not foreign
                                                     and (plain(name) in CALLER or viewed(held)))

    def value(self, query, name, kind, view, held, anchor):
        many = kind.endswith("[]")
        if f"{query.name}.{name}" in SPECIAL:
            return self.special(SPECIAL[f"{query.name}.{name}"], view, many)
        if self.told(query, name, kind, held):
            return getattr(view, CALLER.get(plain(name)) or viewed(held))
        if held and many:
            return [row["v"] for row in self.all(f"SELECT {held[1]} AS v FROM {held[0]} WHERE {held[1]} IS NOT NULL LIMIT 50")]
        if held and anchor and anchor[0] == held[0]:
            return anchor[1][held[1]]
        if name in SPECIAL:
            return self.special(SPECIAL[name], view, many)
        if many:
            one = CALLER.get(singular(name))
            return [getattr(view, one) if one else SPECIAL.get(singular(name))]
        if kind == "uuid":
            return str(uuid.uuid4())
        if kind in DEFAULTS:
            return DEFAULTS[kind]
        return 60 if kind in ("integer", "bigint", "double precision", "numeric") else f"plans-{name}"

    def special(self, value, view, many):
        if not isinstance(value, str):
            return value
        if hasattr(view, value):
            return getattr(view, value)
        if not value.strip().startswith("SELECT"):
            return value
        found = [next(iter(row.values())) for row in self.all(value, dataclasses.asdict(view))]
        if many and not (found and isinstance(found[0], list)):
            return found
        found = found[0] if found else None
        return json.dumps(found) if isinstance(found, (dict, list)) and not many else found
