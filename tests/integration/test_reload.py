"""SIGHUP: another configuration is obeyed as a whole or not at all, and no session sees two of them."""

import os
import re
import signal
import socket
import threading

import pytest

from client import Client, Closed
from conftest import is_long
from daemon import DEADLINE_S, Raw

RELOADS = 500 if is_long() else 50


def hangup(daemon, event="reload"):
    count = len(daemon.log.find(event))
    daemon.process.send_signal(signal.SIGHUP)
    return daemon.log.wait(event, count=count + 1)[-1]


def reload(daemon, **settings):
    """Takes the settings; returns the last line about it."""
    daemon.configure(**settings)
    return hangup(daemon)


def changes(daemon, event="changed"):
    return {line["key"]: (line.get("before"), line.get("after")) for line in daemon.log.find(event)}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_new_sessions_get_the_new_settings_and_old_ones_keep_theirs(server):
    with Client(server.address) as old:
        old.ehlo()
        line = reload(server, hostname="new.example.org", max_message_size="1M", domains=["example.net"],
                      postmaster="anna@example.net")
        assert (line["setup"], line["needs_restart"]) == ("2", "0")
        assert "SIZE 52428800" in old.ehlo().text and old.expect(250, "HELO x").text.startswith("mx.example.org")
        old.envelope("anna@example.org")
        old.expect(354, "DATA")
        old.send(b"x\r\n.\r\n")
        assert old.reply().code == 250
        with Client(server.address) as new:
            assert "new.example.org" in new.greeting.text
            assert "SIZE 1048576" in new.ehlo().text
            new.expect(250, "MAIL FROM:<>")
            new.expect(550, "RCPT TO:<anna@example.org>")
            new.quit()
        old.quit()
    server.mailbox("anna").only()


def test_what_changed_is_told_key_by_key(server):
    reload(server, timeout="5m", max_errors=7, listeners=[{"listen": "127.0.0.1:0", "max_hops": 9}])
    assert changes(server) == {"timeout": ('"20m"', '"5m"'), "max_errors": ("20", "7"),
                               "listeners[127.0.0.1:0].max_hops": ("100", "9")}
    assert reload(server)["changed"] == "0"


def test_what_needs_a_restart_is_told_until_there_is_one(server):
    server.expect_trouble("needs_restart")
    for _ in range(2):
        line = reload(server, disk_threads=3, timeout="4m")
        assert line["needs_restart"] == "1"
    told = server.log.find("needs_restart")
    assert [(t["key"], t["before"], t["after"]) for t in told][:1] == [("disk_threads", "16", "3")]
    assert reload(server, disk_threads=16)["needs_restart"] == "0"


BROKEN = {
    "syntax": "hostname = ;",
    "an unknown key": "hostnam = \"mx\";",
    "a value out of range": "timeout = 0;",
    "an include of a directory": '@include "/"',
    "an include of itself": '@include "smtpfrontd.conf"',
    "a NUL": "hostname = \"mx\0\";",
    "nothing at all": None,
    "a backend that is nowhere": 'routes = ( { backend = "missing"; } );',
    "a missing certificate": 'tls_certfile = "/missing/cert.pem";',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_file_changes_nothing_and_says_why(server, name):
    good = server.config_file.read_text()
    text = BROKEN[name]
    server.config_file.write_text("" if text is None else f"{good}{text}\n" if "routes" not in text else
                                  good.replace('routes = ( { backend = "inbox"; } );', text))
    line = hangup(server, "reload_failed")
    assert "nothing has changed: " in line["text"] and "smtpfrontd.conf" in line["text"]
    with Client(server.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    server.config_file.write_text(good)
    assert hangup(server)["changed"] == "0"


def test_a_file_that_is_gone_or_a_fifo_changes_nothing(server):
    server.config_file.unlink()
    assert "No such file" in hangup(server, "reload_failed")["text"]
    os.mkfifo(server.config_file)
    assert "not a regular file" in hangup(server, "reload_failed")["text"]
    server.config_file.unlink()
    assert reload(server)["changed"] == "0"


def test_listeners_come_and_go_and_those_that_stay_keep_their_socket(server):
    port = server.port
    with Client(server.address) as old:
        old.ehlo()
        second = free_port()
        reload(server, listeners=[{"listen": f"127.0.0.1:{second}", "max_messages": 1}, {"listen": "127.0.0.1:0"}])
        with Client(("127.0.0.1", second)) as c:
            c.quit()
        with Client(("127.0.0.1", port)) as c:
            c.quit()
        reload(server, listeners=[{"listen": f"127.0.0.1:{second}"}])
        with pytest.raises(ConnectionRefusedError):
            Client(("127.0.0.1", port))
        with Client(("127.0.0.1", second)) as c:
            c.quit()
        assert old.message(b"x\r\n").code == 250
        old.quit()
    assert changes(server)["listeners[127.0.0.1:0]"][1] is None
    assert changes(server)[f"listeners[127.0.0.1:{second}]"] == (
        None, f'{{ listen = "127.0.0.1:{second}"; max_messages = 1; }}')


def test_so_many_changes_are_told_and_the_rest_is_counted(server):
    rules = [{"address": [f"192.0.2.{i}"], "refuse": "no"} for i in range(150)]
    assert reload(server, clients=rules)["changed"] == "150"
    assert len(server.log.find("changed")) == 100 + 1
    assert server.log.find("changed")[-1]["text"] == "and 50 more"


def test_a_port_that_is_taken_refuses_the_whole(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server.configure(hostname="new.example.org", listeners=[{"listen": "127.0.0.1:0"},
                                                               {"listen": f"127.0.0.1:{port}"}])
        assert "Address already in use" in hangup(server, "reload_failed")["text"]
    with Client(server.address) as c:
        assert "mx.example.org" in c.greeting.text
        c.quit()


def test_variables_are_read_again_with_the_file(daemon):
    """-E: the directory as it is now."""
    directory = daemon.directory / "env"
    directory.mkdir()
    (directory / "SMTPGREETING").write_text("first\n")
    daemon.start(wait_ready=True, arguments=("-E", directory))
    (directory / "SMTPGREETING").write_text("second\n")
    hangup(daemon)
    with Client(daemon.address) as c:
        assert c.greeting.text.startswith("second")
        c.quit()


def test_log_settings_are_taken(server):
    reload(server, log_level="warning")
    with Client(server.address) as c:
        c.expect(500, "NONSENSE")
        c.quit()
    reload_line = len(server.log.find("disconnect"))
    server.configure(log_level="info")
    server.process.send_signal(signal.SIGHUP)
    server.log.wait("reload", count=2)
    assert reload_line == len(server.log.find("disconnect")) == 0


class Load:
    """Sessions that ask twice who serves them, and send a message in between."""

    def __init__(self, daemon, threads=4):
        self.daemon, self.stop = daemon, threading.Event()
        self.done, self.failures, self.lock = 0, [], threading.Lock()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _session(self):
        with Client(self.daemon.address) as c:
            greeted = re.search(r"host(\d+)", c.greeting.text)[1]
            size = re.search(r"SIZE (\d+)", c.ehlo().text)[1]
            assert int(size) == 1048576 + int(greeted), f"greeted by {greeted}, with SIZE {size}"
            assert c.message(b"Subject: x\r\n\r\nx\r\n").code == 250
            assert f"host{greeted}." in c.expect(250, "HELO x").text, "the session changed its configuration"
            c.quit()

    def _run(self):
        while not self.stop.is_set():
            try:
                self._session()
            except (AssertionError, OSError, Closed) as e:
                self.failures.append(repr(e))
                return
            with self.lock:
                self.done += 1

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(DEADLINE_S)


def generation(i):
    """The two belong together: a session that sees one of each saw half a configuration."""
    return {"hostname": f"host{i}.example.org", "max_message_size": Raw(str(1048576 + i))}


def test_reloads_under_load_fail_no_session_and_leak_nothing(daemon):
    daemon.measure_memory().start(**generation(0), backends={"inbox": {"type": "null"}}, max_sessions_per_client=200)
    sizes, broken = [], [text for text in BROKEN.values() if text]
    with Load(daemon) as load:
        for i in range(1, RELOADS + 1):
            if i % 3:
                reload(daemon, **generation(i))
            else:
                daemon.config_file.write_text(daemon.config_file.read_text() + broken[i // 3 % len(broken)])
                hangup(daemon, "reload_failed")
            sizes.append((daemon.resident_kib(), daemon.descriptors()))
    assert load.failures == [] and load.done > 0
    # Each kind of broken file has been seen by then.
    quarter = max(30, RELOADS // 4)
    grown = max(kib for kib, _ in sizes[-5:]) - max(kib for kib, _ in sizes[:quarter])
    assert grown < (1024 if RELOADS > 100 else 4096), f"{grown} KiB in {RELOADS} reloads: {sizes}"
    assert max(n for _, n in sizes[-5:]) <= max(n for _, n in sizes[:quarter]) + 8
    print(f"{RELOADS} reloads, {load.done} sessions, resident {sizes[quarter][0]} KiB then {sizes[-1][0]} KiB")
