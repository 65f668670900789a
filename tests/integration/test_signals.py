"""Signals: a stop that finishes what has begun, all sessions on demand, and tracing."""

import signal
import time

import pytest

from client import Client
from daemon import wait_until


def begin_message(client):
    client.ehlo()
    client.envelope()
    client.expect(354, "DATA")
    client.send(b"Subject: x\r\n\r\nfirst half\r\n")


def is_refused(address):
    try:
        Client(address, greeting=False).socket.close()
        return False
    except ConnectionRefusedError:
        return True


def terminate(daemon):
    daemon.process.send_signal(signal.SIGTERM)
    daemon.log.wait("stop")


def test_a_stop_finishes_messages_and_tells_the_idle(server):
    idle, sending = Client(server.address), Client(server.address)
    idle.ehlo()
    begin_message(sending)
    terminate(server)
    reply = idle.reply()
    assert (reply.code, reply.status) == (421, "4.3.2") and idle.is_closed()
    assert is_refused(server.address)
    assert server.is_running()
    sending.send(b"second half\r\n.\r\n")
    assert [r.code for r in sending.replies(2)] == [250, 421]
    assert sending.is_closed()
    assert server.exit_code() == 0
    assert b"second half" in server.mailbox("anna").only().content
    assert not server.past_logs[-1].find("drain_over")


def test_after_its_message_a_session_gets_no_second_one(server):
    """All in one segment, so that the second MAIL is there before the first message is stored."""
    with Client(server.address) as c:
        begin_message(c)
        terminate(server)
        c.send(b".\r\nMAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\n")
        assert c.rest_codes() == [250, 421]
    assert server.exit_code() == 0


@pytest.mark.parametrize("how", ["RSET", "EHLO x"])
def test_a_transaction_that_is_given_up_ends_its_session(server, how):
    with Client(server.address) as c:
        c.ehlo()
        c.envelope()
        terminate(server)
        c.expect(250, "RCPT TO:<anna@example.org>")
        c.send(how.encode() + b"\r\n")
        assert c.rest_codes() == [421]
    assert server.exit_code() == 0


def test_a_stop_waits_for_drain_timeout_and_no_longer(daemon):
    daemon.start(drain_timeout=1)
    with Client(daemon.address) as c:
        begin_message(c)
        begun = time.monotonic()
        terminate(daemon)
        assert c.rest_codes() == [421]
        assert time.monotonic() - begun > 0.9
    assert daemon.exit_code() == 0
    assert daemon.past_logs[-1].find("drain_over", sessions=1)
    assert daemon.mailbox("anna").messages() == []


def test_a_second_signal_ends_it_at_once(server):
    with Client(server.address) as c:
        begin_message(c)
        terminate(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.exit_code() == 0
        assert c.rest_codes() == []
    assert server.past_logs[-1].find("disconnect", reason="stopped")
    assert server.mailbox("anna").messages() == []


def test_a_reload_opens_nothing_while_the_server_stops(server):
    with Client(server.address) as c:
        begin_message(c)
        terminate(server)
        server.process.send_signal(signal.SIGHUP)
        assert "about to stop" in server.log.wait("reload_failed")[0]["text"]
        assert is_refused(server.address)
        c.send(b".\r\n")
        assert c.rest_codes() == [250, 421]
    assert server.exit_code() == 0


def test_all_sessions_are_told_on_demand(server):
    with Client(server.address) as idle, Client(server.address) as sending:
        idle.ehlo()
        begin_message(sending)
        many = [Client(server.address) for _ in range(90)]
        server.process.send_signal(signal.SIGUSR1)
        total = server.log.wait("sessions")[0]
        assert total["count"] == "92"
        told = server.log.find("session")
        assert len(told) == 92 and len({line.id for line in told}) == 92
        states = sorted(line["state"] for line in told)
        assert states.count("data") == 1, states
        line = [line for line in told if line["state"] == "data"][0]
        assert line["waits_for"] == "peer" and line["client"] == "127.0.0.1" and int(line["bytes_in"]) > 50
        for c in many:
            c.socket.close()


def test_traces_are_switched_by_signal(server):
    def one_session():
        with Client(server.address) as c:
            c.ehlo()
            assert c.message(b"x\r\n").code == 250
            c.quit()

    one_session()
    server.process.send_signal(signal.SIGUSR2)
    server.log.wait("trace", what="all")
    one_session()
    server.log.wait("disconnect", count=2)
    verdicts = server.log.find("verdict")
    assert [v["step"] for v in verdicts] == ["connect", "helo", "mail", "rcpt", "data", "message"]
    for event in ("connect", "policy", "spooled", "deliver"):
        assert len(server.log.find(event)) == 1, event
    server.process.send_signal(signal.SIGUSR2)
    server.log.wait("trace", what="configured")
    one_session()
    server.log.wait("disconnect", count=3)
    assert len(server.log.find("verdict")) == len(verdicts)


def test_one_subsystem_is_traced_by_configuration(daemon):
    daemon.start(trace=["policy"])
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<>")
        c.expect(550, "RCPT TO:<nobody@elsewhere.example>")
        c.quit()
    assert daemon.log.wait("policy")[0]["says"] != "yes"
    assert not daemon.log.find("verdict") and not daemon.log.find("connect")
