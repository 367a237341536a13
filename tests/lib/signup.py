"""Signing up and in, step by step, and apps under other settings.

    started = start(nobody, number, purpose="signin")
    owed = verify(nobody, started, farm.otp(number))
    with settings(farm, "whatsapp-registration", **{"otp.digits": "8"}):
        ...
"""
import contextlib
import os

from lib.people import Account, phone


def start(nobody, number, expect=201, **more):
    return nobody.post("/phone-registrations", {"phoneNumber": number, **more}, expect)


def verify(nobody, started, code, expect=201, **more):
    return nobody.post(f"/phone-registrations/{started['registrationId']}/verify", {"otp": code, **more}, expect)


def sign_in(farm, nobody, number, device=None, **more):
    """Prove a number that has an account: tokens, or what is owed for them."""
    device = {"deviceId": device} if device else {}
    started = start(nobody, number, purpose="signin", **device)
    return verify(nobody, started, farm.otp(number), **more)


def as_account(farm, answer, number=None):
    return Account(farm, answer, number)


def other_code(code):
    """A wrong code that is as long."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def alive(account):
    """Does the account's access token still open doors?"""
    reply = account.request("GET", "/auth/sessions")
    assert reply.status in (200, 401), reply
    return reply.status == 200


@contextlib.contextmanager
def settings(farm, app, secrets=None, **values):
    """An app under other settings: written to the settings file, in force after its restart, taken back at the end."""
    conf, keys = farm.run / "rookery.conf", farm.run / "keys"
    before, made = conf.read_bytes(), [keys / name for name in secrets or {}]
    assert not any(f"ROOKERY_{name.upper().replace('.', '_')}" in (farm.run / "env").read_text() for name in values)
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    conf.write_bytes(before + b"\n" + lines.encode())
    for path in made:
        path.write_text(secrets[path.name])
        path.chmod(0o600)
        with contextlib.suppress(PermissionError):
            os.chown(path, keys.stat().st_uid, keys.stat().st_gid)
    try:
        restart(farm, app)
        yield
    finally:
        conf.write_bytes(before)
        for path in made:
            path.unlink()
        restart(farm, app)


def restart(farm, app):
    done = farm.rookery("restart", app)
    assert done.returncode == 0, done.stdout


__all__ = ["alive", "as_account", "other_code", "phone", "settings", "sign_in", "start", "verify"]
