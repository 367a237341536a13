"""Turning the second factor and the additional PIN on and off.  What they do at a sign-in is in test_signin.py."""
import concurrent.futures

import pytest

from lib.people import refused
from lib.signup import as_account, sign_in

FACTORS = [("2fa", "twoFactorEnabled", "314159"), ("pin", "pinEnabled", "8042")]


@pytest.fixture(params=FACTORS, ids=[name for name, *_ in FACTORS])
def factor(request, alice):
    """Path, name of the flag and a PIN of either kind."""
    name, flag, pin = request.param
    return f"/users/{alice.id}/{name}", flag, pin


def test_on_and_off(farm, nobody, alice, factor):
    path, flag, pin = factor
    off = alice.get(path)
    assert off["userId"] == alice.id and off[flag] is False and off["enabledAt"] is None
    on = alice.post(path, {"pin": pin}, expect=201)
    assert on["userId"] == alice.id and on[flag] is True
    assert alice.get(path)[flag] is True and alice.get(path)["enabledAt"] == on["enabledAt"]
    assert sign_in(farm, nobody, alice.phone)["status"] == "secondFactorRequired"
    alice.post(path, {"pin": pin}, expect=409)
    done = alice.delete(path, {"pin": pin})
    assert done["userId"] == alice.id and done[flag] is False
    assert alice.get(path)[flag] is False
    assert sign_in(farm, nobody, alice.phone)["status"] == "verified"
    alice.delete(path, {"pin": pin}, expect=404)


def test_me_is_the_caller(alice, factor):
    path, flag, pin = factor
    mine = path.replace(alice.id, "me")
    alice.post(mine, {"pin": pin})
    assert alice.get(path)[flag] and alice.get(mine)["userId"] == alice.id


def test_the_other_devices_are_told(farm, nobody, alice, factor):
    path, flag, pin = factor
    tablet = as_account(farm, sign_in(farm, nobody, alice.phone, "tablet"))
    with tablet.listen() as live, alice.listen() as own:
        alice.post(path, {"pin": pin})
        assert live.wait_for("account.security")[flag] is True
        alice.delete(path, {"pin": pin})
        assert live.wait_for("account.security")[flag] is False
        own.never("account.security")


def test_a_wrong_pin_changes_nothing_and_many_lock(farm, alice, factor):
    path, flag, pin = factor
    alice.post(path, {"pin": pin})
    wrong = pin[::-1]
    for left in range(int(farm.settings["pin.attempts"]) - 1, -1, -1):
        refused(alice.delete(path, {"pin": wrong}, expect=403), field="pin", attemptsLeft=left)
    reply = alice.request("DELETE", path, {"pin": pin})
    assert reply.status == 403 and refused(reply.json, field="pin")["nextAttemptAt"]
    assert 0 < int(reply.headers["retry-after"]) <= farm.seconds("pin.lock")
    assert alice.get(path)[flag] is True
    farm.sql("UPDATE account SET two_factor_next_attempt_at = least(two_factor_next_attempt_at, now()),"
             " pin_next_attempt_at = least(pin_next_attempt_at, now()) WHERE id = %s", alice.id)
    assert alice.delete(path, {"pin": pin})[flag] is False


def test_a_lock_ends_with_the_factor(farm, alice, factor):
    """A factor that is set anew begins with all attempts."""
    path, _, pin = factor
    alice.post(path, {"pin": pin})
    for _ in range(3):
        alice.delete(path, {"pin": pin[::-1]}, expect=403)
    alice.delete(path, {"pin": pin})
    alice.post(path, {"pin": pin})
    refused(alice.delete(path, {"pin": pin[::-1]}, expect=403), attemptsLeft=int(farm.settings["pin.attempts"]) - 1)


def test_of_requests_at_once_one_turns_it_on(alice, factor):
    path, _, pin = factor
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: alice.request("POST", path, {"pin": pin}), range(4)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]


def test_accounts_of_others_are_not_there(alice, bob, nobody, factor):
    path, flag, pin = factor
    for method, status in {"GET": 404, "POST": 404, "DELETE": 403, **({"PUT": 403} if "pin" in path else {})}.items():
        body = {"pin": pin, "currentPin": pin, "newPin": "99887"} if method != "GET" else None
        assert bob.request(method, path, body).status == status
        assert nobody.request(method, path, body).status == 401
    assert alice.get(path)[flag] is False


@pytest.mark.parametrize("bad", ["12345", "1234567", "12345a", "", "１２３４５６", 123456, None])
def test_the_second_factor_has_six_digits(alice, bad):
    path = f"/users/{alice.id}/2fa"
    body = {} if bad is None else {"pin": bad}
    refused(alice.post(path, body, expect=400), field="pin")
    alice.post(path, {"pin": "314159"})
    refused(alice.delete(path, body, expect=400), field="pin")


@pytest.mark.parametrize("bad", ["123", "123456789", "12a45", "", 8042, None])
def test_a_pin_has_four_to_eight_digits(alice, bad):
    path = f"/users/{alice.id}/pin"
    body = {} if bad is None else {"pin": bad}
    refused(alice.post(path, body, expect=400), field="pin")
    alice.post(path, {"pin": "80428042"})
    refused(alice.delete(path, body, expect=400), field="pin")
    change = {"currentPin": "80428042"} | ({} if bad is None else {"newPin": bad})
    refused(alice.put(path, change, expect=400), field="newPin")
    change = {"newPin": "80421"} | ({} if bad is None else {"currentPin": bad})
    refused(alice.put(path, change, expect=400), field="currentPin")


def test_a_pin_is_changed_by_who_knows_it(farm, nobody, alice):
    path = f"/users/{alice.id}/pin"
    alice.put(path, {"currentPin": "8042", "newPin": "77123"}, expect=404)
    alice.post(path, {"pin": "8042", "pinHint": "old"})
    refused(alice.put(path, {"currentPin": "1111", "newPin": "77123"}, expect=403), field="currentPin")
    refused(alice.put(path, {"currentPin": "8042", "newPin": "8042"}, expect=400), field="newPin")
    changed = alice.put(path, {"currentPin": "8042", "newPin": "77123", "pinHint": "new"})
    assert changed["pinEnabled"] is True and alice.get(path)["updatedAt"] == changed["updatedAt"]
    owed = sign_in(farm, nobody, alice.phone)
    assert owed["pinHint"] == "new"
    nobody.post("/auth/pin/verify", {"tempAuthToken": owed["tempAuthToken"], "pin": "8042"}, expect=401)
    nobody.post("/auth/pin/verify", {"tempAuthToken": owed["tempAuthToken"], "pin": "77123"})
    alice.put(path, {"currentPin": "77123", "newPin": "8042"})
    assert alice.get(path)["pinHint"] is None


def test_a_change_counts_wrong_pins_too(farm, alice):
    path = f"/users/{alice.id}/pin"
    alice.post(path, {"pin": "8042"})
    for _ in range(int(farm.settings["pin.attempts"])):
        alice.put(path, {"currentPin": "1111", "newPin": "77123"}, expect=403)
    refused(alice.put(path, {"currentPin": "8042", "newPin": "77123"}, expect=403), field="currentPin")


def test_a_hint_does_not_give_the_pin_away(alice):
    path = f"/users/{alice.id}/pin"
    refused(alice.post(path, {"pin": "8042", "pinHint": "it is 8042!"}, expect=400), field="pinHint")
    refused(alice.post(path, {"pin": "8042", "pinHint": "x" * 101}, expect=400), field="pinHint")
    alice.post(path, {"pin": "8042", "pinHint": "street"})
    refused(alice.put(path, {"currentPin": "8042", "newPin": "771234", "pinHint": "771234"}, expect=400),
            field="pinHint")
    assert alice.get(path)["pinHint"] == "street"


def test_pins_are_neither_stored_nor_logged(farm, alice):
    alice.post(f"/users/{alice.id}/2fa", {"pin": "918273"})
    alice.post(f"/users/{alice.id}/pin", {"pin": "81726354"})
    row = farm.sql("SELECT a::text AS t FROM account a WHERE id = %s", alice.id)[0]["t"].replace(alice.phone, "")
    logs = "".join(path.read_text(errors="replace") for path in (farm.run / "log").glob("*.log"))
    assert "81726354" not in row + logs and '"918273"' not in logs and "918273" not in row
