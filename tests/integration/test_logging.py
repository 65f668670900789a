"""The log: every error reply once, with session, client, stage and reason; and nobody but us writes its lines."""

import re

import pytest

from client import Client


def refusals(daemon):
    return daemon.log.find("refused")


CASES = [
    # name, what is said before, what is refused, stage, code
    ("unknown verb", [], "XYZ", "command", 500),
    ("MAIL before EHLO", [], "MAIL FROM:<a@example.net>", "mail", 503),
    ("bad sender", ["EHLO x"], "MAIL FROM:<a@b@c>", "mail", 501),
    ("bad recipient", ["EHLO x", "MAIL FROM:<>"], "RCPT TO:<a@b@c>", "rcpt", 501),
    ("unknown mailbox", ["EHLO x", "MAIL FROM:<>"], "RCPT TO:<nobody@example.org>", "rcpt", 550),
    ("relaying", ["EHLO x", "MAIL FROM:<>"], "RCPT TO:<a@example.com>", "rcpt", 550),
    ("DATA without recipient", ["EHLO x", "MAIL FROM:<>"], "DATA", "data", 503),
    ("declared too big", ["EHLO x"], "MAIL FROM:<> SIZE=99999999999", "mail", 552),
    ("argument", [], "QUIT now", "quit", 501),
    ("EHLO without name", [], "EHLO", "helo", 501),
]


@pytest.mark.parametrize("name, before, line, stage, code", CASES, ids=[c[0] for c in CASES])
def test_error_reply_is_logged_once(server, name, before, line, stage, code):
    with Client(server.address) as c:
        for command in before:
            c.expect(250, command)
        c.expect(code, line)
        c.quit()
    session = server.log.wait("disconnect")[0].id
    found = refusals(server)
    assert len(found) == 1, [f.text for f in found]
    assert found[0].id == session
    assert found[0]["client"] == "127.0.0.1"
    assert found[0]["code"] == str(code)
    assert found[0]["reason"] and found[0]["status"]
    assert found[0]["stage"] == stage


def test_each_of_many_error_replies_has_its_line(server):
    with Client(server.address) as c:
        for n in range(15):
            c.expect(500, f"XYZ{n}")
        c.quit()
    server.log.wait("disconnect")
    assert len(refusals(server)) == 15


def test_refused_connection_is_logged(daemon):
    daemon.start(max_sessions=1)
    with Client(daemon.address), Client(daemon.address) as second:
        assert second.greeting.code == 421
        line = daemon.log.wait("refused")[0]
    assert line["client"] == "127.0.0.1"
    assert line["reason"] == "max_sessions"


def test_timeout_is_logged(daemon):
    daemon.start(timeout=1)
    with Client(daemon.address) as c:
        assert c.reply().code == 421
    daemon.log.wait("disconnect", reason="idle_timeout")
    found = daemon.log.find("refused")
    assert len(found) == 1
    assert found[0]["reason"] == "idle_timeout"
    assert found[0]["client"] == "127.0.0.1" and found[0]["stage"]


def test_lost_connection_is_logged_with_what_was_being_done(server):
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"half a mess")
    line = server.log.wait("disconnect")[0]
    assert (line["reason"], line["stage"], line["client"]) == ("lost", "data", "127.0.0.1")


def test_accepted_message_has_one_line_with_its_id(server):
    with Client(server.address) as c:
        c.ehlo()
        reply = c.message(b"x\r\n")
        c.quit()
    line = server.log.wait("accepted")[0]
    assert re.search(r"\S+-\d+$", reply.text)[0] in line.text
    assert "sender@example.net" in line.text
    assert "anna@example.org" in line.text
    server.log.wait("disconnect")
    assert len(server.log.find("accepted")) == 1


def test_session_has_one_line_at_its_end(server):
    with Client(server.address) as c:
        c.ehlo()
        c.quit()
    line = server.log.wait("disconnect")[0]
    assert line["client"] == "127.0.0.1"
    assert len(server.log.find("disconnect")) == 1


INJECTIONS = [b"\r2026-01-01T00:00:00.000Z - forged event=1", b"\x1b[2J\x1b]0;title\x07", b"\x00after nul",
              b"\" forged=\"1", b"\\\" forged=1", b" key=value", "\u202e\u2028".encode(), b"\xff\xfe\x80", b"\x7f\x08",
              b"%s%n%x", b"a" * 1500, b"\x85\x9b"]


@pytest.mark.parametrize("payload", INJECTIONS, ids=[repr(p[:14]) for p in INJECTIONS])
@pytest.mark.parametrize("template", [b"EHLO %s", b"%s", b"NOOP %s", b"MAIL FROM:<%s@example.net>",
                                      b"MAIL FROM:<> %s", b"VRFY %s"])
def test_peer_cannot_write_the_log(server, template, payload):
    with Client(server.address) as c:
        c.ehlo()
        c.command(template.replace(b"%s", payload))
        c.command(b"XYZ " + payload)
        c.quit()
    server.log.wait("disconnect")
    for line in server.log.lines:
        assert line.event, f"not a line of ours: {line.text!r}"
        assert line.leftover == "", f"broken out of its quotes: {line.text!r}"
        assert all(" " <= ch <= "~" for ch in line.text), f"raw bytes: {line.text!r}"
        assert len(line.text) <= 4096
        assert "forged" not in line, f"a key of the peer's: {line.text!r}"
        assert line.event != "forged" and line.id != "forged"


def test_credentials_never_reach_the_log(server):
    """AUTH is not offered, and a client may send its password all the same."""
    with Client(server.address) as c:
        c.ehlo()
        c.expect(500, "AUTH PLAIN AGFubmEAc2VjcmV0LXBhc3N3b3Jk")
        c.expect(500, "auth login c2VjcmV0LXVzZXI=")
        c.quit()
    server.log.wait("disconnect")
    assert "AGFubmEAc2VjcmV0" not in server.log.text()
    assert "c2VjcmV0LXVzZXI" not in server.log.text()


def test_log_level_hides_what_is_less_urgent(daemon):
    daemon.start(log_level="notice")
    with Client(daemon.address) as c:
        c.expect(500, "XYZ")
        c.quit()
    daemon.stop()
    assert daemon.past_logs[0].find("refused") == []
    assert daemon.past_logs[0].find("ready")
