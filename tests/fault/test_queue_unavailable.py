"""Without the database the queue says so, and loses nothing."""
from lib.farm import eventually


def test_the_queue_is_unavailable_while_the_database_is_away(farm, alice, bob):
    sent = bob.say(alice)["messageId"]
    farm.kill_all("postgres")
    alice.get("/queues", page=1, pageSize=5, expect=503)
    alice.get("/web/clients/config")  # needs no database
    eventually(lambda: alice.request("GET", "/queues", query={"page": 1, "pageSize": 5}).status == 200, within=60)
    assert [item["queueId"] for item in alice.get("/queues", page=1, pageSize=5)["items"]] == [sent]
