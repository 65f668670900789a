"""Everything is bounded: what happens at each limit, and that one client's doings do not become another's trouble."""

import resource
import signal
import socket
import struct
import threading
import time

import pytest

from client import Client, Closed, elapsed
from daemon import DEADLINE_S
from tls import TlsClient

MIB = 1024 * 1024


def works(daemon):
    """A well-behaved client is served."""
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()


def hold(daemon, count):
    return [Client(daemon.address) for _ in range(count)]


def drop(clients):
    for c in clients:
        c.socket.close()


def test_sessions_in_all_are_limited(daemon):
    daemon.start(max_sessions=5)
    held = hold(daemon, 5)
    with Client(daemon.address) as sixth:
        assert (sixth.greeting.code, sixth.greeting.status) == (421, "4.3.2")
        assert sixth.is_closed()
    drop(held)
    daemon.log.wait("disconnect", count=5)
    works(daemon)


def test_sessions_of_one_client_are_limited(daemon):
    daemon.start(max_sessions=50, max_sessions_per_client=3)
    held = hold(daemon, 3)
    with Client(daemon.address) as fourth:
        assert (fourth.greeting.code, fourth.greeting.status) == (421, "4.7.0")
        assert fourth.is_closed()
    # An address of another network is another client.
    other = socket.socket()
    other.settimeout(DEADLINE_S)
    other.bind(("127.9.9.9", 0))
    other.connect(daemon.address)
    assert other.recv(3) == b"220"
    other.close()
    drop(held)
    daemon.log.wait("disconnect", count=3)
    works(daemon)


def test_running_out_of_descriptors_is_survived_without_spinning(daemon):
    """The daemon fits its sessions to the limit it finds, so the limit is lowered behind its back."""
    daemon.expect_trouble("limit what=descriptors")
    daemon.start()
    works(daemon)
    room = 10
    limit = daemon.descriptors() + room
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    clients = [Client(daemon.address, greeting=False) for _ in range(3 * room)]
    assert [c.reply().code for c in clients[:room]] == [220] * room
    daemon.log.wait("limit", what="descriptors", state="reached")
    before = daemon.cpu_seconds()
    threading.Event().wait(1.5)  # what is measured is the time in which nothing should happen
    assert daemon.cpu_seconds() - before < 0.5
    # Those who are in are served, and those who waited come in when others leave.
    clients[0].expect(250, "NOOP")
    drop(clients[:room])
    assert all(c.reply().code == 220 for c in clients[room:2 * room])
    drop(clients[room:])
    daemon.log.wait("limit", what="descriptors", state="over")
    works(daemon)
    assert len(daemon.log.find("limit", state="reached")) <= 10


def test_descriptor_limit_that_is_too_low_is_told_at_start(daemon):
    daemon.expect_trouble("descriptor")
    daemon.start(nofile=(64, 64), max_sessions=5000)
    assert "descriptors" in daemon.log.wait("trouble")[0]["text"]
    works(daemon)


def test_descriptor_limit_is_raised_for_the_sessions(daemon):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2048:
        pytest.skip(f"the hard limit is only {hard}")
    daemon.start(nofile=(256, hard), max_sessions=1000, max_sessions_per_client=1000)
    soft = int(next(line for line in open(f"/proc/{daemon.process.pid}/limits") if "open files" in line).split()[3])
    assert soft >= 1000


def test_idle_client_gets_421_after_the_timeout(daemon):
    daemon.start(timeout=1)
    with Client(daemon.address) as c:
        seconds, reply = elapsed(c.reply)
        assert (reply.code, reply.status) == (421, "4.4.2")
        assert 0.9 <= seconds < 5
        assert c.is_closed()


def test_idle_client_inside_data_gets_421_and_nothing_is_delivered(daemon):
    daemon.start(timeout=1)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(b"Subject: x\r\n\r\nhalf")
        assert c.reply().code == 421
        assert c.is_closed()
    assert daemon.mailbox("anna").files() == []


def test_activity_puts_the_timeout_off(daemon):
    daemon.start(timeout=2)
    with Client(daemon.address) as c:
        for _ in range(6):
            threading.Event().wait(0.5)  # the pace of a slow client
            c.expect(250, "NOOP")


def test_session_timeout_ends_a_busy_session(daemon):
    daemon.start(session_timeout=2, timeout=60)
    with Client(daemon.address) as c:
        begin = time.monotonic()
        reply = c.command("NOOP")
        while reply.code == 250 and time.monotonic() - begin < DEADLINE_S:
            threading.Event().wait(0.1)
            try:
                reply = c.command("NOOP")
            except ConnectionError:
                break
        assert (reply.code, reply.status) == (421, "4.4.2")
        assert 1.8 <= time.monotonic() - begin < 6


def test_session_timeout_ends_a_slow_message(daemon):
    daemon.start(session_timeout=2, timeout=60)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        begin = time.monotonic()
        c.socket.settimeout(0.2)
        while time.monotonic() - begin < DEADLINE_S:
            try:
                c.send(b"drip\r\n")
                if c.reply().code == 421:
                    break
            except TimeoutError:
                continue
        assert 1.5 <= time.monotonic() - begin < 6
    assert daemon.mailbox("anna").files() == []


def test_too_many_errors_close(daemon):
    daemon.start(max_errors=3)
    with Client(daemon.address) as c:
        for _ in range(3):
            c.expect(501, "RSET x")
        reply = c.command("RSET x")
        assert (reply.code, reply.status) == (421, "4.7.0")
        assert c.is_closed()


def test_default_of_too_many_errors_is_twenty(client):
    for _ in range(20):
        client.expect(500, "XYZ")
    client.expect(421, "XYZ")


def test_accepted_message_forgives_errors(daemon):
    daemon.start(max_errors=3)
    with Client(daemon.address) as c:
        c.ehlo()
        for _ in range(4):
            c.expect(501, "RSET x")
            c.expect(501, "RSET x")
            assert c.message(b"x\r\n").code == 250


def test_temporary_errors_are_not_counted(daemon):
    daemon.expect_trouble("max_recipients")
    daemon.start(max_errors=2, max_recipients=1)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        for _ in range(20):
            assert c.expect(452, "RCPT TO:<anna@example.org>").status == "4.5.3"
        c.expect(354, "DATA")
        c.send(b"x\r\n.\r\n")
        assert c.reply().code == 250


def test_maxnotimpl_allows_so_many(daemon):
    daemon.start(maxnotimpl=2)
    with Client(daemon.address) as c:
        c.expect(500, "XYZ")
        c.expect(250, "NOOP")
        c.expect(500, "EXPN list")
        c.expect(421, "XYZ")
        assert c.is_closed()


def test_recipients_beyond_the_limit_are_452_and_far_beyond_close(daemon):
    daemon.expect_trouble("max_recipients")
    daemon.start(max_recipients=2)
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope("anna@example.org", "anna@example.org")
        c.send(b"RCPT TO:<anna@example.org>\r\n" * 1100)
        codes = c.rest_codes()
    assert codes[:1000] == [452] * 1000
    assert codes[-1] == 421 and len(codes) <= 1002


def test_domains_of_one_message_are_limited(daemon):
    daemon.start(max_recipient_domains=2, domains=["a.example", "b.example", "c.example"],
                 postmaster="anna@a.example", backends={"sink": {"type": "null"}}, routes=None)
    with Client(daemon.address) as c:
        assert "RCPTDOMAINMAX=2" in str(c.expect(250, "EHLO x").lines)
        for _ in range(2):
            c.expect(250, "MAIL FROM:<x@example.net>")
            c.expect(250, "RCPT TO:<x@a.example>")
            c.expect(250, "RCPT TO:<x@b.example>")
            assert c.expect(452, "RCPT TO:<x@c.example>").status == "4.5.3"
            c.expect(250, "RCPT TO:<y@A.example>")
            c.expect(250, "RSET")
    daemon.log.wait("refused", reason="too_many_domains", count=2)


def test_messages_per_session_are_limited(daemon):
    daemon.start(max_messages=2)
    with Client(daemon.address) as c:
        c.ehlo()
        for _ in range(2):
            assert c.message(b"x\r\n").code == 250
        assert c.command("MAIL FROM:<a@example.net>").code == 421
        assert c.is_closed()


def test_long_command_line_is_refused_and_the_session_goes_on(daemon):
    daemon.start(max_command_line=512)
    with Client(daemon.address) as c:
        reply = c.command("NOOP " + "x" * 600)
        assert (reply.code, reply.status) == (500, "5.5.2")
        c.expect(250, "NOOP " + "x" * 500)


def test_endless_command_line_closes_and_costs_no_memory(server):
    with Client(server.address) as c:
        before = server.resident_kib()
        try:
            for _ in range(64):
                c.send(b"x" * MIB)
        except ConnectionError:
            pass
        grown = server.resident_kib() - before
        try:
            assert 421 in c.rest_codes()
        except ConnectionError:
            pass  # 64 MiB behind a 421 are more than a closing server reads
    assert grown < 8 * 1024
    server.log.wait("refused", reason="line_endless")


def test_big_header_is_refused(daemon):
    daemon.start(max_header_size="16K")
    with Client(daemon.address) as c:
        c.ehlo()
        reply = c.message(b"X: y\r\n" * 4000 + b"\r\nbody\r\n")
        assert (reply.code, reply.status) == (552, "5.3.4")
        assert c.message(b"Subject: x\r\n\r\n" + b"X: y\r\n" * 4000).code == 250


def flood(address, data, stop):
    try:
        with Client(address) as c:
            c.socket.settimeout(0.5)
            while not stop.is_set():
                try:
                    c.send(data)
                    c.socket.recv(MIB)
                except TimeoutError:
                    pass
    except (OSError, Closed):
        pass


def test_content_that_will_be_refused_is_read_slowly_and_answered(daemon):
    daemon.start(max_message_size="1K")
    block = b"x" * 998 + b"\r\n"
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope("anna@example.org")
        c.expect(354, "DATA")
        begin = time.monotonic()
        c.send(block * (20 * MIB // len(block)))
        works(daemon)
        c.send(block * (20 * MIB // len(block)) + b".\r\n")
        assert c.reply().code == 552
        # 16 MiB a second; the first slice and the last count in full.
        assert time.monotonic() - begin > 40 / 16 - 0.4
        assert c.message(b"x\r\n").code == 250


def test_chunks_that_are_refused_are_read_slowly_and_answered(daemon):
    daemon.start(max_message_size="1K")
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope("anna@example.org")
        begin = time.monotonic()
        c.send(b"BDAT %d LAST\r\n" % (20 * MIB) + b"x" * (20 * MIB))
        assert c.reply().code == 552
        assert time.monotonic() - begin > 20 / 16 - 0.4
        assert c.message(b"x\r\n").code == 250


def test_lines_without_end_are_read_slowly_and_answered(daemon):
    daemon.start(max_errors=100)
    line = b"x" * (MIB - 2) + b"\r\n"
    with Client(daemon.address) as c:
        c.ehlo()
        begin = time.monotonic()
        for _ in range(20):
            c.send(line)
            assert c.reply().code == 500
        works(daemon)
        assert time.monotonic() - begin > 20 / 16 - 0.4
        assert c.message(b"x\r\n").code == 250


def test_refusals_without_end_are_said_slowly_and_all(daemon):
    daemon.start(max_errors=10000)
    with Client(daemon.address) as c:
        c.ehlo()
        begin = time.monotonic()
        for _ in range(100):
            c.send(b"NOOP\r\n" + b"WHAT\r\n" * 99)
            assert [reply.code for reply in c.replies(100)] == [250] + [500] * 99
        # 4096 a second.
        assert time.monotonic() - begin > 9900 / 4096 - 0.4
        assert c.message(b"x\r\n").code == 250


def test_who_waits_to_pay_for_refusals_is_not_idle(daemon):
    daemon.start(timeout=1, max_errors=10000, max_sessions=500, max_sessions_per_client=500)
    line = []
    for _ in range(450):
        line.append(Client(daemon.address))
        line[-1].send(b"WHAT\r\n" * 33)
    # A turn of all is 13 refusals of each, so that the last has its second turn after 1.4 s.
    for c in line:
        assert [reply.code for reply in c.replies(33)] == [500] * 33
    drop(line)


def test_recipients_that_nobody_has_are_refused_slowly_and_all(daemon):
    """Each is looked for by a worker, and the refusal comes of that."""
    daemon.start(max_errors=10000)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<sender@example.net>")
        begin = time.monotonic()
        for i in range(90):
            c.send(b"".join(b"RCPT TO:<u%d-%d@example.org>\r\n" % (i, j) for j in range(100)))
            assert [reply.code for reply in c.replies(100)] == [550] * 100
        assert time.monotonic() - begin > 9000 / 4096 - 0.4
        c.expect(250, "RSET")
        assert c.message(b"x\r\n").code == 250


def test_handshake_that_is_over_before_refusals_are_paid_for_goes_on(daemon, pki, context):
    daemon.start(max_errors=10000, max_sessions_per_client=200, **pki.ec.settings())
    line = hold(daemon, 100)
    with TlsClient(daemon.address, context, immediate=False) as c:
        # Each owes for the whole turn, so that who comes behind them waits for longer than a handshake takes.
        for other in line:
            other.send(b"WHAT\r\n" * 200)
        c.send(b"WHAT\r\n" * 6 + b"STARTTLS\r\n")
        assert [reply.code for reply in c.replies(7)] == [500] * 6 + [220]
        c.secure()
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
    drop(line)
    works(daemon)


def test_busy_clients_do_not_starve_another(daemon):
    daemon.start(max_messages=1000000)
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(daemon.address, b"NOOP\r\n" * 10000, stop)) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        with Client(daemon.address) as c:
            c.ehlo()
            for _ in range(10):
                seconds, reply = elapsed(lambda: c.message(b"x\r\n"))
                assert reply.code == 250
                assert seconds < 5
    finally:
        stop.set()
        for t in threads:
            t.join(DEADLINE_S)
    assert not any(t.is_alive() for t in threads)


def test_client_that_does_not_read_its_replies_is_not_read_from(server):
    c = Client(server.address, receive_buffer=4096)
    before = server.resident_kib()
    c.socket.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 512 * MIB:
            sent += c.socket.send(b"NOOP\r\n" * 10000)
    assert sent < 64 * MIB
    assert server.resident_kib() - before < 32 * 1024  # AddressSanitizer keeps freed memory for a while
    works(server)
    # Now it reads, and every command whose bytes were taken is answered.
    c.socket.settimeout(DEADLINE_S)
    assert [r.code for r in c.replies(1000)] == [250] * 1000
    c.socket.close()


def test_client_that_never_reads_is_closed_after_the_timeout(daemon):
    daemon.start(timeout=2)
    with Client(daemon.address, receive_buffer=4096) as c:
        c.socket.settimeout(1)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                c.socket.send(b"HELP\r\n" * 10000)
        daemon.log.wait("disconnect")


def test_slow_clients_do_not_keep_others_out(daemon):
    daemon.start(max_sessions=300, max_sessions_per_client=300)
    held = hold(daemon, 200)
    for c in held:
        c.send(b"EHLO slow.exam")
    works(daemon)
    drop(held)


def test_stop_with_sessions_open_tells_them_and_ends(daemon):
    daemon.start(drain_timeout=1)
    with Client(daemon.address) as idle, Client(daemon.address) as busy:
        idle.ehlo()
        busy.ehlo()
        busy.envelope()
        daemon.stop()
        assert idle.reply().code == 421
        assert busy.reply().code == 421


def test_stop_in_the_middle_of_a_delivery_answers_it_and_says_goodbye(daemon):
    """What has come when it goes on, the end of the message and the signal, it takes up in this order."""
    daemon.start()
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        daemon.process.send_signal(signal.SIGSTOP)
        c.send(b"x\r\n.\r\n")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGCONT)
        assert [(r.code, r.status) for r in c.replies(2)] == [(250, "2.0.0"), (421, "4.3.2")]
        assert c.rest_codes() == []
    log = daemon.log
    assert daemon.exit_code() == 0
    assert log.find("refused")[0]["reason"] == log.find("disconnect")[0]["reason"] == "shutdown"
    daemon.mailbox("anna").only()


def test_client_that_resets_behind_its_message_has_sent_it(daemon):
    """Nobody can be told, but what is delivered stands in the log."""
    daemon.start()
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        daemon.process.send_signal(signal.SIGSTOP)
        c.send(b"x\r\n.\r\nNOOP\r\n")
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    daemon.process.send_signal(signal.SIGCONT)
    daemon.log.wait("disconnect", reason="lost", messages=1)
    assert len(daemon.log.find("accepted")) == 1
    daemon.mailbox("anna").only()


def test_stop_while_nothing_happens(daemon):
    daemon.start()
    daemon.stop(signal.SIGINT)


def test_nothing_leaks_through_many_sessions(server):
    works(server)
    before = server.descriptors()
    for _ in range(100):
        with Client(server.address) as c:
            c.ehlo()
            c.envelope()
    server.log.wait("disconnect", count=101)
    assert server.descriptors() <= before + 1
