"""Surface sentinal: signing up with names and a password, sessions, and a forgotten password."""
import time
import uuid

import pytest
from lib.farm import eventually
from lib.outside import MailServer
from lib.sentinal import PASSWORD, User, Visitor, named
from lib.signup import settings


@pytest.fixture
def ann(user):
    return user()


@pytest.fixture
def visitor(farm):
    return Visitor(farm)


def sign_up(visitor, expect=None, **fields):
    return visitor.post("/auth/register", {**User.fresh_names(), "password": PASSWORD, "device_id": str(uuid.uuid4()),
                                           **fields}, expect)


# ---- registering ---------------------------------------------------------------------------------


def test_a_new_account_is_signed_in_on_a_device_that_named_itself(farm, visitor):
    device = str(uuid.uuid4())
    answer = sign_up(visitor, device_id=device, device_type="tablet", device_name="Slate")
    assert answer["device_id"] == device
    [session] = User(farm, answer, None, None).get("/auth/sessions")["sessions"]
    assert {**session, "ip_address": None} | {"last_active": 0, "created_at": 0} == {
        "id": answer["session_id"], "device_id": device, "device_name": "Slate", "device_type": "tablet",
        "ip_address": None, "is_current": True, "last_active": 0, "created_at": 0}
    assert session["ip_address"] == "127.0.0.1"


def test_a_device_name_that_is_no_uuid_or_somebodys_gets_an_id(visitor, ann):
    assert uuid.UUID(sign_up(visitor, device_id="my phone")["device_id"])
    assert sign_up(visitor, device_id=ann.device)["device_id"] != ann.device
    assert ann.alive()


@pytest.mark.parametrize("field", ["email", "username", "phone_number"])
def test_names_are_held_once_however_they_are_spelt(visitor, user, field):
    ann = user(phone_number=f"+49151{uuid.uuid4().int % 10**8:08d}")
    taken = ann.names[field]
    named(sign_up(visitor, 409, **{field: taken.upper()}), field)


def test_a_proven_number_cannot_be_claimed_and_takes_a_claim_away(farm, visitor, account, user):
    phone = f"+49151{uuid.uuid4().int % 10**8:08d}"
    claimant = user(phone_number=phone)
    assert User.login(farm, claimant, identity=phone).id == claimant.id
    owner = account(phone)
    assert owner.id != claimant.id
    visitor.post("/auth/login", {"identity": phone, "password": PASSWORD, "device_id": "x"}, 401)
    named(sign_up(visitor, 409, phone_number=phone), "phone_number")


@pytest.mark.parametrize("field, value", [("email", "nobody"), ("username", "a b"), ("password", "short"),
                                          ("device_type", "toaster"), ("phone_number", "0151")])
def test_a_bad_field_is_named(visitor, field, value):
    error = named(sign_up(visitor, 422, **{field: value}), field)
    assert error["code"] == "VALIDATION_ERROR"


# ---- signing in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["email", "username", "phone_number"])
def test_each_name_signs_in(farm, user, name):
    ann = user(phone_number=f"+49151{uuid.uuid4().int % 10**8:08d}")
    assert User.login(farm, ann, identity=ann.names[name].upper()).id == ann.id


def test_a_wrong_password_and_an_unknown_name_look_alike(visitor, ann):
    def attempt(identity):
        return visitor.post("/auth/login", {"identity": identity, "password": "wrong password", "device_id": "x"}, 401)
    assert attempt(ann.names["username"]) == attempt("nobody-has-this")


def test_a_device_that_signs_in_again_ends_its_session_before(farm, ann):
    again = User.login(farm, ann, device=ann.device)
    assert again.device == ann.device and again.session != ann.session
    assert not ann.alive() and again.alive()


def test_an_account_with_a_pin_asks_for_it(farm, account, ann):
    """The PIN was set through another surface."""
    other = account()
    other.post(f"/users/{other.id}/pin", {"pin": "482915", "pinHint": "numbers"})
    farm.sql("UPDATE account SET username = %s, password_hash = (SELECT password_hash FROM account WHERE id = %s)"
             " WHERE id = %s", f"p{uuid.uuid4().hex[:12]}", ann.id, other.id)
    name = farm.sql("SELECT username FROM account WHERE id = %s", other.id)[0]["username"]
    body = {"identity": name, "password": PASSWORD, "device_id": "x"}
    visitor = Visitor(farm)
    named(visitor.post("/auth/login", body, 403), "pin")
    assert named(visitor.post("/auth/login", {**body, "pin": "111111"}, 401), "pin")["attemptsLeft"] > 0
    assert visitor.post("/auth/login", {**body, "pin": "482915"}, 200)["user_id"] == other.id


# ---- sessions ------------------------------------------------------------------------------------


def refresh(visitor, session, token, expect=200):
    return visitor.post("/auth/refresh", {"session_id": session, "refresh_token": token}, expect)


def test_refreshing_gives_new_tokens_of_the_same_session(farm, visitor, ann):
    fresh = refresh(visitor, ann.session, ann.refresh)
    assert fresh["refresh_token"] != ann.refresh
    ann.token = fresh["access_token"]
    assert ann.claims["sid"] == ann.session and ann.alive()


def test_a_refresh_token_belongs_to_its_session(farm, visitor, ann, user):
    other = User.login(farm, ann)
    assert refresh(visitor, other.session, ann.refresh, 401)["code"] == "UNAUTHORIZED"
    refresh(visitor, user().session, ann.refresh, 401)
    refresh(visitor, ann.session, ann.refresh)


def test_a_refresh_token_shown_again_ends_the_session(visitor, ann):
    refresh(visitor, ann.session, ann.refresh)
    refresh(visitor, ann.session, ann.refresh, 401)
    eventually(lambda: not ann.alive(), 2)


def test_tokens_of_other_surfaces_are_not_refreshed_here(visitor, alice):
    refresh(visitor, alice.session, alice.refresh, 401)


def test_the_lifetimes_are_the_documented_ones(farm, ann):
    assert ann.claims["exp"] - ann.claims["iat"] == 12 * 3600
    left = farm.sql("SELECT extract(epoch FROM expires_at - now()) AS s FROM session WHERE id = %s", ann.session)[0]["s"]
    assert 14 * 86400 - 60 < left <= 14 * 86400


def test_logging_out_ends_this_session_or_the_named_one(farm, ann):
    other = User.login(farm, ann)
    ann.post("/auth/logout", {"session_id": other.session})
    assert not other.alive() and ann.alive()
    assert ann.post("/auth/logout", {}) is None
    assert not ann.alive()


def test_other_peoples_sessions_cannot_be_ended(ann, user):
    bob = user()
    named(ann.post("/auth/logout", {"session_id": bob.session}, 404), "session_id")
    assert bob.alive()


def test_logging_out_everywhere(farm, ann):
    other = User.login(farm, ann)
    ann.post("/auth/logout-all")
    assert not ann.alive() and not other.alive()


def test_sessions_are_listed_with_the_current_one_marked(farm, ann, user):
    user()
    other = User.login(farm, ann)
    assert {s["id"]: s["is_current"] for s in ann.get("/auth/sessions")["sessions"]} == {
        ann.session: True, other.session: False}


# ---- a forgotten password ---------------------------------------------------------------------------


def forgot(visitor, identity):
    return visitor.post("/auth/password/forgot", {"identity": identity}, 200)


def reset(visitor, identity, code, expect=200, password="another password"):
    return visitor.post("/auth/password/reset", {"identity": identity, "new_password": password, "code": code}, expect)


def test_the_code_from_the_mail_sets_a_new_password(farm, visitor, ann):
    forgot(visitor, ann.names["username"])
    code = farm.otp(ann.names["email"])
    reset(visitor, ann.names["username"], code)
    assert not ann.alive()
    visitor.post("/auth/login", {"identity": ann.names["email"], "password": PASSWORD, "device_id": "x"}, 401)
    visitor.post("/auth/login", {"identity": ann.names["email"], "password": "another password", "device_id": "x"}, 200)
    reset(visitor, ann.names["username"], code, 403)


def test_the_mail_goes_out_and_its_text_is_forgotten(farm, visitor, ann):
    with MailServer() as mail:
        with settings(farm, "jobs", **{"smtp.url": mail.url, "smtp.from": "rookery@example.org"}):
            forgot(visitor, ann.names["email"])
            text = mail.got(ann.names["email"])
    assert farm.otp(ann.names["email"]) in text.get_payload(decode=True).decode()
    eventually(lambda: farm.sql("SELECT status, body FROM mail WHERE account_id = %s", ann.id) ==
               [{"status": "sent", "body": None}], 5)


def test_whether_there_is_an_account_does_not_show(farm, visitor, ann):
    assert forgot(visitor, "nobody-has-this") == forgot(visitor, ann.names["email"])
    took = {}
    for identity in [ann.names["email"], "nobody-has-this-either"] * 10:
        began = time.perf_counter()
        forgot(visitor, identity)
        took.setdefault(identity, []).append(time.perf_counter() - began)
    known, unknown = (sorted(times)[5] for times in took.values())
    assert known < 3 * unknown + 0.02 and unknown < 3 * known + 0.02, took
    reset(visitor, "nobody-has-this", "123456", 403)


def test_codes_are_not_to_be_guessed(farm, visitor, ann):
    forgot(visitor, ann.names["email"])
    code = farm.otp(ann.names["email"])
    wrong = f"{(int(code) + 1) % 10**len(code):0{len(code)}d}"
    for _ in range(5):
        named(reset(visitor, ann.names["email"], wrong, 403), "code")
    reset(visitor, ann.names["email"], code, 403)
    assert ann.alive()


def test_a_code_expires_and_only_the_newest_counts(farm, visitor, ann):
    forgot(visitor, ann.names["email"])
    old = farm.otp(ann.names["email"])
    forgot(visitor, ann.names["email"])
    code = farm.otp(ann.names["email"])
    if old != code:
        reset(visitor, ann.names["email"], old, 403)
    farm.sql("UPDATE password_reset SET expires_at = now() WHERE account_id = %s", ann.id)
    reset(visitor, ann.names["email"], code, 403)


def test_whoever_keeps_asking_does_not_void_the_code_that_was_sent(farm, visitor, ann):
    most = int(farm.settings["limit.codes"].partition("/")[0])
    for _ in range(most + 3):
        forgot(visitor, ann.names["email"])
    sent = farm.sql("SELECT count(*) AS n FROM mail WHERE account_id = %s", ann.id)[0]["n"]
    assert sent == most
    reset(visitor, ann.names["email"], farm.otp(ann.names["email"]))


def test_a_reset_without_a_code_is_refused(visitor, ann):
    body = {"identity": ann.names["email"], "new_password": "another password"}
    named(visitor.post("/auth/password/reset", body, 422), "code")


# ---- health and limits -------------------------------------------------------------------------------


def test_the_health_checks_answer_as_documented(farm):
    site = farm.site("sentinal")
    assert site.raw("GET", "/ping").json == {"success": True, "data": {"message": "pong"}}
    assert site.raw("GET", "/health").json == {"success": True, "data": {"status": "healthy"}}
    assert site.raw("GET", "/readyz").json == {"success": True, "data": {"status": "healthy"}}
    answer = site.raw("GET", "/goroutines").json
    assert set(answer) == {"goroutines"} and answer["goroutines"] >= 2


def test_health_fails_without_redis(farm):
    with farm.paused("redis"):
        for path in ("/health", "/readyz"):
            reply = farm.site("sentinal").raw("GET", path)
            assert reply.status == 503 and "Redis" in reply.json["error"], reply
            assert reply.json == {"success": False, "error": reply.json["error"], "code": "UNHEALTHY"}
    eventually(farm.ready)
