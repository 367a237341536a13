"""QR codes of profiles: that they can be scanned, lead to their owner, and end."""
import base64
import re
import struct
import subprocess
import uuid

import pytest

from lib.people import refused


def made(owner, expect=201, **more):
    return owner.post(f"/users/{owner.id}/qr-codes", more, expect)


def picture(code):
    return base64.b64decode(code["imageBase64"], validate=True)


def scanned(image, path):
    """What a scanner (zbar) reads in a picture."""
    path.write_bytes(image)
    return subprocess.run(["zbarimg", "--quiet", "--raw", "--oneshot", str(path)], capture_output=True, text=True,
                          check=True).stdout.strip()


def rastered(svg, zoom=8):
    """The picture of an SVG made of runs (MX YhNv1h-Nz), as a PBM."""
    side = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])
    dark = {(x + n, y) for x, y, run in (map(int, run) for run in re.findall(r"M(\d+) (\d+)h(\d+)v1", svg)) for n in range(run)}
    rows = [" ".join(str(int((x // zoom, y // zoom) in dark)) for x in range(side * zoom)) for y in range(side * zoom)]
    return f"P1\n{side * zoom} {side * zoom}\n".encode() + "\n".join(rows).encode() + b"\n"


def test_a_scanned_picture_leads_to_its_owner(farm, alice, bob, tmp_path):
    code = made(bob)
    link = scanned(picture(code), tmp_path / "code.png")
    assert link == code["deepLink"] and link.startswith(farm.settings["qr.link"])
    assert alice.post("/contacts/qr", {"qrToken": link.rpartition("/")[2]}, 201)["userId"] == bob.id


@pytest.mark.parametrize("size", [64, 65, 256, 300, 2048])
def test_a_png_has_the_size_asked_for_and_can_be_scanned(alice, size, tmp_path):
    code = made(alice, format="png", size=size)
    image = picture(code)
    assert image[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", image[16:24]) == (size, size)
    assert code["size"] == size and code["format"] == "png"
    assert size < 100 or scanned(image, tmp_path / "code.png") == code["deepLink"]


def test_an_svg_can_be_scanned(alice, tmp_path):
    code = made(alice, format="svg", size=500)
    svg = picture(code).decode()
    assert svg.startswith("<svg ") and 'width="500" height="500"' in svg and code["format"] == "svg"
    assert scanned(rastered(svg), tmp_path / "code.pbm") == code["deepLink"]


def test_no_two_codes_are_alike(alice):
    codes = [made(alice) for _ in range(5)]
    assert len({code["deepLink"] for code in codes}) == len({code["qrCodeId"] for code in codes}) == 5


def test_a_code_is_shown_again_as_it_was_made(alice):
    for form in ("png", "svg"):
        code = made(alice, format=form, size=200, validitySeconds=600)
        assert alice.get(f"/users/{alice.id}/qr-codes/{code['qrCodeId']}") == code
        assert alice.get(f"/users/me/qr-codes/{code['qrCodeId']}") == code


def test_a_code_lasts_as_long_as_it_was_asked_for(farm, alice):
    def lasts(code):
        return farm.sql("SELECT extract(epoch FROM expires_at - created_at)::integer AS s FROM qr_code WHERE id = %s",
                        code["qrCodeId"])[0]["s"]
    most = farm.seconds("qr.max_validity")
    assert [lasts(made(alice, validitySeconds=s)) for s in (60, 3600, most)] == [60, 3600, most]
    assert lasts(made(alice)) == min(farm.seconds("qr.validity"), most)
    refused(made(alice, 400, validitySeconds=most + 1), "validitySeconds")


def test_an_expired_code_is_gone(farm, alice, bob):
    code = made(alice, validitySeconds=60)
    farm.sql("UPDATE qr_code SET expires_at = now() - interval '1 second' WHERE id = %s", code["qrCodeId"])
    refused(alice.get(f"/users/me/qr-codes/{code['qrCodeId']}", 410))
    bob.post("/contacts/qr", {"qrToken": code["deepLink"].rpartition("/")[2]}, 404)


def test_a_code_is_its_owners_alone(alice, bob):
    code = made(alice)
    bob.get(f"/users/{alice.id}/qr-codes/{code['qrCodeId']}", 404)
    bob.get(f"/users/{bob.id}/qr-codes/{code['qrCodeId']}", 404)
    bob.post(f"/users/{alice.id}/qr-codes", {}, 404)
    alice.get(f"/users/me/qr-codes/{uuid.uuid4()}", 404)
    alice.get("/users/me/qr-codes/x", 404)
    alice.post(f"/users/{uuid.uuid4()}/qr-codes", {}, 404)


@pytest.mark.parametrize("field, value", [
    ("format", "gif"), ("format", ""), ("format", 1), ("size", 63), ("size", 2049), ("size", "256"), ("size", 256.5),
    ("size", -1), ("validitySeconds", 59), ("validitySeconds", 0), ("validitySeconds", -60), ("validitySeconds", "1h"),
    ("validitySeconds", 2 ** 62)])
def test_what_makes_no_code_is_refused(alice, field, value):
    refused(made(alice, 400, **{field: value}), field)


def test_codes_end_for_a_while(farm, alice, bob):
    count, _, window = farm.settings["limit.qr"].partition("/")
    for _ in range(int(count)):
        made(alice)
    reply = alice.request("POST", f"/users/{alice.id}/qr-codes", {})
    assert reply.status == 429 and 0 < int(reply.headers["retry-after"]) <= int(window)
    made(bob)
