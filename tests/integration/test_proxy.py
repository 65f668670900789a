"""Clients behind a load balancer: the PROXY protocol, from those who are listed and from nobody else."""

import re
import smtplib
import socket
import ssl
import struct
import subprocess

import pytest

from client import Client, elapsed
from daemon import DEADLINE_S, wait_until
from peers import fetch, free_port

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LISTED = {"proxy_from": ["127.0.0.1"]}


def v2(command=0x21, family=0x11, block=None, tlvs=b""):
    if block is None:
        block = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.2") + struct.pack(">HH", 4711, 25)
    return SIGNATURE + struct.pack(">BBH", command, family, len(block + tlvs)) + block + tlvs


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def tls_tlv(flags=1):
    return tlv(0x20, struct.pack(">BI", flags, 0) + tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_256_GCM_SHA384"))


HEADERS = {
    "v1 tcp4": (b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 25\r\n", "192.0.2.7"),
    "v1 tcp6": (b"PROXY TCP6 2001:db8::7 2001:db8::2 4711 25\r\n", "2001:db8::7"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "v2 tcp4": (v2(), "192.0.2.7"),
    "v2 with what we do not know": (v2(tlvs=tlv(0xe0, b"x" * 1000)), "192.0.2.7"),
    "v2 tcp6": (v2(family=0x21, block=socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + b"\1\1\0\x19"),
                "2001:db8::7"),
    "v2 unix": (v2(family=0x31, block=b"/run/x".ljust(108, b"\0") * 2), "unknown"),
    "v2 local": (v2(command=0x20, family=0, block=b""), "127.0.0.1"),
}


def connect(daemon, header=b"", pieces=False):
    c = Client(daemon.address, greeting=False)
    for part in ([header[i:i + 1] for i in range(len(header))] if pieces else [header]):
        c.send(part)
    return c


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", HEADERS)
def test_header_tells_who_the_client_is(daemon, name, pieces):
    header, address = HEADERS[name]
    daemon.start(**LISTED)
    with connect(daemon, header, pieces) as c:
        assert c.reply().code == 220
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    assert daemon.log.wait("disconnect")[0]["client"] == address
    received = daemon.mailbox("anna").only().received
    assert (address in received) == (address != "unknown")


def test_what_comes_behind_the_header_in_one_segment_is_the_session(daemon):
    daemon.start(**LISTED)
    with connect(daemon, HEADERS["v2 tcp4"][0] + b"EHLO x\r\nQUIT\r\n") as c:
        assert [r.code for r in c.replies(3)] == [220, 250, 221]


def test_header_comes_before_tls(daemon, pki):
    daemon.start(tls_immediate=True, **pki.ec.settings(), **LISTED)
    plain = socket.create_connection(daemon.address, DEADLINE_S)
    plain.sendall(HEADERS["v1 tcp4"][0])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(plain) as secured:
        assert secured.recv(4) == b"220 "


@pytest.mark.parametrize("header", [b"EHLO x\r\n", b"PROXY TCP4 1.2.3.4\r\n", SIGNATURE + b"\x21\x11\xff\xff",
                                    b"PROXY " + b"x" * 200, v2(command=0x2f), v2(tlvs=b"\x20\0\xff")],
                         ids=["none", "broken", "endless v2", "endless v1", "unknown command", "broken TLV"])
def test_listed_peer_without_a_good_header_is_closed_without_a_word(daemon, header):
    daemon.start(**LISTED)
    with connect(daemon, header) as c:
        try:
            assert c.rest() == b""
        except ConnectionResetError:
            pass  # what it sent was not read
    assert daemon.log.wait("proxy")[0]["reason"] == "malformed"
    with connect(daemon, HEADERS["v1 tcp4"][0]) as c:
        assert c.reply().code == 220


def test_header_that_does_not_come_is_not_waited_for_long(daemon):
    daemon.start(**LISTED)
    with connect(daemon, b"PROXY TCP4 ") as c:
        seconds, rest = elapsed(c.rest)
        assert rest == b"" and 3 < seconds < DEADLINE_S
    assert daemon.log.wait("proxy")[0]["reason"] == "timeout"


def test_header_of_others_is_an_unknown_command(daemon):
    daemon.start(proxy_from=["192.0.2.0/24"])
    with Client(daemon.address) as c:
        assert c.command("PROXY TCP4 192.0.2.7 198.51.100.2 4711 25").code == 500


def test_clients_are_limited_and_the_proxy_is_not(daemon):
    daemon.start(max_sessions_per_client=2, **LISTED)
    held = []
    for i in range(6):
        held.append(connect(daemon, b"PROXY TCP4 192.0.2.%d 198.51.100.2 4711 25\r\n" % (i + 1)))
        assert held[-1].reply().code == 220
    for code in (220, 220, 421):
        held.append(connect(daemon, HEADERS["v1 tcp6"][0]))
        assert held[-1].reply().code == code
    assert held[-1].is_closed()
    for c in held:
        c.socket.close()


def test_tls_of_the_proxy_counts(daemon, pki):
    daemon.start(tls_required=True, **pki.ec.settings(), **LISTED)
    with connect(daemon, v2(tlvs=tls_tlv())) as c:
        assert c.reply().code == 220
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
    assert "TLSv1.3" in daemon.mailbox("anna").only().received
    with connect(daemon, v2(tlvs=tls_tlv(flags=0))) as c:
        assert c.reply().code == 220
        c.ehlo()
        assert c.command("MAIL FROM:<a@example.net>").code == 530


def test_connections_without_header_end_with_the_daemon(daemon):
    daemon.start(**LISTED)
    with connect(daemon, b"PROXY ") as c:
        with connect(daemon, HEADERS["v1 tcp4"][0]) as other:
            assert other.reply().code == 220
            daemon.stop()
        assert c.rest() == b""


# ---- XCLIENT ----

PROXY = {"xclient_from": ["127.0.0.1"]}


def test_xclient_of_others_is_an_unknown_command(daemon):
    daemon.start(xclient_from=["192.0.2.0/24"])
    with Client(daemon.address) as c:
        assert not any("XCLIENT" in line for line in c.command("EHLO x").lines)
        assert c.command("XCLIENT ADDR=192.0.2.7").code == 500


def test_xclient_makes_it_the_clients_session(daemon):
    daemon.start(**PROXY)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(220, "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=client.example")
        c.expect(503, "MAIL FROM:<a@example.net>")
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    assert daemon.log.wait("disconnect")[0]["client"] == "192.0.2.7"
    assert "192.0.2.7" in daemon.mailbox("anna").only().received


def test_xclient_counts_for_the_client_and_not_for_the_proxy(daemon):
    daemon.start(max_sessions_per_client=2, **PROXY)
    with Client(daemon.address) as one, Client(daemon.address) as two:
        one.expect(220, "XCLIENT ADDR=192.0.2.7")
        two.expect(220, "XCLIENT ADDR=192.0.2.7")
        with Client(daemon.address) as three:
            assert three.command("XCLIENT ADDR=192.0.2.7").code == 421
            assert three.is_closed()
        # What the proxy left is free again.
        with Client(daemon.address), Client(daemon.address) as four:
            assert four.command("NOOP").code == 250


def test_rules_for_clients_hold_for_who_xclient_names(daemon):
    daemon.start(clients=[{"address": ["192.0.2.7"], "refuse": "Not from there."}], **PROXY)
    with Client(daemon.address) as c:
        reply = c.command("XCLIENT ADDR=192.0.2.7")
        assert reply.code >= 500 and "Not from there." in str(reply)
        assert c.is_closed()
    with Client(daemon.address) as c:
        # Commands sent ahead are not the refused client's way in.
        c.send(b"XCLIENT ADDR=192.0.2.7\r\nHELO x\r\nMAIL FROM:<a@b.example>\r\n")
        assert c.rest_codes() == [554]
    with Client(daemon.address) as c:
        c.expect(220, "XCLIENT ADDR=192.0.2.8")


def test_login_of_xclient_may_relay(daemon):
    daemon.start(backends={"sink": {"type": "null"}}, routes=None, **PROXY)
    with Client(daemon.address) as c:
        c.expect(220, "XCLIENT ADDR=192.0.2.7 LOGIN=anna+40example.org")
        c.ehlo()
        c.expect(250, "MAIL FROM:<anna@example.org>")
        c.expect(250, "RCPT TO:<x@example.com>")
        c.expect(250, "RSET")
        c.expect(220, "XCLIENT ADDR=192.0.2.7")
        c.ehlo()
        c.expect(250, "MAIL FROM:<anna@example.org>")
        c.expect(550, "RCPT TO:<x@example.com>")


def test_swaks_speaks_xclient_and_proxy(daemon):
    daemon.start(**PROXY)
    swaks = ["swaks", "--server", f"127.0.0.1:{daemon.port}", "--to", "anna@example.org", "--from", "a@example.net"]
    subprocess.run([*swaks, "--xclient", "ADDR=192.0.2.7 NAME=client.example"], check=True, timeout=DEADLINE_S,
                   stdout=subprocess.DEVNULL)
    assert "192.0.2.7" in daemon.mailbox("anna").only().received
    daemon.stop()
    daemon.start(xclient_from=None, **LISTED)
    subprocess.run([*swaks[:2], f"127.0.0.1:{daemon.port}", *swaks[3:], "--proxy-version", "2", "--proxy-family", "AF_INET",
                    "--proxy-source", "192.0.2.9", "--proxy-source-port", "4711", "--proxy-dest", "198.51.100.2",
                    "--proxy-dest-port", "25"], check=True, timeout=DEADLINE_S, stdout=subprocess.DEVNULL)
    assert any("192.0.2.9" in m.received for m in daemon.mailbox("anna").messages())


# ---- a real load balancer ----

HAPROXY = """
global
	maxconn 100
defaults
	mode tcp
	timeout connect 20s
	timeout client 30s
	timeout server 30s
listen mail
	bind 127.0.0.1:{front}{tls}
	source 127.0.0.2
	server one 127.0.0.1:{back} {send} check inter 200
"""


@pytest.fixture
def haproxy(work_dir):
    """Starts HAProxy in front of a port; its health checks are connections of its own."""
    running = []

    def start(back, send, tls=""):
        root, front = fetch("haproxy"), free_port()
        config = work_dir / "haproxy.cfg"
        config.write_text(HAPROXY.format(front=front, back=back, send=send, tls=tls))
        libraries = next((root / "usr/lib").glob("*-linux-gnu"))
        running.append(subprocess.Popen([str(root / "usr/sbin/haproxy"), "-db", "-f", str(config)],
                                        env={"LD_LIBRARY_PATH": str(libraries)}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

        def answers():
            try:
                socket.create_connection(("127.0.0.1", front), 1).close()
            except OSError:
                return False
            return True
        wait_until(answers, "HAProxy")
        return ("127.0.0.1", front)
    yield start
    for process in running:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
def test_haproxy_hands_clients_on(daemon, haproxy, send):
    daemon.start(proxy_from=["127.0.0.2"])
    with Client(haproxy(daemon.port, send)) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    # The client and not the balancer, which has 127.0.0.2.
    assert daemon.log.wait("disconnect", reason="quit")[0]["client"] == "127.0.0.1"
    assert "([127.0.0.1])" in daemon.mailbox("anna").only().received


def test_tls_that_haproxy_ends_is_told(daemon, haproxy, pki, work_dir):
    pem = work_dir / "both.pem"
    pem.write_bytes(pki.ec.cert.read_bytes() + pki.ec.key.read_bytes())
    daemon.start(proxy_from=["127.0.0.2"])
    address = haproxy(daemon.port, "send-proxy-v2-ssl-cn proxy-v2-options ssl,crc32c", f" ssl crt {pem}")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP_SSL(*address, timeout=DEADLINE_S, context=context) as smtp:
        smtp.sendmail("a@example.net", ["anna@example.org"], b"Subject: x\r\n\r\nx\r\n")
    assert re.search(r"TLSv1\.3.*ESMTPS", daemon.mailbox("anna").only().received, re.S)
