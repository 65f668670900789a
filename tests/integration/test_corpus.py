"""Awkward messages come back from the Maildir byte for byte, apart from the fields added in front."""

import pytest

from client import Client, stored, stuff
from corpus import HEADER, MESSAGES

CUTTABLE = [name for name, content in MESSAGES.items() if len(content) < 20000]


@pytest.mark.parametrize("name", MESSAGES)
def test_content_is_kept(server, name):
    content = MESSAGES[name]
    with Client(server.address) as c:
        c.ehlo()
        reply = c.message(content)
        assert reply.code == 250, reply
        c.expect(250, "NOOP")
    kept = server.mailbox("anna").only().content
    assert kept == stored(content), f"differs at {first_difference(kept, stored(content))}"


@pytest.mark.parametrize("name", CUTTABLE)
def test_content_is_kept_when_it_comes_in_small_pieces(server, name):
    wire = stuff(MESSAGES[name]) + b".\r\n"
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        for at in range(0, len(wire), 3):
            c.send(wire[at:at + 3])
        assert c.reply().code == 250
    assert server.mailbox("anna").only().content == stored(MESSAGES[name])


@pytest.mark.parametrize("name", CUTTABLE)
def test_content_is_kept_in_a_session_with_bare_newlines(server, name):
    content = MESSAGES[name].replace(b"\r\r\n", b"\r\n")
    wire = stuff(content).replace(b"\r\n", b"\n") + b".\n"
    with Client(server.address, greeting=False) as c:
        c.send(b"HELO x\nMAIL FROM:<a@example.net>\nRCPT TO:<anna@example.org>\nDATA\n")
        assert [r.code for r in c.replies(5)] == [220, 250, 250, 250, 354]
        c.send(wire)
        assert c.reply().code == 250
    assert server.mailbox("anna").only().content == stored(content)


def test_bare_newlines_inside_a_crlf_session_are_line_ends(server):
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(HEADER + b"a\nb\n\nc\r\nd\n.e\r\n.\r\n")
        assert c.reply().code == 250
    assert server.mailbox("anna").only().content == HEADER.replace(b"\r\n", b"\n") + b"a\nb\n\nc\nd\n.e\n"


def test_the_whole_corpus_in_one_session_of_pipelined_messages(server):
    small = [name for name in MESSAGES if len(MESSAGES[name]) < 1000000]
    with Client(server.address) as c:
        c.ehlo()
        for name in small:
            c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n" + stuff(MESSAGES[name]) +
                   b".\r\n")
            assert [r.code for r in c.replies(4)] == [250, 250, 354, 250], name
        c.quit()
    kept = sorted(m.content for m in server.mailbox("anna").messages())
    assert kept == sorted(stored(MESSAGES[name]) for name in small)


def first_difference(a, b):
    for at, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return f"{at}: {a[at - 20:at + 20]!r} and {b[at - 20:at + 20]!r}"
    return f"the end: {len(a)} and {len(b)} octets"
