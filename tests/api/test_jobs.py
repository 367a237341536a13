"""The jobs daemon: what a crash left out arrives, what has had its time goes, what was revoked stays so.

Its farm is its own: services come and go here, and its settings are short.
"""
import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import uuid

import psycopg2
import pytest

from lib.farm import Farm, eventually
from lib.outside import Mail, Texts, absent
from lib.people import Account, phone
from lib.sentinal import User

SETTINGS = {"LIMIT_AUTH": "5000/60", "LIMIT_GENERAL": "5000/60", "LIMIT_SENTINAL_AUTH": "5000/60",
            "LIMIT_SENTINAL_GENERAL": "5000/60", "JOBS_EXPIRE": "1s", "JOBS_SETTLE": "1s",
            "JOBS_BATCH": "50", "EVENTS_KEEP": "1000", "OTP_PROVIDER": "http", "SMTP_FROM": "rookery@example.org",
            "INVITATION_LINK": "https://chat.example.org"}
#: From the first look of the sweeper until it repeats, and some.
SWEPT = 8


@pytest.fixture(scope="module")
def mail():
    with Mail() as server:
        yield server


@pytest.fixture(scope="module")
def texts():
    with Texts() as server:
        yield server


@pytest.fixture(scope="module")
def farm(mail, texts):
    with Farm.private(**SETTINGS, SMTP_URL=mail.url, OTP_URL=texts.url) as farm:
        farm.otp = texts.code
        yield farm


def entries(farm):
    """Ids of the events in the stream, as often as they are there."""
    return [fields["id"] for _, fields in farm.redis.xrange("rt")]


def in_stream(farm, event, within=SWEPT):
    eventually(lambda: event in entries(farm), within)


def metric(farm, name):
    text = farm.site().raw("GET", "/metrics").body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(found[1]) if found else None


def log(farm):
    lines = (farm.run / "log/jobs.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


SEND = ("SELECT * FROM message_send(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], NULL,"
        " ARRAY[%s], ARRAY['text'], ARRAY[%s])")


def behind_the_back(farm, sender, conversation, text="lost"):
    """What remains of a send when the app dies between its commit and the stream."""
    row, = farm.sql(SEND, farm.sql("SELECT uuid7()::text AS id")[0]["id"], sender.id, sender.device, conversation,
                    str(uuid.uuid4()), text)
    assert row["status"] == 0, row
    return str(row["message_id"])


# ---- the sweeper --------------------------------------------------------------------------------


def test_a_message_that_a_crash_left_out_arrives_as_if_nothing_had_happened(farm, alice, bob):
    with bob.listen() as live, alice.listen() as own:
        first = alice.say(bob, "whole", ciphertext="d2hvbGU=")
        whole = live.wait_for("message.new", messageId=first["messageId"])["data"]
        lost = behind_the_back(farm, alice, first["conversationId"])
        swept = live.wait_for("message.new", SWEPT, messageId=lost)["data"]
        assert swept.keys() == whole.keys() and swept["seq"] == whole["seq"] + 1
        assert swept["ciphertext"] == "lost" and swept["senderDeviceId"] == alice.device
        own.never("message.new", messageId=lost)
        live.never("message.new", messageId=first["messageId"])
    assert entries(farm).count(lost) == 1


def test_a_group_message_goes_to_those_who_were_members_then(farm, alice, bob, carol, account):
    """Whoever notices first that it is missing: the relay, by the next message of the group, or the sweeper."""
    dave, group = account(), alice.group(bob, carol)
    with bob.listen() as there, carol.listen() as gone, dave.listen() as new:
        with absent(farm, "jobs"):
            lost = behind_the_back(farm, alice, group)
            carol.delete(f"/groups/{group}/members/me")
            alice.post(f"/groups/{group}/members", {"memberIds": [dave.id]})
            later = alice.post(f"/group-chats/{group}/messages", {"messageType": "text", "ciphertext": "bGF0ZXI="})
        there.wait_for("message.new", SWEPT, messageId=lost)
        gone.wait_for("message.new", 2, messageId=lost)
        new.never("message.new", messageId=lost)
    in_stream(farm, later["messageId"])


def test_an_event_that_a_crash_left_out_arrives(farm, alice):
    with alice.listen() as live:
        event = farm.sql("SELECT emit('contact.added', NULL, NULL, ARRAY[%s]::uuid[], '{\"lost\": true}') ->> 'id'"
                         " AS id", alice.id)[0]["id"]
        assert live.wait_for("contact.added", SWEPT)["data"] == {"lost": True}
    assert entries(farm).count(event) == 1


# ---- what no request publishes ------------------------------------------------------------------

#: The sweeper would need more than a second (GRACE_MS in jobs/sweep.c).
AT_ONCE = 0.9


def calling(user):
    """Somebody, whoever is called, and the call that rings."""
    ann, ben = user(), user()
    return ann, ben, ann.post("/calls", {"conversation_id": ann.direct(ben), "type": "AUDIO"})["id"]


@pytest.mark.parametrize("end", [lambda ann, ben: ben.post(f"/users/me/contacts/{ann.id}/block"),
                                 lambda ann, ben: ben.delete("/users/me")], ids=["a block", "the end of an account"])
def test_a_call_that_ends_beside_something_else_is_told_at_once(farm, user, end):
    ann, ben, call = calling(user)
    with ann.listen() as live:
        end(ann, ben)
        live.wait_for("call:ended", AT_ONCE, call_id=call)
    told = [str(row["id"]) for row in farm.sql("SELECT id FROM event WHERE payload ->> 'callId' = %s", call)]
    time.sleep(3 * farm.seconds("jobs.tick"))
    ids = entries(farm)
    assert len(told) >= 2 and [ids.count(event) for event in told] == [1] * len(told)


def test_who_invited_somebody_hears_at_once_that_they_came(farm, user):
    ann, names = user(), User.fresh_names()
    Account(farm, {"accessToken": ann.token, "userId": ann.id}).post("/contacts/invitations", {
        "channel": "email", "destination": names["email"]})
    with ann.listen() as live:
        user(email=names["email"])
        live.wait_for("invitation:accepted", AT_ONCE)


def aside(farm, person, *numbers):
    """Events that a transaction has told aside."""
    return [row["id"] for row in farm.sql(
        "SELECT e ->> 'id' AS id, event_aside(e) FROM unnest(%s::int[]) n,"
        " emit('test.aside', NULL, NULL, ARRAY[%s]::uuid[], jsonb_build_object('n', n)) e", list(numbers), person.id)]


def test_many_at_once_are_told_once_each(farm, alice):
    with alice.listen() as live:
        told = aside(farm, alice, *range(700))
        for n in range(700):
            live.wait_for("test.aside", SWEPT, n=n)
    time.sleep(3 * farm.seconds("jobs.tick"))
    assert sorted(event for event in entries(farm) if event in told) == sorted(told)


@pytest.mark.parametrize("service", ["jobs", "postgres", "redis"])
def test_what_nobody_heard_of_is_swept(farm, alice, service):
    """The daemon hears nothing while it is away, and has to listen again on a new connection."""
    with alice.listen() as live:
        with absent(farm, service):
            if service != "postgres":
                lost = aside(farm, alice, 1)[0]
        if service == "postgres":
            lost = eventually(lambda: aside(farm, alice, 1)[0], 15)
        live.wait_for("test.aside", 2 * SWEPT, n=1)
        time.sleep(3 * farm.seconds("jobs.tick"))
        assert entries(farm).count(lost) == 1
        aside(farm, alice, 2)
        live.wait_for("test.aside", AT_ONCE, n=2)


def test_nothing_is_in_the_stream_twice(farm, alice, bob):
    time.sleep(3 * farm.seconds("jobs.tick"))  # what other tests left is counted by then
    before = metric(farm, 'rookery_jobs_rows_total{job="sweep"}')
    sent = [alice.say(bob)["messageId"] for _ in range(60)]
    time.sleep(4 * farm.seconds("jobs.tick"))
    ids = entries(farm)
    assert all(ids.count(message) == 1 for message in sent)
    assert metric(farm, 'rookery_jobs_rows_total{job="sweep"}') == before


def test_what_was_sent_while_redis_was_away_arrives(farm, alice, bob):
    with bob.listen() as live:
        with absent(farm, "redis"):
            sent = [alice.say(bob, f"{n}") for n in range(5)]
        for message in sent:
            live.wait_for("message.new", 2 * SWEPT, messageId=message["messageId"])
    ids = entries(farm)
    assert all(ids.count(message["messageId"]) == 1 for message in sent)


def test_an_entry_that_was_deleted_comes_back(farm, alice, bob):
    sent = alice.say(bob)["messageId"]
    in_stream(farm, sent)
    time.sleep(2 * farm.seconds("jobs.tick"))  # until it has been seen there
    for entry, fields in farm.redis.xrange("rt"):
        if fields["id"] == sent:
            farm.redis.xdel("rt", entry)
    assert sent not in entries(farm)
    in_stream(farm, sent)


@pytest.mark.parametrize("empty", [lambda farm: farm.redis.flushall(), lambda farm: farm.redis.delete("rt")])
def test_an_empty_redis_gets_back_what_is_kept(farm, alice, bob, empty):
    sent = [alice.say(bob)["messageId"] for _ in range(5)]
    events = [str(row["id"]) for row in farm.sql("SELECT id FROM event ORDER BY id DESC LIMIT 20")]
    empty(farm)
    for event in (*sent, *events):
        in_stream(farm, event)
    order = [event for event in entries(farm) if event in sent]
    assert order == sent
    with bob.listen() as live:
        live.wait_for("message.new", messageId=alice.say(bob)["messageId"])


def test_a_redis_that_lost_its_files_gets_everything_back(farm, alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(3)]
    with absent(farm, "redis"):
        for path in sorted((farm.run / "redis/appendonlydir").iterdir()):
            path.unlink()
        sent.append(alice.say(bob)["messageId"])
    for message in sent:
        in_stream(farm, message, 2 * SWEPT)


def test_a_daemon_that_is_killed_leaves_nothing_out(farm, alice, bob):
    first = alice.say(bob)
    with absent(farm, "jobs"):
        lost = [behind_the_back(farm, alice, first["conversationId"]) for _ in range(70)]
    farm.kill("jobs")
    lost.append(behind_the_back(farm, alice, first["conversationId"]))
    for message in lost:
        in_stream(farm, message)
    ids = entries(farm)
    assert [event for event in ids if event in lost] == lost


def test_a_message_that_commits_late_is_not_left_out(farm, alice, bob):
    """Its id is older than what the sweeper has compared long ago."""
    conversation = alice.say(bob)["conversationId"]
    message = farm.sql("SELECT uuid7()::text AS id")[0]["id"]
    connection = psycopg2.connect(host=str(farm.run / "pg-socket"), port=farm.settings["db.port"],
                                  dbname=farm.settings["db.name"], user=farm.settings["db.user"])
    with connection, connection.cursor() as cursor:
        cursor.execute(SEND.replace("*", "status"), (message, alice.id, alice.device, conversation, "late", "late"))
        assert cursor.fetchone()[0] == 0
        time.sleep(farm.seconds("jobs.sweep") + 7)
    connection.close()
    in_stream(farm, message)


def memory(pid):
    """Megabytes that are the process's own share (PSS)."""
    return int(re.search(r"^Pss:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]) / 1024


def burst(farm, events, lose, look):
    """Events as apps tell them, rows first and entries second, but for one in so many; the ids of those."""
    lost = []
    connection = farm.database()
    with connection, connection.cursor() as cursor:
        for _ in range(events // 500):
            cursor.execute("SELECT array_agg(emit('test.burst', NULL, NULL, ARRAY[uuid7()], '{}') ->> 'id') AS ids"
                           " FROM generate_series(1, 500)")
            connection.commit()
            pipe, ids = farm.redis.pipeline(transaction=False), cursor.fetchone()["ids"]
            for place, event in enumerate(ids):
                if place % lose:
                    pipe.xadd("rt", {"id": event, "t": "test.burst", "to": event, "j": "{}"})
                else:
                    lost.append(event)
            pipe.execute()
            look()
    connection.close()
    return lost


def test_a_burst_costs_little_memory_and_gives_it_back(farm):
    """The ids of all that is in the stream are remembered, but not for longer than rows are compared."""
    time.sleep(3 * farm.seconds("jobs.tick"))
    repeated = 'rookery_jobs_rows_total{job="sweep"}'
    pid, counted, seen, stream = farm.pid("jobs"), metric(farm, repeated), [], {}

    def look():
        seen.append(memory(pid))
        stream.update(farm.redis.xrange("rt", f"({next(reversed(stream))}" if stream else "-"))
    before = memory(pid)
    lost = burst(farm, 100000, 250, look)
    eventually(lambda: metric(farm, repeated) >= counted + len(lost), 2 * SWEPT)
    assert max(seen) < before + 6, f"{before:.1f} MB before, {max(seen):.1f} MB at most"
    eventually(lambda: memory(pid) < before + 1, farm.seconds("jobs.sweep") + 25)
    look()
    times = collections.Counter(fields["id"] for fields in stream.values())
    assert len(lost) == 400 and all(times[event] == 1 for event in lost)
    assert [event for event, n in times.items() if n > 1] == []
    assert metric(farm, repeated) == counted + len(lost)


# ---- what has had its time ------------------------------------------------------------------------


def body_of(farm, message):
    return farm.sql("SELECT body, deleted_at FROM message WHERE id = %s", message)[0]


def test_a_message_dies_so_long_after_its_delivery(farm, alice, bob):
    sent = alice.say(bob, selfDestruct={"ttlSeconds": 2})["messageId"]
    time.sleep(3)
    assert body_of(farm, sent)["body"], "it has not been delivered yet"
    with bob.listen() as receiver, alice.listen() as sender:
        bob.post(f"/messages/{sent}/ack", {"deviceId": bob.device, "receivedAt": "2026-01-01T00:00:00Z"})
        acked = time.monotonic()
        for live in (receiver, sender):
            gone = live.wait_for("message.deleted", 6, messageId=sent)["data"]
            assert gone["reason"] == "expired"
        assert 1.5 < time.monotonic() - acked < 5
    assert body_of(farm, sent)["body"] is None


def test_a_message_dies_at_its_moment_whoever_has_it(farm, alice, bob):
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    sent = alice.say(bob)["messageId"]
    alice.patch(f"/messages/{sent}/self-destruct", {"expiresAt": moment})
    with bob.listen() as live:
        live.wait_for("message.deleted", 8, messageId=sent)
    assert body_of(farm, sent)["body"] is None
    bob.get("/messages", 404, page=1, pageSize=100)


def test_messages_that_expire_together_go_in_batches(farm, alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(120)]
    farm.sql("UPDATE message SET expires_at = now() WHERE id = ANY (%s::uuid[])", sent)
    eventually(lambda: farm.sql("SELECT count(*) AS n FROM message WHERE id = ANY (%s::uuid[]) AND body IS NULL",
                                sent)[0]["n"] == 120, 6)
    gone = [farm.sql("SELECT payload FROM event WHERE type = 'message.deleted' AND payload ->> 'messageId' = %s", m)
            for m in sent]
    assert all(len(rows) == 1 for rows in gone)


OLD = "now() - interval '200 days'"
ROWS = {
    "phone_registration": "INSERT INTO phone_registration (phone, channel, code_hash, expires_at)"
                          " VALUES ('+4915199999999', 'sms', 'x', {at}) RETURNING id",
    "login_session": "INSERT INTO login_session (token_hash, account_id, purpose, expires_at)"
                     " VALUES (gen_random_uuid(), %(account)s, 'pin', {at}) RETURNING id",
    "session": "INSERT INTO session (account_id, expires_at) VALUES (%(account)s, {at}) RETURNING id",
    "session revoked": "INSERT INTO session (account_id, expires_at, revoked_at)"
                       " VALUES (%(account)s, now() + interval '1 day', {at}) RETURNING id",
    "web_session": "INSERT INTO web_session (account_id, device_name, public_key, expires_at)"
                   " VALUES (%(account)s, 'x', gen_random_uuid(), {at}) RETURNING id",
    "qr_code": "INSERT INTO qr_code (account_id, token, format, size, expires_at)"
               " VALUES (%(account)s, gen_random_uuid(), 'png', 256, {at}) RETURNING id",
    "invitation": "INSERT INTO invitation (account_id, channel, destination, status, expires_at)"
                  " VALUES (%(account)s, 'sms', '+4915199999998', 'sent', {at}) RETURNING id",
    "invitation failed": "INSERT INTO invitation (account_id, channel, destination, status, expires_at, created_at)"
                         " VALUES (%(account)s, 'sms', '+4915199999998', 'failed', now() + interval '1 day', {at})"
                         " RETURNING id",
    "contact_sync": "INSERT INTO contact_sync (account_id, created_at) VALUES (%(account)s, {at}) RETURNING id",
    "offline_queue_item": "WITH q AS (INSERT INTO offline_queue (account_id, device_id, client_public_key, item_count)"
                          " VALUES (%(account)s, %(device)s, 'x', 1) ON CONFLICT (device_id) DO UPDATE"
                          " SET item_count = offline_queue.item_count + 1 RETURNING id)"
                          " INSERT INTO offline_queue_item (queue_id, position, message_id, ciphertext, queued_at)"
                          " SELECT id, (random() * 1e9)::int, gen_random_uuid(), 'x', {at} FROM q RETURNING id",
}


def rows_left(farm, table, ids):
    return farm.sql(f"SELECT count(*) AS n FROM {table} WHERE id = ANY (%s::uuid[])", ids)[0]["n"]


@pytest.mark.parametrize("kind", ROWS)
def test_rows_go_when_they_are_old(farm, alice, kind):
    """More of them than one batch holds; young ones stay."""
    table = kind.split()[0]

    def insert(at):
        statement = ROWS[kind].format(at=at) % {"account": f"'{alice.id}'", "device": f"'{alice.device}'"}
        return str(farm.sql(statement.replace("%", "%%"))[0]["id"])
    young, old = insert("now() + interval '1 hour'"), [insert(OLD) for _ in range(55)]
    eventually(lambda: rows_left(farm, table, old) == 0, 8)
    assert rows_left(farm, table, [young]) == 1


def test_tombstones_go_after_their_time_but_for_the_last_message(farm, alice, bob):
    sent = [alice.say(bob)["messageId"] for _ in range(3)]
    for message in sent:
        alice.delete(f"/messages/{message}")
    farm.sql(f"UPDATE message SET deleted_at = {OLD} WHERE id = ANY (%s::uuid[])", sent[1:])
    eventually(lambda: rows_left(farm, "message", sent) == 2, 6)
    time.sleep(2)
    assert rows_left(farm, "message", [sent[0]]) == 1 and rows_left(farm, "message", [sent[2]]) == 1
    with bob.listen() as live:
        live.wait_for("message.new", messageId=alice.say(bob)["messageId"])


def test_messages_of_a_deleted_group_go_after_their_time(farm, alice, bob):
    group = alice.group(bob)
    for _ in range(60):
        alice.post(f"/group-chats/{group}/messages", {"messageType": "text", "ciphertext": "eA=="})
    alice.delete(f"/groups/{group}")
    count = "SELECT count(*) AS n FROM message WHERE conversation_id = %s"
    time.sleep(3)
    assert farm.sql(count, group)[0]["n"] == 60
    farm.sql(f"UPDATE conversation SET deleted_at = {OLD} WHERE id = %s", group)
    eventually(lambda: farm.sql(count, group)[0]["n"] == 0, 8)


def test_the_newest_events_are_kept(farm, alice):
    farm.sql("SELECT emit('test.kept', NULL, NULL, ARRAY[%s]::uuid[], jsonb_build_object('n', n))"
             " FROM generate_series(1, 1300) n", alice.id)
    count = "SELECT count(*) AS n FROM event"
    eventually(lambda: farm.sql(count)[0]["n"] <= 1020, 40)
    assert farm.sql(count)[0]["n"] >= 1000
    newest = farm.sql("SELECT max((payload ->> 'n')::int) AS n FROM event WHERE type = 'test.kept'")[0]["n"]
    assert newest == 1300


# ---- revocations --------------------------------------------------------------------------------


def revoked(farm, person):
    farm.sql("UPDATE session SET revoked_at = now() WHERE id = %s", person.session)


def all_marked(farm):
    """Nothing is missing in Redis: requests ask it alone."""
    eventually(lambda: farm.redis.exists("rev:all"), 5)


def longest_token(farm):
    return max(farm.seconds("token.lifetime"), farm.seconds("sentinal.token_lifetime"))


def test_a_session_that_ended_without_a_mark_is_marked(farm, alice):
    alice.get("/web/clients/config")
    revoked(farm, alice)
    eventually(lambda: alice.request("GET", "/web/clients/config").status == 401, 5)
    lifetime = farm.redis.ttl(f"rev:{alice.session}")
    assert longest_token(farm) < lifetime <= longest_token(farm) + 60


def test_ended_sessions_stay_ended_when_redis_is_emptied(farm, alice, bob):
    """One that ended just now, and one of some minutes ago whose tokens live on."""
    revoked(farm, alice)
    farm.sql("UPDATE session SET revoked_at = now() - interval '10 minutes' WHERE id = %s", bob.session)
    farm.redis.flushall()
    all_marked(farm)
    assert 0 < farm.redis.ttl(f"rev:{bob.session}") <= longest_token(farm) - 530
    assert alice.request("GET", "/web/clients/config").status == 401
    assert bob.request("GET", "/web/clients/config").status == 401


def test_while_marks_are_lost_the_database_knows_who_has_gone(farm, alice, bob):
    all_marked(farm)
    with farm.paused("jobs"):  # it would set the marks again
        revoked(farm, alice)
        assert alice.request("GET", "/web/clients/config").status == 200, "there is no mark, and none is missed"
        farm.redis.flushall()
        assert alice.request("GET", "/web/clients/config").status == 401
        assert bob.request("GET", "/web/clients/config").status == 200
        assert not farm.redis.exists(f"rev:{alice.session}")
    all_marked(farm)
    assert farm.redis.exists(f"rev:{alice.session}")


def test_ended_sessions_are_marked_again_in_another_redis(farm, alice):
    all_marked(farm)
    farm.sql("UPDATE session SET revoked_at = now() - interval '10 minutes' WHERE id = %s", alice.session)
    assert alice.request("GET", "/web/clients/config").status == 200, "nobody has looked yet"
    with absent(farm, "redis"):
        pass
    eventually(lambda: alice.request("GET", "/web/clients/config").status == 401, 8)


# ---- invitations --------------------------------------------------------------------------------


def invite(person, channel, destination):
    return person.post("/contacts/invitations", {"channel": channel, "destination": destination,
                                                 "message": "Come over"})["invitationId"]


def invitation(farm, id):
    return farm.sql("SELECT * FROM invitation WHERE id = %s", id)[0]


def address():
    return f"{uuid.uuid4()}@example.org"


def test_an_invitation_goes_out_by_mail(farm, mail, alice):
    to = address()
    with alice.listen() as live:
        id = invite(alice, "email", to)
        arrived = mail.got(to)
        text = arrived.get_payload(decode=True).decode()
        assert "Come over" in text and "https://chat.example.org" in text and "invites you" in arrived["Subject"]
        assert live.wait_for("invitation.sent", 8, invitationId=id)["data"]["status"] == "sent"
    time.sleep(2 * farm.seconds("jobs.tick"))
    assert [name for name, _ in mail.arrived].count(to) == 1
    assert invitation(farm, id)["sent_at"]


def test_an_invitation_goes_out_as_a_text(farm, texts, alice):
    to = phone()
    id = invite(alice, "sms", to)
    assert "Come over" in texts.got(to)
    eventually(lambda: invitation(farm, id)["status"] == "sent", 5)


def test_an_invitation_that_is_refused_has_failed(farm, mail, texts, alice):
    to, number = address(), phone()
    mail.answers[to], texts.answers[number] = "550 nobody of that name", 400
    with alice.listen() as live:
        for channel, destination in (("email", to), ("sms", number)):
            id = invite(alice, channel, destination)
            assert live.wait_for("invitation.failed", 8, invitationId=id)["data"]["channel"] == channel
            assert invitation(farm, id)["status"] == "failed"


def test_an_invitation_that_cannot_go_out_now_goes_out_later(farm, mail, alice):
    to = address()
    mail.answers[to] = "452 the mailbox is full"
    id = invite(alice, "email", to)
    tried = eventually(lambda: (row := invitation(farm, id))["attempts"] == 1 and row, 8)
    eventually(lambda: 100 < (invitation(farm, id)["next_attempt_at"] - tried["created_at"]).total_seconds() < 200, 5)
    assert tried["status"] == "queued"
    del mail.answers[to]
    time.sleep(3)
    assert invitation(farm, id)["attempts"] == 1, "not before its time"
    farm.sql("UPDATE invitation SET next_attempt_at = now() WHERE id = %s", id)
    mail.got(to)
    eventually(lambda: invitation(farm, id)["status"] == "sent", 5)


def test_a_slow_mail_server_keeps_nobody_waiting(farm, alice, bob):
    """Nobody answers on that port, and deliveries wait for it; messages are swept all the same."""
    conversation = alice.say(bob)["conversationId"]
    for _ in range(3):
        invite(alice, "email", address())
    lost = behind_the_back(farm, alice, conversation)
    in_stream(farm, lost)


# ---- the daemon itself ----------------------------------------------------------------------------


def test_two_daemons_do_the_work_of_one(farm, alice, bob):
    holder = ("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
              " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
    conversation = alice.say(bob)["conversationId"]
    env = {**os.environ, **dict(line.split(" ", 1)[1].replace("'", "").split("=", 1)
                                for line in (farm.run / "env").read_text().splitlines())}
    program = os.readlink(f"/proc/{farm.pid('jobs')}/exe")
    with open(farm.run / "second.log", "w+") as output:
        second = subprocess.Popen([program], env=env, stderr=output)
        try:
            first = farm.sql(holder)
            lost = behind_the_back(farm, alice, conversation)
            in_stream(farm, lost)
            time.sleep(3)
            assert len(first) == 1 and farm.sql(holder) == first
            assert entries(farm).count(lost) == 1
            with absent(farm, "jobs"):
                eventually(lambda: farm.sql(holder) not in ([], first), 5)
                lost = behind_the_back(farm, alice, conversation)
                in_stream(farm, lost)
                second.send_signal(signal.SIGTERM)
                assert second.wait(10) == 0
        finally:
            second.kill()
    eventually(lambda: farm.sql(holder), 5)


def test_it_outlives_postgresql_and_redis(farm, alice, bob):
    conversation = alice.say(bob)["conversationId"]
    pid, said = farm.pid("jobs"), len(log(farm))
    with absent(farm, "redis"):
        time.sleep(4)
    with absent(farm, "postgres"):
        time.sleep(4)
    eventually(farm.ready, 15)
    lost = behind_the_back(farm, alice, conversation)
    in_stream(farm, lost, 2 * SWEPT)
    assert farm.pid("jobs") == pid
    said = [line["msg"] for line in log(farm)[said:]]
    for once in ("no database", "the database is back", "redis is back"):
        assert said.count(once) == 1, said
    assert len(said) < 40, said  # each job says once that it fails, and when it is well again


def test_a_hangup_starts_the_program_anew_in_place(farm, alice, bob):
    conversation, pid = alice.say(bob)["conversationId"], farm.pid("jobs")
    started = sum(line["msg"] == "started" for line in log(farm))
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: sum(line["msg"] == "started" for line in log(farm)) == started + 1)
    in_stream(farm, behind_the_back(farm, alice, conversation))
    assert farm.pid("jobs") == pid


def test_wrong_settings_do_not_end_it(farm):
    path, pid = farm.run / "rookery.conf", farm.pid("jobs")
    good = path.read_text()
    try:
        path.write_text(good + "\njobs.tick = never\n")
        os.kill(pid, signal.SIGHUP)
        time.sleep(2)
        assert farm.pid("jobs") == pid
        beat = metric(farm, "rookery_jobs_heartbeat_timestamp_seconds")
        assert abs(beat - time.time()) < 5
    finally:
        path.write_text(good)


def test_it_stops_cleanly_and_says_what_it_does(farm):
    assert metric(farm, 'rookery_up{service="jobs"}') == 1
    assert abs(metric(farm, "rookery_jobs_heartbeat_timestamp_seconds") - time.time()) < 5
    assert time.time() - metric(farm, "rookery_jobs_swept_timestamp_seconds") < 30
    assert metric(farm, 'rookery_jobs_failures_total{job="rows"}') == 0
    with absent(farm, "jobs"):
        assert log(farm)[-1]["msg"] == "stopped"
        assert metric(farm, 'rookery_up{service="jobs"}') == 0
        assert not (farm.run / "stats/jobs.prom").exists()
    eventually(lambda: metric(farm, 'rookery_up{service="jobs"}') == 1, 5)


def test_its_log_holds_no_secrets(farm):
    text = (farm.run / "log/jobs.log").read_text()
    assert "Come over" not in text and "@example.org" not in text and "lost" not in text.replace("redis lost", "")
