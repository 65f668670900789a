"""Real mail servers as next hops: Dovecot's LMTP, Postfix over TCP and a unix socket, Exim."""

import random
import re
import signal
import threading

import pytest

from client import Client, Closed, stuff
from conftest import is_long
from daemon import TOP, wait_until
from peers import Dovecot, Exim, Postfix, require_namespaces

PEERS = {"dovecot": Dovecot, "postfix": Postfix, "exim": Exim}
CONTENT = b"Subject: real\r\nMessage-Id: <real@example.net>\r\n\r\n.dot\r\n..two\r\nlast\r\n"


@pytest.fixture
def peer(work_dir):
    """Starts a server by its name."""
    started = []

    def start(name):
        require_namespaces()
        started.append(PEERS[name](work_dir / name).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


def start_relay(daemon, server, **options):
    kind = "lmtp" if server.name == "dovecot" else "smtp"
    return daemon.start(backends={"hop": {"type": kind, "hosts": [server.address], **options}},
                        routes=[{"backend": "hop"}])


def body_of(raw):
    """What the client sent: all from its Subject on, in LF."""
    return raw[raw.index(b"Subject:"):].replace(b"\r\n", b"\n")


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
@pytest.mark.parametrize("name", PEERS)
def test_real_server_delivers_what_we_hand_over(daemon, peer, name, stream):
    server = peer(name)
    start_relay(daemon, server, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        assert client.expect(550, "RCPT TO:<ghost@example.org>").status.startswith("5.")
        client.expect(250, "RCPT TO:<anna@example.org>")
        client.expect(250, "RCPT TO:<ben@example.org>")
        client.expect(354, "DATA")
        client.send(stuff(CONTENT) + b".\r\n")
        assert client.reply().code == 250
        # And once more, over the same connection.
        assert client.message(CONTENT).code == 250
        client.quit()
    for user, count in (("anna", 2), ("ben", 1)):
        for raw in server.wait_files(user, count):
            sent = body_of(raw)
            assert sent.endswith(b"\n\n.dot\n..two\nlast\n"), raw
            assert raw.count(b"by mx.example.org with ESMTP id") == 1


def test_postfix_takes_mail_over_a_unix_socket(daemon, peer):
    server = peer("postfix")
    daemon.start(backends={"hop": {"type": "smtp", "hosts": [f"unix:{server.socket}"]}}, routes=[{"backend": "hop"}])
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    assert body_of(server.wait_files("anna", 1)[0]).endswith(b"\n.dot\n..two\nlast\n")


def test_postfix_hears_of_our_client_by_xforward_and_xclient(daemon, peer):
    server = peer("postfix")
    start_relay(daemon, server, xforward=True)
    with Client(daemon.address, source="127.0.0.2") as client:
        client.expect(250, "EHLO forwarded.example.net")
        assert client.message(CONTENT).code == 250
    server.wait_files("anna", 1)
    wait_until(lambda: re.search(r"orig_client=[^,]*\[127\.0\.0\.2\]", server.log()), "XFORWARD in Postfix's log")
    daemon.stop()
    start_relay(daemon, server, xclient=True)
    with Client(daemon.address, source="127.0.0.3") as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
        assert client.message(CONTENT).code == 250
    with Client(daemon.address, source="127.0.0.4") as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    raws = server.wait_files("anna", 4)
    for address, count in (("127.0.0.3", 2), ("127.0.0.4", 1)):
        by_postfix = [raw.split(b"by hop.example.org")[0] for raw in raws]
        assert sum(f"[{address}]".encode() in head for head in by_postfix) == count, raws


@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_full_mailbox_of_dovecot_is_told_for_what_it_is(daemon, peer, stream):
    server = peer("dovecot")
    start_relay(daemon, server, stream=stream)
    big = b"Subject: big\r\n\r\n" + b"z" * 70 + b"\r\n" * 2000
    with Client(daemon.address) as client:
        client.ehlo()
        reply = client.message(big, "full@example.org")
        assert reply.code in (452, 552) and reply.status[1:] == ".2.2", reply
        # One of two: nobody may lose it, so all of it is to be sent again.
        assert client.message(big, "anna@example.org", "full@example.org").code == 451
        assert client.message(big, "anna@example.org").code == 250
    assert len(server.wait_files("anna", 2)) == 2
    assert not server.files("full")


@pytest.mark.parametrize("name", PEERS)
def test_sample_configuration_works_with_the_real_server(daemon, peer, name):
    server = peer(name)
    sample = (TOP / f"etc/smtpfrontd-{name}.conf").read_text()
    for theirs in ("unix:/run/dovecot/lmtp", "127.0.0.1:10025"):
        sample = sample.replace(theirs, server.address)
    assert server.address in sample
    daemon.configure = lambda **settings: daemon.config_file.write_text(sample.replace("[::]:25", "127.0.0.1:0"))
    daemon.start()
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        client.expect(550, "RCPT TO:<ghost@example.org>")
        client.expect(250, "RSET")
        assert client.message(CONTENT).code == 250
    assert body_of(server.wait_files("anna", 1)[0]).endswith(b"\n.dot\n..two\nlast\n")


def test_sample_configuration_for_qmail_works(daemon):
    """qmail-queue itself is not packaged; the stand-in keeps what it is given on its descriptors."""
    queue = daemon.directory / "qmail-queue"
    queue.write_text(f"#!/bin/sh\ncat <&0 >{daemon.directory}/message\ncat <&1 >{daemon.directory}/envelope\n")
    queue.chmod(0o755)
    sample = (TOP / "etc/smtpfrontd-qmail.conf").read_text()
    assert "/var/qmail/bin/qmail-queue" in sample
    sample = sample.replace("/var/qmail/bin/qmail-queue", str(queue))
    daemon.configure = lambda **settings: daemon.config_file.write_text(sample.replace("[::]:25", "127.0.0.1:0"))
    daemon.start()
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT).code == 250
    assert (daemon.directory / "envelope").read_bytes() == b"Fsender@example.net\0Tanna@example.org\0\0"
    assert (daemon.directory / "message").read_bytes().endswith(b"\n.dot\n..two\nlast\n")


MIXTURES = [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
            b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n..\n", b"\n..\r\n"]
SMUGGLED = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<ben@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"


def by_data(client, content):
    client.envelope()
    client.expect(354, "DATA")
    client.send(content + b"\r\n.\r\n")
    return client.reply()


def by_bdat(client, content):
    client.envelope()
    client.send(b"BDAT %d LAST\r\n" % len(content) + content)
    return client.reply()


@pytest.mark.parametrize("how", [by_data, by_bdat], ids=["data", "bdat"])
@pytest.mark.parametrize("name", ["postfix", "exim"])
@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_nothing_is_smuggled_to_a_real_server(daemon, peer, name, how, stream):
    """Each mixture of CR, LF and dots is one message at the hop, or refused; what follows it never another one."""
    server = peer(name)
    start_relay(daemon, server, stream=stream)
    accepted = []
    for number, mixture in enumerate(MIXTURES):
        with Client(daemon.address) as client:
            client.ehlo()
            if how is by_bdat and client.command("BDAT 0").code == 500:
                pytest.skip("there is no BDAT")
            text = b"Subject: mix%d\r\n\r\nbefore" % number + mixture + SMUGGLED.replace(b"\r\n.\r\n", b"\r\n..\r\n")
            reply = how(client, text)
            assert reply.code in (250, 554), (mixture, reply)
            if reply.code == 250:
                accepted.append(number)
            assert client.message(b"Subject: good%d\r\n\r\nx\r\n" % number).code == 250, "the connection is in step"
    raws = server.wait_files("anna", len(MIXTURES) + len(accepted))
    subjects = sorted(re.search(rb"^Subject: (\S+)", raw, re.M)[1].decode() for raw in raws)
    assert subjects == sorted([f"mix{n}" for n in accepted] + [f"good{n}" for n in range(len(MIXTURES))])
    assert not server.files("ben")
    assert 0 in accepted, "a bare LF is content"


# ---- what is killed ----

class Load(threading.Thread):
    """A client that sends numbered messages as long as it may, and writes down those that were answered with 250."""

    def __init__(self, port_of, name, sent):
        super().__init__(daemon=True)
        self.port_of, self.prefix, self.sent = port_of, name, sent
        self.accepted, self.tried = [], 0
        self.is_over = False

    def run(self):
        while not self.is_over:
            try:
                with Client(("127.0.0.1", self.port_of())) as client:
                    client.ehlo()
                    while not self.is_over:
                        self.send_one(client)
            except (OSError, Closed, AssertionError):
                continue

    def send_one(self, client):
        mark = f"{self.prefix}-{self.tried}"
        self.tried += 1
        if client.message(f"Subject: {mark}\r\n\r\n{'x' * 500}\r\n".encode()).code == 250:
            self.accepted.append(mark)
            self.sent.release()


def marks_at(server):
    return [re.search(rb"^Subject: (\S+)", path.read_bytes(), re.M)[1].decode() for path in server.files("anna")]


def queued_at(server):
    """The same with the id under which Postfix had it in its queue. What it was killed with it delivers again."""
    raws = [path.read_bytes() for path in server.files("anna")]
    return {(re.search(rb"by hop\.example\.org \(Postfix\) with ESMTPS? id (\w+)", raw)[1],
             re.search(rb"^Subject: (\S+)", raw, re.M)[1].decode()) for raw in raws}


@pytest.mark.parametrize("victim", ["daemon", "hop"])
def test_no_message_answered_250_is_lost_when_somebody_is_killed(daemon, peer, victim, record_property):
    """kill -9 at random moments under load: what was answered with 250 is at the hop. Duplicates are counted."""
    for event in ("hop_down", "hop_lost"):
        daemon.expect_trouble(event)
    server = peer("postfix")
    start_relay(daemon, server)
    sent = threading.Semaphore(0)
    loads = [Load(lambda: daemon.ports[0] if daemon.is_running() else 1, f"load{n}", sent) for n in range(4)]
    chance = random.Random(5)
    for load in loads:
        load.start()
    for _ in range(10 if is_long() else 3):
        # A moment in the middle of it: after so many messages.
        for _ in range(chance.randrange(5, 40)):
            assert sent.acquire(timeout=30), daemon.log.text()[-3000:]
        if victim == "daemon":
            daemon.kill9()
            start_relay(daemon, server)
        else:
            server.stop(signal.SIGKILL)
            server.start()
    for load in loads:
        load.is_over = True
    for load in loads:
        load.join(30)
    accepted = [mark for load in loads for mark in load.accepted]
    wait_until(lambda: set(accepted) <= set(marks_at(server)),
               f"{len(accepted)} messages at the hop; missing: {set(accepted) - set(marks_at(server))}")
    found = marks_at(server)
    tried = sum(load.tried for load in loads)
    print(f"{tried} tried, {len(accepted)} answered 250, {len(found)} at the hop, "
          f"{len(found) - len(set(found))} twice, {len(set(found) - set(accepted))} there without 250")
    assert len(queued_at(server)) == len(set(found)), "each message was handed over once"
    if victim == "daemon":
        assert len(found) == len(set(found))
    # Without 250: those whose reply was lost with the one that was killed.
    assert len(set(found) - set(accepted)) <= 4 * (10 if is_long() else 3) + 4
