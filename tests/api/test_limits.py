"""Every rate class stops whoever uses it too much, and nobody else."""
import collections
import concurrent.futures

import pytest

from lib.people import Account
from lib.refusal import Attempt, Refusals, shape_fault


@pytest.fixture
def classes(farm):
    """Operations by rate class."""
    found = collections.defaultdict(list)
    for document in farm.record.documents.values():
        for op in document.operations:
            found[op.node.get("x-limit", "general")].append(op)
    return found


@pytest.fixture
def clean(farm):
    yield
    farm.forget_limits()


def attempt(op):
    """A request that is counted and has no effect."""
    return Attempt(op, "counted", body=b"{" if op.body else None, query={"page": "x"},
                   headers={"Content-Type": "application/json"} if op.body else {})


def use_up(refusals, op, count):
    """Send up to count + 1 requests, many at once, and again if the window ended meanwhile; the last reply."""
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for _ in range(2):
            for reply in pool.map(lambda _: refusals.send(attempt(op)), range(count + 1)):
                if reply.status == 429:
                    return reply
    return reply


def test_each_class_has_an_end_and_says_when_it_begins_again(farm, classes, account, clean):
    for name, ops in classes.items():
        count, _, window = farm.settings[f"limit.{name}"].partition("/")
        if count == "0":
            continue
        ops = [op for op in ops if op.guarded]
        if not ops:
            continue
        greedy, modest = Refusals([account()]), Refusals([account()])
        reply = use_up(greedy, ops[0], int(count))
        assert reply.status == 429, f"{name}: {reply}"
        assert 0 < int(reply.headers["retry-after"]) <= int(window)
        assert reply.headers["ratelimit-limit"] == count and reply.headers["ratelimit-remaining"] == "0"
        for op in ops:
            refused = greedy.send(attempt(op))
            assert refused.status == 429 and not shape_fault(op.document.site.name, refused), f"{name}: {refused}"
        assert modest.send(attempt(ops[0])).status != 429


def test_an_address_without_an_account_is_limited_too(farm, classes, clean):
    op = next(op for op in classes["auth"] if not op.guarded)
    count = int(farm.settings["limit.auth"].partition("/")[0])
    stranger = Account.register(farm)
    assert use_up(Refusals([stranger]), op, count).status == 429
