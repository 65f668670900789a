"""STARTTLS and SMTPS as a client sees them, and what a rude or hostile one gets out of them: nothing.

Rows S3 to S6 of the attacks that HACKING lists: bytes behind STARTTLS, fixation, downgrade, and the end of TLS in the
middle of a message. Wherever an attacker's bytes could be taken for commands there is a canary: the mailbox "bob",
which nobody else writes to, and log lines that a command would leave.
"""

import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from client import Client, Closed, elapsed
from conftest import is_long
from daemon import DEADLINE_S, wait_until
from tls import NAME, TlsClient, TlsSocket, client_context, plain_text, reset

MIB = 1024 * 1024
CANARY = (b"EHLO evil.example.com\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
          b"Subject: smuggled\r\n\r\nevil\r\n.\r\n")


@pytest.fixture
def boxes(secure):
    secure.mailbox("bob").make()
    return secure


def connect(daemon, context, how, **options):
    """A session behind TLS, by STARTTLS or from the first byte."""
    if how == "smtps":
        return TlsClient(daemon.smtps, context, **options)
    c = TlsClient(daemon.address, context, immediate=False, **options)
    c.ehlo()
    return c.starttls()


both = pytest.mark.parametrize("how", ["starttls", "smtps"])


def works(daemon, context):
    for how in ("starttls", "smtps"):
        with connect(daemon, context, how) as c:
            c.ehlo()
            assert c.message(b"Subject: fine\r\n\r\nfine\r\n").code == 250
            c.quit()


def end_of(c):
    """What still comes until the connection is closed; b"" also when it is reset."""
    try:
        return c.rest()
    except (ConnectionError, ssl.SSLError):
        return b""


def drain(c):
    """As end_of(), for megabytes in small pieces."""
    pieces = [c.buffer]
    try:
        while pieces[-1] or len(pieces) == 1:
            pieces.append(c.socket.recv(65536))
    except (ConnectionError, ssl.SSLError):
        pass
    return b"".join(pieces)


def nothing_was_interpreted(daemon, sessions=1):
    """The canary lives: once the sessions have ended no command of theirs has left a trace."""
    daemon.log.wait("disconnect", count=sessions)
    assert daemon.mailbox("bob").files() == []
    assert daemon.log.find("refused") == [] and daemon.log.find("accepted") == []


# ---- what is offered, and when ----

@both
def test_a_message_comes_over_tls_and_says_so(secure, context, how):
    with connect(secure, context, how) as c:
        c.ehlo()
        assert c.message(b"Subject: hello\r\n\r\nIt works.\r\n").code == 250
        suite = c.tls.cipher()[0]
        c.quit()
        assert c.socket.has_close_notify
    stored = secure.mailbox("anna").only()
    assert stored.content == b"Subject: hello\n\nIt works.\n"
    assert " with ESMTPS id " in stored.received
    assert f"\n\t(using TLSv1.3 with cipher {suite})\n" in stored.received


def test_plain_text_says_nothing_of_tls(secure):
    with Client(secure.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
    received = secure.mailbox("anna").only().received
    assert " with ESMTP id " in received and "TLS" not in received


def test_starttls_is_offered_before_tls_only(secure, context):
    with TlsClient(secure.address, context, immediate=False) as c:
        assert "STARTTLS" in c.ehlo().text.split("\n")
        c.starttls()
        assert "STARTTLS" not in c.ehlo().text
        reply = c.expect(500, "STARTTLS")
        assert reply.status == "5.5.1"
        c.quit()


def test_smtps_does_not_offer_starttls(secure, context):
    with connect(secure, context, "smtps") as c:
        assert "STARTTLS" not in c.ehlo().text
        c.expect(500, "STARTTLS")
        c.quit()


def test_without_a_certificate_there_is_no_starttls(server):
    with Client(server.address) as c:
        assert "STARTTLS" not in c.ehlo().text
        c.expect(500, "STARTTLS")


def test_starttls_is_taken_without_ehlo_too(secure, context):
    with TlsClient(secure.address, context, immediate=False) as c:
        c.starttls()
        c.ehlo()
        assert c.message(b"x\r\n").code == 250


def test_starttls_with_an_argument_is_501_and_starts_nothing(secure, context):
    with TlsClient(secure.address, context, immediate=False) as c:
        c.ehlo()
        assert c.expect(501, "STARTTLS now").status == "5.5.4"
        c.expect(250, "NOOP")
        c.starttls()
        c.ehlo()


@pytest.mark.parametrize("commands", [["MAIL FROM:<a@example.net>"],
                                      ["MAIL FROM:<a@example.net>", "RCPT TO:<anna@example.org>"]])
def test_starttls_in_a_transaction_is_503(secure, context, commands):
    """S4: what was said in plain text must not end up in a session that counts as protected."""
    with TlsClient(secure.address, context, immediate=False) as c:
        c.ehlo()
        for command in commands:
            c.expect(250, command)
        assert c.expect(503, "STARTTLS").status == "5.5.1"
        c.expect(250, "RSET")
        c.starttls()
        c.ehlo()
        c.expect(503, "DATA")


@pytest.mark.parametrize("before", [
    pytest.param(["MAIL FROM:<sender@example.net>", "RCPT TO:<anna@example.org>", "RSET"], id="an_answer_of_a_worker"),
    pytest.param(["NOOP"] * 200, id="a_turn_of_others"),
])
def test_starttls_behind_commands_that_wait_for(secure, context, before):
    """It is used out of what was kept meanwhile; of what comes from then on, all is for TLS."""
    for _ in range(5):
        with TlsClient(secure.address, context, immediate=False) as c:
            c.ehlo()
            c.send("".join(f"{line}\r\n" for line in [*before, "STARTTLS"]).encode())
            assert [reply.code for reply in c.replies(len(before) + 1)] == [250] * len(before) + [220]
            c.secure()
            c.ehlo()
            assert c.message(b"x\r\n").code == 250
            c.quit()


def test_hello_is_forgotten_after_the_handshake(secure, context):
    with TlsClient(secure.address, context, immediate=False) as c:
        c.expect(250, "EHLO plain.example.net")
        c.starttls()
        assert c.expect(503, "MAIL FROM:<a@example.net>").status == "5.5.1"
        c.expect(250, "HELO secure.example.net")
        assert c.message(b"x\r\n").code == 250
    received = secure.mailbox("anna").only().received
    assert received.startswith("Received: from secure.example.net ")
    assert "plain.example.net" not in received


def test_a_helo_of_plain_text_does_not_make_the_protected_session_plain(secure, context):
    with TlsClient(secure.address, context, immediate=False) as c:
        c.expect(250, "HELO plain.example.net")
        c.starttls()
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
    assert " with ESMTPS id " in secure.mailbox("anna").only().received


@pytest.mark.parametrize("before, after", [(b"\n", b"\r\n"), (b"\r\n", b"\n")], ids=["LF then CRLF", "CRLF then LF"])
def test_line_ending_is_found_out_anew(secure, context, before, after):
    """The line ending that plain text fixed does not hold behind TLS: only the new one ends the message."""
    with TlsClient(secure.address, context, immediate=False) as c:
        c.send(b"EHLO client.example.net" + before)
        assert c.reply().code == 250
        c.send(b"STARTTLS" + before)
        assert c.reply().code == 220
        c.secure()
        for code, line in ((250, b"EHLO client.example.net"), (250, b"MAIL FROM:<a@example.net>"),
                           (250, b"RCPT TO:<anna@example.org>"), (354, b"DATA")):
            c.send(line + after)
            assert c.reply().code == code
        c.send(b"one" + before + b"." + before + b"two" + after + b"." + after)
        assert c.reply().code == 250
        c.send(b"QUIT" + after)
        assert c.rest_codes() == [221]
    assert b"two" in secure.mailbox("anna").only().content


def test_tls_required_refuses_what_needs_protection(daemon, pki, context):
    daemon.start_tls(pki.ec, first={"tls_required": True})
    with TlsClient(daemon.address, context, immediate=False) as c:
        c.ehlo()
        for command in ("MAIL FROM:<a@example.net>", "RCPT TO:<anna@example.org>", "DATA", "VRFY anna"):
            reply = c.expect(530, command)
            assert str(reply) == "530 5.7.0 Must issue a STARTTLS command first"
        c.expect(250, "NOOP")
        c.expect(250, "RSET")
        c.starttls()
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    with Client(daemon.address) as c:
        c.quit()
    assert len(daemon.log.find("refused", reason="tls_required")) == 4


def test_auth_is_not_to_be_had_in_plain_text(secure):
    """S5: neither offered nor taken, and what may be a password does not reach the log."""
    with Client(secure.address) as c:
        assert "AUTH" not in c.ehlo().text
        assert c.command("AUTH PLAIN AGFubmEAc2VjcmV0").code in (500, 502, 503, 530, 538)
    assert "AGFubmEAc2VjcmV0" not in secure.log.text()


# ---- bytes behind STARTTLS (S3) ----

INJECTIONS = {
    "commands": CANARY,
    "one byte": b"N",
    "bare newlines": CANARY.replace(b"\r\n", b"\n"),
    "begin of a handshake": b"\x16\x03\x01\x02\x00\x01",
    "NUL": b"\0",
}


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("name", INJECTIONS)
def test_bytes_behind_starttls_in_one_segment_drop_the_connection(boxes, name, eol):
    with Client(boxes.address) as c:
        c.send(b"EHLO client.example.net" + eol)
        assert c.reply().code == 250
        c.send(b"STARTTLS" + eol + INJECTIONS[name])
        assert c.rest() == b""
    assert boxes.log.wait("disconnect")[0]["reason"] == "starttls_injection"
    nothing_was_interpreted(boxes)


def answer_to_injection(c, injection):
    """What a client gets that goes on in plain text: 220 at most, and an alert of TLS, or a reset."""
    try:
        c.send(injection)
        c.half_close()
        data = c.rest()
    except OSError:
        return
    assert re.fullmatch(rb"(220 [^\r\n]*\r\n)?(\x15\x03.\x00\x02..)?", data, re.DOTALL), \
        f"a reply to what was injected: {data!r}"


@pytest.mark.parametrize("gap_ms", [0, 1, 20])
@pytest.mark.parametrize("name", INJECTIONS)
def test_bytes_behind_starttls_in_a_segment_of_their_own_are_not_interpreted(boxes, name, gap_ms):
    """Whether they are seen before 220 is said or taken for a handshake is a matter of time; both end it."""
    with Client(boxes.address) as c:
        c.ehlo()
        c.send(b"STARTTLS\r\n")
        threading.Event().wait(gap_ms / 1000)  # the gap is what is tested
        answer_to_injection(c, INJECTIONS[name])
    line = boxes.log.wait("disconnect")[0]
    assert line["reason"] in ("starttls_injection", "tls_handshake")
    assert line["reason"] == "starttls_injection" or line["tls_failure"].startswith("handshake: ")
    nothing_was_interpreted(boxes)


@pytest.mark.parametrize("name", INJECTIONS)
def test_plain_text_after_220_is_no_handshake(boxes, name):
    with Client(boxes.address) as c:
        c.ehlo()
        c.expect(220, "STARTTLS")
        answer_to_injection(c, INJECTIONS[name])
    line = boxes.log.wait("disconnect")[0]
    assert line["reason"] == "tls_handshake" and line["tls_failure"].startswith("handshake: ")
    nothing_was_interpreted(boxes)


@pytest.mark.parametrize("cut", [b"STARTTLS\r", b"STARTTL", b"S"])
def test_bytes_behind_a_starttls_that_came_in_two_segments(boxes, cut):
    with Client(boxes.address) as c:
        c.ehlo()
        c.send(cut)
        threading.Event().wait(0.02)
        c.send((b"STARTTLS\r\n" + CANARY)[len(cut):])
        assert c.rest() == b""
    assert boxes.log.wait("disconnect")[0]["reason"] == "starttls_injection"
    nothing_was_interpreted(boxes)


def test_injected_bytes_are_not_interpreted_behind_the_handshake_either(boxes, context):
    """An attacker in the middle puts them before the victim's own handshake."""
    with TlsClient(boxes.address, context, immediate=False) as c:
        c.ehlo()
        c.send(b"STARTTLS\r\n" + CANARY)
        with pytest.raises((ssl.SSLError, OSError)):
            c.secure()
    assert boxes.log.wait("disconnect")[0]["reason"] == "starttls_injection"
    nothing_was_interpreted(boxes)


def test_injection_through_many_sessions_at_once(boxes, context):
    """Nothing of one session may get into another."""
    attackers = [Client(boxes.address) for _ in range(40)]
    with connect(boxes, context, "starttls") as good:
        good.ehlo()
        for c in attackers:
            c.send(b"EHLO x\r\n")
            c.reply()
        for c in attackers:
            c.send(b"STARTTLS\r\n" + CANARY)
        good.expect(250, "NOOP")
        for c in attackers:
            assert c.rest() == b""
            c.socket.close()
        good.quit()
    lines = boxes.log.wait("disconnect", count=41)
    assert [line["reason"] for line in lines].count("starttls_injection") == 40
    nothing_was_interpreted(boxes, 41)


def tcp_waiting(port, other):
    """Bytes that one end of a connection of this machine has sent and the other has not read."""
    ends = f"( sport = :{port} and dport = :{other} ) or ( sport = :{other} and dport = :{port} )"
    # ss looks at what is established; /proc/net/tcp would list all that lingers on the machine.
    lines = subprocess.run(["ss", "-Hnt", "state", "established", ends], capture_output=True, text=True,
                           timeout=DEADLINE_S).stdout.splitlines()
    waiting = 0
    for unread, unsent, local, *_ in (line.split() for line in lines):
        waiting += int(unsent if local.endswith(f":{port}") else unread)
    return waiting


class Unread:
    """A client that asks and does not read, step by step, so that we see when the daemon can say no more."""

    ASK = b"EHLO x\r\n"

    def __init__(self, client):
        self.client = client
        raw = getattr(client.socket, "raw", client.socket)
        self.ports = (raw.getpeername()[1], raw.getsockname()[1])
        client.send(self.ASK)
        self.size = sum(len(line) + 2 for line in client.reply().lines)
        self.asked = 0

    def ask(self, count, end=b""):
        """Ask so often. False: the daemon could not say it all."""
        self.client.send(self.ASK * count + end)
        self.asked += count
        seen, since = None, time.monotonic()
        while time.monotonic() - since < 0.05:
            waiting = tcp_waiting(*self.ports)
            if waiting >= self.asked * self.size:
                return True
            if waiting != seen:
                seen, since = waiting, time.monotonic()
            threading.Event().wait(0.01)
        return False

    def steps(self, coarse, limit):
        """Ask a lot and then in small steps. How many of these it took until the daemon was stuck."""
        self.ask(coarse)
        for step in range(limit):
            if not self.ask(50):
                return step
        return limit

    def drop(self):
        reset(getattr(self.client.socket, "raw", self.client.socket))


def measure(make):
    """How much a client can ask before the daemon is stuck, for Unread.steps()."""
    first, coarse = Unread(make()), 0
    while first.ask(1000):
        coarse += 1000
    first.drop()
    coarse = max(coarse - 1000, 0)
    second = Unread(make())
    steps = second.steps(coarse, 100)
    second.drop()
    return coarse, steps


def test_bytes_that_come_while_220_is_stuck_drop_the_connection(boxes):
    """220 to STARTTLS may have to wait for a client that does not read. What comes meanwhile is an injection."""
    def make():
        return Client(boxes.address, receive_buffer=4096)

    coarse, steps = measure(make)
    for attempt in range(6):
        u = Unread(make())
        u.steps(coarse, steps)
        u.ask(50, b"STARTTLS\r\n")
        u.client.send(b"NOOP\r\n")
        drain(u.client)
        assert boxes.is_running()
        line = boxes.log.wait("disconnect", count=3 + attempt)[-1]
        assert line["reason"] in ("starttls_injection", "tls_handshake")
        if line["reason"] == "starttls_injection":
            return  # it was stuck
    pytest.skip("the kernel took all replies in all attempts")


@pytest.mark.parametrize("how", ["plain", "smtps"])
def test_last_replies_wait_for_a_client_that_reads_late(secure, context, how):
    """QUIT behind more replies than the kernel takes: all of them arrive, and 221 too."""
    def make():
        if how == "smtps":
            return connect(secure, context, how, receive_buffer=4096)
        return Client(secure.address, receive_buffer=4096)

    coarse, steps = measure(make)
    for more in (20, 80):
        u = Unread(make())
        u.steps(coarse, steps)
        u.ask(more, b"QUIT\r\n")
        got = drain(u.client)
        assert got.count(b"250 ") == u.asked and got.endswith(b"\r\n221 2.0.0 Bye.\r\n"), got[-100:]


# ---- the end of TLS (S6) ----

@both
@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("behind", [b"\r\n.\r\n", b".\r\n" + CANARY, b"x", b"\x17\x03\x03\x00\x05hello"],
                         ids=["end of data", "commands", "one byte", "record"])
def test_bytes_behind_close_notify_in_a_message_are_not_interpreted(boxes, context, how, behind, segments):
    with connect(boxes, context, how) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"Subject: half\r\n\r\nhalf\r\n")
        pieces = [c.socket.close_notify(), behind]
        for piece in [b"".join(pieces)] if segments == 1 else pieces:
            c.raw.sendall(piece)
            threading.Event().wait(0.02 if segments == 2 else 0)
        assert end_of(c) == b""
    assert boxes.log.wait("disconnect")[0]["reason"] == "lost"
    assert boxes.mailbox("anna").files() == []
    nothing_was_interpreted(boxes)


@both
def test_tls_that_is_cut_off_in_a_message_delivers_nothing(boxes, context, how):
    """FIN without close_notify: somebody between may have cut the rest away."""
    with connect(boxes, context, how) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"Subject: half\r\n\r\nhalf\r\n")
        c.raw.shutdown(socket.SHUT_WR)
        assert end_of(c) == b""
    line = boxes.log.wait("disconnect")[0]
    assert line["reason"] == "lost" and line["stage"] == "data" and "eof" in line["tls_failure"]
    assert boxes.mailbox("anna").files() == []


def spoil(record):
    return record[:-1] + bytes([record[-1] ^ 1])


@both
@pytest.mark.parametrize("garbage", [
    lambda c: spoil(c.socket.records(b"\r\n.\r\n")),
    lambda c: b"\r\n.\r\n" + CANARY,
    lambda c: b"\x17\x03\x03\x00\x20" + b"\0" * 32,
    lambda c: b"\x15\x03\x03\x00\x02\x01\x00",
    lambda c: b"\x17\x03\x03\xff\xff" + b"\0" * 65535,
], ids=["spoiled record", "plain text", "forged record", "forged close_notify", "record that is too long"])
def test_what_is_no_tls_ends_the_session_in_a_message(boxes, context, how, garbage):
    with connect(boxes, context, how) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"Subject: half\r\n\r\nhalf")
        try:
            c.raw.sendall(garbage(c))
            c.raw.sendall(b"\r\n.\r\n" + CANARY)
        except ConnectionError:
            pass
        assert end_of(c) == b""
    line = boxes.log.wait("disconnect")[0]
    assert line["reason"] == "lost" and line["tls_failure"], line.text
    assert boxes.mailbox("anna").files() == []
    nothing_was_interpreted(boxes)


@both
@pytest.mark.parametrize("segments", [1, 2])
def test_commands_before_close_notify_are_answered(secure, context, how, segments):
    with connect(secure, context, how) as c:
        c.ehlo()
        pieces = [c.socket.records(b"NOOP\r\nRSET\r\n" * 20 + b"QUIT\r\n"), c.socket.close_notify()]
        for piece in [b"".join(pieces)] if segments == 1 else pieces:
            c.raw.sendall(piece)
        assert c.rest_codes() == [250] * 40 + [221]
        assert c.socket.has_close_notify
    assert secure.log.wait("disconnect")[0]["reason"] == "quit"


@both
def test_half_closed_session_gets_all_its_replies(secure, context, how):
    """The script that sends everything and closes: message, QUIT, close_notify and FIN in one go."""
    with connect(secure, context, how) as c:
        c.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n"
               b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n")
        c.half_close()
        assert c.rest_codes() == [250, 250, 250, 354, 250, 221]
        assert c.socket.has_close_notify
    assert secure.mailbox("anna").only().content == b"Subject: x\n\nbody\n"


@both
def test_close_notify_without_quit_ends_the_session(secure, context, how):
    with connect(secure, context, how) as c:
        c.ehlo()
        c.half_close()
        assert c.is_closed()
    line = secure.log.wait("disconnect")[0]
    assert line["reason"] == "lost" and "tls_failure" not in line


# ---- handshakes that do not end ----

def client_hello(pki):
    context = client_context(pki)
    return TlsSocket(None, context).flight()


def stalled(daemon, how, data):
    """A socket that is in the middle of a handshake."""
    if how == "smtps":
        s = socket.create_connection(daemon.smtps, timeout=DEADLINE_S)
    else:
        c = Client(daemon.address)
        c.expect(220, "STARTTLS")
        s = c.socket
    s.sendall(data)
    return s


@both
@pytest.mark.parametrize("sent", ["nothing", "half of it", "one byte less"])
def test_stalled_handshake_is_ended_without_a_word(daemon, pki, how, sent):
    hello = client_hello(pki)
    daemon.start_tls(pki.ec, tls_handshake_timeout=1)
    part = {"nothing": b"", "half of it": hello[:len(hello) // 2], "one byte less": hello[:-1]}[sent]
    with stalled(daemon, how, part) as s:
        seconds, data = elapsed(lambda: s.recv(100))
    assert data == b"" and 0.9 <= seconds < 5
    assert daemon.log.wait("disconnect")[0]["reason"] == "tls_handshake_timeout"


@both
def test_handshake_in_drops_is_ended_in_time(daemon, pki, how):
    """The timeout is for the whole of it; no byte puts it off."""
    hello = client_hello(pki)
    daemon.start_tls(pki.ec, tls_handshake_timeout=2)
    begin = time.monotonic()
    with stalled(daemon, how, b"") as s:
        s.settimeout(0.2)
        for byte in hello:
            try:
                s.sendall(bytes([byte]))
                if s.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert 1.8 <= time.monotonic() - begin < 6
    assert daemon.log.wait("disconnect")[0]["reason"] == "tls_handshake_timeout"


def test_handshakes_that_stall_keep_nobody_out(daemon, pki, context):
    daemon.start_tls(pki.ec, max_sessions=300, max_sessions_per_client=300, max_half_open_per_client=250)
    hello = client_hello(pki)
    held = [stalled(daemon, "smtps", hello[:n]) for n in range(0, 200)]
    works(daemon, context)
    for s in held:
        reset(s)


def second_flight(pki, daemon, version):
    """The client's last bytes of a handshake, which the server has not seen yet, and the socket."""
    raw = socket.create_connection(daemon.smtps, timeout=DEADLINE_S)
    client = TlsSocket(raw, client_context(pki, version))
    raw.sendall(client.flight())
    client._fill()
    data = client.flight()
    while not data:  # the server's flight came in pieces
        client._fill()
        data = client.flight()
    return raw, data


@pytest.mark.parametrize("end", [reset, lambda s: s.close()], ids=["RST", "FIN"])
def test_handshake_that_is_broken_off_at_each_byte(daemon, pki, context, end):
    daemon.start_tls(pki.ec, max_sessions=1000, max_sessions_per_client=1000)
    works(daemon, context)
    hello = client_hello(pki)
    before = daemon.descriptors()
    step = 1 if is_long() else 7
    ended = 0
    for count in range(0, len(hello) + 1, step):
        end(stalled(daemon, "smtps", hello[:count]))
        ended += 1
    for count in range(0, len(hello) + 1, 7 * step):
        end(stalled(daemon, "starttls", hello[:count]))
        ended += 1
    daemon.log.wait("disconnect", count=ended, reason="tls_handshake")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for count in range(0, 64, step):
            raw, data = second_flight(pki, daemon, version)
            assert len(data) > 64
            raw.sendall(data[:count])
            end(raw)
            ended += 1
    daemon.log.wait("disconnect", count=ended, reason="tls_handshake")
    works(daemon, context)
    daemon.log.wait("disconnect", count=ended + 4)
    wait_until(lambda: daemon.descriptors() <= before + 1, "all connections to be closed")


def test_plain_text_on_the_tls_port_is_answered_in_tls_only(secure):
    data = plain_text(secure, 1)
    assert re.fullmatch(rb"(\x15\x03.\x00\x02..)?", data, re.DOTALL), data
    line = secure.log.wait("disconnect")[0]
    assert line["reason"] == "tls_handshake" and line["tls_failure"].startswith("handshake: ")


def test_http_on_the_tls_port_is_told_in_the_log(secure):
    with socket.create_connection(secure.smtps, timeout=DEADLINE_S) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            data = s.recv(100)
        except ConnectionError:
            data = b""
        assert data[:1] in (b"", b"\x15")
    assert "http" in secure.log.wait("disconnect")[0]["tls_failure"]


# ---- limits and clocks behind TLS ----

@both
def test_idle_session_gets_421_over_tls(daemon, pki, context, how):
    daemon.start_tls(pki.ec, timeout=1)
    with connect(daemon, context, how) as c:
        seconds, reply = elapsed(c.reply)
        assert (reply.code, reply.status) == (421, "4.4.2")
        assert 0.9 <= seconds < 5
        assert c.is_closed_well()
    assert daemon.log.wait("disconnect")[0]["reason"] == "idle_timeout"


@both
def test_session_timeout_inside_a_message_gets_421_over_tls(daemon, pki, context, how):
    daemon.start_tls(pki.ec, session_timeout=2, timeout=60)
    with connect(daemon, context, how) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        begin = time.monotonic()
        c.socket.settimeout(0.2)
        reply = None
        while not reply and time.monotonic() - begin < DEADLINE_S:
            try:
                c.send(b"drip\r\n")
                reply = c.reply()
            except TimeoutError:
                continue
        assert (reply.code, reply.status) == (421, "4.4.2")
        assert c.is_closed_well()
    assert daemon.mailbox("anna").files() == []


def test_too_many_sessions_close_the_tls_port_without_a_word(daemon, pki, context):
    """Without TLS there is nothing that may be said there."""
    daemon.start_tls(pki.ec, max_sessions=2)
    with connect(daemon, context, "smtps") as one, connect(daemon, context, "smtps") as two:
        assert plain_text(daemon, 1) == b""
        with pytest.raises((ssl.SSLError, OSError)):
            connect(daemon, context, "smtps")
        with Client(daemon.address) as c:
            assert c.greeting.code == 421
        for c in (one, two):
            c.quit()
    daemon.log.wait("disconnect", count=2)
    works(daemon, context)


@both
def test_shutdown_is_told_over_tls(daemon, pki, context, how):
    daemon.start_tls(pki.ec)
    with connect(daemon, context, how) as c:
        c.ehlo()
        daemon.stop()
        assert c.reply().code == 421
        assert c.is_closed_well()


@both
def test_shutdown_does_not_wait_for_a_handshake(daemon, pki, how):
    daemon.start_tls(pki.ec)
    with stalled(daemon, how, b"\x16\x03\x01") as s:
        seconds, _ = elapsed(daemon.stop)
        assert seconds < 5
        try:
            assert s.recv(100) == b""
        except ConnectionError:
            pass


# ---- bytes, many and in odd pieces ----

@both
def test_pipelined_commands_in_one_record(secure, context, how):
    with connect(secure, context, how) as c:
        c.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
               b"DATA\r\n")
        assert [r.code for r in c.replies(5)] == [250, 250, 250, 550, 354]
        c.send(b"x\r\n.\r\nMAIL FROM:<b@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n")
        assert [r.code for r in c.replies(4)] == [250, 250, 250, 354]
        c.send(b"y\r\n.\r\nQUIT\r\n")
        assert c.rest_codes() == [250, 221]
    assert sorted(m.content for m in secure.mailbox("anna").messages()) == [b"x\n", b"y\n"]


@both
def test_session_in_records_of_one_byte(secure, context, how):
    with connect(secure, context, how) as c:
        for part in (b"EHLO x\r\n", b"MAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n"):
            for byte in part:
                c.send(bytes([byte]))
        assert [r.code for r in c.replies(4)] == [250, 250, 250, 354]
        for byte in b"Subject: x\r\n\r\n..\r\n.x\r\n.\r\nQUIT\r\n":
            c.send(bytes([byte]))
        assert c.rest_codes() == [250, 221]
    assert secure.mailbox("anna").only().content == b"Subject: x\n\n.\nx\n"


@both
def test_records_in_segments_of_one_byte(secure, context, how):
    with connect(secure, context, how) as c:
        for byte in c.socket.records(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\n"):
            c.raw.sendall(bytes([byte]))
        assert [r.code for r in c.replies(2)] == [250, 250]


@both
@pytest.mark.parametrize("mib", [30, pytest.param(100, marks=pytest.mark.skipif(not is_long(), reason="LONG=1"))])
def test_big_message(daemon, pki, context, how, mib):
    daemon.measure_memory().start_tls(pki.ec, max_message_size="200M", spool_memory="400M", spool_dir=str(daemon.directory))
    block = b"".join(b"%07d " % i + b"x" * 68 + b"\r\n" for i in range(MIB // 78))
    with connect(daemon, context, how) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        before = daemon.resident_kib()
        for _ in range(mib):
            c.send(block)
        grown = daemon.resident_kib() - before
        c.send(b".\r\n")
        assert c.reply().code == 250
        c.quit()
    [path] = daemon.mailbox("anna").files()
    stored = block.replace(b"\r\n", b"\n")
    with open(path, "rb") as f:
        f.seek(path.stat().st_size - mib * len(stored))
        assert all(f.read(len(stored)) == stored for _ in range(mib)) and f.read() == b""
    assert grown < 24 * 1024, f"{grown} KiB for one message"


@both
def test_client_that_does_not_read_is_not_read_from(daemon, pki, context, how):
    """Back-pressure: its commands wait in its own socket, and memory stays where it is."""
    daemon.start_tls(pki.ec)
    c = connect(daemon, context, how, receive_buffer=4096)
    before = daemon.resident_kib()
    commands, sent = c.socket.records(b"NOOP\r\n" * 2000), 0
    c.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        while sent < 256 * MIB:
            c.raw.sendall(commands)
            sent += len(commands)
            commands = c.socket.records(b"NOOP\r\n" * 2000)
    assert sent < 64 * MIB
    assert daemon.resident_kib() - before < 32 * 1024
    works(daemon, context)
    c.socket.settimeout(DEADLINE_S)
    assert [r.code for r in c.replies(3000)] == [250] * 3000
    c.socket.reset()


def test_client_that_never_reads_is_closed_after_the_timeout(daemon, pki, context):
    daemon.start_tls(pki.ec, timeout=2)
    with connect(daemon, context, "smtps", receive_buffer=4096) as c:
        c.socket.settimeout(1)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                c.raw.sendall(c.socket.records(b"HELP\r\n" * 2000))
        daemon.log.wait("disconnect")


def flood(address, context, stop):
    try:
        with TlsClient(address, context) as c:
            c.socket.settimeout(0.5)
            while not stop.is_set():
                try:
                    c.send(b"NOOP\r\n" * 2000)
                    c.socket.recv(MIB)
                except TimeoutError:
                    return
    except (OSError, Closed):
        pass


def test_busy_tls_clients_do_not_starve_another(daemon, pki, context):
    daemon.start_tls(pki.ec)
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(daemon.smtps, context, stop)) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        with connect(daemon, context, "starttls") as c:
            c.ehlo()
            for _ in range(5):
                seconds, reply = elapsed(lambda: c.message(b"x\r\n"))
                assert reply.code == 250 and seconds < 5
    finally:
        stop.set()
        for t in threads:
            t.join(DEADLINE_S)


def test_nothing_leaks_through_many_sessions(secure, context):
    works(secure, context)
    before = secure.descriptors()
    for i in range(60):
        with connect(secure, context, ("starttls", "smtps")[i % 2]) as c:
            c.ehlo()
            c.envelope()
            if i % 3 == 0:
                c.socket.reset()
    secure.log.wait("disconnect", count=62)
    wait_until(lambda: secure.descriptors() <= before + 1, "all connections to be closed")


# ---- the log ----

@both
def test_log_tells_what_the_handshake_came_to(secure, context, how):
    with connect(secure, context, how) as c:
        suite = c.tls.cipher()[0]
        c.quit()
    line = secure.log.wait("disconnect")[0]
    assert {k: line.get(k) for k in ("tls", "suite", "group", "resumed", "sni")} == {
        "tls": "TLSv1.3", "suite": suite, "group": "x25519", "resumed": "no", "sni": NAME}
    assert "client_subject" not in line and "tls_failure" not in line


def test_log_of_a_plain_session_tells_nothing_of_tls(secure):
    with Client(secure.address) as c:
        c.quit()
    assert "tls" not in secure.log.wait("disconnect")[0]


def test_alert_of_the_peer_is_told(secure, pki):
    """A client that does not believe in our certificate says so, and the log repeats it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ec.cert.parent.parent / "stranger" / "ca.crt")
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsClient(secure.smtps, context)
    line = secure.log.wait("disconnect")[0]
    assert "unknown ca" in line["tls_failure"], line.text
