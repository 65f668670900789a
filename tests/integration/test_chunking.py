"""Messages by BDAT (RFC 3030), Authentication-Results of our own name, and what of DSN there is without a next hop."""

import pytest

from client import Client
from daemon import DEADLINE_S


def bdat(c, content, last=False):
    """One chunk with its command in one segment; its reply."""
    c.send(b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content)
    return c.reply()


def send(c, *chunks):
    """A message in these chunks; the reply to the last."""
    c.envelope()
    for chunk in chunks[:-1]:
        reply = bdat(c, chunk)
        assert reply.lines == [f"250 2.0.0 {len(chunk)} octets received."]
    return bdat(c, chunks[-1], last=True)


def content_of(server, name="anna"):
    return server.mailbox(name).only().content


@pytest.mark.parametrize("chunks", [
    [b"Subject: x\r\n\r\none\r\n"],
    [b"Subject: x\r", b"\n\r\no", b"ne\r\n"],
    [b"Subject: x\r\n\r\none\r\n", b""],
    [b"", b"Subject: x\r\n\r\none"],
])
def test_chunks_make_one_message(server, client, chunks):
    client.ehlo()
    assert send(client, *chunks).code == 250
    assert content_of(server) == b"Subject: x\n\none\n"
    client.quit()


def test_an_empty_message_by_chunks_is_delivered(server, client):
    client.ehlo()
    assert send(client, b"").code == 250
    assert content_of(server) == b""


SMUGGLED = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"


@pytest.mark.parametrize("ending", [b"\r\n.\r\n", b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r\r\n", b"\r\n\0.\r\n"])
@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_nothing_in_a_chunk_ends_the_message(server, client, ending, cut):
    """Rows of endings that end data elsewhere, whole and cut by the border of two chunks."""
    text = b"Subject: x\r\n\r\nx" + ending + SMUGGLED
    at = text.index(ending) + cut
    client.ehlo()
    assert send(client, text[:at], text[at:]).code == 250
    assert content_of(server) == text.replace(b"\r\n", b"\n")
    client.expect(503, "DATA")


def test_content_of_a_refused_chunk_is_never_a_command(server, client):
    client.ehlo()
    assert bdat(client, SMUGGLED).code == 503
    assert bdat(client, SMUGGLED, last=True).code == 503
    client.expect(250, "NOOP")
    client.expect(250, "MAIL FROM:<sender@example.net>")
    assert bdat(client, SMUGGLED, last=True).code == 503
    client.expect(503, "DATA")
    assert send(client, b"Subject: x\r\n\r\none\r\n").code == 250
    assert content_of(server) == b"Subject: x\n\none\n"


def test_a_message_sent_ahead_whose_recipient_is_unknown_is_refused_whole(server, client):
    client.ehlo()
    client.send(b"MAIL FROM:<sender@example.net>\r\nRCPT TO:<nobody@example.org>\r\n"
                b"BDAT 6\r\nQUIT\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert [r.code for r in client.replies(6)] == [250, 550, 503, 503, 503, 250]


def test_a_message_too_big_is_refused_at_the_chunk_that_makes_it_so(daemon):
    daemon.start(max_message_size=10000)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        assert bdat(c, b"x" * 9000).code == 250
        assert bdat(c, b"QUIT\r\n" * 1000).code == 552
        assert bdat(c, b"QUIT\r\n" * 1000, last=True).code == 503
        assert send(c, b"y\r\n").code == 250
    assert content_of(daemon) == b"y\n"


def test_a_session_that_ends_between_chunks_delivers_nothing(server):
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        assert bdat(c, b"Subject: x\r\n").code == 250
        c.half_close()
        assert c.rest() == b""
    server.log.wait("disconnect")
    assert server.mailbox("anna").files() == []


def test_a_chunk_that_does_not_come_whole_delivers_nothing(server):
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        c.send(b"BDAT 100 LAST\r\nSubject: x\r\n")
        c.half_close()
        assert c.rest() == b""
    server.log.wait("disconnect")
    assert server.mailbox("anna").files() == []


def test_tls_that_ends_inside_a_chunk_ends_the_session(secure, context):
    """What stands in plain text behind close_notify is neither content nor a command."""
    import ssl
    with Client(secure.address) as c:
        c.ehlo()
        c.expect(220, "STARTTLS")
        raw = c.socket
        tls = context.wrap_socket(raw.dup(), server_hostname="mx.example.org", suppress_ragged_eofs=True)
        tls.settimeout(raw.gettimeout())
        tls.sendall(b"EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<anna@example.org>\r\n"
                    b"BDAT 100\r\n0123456789")
        got = b""
        while got.count(b"250 ") < 3:
            got += tls.recv(65536)
        try:
            plain = tls.unwrap()
        except (ssl.SSLError, OSError):
            plain = None
        for s in [plain, raw]:
            try:
                if s:
                    s.sendall(b"x")
            except OSError:
                pass
    secure.log.wait("disconnect")
    assert secure.mailbox("anna").files() == []


def test_a_flood_of_tiny_chunks_is_closed_and_costs_no_memory(daemon):
    daemon.measure_memory().start()
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        before = daemon.resident_kib()
        try:
            for _ in range(200):
                c.send(b"BDAT 1\r\nx" * 5000)
        except OSError:
            pass
        codes = [int(line[:3]) for line in c.buffer.split(b"\r\n") if line]
        try:
            codes += c.rest_codes()
        except ConnectionResetError:
            pass
    assert set(codes) <= {250, 421}
    line = daemon.log.wait("refused", reason="small_chunks")[0]
    assert line["code"] == "421"
    assert daemon.resident_kib() - before < 4096
    assert daemon.mailbox("anna").files() == []


def test_a_big_message_goes_through_the_spool_on_disk(daemon):
    daemon.start()
    chunk = b"0123456789abcdef" * 4094 + b"0123456789abc\r\n"
    with Client(daemon.address) as c:
        c.ehlo()
        assert send(c, b"Subject: big\r\n\r\n", *[chunk] * 160).code == 250
    assert content_of(daemon) == b"Subject: big\n\n" + chunk.replace(b"\r\n", b"\n") * 160


def test_a_chunk_that_comes_too_slowly_is_given_up(daemon):
    daemon.start(timeout=2, min_data_rate=100000)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        c.send(b"BDAT 1000000\r\nx")
        reply = c.reply()
        assert reply.code == 421 and reply.status == "4.4.2"
    assert daemon.mailbox("anna").files() == []


def is_silent_for(c, seconds):
    c.socket.settimeout(seconds)
    try:
        return c.socket.recv(1) == b"?"
    except TimeoutError:
        return True
    finally:
        c.socket.settimeout(DEADLINE_S)


def test_a_client_may_take_its_time_between_chunks(daemon):
    """The rate is judged from the begin of the chunk on, not from that of the message."""
    daemon.start(timeout=3, min_data_rate=1000)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        assert bdat(c, b"Subject: x\r\n\r\n").code == 250
        assert is_silent_for(c, 2)
        c.send(b"BDAT 5000 LAST\r\nx")
        assert is_silent_for(c, 2.2)
        c.send(b"x" * 4999)
        assert c.reply().code == 250


def test_binarymime_is_not_for_maildirs(client):
    assert not any("BINARYMIME" in line for line in client.ehlo().lines)
    client.expect(501, "MAIL FROM:<a@example.net> BODY=BINARYMIME")


def test_parameters_of_dsn_are_ignored_where_nobody_can_heed_them(server, client):
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.net> RET=FULL ENVID=x")
    client.expect(250, "RCPT TO:<anna@example.org> NOTIFY=NEVER ORCPT=rfc822;x@example.org")
    assert bdat(client, b"x\r\n", last=True).code == 250


def test_requiretls_is_not_promised_where_mail_cannot_go_on_with_it(client):
    client.ehlo()
    client.expect(555, "MAIL FROM:<a@example.net> REQUIRETLS")


# ---- Authentication-Results ----

OURS = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bank.example\r\n"
OTHER = b"Authentication-Results: mx.example.net; spf=fail\r\n"


@pytest.mark.parametrize("by_chunks", [False, True])
def test_results_in_our_name_are_taken_out_of_the_header(server, client, by_chunks):
    folded = b"authentication-results:\r\n (not\r\n us) MX.example.org 1;\r\n\tdkim=pass\r\n"
    text = OURS + b"Subject: x\r\n" + OTHER + folded + b"To: y\r\n" + OURS + b"\r\n" + OURS
    client.ehlo()
    if by_chunks:
        reply = send(client, *[text[i:i + 7] for i in range(0, len(text), 7)])
    else:
        reply = client.message(text)
    assert reply.code == 250
    expected = b"Subject: x\r\n" + OTHER + b"To: y\r\n\r\n" + OURS
    assert content_of(server) == expected.replace(b"\r\n", b"\n")
    assert server.log.wait("accepted")[0]["authres_removed"] == "3"


def test_a_field_that_never_says_whose_it_is_stays(server, client):
    client.ehlo()
    assert client.message(b"Authentication-Results: (x)\r\n").code == 250
    assert content_of(server) == b"Authentication-Results: (x)\n"
