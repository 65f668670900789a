"""Messages handed to a next hop: what the hop gets, and what our client is told. The hop is hostile_hop.Hop."""

import random
import re
import signal
import socket
import ssl
import struct
import threading

import pytest

from client import Client, stuff
from conftest import is_long
from daemon import DEADLINE_S
from hostile_hop import DEFAULT_FEATURES, Gone, Hop, say

CONTENT = b"Subject: relay\r\n\r\n.dot\r\n..two\r\nlast\r\n"


@pytest.fixture
def hops():
    """Makes hops, and checks at the end that each was treated well."""
    made = []

    def make(*arguments, **options):
        made.append(Hop(*arguments, **options))
        return made[-1]

    yield make
    for hop in made:
        hop.close()
        hop.check_clean()


def start_relay(daemon, hop, kind=None, listener=None, **options):
    """A daemon whose only backend hands all to `hop`, or to several of them."""
    several = hop if isinstance(hop, (list, tuple)) else [hop]
    backend = {"type": kind or ("lmtp" if several[0].lmtp else "smtp"), "hosts": [h.address for h in several],
               **options}
    return daemon.start(backends={"hop": backend}, routes=None,
                        listeners=[{"listen": "127.0.0.1:0", **(listener or {})}])


@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_message_arrives_as_it_was_sent(daemon, hops, lmtp, stream):
    hop = hops(lmtp=lmtp)
    start_relay(daemon, hop, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT, "anna@example.org", "ben@example.org").code == 250
        taken, = hop.wait_taken(1)
        assert taken.body == CONTENT
        assert taken.sender == "sender@example.net"
        assert taken.recipients == ["anna@example.org", "ben@example.org"]
        client.quit()


# ---- what the hop says ----

def test_hop_is_asked_for_each_recipient_and_its_replies_are_passed_on(daemon, hops):
    hop = hops()
    hop.answers["ghost@example.org"] = "550 5.1.1 No such user: ghost"
    hop.answers["full@example.org"] = "452 4.2.2 Mailbox full"
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        reply = client.expect(550, "RCPT TO:<ghost@example.org>")
        assert (reply.status, reply.text) == ("5.1.1", "5.1.1 No such user: ghost")
        assert client.expect(452, "RCPT TO:<full@example.org>").status == "4.2.2"
        client.expect(250, "RCPT TO:<anna@example.org>")
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        assert client.reply().code == 250
    assert hop.wait_taken(1)[0].recipients == ["anna@example.org"]
    line, = daemon.log.wait("hop_refused", code=550)
    assert (line["stage"], line["recipient"], line["host"]) == ("rcpt", "ghost@example.org", hop.address)


def test_what_the_hop_says_is_made_fit_to_be_passed_on(daemon, hops):
    hop = hops()
    hop.answers["odd@example.org"] = b"550 5.1.1 \x1b[2J\xff\x01 odd\r\n"
    hop.answers["bare@example.org"] = "550 no status here"
    hop.answers["wrong@example.org"] = "550 4.1.1 wrong class"
    hop.answers["many@example.org"] = b"550-5.1.1 one\r\n550 5.1.1 two\r\n"
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        for name in ("odd", "bare", "wrong", "many"):
            reply = client.expect(550, f"RCPT TO:<{name}@example.org>")
            assert reply.status.startswith("5."), reply
            assert all(" " <= c <= "~" for line in reply.lines for c in line), reply


def test_refused_sender_is_told_at_rcpt(daemon, hops):
    hop = hops()
    hop.answers["<sender@example.net>"] = "554 5.7.1 Not you"
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        assert client.expect(554, "RCPT TO:<anna@example.org>").text == "5.7.1 Not you"
        assert client.expect(554, "RCPT TO:<ben@example.org>").text == "5.7.1 Not you"
        client.expect(503, "DATA")
        client.expect(250, "RSET")
        assert client.message(CONTENT, sender="other@example.net").code == 250
    assert len(hop.wait_taken(1)) == 1
    assert len(hop.connections) == 1, "a refused sender is no reason for another connection"


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
@pytest.mark.parametrize("reply", ["554 5.7.1 Spam", "451 4.7.1 Later"])
def test_refused_message_is_told_with_the_words_of_the_hop(daemon, hops, reply, stream):
    hop = hops()
    hop.verdicts[None] = reply
    start_relay(daemon, hop, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        assert repr(client.message(CONTENT)) == reply
        hop.verdicts.clear()
        assert client.message(CONTENT).code == 250
    assert len(hop.taken) == 1


def test_refused_data_is_told(daemon, hops):
    hop = hops()
    hop.fault("data", lambda connection, reply: b"554 5.3.0 No data today\r\n")
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        assert repr(client.message(CONTENT)) == "554 5.3.0 No data today"
        assert client.message(CONTENT).code == 250
    assert len(hop.wait_taken(1)) == 1


def test_421_of_the_hop_does_not_end_our_session(daemon, hops):
    hop = hops()
    hop.answers["anna@example.org"] = "421 4.3.2 I am tired"
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        client.expect(451, "RCPT TO:<anna@example.org>")
        client.expect(250, "RSET")
        client.quit()


def test_lmtp_outcomes_that_differ_are_told_as_one_temporary_failure(daemon, hops):
    hop = hops(lmtp=True)
    hop.verdicts["ben@example.org"] = "552 5.2.2 Over quota"
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        reply = client.message(CONTENT, "anna@example.org", "ben@example.org", "carl@example.org")
        assert reply.code == 451
        assert hop.wait_taken(1)[0].recipients == ["anna@example.org", "carl@example.org"]
        assert repr(client.message(CONTENT, "ben@example.org")) == "552 5.2.2 Over quota"
    daemon.log.wait("relayed", 2)
    daemon.log.wait("hop_refused", 2)
    said = [(line["recipient"], line["code"]) for line in daemon.log.find() if line.event in ("relayed", "hop_refused")]
    assert said[:3] == [("anna@example.org", "250"), ("ben@example.org", "552"), ("carl@example.org", "250")]


# ---- connections ----

def test_connections_are_kept_and_used_again(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        for _ in range(5):
            assert client.message(CONTENT).code == 250
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    assert len(hop.wait_taken(6)) == 6
    assert len(hop.connections) == 1


def test_connection_is_used_for_max_messages_and_no_more(daemon, hops):
    hop = hops()
    start_relay(daemon, hop, max_messages=2)
    with Client(daemon.address) as client:
        client.ehlo()
        for _ in range(5):
            assert client.message(CONTENT).code == 250
    assert [taken.connection for taken in hop.wait_taken(5)] == [0, 0, 1, 1, 2]
    hop.wait_heard("QUIT", 2)


def test_idle_connection_is_closed_politely(daemon, hops):
    hop = hops()
    start_relay(daemon, hop, idle_time=1)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
        hop.wait_heard("QUIT")
        hop.wait(lambda: hop.open_count == 0, "the end of the idle connection")
        assert client.message(CONTENT).code == 250
    assert [taken.connection for taken in hop.wait_taken(2)] == [0, 1]


def test_kept_connection_that_died_unnoticed_is_replaced(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
        # It looks alive until MAIL is sent.
        hop.fault("mail", "close")
        assert client.message(CONTENT).code == 250
        hop.fault("mail", "closing")
        assert client.message(CONTENT).code == 250
    assert [taken.connection for taken in hop.wait_taken(3)] == [0, 1, 2]
    assert not daemon.log.find("hop_down")


def test_restarted_hop_loses_nothing(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        for count in range(1, 6):
            assert client.message(CONTENT).code == 250
            hop.hang_up()
            assert len(hop.wait_taken(count)) == count


def test_messages_wait_for_a_connection_in_their_turn(daemon, hops):
    hop = hops()
    start_relay(daemon, hop, max_connections=1)
    with Client(daemon.address) as first, Client(daemon.address) as second:
        first.ehlo()
        second.ehlo()
        first.envelope()
        second.expect(250, "MAIL FROM:<second@example.net>")
        second.send(b"RCPT TO:<anna@example.org>\r\n")
        first.expect(354, "DATA")
        first.send(b"Subject: first\r\n\r\n.\r\n")
        assert first.reply().code == 250
        assert second.reply().code == 250
        second.expect(354, "DATA")
        second.send(b"Subject: second\r\n\r\n.\r\n")
        assert second.reply().code == 250
    assert [taken.sender for taken in hop.wait_taken(2)] == ["sender@example.net", "second@example.net"]
    assert len(hop.connections) == 1


def test_waiting_for_a_connection_ends_with_451(daemon, hops):
    hop = hops()
    start_relay(daemon, hop, max_connections=1, wait_timeout=1)
    with Client(daemon.address) as first, Client(daemon.address) as second:
        first.ehlo()
        second.ehlo()
        first.envelope()
        second.expect(250, "MAIL FROM:<second@example.net>")
        assert second.expect(451, "RCPT TO:<anna@example.org>").status == "4.3.0"
        second.expect(250, "RSET")
        first.expect(250, "RSET")
        assert second.message(CONTENT).code == 250


def test_client_that_says_nothing_keeps_no_connection_from_others(daemon, hops):
    hop = hops()
    start_relay(daemon, hop, max_connections=1)
    with Client(daemon.address) as idle, Client(daemon.address) as busy:
        idle.ehlo()
        busy.ehlo()
        idle.envelope("anna@example.org", "ben@example.org")
        assert busy.message(CONTENT, sender="busy@example.net").code == 250
        idle.expect(250, "RCPT TO:<carl@example.org>")
        idle.expect(354, "DATA")
        idle.send(stuff(CONTENT) + b".\r\n")
        assert idle.reply().code == 250
    assert [(t.sender, t.recipients) for t in hop.wait_taken(2)] == [
        ("busy@example.net", ["anna@example.org"]),
        ("sender@example.net", ["anna@example.org", "ben@example.org", "carl@example.org"])]
    assert len(hop.connections) == 1


@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_hop_that_is_restarted_before_the_content_is_asked_again(daemon, hops, lmtp, stream):
    hop = hops(lmtp=lmtp)
    start_relay(daemon, hop, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope("anna@example.org", "ben@example.org")
        hop.hang_up()
        client.expect(250, "RCPT TO:<carl@example.org>")
        hop.hang_up()
        client.expect(354, "DATA")
        client.send(stuff(CONTENT) + b".\r\n")
        assert client.reply().code == 250
    taken, = hop.wait_taken(1)
    assert taken.recipients == ["anna@example.org", "ben@example.org", "carl@example.org"]
    assert taken.body == CONTENT


def test_recipient_that_a_restarted_hop_accepts_no_more_puts_all_off(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope("anna@example.org", "ben@example.org")
        hop.hang_up()
        hop.answers["anna@example.org"] = "550 5.1.1 Moved away"
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        assert client.reply().code == 451
        assert client.message(CONTENT, "ben@example.org").code == 250
    assert [t.recipients for t in hop.wait_taken(1)] == [["ben@example.org"]]


def test_client_that_leaves_gives_its_connection_back(daemon, hops):
    hop = hops()
    start_relay(daemon, hop, max_connections=1)
    with Client(daemon.address) as first:
        first.ehlo()
        first.envelope()
    with Client(daemon.address) as second:
        second.ehlo()
        assert second.message(CONTENT, sender="second@example.net").code == 250
    taken, = hop.wait_taken(1)
    assert taken.sender == "second@example.net"


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_message_that_is_cut_off_is_not_taken_by_the_hop(daemon, hops, stream):
    hop = hops()
    start_relay(daemon, hop, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(b"Subject: half\r\n\r\nthis is not all\r\n")
        if stream:
            hop.wait(lambda: b"not all" in hop.connections[0].last_content, "half of the message")
    daemon.log.wait("disconnect")
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT, sender="second@example.net").code == 250
    assert [taken.sender for taken in hop.wait_taken(1)] == ["second@example.net"]


# ---- several hosts, and none ----

def test_hosts_take_turns(daemon, hops):
    two = [hops(), hops()]
    start_relay(daemon, two)
    with Client(daemon.address) as client:
        client.ehlo()
        for _ in range(6):
            assert client.message(CONTENT).code == 250
    assert [len(hop.taken) for hop in two] == [3, 3]


def test_host_that_is_down_is_left_out_and_comes_back(daemon, hops):
    daemon.expect_trouble("hop_down")
    two = [hops(), hops()]
    two[0].unlisten()
    start_relay(daemon, two)
    with Client(daemon.address) as client:
        client.ehlo()
        for _ in range(4):
            assert client.message(CONTENT).code == 250
        assert len(two[1].wait_taken(4)) == 4
        assert len(daemon.log.find("hop_down")) == 1, "it rests"
        two[0].listen()
        while not two[0].taken:
            assert client.message(CONTENT).code == 250
    daemon.log.wait("hop_up", host=two[0].address)


@pytest.mark.parametrize("step,action", [("greeting", "close"), ("greeting", "closing"), ("hello", "reset"),
                                         ("mail", "close"), ("rcpt", "close")])
def test_another_host_is_tried_until_a_recipient_was_accepted(daemon, hops, step, action):
    two = [hops(), hops()]
    two[0].fault(step, action)
    start_relay(daemon, two)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT, "anna@example.org", "ben@example.org").code == 250
    assert two[1].wait_taken(1)[0].recipients == ["anna@example.org", "ben@example.org"]
    assert not two[0].taken


def test_hop_lost_behind_an_accepted_recipient_puts_all_off(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    hop.fault("rcpt", "close", skip=1)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        client.expect(250, "RCPT TO:<anna@example.org>")
        client.expect(451, "RCPT TO:<ben@example.org>")
        client.expect(451, "RCPT TO:<carl@example.org>")
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        assert client.reply().code == 451
        assert client.message(CONTENT).code == 250
    assert len(hop.wait_taken(1)) == 1


def test_all_hosts_down_is_451_at_rcpt_at_once(daemon, hops):
    hop = hops()
    hop.unlisten()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        for _ in range(3):
            client.expect(250, "MAIL FROM:<sender@example.net>")
            reply = client.expect(451, "RCPT TO:<anna@example.org>")
            assert reply.status == "4.3.0"
            client.expect(250, "RSET")
    line, = daemon.log.wait("hop_down")
    assert line["host"] == hop.address and "refused" in line["error"]


def test_fallback_takes_what_comes_while_the_hop_is_down(daemon, hops):
    hop = hops()
    hop.unlisten()
    daemon.start(backends={"hop": {"type": "smtp", "hosts": [hop.address], "fallback": "inbox"},
                           "inbox": {"type": "maildir", "path": f"{daemon.mail}/%d/%n"}},
                 routes=[{"backend": "hop"}])
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
        assert len(daemon.mailbox("anna").messages()) == 1
        hop.listen()
        while not hop.taken:
            assert client.message(CONTENT).code == 250
    daemon.log.wait("fallback", backend="hop", fallback="inbox")


@pytest.mark.parametrize("verb", ["xclient", "xforward"])
def test_host_that_refuses_one_client_is_not_down(daemon, hops, verb):
    """Else whoever is refused by the hop could put off the mail of all others."""
    hop = hops(features=["PIPELINING", "8BITMIME", f"{verb.upper()} NAME ADDR PORT"])
    daemon.start(backends={"hop": {"type": "smtp", "hosts": [hop.address], "fallback": "inbox", verb: True},
                           "inbox": {"type": "maildir", "path": f"{daemon.mail}/%d/%n"}},
                 routes=[{"backend": "hop"}])
    hop.fault(verb, say("554 5.7.1 Client host rejected"))
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        assert client.expect(451, "RCPT TO:<anna@example.org>").status == "4.3.0"
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    assert len(hop.wait_taken(1)) == 1
    assert not daemon.log.find("hop_down") and not daemon.log.find("fallback")
    assert daemon.mailbox("anna").messages() == []


def test_silent_host_is_given_up_in_time(daemon, hops):
    two = [hops(), hops()]
    two[0].fault("greeting", "stall", times=None)
    start_relay(daemon, two, greeting_timeout=1)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    line, = daemon.log.wait("hop_down")
    assert line["error"] == "greeting: timed out"


# ---- content ----

@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_big_message_goes_through_in_little_memory(daemon, hops, stream):
    hop = hops()
    daemon.measure_memory()
    start_relay(daemon, hop, stream=stream, listener={"max_message_size": "100M"})
    lines = b"".join(b".%06d " % n + b"x" * 60 + b"\r\n" for n in range(15000))
    content = b"Subject: big\r\n\r\n" + lines * 30
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
        before = daemon.resident_kib()
        assert client.message(content).code == 250
    assert hop.wait_taken(2)[1].body == content
    assert daemon.resident_kib() - before < 20 * 1024


def test_content_waits_for_a_hop_that_reads_slowly(daemon, hops):
    hop = hops()
    is_over = threading.Event()

    def take_nothing(connection, reply):
        is_over.wait(DEADLINE_S)
        raise Gone

    hop.fault("content", take_nothing)
    daemon.settings["drain_timeout"] = "1s"
    start_relay(daemon, hop, stream=True)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.socket.settimeout(1)
        sent = 0
        block = (b"y" * 70 + b"\r\n") * 1000
        try:
            while sent < 200 << 20:
                client.send(block)
                sent += len(block)
        except TimeoutError:
            pass
        is_over.set()
        assert sent < 100 << 20, "the hop takes nothing, and we go on reading"


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
def test_lone_cr_does_not_leave_the_house(daemon, hops, stream, lmtp):
    hop = hops(lmtp=lmtp)
    start_relay(daemon, hop, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        reply = client.message(b"Subject: x\r\n\r\nbad\rline\r\nmore\r\n")
        assert (reply.code, reply.status) == (554, "5.6.0")
        assert client.message(CONTENT).code == 250
    assert [taken.body for taken in hop.wait_taken(1)] == [CONTENT]


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_message_that_we_refuse_is_not_taken_by_the_hop(daemon, hops, stream):
    hop = hops()
    start_relay(daemon, hop, stream=stream, listener={"max_message_size": "2K"})
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(b"Subject: x\r\n\r\n" + b"too much of this\r\n" * 1000).code == 552
        assert client.message(CONTENT).code == 250
    assert [taken.body for taken in hop.wait_taken(1)] == [CONTENT]


def test_lf_session_reaches_the_hop_in_crlf(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.send(b"EHLO a\nMAIL FROM:<s@example.net>\nRCPT TO:<anna@example.org>\nDATA\n")
        assert [r.code for r in client.replies(4)] == [250, 250, 250, 354]
        client.send(b"Subject: lf\n\n..x\nlast\n.\n")
        assert client.reply().code == 250
    assert hop.wait_taken(1)[0].body == b"Subject: lf\r\n\r\n.x\r\nlast\r\n"


# ---- TLS and AUTH towards the hop ----

def server_context(pki, name="hop.example.org"):
    pair = pki.ca.issue(f"relay-{name}", names=(name,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_text_of_a_user_without_a_header_is_a_body_at_the_next_hop(daemon, hops, lmtp, stream):
    """Content of users is spooled, also where other content is streamed."""
    hop = hops(lmtp=lmtp)
    start_relay(daemon, hop, stream=stream, listener={"relay_networks": ["127.0.0.1"]})
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(b"hello you\r\nSubject: x\r\n\r\nbody\r\n").code == 250
    taken, = hop.wait_taken(1)
    ours, empty, rest = taken.content.partition(b"\r\n\r\n")
    assert re.match(rb"Received: (.|\s)*\r\nDate: [^\n]*\r\nMessage-ID: <[^<>\s]*>$", ours), ours
    assert rest == b"hello you\r\nSubject: x\r\n\r\nbody\r\n"


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
@pytest.mark.parametrize("body", ["", " BODY=BINARYMIME"], ids=["text", "binary"])
def test_first_line_does_not_continue_our_received_field_at_the_next_hop(daemon, hops, stream, body):
    hop = hops(features=("PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"))
    start_relay(daemon, hop, stream=stream, offers=["BINARYMIME"])
    content = b" (forged)\r\nSubject: x\r\n\r\nbody\r\n"
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>" + body)
        client.expect(250, "RCPT TO:<anna@example.org>")
        client.send(b"BDAT 1\r\n " + b"BDAT %d LAST\r\n" % (len(content) - 1) + content[1:])
        assert [client.reply().code for _ in range(2)] == [250, 250]
    taken, = hop.wait_taken(1)
    assert taken.content.endswith(b"\r\n\r\n" + content) and taken.content.count(b"\n") == taken.content.count(b"\r\n")


def deliver_one(daemon, code=250):
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        reply = client.command("RCPT TO:<anna@example.org>")
        if code != 250:
            assert reply.code == code
            return reply
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        reply = client.reply()
        assert reply.code == 250
        return reply


TLS_FEATURES = ("PIPELINING", "8BITMIME", "STARTTLS")


@pytest.mark.parametrize("tls,offered,is_tls", [
    ("never", True, False), ("may", True, True), ("may", False, False), ("encrypt", True, True)])
def test_starttls_is_used_as_the_option_says(daemon, hops, pki, tls, offered, is_tls):
    hop = hops(tls=server_context(pki), features=TLS_FEATURES if offered else TLS_FEATURES[:2])
    start_relay(daemon, hop, tls=tls)
    deliver_one(daemon)
    assert hop.connections[0].is_tls == is_tls


@pytest.mark.parametrize("tls", ["encrypt", "verify"])
def test_hop_without_starttls_gets_nothing_where_tls_is_asked_for(daemon, hops, tls):
    daemon.expect_trouble("hop_down")
    hop = hops(features=TLS_FEATURES[:2])
    start_relay(daemon, hop, tls=tls)
    deliver_one(daemon, 451)
    assert not hop.said("MAIL")


@pytest.mark.parametrize("tls", ["verify", "immediate"])
@pytest.mark.parametrize("name,is_good", [("hop.example.org", True), ("other.example.org", False)])
def test_certificate_of_the_hop_must_be_for_its_name(daemon, hops, pki, tls, name, is_good):
    hop = hops(tls=server_context(pki, name), immediate=tls == "immediate", features=TLS_FEATURES)
    start_relay(daemon, hop, tls=tls, tls_name="hop.example.org", tls_cafile=str(pki.ca.cert))
    deliver_one(daemon, 250 if is_good else 451)
    if not is_good:
        assert "tls" in daemon.log.wait("hop_down")[0]["error"]
        assert not hop.said("MAIL")


def test_certificate_of_unknown_authorities_is_refused(daemon, hops, pki):
    hop = hops(tls=server_context(pki), features=TLS_FEATURES)
    start_relay(daemon, hop, tls="verify", tls_name="hop.example.org")
    deliver_one(daemon, 451)
    assert not hop.said("MAIL")


def test_bytes_behind_the_go_ahead_for_tls_are_not_interpreted(daemon, hops, pki):
    hop = hops(tls=server_context(pki), features=TLS_FEATURES)
    hop.fault("starttls", lambda connection, reply: reply + b"250 injected\r\n")
    start_relay(daemon, hop, tls="may")
    deliver_one(daemon, 451)
    assert not hop.said("MAIL")


def password_file(daemon, text="secret\n", mode=0o600):
    path = daemon.directory / "password"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN"])
def test_we_log_in_over_tls(daemon, hops, pki, mechanisms):
    hop = hops(tls=server_context(pki), features=(*TLS_FEATURES, f"AUTH {mechanisms}"), users={"relay": "secret"})
    start_relay(daemon, hop, tls="encrypt", user="relay", password_file=password_file(daemon))
    deliver_one(daemon)
    assert hop.connections[0].user == "relay"


def test_password_does_not_go_out_in_plain_text(daemon, hops):
    hop = hops(features=("AUTH PLAIN",), users={"relay": "secret"})
    daemon.expect_trouble("goes to whoever answers")
    start_relay(daemon, hop, tls="may", user="relay", password_file=password_file(daemon))
    deliver_one(daemon, 451)
    assert not hop.said("AUTH") and not hop.said("MAIL")


def test_password_that_is_wrong_is_451_and_never_logged(daemon, hops):
    hop = hops(features=("AUTH PLAIN",), users={"relay": "other"})
    daemon.expect_trouble("may go over the network in plain text")
    start_relay(daemon, hop, tls="never", auth_without_tls=True, user="relay",
                password_file=password_file(daemon))
    deliver_one(daemon, 451)
    assert "auth" in daemon.log.wait("hop_down")[0]["error"]
    assert "secret" not in daemon.log.text() and "AHJlbGF5AHNlY3JldA" not in daemon.log.text()


@pytest.mark.parametrize("text", ["535 5.7.8 AHJlbGF5AHNlY3JldA== is wrong", "535 5.7.8 no user relay with secret",
                                  "421 4.7.0 AUTH PLAIN AHJlbGF5AHNl..."])
def test_password_that_the_hop_repeats_is_never_logged_or_told(daemon, hops, text):
    hop = hops(features=("AUTH PLAIN",), users={"relay": "secret"})
    hop.fault("auth", say(text))
    daemon.expect_trouble("may go over the network in plain text")
    start_relay(daemon, hop, tls="never", auth_without_tls=True, user="relay", password_file=password_file(daemon))
    reply = deliver_one(daemon, 451)
    assert "The text is left out" in daemon.log.wait("hop_down")[0]["error"]
    for told in (daemon.log.text(), str(reply)):
        assert "secret" not in told and "AHJlbGF5AHN" not in told


@pytest.mark.parametrize("text,mode,wrong", [("secret\n", 0o644, "open to everybody"), ("\n", 0o600, "no password")])
def test_bad_password_file_stops_the_start(daemon, hops, text, mode, wrong):
    daemon.expect_trouble("start_failed")
    backend = {"type": "smtp", "hosts": ["127.0.0.1:25"], "user": "relay", "tls": "encrypt",
               "password_file": password_file(daemon, text, mode)}
    daemon.start(wait_ready=False, backends={"hop": backend}, routes=None)
    assert daemon.exit_code() != 0
    assert wrong in daemon.past_logs[-1].text()


# ---- what hops offer ----

def test_message_in_utf8_is_refused_at_rcpt_where_the_hop_cannot_take_it(daemon, hops):
    hop = hops(features=("PIPELINING", "8BITMIME"))
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        for _ in range(2):
            client.expect(250, "MAIL FROM:<sender@example.net> SMTPUTF8")
            assert client.expect(553, "RCPT TO:<anna@example.org>").status == "5.6.7"
            client.expect(250, "RSET")
        assert client.message(CONTENT).code == 250


def test_message_in_utf8_is_handed_over_as_such(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<s@example.net> SMTPUTF8 BODY=8BITMIME".encode())
        client.expect(250, "RCPT TO:<jürgen@example.org>".encode())
        client.expect(354, "DATA")
        client.send("Subject: grüße\r\n\r\nä\r\n.\r\n".encode())
        assert client.reply().code == 250
    taken, = hop.wait_taken(1)
    assert "SMTPUTF8" in taken.parameters and "BODY=8BITMIME" in taken.parameters
    assert taken.recipients == ["jürgen@example.org"]
    assert "ä".encode() in taken.content


def test_eight_bit_message_is_refused_where_the_hop_cannot_take_it(daemon, hops):
    hop = hops(features=("PIPELINING",))
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250  # now it is known
        client.expect(250, "MAIL FROM:<sender@example.net> BODY=8BITMIME")
        assert client.expect(554, "RCPT TO:<anna@example.org>").status == "5.6.3"


def test_hop_without_ehlo_is_greeted_with_helo(daemon, hops):
    hop = hops()
    hop.fault("hello", lambda connection, reply: b"500 5.5.1 What\r\n" if connection.lines[-1].startswith(b"EHLO")
              else reply, times=None)
    start_relay(daemon, hop)
    deliver_one(daemon)
    assert hop.said("HELO") and hop.wait_taken(1)


def test_dsn_is_offered_when_the_hop_is_known_to_have_it(daemon, hops):
    hop = hops(features=(*TLS_FEATURES[:2], "DSN"))
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        assert "DSN" not in client.ehlo().text.split("\n")
        assert client.message(CONTENT).code == 250
    with Client(daemon.address) as client:
        assert "DSN" in client.ehlo().text.split("\n")
        client.expect(250, "MAIL FROM:<sender@example.net> RET=HDRS ENVID=e1")
        client.expect(250, "RCPT TO:<anna@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;anna@example.org")
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        assert client.reply().code == 250
    taken = hop.wait_taken(2)[1]
    assert "RET=HDRS" in taken.parameters and "ENVID=e1" in taken.parameters
    assert hop.recipient_parameters["anna@example.org"] == ["NOTIFY=SUCCESS,FAILURE",
                                                            "ORCPT=rfc822;anna@example.org"]


def test_what_the_configuration_knows_of_a_hop_is_offered_at_once(daemon, hops):
    hop = hops(features=("DSN",))
    start_relay(daemon, hop, offers=["DSN"])
    with Client(daemon.address) as client:
        assert "DSN" in client.ehlo().text.split("\n")


# ---- the end ----

@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
def test_delivery_that_has_begun_goes_on_when_the_client_leaves(daemon, hops, lmtp):
    hop = hops(lmtp=lmtp)
    may_answer = threading.Event()

    def answer_late(connection, reply):
        assert may_answer.wait(DEADLINE_S)
        return reply

    hop.fault("end", answer_late)
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        hop.wait(lambda: hop.faults[0].hits, "the end of data at the hop")
        reset(client)
    may_answer.set()
    hop.wait_taken(1)
    daemon.log.wait("relayed")


def reset(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def test_stop_waits_for_a_delivery_that_has_begun(daemon, hops):
    hop = hops()
    may_answer = threading.Event()

    def answer_late(connection, reply):
        assert may_answer.wait(DEADLINE_S)
        return reply

    hop.fault("end", answer_late)
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        hop.wait(lambda: hop.faults[0].hits, "the end of data at the hop")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.log.wait("stop")
        may_answer.set()
        assert client.reply().code == 250
    assert daemon.exit_code() == 0
    assert len(hop.taken) == 1


def test_message_in_the_middle_survives_a_reload(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        daemon.process.send_signal(signal.SIGHUP)
        daemon.log.wait("reload")
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        assert client.reply().code == 250
        assert client.message(CONTENT).code == 250
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    assert len(hop.wait_taken(3)) == 3


def reload(daemon):
    """After daemon.configure()."""
    count = len(daemon.log.find("reload"))
    daemon.process.send_signal(signal.SIGHUP)
    return daemon.log.wait("reload", count=count + 1)[-1]


def test_a_reload_keeps_the_connections_of_a_backend_that_is_the_same(daemon, hops):
    hop = hops()
    start_relay(daemon, hop)
    for timeout in (61, 62, 63):
        deliver_one(daemon)
        daemon.configure(timeout=timeout)
        assert reload(daemon)["changed"] == "1"
    deliver_one(daemon)
    assert len(hop.connections) == 1
    daemon.stop()
    assert hop.said("QUIT") or hop.open_count == 0


@pytest.mark.parametrize("change", ["max_messages", "hostname", "fallback", "name"])
def test_a_reload_makes_a_backend_anew_that_has_changed(daemon, hops, change):
    hop = hops()
    backend = {"type": "smtp", "hosts": [hop.address]}
    daemon.expect_trouble("no route leads to the backend")
    daemon.start(backends={"hop": backend, "rest": {"type": "null"}}, routes=[{"backend": "hop"}])
    deliver_one(daemon)
    if change == "hostname":
        daemon.configure(hostname="other.example.org")
    elif change == "name":
        daemon.configure(backends={"hop": {"type": "null"}, "other": backend}, routes=[{"backend": "other"}])
    else:
        backend[change] = 50 if change == "max_messages" else "rest"
        daemon.configure()
    reload(daemon)
    hop.wait(lambda: hop.open_count == 0, "the old connection to be over")
    deliver_one(daemon)
    assert len(hop.connections) == 2
    if change == "hostname":
        assert hop.said("EHLO other.example.org")


def test_a_reload_takes_a_password_that_has_changed(daemon, hops):
    hop = hops(features=("AUTH PLAIN",), users={"relay": "secret"})
    daemon.expect_trouble("may go over the network in plain text")
    start_relay(daemon, hop, tls="never", auth_without_tls=True, user="relay", password_file=password_file(daemon))
    deliver_one(daemon)
    reload(daemon)
    deliver_one(daemon)
    assert len(hop.connections) == 1
    hop.users = {"relay": "another"}
    password_file(daemon, "another\n")
    reload(daemon)
    deliver_one(daemon)
    assert len(hop.connections) == 2


def test_a_reload_does_not_forget_what_hosts_are_like(daemon, hops):
    hop = hops(features=(*DEFAULT_FEATURES, "DSN"))
    start_relay(daemon, hop)

    def offers_dsn():
        with Client(daemon.address) as client:
            return "DSN" in repr(client.ehlo())

    assert not offers_dsn()
    deliver_one(daemon)
    assert offers_dsn()
    reload(daemon)
    assert offers_dsn()


def test_a_delivery_survives_that_its_backend_goes_with_a_reload(daemon, hops):
    hop = hops()
    gate = threading.Event()
    hop.fault("end", lambda connection, reply: gate.wait(DEADLINE_S) and reply)
    start_relay(daemon, hop)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        hop.wait(lambda: hop.faults[0].hits, "the end of data at the hop")
        reload(daemon)
        daemon.configure(backends={"hop": {"type": "null"}})
        reload(daemon)
        gate.set()
        assert client.reply().code == 250
    assert len(hop.taken) == 1


# ---- many at a time ----

class Sender(threading.Thread):
    """Sends messages of which each names itself everywhere, leaves some of them, and notes what was accepted."""

    def __init__(self, address, number, count):
        super().__init__(daemon=True)
        self.address, self.number, self.count = address, number, count
        self.chance = random.Random(number)
        self.accepted, self.failure = [], None

    def run(self):
        try:
            client = None
            for n in range(self.count):
                if client is None:
                    client = Client(self.address)
                    client.ehlo()
                mark = f"m{self.number}-{n}"
                how = self.chance.choice(["sent", "sent", "sent", "left", "cut"])
                client.expect(250, f"MAIL FROM:<{mark}@example.net>")
                client.expect(250, f"RCPT TO:<{mark}@example.org>")
                if how == "left":
                    client.expect(250, "RSET")
                    continue
                client.expect(354, "DATA")
                body = b"x" * self.chance.randrange(3000)
                client.send(f"Subject: {mark}\r\n\r\n".encode() + body)
                if how == "cut":
                    client.socket.close()
                    client = None
                    continue
                client.send(b"\r\n.\r\n")
                assert client.reply().code == 250
                self.accepted.append(mark)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failure = error


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_nothing_is_mixed_up_or_lost_where_few_connections_serve_many_clients(daemon, hops, stream):
    hop = hops()
    start_relay(daemon, hop, stream=stream, max_connections=3, max_messages=20)
    senders = [Sender(daemon.address, number, 400 if is_long() else 40) for number in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(DEADLINE_S * 4)
        assert sender.failure is None and not sender.is_alive(), sender.failure
    accepted = sorted(mark for sender in senders for mark in sender.accepted)
    taken = sorted(t.sender.partition("@")[0] for t in hop.wait_taken(len(accepted)))
    assert taken == accepted, "what was accepted, once each, and nothing else"
    for t in hop.taken:
        mark = t.sender.partition("@")[0]
        assert t.recipients == [f"{mark}@example.org"]
        assert t.body.startswith(f"Subject: {mark}\r\n\r\n".encode()) and t.content.count(b"Subject:") == 1


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_binary_message_reaches_the_hop_byte_for_byte(daemon, hops, stream):
    hop = hops(features=("CHUNKING", "BINARYMIME", "8BITMIME"))
    start_relay(daemon, hop, offers=["BINARYMIME"], stream=stream)
    content = b"Subject: binary\r\n\r\n" + bytes(range(256)) + b"\r\n.\r\n\n.\n\r\r\nend"
    with Client(daemon.address) as client:
        assert "BINARYMIME" in client.ehlo().text.split("\n")
        client.expect(250, "MAIL FROM:<sender@example.net> BODY=BINARYMIME")
        client.expect(250, "RCPT TO:<anna@example.org>")
        client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert client.reply().code == 250
        assert client.message(CONTENT).code == 250
    binary, text = hop.wait_taken(2)
    assert "BODY=BINARYMIME" in binary.parameters
    assert binary.content.endswith(content)
    assert binary.body == content, "our own field ends in CRLF, too"
    assert text.body == CONTENT
    assert hop.said("BDAT") and hop.said("DATA")
