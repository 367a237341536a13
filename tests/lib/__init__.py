"""What every test needs to speak with a farm: start one, be someone in it, listen, and look behind it.

    def test_a_message_arrives(alice, bob):
        with bob.listen() as live:
            sent = alice.say(bob, "hello")
            assert live.wait_for("message.new", messageId=sent["messageId"])

Lowest first: `wire` (HTTP), `openapi` (the documents a farm serves), `record` (what was exercised), `live`
(WebSockets), `people` (accounts and devices), `farm` (a private farm and what lies behind it).
"""
