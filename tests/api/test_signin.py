"""Second steps of a sign-in, and sessions: refreshing, listing, ending."""
import concurrent.futures
import uuid

import pytest

from lib.people import refused
from lib.signup import alive, as_account, sign_in

PIN, DIGITS = "80421", "314159"


@pytest.fixture
def guarded(alice):
    """Alice with the second factor."""
    alice.post(f"/users/{alice.id}/2fa", {"pin": DIGITS})
    return alice


@pytest.fixture
def pinned(alice):
    """Alice with an additional PIN."""
    alice.post(f"/users/{alice.id}/pin", {"pin": PIN, "pinHint": "the old house"})
    return alice


def two_factor(nobody, owed, pin=DIGITS, expect=200, **other):
    body = {"userId": owed["userId"], "pin": pin, "loginSessionId": owed.get("loginSessionId"), **other}
    return nobody.post("/auth/2fa/verify", body, expect)


def pin(nobody, owed, digits=PIN, expect=200, **other):
    return nobody.post("/auth/pin/verify", {"tempAuthToken": owed.get("tempAuthToken"), "pin": digits, **other}, expect)


def expire_logins(farm, account):
    farm.sql("UPDATE login_session SET expires_at = now() - interval '1 second' WHERE account_id = %s", account.id)


def unlock(farm, account):
    """Let the time of a lock pass."""
    farm.sql("UPDATE account SET two_factor_next_attempt_at = least(two_factor_next_attempt_at, now()),"
             " pin_next_attempt_at = least(pin_next_attempt_at, now()) WHERE id = %s", account.id)


# ---- the second factor --------------------------------------------------------------------------


def test_with_the_second_factor_the_code_alone_opens_nothing(farm, nobody, guarded):
    owed = sign_in(farm, nobody, guarded.phone, "tablet")
    assert owed["status"] == "secondFactorRequired" and owed["userId"] == guarded.id
    assert owed["expiresIn"] == farm.seconds("login.lifetime")
    assert not {"accessToken", "refreshToken", "deviceId", "tempAuthToken"} & owed.keys()
    assert guarded.get("/auth/sessions")["totalItems"] == 1
    done = two_factor(nobody, owed)
    assert done["verified"] and done["userId"] == guarded.id
    tablet = as_account(farm, done)
    assert alive(tablet) and alive(guarded) and tablet.device == done["deviceId"]
    assert tablet.get("/auth/sessions")["items"][0]["deviceName"] == "tablet"
    assert tablet.post("/auth/refresh", {"refreshToken": done["refreshToken"]})["accessToken"]


def test_a_login_session_is_good_once_and_not_for_ever(farm, nobody, guarded):
    owed = sign_in(farm, nobody, guarded.phone)
    two_factor(nobody, owed)
    refused(two_factor(nobody, owed, expect=401), field="loginSessionId")
    late = sign_in(farm, nobody, guarded.phone)
    expire_logins(farm, guarded)
    refused(two_factor(nobody, late, expect=401), field="loginSessionId")
    refused(two_factor(nobody, late, expect=401, loginSessionId=str(uuid.uuid4())), field="loginSessionId")


def test_of_answers_at_once_one_signs_in(farm, nobody, guarded):
    owed = sign_in(farm, nobody, guarded.phone)
    body = {"userId": guarded.id, "pin": DIGITS, "loginSessionId": owed["loginSessionId"]}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: nobody.request("POST", "/auth/2fa/verify", body), range(4)))
    assert sorted(reply.status for reply in replies) == [200, 401, 401, 401]


def test_wrong_digits_lock_the_second_factor_for_a_while(farm, nobody, guarded):
    owed = sign_in(farm, nobody, guarded.phone)
    for left in range(int(farm.settings["pin.attempts"]) - 1, -1, -1):
        refused(two_factor(nobody, owed, "000000", expect=403), field="pin", attemptsLeft=left)
    body = {"userId": guarded.id, "pin": DIGITS, "loginSessionId": owed["loginSessionId"]}
    reply = nobody.request("POST", "/auth/2fa/verify", body)
    assert reply.status == 403 and refused(reply.json, field="pin", attemptsLeft=0)["nextAttemptAt"]
    assert farm.seconds("pin.lock") - 30 < int(reply.headers["retry-after"]) <= farm.seconds("pin.lock")
    # neither another sign-in nor one's own settings are a way around
    refused(two_factor(nobody, sign_in(farm, nobody, guarded.phone), expect=403), field="pin")
    refused(guarded.delete(f"/users/{guarded.id}/2fa", {"pin": DIGITS}, expect=403), field="pin")
    unlock(farm, guarded)
    refused(two_factor(nobody, owed, "000000", expect=403), attemptsLeft=int(farm.settings["pin.attempts"]) - 1)
    assert alive(as_account(farm, two_factor(nobody, owed)))


def test_the_right_digits_end_the_count(farm, nobody, guarded):
    for _ in range(2):
        owed = sign_in(farm, nobody, guarded.phone)
        for _ in range(int(farm.settings["pin.attempts"]) - 1):
            two_factor(nobody, owed, "000000", expect=403)
        two_factor(nobody, owed)


def test_guesses_at_once_are_counted_like_others(farm, nobody, guarded):
    owed = sign_in(farm, nobody, guarded.phone)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: two_factor(nobody, owed, f"{n:06d}", expect=403), range(32)))
    most = int(farm.settings["pin.attempts"])
    assert sum(answer["detail"].endswith("is wrong") for answer in answers) == most
    assert sorted(answer["attemptsLeft"] for answer in answers)[-most:] == list(range(most))


def test_the_login_session_belongs_to_one_account(farm, nobody, guarded, bob):
    owed = sign_in(farm, nobody, guarded.phone)
    for other in (bob.id, str(uuid.uuid4())):
        refused(two_factor(nobody, owed, expect=404, userId=other), field="userId")
    guarded.delete(f"/users/{guarded.id}/2fa", {"pin": DIGITS})
    two_factor(nobody, owed, expect=404)  # turned off meanwhile
    assert sign_in(farm, nobody, guarded.phone)["status"] == "verified"


@pytest.mark.parametrize("field,bad", [("pin", "12345"), ("pin", "1234567"), ("pin", "12345a"), ("pin", None),
                                       ("userId", "x"), ("userId", None), ("loginSessionId", None),
                                       ("loginSessionId", "")])
def test_a_bad_field_is_named(nobody, field, bad):
    body = {"userId": str(uuid.uuid4()), "pin": DIGITS, "loginSessionId": "x" * 43, field: bad}
    body = {name: value for name, value in body.items() if value is not None}
    refused(nobody.post("/auth/2fa/verify", body, expect=400), field=field)


# ---- the additional PIN -------------------------------------------------------------------------


def test_with_a_pin_the_code_alone_opens_nothing(farm, nobody, pinned):
    owed = sign_in(farm, nobody, pinned.phone, "tablet")
    assert owed["status"] == "secondFactorRequired" and owed["pinHint"] == "the old house"
    assert not {"accessToken", "refreshToken", "deviceId", "loginSessionId"} & owed.keys()
    done = pin(nobody, owed)
    assert done["expiresIn"] == farm.seconds("token.lifetime") and done["userId"] == pinned.id
    assert alive(as_account(farm, done))
    assert nobody.post("/auth/refresh", {"refreshToken": done["refreshToken"]})["accessToken"]
    refused(pin(nobody, owed, expect=404), field="tempAuthToken")


def test_wrong_pins_lock_the_pin_for_a_while(farm, nobody, pinned):
    owed = sign_in(farm, nobody, pinned.phone)
    for left in range(int(farm.settings["pin.attempts"]) - 1, -1, -1):
        refused(pin(nobody, owed, "000000", expect=401), field="pin", attemptsLeft=left)
    reply = nobody.request("POST", "/auth/pin/verify", {"tempAuthToken": owed["tempAuthToken"], "pin": PIN})
    assert reply.status == 403 and 0 < int(reply.headers["retry-after"]) <= farm.seconds("pin.lock")
    unlock(farm, pinned)
    assert alive(as_account(farm, pin(nobody, owed)))


def test_a_temporary_token_ends(farm, nobody, pinned):
    owed = sign_in(farm, nobody, pinned.phone)
    expire_logins(farm, pinned)
    refused(pin(nobody, owed, expect=404), field="tempAuthToken")
    refused(pin(nobody, {"tempAuthToken": "x" * 43}, expect=404), field="tempAuthToken")


@pytest.mark.parametrize("field,bad", [("pin", "123"), ("pin", "123456789"), ("pin", None), ("tempAuthToken", None),
                                       ("tempAuthToken", "not a token"), ("tempAuthToken", 5)])
def test_a_bad_field_of_the_pin_step_is_named(nobody, field, bad):
    body = {name: value for name, value in {"pin": PIN, "tempAuthToken": "x" * 43, field: bad}.items()
            if value is not None}
    refused(nobody.post("/auth/pin/verify", body, expect=400), field=field)


def test_who_turned_both_on_is_asked_for_both(farm, nobody, guarded):
    guarded.post(f"/users/{guarded.id}/pin", {"pin": PIN, "pinHint": "garden"})
    owed = sign_in(farm, nobody, guarded.phone, "tablet")
    assert "loginSessionId" in owed and "tempAuthToken" not in owed
    pin(nobody, {"tempAuthToken": owed["loginSessionId"]}, expect=404)  # steps are not skipped
    half = two_factor(nobody, owed)
    assert half["verified"] and half["pinHint"] == "garden" and not {"accessToken", "refreshToken"} & half.keys()
    assert guarded.get("/auth/sessions")["totalItems"] == 1
    tablet = as_account(farm, pin(nobody, half))
    assert alive(tablet) and tablet.get("/auth/sessions")["items"][0]["deviceName"] == "tablet"


# ---- refreshing ---------------------------------------------------------------------------------


def refresh(who, token, expect=200):
    return who.post("/auth/refresh", {"refreshToken": token}, expect)


def test_refreshing_goes_on_from_token_to_token(farm, nobody, alice):
    token, seen = alice.refresh, set()
    for _ in range(3):
        answer = refresh(nobody, token)
        assert answer["expiresIn"] == farm.seconds("token.lifetime")
        again = as_account(farm, {**answer, "userId": alice.id})
        assert (again.session, again.device) == (alice.session, alice.device) and alive(again)
        seen |= {token}
        token = answer["refreshToken"]
        assert token not in seen


def test_a_refresh_token_shown_again_ends_the_session(farm, nobody, alice):
    with alice.listen() as live:
        answer = refresh(nobody, alice.refresh)
        refresh(nobody, alice.refresh, expect=401)
        live.wait_closed()
    assert not alive(alice) and not alive(as_account(farm, {**answer, "userId": alice.id}))
    refresh(nobody, answer["refreshToken"], expect=401)


def test_unknown_and_expired_refresh_tokens_are_refused(farm, nobody, alice):
    refresh(nobody, "x" * 43, expect=401)
    refused(nobody.post("/auth/refresh", {}, expect=400), field="refreshToken")
    farm.sql("UPDATE session SET expires_at = now() WHERE id = %s", alice.session)
    refresh(nobody, alice.refresh, expect=401)


# ---- ending -------------------------------------------------------------------------------------


def test_logging_out_ends_the_session_at_once(farm, nobody, alice):
    tablet = as_account(farm, sign_in(farm, nobody, alice.phone, "tablet"))
    with alice.listen() as mine, tablet.listen() as other:
        assert alice.request("POST", "/auth/logout").status == 204
        mine.wait_closed()
        assert other.closed is None
    assert not alive(alice) and alive(tablet)
    alice.post("/auth/logout", expect=401)
    refresh(nobody, alice.refresh, expect=401)
    assert [session["sessionId"] for session in tablet.get("/auth/sessions")["items"]] == [tablet.session]


def test_logging_out_everywhere(farm, nobody, alice, bob):
    tablet = as_account(farm, sign_in(farm, nobody, alice.phone, "tablet"))
    with tablet.listen() as live:
        assert alice.post("/auth/logout-all") == {"ended": 2}
        live.wait_closed()
    assert not alive(alice) and not alive(tablet) and alive(bob)
    nobody.post("/auth/logout-all", expect=401)


def test_sessions_are_listed_and_ended_one_by_one(farm, nobody, alice):
    tablet = as_account(farm, sign_in(farm, nobody, alice.phone, "tablet"))
    laptop = as_account(farm, sign_in(farm, nobody, alice.phone, "laptop"))
    page = alice.get("/auth/sessions")
    assert page["totalItems"] == 3 and page["items"][0]["sessionId"] == alice.session
    assert [session["isCurrent"] for session in page["items"]] == [True, False, False]
    second = alice.get("/auth/sessions", page=2, pageSize=2)
    assert len(second["items"]) == 1 and (second["page"], second["pageSize"], second["totalItems"]) == (2, 2, 3)
    with tablet.listen() as live:
        assert alice.request("DELETE", f"/auth/sessions/{tablet.session}").status == 204
        live.wait_closed()
    assert not alive(tablet) and alive(laptop)
    alice.delete(f"/auth/sessions/{tablet.session}", expect=404)
    assert alice.get("/auth/sessions")["totalItems"] == 2


def test_sessions_of_others_are_not_there(alice, bob, nobody):
    alice.delete(f"/auth/sessions/{bob.session}", expect=404)
    assert alive(bob)
    refused(alice.delete("/auth/sessions/x", expect=400), field="sessionId")
    refused(alice.get("/auth/sessions", page=0, expect=400), field="page")
    nobody.get("/auth/sessions", expect=401)
    nobody.delete(f"/auth/sessions/{bob.session}", expect=401)
