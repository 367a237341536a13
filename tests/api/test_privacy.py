"""Settings that decide what others learn: tested by what they learn."""
import pytest

from lib.devices import add_device
from lib.people import refused

RECEIPTS = "/users/me/settings/read-receipts"


@pytest.fixture
def talk(alice, bob):
    return alice.say(bob)["conversationId"]


def test_receipts_are_told_until_switched_off(alice, bob, talk):
    assert bob.get(RECEIPTS)["globalEnabled"] is True
    assert bob.put(RECEIPTS, {"globalEnabled": False}, 200)["globalEnabled"] is False
    with alice.listen() as live:
        bob.post(f"/conversations/{talk}/read", {})
        live.never("message.read")
        bob.put(RECEIPTS, {"globalEnabled": True})
        alice.say(bob)
        bob.post(f"/conversations/{talk}/read", {})
        assert live.wait_for("message.read")["data"]["seq"] == 2


def test_a_conversation_may_differ(alice, bob, talk):
    other = {"conversationId": talk, "enabled": False}
    assert bob.put(RECEIPTS, {"conversationOverrides": [other]}, 200)["conversationOverrides"] == [other]
    with alice.listen() as live:
        bob.post(f"/conversations/{talk}/read", {})
        live.never("message.read")
    assert bob.put(RECEIPTS, {"conversationOverrides": [{**other, "enabled": None}]})["conversationOverrides"] == []


def test_what_is_no_settings_changes_nothing(alice, bob, carol, talk):
    refused(bob.put(RECEIPTS, {"globalEnabled": "no"}, 400), "globalEnabled")
    refused(bob.put(RECEIPTS, {"conversationOverrides": [{"enabled": True}]}, 400), "conversationOverrides[0].conversationId")
    bob.put(RECEIPTS, {}, 400)
    refused(carol.put(RECEIPTS, {"globalEnabled": False, "conversationOverrides": [{"conversationId": talk, "enabled": True}]},
                      400), "conversationOverrides")
    assert carol.get(RECEIPTS)["globalEnabled"] is True


def test_settings_changed_elsewhere_are_a_conflict(alice):
    seen = alice.get(RECEIPTS)["updatedAt"]
    alice.put(RECEIPTS, {"globalEnabled": False, "updatedAt": seen}, 200)
    refused(alice.put(RECEIPTS, {"globalEnabled": True, "updatedAt": seen}, 409), "updatedAt")
    assert alice.get(RECEIPTS)["globalEnabled"] is False


def test_settings_are_ones_own(alice, bob):
    alice.get(f"/users/{bob.id}/settings/read-receipts", expect=403)
    alice.put(f"/users/{bob.id}/settings/read-receipts", {"globalEnabled": False}, 403)
    assert bob.get(RECEIPTS)["globalEnabled"] is True


# ---- who learns whether somebody is online; what it does is in test_presence.py -------------------


def test_who_learns_of_presence_is_kept_with_its_lists(alice, bob, carol):
    path = "/users/me/presence-visibility"
    assert alice.get(path)["visibility"] == "everyone"
    assert alice.put(path, {"visibility": "custom", "customAllowList": [bob.id], "customDenyList": [carol.id]}) \
        .items() >= {"customAllowListCount": 1, "customDenyListCount": 1}.items()
    assert [u["userId"] for u in alice.get(path + "/allowed-users", page=1, pageSize=5)["items"]] == [bob.id]
    assert [u["userId"] for u in alice.get(path + "/denied-users", page=1, pageSize=5)["items"]] == [carol.id]
    assert alice.put(path, {"customAllowList": [carol.id]})["customDenyListCount"] == 0, "from one list to the other"
    assert alice.get(path + "/denied-users", page=1, pageSize=5)["total"] == 0
    assert alice.put(path, {"visibility": "nobody"})["visibility"] == "nobody"
    alice.get(f"/users/{bob.id}/presence-visibility", expect=403)
    alice.get(f"/users/{bob.id}/presence-visibility/allowed-users", page=1, pageSize=5, expect=403)
    alice.put(f"/users/{bob.id}/presence-visibility", {"visibility": "nobody"}, 403)
    assert bob.get(path)["visibility"] == "everyone"


def test_other_devices_learn_of_the_setting(alice):
    with alice.listen() as live:
        add_device(alice).put("/users/me/presence-visibility", {"visibility": "contacts"})
        assert live.wait_for("privacy.presence")["visibility"] == "contacts"
