"""Uploads, the addresses of their contents, and who gets at them."""
import base64
import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import time
import uuid

import nacl.encoding
import nacl.hash
import pytest

from lib.farm import eventually
from lib.people import refused

MIB = 1 << 20
PNG = {"mimeType": "image/png"}
MP4 = {"mimeType": "video/mp4"}


def fresh():
    return str(uuid.uuid4())


def form(fields, boundary="test-boundary"):
    """A multipart body: fields are texts, or files as (bytes, type or None, name or None)."""
    parts = []
    for name, value in fields.items():
        data, kind, filename = value if isinstance(value, tuple) else (value.encode(), None, None)
        parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode(),
                  f'; filename="{filename}"'.encode() if filename else b"",
                  f"\r\nContent-Type: {kind}".encode() if kind else b"", b"\r\n\r\n", data, b"\r\n"]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def upload(who, path, data, expect=201, kind="application/octet-stream", name="x.bin", headers=None, boundary="test-boundary",
           **fields):
    fields = {name: value for name, value in fields.items() if value is not None}
    body = form({**({} if data is None else {"file": (data, kind, name)}), **fields}, boundary)
    return who.post(path, body, expect, timeout=120,
                    headers={"Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})})


def image(who, data, expect=201, **how):
    return upload(who, "/media/images", data, expect, **{**PNG, **how})


def video(who, data, expect=201, **how):
    return upload(who, "/media/videos", data, expect, **{**MP4, **how})


def fetch(who, address, expect=200, **headers):
    """The reply at a download address; nobody's token is needed."""
    path, _, query = address.partition("?")
    reply = who.site.raw("GET", path, query=dict(pair.split("=") for pair in query.split("&")), timeout=120,
                         headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert reply.status == expect, reply
    return reply


def address(who, media):
    return who.get(f"/media/{media}")["downloadUrl"]


def content(who, media):
    return fetch(who, address(who, media)).body


# ---- what is uploaded is what is fetched --------------------------------------------------------


@pytest.mark.parametrize("data", [b"x", bytes(range(256)) * 300, b"\r\n--test-boundary\r\n"[:-4] + b"y", os.urandom(MIB)],
                         ids=["a byte", "all bytes", "almost a boundary", "a mebibyte"])
def test_an_image_comes_back_as_it_was(alice, data):
    sent = image(alice, data, encryptionInfo=json.dumps({"key": "k", "iv": "i"}))
    assert sent["sizeBytes"] == len(data) and sent["mimeType"] == "image/png"
    about = alice.get(f"/media/{sent['mediaId']}")
    assert about["contentLength"] == len(data) and about["mimeType"] == "image/png" and not about["hd"]
    assert content(alice, sent["mediaId"]) == data


def test_a_video_comes_back_as_it_was(alice):
    data = os.urandom(100_000)
    sent = video(alice, data, fileSize=str(len(data)), encryption='{"protocol": "signal", "keys": [1, 2]}')
    assert alice.get(f"/media/{sent['mediaId']}")["mimeType"] == "video/mp4"
    assert content(alice, sent["mediaId"]) == data


@pytest.mark.parametrize("kind, mime", [("image", "image/webp"), ("document", "application/pdf"), ("document", "image/png"),
                                        ("audio", "audio/ogg"), ("video", "video/webm"), ("audio", "application/octet-stream"),
                                        ("document", None)])
def test_media_of_any_kind(alice, kind, mime):
    sent = upload(alice, "/media", b"bytes", mediaType=kind, kind=mime)
    assert sent["id"] == sent["mediaId"] and sent["sizeBytes"] == 5 and sent["status"] == "uploaded"
    assert fetch(alice, sent["url"]).body == b"bytes"
    assert alice.get(f"/media/{sent['mediaId']}")["mimeType"] == (mime or "application/octet-stream")


def test_a_file_needs_no_name_and_a_text_may_have_one(alice):
    """As scripts and browsers write forms."""
    body = form({"file": (b"nameless", None, None), "mimeType": (b"image/gif", "text/plain", "blob"), "other": "x"})
    sent = alice.post("/media/images", body, 201, headers={"Content-Type": "multipart/form-data; boundary=test-boundary"})
    assert sent["mimeType"] == "image/gif"
    assert content(alice, sent["mediaId"]) == b"nameless"


def test_the_type_may_come_with_the_part(alice):
    assert image(alice, b"x", mimeType=None, kind="Image/JPEG; q=1")["mimeType"] == "image/jpeg"


def test_no_name_of_a_client_names_a_file_here(farm, alice):
    before = {path for path in farm.run.rglob("*") if path.is_dir()}
    sent = image(alice, b"trespass", name="../../../../../../tmp/trespass-of-a-test")
    assert not os.path.exists("/tmp/trespass-of-a-test")
    added = {path for path in farm.run.rglob("*") if path.is_dir()} - before
    assert all("blobs" in path.parts for path in added)
    assert blob(farm, sent["mediaId"]).read_bytes() == b"trespass"


def blob(farm, media):
    return farm.run / "data/blobs" / media[-4:-2] / media[-2:] / media


def test_what_was_answered_is_on_disk_once_and_for_the_farm_alone(farm, alice):
    data = os.urandom(5000)
    media = image(alice, data)["mediaId"]
    row = farm.sql("SELECT size, sha256, deleted_at FROM media WHERE id = %s", media)[0]
    assert (row["size"], row["sha256"], row["deleted_at"]) == (5000, hashlib.sha256(data).hexdigest(), None)
    status = blob(farm, media).stat()
    assert status.st_mode & 0o777 == 0o600 and status.st_nlink == 1
    assert not list((farm.run / "tmp").glob("*" + media + "*"))


WAYS = {"/media/images": PNG, "/media/videos": MP4, "/media": {"mediaType": "document"}}


def kept(farm, who):
    return farm.sql("SELECT count(*) AS n FROM media WHERE account_id = %s", who.id)[0]["n"]


@pytest.mark.parametrize("path", WAYS)
def test_an_upload_repeated_with_its_key_is_one(farm, alice, path):
    key = {"Idempotency-Key": fresh()}
    first = upload(alice, path, b"once", headers=key, **WAYS[path])
    again = upload(alice, path, b"once", headers=key, boundary="another-boundary", **WAYS[path])
    assert again["mediaId"] == first["mediaId"]
    refused(upload(alice, path, b"another", 422, headers=key, **WAYS[path]), "Idempotency-Key")
    assert kept(farm, alice) == 1


@contextlib.contextmanager
def waiting(farm, way, who, *args, **more):
    """An upload that waits in the database meanwhile; its answer."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with contextlib.closing(farm.database()) as database, database.cursor() as cursor:
            cursor.execute("SELECT FROM account WHERE id = %s FOR UPDATE", (who.id,))
            answer = pool.submit(way, who, *args, **more)
            eventually(lambda: farm.sql("SELECT FROM pg_locks WHERE NOT granted"))
            yield answer
        answer.result()


def test_an_upload_that_is_under_way_is_not_begun_again(farm, alice):
    while len(farm.children(farm.pid("whatsapp-media"))) < 2:  # a slow request calls for another worker
        with waiting(farm, image, alice, b"slow"):
            time.sleep(0.2)
    before = kept(farm, alice)
    for number, (path, fields) in enumerate(WAYS.items(), 1):
        key = {"Idempotency-Key": fresh()}
        with waiting(farm, upload, alice, path, b"once", headers=key, **fields) as first:
            refused(upload(alice, path, b"once", 409, headers=key, **fields), "Idempotency-Key")
            assert not first.done() and kept(farm, alice) == before + number - 1
        assert upload(alice, path, b"once", headers=key, **fields)["mediaId"] == first.result()["mediaId"]
        assert kept(farm, alice) == before + number


# ---- what is refused ----------------------------------------------------------------------------


BAD = [
    ("/media/images", None, PNG, 400, "file"),
    ("/media/images", b"", PNG, 400, "file"),
    ("/media/images", b"x", {}, 400, "mimeType"),
    ("/media/images", b"x", {"mimeType": "video/mp4"}, 415, "mimeType"),
    ("/media/images", b"x", {"mimeType": "application/octet-stream"}, 415, "mimeType"),
    ("/media/images", b"x", {"mimeType": "image"}, 415, "mimeType"),
    ("/media/images", b"x", {"mimeType": "image/"}, 415, "mimeType"),
    ("/media/images", b"x", {"mimeType": "image/png\r\nX-Evil: 1"}, 415, "mimeType"),
    ("/media/images", b"x", {"mimeType": ""}, 415, "mimeType"),
    ("/media/images", b"x", {**PNG, "encryptionInfo": "{"}, 400, "encryptionInfo"),
    ("/media/images", b"x", {**PNG, "encryptionInfo": "7"}, 400, "encryptionInfo"),
    ("/media/images", b"x", {**PNG, "encryptionInfo": ""}, 400, "encryptionInfo"),
    ("/media/videos", None, MP4, 400, "file"),
    ("/media/videos", b"x", {}, 400, "mimeType"),
    ("/media/videos", b"x", {"mimeType": "image/png"}, 415, "mimeType"),
    ("/media/videos", b"x", {**MP4, "fileSize": "2"}, 400, "fileSize"),
    ("/media/videos", b"x", {**MP4, "fileSize": "0"}, 400, "fileSize"),
    ("/media/videos", b"x", {**MP4, "fileSize": "one"}, 400, "fileSize"),
    ("/media/videos", b"x", {**MP4, "encryption": "{'a': 1}"}, 400, "encryption"),
    ("/media/videos", b"x", {**MP4, "encryption": "[]"}, 400, "encryption"),
    ("/media/videos", b"x", {**MP4, "encryption": "[" * 100_00}, 400, "encryption"),
    ("/media/videos", b"x", {**MP4, "encryption": '"' + "x" * 70_000 + '"'}, 413, "encryption"),
    ("/media", None, {"mediaType": "image"}, 400, "file"),
    ("/media", b"x", {}, 400, "mediaType"),
    ("/media", b"x", {"mediaType": "sticker"}, 400, "mediaType"),
]


@pytest.mark.parametrize("path, data, fields, status, field", BAD,
                         ids=[f"{b[0].rpartition('/')[2]} {b[3]} {b[4]} {i}" for i, b in enumerate(BAD)])
def test_a_bad_upload_is_refused_and_leaves_nothing(farm, alice, path, data, fields, status, field):
    refused(upload(alice, path, data, status, **fields), field)
    assert not farm.sql("SELECT id FROM media WHERE account_id = %s", alice.id)


def test_a_part_of_another_type_is_refused(alice):
    refused(upload(alice, "/media", b"x", 415, mediaType="image", kind="video/mp4"), "file")


@pytest.mark.parametrize("path", ["/media/images", "/media/videos", "/media"])
def test_what_is_no_form_is_refused(farm, alice, nobody, path):
    whole = form({"file": (b"x" * 1000, None, "x"), "mimeType": "image/png"})
    multipart = "multipart/form-data; boundary=test-boundary"
    for kind, body in (("application/json", b"{}"), ("multipart/form-data", whole), ("text/plain", b"x"), (multipart, whole[:-30]),
                       (multipart, b""), (multipart, b"nothing"), ("multipart/form-data; boundary=other", whole),
                       (multipart, whole.replace(b"\r\n", b"\n")), (multipart, whole.replace(b'name="mimeType"', b'name="file"'))):
        assert alice.request("POST", path, body, {"Content-Type": kind}).status == 400, (kind, body)
    assert alice.request("POST", path).status == 400
    assert nobody.request("POST", path, whole, {"Content-Type": multipart}).status == 401
    assert not farm.sql("SELECT id FROM media WHERE account_id = %s", alice.id)


def test_an_image_may_have_sixteen_mebibytes(farm, alice):
    assert farm.size("image.max") == 16 * MIB
    most = os.urandom(16 * MIB)
    media = image(alice, most)["mediaId"]
    assert hashlib.sha256(content(alice, media)).digest() == hashlib.sha256(most).digest()
    refused(image(alice, most + b"x", 413), "file")
    refused(upload(alice, "/media", most + b"x", 413, mediaType="image"), "file")
    refused(upload(alice, "/media", most + b"x", 413, mediaType="audio"), "file")


def test_when_the_disk_does_not_take_it_the_answer_says_so(farm, alice):
    blobs = farm.run / "data/blobs"
    image(alice, b"makes the folder")
    aside = blobs.with_name("aside")
    blobs.rename(aside)
    try:
        blobs.write_text("in the way")
        image(alice, b"x", 500)
    finally:
        blobs.unlink()
        aside.rename(blobs)
    assert farm.sql("SELECT count(*) AS n FROM media WHERE account_id = %s AND deleted_at IS NULL", alice.id)[0]["n"] == 1
    image(alice, b"x")


# ---- large files --------------------------------------------------------------------------------


def peak(farm):
    """The most memory that workers of the family ever held, in KiB."""
    workers = farm.children(farm.pid("whatsapp-media"))
    return max(int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) for pid in workers)


def test_a_large_document_goes_to_disk_and_not_through_memory(farm, alice):
    image(alice, b"warm")
    before = peak(farm)
    data = os.urandom(20 * MIB)
    sent = upload(alice, "/media", data, mediaType="document", kind="application/zip")
    assert sent["sizeBytes"] == len(data)
    assert hashlib.sha256(fetch(alice, sent["url"]).body).digest() == hashlib.sha256(data).digest()
    assert peak(farm) - before < 4096, f"{before} KiB became {peak(farm)}"


# ---- parts --------------------------------------------------------------------------------------


@pytest.fixture
def hundred(alice):
    """The address of a hundred bytes."""
    return address(alice, image(alice, bytes(range(100)))["mediaId"])


@pytest.mark.parametrize("asked, first, last", [("bytes=0-9", 0, 9), ("bytes=90-", 90, 99), ("bytes=-5", 95, 99),
                                                ("bytes=50-1000", 50, 99), ("bytes=0-", 0, 99)])
def test_a_range(alice, hundred, asked, first, last):
    reply = fetch(alice, hundred, 206, Range=asked)
    assert reply.body == bytes(range(first, last + 1))
    assert reply.headers["content-range"] == f"bytes {first}-{last}/100"


def test_a_range_behind_the_end(alice, hundred):
    for asked in ("bytes=100-", "bytes=200-300", "bytes=-0"):
        reply = fetch(alice, hundred, 416, Range=asked)
        assert reply.headers["content-range"] == "bytes */100"
        assert reply.type == "application/problem+json"


def test_other_units_than_bytes_get_the_whole(alice, hundred):
    assert fetch(alice, hundred, 200, Range="lines=1-2").body == bytes(range(100))


def test_malformed_ranges_get_the_whole_or_nothing(alice, hundred):
    """The web server may refuse them where the app would not (RFC 9110, 14.2)."""
    for asked in ("bytes=9-5", "bytes=x", "bytes="):
        reply = alice.site.raw("GET", hundred.partition("?")[0], headers={"Range": asked},
                               query=dict(pair.split("=") for pair in hundred.partition("?")[2].split("&")))
        assert reply.status == 416 or (reply.status, reply.body) == (200, bytes(range(100))), reply


def test_a_client_that_has_it_gets_nothing(alice, hundred):
    tag = fetch(alice, hundred).headers["etag"]
    for has in (tag, f'"x", W/{tag}', "*"):
        reply = fetch(alice, hundred, 304, If_None_Match=has)
        assert not reply.body and reply.headers["etag"] == tag
    assert fetch(alice, hundred, If_None_Match='"x"').body == bytes(range(100))


def test_a_download_goes_on_only_with_the_same_file(alice, hundred):
    tag = fetch(alice, hundred).headers["etag"]
    assert fetch(alice, hundred, 206, Range="bytes=10-", If_Range=tag).body == bytes(range(10, 100))
    assert fetch(alice, hundred, 200, Range="bytes=10-", If_Range='"another"').body == bytes(range(100))


def test_browsers_save_and_do_not_show(alice):
    page = upload(alice, "/media", b"<script>alert(1)</script>", mediaType="document", kind="text/html")
    reply = fetch(alice, page["url"])
    assert reply.headers["content-disposition"] == "attachment"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["accept-ranges"] == "bytes" and reply.headers["cache-control"] == "private, no-cache"


# ---- addresses ----------------------------------------------------------------------------------


def test_an_address_opens_its_file_alone(alice, hundred):
    other = address(alice, image(alice, b"other")["mediaId"])
    path, _, query = hundred.partition("?")
    fetch(alice, other.partition("?")[0] + "?" + query, 403)
    fetch(alice, path.replace(path.split("/")[-2], fresh()) + "?" + query, 403)
    fetch(alice, re.sub(r"expires=(\d+)", lambda m: f"expires={int(m[1]) + 1}", hundred), 403)
    for wrong in ("x", "A" * 43, "%2e", "=" * 4):
        fetch(alice, re.sub(r"signature=.*", "signature=", hundred) + wrong.replace("=", "-"), 403)
    assert fetch(alice, hundred).body == bytes(range(100))


def signed(farm, what, until):
    """The query of an address, signed as the farm signs: keyed BLAKE2b over what it opens and until when."""
    key = (farm.run / "keys/media.key").read_bytes()
    mac = nacl.hash.blake2b(f"{what} {until}".encode(), digest_size=32, key=key, encoder=nacl.encoding.RawEncoder)
    return f"expires={until}&signature=" + base64.urlsafe_b64encode(mac).decode().rstrip("=")


def test_an_address_ends(farm, alice):
    media = image(alice, b"x")["mediaId"]
    about = alice.get(f"/media/{media}")
    ends = int(re.search(r"expires=(\d+)", about["downloadUrl"])[1])
    assert abs(ends - time.time() - farm.seconds("media.url_lifetime")) < 5
    key = (farm.run / "keys/media.key").stat()
    assert key.st_mode & 0o777 == 0o600 and key.st_size == 32

    def until(when):
        return f"/api/v1/media/{media}/content?{signed(farm, media, when)}"
    assert until(ends) == about["downloadUrl"]
    refused(fetch(alice, until(int(time.time()) - 1), 410).json)
    refused(fetch(alice, until(0), 410).json)


def test_without_expiry_or_signature_nothing_opens(alice, hundred):
    path = hundred.partition("?")[0]
    refused(fetch(alice, path + "?signature=x", 400).json, "expires")
    refused(fetch(alice, path + "?expires=1", 400).json, "signature")


# ---- who gets at a file -------------------------------------------------------------------------


def direct(alice, bob):
    return alice.say(bob)["conversationId"]


def test_strangers_are_told_of_no_file(alice, bob, nobody):
    media = image(alice, b"x")["mediaId"]
    bob.get(f"/media/{media}", 404)
    bob.get(f"/media/{fresh()}", 404)
    assert nobody.request("GET", f"/media/{media}").status == 401


def test_an_image_reaches_who_it_was_sent_to(alice, bob, carol):
    data = os.urandom(50_000)
    conversation = direct(alice, bob)
    with bob.listen() as live:
        media = image(alice, data)["mediaId"]
        bob.get(f"/media/{media}", 404)
        alice.post(f"/conversations/{conversation}/messages", {"messageId": fresh(), "mediaId": media, "encryptionInfo": "{}"}, 201)
        arrived = live.wait_for("message.new", mediaId=media)
    assert content(bob, arrived["mediaId"]) == data
    carol.get(f"/media/{media}", 404)


def test_a_video_reaches_who_it_was_sent_to(alice, bob, carol):
    data = os.urandom(50_000)
    media = video(alice, data, fileSize=str(len(data)))["mediaId"]
    sent = alice.post("/messages", {"recipientType": "user", "recipientId": bob.id, "mediaId": media, "clientMessageId": fresh(),
                                    "encryption": {}}, 201)
    shown = bob.get(f"/conversations/{sent['conversationId']}/messages", page=1, pageSize=5)
    assert [m["mediaId"] for m in shown["items"]] == [media]
    assert content(bob, media) == data
    carol.get(f"/media/{media}", 404)


def test_what_was_forwarded_is_there_for_the_next(alice, bob, carol):
    media = image(alice, b"forwarded")["mediaId"]
    sent = alice.post(f"/conversations/{direct(alice, bob)}/messages", {"messageId": fresh(), "mediaId": media}, 201)
    carol.get(f"/media/{media}", 404)
    bob.post(f"/messages/{sent['id']}/forward", {"recipients": [{"userId": carol.id}]}, 201)
    assert content(carol, media) == b"forwarded"


def test_members_see_what_was_sent_while_they_were_members(alice, bob, carol):
    group = alice.group(bob)
    media = image(alice, b"early")["mediaId"]
    alice.post(f"/conversations/{group}/messages", {"messageId": fresh(), "mediaId": media}, 201)
    alice.post(f"/groups/{group}/members", {"memberIds": [carol.id]})
    assert content(bob, media) == b"early"
    carol.get(f"/media/{media}", 404)


def test_a_deleted_message_takes_its_file_from_the_others(alice, bob):
    media = image(alice, b"regretted")["mediaId"]
    sent = alice.post(f"/conversations/{direct(alice, bob)}/messages", {"messageId": fresh(), "mediaId": media}, 201)
    assert content(bob, media) == b"regretted"
    alice.delete(f"/messages/{sent['id']}", {"scope": "everyone"})
    bob.get(f"/media/{media}", 404)


def test_what_is_viewed_once_is_not_fetched_by_the_usual_way(alice, bob):
    media = upload(alice, "/media", b"secret", mediaType="image")["mediaId"]
    alice.post("/messages", {"recipientId": bob.id, "mediaId": media, "viewOnce": True}, 201)
    bob.get(f"/media/{media}", 404)
    assert content(alice, media) == b"secret"


# ---- what nobody needs --------------------------------------------------------------------------


def age(farm, media, hours):
    farm.sql("UPDATE media SET created_at = created_at - make_interval(hours => %s), checked_at = checked_at"
             " - make_interval(hours => %s), deleted_at = deleted_at - make_interval(hours => %s) WHERE id = %s",
             hours, hours, hours, media)


@pytest.fixture
def jobs(farm):
    """The daemon starts anew, so that every job runs at once."""
    return lambda: farm.kill("jobs")


def gone(farm, media):
    return not farm.sql("SELECT 1 FROM media WHERE id = %s", media) and not blob(farm, media).exists()


def given_up(farm, media):
    return farm.sql("SELECT deleted_at FROM media WHERE id = %s", media)[0]["deleted_at"]


def test_files_that_nothing_names_are_removed(farm, alice, bob, jobs):
    named, deleted, unused, young = (image(alice, b"x")["mediaId"] for _ in range(4))
    conversation = direct(alice, bob)
    alice.post(f"/conversations/{conversation}/messages", {"messageId": fresh(), "mediaId": named}, 201)
    sent = alice.post(f"/conversations/{conversation}/messages", {"messageId": fresh(), "mediaId": deleted}, 201)
    alice.delete(f"/messages/{sent['id']}", {"scope": "everyone"})
    for media in (named, deleted, unused):
        age(farm, media, 25)
    url = address(alice, unused)
    jobs()
    eventually(lambda: given_up(farm, deleted) and given_up(farm, unused), within=20)
    alice.get(f"/media/{unused}", 404)
    refused(fetch(alice, url, 404).json)
    assert blob(farm, unused).exists(), "bytes go an hour later"
    for media in (deleted, unused):
        age(farm, media, 2)
    jobs()
    eventually(lambda: gone(farm, deleted) and gone(farm, unused), within=20)
    assert content(bob, named) == content(alice, young) == b"x"


def test_an_upload_that_never_ended_is_removed(farm, alice, jobs):
    media = image(alice, b"x")["mediaId"]
    farm.sql("UPDATE media SET sha256 = NULL, deleted_at = now() WHERE id = %s", media)  # as a worker leaves it that dies
    alice.get(f"/media/{media}", 404)
    age(farm, media, 2)
    jobs()
    eventually(lambda: gone(farm, media), within=20)


def test_a_file_that_was_sent_while_it_was_given_up_is_taken_back(farm, alice, bob, jobs):
    media = image(alice, b"late")["mediaId"]
    alice.post(f"/conversations/{direct(alice, bob)}/messages", {"messageId": fresh(), "mediaId": media}, 201)
    farm.sql("UPDATE media SET deleted_at = now() - interval '2 hours' WHERE id = %s", media)
    bob.get(f"/media/{media}", 404)
    jobs()
    eventually(lambda: not given_up(farm, media), within=20)
    assert content(bob, media) == b"late"
