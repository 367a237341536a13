"""Surface sentinal under its documented limits, in a farm whose settings nobody has touched."""
import uuid

import pytest
from lib.farm import Farm
from lib.sentinal import User, Visitor


@pytest.fixture(scope="module")
def strict():
    with Farm.private() as farm:
        yield farm


@pytest.fixture(scope="module")
def pair(strict):
    return User.register(strict), User.register(strict)


def use_up(limit, request):
    """Ask until it is refused; a minute that ends meanwhile may double what is allowed."""
    for good in range(2 * limit + 1):
        reply = request()
        if reply.status == 429:
            break
    assert limit <= good <= 2 * limit, f"{good} before the refusal"
    assert reply.json == {"success": False, "error": reply.json["error"], "code": "RATE_LIMIT_EXCEEDED"}
    assert 0 < int(reply.headers["retry-after"]) <= 60
    assert reply.headers["ratelimit-limit"] == str(limit) and reply.headers["ratelimit-remaining"] == "0"


def test_thirty_messages_a_minute(pair):
    ann, ben = pair
    talk = ann.direct(ben)
    body = {"conversation_id": talk, "ciphertexts": [{"recipient_device_id": ben.device, "ciphertext": "aGk="}]}
    use_up(30, lambda: ann.request("POST", "/messages", body))
    assert ben.say(talk, ann)["sequence_number"] >= 31, "others are not concerned"


def test_ten_calls_a_minute(pair):
    ann, ben = pair
    body = {"conversation_id": ann.direct(ben), "type": "AUDIO", "initiator_id": ann.id}
    use_up(10, lambda: ann.request("POST", "/calls", body))


def test_a_hundred_requests_a_minute(pair):
    ann, ben = pair
    use_up(100, lambda: ben.request("GET", "/users/me"))
    assert ann.get("/users/me")["id"] == ann.id


def test_five_sign_ins_a_minute_from_one_address(strict, pair):
    visitor = Visitor(strict)
    body = {"identity": str(uuid.uuid4()), "password": "wrong password", "device_id": "x"}
    strict.forget_limits()
    use_up(5, lambda: visitor.request("POST", "/auth/login", body))
    for path, more in (("register", {}), ("refresh", {}), ("password/forgot", {}), ("password/reset", {})):
        assert visitor.request("POST", f"/auth/{path}", more).status == 429, path


def test_health_checks_are_not_limited(strict):
    site = strict.site("sentinal")
    assert {site.raw("GET", "/ping").status for _ in range(150)} == {200}


