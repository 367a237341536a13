"""Surface sentinal: files that arrive in pieces, and the addresses they are fetched by."""
import concurrent.futures
import hashlib
import os
import time
import uuid
from urllib.parse import parse_qsl, urlsplit

import pytest
from lib.farm import eventually
from lib.people import Account
from lib.sentinal import named
from lib.signup import settings
from test_media import signed

MIB = 1 << 20


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def ben(user):
    return user()


def announce(who, size, expect=201, kind="image/jpeg", **more):
    return who.post("/uploads", {"file_name": "photo.jpg", "file_size": size, "content_type": kind, "uploader_id": who.id, **more},
                    expect)


def at(who, method, url, body=None, expect=200, **headers):
    """A request at an address that needs no token."""
    parts = urlsplit(url)
    reply = who.site.raw(method, parts.path, body, {k.replace("_", "-"): v for k, v in headers.items()},
                         dict(parse_qsl(parts.query)), timeout=120)
    assert reply.status == expect, reply
    return reply


def put(who, url, body, span=None, expect=200, kind="image/jpeg"):
    """All bytes, or those of a span (first, total)."""
    more = {"Content_Type": kind} if kind else {}
    if span:
        more["Content_Range"] = span if isinstance(span, str) else f"bytes {span[0]}-{span[0] + len(body) - 1}/{span[1]}"
    reply = at(who, "PUT", url, body, expect, **more).json
    return reply["data"] if expect == 200 else reply


def complete(who, upload, expect=200):
    return who.post(f"/uploads/{upload['id']}/complete", None, expect)


def whole(who, data, **more):
    """Announce, put and complete."""
    upload = announce(who, len(data), **more)
    put(who, upload["upload_url"], data, kind=None)
    return complete(who, upload)


def fetch(who, upload, expect=200, method="GET", **headers):
    return at(who, method, who.get(f"/uploads/{upload['id']}")["file_url"], None, expect, **headers)


def blob(farm, upload, part=False):
    name = upload["id"]
    return farm.run / "data/blobs" / name[-4:-2] / name[-2:] / (name + ".part" if part else name)


def uploads(who, which="", **query):
    return [u["id"] for u in who.get(f"/uploads{which}", **query)["uploads"]]


# ---- from announcing to fetching -----------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 70_000, MIB + 1])
def test_what_is_put_is_what_is_fetched(farm, ann, size):
    data = os.urandom(size)
    upload = announce(ann, size)
    assert {k: upload[k] for k in ("file_name", "file_size", "content_type", "uploader_id", "status", "uploaded_bytes",
                                   "file_url", "completed_at")} == {
        "file_name": "photo.jpg", "file_size": size, "content_type": "image/jpeg", "uploader_id": ann.id,
        "status": "PENDING", "uploaded_bytes": 0, "file_url": None, "completed_at": None}
    assert upload["upload_url"].startswith(str(ann.site) + "/v1/uploads/")
    put(ann, upload["upload_url"], data)
    state = ann.get(f"/uploads/{upload['id']}")
    assert (state["status"], state["uploaded_bytes"], state["file_url"]) == ("IN_PROGRESS", size, None)
    done = complete(ann, upload)
    assert done["status"] == "COMPLETED" and done["completed_at"] and done["upload_url"] is None
    assert done["checksum"] == hashlib.sha256(data).hexdigest()
    reply = fetch(ann, upload)
    assert reply.body == data and reply.type == "image/jpeg"
    assert blob(farm, upload).read_bytes() == data and not blob(farm, upload, True).exists()
    assert complete(ann, upload)["completed_at"] == done["completed_at"]


def test_pieces_in_order(ann):
    data = os.urandom(10_000)
    upload = announce(ann, len(data))
    for first in range(0, len(data), 3000):
        piece = data[first:first + 3000]
        assert put(ann, upload["upload_url"], piece, (first, len(data)))["uploaded_bytes"] == first + len(piece)
        if first == 3000:
            assert "4000 bytes are missing" in complete(ann, upload, 409)["error"]
            assert ann.get(f"/uploads/{upload['id']}")["uploaded_bytes"] == 6000
    complete(ann, upload)
    assert fetch(ann, upload).body == data


def test_how_far_it_is_can_be_asked_without_a_token(ann):
    upload = announce(ann, 100)
    put(ann, upload["upload_url"], b"x" * 40, (0, 100))
    assert put(ann, upload["upload_url"], b"", "bytes */100")["uploaded_bytes"] == 40
    assert put(ann, upload["upload_url"], b"y" * 60, "bytes 40-99/*")["uploaded_bytes"] == 100


def test_a_piece_that_came_before_may_come_again(ann):
    upload = announce(ann, 10)
    put(ann, upload["upload_url"], b"01234", (0, 10))
    assert put(ann, upload["upload_url"], b"01234", (0, 10))["uploaded_bytes"] == 5
    assert put(ann, upload["upload_url"], b"3456", (3, 10))["uploaded_bytes"] == 7
    assert put(ann, upload["upload_url"], b"234", (2, 10))["uploaded_bytes"] == 7
    put(ann, upload["upload_url"], b"789", (7, 10))
    complete(ann, upload)
    assert fetch(ann, upload).body == b"0123456789"


def test_a_gap_is_refused_and_tells_how_far_it_is(farm, ann):
    upload = announce(ann, 10)
    put(ann, upload["upload_url"], b"0", (0, 10))
    error = named(put(ann, upload["upload_url"], b"9", (9, 10), 409), "Content-Range")
    assert error["uploaded_bytes"] == 1
    assert ann.get(f"/uploads/{upload['id']}")["uploaded_bytes"] == 1


def test_all_may_come_again_from_the_beginning(ann):
    upload = announce(ann, 4)
    put(ann, upload["upload_url"], b"ab", (0, 4))
    put(ann, upload["upload_url"], b"WXYZ")
    complete(ann, upload)
    assert fetch(ann, upload).body == b"WXYZ"


def test_pieces_at_the_same_time(ann):
    """Each holds the upload for itself; together they are the file."""
    data = os.urandom(200_000)
    upload = announce(ann, len(data))
    half = len(data) // 2
    put(ann, upload["upload_url"], data[:half], (0, len(data)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: put(ann, upload["upload_url"], data[half - n:], (half - n, len(data))), [0, 10, 1000, half]))
    complete(ann, upload)
    assert fetch(ann, upload).body == data


def test_a_file_larger_than_one_request(farm, ann):
    piece, count = os.urandom(8 * MIB), 3
    with settings(farm, "sentinal-uploads", **{"upload.max": "16m"}):
        upload = announce(ann, count * len(piece), kind="video/mp4")
        at(ann, "PUT", upload["upload_url"], piece * count, 413, Content_Type="video/mp4")
        for n in range(count):
            put(ann, upload["upload_url"], piece, (n * len(piece), count * len(piece)), kind="video/mp4")
    done = complete(ann, upload)
    assert done["checksum"] == hashlib.sha256(piece * count).hexdigest()
    assert fetch(ann, upload).body == piece * count


@pytest.mark.parametrize("span, body", [
    ("bytes 0-99/10", b"x" * 100), ("bytes 0-9/11", b"x" * 10), ("bytes 0-10/10", b"x" * 11), ("bytes 5-3/10", b"x"),
    ("bytes 0-4/10", b"x" * 4), ("bytes -5/10", b"x" * 5), ("lines 0-9/10", b"x" * 10), ("bytes 0-9", b"x" * 10),
    ("bytes */10", b"x"), ("bytes */11", b""), ("bytes 0-99999999999999999999/10", b"x"), ("x", b"x" * 10),
    ("bytes 0-10/*", b"x" * 11), ("bytes 0-9/10x", b"x" * 10)])
def test_a_range_that_does_not_fit_is_refused(ann, span, body):
    upload = announce(ann, 10)
    named(put(ann, upload["upload_url"], body, span, 422), "Content-Range")
    assert ann.get(f"/uploads/{upload['id']}")["status"] == "PENDING"


@pytest.mark.parametrize("size", [0, 9, 11])
def test_the_announced_size_is_the_size(farm, ann, size):
    upload = announce(ann, 10)
    named(put(ann, upload["upload_url"], b"x" * size, None, 422), "file_size")
    assert not blob(farm, upload, True).exists()


def test_the_announced_type_is_the_type(farm, ann):
    upload = announce(ann, 1, kind="Image/PNG; q=1")
    assert upload["content_type"] == "image/png"
    named(put(ann, upload["upload_url"], b"x", expect=415, kind="image/jpeg"), "Content-Type")
    named(put(ann, upload["upload_url"], b"x", expect=415, kind="nonsense"), "Content-Type")
    put(ann, upload["upload_url"], b"x", kind="application/octet-stream")
    put(ann, upload["upload_url"], b"x", kind="IMAGE/png; charset=x")


def test_the_announced_checksum_is_the_checksum(ann):
    right = hashlib.sha256(b"right").hexdigest()
    upload = announce(ann, 5, checksum=right)
    put(ann, upload["upload_url"], b"wrong")
    named(complete(ann, upload, 422), "checksum")
    put(ann, upload["upload_url"], b"right")
    assert complete(ann, upload)["checksum"] == right


# ---- what is announced ---------------------------------------------------------------------------


@pytest.mark.parametrize("field, value", [
    ("file_name", ""), ("file_name", "../passwd"), ("file_name", "a\nb"), ("file_name", "x" * 256), ("file_size", 0),
    ("file_size", -1), ("file_size", "many"), ("content_type", "jpeg"), ("content_type", "image/"), ("content_type", ""),
    ("checksum", "abc"), ("uploader_id", "me")])
def test_a_bad_field_is_named(farm, ann, field, value):
    named(announce(ann, 10, 422, **{field: value}) if field != "file_size" else announce(ann, value, 422), field)
    assert not farm.sql("SELECT 1 FROM upload WHERE account_id = %s", ann.id)


@pytest.mark.parametrize("kind, setting", [("image/png", "image.max"), ("video/mp4", "video.max"), ("audio/ogg", "audio.max"),
                                           ("application/pdf", "document.max")])
def test_each_kind_has_its_limit(farm, ann, kind, setting):
    most = farm.size(setting)
    named(announce(ann, most + 1, 422, kind=kind), "file_size")
    assert announce(ann, most, kind=kind)["file_size"] == most


def test_the_uploader_is_the_caller(ann, ben):
    named(announce(ann, 1, 403, uploader_id=ben.id), "uploader_id")
    named(ann.get("/uploads", 403, uploader_id=ben.id), "uploader_id")


def test_an_account_has_room_for_so_much(farm, ann, ben):
    with settings(farm, "sentinal-uploads", **{"upload.open": "2", "upload.quota": "1m"}):
        first = announce(ann, 1000)
        announce(ann, 1000)
        assert "2 unfinished" in announce(ann, 1000, 409)["error"]
        announce(ben, 1000)
        put(ann, first["upload_url"], b"x" * 1000)
        complete(ann, first)
        named(announce(ann, MIB - 1999, 409), "file_size")
        third = announce(ann, MIB - 2000)
        ann.delete(f"/uploads/{third['id']}")
        ann.delete(f"/uploads/{first['id']}")
        announce(ann, MIB - 1000)


def test_many_at_once_do_not_pass_the_limit(farm, ann):
    with settings(farm, "sentinal-uploads", **{"upload.open": "3"}):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: ann.request("POST", "/uploads", {
                "file_name": "x", "file_size": 1, "content_type": "image/png"}), range(12)))
    assert sorted(r.status for r in replies) == [201] * 3 + [409] * 9


# ---- progress and endings ------------------------------------------------------------------------


def test_reports_do_not_outrun_what_has_arrived(farm, ann):
    upload = announce(ann, 10)
    path = f"/uploads/{upload['id']}/progress"
    named(ann.post(path, {"uploaded_bytes": 5}, 409), "uploaded_bytes")
    named(ann.post(path, {"uploaded_bytes": 11}, 422), "uploaded_bytes")
    named(ann.post(path, {"uploaded_bytes": -1}, 422), "uploaded_bytes")
    put(ann, upload["upload_url"], b"x" * 6, (0, 10))
    assert ann.post(path, {"uploaded_bytes": 5})["uploaded_bytes"] == 6
    assert ann.post(path, {"uploaded_bytes": 6})["status"] == "IN_PROGRESS"


def test_a_failed_upload_takes_no_bytes_and_loses_those_it_has(farm, ann):
    upload = announce(ann, 10)
    put(ann, upload["upload_url"], b"x" * 6, (0, 10))
    assert blob(farm, upload, True).exists()
    failed = ann.post(f"/uploads/{upload['id']}/fail")
    assert failed["status"] == "FAILED" and failed["upload_url"] is None
    put(ann, upload["upload_url"], b"x" * 10, expect=409)
    complete(ann, upload, 409)
    ann.post(f"/uploads/{upload['id']}/fail", None, 409)
    ann.post(f"/uploads/{upload['id']}/progress", {"uploaded_bytes": 1}, 409)
    farm.kill("jobs")
    eventually(lambda: not blob(farm, upload, True).exists(), 20)
    assert ann.get(f"/uploads/{upload['id']}")["status"] == "FAILED"


def test_deleting_cancels_first_and_removes_then(farm, ann):
    upload = announce(ann, 10)
    put(ann, upload["upload_url"], b"x" * 6, (0, 10))
    assert ann.delete(f"/uploads/{upload['id']}") is None
    assert ann.get(f"/uploads/{upload['id']}")["status"] == "CANCELLED"
    put(ann, upload["upload_url"], b"x" * 10, expect=409)
    ann.delete(f"/uploads/{upload['id']}")
    ann.get(f"/uploads/{upload['id']}", 404)
    ann.delete(f"/uploads/{upload['id']}", None, 404)
    put(ann, upload["upload_url"], b"x" * 10, expect=404)
    farm.kill("jobs")
    eventually(lambda: not blob(farm, upload, True).exists() and
               not farm.sql("SELECT 1 FROM upload WHERE id = %s", upload["id"]), 20)


def test_a_deleted_file_is_gone(farm, ann):
    upload = whole(ann, b"gone soon")
    ann.delete(f"/uploads/{upload['id']}")
    at(ann, "GET", upload["file_url"], expect=404)
    assert not uploads(ann)
    farm.sql("UPDATE media SET deleted_at = deleted_at - interval '2 hours' WHERE id = %s", upload["id"])
    farm.kill("jobs")
    eventually(lambda: not blob(farm, upload).exists(), 20)
    assert not farm.sql("SELECT 1 FROM media WHERE id = %s", upload["id"])


def test_a_file_that_nothing_names_stays_while_its_upload_does(farm, ann):
    upload = whole(ann, b"stays")
    farm.sql("UPDATE media SET created_at = created_at - interval '30 days', checked_at = checked_at - interval '30 days'"
             " WHERE id = %s", upload["id"])
    farm.kill("jobs")
    eventually(lambda: farm.sql("SELECT 1 FROM media WHERE id = %s AND checked_at > now() - interval '1 day'", upload["id"]), 20)
    assert fetch(ann, upload).body == b"stays"


def test_abandoned_uploads_fail_and_go(farm, ann):
    upload, young = announce(ann, 10), announce(ann, 10)
    put(ann, upload["upload_url"], b"x" * 6, (0, 10))
    farm.sql("UPDATE upload SET updated_at = now() - interval '25 hours' WHERE id = %s", upload["id"])
    farm.kill("jobs")
    eventually(lambda: ann.get(f"/uploads/{upload['id']}")["status"] == "FAILED", 20)
    eventually(lambda: not blob(farm, upload, True).exists(), 20)
    assert ann.get(f"/uploads/{young['id']}")["status"] == "PENDING"
    farm.sql("UPDATE upload SET updated_at = now() - interval '8 days' WHERE id = %s", upload["id"])
    farm.kill("jobs")
    eventually(lambda: ann.request("GET", f"/uploads/{upload['id']}").status == 404, 20)


def test_completing_again_after_a_crash_between_file_and_row(farm, ann):
    """As a worker leaves it that dies after it has named the file."""
    upload = announce(ann, 4)
    put(ann, upload["upload_url"], b"data")
    blob(farm, upload, True).rename(blob(farm, upload))
    assert complete(ann, upload)["status"] == "COMPLETED"
    assert fetch(ann, upload).body == b"data"


def test_what_a_deleted_account_uploaded_goes(farm, ann):
    done, half = whole(ann, b"done"), announce(ann, 10)
    put(ann, half["upload_url"], b"x", (0, 10))
    ann.delete("/users/me")
    at(ann, "GET", done["file_url"], expect=404)
    put(ann, half["upload_url"], b"x", (1, 10), expect=404)
    farm.sql("UPDATE media SET deleted_at = deleted_at - interval '2 hours' WHERE id = %s", done["id"])
    farm.kill("jobs")
    eventually(lambda: not blob(farm, done).exists() and not blob(farm, half, True).exists(), 20)


# ---- lists ---------------------------------------------------------------------------------------


def test_lists_are_of_ones_own(ann, ben):
    pending = announce(ann, 10)
    time.sleep(0.002)  # ids of one millisecond have no order
    started = announce(ann, 10)
    time.sleep(0.002)
    done = whole(ann, b"done")
    put(ann, started["upload_url"], b"x", (0, 10))
    assert uploads(ann) == uploads(ann, uploader_id=ann.id) == [done["id"], started["id"], pending["id"]]
    assert uploads(ann, "/completed") == [done["id"]] and uploads(ann, "/in-progress") == [started["id"]]
    for which in ("", "/completed", "/in-progress", "/stale"):
        assert ben.get(f"/uploads{which}") == {"uploads": [], "total": 0, "page": 1, "limit": 20}
    second = ann.get("/uploads", page=2, limit=2)
    assert [u["id"] for u in second["uploads"]] == [pending["id"]] and second["total"] == 3
    assert ann.get("/uploads", page=5, limit=2)["total"] == 3
    assert at(ann, "GET", ann.get("/uploads/completed")["uploads"][0]["file_url"]).body == b"done"


def test_stale_uploads_are_listed_and_deleted(farm, ann, ben):
    old, fresh, hers = announce(ann, 10), announce(ann, 10), announce(ben, 10)
    done = whole(ann, b"done")
    put(ann, old["upload_url"], b"x", (0, 10))
    farm.sql("UPDATE upload SET updated_at = now() - interval '2 hours' WHERE id = ANY (%s::uuid[])",
             [old["id"], hers["id"], done["id"]])
    assert uploads(ann, "/stale") == uploads(ann, "/stale", older_than_sec=7000) == [old["id"]]
    assert uploads(ann, "/stale", older_than_sec=7300) == []
    named(ann.get("/uploads/stale", 422, older_than_sec=-1), "older_than_sec")
    assert ann.delete("/uploads/stale", query={"older_than_sec": 7000}) == {"deleted": 1}
    assert ann.delete("/uploads/stale") == {"deleted": 0}
    assert set(uploads(ann)) == {fresh["id"], done["id"]} and uploads(ben) == [hers["id"]]
    farm.kill("jobs")
    eventually(lambda: not blob(farm, old, True).exists(), 20)


def test_uploads_of_others_do_not_exist(ann, ben):
    upload = announce(ann, 10)
    for attempt in (lambda: ben.get(f"/uploads/{upload['id']}", 404), lambda: ben.delete(f"/uploads/{upload['id']}", None, 404),
                    lambda: complete(ben, upload, 404), lambda: ben.post(f"/uploads/{upload['id']}/fail", None, 404),
                    lambda: ben.post(f"/uploads/{upload['id']}/progress", {"uploaded_bytes": 0}, 404)):
        assert attempt()["code"] == "NOT_FOUND"
    assert ann.get(f"/uploads/{upload['id']}")["status"] == "PENDING"


# ---- addresses -----------------------------------------------------------------------------------


def test_ranges_tags_and_heads(ann):
    data = bytes(range(256)) * 4
    upload = whole(ann, data)
    reply = fetch(ann, upload)
    tag = reply.headers["etag"]
    assert reply.headers["accept-ranges"] == "bytes" and reply.headers["content-length"] == str(len(data))
    assert reply.headers["content-disposition"].startswith("attachment")
    part = fetch(ann, upload, 206, Range="bytes=10-19")
    assert part.body == data[10:20] and part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert fetch(ann, upload, 206, Range="bytes=-4").body == data[-4:]
    assert fetch(ann, upload, 416, Range="bytes=5000-").headers["content-range"] == f"bytes */{len(data)}"
    assert fetch(ann, upload, 304, If_None_Match=tag).body == b""
    assert fetch(ann, upload, Range="bytes=0-1", If_Range='"other"').body == data
    head = fetch(ann, upload, method="HEAD")
    assert head.body == b"" and head.headers["etag"] == tag
    assert head.headers.get("content-length", str(len(data))) == str(len(data))  # a server may leave it out (RFC 9110, 8.6)


def changed(url, **query):
    parts = urlsplit(url)
    return parts._replace(query="&".join(f"{k}={v}" for k, v in {**dict(parse_qsl(parts.query)), **query}.items())).geturl()


def test_addresses_cannot_be_made_up(ann, ben):
    mine, other = whole(ann, b"mine"), whole(ben, b"theirs")
    half = announce(ann, 4)
    until = int(dict(parse_qsl(urlsplit(mine["file_url"]).query))["expires"])
    for url in (changed(mine["file_url"], expires=until + 1), changed(mine["file_url"], signature="A" * 43),
                other["file_url"].replace(other["id"], mine["id"]), half["upload_url"].replace(half["id"], mine["id"])):
        at(ben, "GET", url, expect=403)
    for url in (mine["file_url"].replace(mine["id"], half["id"]), changed(half["upload_url"], expires=until + 1),
                changed(half["upload_url"], signature="x")):
        at(ben, "PUT", url, b"EVIL", 403)
    at(ben, "GET", urlsplit(mine["file_url"])._replace(query="").geturl(), expect=422)
    assert ann.get(f"/uploads/{half['id']}")["uploaded_bytes"] == 0


def test_addresses_end(farm, ann):
    done, half = whole(ann, b"done"), announce(ann, 4)
    with settings(farm, "sentinal-uploads", **{"media.url_lifetime": "1s"}):
        url = ann.get(f"/uploads/{done['id']}")["file_url"]
        at(ann, "GET", url)
        time.sleep(2)
        assert at(ann, "GET", url, expect=410).json["success"] is False
    assert fetch(ann, done).body == b"done"
    def until(when):
        query = signed(farm, f"upload into {half['id']}", when)
        return urlsplit(half["upload_url"])._replace(query=query).geturl()
    ends = int(dict(parse_qsl(urlsplit(half["upload_url"]).query))["expires"])
    assert until(ends) == half["upload_url"] and abs(ends - time.time() - farm.seconds("upload.keep")) < 30
    for late in (until(int(time.time()) - 1), until(0)):
        error = put(ann, late, b"late", expect=410)
        assert error == {"success": False, "error": error["error"], "code": error["code"]}
    assert ann.get(f"/uploads/{half['id']}")["uploaded_bytes"] == 0
    put(ann, half["upload_url"], b"data")


def test_addresses_are_where_the_client_came_from(ann):
    upload = announce(ann, 1)
    def url(**headers):
        reply = ann.request("GET", f"/uploads/{upload['id']}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        return reply.json["data"]["upload_url"]
    assert url(Host="chat.example.org", X_Forwarded_Proto="https").startswith("https://chat.example.org/v1/uploads/")
    assert url(X_Forwarded_Proto="gopher").startswith("http://")


# ---- the other surface ---------------------------------------------------------------------------


def test_an_upload_is_a_file_that_messages_name(farm, ann, bob):
    """The same account on the surface whatsapp: its id is a mediaId there, and stays readable when the upload goes."""
    upload = whole(ann, b"picture of a cat")
    there = Account(farm, {"accessToken": ann.token, "userId": ann.id})
    about = there.get(f"/media/{upload['id']}")
    assert about["mimeType"] == "image/jpeg" and about["mediaType"] == "image" and about["contentLength"] == 16
    bob.get(f"/media/{upload['id']}", 404)
    conversation = there.say(bob)["conversationId"]
    there.post(f"/conversations/{conversation}/messages", {"messageId": str(uuid.uuid4()), "mediaId": upload["id"]}, 201)
    ann.delete(f"/uploads/{upload['id']}")
    at(ann, "GET", upload["file_url"], expect=404)
    url = bob.get(f"/media/{upload['id']}")["downloadUrl"]
    assert at(bob, "GET", url).body == b"picture of a cat"


def test_an_unfinished_upload_is_no_file(farm, ann, bob):
    upload = announce(ann, 4)
    put(ann, upload["upload_url"], b"data")
    there = Account(farm, {"accessToken": ann.token, "userId": ann.id})
    there.get(f"/media/{upload['id']}", 404)
    conversation = there.say(bob)["conversationId"]
    reply = there.request("POST", f"/conversations/{conversation}/messages",
                          {"messageId": str(uuid.uuid4()), "mediaId": upload["id"]})
    assert reply.status in (400, 404), reply
