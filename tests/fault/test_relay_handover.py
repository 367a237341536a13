"""The relay is replaced by a new binary, and no client notices; what fails on the way leaves the old one at work."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

from lib.audience import Audience
from lib.farm import Farm, eventually
from lib.live import Raw
from lib.sentinal import User

TEXT, PING, PONG = 1, 9, 10


@pytest.fixture
def url(farm):
    return f"ws://{farm.site().host}:{farm.site().port}/api/v1/ws"


def restart(farm):
    done = farm.rookery("restart", "relay")
    assert done.returncode == 0, done.stdout


def processes(farm):
    """Those that serve or will; the master also tries the binary in a process."""
    pids = set()
    for pid in farm.children(farm.pid("wsrelay")):
        with contextlib.suppress(FileNotFoundError):
            if "--check" not in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                pids.add(pid)
    return pids


def test_hundreds_of_receivers_notice_nothing(farm):
    with Audience(farm, people=20, each=15) as audience:
        before, all_seen = farm.pid("wsrelay"), processes(farm)
        with audience.talking():
            for _ in range(5):
                time.sleep(0.5)
                restart(farm)
                fresh = processes(farm)
                assert not fresh & all_seen, "each time it is another process"
                all_seen |= fresh
            time.sleep(0.5)
        assert farm.pid("wsrelay") == before, "and the master is the same"
        assert len(audience.sent) > 50
        audience.check()


class Arrivals(threading.Thread):
    """People who connect, sign in and leave all the time; the first failure is kept."""

    def __init__(self, account):
        super().__init__(daemon=True)
        self.account, self.count, self.failure, self.stopped = account, 0, None, threading.Event()

    def run(self):
        cursor = None
        try:
            while not self.stopped.is_set():
                with self.account.listen(cursor) as live:
                    assert live.hello["recovered"] is (cursor is not None)
                    cursor = live.cursor
                    self.count += 1
        except Exception as failure:
            self.failure = failure


def test_whoever_is_just_signing_in_gets_through(farm, account):
    arrivals = [Arrivals(account()) for _ in range(8)]
    for one in arrivals:
        one.start()
    for _ in range(4):
        time.sleep(0.4)
        restart(farm)
    for one in arrivals:
        one.stopped.set()
        one.join(20)
    assert not [one.failure for one in arrivals if one.failure]
    assert sum(one.count for one in arrivals) > 50


def test_half_read_input_goes_on_in_the_new_process(farm, alice):
    """Half a request, half a frame's head, half a message, half a fragmented one with a character cut in two."""
    site = farm.site()
    clients = [Raw(site.host, site.port) for _ in range(3)]
    for client in clients:
        client.say(type="auth", token=alice.token)
        assert b'"ready"' in client.until(TEXT)
    half = socket.create_connection((site.host, int(farm.settings["relay.port"]) or site.port))
    request = (f"GET /api/v1/ws HTTP/1.1\r\nHost: {site.host}:{site.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
    half.sendall(request[:60])
    clients[0].frame(TEXT, '{"type": "ping", "x": "\u00e4"}'.encode()[:-3], fin=False)  # the character is not whole
    text = b'{"type": "ping"}'
    head = bytes([0x80 | TEXT, 0x80 | len(text), 0, 0, 0, 0])
    clients[1].socket.sendall(head[:1])
    clients[2].socket.sendall(head + text[:5])
    time.sleep(0.3)
    restart(farm)
    clients[0].frame(0, '{"type": "ping", "x": "\u00e4"}'.encode()[-3:])
    clients[1].socket.sendall(head[1:] + text)
    clients[2].socket.sendall(text[5:])
    for client in clients:
        assert b'"pong"' in client.until(TEXT)
        client.socket.close()
    half.sendall(request[60:])
    assert half.recv(4096).startswith(b"HTTP/1.1 101")
    half.close()


def test_a_receiver_that_does_not_read_gets_everything_later(farm, account):
    """Its socket is full: what the old process had encoded and what only the log holds comes from the new one."""
    alice, bob = account(), account()
    slow = Raw("relay", 80, unix=farm.run / "ws/whatsapp.sock")
    slow.say(type="auth", token=bob.token)
    assert b'"ready"' in slow.until(TEXT)
    sent = []
    for n in range(80):
        sent.append(alice.say(bob, "x" * 40000)["messageId"])
        slow.frame(PONG)  # it lives, but does not read
        if n in (50, 70):
            restart(farm)
    got = []
    slow.socket.settimeout(10)
    while len(got) < len(sent):
        frame = json.loads(slow.until(TEXT))
        if frame["type"] == "message.new":
            got.append(frame["data"]["messageId"])
    assert got == sent
    slow.socket.close()


def test_a_session_that_ends_is_fenced_by_the_new_process_too(farm, url, account):
    alice = account()
    with alice.listen() as live:
        restart(farm)
        live.send({"type": "auth", "token": alice.token})
        live.wait_for("renewed")
        alice.post("/auth/logout", {})
        assert live.wait_closed() == 4403


def test_sockets_of_every_surface_go_along(farm):
    """Another dialect: a socket of the surface sentinal lives, and hears what happens afterwards."""
    ann, ben = User.register(farm), User.register(farm)
    talk = ann.direct(ben)
    with ben.listen() as live:
        restart(farm)
        sent = ann.say(talk, ben)
        live.wait_for("message:new", message_id=sent["id"])
        assert live.closed is None


def test_silence_is_still_noticed(farm, account):
    """Times of pings and of silence go along."""
    idle = farm.seconds("relay.idle")
    if idle > 10:
        pytest.skip("relay.idle is long in this farm")
    with Raw(farm.site().host, farm.site().port) as silent:
        silent.say(type="auth", token=account().token)
        assert b'"ready"' in silent.until(TEXT)
        begun = time.monotonic()
        restart(farm)
        silent.socket.settimeout(idle + 5)
        assert silent.close_code() == 4408
        assert time.monotonic() - begun < idle + 3


def test_wrong_settings_leave_the_old_one_at_work(farm, alice, bob):
    conf = farm.run / "rookery.conf"
    good = conf.read_text()
    with bob.listen() as live:
        try:
            conf.write_text(good + "\nrelay.ping = never\n")
            before = processes(farm)
            master = farm.pid("wsrelay")
            os.kill(master, signal.SIGHUP)
            eventually(lambda: "its check ended with status 1" in (farm.run / "log/wsrelay.log").read_text())
            assert processes(farm) == before and farm.pid("wsrelay") == master
        finally:
            conf.write_text(good)
        sent = alice.say(bob)
        live.wait_for("message.new", messageId=sent["messageId"])
        restart(farm)
        assert live.closed is None


def kill_all_but(farm, old):
    """Kill every other process of the relay; whether there is none left."""
    for pid in processes(farm) - old:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return processes(farm) == old


def test_a_new_process_that_dies_leaves_the_old_one_at_work(farm, alice, bob):
    """Redis stands still, so the new process cannot be ready; then it is killed."""
    with bob.listen() as live:
        old = processes(farm)
        with farm.paused("redis"):
            os.kill(farm.pid("wsrelay"), signal.SIGHUP)
            eventually(lambda: processes(farm) - old)
            time.sleep(1)  # the first one was the look at the new binary (--check)
            assert old <= processes(farm), "the old one waits for the new one to be ready"
            eventually(lambda: kill_all_but(farm, old))
        eventually(farm.ready, within=15)
        sent = alice.say(bob)
        live.wait_for("message.new", messageId=sent["messageId"])
        restart(farm)
        live.send({"type": "ping"})
        live.wait_for("pong")
        assert live.closed is None


def is_over_or_answers(live):
    """The one state that must not be is the third: open, and nobody there."""
    if live.closed is None:
        live.send({"type": "ping"})
        live.wait_for("pong")
    return True


def begin_loading(farm, old):
    """The new processes.  The look at the new binary (--check) is a process, too, and ends."""
    os.kill(farm.pid("wsrelay"), signal.SIGHUP)
    log = farm.run / "log/wsrelay.log"
    return eventually(lambda: [pid for pid in processes(farm) - old if f'"pid":{pid},"msg":"started"' in log.read_text()], every=0.005)


def sockets(pid):
    """By their names, which they keep in whatever process they are."""
    names = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            names.add(os.readlink(fd))
    return {name for name in names if name.startswith("socket:")}


@contextlib.contextmanager
def halfway(farm, lives):
    """Half of them have been handed over.  The others wait for answers, and stay with the old process until then."""
    old, = processes(farm)
    clients = sockets(old) - sockets(farm.pid("wsrelay"))
    with farm.paused("whatsapp-queues"):
        for live in lives[::2]:
            live.send({"type": "request", "id": 1, "method": "GET", "path": "/api/v1/queues?page=1&pageSize=1"})
            live.send({"type": "ping"})
            live.wait_for("pong")
        os.kill(farm.pid("wsrelay"), signal.SIGHUP)
        eventually(lambda: any(len(sockets(pid) & clients) == len(lives) // 2 for pid in processes(farm) - {old}))
        yield


def kill_master(farm):
    """Those that end with it."""
    pids = {farm.pid("wsrelay"), *processes(farm)}
    farm.kill("wsrelay")
    return pids


def kill_while_loading(farm, old, lives):
    """Its process cannot be ready, for Redis stands still."""
    with farm.paused("redis"):
        begin_loading(farm, old)
        return kill_master(farm)


def kill_while_handing_over(farm, old, lives):
    with halfway(farm, lives):
        return kill_master(farm)


def kill_its_process_while_handing_over(farm, old, lives):
    with halfway(farm, lives):
        new = processes(farm) - old
        kill_all_but(farm, old)
        eventually(lambda: gone(new))  # what is answered while it dies would be handed to it
    return set()


def kill_right_afterwards(farm, old, lives):
    restart(farm)
    return old | kill_master(farm)


def kill_its_process_right_afterwards(farm, old, lives):
    restart(farm)
    kill_all_but(farm, old)
    return old


def kill_all_of_it(farm, old, lives):
    """The new master and its process at once, as a binary would that fails wherever it runs; the old process is left alone."""
    with farm.paused("redis"):
        pids = {farm.pid("wsrelay"), *begin_loading(farm, old)}
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    return old | pids


#: and how many of 160 go on
DEATHS = {kill_while_loading: 0, kill_while_handing_over: 0, kill_its_process_while_handing_over: 80, kill_right_afterwards: 0,
          kill_its_process_right_afterwards: 0, kill_all_of_it: 0}


def gone(pids):
    return not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids)


def messages(lives):
    return [frame["data"]["messageId"] for live in lives for frame in live.frames if frame["type"] == "message.new"]


@pytest.mark.parametrize("death", DEATHS)
def test_a_new_binary_that_dies_after_its_check_leaves_nobody_in_silence(farm, account, death):
    """Whoever is closed comes back with the cursor; the others hear what is sent where they are."""
    sender, receivers = account(), [account() for _ in range(20)]
    lives = [(receiver, receiver.listen()) for receiver in receivers for _ in range(8)]
    ends = death(farm, processes(farm), [live for _, live in lives])
    sent = {receiver: sender.say(receiver)["messageId"] for receiver in receivers}
    eventually(lambda: gone(ends), within=60)
    eventually(farm.ready, within=60)
    for _, live in lives:
        eventually(lambda: is_over_or_answers(live), within=30)
    closed = [live.closed for _, live in lives if live.closed is not None]
    assert set(closed) <= {4503, 1006} and len(lives) - len(closed) == DEATHS[death]
    for receiver, live in lives:
        heard = [live]
        if live.closed is not None:
            heard.append(receiver.listen(cursor=live.cursor))
            assert heard[1].hello["recovered"] is True
        eventually(lambda: messages(heard), within=5)
        heard[-1].send({"type": "ping"})
        heard[-1].wait_for("pong")
        assert messages(heard) == [sent[receiver]], "once, there or here"
        heard[-1].drop()


# ---- several processes --------------------------------------------------------------------------


def sockets_of(farm):
    """How many each process has."""
    return {pid: len(sockets(pid)) for pid in processes(farm)}


def metrics(farm):
    return farm.site().raw("GET", "/metrics").body.decode()


@pytest.fixture(scope="module")
def three():
    with Farm.private(LIMIT_AUTH="50000/60", LIMIT_GENERAL="20000/60", LIMIT_MESSAGES="100000/60",
                      RELAY_PROCESSES="3", RELAY_PORT="0", RELAY_NEW_PER_ACCOUNT="0") as farm:
        yield farm


def test_processes_share_the_load_and_are_replaced_without_a_trace(three):
    with Audience(three, people=20, each=9) as audience:
        counts = sockets_of(three)
        assert len(counts) == 3 and min(counts.values()) > 40, f"the connections are spread: {counts}"
        with audience.talking():
            for _ in range(3):
                time.sleep(0.3)
                restart(three)
        assert min(sockets_of(three).values()) > 40
        audience.check()
        eventually(lambda: "rookery_relay_processes 3\n" in metrics(three))
        eventually(lambda: "rookery_relay_signed_in 180\n" in metrics(three))


def test_a_process_that_dies_takes_only_its_own_clients_with_it(three):
    with Audience(three, people=10, each=6) as audience:
        victim = sorted(processes(three))[0]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(processes(three)) == 3 and victim not in processes(three))
        time.sleep(0.5)
        cut = [live for live in audience.lives if live.closed is not None]
        assert 10 <= len(cut) <= 30
        audience.lives = [live for live in audience.lives if live.closed is None]
        with audience.talking():
            time.sleep(0.5)
        audience.check()
    eventually(three.ready, within=10)


@contextlib.contextmanager
def setting(farm, line):
    """With a line more in the settings file."""
    conf = farm.run / "rookery.conf"
    before = conf.read_text()
    conf.write_text(f"{before}\n{line}\n")
    try:
        yield
    finally:
        conf.write_text(before)


def test_more_and_fewer_processes_take_over_without_a_trace(farm):
    with Audience(farm, people=10, each=9) as audience:
        with audience.talking():
            with setting(farm, "relay.processes = 3"):
                restart(farm)
                eventually(lambda: len(processes(farm)) == 3)
                before = sockets_of(farm)
                more = [person.listen() for person in audience.people]
                came = {pid: n - before[pid] for pid, n in sockets_of(farm).items()}
                del came[max(before, key=before.get)]
                assert sum(came.values()) > len(more) // 2, f"new connections go to those that have fewer: {came}"
                for live in more:
                    live.drop()
            restart(farm)
            eventually(lambda: len(processes(farm)) == 1)
            time.sleep(0.3)
        audience.check()
    eventually(farm.ready)


def test_a_process_that_stands_still_is_seen_by_the_others(three):
    victim = sorted(processes(three))[0]
    os.kill(victim, signal.SIGSTOP)
    try:
        reply = eventually(lambda: (r := three.site().raw("GET", "/readyz", keep=False)).status == 503 and r)
        assert "a process does not move" in reply.json["checks"]["relay"]
        for _ in range(20):  # and the others take the connections
            with Raw("relay", 80, unix=three.run / "ws/whatsapp.sock") as client:
                assert client.status == 101
    finally:
        os.kill(victim, signal.SIGCONT)
    eventually(three.ready)


def test_a_process_that_hangs_holds_no_restart_up(three):
    """Its connections are lost, as it is killed; those of the others notice nothing."""
    with Audience(three, people=6, each=6) as audience:
        victim = sorted(processes(three))[0]
        os.kill(victim, signal.SIGSTOP)
        begun = time.monotonic()
        restart(three)
        assert time.monotonic() - begun < 40 and victim not in processes(three)
        eventually(lambda: len(processes(three)) == 3)
        kept = [live for live in audience.lives if live.closed is None]
        assert len(kept) >= 20
        audience.lives = kept
        with audience.talking():
            time.sleep(0.3)
        audience.check()
