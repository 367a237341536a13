"""Thousands of accounts at once, put into the database beside the API: tests of load need people, not registrations.

    people = make_people(farm, 2000)              # accounts with device and session; .token is good
    pair = make_direct(farm, [(a, b), ...])       # conversation ids
    group = make_group(farm, people)              # of any size
"""
import base64
import json
import time
import uuid
from dataclasses import dataclass

import psycopg2.extras
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

LIFETIME = 86400


@dataclass
class Person:
    id: str
    device: str
    session: str
    token: str = ""


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Signer:
    """Signs access tokens as the farm does (shared/token.h), with the farm's own key."""

    def __init__(self, farm):
        path = max((farm.run / "keys").glob("token-*.pem"))
        self.key = serialization.load_pem_private_key(path.read_bytes(), None)
        head = {"alg": "ES256", "kid": path.stem.removeprefix("token-"), "typ": "JWT"}
        self.head = base64url(json.dumps(head).encode())

    def token(self, person, now):
        claims = {"iss": "rookery", "sub": person.id, "sid": person.session, "did": person.device, "iat": now, "exp": now + LIFETIME}
        text = self.head + b"." + base64url(json.dumps(claims).encode())
        r, s = decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
        return (text + b"." + base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


def insert(farm, statement, rows, template=None):
    connection = farm.database()
    try:
        with connection, connection.cursor() as cursor:
            psycopg2.extras.execute_values(cursor, statement, rows, template, 2000)
    finally:
        connection.close()


def make_people(farm, count):
    signer, now = Signer(farm), int(time.time())
    people = [Person(*(str(uuid.uuid4()) for _ in range(3))) for _ in range(count)]
    insert(farm, "INSERT INTO account (id) VALUES %s", [(p.id,) for p in people])
    insert(farm, "INSERT INTO device (id, account_id) VALUES %s", [(p.device, p.id) for p in people])
    insert(farm, "INSERT INTO session (id, account_id, device_id, expires_at) VALUES %s",
           [(p.session, p.id, p.device) for p in people], f"(%s, %s, %s, now() + interval '{LIFETIME} s')")
    for person in people:
        person.token = signer.token(person, now)
    return people


def make_direct(farm, pairs):
    ids = [str(uuid.uuid4()) for _ in pairs]
    insert(farm, "INSERT INTO conversation (id, kind, direct_low, direct_high) VALUES %s",
           [(c, "direct", *sorted((a.id, b.id))) for c, (a, b) in zip(ids, pairs)])
    insert(farm, "INSERT INTO member (conversation_id, account_id, joined_version) VALUES %s",
           [(c, p.id, 1) for c, pair in zip(ids, pairs) for p in pair])
    return ids


def make_group(farm, people):
    group, owner = str(uuid.uuid4()), people[0]
    insert(farm, "INSERT INTO conversation (id, kind) VALUES %s", [(group, "group")])
    insert(farm, "INSERT INTO conversation_profile (conversation_id, owner_id, title, member_count, member_limit) VALUES %s",
           [(group, owner.id, "a crowd", len(people), max(len(people), 1024))])
    insert(farm, "INSERT INTO member (conversation_id, account_id, joined_version, role) VALUES %s",
           [(group, p.id, 1, "owner" if p is owner else "member") for p in people])
    return group
