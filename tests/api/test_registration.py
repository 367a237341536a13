"""A phone number becomes an account: codes, their ends and limits, their delivery, and entering an account again."""
import base64
import concurrent.futures
import contextlib
import http.server
import re
import threading
import urllib.parse
import uuid

import pytest
from nacl.signing import SigningKey

from lib.farm import free_ports
from lib.people import Account, b64, refused
from lib.signup import alive, as_account, other_code, phone, settings, sign_in, start, verify

APP = "whatsapp-registration"


@pytest.fixture
def number():
    return phone()


def resend(nobody, started, expect=201, **body):
    return nobody.post(f"/phone-registrations/{started['registrationId']}/resend-otp", body, expect)


def age(farm, started, column):
    """Let a moment of a registration pass."""
    farm.sql(f"UPDATE phone_registration SET {column} = now() - interval '1 second' WHERE id = %s",
             started["registrationId"])


# ---- the way through ----------------------------------------------------------------------------


def test_a_verified_number_is_an_account_with_a_device_and_a_session(farm, nobody, number):
    started = start(nobody, number, deviceId="phone-1", locale="de-DE", deliveryChannel="sms")
    assert started["status"] == "pending" and started["expiresInSeconds"] == farm.seconds("otp.lifetime")
    answer = verify(nobody, started, farm.otp(number), devicePublicKey=b64(bytes(SigningKey.generate().verify_key)))
    assert answer["status"] == "verified" and answer["devicePublicKeyStored"]
    assert answer["expiresIn"] == farm.seconds("token.lifetime")
    me = as_account(farm, answer, number)
    assert me.id == answer["userId"] and me.device == answer["deviceId"]
    assert me.get("/auth/sessions")["items"][0]["deviceName"] == "phone-1"
    assert me.post("/auth/refresh", {"refreshToken": answer["refreshToken"]})["accessToken"]


def test_a_number_is_enough(farm, nobody, number):
    answer = verify(nobody, start(nobody, number), farm.otp(number))
    assert alive(as_account(farm, answer)) and not answer["devicePublicKeyStored"]


def test_what_is_no_public_key_is_not_kept(farm, nobody):
    for junk in ("not a key", b64(b"short"), b64(bytes(33))):
        number = phone()
        answer = verify(nobody, start(nobody, number), farm.otp(number), devicePublicKey=junk)
        assert not answer["devicePublicKeyStored"] and alive(as_account(farm, answer))


@pytest.mark.parametrize("bad", ["", "015112345678", "+49", "+4915112345678x", "+49 151 12345678", "+999123456789",
                                 "+491511234567890123", "4915112345678", "+", "++4915112345678"])
def test_numbers_no_telephone_can_have_are_refused(nobody, bad):
    refused(start(nobody, bad, expect=400), field="phoneNumber")


def test_a_field_that_is_missing_or_wrong_is_named(nobody, number):
    refused(nobody.post("/phone-registrations", {}, expect=400), field="phoneNumber")
    refused(start(nobody, 4915112345678, expect=400), field="phoneNumber")
    refused(start(nobody, number, deliveryChannel="pigeon", expect=400), field="deliveryChannel")
    refused(start(nobody, number, locale="?", expect=400), field="locale")
    refused(start(nobody, number, deviceId="", expect=400), field="deviceId")
    refused(start(nobody, number, purpose="fun", expect=400), field="purpose")
    started = start(nobody, number)
    path = f"/phone-registrations/{started['registrationId']}"
    refused(nobody.post(path + "/verify", {}, expect=400), field="otp")
    for bad in ("abc123", "12", "12345\n6", 123456, ""):
        refused(verify(nobody, started, bad, expect=400), field="otp")
    refused(resend(nobody, started, deliveryChannel="pigeon", expect=400), field="deliveryChannel")


def test_unknown_registrations_are_not_found(nobody):
    unknown = {"registrationId": str(uuid.uuid4())}
    verify(nobody, unknown, "123456", expect=404)
    resend(nobody, unknown, expect=404)
    refused(verify(nobody, {"registrationId": "x"}, "123456", expect=400), field="registrationId")
    refused(resend(nobody, {"registrationId": "x"}, expect=400), field="registrationId")


# ---- codes --------------------------------------------------------------------------------------


def test_wrong_codes_are_counted_and_close_the_registration(farm, nobody, number):
    started, most = start(nobody, number), int(farm.settings["otp.attempts"])
    code = farm.otp(number)
    for left in range(most - 1, 0, -1):
        refused(verify(nobody, started, other_code(code), expect=400), field="otp", attemptsLeft=left,
                nextStep="retry")
    refused(verify(nobody, started, other_code(code), expect=400), field="otp", attemptsLeft=0, nextStep="register")
    refused(verify(nobody, started, code, expect=400), field="otp", attemptsLeft=0, nextStep="register")
    age(farm, started, "next_send_at")
    resend(nobody, started, expect=409)
    assert verify(nobody, start(nobody, number), farm.otp(number))["status"] == "verified"


def test_guesses_at_once_are_counted_like_others(farm, nobody, number):
    started, code = start(nobody, number), farm.otp(number)
    guesses = [f"{n:06d}" for n in range(60) if f"{n:06d}" != code][:40]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda guess: verify(nobody, started, guess, expect=400), guesses))
    assert sorted(a["attemptsLeft"] for a in answers if a["attemptsLeft"]) == [1, 2, 3, 4]
    refused(verify(nobody, started, code, expect=400), nextStep="register")


def test_an_expired_code_is_replaced_by_another(farm, nobody, number):
    started, first = start(nobody, number), farm.otp(number)
    age(farm, started, "expires_at")
    refused(verify(nobody, started, first, expect=400), field="otp", nextStep="resend")
    age(farm, started, "next_send_at")
    again = resend(nobody, started, deliveryChannel="voice")
    assert again["status"] == "pending" and again["expiresInSeconds"] == farm.seconds("otp.lifetime")
    second = farm.otp(number)
    if second != first:
        verify(nobody, started, first, expect=400)
    assert verify(nobody, started, second)["status"] == "verified"


def test_a_code_ends_by_itself(farm, nobody, number):
    """Not only when a test sets the clock: the lifetime is what otp.lifetime says."""
    with settings(farm, APP, **{"otp.lifetime": "30s"}):
        started = start(nobody, number)
        assert started["expiresInSeconds"] == 30
        left = farm.sql("SELECT extract(epoch FROM expires_at - now()) AS s FROM phone_registration WHERE id = %s",
                        started["registrationId"])[0]["s"]
        assert 25 < left <= 30 and 25 < farm.redis.ttl(f"otp:{number}") <= 30


def test_the_next_code_takes_its_time(farm, nobody, number):
    started, code = start(nobody, number), farm.otp(number)
    reply = nobody.request("POST", f"/phone-registrations/{started['registrationId']}/resend-otp", {})
    assert reply.status == 429 and refused(reply.json)["nextAttemptAt"] > "2026"
    assert 0 < int(reply.headers["retry-after"]) <= farm.seconds("otp.resend") == started["resendAfterSeconds"]
    assert verify(nobody, started, code)["status"] == "verified"  # the code of before is still good


def test_one_registration_gets_so_many_codes(farm, nobody, number):
    started = start(nobody, number)
    for _ in range(int(farm.settings["otp.sends"]) - 1):
        age(farm, started, "next_send_at")
        resend(nobody, started)
    age(farm, started, "next_send_at")
    refused(resend(nobody, started, expect=429))
    assert verify(nobody, started, farm.otp(number))["status"] == "verified"


def test_one_number_gets_so_many_codes_an_hour(farm, nobody, number):
    count, window = map(int, farm.settings["limit.codes"].split("/"))
    started = [start(nobody, number) for _ in range(count - 1)]
    age(farm, started[0], "next_send_at")
    resend(nobody, started[0])
    reply = nobody.request("POST", "/phone-registrations", {"phoneNumber": number})
    assert reply.status == 429 and window - 60 < int(reply.headers["retry-after"]) <= window
    age(farm, started[1], "next_send_at")
    refused(resend(nobody, started[1], expect=429))
    farm.sql("UPDATE phone_registration SET created_at = now() - make_interval(secs => %s) WHERE phone = %s",
             window, number)
    assert verify(nobody, start(nobody, number), farm.otp(number))["status"] == "verified"


def test_a_code_is_taken_once(farm, nobody, number):
    started = start(nobody, number)
    code = farm.otp(number)
    verify(nobody, started, code)
    verify(nobody, started, code, expect=409)
    resend(nobody, started, expect=409)


def test_of_answers_at_once_one_makes_the_account(farm, nobody, number):
    started = start(nobody, number)
    code = farm.otp(number)
    path = f"/phone-registrations/{started['registrationId']}/verify"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: nobody.request("POST", path, {"otp": code}), range(8)))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 7


def test_codes_are_as_long_as_set(farm, nobody, number):
    with settings(farm, APP, **{"otp.digits": "8"}):
        started = start(nobody, number)
        code = farm.otp(number)
        assert re.fullmatch("[0-9]{8}", code)
        assert verify(nobody, started, code)["status"] == "verified"


def test_codes_are_neither_stored_nor_logged(farm, nobody, number):
    started = start(nobody, number)
    code = farm.otp(number)
    verify(nobody, started, other_code(code), expect=400)
    row = farm.sql("SELECT p::text AS t FROM phone_registration p WHERE id = %s", started["registrationId"])[0]["t"]
    assert code not in row.replace(number, "")
    answer = verify(nobody, started, code)
    logs = "".join(path.read_text(errors="replace") for path in (farm.run / "log").glob("*.log"))
    for secret in (f'"{code}"', answer["accessToken"], answer["refreshToken"], number):
        assert secret not in logs


# ---- numbers that have an account ---------------------------------------------------------------


def test_a_registered_number_is_refused_unless_it_signs_in(farm, nobody, alice):
    refused(start(nobody, alice.phone, expect=409), field="phoneNumber")
    answer = sign_in(farm, nobody, alice.phone, "tablet")
    again = as_account(farm, answer)
    assert again.id == alice.id and again.device != alice.device
    assert alive(again) and alive(alice)


def test_one_telephone_is_one_account_however_it_is_written(nobody, alice):
    refused(start(nobody, alice.phone.replace("+49", "+490"), expect=409), field="phoneNumber")


def test_signing_in_with_a_number_nobody_has_makes_the_account(farm, nobody, number):
    answer = sign_in(farm, nobody, number)
    assert answer["status"] == "verified" and alive(as_account(farm, answer))
    start(nobody, number, expect=409)


def test_of_two_who_register_a_number_the_first_to_verify_gets_it(farm, nobody, number):
    slow = start(nobody, number)
    code = farm.otp(number)
    verify(nobody, start(nobody, number), farm.otp(number))
    verify(nobody, slow, code, expect=409)


def test_the_other_devices_learn_of_the_new_one(farm, nobody, alice):
    with alice.listen() as live:
        answer = sign_in(farm, nobody, alice.phone, "tablet")
        assert live.wait_for("device.added", deviceId=answer["deviceId"])["deviceName"] == "tablet"


def test_a_device_that_signs_in_again_goes_on(farm, nobody, number):
    key = b64(bytes(SigningKey.generate().verify_key))
    first = as_account(farm, sign_in(farm, nobody, number, "phone", devicePublicKey=key))
    with first.listen() as live:
        second = as_account(farm, sign_in(farm, nobody, number, "phone", devicePublicKey=key))
        assert second.device == first.device and second.session != first.session
        live.wait_closed()
    assert alive(second) and not alive(first)
    first.post("/auth/refresh", {"refreshToken": first.refresh}, expect=401)


def test_a_fresh_installation_replaces_the_device(farm, nobody, alice):
    keys = [b64(bytes(SigningKey.generate().verify_key)) for _ in range(2)]
    old, new = (as_account(farm, sign_in(farm, nobody, alice.phone, "phone", devicePublicKey=key)) for key in keys)
    assert new.device != old.device and alive(new) and not alive(old)
    devices = {session["deviceId"] for session in new.get("/auth/sessions")["items"]}
    assert devices == {alice.device, new.device}


def test_when_an_account_has_all_its_devices_the_one_unseen_for_longest_goes(farm, nobody, alice):
    with settings(farm, APP, **{"device.max": "3"}):
        second, third, fourth = (as_account(farm, sign_in(farm, nobody, alice.phone, f"d{n}")) for n in range(3))
        assert not alive(alice) and alive(second) and alive(third) and alive(fourth)
        farm.sql("UPDATE device SET last_seen_at = now() - interval '1 day' WHERE id = %s", third.device)
        fifth = as_account(farm, sign_in(farm, nobody, alice.phone, "d9"))
        assert not alive(third) and alive(second) and alive(fourth) and alive(fifth)


def test_every_device_that_goes_is_signed_out_at_once(farm, nobody, alice):
    gone = [alice, *(as_account(farm, sign_in(farm, nobody, alice.phone, f"d{n}")) for n in range(2))]
    stays = as_account(farm, sign_in(farm, nobody, alice.phone, "d3"))
    with stays.listen() as live, settings(farm, APP, **{"device.max": "2"}):
        assert alive(as_account(farm, sign_in(farm, nobody, alice.phone, "d4")))
        for device in gone:
            live.wait_for("device.removed", deviceId=device.device)
            live.never("device.removed", within=0.1, deviceId=device.device)
    assert [alive(device) for device in [*gone, stays]] == [False, False, False, True]


# ---- delivery -----------------------------------------------------------------------------------


class Provider(http.server.BaseHTTPRequestHandler):
    """What a provider of texts and calls sees."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.got.append({"path": self.path, "auth": self.headers.get("Authorization"),
                                **{name: values[0] for name, values in form.items()}})
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(port=0):
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Provider) as server:
        server.got, server.status = [], 201
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextlib.contextmanager
def through(farm, port):
    with settings(farm, APP, secrets={"otp.secret": "s3cret"}, **{
            "otp.provider": "http", "otp.url": f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC1",
            "otp.account": "AC1", "otp.from": "+4930123456", "otp.timeout": "2s"}):
        yield


def code_in(text):
    return re.search("[0-9]{6}", re.sub(", ", "", text)).group()


def test_codes_go_out_through_the_provider(farm, nobody, number):
    with serving() as provider, through(farm, provider.server_port):
        started = start(nobody, number, locale="de-DE")
        text = provider.got[0]
        assert text["path"].endswith("/AC1/Messages.json") and (text["To"], text["From"]) == (number, "+4930123456")
        assert text["auth"] == "Basic " + base64.b64encode(b"AC1:s3cret").decode() and "Dein Code" in text["Body"]
        assert farm.redis.get(f"otp:{number}") is None
        age(farm, started, "next_send_at")
        resend(nobody, started, deliveryChannel="voice")
        call = provider.got[1]
        assert call["path"].endswith("/AC1/Calls.json") and call["To"] == number and "Dein Code" in call["Twiml"]
        age(farm, started, "next_send_at")
        resend(nobody, started)
        assert provider.got[2]["path"].endswith("Calls.json")  # the channel asked for last
        code = code_in(provider.got[2]["Twiml"])
        assert verify(nobody, started, code)["status"] == "verified"
    logs = "".join(path.read_text(errors="replace") for path in (farm.run / "log").glob("*.log"))
    assert code_in(text["Body"]) not in logs and "s3cret" not in logs and number not in logs


def test_other_languages_get_english(farm, nobody):
    with serving() as provider, through(farm, provider.server_port):
        for locale, words in (("fr_CA", "Votre code"), ("xx", "Your code"), (None, "Your code"), ("fro", "Your code")):
            start(nobody, phone(), **({"locale": locale} if locale else {}))
            assert words in provider.got[-1]["Body"]


def test_a_code_that_was_not_delivered_does_not_count(farm, nobody, number):
    with serving() as provider, through(farm, provider.server_port):
        provider.status = 400
        for _ in range(int(farm.settings["limit.codes"].split("/")[0]) + 1):
            refused(start(nobody, number, expect=502))
        provider.status = 201
        started = start(nobody, number)
        code = code_in(provider.got[-1]["Body"])
        age(farm, started, "next_send_at")
        for status, answer in ((400, 502), (503, 503)):
            provider.status = status
            refused(resend(nobody, started, expect=answer))
        assert verify(nobody, started, code)["status"] == "verified"  # the code that did arrive is still good


def test_a_provider_that_is_away_is_told_as_such(farm, nobody, number):
    with through(farm, free_ports(1)[0]):
        reply = nobody.request("POST", "/phone-registrations", {"phoneNumber": number})
        assert reply.status == 503 and int(reply.headers["retry-after"]) > 0
    assert Account.register(farm, number).phone == number
