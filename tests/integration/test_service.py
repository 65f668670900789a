"""Run by systemd, or by stand-ins for it: what it is told, its watchdog, and sockets that it hands over."""

import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import Client, Closed
from conftest import is_long
from daemon import DEADLINE_S, run, wait_until
from service import KeptSockets, NotifySocket
from test_reload import free_port, hangup

RESTARTS = 100 if is_long() else 20


@pytest.fixture
def notify(work_dir):
    n = NotifySocket(work_dir)
    yield n
    n.close()


@pytest.fixture
def kept(request):
    sockets = KeptSockets(**getattr(request, "param", {"smtp": 1}))
    yield sockets
    sockets.close()


def start_kept(daemon, kept, environment=None, **settings):
    return daemon.start(kept=kept, environment={**kept.environment(), **(environment or {})},
                        **{"listeners": [{"listen": "socket:smtp"}], **settings})


# ---- what is told ----

def test_ready_reloading_and_stopping_are_told(daemon, notify):
    daemon.start(environment=notify.environment())
    ready = notify.wait("READY", "1")
    assert ready["MAINPID"] == str(daemon.process.pid)
    assert ready["STATUS"].startswith("0 of ")
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        hangup(daemon)
        began = notify.wait("RELOADING", "1")
        assert abs(int(began["MONOTONIC_USEC"]) / 1e6 - time.monotonic()) < DEADLINE_S
        assert notify.wait("READY", "1")["STATUS"].startswith("1 of 1000 sessions, 1 messages accepted")
    daemon.config_file.write_text("nonsense")
    hangup(daemon, "reload_failed")
    notify.wait("RELOADING", "1")
    assert "last reload failed: " in notify.wait("READY", "1")["STATUS"]
    daemon.stop()
    assert notify.wait("STOPPING", "1")["STATUS"].startswith("stopping: ")


def test_a_drain_asks_for_time(daemon, notify):
    daemon.start(environment=notify.environment(WATCHDOG_USEC="1000000"))
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        daemon.process.send_signal(signal.SIGTERM)
        notify.wait("STOPPING")
        assert int(notify.wait("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]) > 5_000_000
    assert daemon.exit_code() == 0


def test_the_abstract_namespace_works(daemon):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("\0" + str(daemon.directory))
        s.settimeout(DEADLINE_S)
        daemon.start(environment={"NOTIFY_SOCKET": "@" + str(daemon.directory)})
        assert s.recv(4096).startswith(b"READY=1\n")


@pytest.mark.parametrize("environment, error", [
    ({"NOTIFY_SOCKET": "relative"}, "is no path of a socket"),
    ({"NOTIFY_SOCKET": "/missing/notify"}, "No such file"),
    ({"WATCHDOG_USEC": "soon"}, "is no time"),
    ({"WATCHDOG_USEC": "1000"}, "less than the loop can keep up with"),
    ({"LISTEN_FDS": "many"}, "is no number"),
    ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b:c"}, "3 names for 2 descriptors"),
    ({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "other"}, 'no socket was handed over by the name \\"smtp\\"'),
])
def test_what_makes_no_sense_stops_the_start(daemon, notify, kept, environment, error):
    daemon.expect_trouble("start_failed")
    if "NOTIFY_SOCKET" not in environment:
        environment = {**notify.environment(), **environment}
    daemon.start(kept=kept, environment={**kept.environment(), **environment}, wait_ready=False,
                 listeners=[{"listen": "socket:smtp"}])
    assert daemon.exit_code() != 0
    assert error in daemon.past_logs[-1].text()


def test_what_a_full_socket_does_not_take_is_told_when_it_does(daemon, notify):
    """As at boot, when systemd is busy: without READY=1 it would end a daemon that runs."""
    notify.fill()
    daemon.start(environment=notify.environment(WATCHDOG_USEC="30000000"))
    notify.wait("FILLED")
    assert notify.wait("READY", "1")["MAINPID"] == str(daemon.process.pid)
    notify.fill()
    hangup(daemon)
    notify.wait("FILLED")
    notify.wait("READY", "1")
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        notify.fill()
        daemon.process.send_signal(signal.SIGTERM)
        daemon.log.wait("stop")
        notify.wait("FILLED")
        notify.wait("STOPPING", "1")
    assert daemon.exit_code() == 0


# ---- the watchdog ----

def test_a_loop_that_stands_still_lets_the_watchdog_go_hungry(daemon, notify):
    period = 1.0
    daemon.start(environment=notify.environment(WATCHDOG_USEC=str(int(period * 1e6))))
    for _ in range(6):
        begun = time.monotonic()
        notify.wait("WATCHDOG", "1")
        assert time.monotonic() - begun < period
    daemon.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: "\nState:\tT" in open(f"/proc/{daemon.process.pid}/status").read(), "the process to stop")
    notify.drain()
    assert notify.receive(2 * period) is None
    daemon.process.send_signal(signal.SIGCONT)
    notify.wait("WATCHDOG", "1")


# ---- sockets that are handed over ----

@pytest.mark.parametrize("kept", [{"smtp": 2, "submission": 1}], indirect=True)
def test_names_choose_the_listeners(daemon, kept):
    start_kept(daemon, kept, listeners=[{"listen": "socket:submission", "smtpgreeting": "submission"},
                                        {"listen": "socket:smtp", "smtpgreeting": "smtp"}])
    for i, greeting in enumerate(("smtp", "smtp", "submission")):
        with Client(kept.address(i)) as c:
            assert c.greeting.text.startswith(greeting + " ")
            c.quit()
    assert len(daemon.log.find("listening", listener="socket:smtp")) == 2


def test_a_socket_that_nobody_wants_is_told(daemon, kept):
    daemon.expect_trouble("no listener wants it")
    start_kept(daemon, kept, listeners=[{"listen": "127.0.0.1:0"}])
    assert 'by the name "smtp"' in daemon.log.find("trouble")[0]["text"]


def test_a_handed_socket_may_be_left_and_taken_again(daemon, kept):
    start_kept(daemon, kept)
    daemon.configure(listeners=[{"listen": "127.0.0.1:0"}])
    hangup(daemon)
    waiting = Client(kept.address(), greeting=False)
    daemon.configure(listeners=[{"listen": "socket:smtp"}])
    hangup(daemon)
    assert waiting.reply().code == 220
    waiting.quit()


def test_what_is_no_listening_socket_stops_the_start(daemon, kept):
    daemon.expect_trouble("start_failed")
    kept.sockets[0] = ("smtp", socket.socket(fileno=socket.socket().detach()))
    daemon.start(kept=kept, environment=kept.environment(), wait_ready=False, listeners=[{"listen": "socket:smtp"}])
    assert daemon.exit_code() == 71
    assert "no TCP socket that listens" in daemon.past_logs[-1].text()


def test_socket_activate_starts_it_with_the_first_connection(daemon):
    tool = shutil.which("systemd-socket-activate")
    if not tool:
        pytest.skip("systemd-socket-activate is not here")
    port = free_port()
    daemon.start(wrap=(tool, f"--listen=127.0.0.1:{port}", "--fdname=smtp", "-E", "ASAN_OPTIONS", "-E", "UBSAN_OPTIONS",
                       "-E", "LSAN_OPTIONS"), wait_ready=False, listeners=[{"listen": "socket:smtp"}])
    wait_until(lambda: "Listening on" in daemon.log.text(), "the tool to listen")
    with Client(("127.0.0.1", port)) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    daemon.log.wait("ready")
    daemon.mailbox("anna").only()


# ---- restarts ----

class Senders:
    """Each message of its own content; what was answered 250 is written down."""

    def __init__(self, address, threads=4):
        self.address, self.stop = address, threading.Event()
        self.accepted, self.refused, self.lock = [], [], threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(threads)]

    def _run(self, sender):
        n = 0
        while not self.stop.is_set():
            n += 1
            name = f"message-{sender}-{n}"
            try:
                with Client(self.address) as c:
                    c.ehlo()
                    if c.message(f"Subject: {name}\r\n\r\nx\r\n".encode()).code == 250:
                        with self.lock:
                            self.accepted.append(name)
                    c.quit()
            except ConnectionRefusedError as e:
                self.refused.append(repr(e))
            except (AssertionError, OSError, Closed):
                pass  # told 421 in the middle: the client keeps its message

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(DEADLINE_S)


def test_restarts_refuse_no_connection_and_lose_no_message(daemon, kept):
    start_kept(daemon, kept)
    with Senders(kept.address()) as senders:
        for _ in range(RESTARTS):
            before = len(senders.accepted)
            wait_until(lambda: len(senders.accepted) > before, "a message to be accepted")
            daemon.stop()
            start_kept(daemon, kept)
        before = len(senders.accepted)
        wait_until(lambda: len(senders.accepted) > before, "a message to be accepted")
    assert senders.refused == []
    stored = b"\n".join(m.content for m in daemon.mailbox("anna").messages()).decode()
    names = {line.partition(" ")[2] for line in stored.splitlines() if line.startswith("Subject: ")}
    assert set(senders.accepted) <= names
    print(f"{RESTARTS} restarts, {len(senders.accepted)} messages answered 250, {len(names)} stored")
