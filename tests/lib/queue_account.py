"""What a device that lives on its queue may get: the account of it, connection by connection (docs/relay.md, "The device's queue").

    device.begin()                                      # it has signed in
    fault = device.take(conversation, seq, message)     # None, "twice" or "early"
    device.acknowledge(1, [message])                    # it has said so …
    device.confirm(1)                                   # … and was answered: the message must never come again

A message that was not confirmed when its connection ended comes again; any other comes once.  On a connection each comes once and each
conversation in its order; so does what comes for the first time, over all connections.
"""
import collections
from dataclasses import dataclass, field


@dataclass
class Device:
    pushed: dict = field(default_factory=dict)          # message id -> on how many connections it came
    fetched: frozenset = frozenset()                    # it never needs REST
    said: set = field(default_factory=set)              # acknowledged, whether that arrived or not
    confirmed: set = field(default_factory=set)
    newest: dict = field(default_factory=dict)          # conversation -> seq of what came for the first time
    here: set = field(default_factory=set)              # on this connection
    newest_here: dict = field(default_factory=dict)
    told: dict = field(default_factory=dict)            # number of an acknowledgement -> messages, not answered yet
    empty: bool = False                                 # it knows that its queue was empty
    repeats: int = 0

    def begin(self):
        self.here, self.newest_here, self.told, self.empty = set(), {}, {}, False

    def take(self, conversation, seq, message):
        again = message in self.pushed
        if message in self.confirmed or message in self.here:
            return "twice"
        self.repeats += again
        self.pushed[message] = self.pushed.get(message, 0) + 1
        self.here.add(message)
        early = seq < self.newest_here.get(conversation, 0) or not again and seq < self.newest.get(conversation, 0)
        self.newest_here[conversation] = max(seq, self.newest_here.get(conversation, 0))
        self.newest[conversation] = max(seq, self.newest.get(conversation, 0))
        return "early" if early else None

    def acknowledge(self, number, messages):
        self.told[number] = messages
        self.said.update(messages)

    def confirm(self, number):
        self.confirmed.update(self.told.pop(number))

    def settled(self):
        """It knows that there is no more, and all it got was acknowledged: on this connection with an answer.

        What an earlier connection acknowledged may have been cut off before or after it had its effect."""
        return self.empty and self.here <= self.confirmed and len(self.said) == len(self.pushed)


def waiting(farm, people):
    """How many messages the queues of their devices still hold."""
    rows = farm.sql("SELECT count(*) AS n FROM unnest(%s::uuid[], %s::uuid[]) AS w (account, device),"
                    " LATERAL device_queue(w.account, w.device, 1000)", [p.id for p in people], [p.device for p in people])
    return rows[0]["n"]


def figures(devices):
    total = collections.Counter()
    for device in devices:
        total.update({"by queue": len(device.pushed), "acknowledged": len(device.confirmed), "came again": device.repeats})
    return dict(total)
