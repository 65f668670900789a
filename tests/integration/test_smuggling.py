"""End of data, end to end: each sequence that some server somewhere takes for the end of a message.

A message is sent whose content holds the sequence and, behind it, commands that a smuggler would want executed.
Whatever the outcome: the commands must not be, exactly one message may arrive, and the session must go on as if
nothing had happened.
"""

import pytest

from client import Client

SMUGGLED = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil"

# What stands behind "x" and, in a CRLF session, must be content; and how it is stored.
CONTENT_IN_CRLF_SESSION = {
    "LF . LF": (b"\n.\n", b"\n.\n"),
    "CRLF . LF": (b"\r\n.\n", b"\n\n"),
    "LF . CRLF": (b"\n.\r\n", b"\n.\n"),
    "LF CR . LF": (b"\n\r.\n", b"\n\r.\n"),
    "CRLF CR . LF": (b"\r\n\r.\n", b"\n\r.\n"),
    "CRLF CR . CRLF": (b"\r\n\r.\r\n", b"\n\r.\n"),
    "CRLF . CR CRLF": (b"\r\n.\r\r\n", b"\n\r\n"),
    "CR . CR": (b"\r.\r", b"\r.\r"),
    "CR . CRLF": (b"\r.\r\n", b"\r.\n"),
    "CR . LF": (b"\r.\n", b"\r.\n"),
    "CRLF . CR": (b"\r\n.\r", b"\n\r"),
    "CRLF NUL . CRLF": (b"\r\n\0.\r\n", b"\n\0.\n"),
    "CRLF . NUL CRLF": (b"\r\n.\0\r\n", b"\n\0\n"),
    "CR CRLF . CR CRLF": (b"\r\r\n.\r\r\n", b"\r\n\r\n"),
    "LF LF . LF LF": (b"\n\n.\n\n", b"\n\n.\n\n"),
}

CONTENT_IN_LF_SESSION = {
    "LF . CRLF": (b"\n.\r\n", b"\n\n"),
    "CRLF . CRLF": (b"\r\n.\r\n", b"\n\n"),
    "LF CR . LF": (b"\n\r.\n", b"\n\r.\n"),
    "CR . CR": (b"\r.\r", b"\r.\r"),
    "CR . LF": (b"\r.\n", b"\r.\n"),
    "LF . NUL LF": (b"\n.\0\n", b"\n\0\n"),
}


@pytest.fixture
def boxes(server):
    server.mailbox("bob").make()
    return server


def attack(server, sequence, eol, chunks):
    with Client(server.address) as c:
        def expect(code, line):
            c.send(line + eol)
            reply = c.reply()
            assert reply.code == code, f"{line}: {reply}"
        expect(250, b"EHLO client.example.net")
        expect(250, b"MAIL FROM:<sender@example.net>")
        expect(250, b"RCPT TO:<anna@example.org>")
        expect(354, b"DATA")
        for chunk in chunks(b"Subject: one" + eol + eol + b"x" + sequence + SMUGGLED + eol + b"." + eol):
            c.send(chunk)
        reply = c.reply()
        # One reply, and nothing behind it: the next words on the wire answer the next command.
        expect(250, b"NOOP")
        expect(503, b"RCPT TO:<bob@example.org>")
        c.send(b"QUIT" + eol)
        assert c.rest_codes() == [221]
    return reply


def judge(server, reply, stored, eol):
    assert reply.code == 250
    assert server.mailbox("bob").files() == []
    tail = SMUGGLED.replace(b"\r\n", b"\n") + b"\n"
    assert server.mailbox("anna").only().content == b"Subject: one\n\nx" + stored + tail


def whole(data):
    return [data]


def bytewise(data):
    return [bytes([b]) for b in data]


@pytest.mark.parametrize("chunks", [whole, bytewise])
@pytest.mark.parametrize("name", CONTENT_IN_CRLF_SESSION)
def test_only_crlf_dot_crlf_ends_data_of_a_crlf_session(boxes, name, chunks):
    sequence, stored = CONTENT_IN_CRLF_SESSION[name]
    judge(boxes, attack(boxes, sequence, b"\r\n", chunks), stored, b"\r\n")


@pytest.mark.parametrize("chunks", [whole, bytewise])
@pytest.mark.parametrize("name", CONTENT_IN_LF_SESSION)
def test_only_lf_dot_lf_ends_data_of_an_lf_session(boxes, name, chunks):
    sequence, stored = CONTENT_IN_LF_SESSION[name]
    judge(boxes, attack(boxes, sequence, b"\n", chunks), stored, b"\n")


@pytest.mark.parametrize("line", [b"NOOP\nNOOP\r\n", b"MAIL FROM:<a@example.net>\nRCPT TO:<bob@example.org>\r\n"])
def test_bare_lf_in_a_command_of_a_crlf_session_closes(boxes, line):
    with Client(boxes.address) as c:
        c.ehlo()
        c.send(line + b"NOOP\r\n")
        reply = c.reply()
        assert reply.lines == ["500 5.5.2 bare LF"]
        assert c.rest_codes() == []


def test_bare_lf_behind_a_message_is_not_interpreted(boxes):
    """The true end of data, then LF-only commands in one segment: nothing of it may be executed."""
    with Client(boxes.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"one\r\n.\r\n" + SMUGGLED.replace(b"\r\n", b"\n") + b"\n.\n")
        assert c.reply().code == 250
        assert c.rest_codes() == [500]
    assert boxes.mailbox("bob").files() == []
    boxes.mailbox("anna").only()


def test_dot_behind_bare_lf_is_logged_once(boxes):
    with Client(boxes.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"a\n.\n.\nb\n.\nc\r\n.\r\n")
        assert c.reply().code == 250
        c.quit()
    boxes.log.wait("disconnect")
    assert len([line for line in boxes.log.lines if "bare" in line.text and "dot" in line.text]) == 1
