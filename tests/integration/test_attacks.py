"""Attacks that other servers fell to. HACKING has the table: which attack, and every test that is about it."""

import email
import json
import os
import threading

import pytest

from client import Client, Closed, elapsed
from daemon import DEADLINE_S
from test_maildir import small_disk  # noqa: F401, a fixture

MIB = 1024 * 1024
GROWTH_KIB = 16 * 1024  # what a daemon with sanitizers may grow by while it handles no more than it should


def send_message(c, chunks):
    """DATA and what the chunks are, however big; the reply after the dot."""
    c.envelope()
    c.expect(354, "DATA")
    for chunk in chunks:
        c.send(chunk)
    c.send(b"\r\n.\r\n")
    return c.reply()


# --- state after a refusal


REFUSALS = {
    "too big": ({"max_message_size": "1K"}, b"x" * 2000, 552),
    "header too big": ({"max_header_size": "1K"}, b"X: " + b"y" * 2000, 552),
    "looping": ({}, b"Received: x\r\n" * 101, 554),
    "bare LF": ({"bare_newline": "reject"}, b"one\ntwo", 554),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_nothing_of_a_refused_message_survives(daemon, name):
    """Neither sender nor recipients: the next message begins with MAIL, and its recipients are judged."""
    settings, content, code = REFUSALS[name]
    daemon.start(**settings)
    with Client(daemon.address) as c:
        c.ehlo()
        assert send_message(c, [content]).code == code
        c.expect(503, "RCPT TO:<anna@example.org>")
        c.expect(503, "DATA")
        c.expect(250, "MAIL FROM:<b@example.net>")
        c.expect(503, "DATA")
        c.expect(550, "RCPT TO:<someone@elsewhere.example>")
        c.expect(503, "DATA")
        c.expect(250, "RCPT TO:<anna@example.org>")
        c.expect(354, "DATA")
        c.send(b"two\r\n.\r\n")
        assert c.reply().code == 250
    message = daemon.mailbox("anna").only()
    assert message.return_path == "<b@example.net>" and message.content == b"two\n"


# --- NUL


@pytest.mark.parametrize("line", [b"MAIL FROM:<a\0b@example.net>", b"MAIL FROM:<a@example.net>\0", b"QUIT\0x", b"\0",
                                  b"EHLO a\0b", b"NOOP \0" + b"x" * 100])
def test_nul_in_a_command_is_refused(server, line):
    with Client(server.address) as c:
        c.ehlo()
        assert (c.command(line).code, c.command("NOOP").code) == (500, 250)
        c.expect(503, "RCPT TO:<anna@example.org>")
        c.expect(250, "MAIL FROM:<a@example.net>")
        assert c.command(b"RCPT TO:<anna\0@example.org>").code == 500
        assert c.command(b"RCPT TO:<anna@example.org\0.elsewhere.example>").code == 500
        c.expect(503, "DATA")


# --- memory


def test_a_line_without_end_in_a_message_costs_no_memory(daemon):
    daemon.measure_memory()
    daemon.start(max_message_size="200M", spool_memory="4M", spool_threshold="64K")
    with Client(daemon.address) as c:
        c.ehlo()
        assert send_message(c, [b"x"]).code == 250
        before = daemon.resident_kib()
        peak = [before]
        c.envelope()
        c.expect(354, "DATA")
        for _ in range(60):
            c.send(b"x" * MIB)
            peak.append(daemon.resident_kib())
        c.send(b"\r\n.\r\n")
        assert c.reply().code == 250
    assert max(peak) - before < GROWTH_KIB
    assert max(len(m.content) for m in daemon.mailbox("anna").messages()) == 60 * MIB + 1


HEADERS = {
    "a hundred thousand fields": [b"X-Field: y\r\n" * 1000] * 100,
    "a field of ten megabytes": [b"X-Field: "] + [b"y" * MIB] * 10,
    "a field of a million lines": [b"X-Field:\r\n"] + [b" y\r\n" * 10000] * 100,
    "a field name of ten megabytes": [b"X" * MIB] * 10 + [b": y"],
}


@pytest.mark.parametrize("name", HEADERS)
def test_header_flood_is_bounded_and_the_session_goes_on(daemon, name):
    daemon.measure_memory()
    server = daemon.start()
    with Client(server.address) as c:
        c.ehlo()
        assert send_message(c, [b"Subject: x\r\n\r\nx"]).code == 250
        before = server.resident_kib()
        reply = send_message(c, HEADERS[name])
        # RFC 5322 2.1.1: no field name is as long as that, so what begins so is no header.
        assert reply.code == (250 if "name" in name else 552)
        assert server.resident_kib() - before < GROWTH_KIB
        assert send_message(c, [b"Subject: x\r\n\r\nx"]).code == 250


def test_a_gigabyte_of_noop_is_not_read_when_the_replies_are_not(daemon):
    daemon.measure_memory()
    server = daemon.start()
    c = Client(server.address, receive_buffer=4096)
    before = server.resident_kib()
    c.socket.settimeout(1)
    sent = 0
    block = b"NOOP\r\n" * 100000
    with pytest.raises(TimeoutError):
        while sent < 1024 * MIB:
            sent += c.socket.send(block)
    assert sent < 64 * MIB
    assert server.resident_kib() - before < GROWTH_KIB
    c.socket.close()
    assert server.log.wait("disconnect")[0]["reason"] == "lost"


# --- those who do not wait


@pytest.mark.parametrize("begin", [b" (forged tail)", b"\tby us; Mon, 1 Jan 2001 00:00:00 +0000"], ids=["blank", "tab"])
def test_first_line_does_not_continue_our_received_field(client, daemon, begin):
    client.ehlo()
    assert client.message(begin + b"\r\nSubject: x\r\n\r\nbody\r\n").code == 250
    message = daemon.mailbox("anna").only()
    assert begin not in message.received.encode()
    assert message.content == b"\n" + begin + b"\nSubject: x\n\nbody\n"


@pytest.mark.parametrize("early", [b"EHLO x\r\n", b"\n", b"x", b"QUIT\r\n", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_early_talker_is_refused(daemon, early):
    daemon.start(greeting_delay=20)
    with Client(daemon.address, greeting=False) as c:
        c.send(early + b"MAIL FROM:<a@example.net>\r\n")
        seconds, reply = elapsed(c.reply)
        assert reply.code == 554 and seconds < 15
        assert c.rest_codes() == []
    assert daemon.log.wait("refused")[0]["reason"] == "early_talker"


def test_client_that_waits_for_the_late_greeting_is_served(daemon):
    daemon.start(greeting_delay=1)
    with Client(daemon.address, greeting=False) as c:
        seconds, greeting = elapsed(c.reply)
        assert greeting.code == 220 and seconds > 0.8
        c.ehlo()
        assert c.message(b"x\r\n").code == 250


def test_commands_behind_data_are_content(server):
    """They came before the 354; they are content all the same."""
    server.mailbox("bob").make()
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        c.send(b"DATA\r\nRSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nx\r\n.\r\n")
        assert [r.code for r in c.replies(2)] == [354, 250]
        c.quit()
    assert server.mailbox("bob").files() == []
    assert server.mailbox("anna").only().content.startswith(b"RSET\nMAIL FROM:<evil@example.net>\n")


def test_body_behind_a_refused_data_is_bounded_by_the_errors(daemon):
    daemon.start(max_errors=5)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<a@example.net>")
        c.send(b"DATA\r\n" + b"a line of the body\r\n" * 1000 + b".\r\n")
        codes = c.rest_codes()
    assert codes == [503] + [500] * 4 + [421]


# --- the log


INJECTIONS = [b'","event":"accepted","x":"', b"\\", b'\\"', b"\x1b[2J", b"\x00", b"\xff\xc0\xaf\xed\xa0\x80", b"\x7f",
              "\u202e\u2028".encode(), b"\x85\x9b", b"{}", b"%s%n", b"x" * 1900]


@pytest.mark.parametrize("payload", INJECTIONS, ids=[repr(p[:14]) for p in INJECTIONS])
def test_peer_cannot_write_the_json_log(daemon, payload):
    daemon.configure(log_format="json")
    daemon.start(wait_ready=False)
    port = None
    end = threading.Event()
    for _ in range(int(DEADLINE_S / 0.02)):
        found = [json.loads(line.text) for line in daemon.log.lines if '"listening"' in line.text]
        if found:
            port = int(found[0]["addr"].rpartition(":")[2])
            break
        end.wait(0.02)
    assert port, "it never listened"
    with Client(("127.0.0.1", port)) as c:
        c.ehlo()
        for template in (b"EHLO %s", b"%s", b"MAIL FROM:<%s@example.net>", b"MAIL FROM:<> %s", b"XYZ %s"):
            c.command(template.replace(b"%s", payload))
        c.quit()
    daemon.stop()
    events = []
    for line in daemon.past_logs[0].lines:
        assert all(" " <= ch <= "~" for ch in line.text), f"raw bytes: {line.text!r}"
        pairs = json.loads(line.text, object_pairs_hook=list)
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys) and "x" not in keys, line.text
        events.append(dict(pairs)["event"])
    assert "accepted" not in events and "refused" in events


# --- trace fields


HELO_NAMES = [b"x(by", b"x)by", b"mx.example.org(evil", b'"x', b"a\\", b"[127.0.0.1]", b"x;by", b"by=mx", b"x" * 250]


@pytest.mark.parametrize("name", HELO_NAMES, ids=[repr(n[:14]) for n in HELO_NAMES])
def test_helo_name_cannot_forge_the_received_field(server, name):
    with Client(server.address) as c:
        c.command(b"EHLO " + name)
        c.command("HELO plain.example.net")
        c.command(b"EHLO " + name)
        assert c.message(b"Subject: x\r\n\r\nx\r\n").code == 250
    message = server.mailbox("anna").only()
    fields = email.message_from_bytes(message.raw).get_all("Received")
    assert len(fields) == 1
    lines = message.received.rstrip("\n").split("\n")
    assert all(len(line) <= 998 and all(" " <= ch <= "~" or ch == "\t" for ch in line) for line in lines)
    # One "by", outside of comments and quotes, and it is ours; and the client's address stands there.
    assert outside_comments(fields[0]).count(" by ") == 1
    assert " by mx.example.org " in outside_comments(fields[0])
    assert "127.0.0.1" in message.received


def outside_comments(text):
    """What is left of a field without comments and quoted strings (RFC 5322 3.2.2, 3.2.4)."""
    out, depth, is_quoted, i = [], 0, False, 0
    text = " ".join(text.split())
    while i < len(text):
        ch = text[i]
        if ch == "\\" and (depth or is_quoted):
            i += 1
        elif ch == '"' and not depth:
            is_quoted = not is_quoted
        elif ch == "(" and not is_quoted:
            depth += 1
        elif ch == ")" and depth and not is_quoted:
            depth -= 1
        elif not depth and not is_quoted:
            out.append(ch)
        i += 1
    assert depth == 0 and not is_quoted, f"a comment or string is left open: {text}"
    return "".join(out)


def test_forged_trace_fields_stand_below_ours(server):
    """Return-Path, Delivered-To and Received of the client stay what they are: content. Ours are the first of each."""
    forged = (b"Return-Path: <boss@example.org>\r\nDelivered-To: bob@example.org\r\n"
              b"Received: from trusted.example.org by mx.example.org with ESMTPSA id 1; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
              b"Subject: x\r\n\r\nx\r\n")
    with Client(server.address) as c:
        c.ehlo()
        assert c.message(forged).code == 250
    message = server.mailbox("anna").only()
    assert (message.return_path, message.delivered_to) == ("<sender@example.net>", "anna@example.org")
    assert "client.example.net" in message.received and "trusted" not in message.received
    assert message.content == forged.replace(b"\r\n", b"\n")


# --- sizes


@pytest.mark.parametrize("declared", ["SIZE=1", "SIZE=0", "SIZE=00000000000000000001"])
def test_declared_size_is_no_promise(daemon, declared):
    daemon.measure_memory()
    daemon.start(max_message_size="1M")
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, f"MAIL FROM:<a@example.net> {declared}")
        c.expect(250, "RCPT TO:<anna@example.org>")
        c.expect(354, "DATA")
        before = daemon.resident_kib()
        for _ in range(100):
            c.send((b"x" * 1022 + b"\r\n") * 1024)
        c.send(b".\r\n")
        reply = c.reply()
        assert (reply.code, reply.status) == (552, "5.3.4")
        assert daemon.resident_kib() - before < GROWTH_KIB
        assert c.message(b"small\r\n").code == 250
    assert daemon.mailbox("anna").only().content == b"small\n"


# --- a full disk and a crash


def fill(address, kept, name):
    """Send until the disk has been full three times; write down what was answered 250."""
    full = 0
    try:
        with Client(address) as c:
            c.ehlo()
            for n in range(10000):
                marker = b"%s-%d" % (name, n)
                reply = c.message(b"Subject: %s\r\n\r\n" % marker + b"x" * 4000 + b"\r\nEND %s\r\n" % marker)
                if reply.code == 250:
                    kept.append(marker)
                else:
                    assert (reply.code, reply.status) == (452, "4.3.1"), reply
                    full += 1
                if full == 3:
                    return
    except (OSError, Closed):
        pass


def test_full_disk_and_kill_lose_nothing_answered_250(daemon, small_disk):  # noqa: F811
    daemon.expect_trouble("anna|space|storage")
    (small_disk / "anna").mkdir()
    kept = []
    for number in range(3):
        daemon.start(backends={"inbox": {"type": "maildir", "path": f"{small_disk}/%n"}})
        load = [threading.Thread(target=fill, args=(daemon.address, kept, b"%d-%d" % (number, n))) for n in range(4)]
        for thread in load:
            thread.start()
        load[number % 4].join(DEADLINE_S)
        daemon.kill9()
        for thread in load:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        new = small_disk / "anna" / "new"
        found = set()
        for path in new.iterdir():
            raw = path.read_bytes()
            marker = raw.partition(b"Subject: ")[2].partition(b"\n")[0]
            assert raw.endswith(b"END " + marker + b"\n"), f"torn: {path.name}"
            found.add(marker)
        assert set(kept) <= found, f"answered 250 and not there: {sorted(set(kept) - found)[:5]}"
        assert os.listdir(small_disk / "anna" / "tmp") == []
        for path in list(new.iterdir())[number::3]:  # room for the next round
            kept = [m for m in kept if m not in path.read_bytes()]
            path.unlink()
    assert kept
