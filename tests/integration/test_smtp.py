"""The dialogue on the wire: what a client sees of a session, whole and cut, and how connections end."""

import re
import smtplib
import socket
import struct

import pytest

from client import Client

TRANSACTION = [b"EHLO client.example.net\r\n", b"MAIL FROM:<a@example.net>\r\n", b"RCPT TO:<anna@example.org>\r\n",
               b"DATA\r\n", b"Subject: x\r\n\r\nbody\r\n.\r\n", b"QUIT\r\n"]
TRANSACTION_CODES = [220, 250, 250, 250, 354, 250, 221]


def test_greeting_names_host_and_service(client):
    assert client.greeting.lines == ["220 mx.example.org smtpfrontd ESMTP"]


def test_greeting_with_newline_becomes_several_lines(daemon):
    daemon.start(smtpgreeting="first line\nmx.example.org second")
    with Client(daemon.address) as c:
        assert c.greeting.lines == ["220-first line", "220 mx.example.org second ESMTP"]


def test_ehlo_offers_what_is_implemented(client):
    assert client.expect(250, "EHLO client.example.net").lines == [
        "250-mx.example.org", "250-PIPELINING", f"250-SIZE {50 * 1024 * 1024}", "250-8BITMIME",
        "250-SMTPUTF8", "250-CHUNKING", "250-LIMITS MAILMAX=10000 RCPTMAX=1000", "250 ENHANCEDSTATUSCODES"]


def test_helo_is_answered_with_one_line(client):
    assert client.expect(250, "HELO client.example.net").lines == ["250 mx.example.org"]


@pytest.mark.parametrize("verb", ["NOOP", "noop hello", "RSET", "HELP", "VRFY anna"])
def test_small_verbs_are_answered(client, verb):
    reply = client.command(verb)
    assert reply.code == {"HELP": 214, "VRFY": 252}.get(verb.split()[0], 250)


@pytest.mark.parametrize("verb", ["STARTTLS", "AUTH PLAIN", "EXPN x", "ETRN x", "TURN", "X", "", " NOOP"])
def test_what_is_not_offered_is_not_implemented(client, verb):
    assert client.command(verb).lines == ["500 5.5.1 Not implemented."]
    client.expect(250, "NOOP")


def test_every_reply_has_an_enhanced_status(client):
    client.ehlo()
    for line in ["NOOP", "MAIL FROM:<a@b@c>", "MAIL FROM:<a@example.net>", "RCPT TO:<nobody@example.org>", "DATA",
                 "RCPT TO:<anna@example.com>", "RCPT TO:<anna@example.org>", "RSET"]:
        reply = client.command(line)
        assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", reply.status), f"{line}: {reply}"
        assert reply.status[0] == str(reply.code)[0]


def test_a_message_reaches_the_mailbox(server, client):
    client.ehlo()
    reply = client.message(b"Subject: hello\r\n\r\nIt works.\r\n")
    assert reply.code == 250
    stored = server.mailbox("anna").only()
    assert stored.content == b"Subject: hello\n\nIt works.\n"
    # One id in the reply, in the file and in the log: one grep follows a message.
    message_id = re.search(r" id ([\w.-]+)", stored.received)[1]
    assert message_id in reply.text
    server.log.wait("accepted", message=message_id)


def test_transaction_in_one_segment_is_answered_in_order(server):
    with Client(server.address, greeting=False) as c:
        c.send(b"".join(TRANSACTION))
        assert c.rest_codes() == TRANSACTION_CODES
    server.mailbox("anna").only()


def test_transaction_byte_by_byte_is_answered_in_order(server):
    with Client(server.address, greeting=False) as c:
        for byte in b"".join(TRANSACTION):
            c.send(bytes([byte]))
        assert c.rest_codes() == TRANSACTION_CODES
    server.mailbox("anna").only()


def test_a_thousand_pipelined_commands_are_all_answered(client):
    client.send(b"NOOP\r\n" * 1000)
    assert [r.code for r in client.replies(1000)] == [250] * 1000


def test_pipelined_transactions_are_all_answered(server):
    count = 50
    one = b"".join(TRANSACTION[1:-1])
    with Client(server.address, greeting=False) as c:
        c.send(TRANSACTION[0] + one * count + b"QUIT\r\n")
        assert c.rest_codes() == [220, 250] + [250, 250, 354, 250] * count + [221]
    assert len(server.mailbox("anna").messages()) == count


def test_bare_newlines_work_through_a_whole_session(server):
    with Client(server.address, greeting=False) as c:
        c.send(b"".join(TRANSACTION).replace(b"\r\n", b"\n"))
        assert c.rest_codes() == TRANSACTION_CODES
    assert server.mailbox("anna").only().content == b"Subject: x\n\nbody\n"


def test_half_close_gets_all_replies(server):
    """What `printf ... | nc -N` does: everything is sent, sending is shut down, replies are still wanted."""
    with Client(server.address, greeting=False) as c:
        c.send(b"".join(TRANSACTION[:-1]))
        c.half_close()
        assert c.rest_codes() == TRANSACTION_CODES[:-1]
    server.mailbox("anna").only()


def test_half_close_inside_data_delivers_nothing(server):
    with Client(server.address, greeting=False) as c:
        c.send(b"".join(TRANSACTION[:4]) + b"Subject: x\r\n\r\nhalf a mess")
        c.half_close()
        assert 250 not in c.rest_codes()[4:]
    server.log.wait("disconnect")
    assert server.mailbox("anna").files() == []


def test_unfinished_command_at_eof_is_not_executed(server):
    with Client(server.address) as c:
        c.send(b"NOOP\r\nQUIT")
        c.half_close()
        assert 221 not in c.rest_codes()


def test_eof_at_once_is_survived(server):
    for _ in range(20):
        with Client(server.address, greeting=False):
            pass
    with Client(server.address) as c:
        c.quit()


def test_reset_at_every_step_is_survived(server):
    """SO_LINGER 0 makes close() send a reset."""
    for steps in range(len(TRANSACTION)):
        c = Client(server.address, greeting=False)
        c.send(b"".join(TRANSACTION[:steps]))
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.socket.close()
    with Client(server.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n", "anna@example.org").code == 250


def test_last_reply_arrives_although_unread_input_exists(daemon):
    """A close with unread input would send a reset, which can destroy the 421 on its way."""
    daemon.start(max_errors=1)
    with Client(daemon.address) as c:
        c.send(b"XYZ\r\nXYZ\r\n" + b"NOOP\r\n" * 8000)
        assert c.rest_codes() == [500, 421]


def test_quit_is_answered_although_more_follows(server):
    with Client(server.address) as c:
        c.send(b"QUIT\r\n" + b"NOOP\r\n" * 5000)
        assert c.rest_codes() == [221]


def test_client_that_never_closes_after_quit_is_closed(server):
    with Client(server.address) as c:
        c.expect(221, "QUIT")
        assert c.is_closed()
        server.log.wait("disconnect")


def test_smtplib_sends_to_several_recipients(server):
    server.mailbox("bob").make()
    with smtplib.SMTP(*server.address, timeout=20) as c:
        assert c.sendmail("sender@example.net", ["anna@example.org", "bob@example.org"], "Subject: x\n\n.dot\n") == {}
    for name in ("anna", "bob"):
        assert server.mailbox(name).only().content == b"Subject: x\n\n.dot\n"


def test_address_forms_reach_the_right_mailbox(server, client):
    server.mailbox("o'hara").make()
    client.ehlo()
    forms = ["anna@example.org", "ANNA@Example.ORG", '"anna"@example.org', "@relay.example.net:anna@example.org"]
    for form in forms:
        assert client.message(b"x\r\n", form).code == 250
    assert len(server.mailbox("anna").messages()) == len(forms)
    assert client.message(b"x\r\n", "o'hara@example.org").code == 250
    server.mailbox("o'hara").only()


@pytest.mark.parametrize("path", ["anna@example..org", "anna@-x.org", "anna", "anna@", "@example.org",
                                  "a b@example.org", "a" * 65 + "@example.org", '"anna@example.org', "anna@[1.2.3]",
                                  "anna@" + "a." * 130 + "org"])
def test_malformed_addresses_are_refused(client, path):
    client.ehlo()
    client.expect(250, "MAIL FROM:<>")
    reply = client.command(f"RCPT TO:<{path}>")
    assert reply.code == 501
    assert reply.status in ("5.1.3", "5.5.4")


def test_source_route_is_judged_by_its_last_part(client):
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.net>")
    client.expect(550, "RCPT TO:<@example.org:victim@example.com>")


@pytest.mark.parametrize("path", ["victim@example.com", "victim%example.com@example.org",
                                  '"victim@example.com"@example.org', "example.com!victim@example.org",
                                  "victim@[127.0.0.1]"])
def test_nobody_may_relay(client, path):
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.net>")
    client.expect(550, f"RCPT TO:<{path}>")
    client.expect(503, "DATA")


def test_without_domains_nobody_may_send_anywhere(daemon):
    daemon.expect_trouble("domains|postmaster")
    daemon.start(domains=None, postmaster=None)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<a@example.net>")
        assert c.expect(550, "RCPT TO:<anna@example.org>").status == "5.7.1"


def test_unknown_parameters_are_ignored(client):
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.net> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x")
    client.expect(250, "RCPT TO:<anna@example.org> NOTIFY=NEVER ORCPT=rfc822;x")


def test_declared_size_is_judged_at_mail(daemon):
    daemon.start(max_message_size=10000)
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.expect(552, "MAIL FROM:<a@example.net> SIZE=10001").status == "5.3.4"
        c.expect(250, "MAIL FROM:<a@example.net> SIZE=10000")


def test_real_size_is_judged_at_the_end(daemon):
    daemon.start(max_message_size=10000)
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x" * 9998 + b"\r\n").code == 250
        reply = c.message(b"x" * 9999 + b"\r\n")
        assert (reply.code, reply.status) == (552, "5.3.4")
        assert c.message(b"small\r\n").code == 250
    assert len(daemon.mailbox("anna").messages()) == 2


def test_looping_message_is_refused(server, client):
    client.ehlo()
    assert client.message(b"Received: x\r\n" * 100 + b"\r\nbody\r\n").code == 250
    reply = client.message(b"Received: x\r\n" * 101 + b"\r\nbody\r\n")
    assert (reply.code, reply.status) == (554, "5.4.6")
    assert client.message(b"Subject: x\r\n\r\n" + b"Received: x\r\n" * 200).code == 250


def test_received_field_tells_where_it_came_from(server):
    with Client(server.address) as c:
        c.expect(250, "HELO some.client.example.net")
        c.message(b"x\r\n")
        c.ehlo()
        c.message(b"x\r\n")
    fields = [re.sub(r"\s+", " ", m.received) for m in server.mailbox("anna").messages()]
    assert all(re.fullmatch(
        r"Received: from [a-z.]+ \(\[127\.0\.0\.1\]\) by mx\.example\.org with E?SMTP id \S+ for <anna@example\.org>; "
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000 ", f) for f in fields), fields
    assert sorted("with ESMTP " in f for f in fields) == [False, True]


def test_both_families_are_served_on_one_socket(daemon):
    daemon.start(listeners=[{"listen": "[::]:0"}])
    try:
        v6 = Client(("::1", daemon.port), family=socket.AF_INET6)
    except OSError as e:
        pytest.skip(f"no IPv6 here: {e}")
    with v6, Client(("127.0.0.1", daemon.port)) as v4:
        for c in (v4, v6):
            c.ehlo()
            assert c.message(b"x\r\n").code == 250
    received = " ".join(m.received for m in daemon.mailbox("anna").messages())
    assert "([127.0.0.1])" in received
    assert "([IPv6:::1])" in received


def test_several_listeners_have_settings_of_their_own(daemon):
    daemon.start(max_message_size=5000, listeners=[{"listen": "127.0.0.1:0"},
                                                   {"listen": "127.0.0.1:0", "max_message_size": 4000,
                                                    "smtpgreeting": "second"}])
    with Client(("127.0.0.1", daemon.ports[0])) as first, Client(("127.0.0.1", daemon.ports[1])) as second:
        assert "250-SIZE 5000" in first.ehlo().lines
        assert "250-SIZE 4000" in second.ehlo().lines
        assert second.greeting.lines == ["220 second ESMTP"]
