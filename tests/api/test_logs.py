"""What must never stand in a log: tokens, codes, PINs and what people write."""
import secrets

from lib.farm import eventually
from lib.people import Account, Caller, b64, phone


def logs(farm):
    return "".join(path.read_text(errors="replace") for path in (farm.run / "log").glob("*.log"))


def test_secrets_reach_no_log(farm, alice, bob):
    pin = f"{secrets.randbelow(10**8):08d}"
    text = b64(secrets.token_bytes(30))
    alice.post("/users/me/pin", {"pin": pin}, 201)
    alice.put("/users/me/pin", {"currentPin": pin[::-1], "newPin": pin}, 403)
    alice.say(bob, text)
    alice.post("/messages", {"recipientId": "nobody", "ciphertext": text}, 400)
    alice.request("GET", f"/messages?page=x&pageSize={text}")

    number = phone()
    started = Caller(farm).post("/phone-registrations", {"phoneNumber": number, "deviceId": "x", "deliveryChannel": "sms"})
    code = farm.otp(number)
    wrong = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"
    path = f"/phone-registrations/{started['registrationId']}/verify"
    Caller(farm).post(path, {"otp": wrong}, 400)
    late = Account(farm, Caller(farm).post(path, {"otp": code}, 201))
    late.post("/auth/refresh", {"refreshToken": late.refresh + "x"}, 401)
    last = alice.request("GET", "/nothing-that-exists", headers={"X-Request-ID": f"last-{alice.id}"})
    assert last.status == 404

    eventually(lambda: f"last-{alice.id}" in logs(farm))
    written = logs(farm)
    for what, secret in {"token": alice.token, "refresh token": alice.refresh, "other token": late.token,
                         "other refresh token": late.refresh, "PIN": f'"{pin}"', "code": f'"{code}"',
                         "wrong code": f'"{wrong}"', "message": text}.items():
        assert secret not in written, f"the {what} stands in a log"
