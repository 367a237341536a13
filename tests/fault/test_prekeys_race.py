"""A one-time prekey is handed out exactly once, however many ask at the same moment."""
import concurrent.futures


def test_fifty_parallel_takers_get_fifty_different_keys(alice, account):
    published = alice.publish_keys(one_time=50)["oneTimePreKeys"]
    takers = [account() for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        bundles = list(pool.map(lambda n: takers[n % 10].get(f"/crypto/prekeys/{alice.id}"), range(50)))
    assert sorted(bundle["oneTimePreKey"] for bundle in bundles) == sorted(published)
    takers[0].get(f"/crypto/prekeys/{alice.id}", expect=409)


def test_more_takers_than_keys_share_what_there_is(alice, account):
    published = alice.publish_keys(one_time=20)["oneTimePreKeys"]
    takers = [account() for _ in range(5)]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda n: takers[n % 5].request("GET", f"/crypto/prekeys/{alice.id}"), range(40)))
    taken = [reply.json["oneTimePreKey"] for reply in replies if reply.status == 200]
    assert sorted(taken) == sorted(published)
    assert {reply.status for reply in replies} == {200, 409}
