"""Messages by BDAT (RFC 3030), DSN and PRDR, and Authentication-Results of our own name."""

import pytest

from client import Client
from daemon import DEADLINE_S
from hostile_hop import DEFAULT_FEATURES, Hop


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


# ---- with a next hop ----

@pytest.fixture
def hop(daemon, request):
    """A next hop with the features that the test names, and the daemon in front of it."""
    options = dict(request.param)
    hop = Hop(lmtp=options.pop("lmtp", False), features=(*DEFAULT_FEATURES, *options.pop("features", ())))
    daemon.start(backends={"hop": {"type": "lmtp" if hop.lmtp else "smtp", "hosts": [hop.address], **options}},
                 routes=None)
    yield hop
    hop.close()
    hop.check_clean()


def learn(daemon):
    """What a hop offers is known from the first contact on."""
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"Subject: first\r\n\r\n").code == 250


@pytest.mark.parametrize("hop", [{"lmtp": lmtp, "stream": stream} for lmtp in (False, True) for stream in (False, True)],
                         indirect=True)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunks_reach_a_next_hop_as_one_message(daemon, hop, size):
    text = OURS + b"Subject: x\r\n\r\n.\r\n..\r\n\r\n.\r\n" + SMUGGLED + b"last"
    with Client(daemon.address) as c:
        c.ehlo()
        assert send(c, *[text[i:i + size] for i in range(0, len(text), size)]).code == 250
        c.quit()
    taken, = hop.wait_taken(1)
    assert taken.body == text[len(OURS):] + b"\r\n"


@pytest.mark.parametrize("hop", [{"lmtp": True}], indirect=True)
@pytest.mark.parametrize("by_chunks", [False, True])
def test_prdr_tells_the_outcome_for_each_recipient(daemon, hop, by_chunks):
    hop.verdicts["ben@example.org"] = "552 5.2.2 Over quota"
    with Client(daemon.address) as c:
        assert "250-PRDR" in c.ehlo().lines
        c.expect(250, "MAIL FROM:<sender@example.net> PRDR")
        for name in ("anna", "ben", "carl"):
            c.expect(250, f"RCPT TO:<{name}@example.org>")
        if by_chunks:
            c.send(b"BDAT 3 LAST\r\nx\r\n")
        else:
            c.expect(354, "DATA")
            c.send(b"x\r\n.\r\n")
        assert [r.code for r in c.replies(5)] == [353, 250, 552, 250, 250]
        c.quit()
    assert hop.wait_taken(1)[0].recipients == ["anna@example.org", "carl@example.org"]


@pytest.mark.parametrize("hop", [{"features": ["DSN"]}], indirect=True)
def test_dsn_is_offered_and_handed_on_where_the_hop_takes_it(daemon, hop):
    learn(daemon)
    with Client(daemon.address) as c:
        assert "250-DSN" in c.ehlo().lines
        c.expect(501, "MAIL FROM:<sender@example.net> ENVID=a+0D+0AQUIT")
        c.expect(250, "MAIL FROM:<sender@example.net> RET=HDRS ENVID=QQ+2B1")
        c.expect(501, "RCPT TO:<anna@example.org> NOTIFY=NEVER,DELAY")
        c.expect(250, "RCPT TO:<anna@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Anna+2Bx@example.org")
        assert bdat(c, b"x\r\n", last=True).code == 250
        c.quit()
    taken = hop.wait_taken(2)[1]
    assert {"RET=HDRS", "ENVID=QQ+2B1"} <= set(taken.parameters)
    assert {"NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Anna+2Bx@example.org"} <= set(
        hop.recipient_parameters["anna@example.org"])


@pytest.mark.parametrize("hop", [{"features": ["CHUNKING", "BINARYMIME"]}], indirect=True)
def test_a_binary_message_is_handed_on_byte_for_byte(daemon, hop):
    learn(daemon)
    binary = b"Subject: x\r\n\r\n\0\n\r\r\n.\r\n\r\n.\r\n\xff\n"
    with Client(daemon.address) as c:
        assert "250-BINARYMIME" in c.ehlo().lines
        c.expect(250, "MAIL FROM:<sender@example.net> BODY=BINARYMIME")
        c.expect(250, "RCPT TO:<anna@example.org>")
        c.expect(503, "DATA")
        assert bdat(c, binary[:20]).code == 250
        assert bdat(c, binary[20:], last=True).code == 250
        c.quit()
    assert hop.wait_taken(2)[1].body == binary
