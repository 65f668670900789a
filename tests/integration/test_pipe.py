"""Messages handed to programs: what qmail-queue and sendmail get, and what our client is told."""

import fcntl
import json
import os
import shlex
import shutil
import signal
import threading
from pathlib import Path

import pytest

from client import Client
from daemon import Daemon, wait_until
from peers import Exim, Postfix, require_namespaces

CONTENT = b"Subject: pipe\r\n\r\n.dot\r\n..two\r\nlast\r\n"
STORED = "Subject: pipe\n\n.dot\n..two\nlast\n"
STANDIN = Path(__file__).parent / "mailer_standin.py"
BIG = b"Subject: big\r\n\r\n" + b"0123456789 and so on to the end of the line\r\n" * 60000


class Mailer:
    """The stand-in, its plan and what it left."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir()
        self.gate = open(self.directory / "gate", "w")

    def command(self, kind):
        return ["/usr/bin/python3", str(STANDIN), kind, str(self.directory)]

    def plan(self, **todo):
        """With gate=True programs wait for open_gate()."""
        if todo.get("gate"):
            fcntl.flock(self.gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (self.directory / "plan.json").write_text(json.dumps(todo))

    def open_gate(self):
        fcntl.flock(self.gate, fcntl.LOCK_UN)

    def started(self):
        return [json.loads(path.read_text())["pid"] for path in self.directory.glob("started-*[0-9]")]

    def runs(self):
        return sorted((json.loads(path.read_text()) for path in self.directory.glob("run-*[0-9]")),
                      key=lambda run: run["begun"])

    def only(self):
        run, = self.runs()
        return run


@pytest.fixture
def mailer(work_dir):
    m = Mailer(work_dir / "mailer")
    yield m
    # What a test has left behind on purpose.
    for pid in m.started():
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    m.gate.close()


def start(daemon, mailer, kind, top=None, listener=None, **options):
    backend = {"type": kind, "command": mailer.command(kind), **options}
    return daemon.start(backends={"queue": backend}, routes=None,
                        listeners=[{"listen": "127.0.0.1:0", **(listener or {})}], **(top or {}))


def send(daemon, *recipients, content=CONTENT, sender="sender@example.net"):
    """The reply to one message."""
    with Client(daemon.address) as client:
        client.ehlo()
        reply = client.message(content, *recipients, sender=sender)
        client.quit()
        return reply


def without_received(message):
    """The message behind our Received field, which must be the first."""
    assert message.startswith("Received: "), message[:200]
    lines = message.split("\n")
    end = next(i for i in range(1, len(lines)) if not lines[i].startswith(("\t", " ")))
    return "\n".join(lines[end:])


# ---- qmail-queue ----

def test_qmail_queue_gets_message_and_envelope(daemon, mailer):
    start(daemon, mailer, "qmail-queue")
    assert send(daemon, "anna@example.org", "ben@example.org").code == 250
    run = mailer.only()
    assert run["envelope"] == ["sender@example.net", "anna@example.org", "ben@example.org"]
    assert without_received(run["message"]) == STORED
    assert run["arguments"] == []
    accepted, = daemon.log.wait("accepted", backend="queue")
    assert accepted["octets"] == str(len(run["message"]))


@pytest.mark.parametrize("sender, recipient, expected", [
    ("", "anna@example.org", ["", "anna@example.org"]),
    ("sender@example.net", "postmaster", ["sender@example.net", "anna@example.org"]),  # who that is here
    ('"a b"@example.net', '"c \\"d\\" e"@example.org', ["a b@example.net", 'c "d" e@example.org']),
    ("-f@example.net", "-i@example.org", ["-f@example.net", "-i@example.org"]),
])
def test_qmail_queue_gets_addresses_without_quoting(daemon, mailer, sender, recipient, expected):
    start(daemon, mailer, "qmail-queue")
    assert send(daemon, recipient, sender=sender).code == 250
    assert mailer.only()["envelope"] == expected


def test_message_that_went_to_disk_arrives_whole(daemon, mailer):
    start(daemon, mailer, "qmail-queue", top={"spool_threshold": "64K"})
    assert send(daemon, content=BIG).code == 250
    assert without_received(mailer.only()["message"]) == BIG.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("code, reply", [
    (11, "554 5.3.0 Message rejected by qmail-queue."),
    (31, "554 5.3.0 Message refused."),
    (40, "554 5.3.0 Message rejected by qmail-queue."),
    (1, "451 4.3.0 Temporary qmail-queue failure."),
    (10, "451 4.3.0 Temporary qmail-queue failure."),
    (41, "451 4.3.0 Temporary qmail-queue failure."),
    (53, "451 4.3.0 Write error (queue full?)."),
    (111, "451 4.3.0 Temporary qmail-queue failure."),
    (255, "451 4.3.0 Temporary qmail-queue failure."),
])
def test_exit_codes_of_qmail_queue_are_passed_on(daemon, mailer, code, reply):
    start(daemon, mailer, "qmail-queue")
    mailer.plan(exit=code, say="what it said\nand more\n")
    assert str(send(daemon)) == reply
    refusal, = daemon.log.wait("refused", stage="message")
    assert refusal["detail"] == f"exit code {code}: what it said"
    mailer.plan(exit=0)
    assert send(daemon).code == 250


def test_texts_of_our_own_are_said_for_exit_codes(daemon, mailer):
    start(daemon, mailer, "qmail-queue", replies=["31: 5.7.1 Not here.", "53: Come back."],
          top={"qmail_queue_replies": ["31: never said", "40: 5.6.7 From the top level", "53: never said"]})
    for code, reply in ((31, "554 5.7.1 Not here."), (40, "554 5.6.7 From the top level"),
                        (53, "451 4.3.0 Come back."), (54, "451 4.3.0 Temporary qmail-queue failure.")):
        mailer.plan(exit=code)
        assert str(send(daemon)) == reply
    refusals = daemon.log.wait("refused", stage="message", count=4)
    assert refusals[0]["detail"] == "exit code 31" and refusals[0]["reason"] == "qmail_queue"


def test_texts_of_mailfronts_variables_are_said_for_exit_codes(daemon, mailer):
    start(daemon, mailer, "qmail-queue", replies=["40: of the backend"],
          top={"arguments": ["-e"], "environment": {"QQERRMSG_31": "5.7.1 Of the environment",
                                                    "QQERRMSG_40": "never said", "QQERRMSG_53": ""}})
    for code, reply in ((31, "554 5.7.1 Of the environment"), (40, "554 5.3.0 of the backend"),
                        (53, "451 4.3.0 Write error (queue full?).")):
        mailer.plan(exit=code)
        assert str(send(daemon)) == reply


def test_a_text_outlives_the_configuration_that_had_it(daemon, mailer):
    start(daemon, mailer, "qmail-queue", replies=["31: 5.7.1 The old one"])
    mailer.plan(gate=True, exit=31)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(str(send(daemon))))
    thread.start()
    wait_until(lambda: len(mailer.started()) == 1, "a program")
    daemon.configure(backends={"queue": {"type": "qmail-queue", "command": mailer.command("qmail-queue"),
                                         "replies": ["31: 5.7.1 The new one"]}})
    daemon.process.send_signal(signal.SIGHUP)
    change, = daemon.log.wait("changed", key="backends.queue.replies")
    assert "The new one" in change["after"]
    mailer.open_gate()
    thread.join()
    assert replies == ["554 5.7.1 The old one"]
    assert str(send(daemon)) == "554 5.7.1 The new one"


# ---- sendmail ----

def test_sendmail_gets_sender_and_recipients_as_arguments(daemon, mailer):
    start(daemon, mailer, "sendmail")
    assert send(daemon, "anna@example.org", "ben@example.org").code == 250
    run = mailer.only()
    assert run["arguments"] == ["-i", "-f", "sender@example.net", "--", "anna@example.org", "ben@example.org"]
    assert without_received(run["message"]) == STORED


@pytest.mark.parametrize("sender, recipient, written", [
    ("", "anna@example.org", ["<>", "anna@example.org"]),
    ("sender@example.net", "postmaster", ["sender@example.net", "anna@example.org"]),
    ('"; touch /tmp/x; "@example.net', '"$(touch x)`touch y`"@example.org',
     ['"; touch /tmp/x; "@example.net', '"$(touch x)`touch y`"@example.org']),
    ("a|b@example.net", "|cat@example.org", ["a|b@example.net", "|cat@example.org"]),
])
def test_sendmail_gets_addresses_as_they_are_and_no_shell_sees_them(daemon, mailer, sender, recipient, written):
    start(daemon, mailer, "sendmail")
    assert send(daemon, recipient, sender=sender).code == 250
    assert mailer.only()["arguments"] == ["-i", "-f", written[0], "--", written[1]]


def test_addresses_cannot_become_options_of_sendmail(daemon, mailer):
    start(daemon, mailer, "sendmail")
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        for recipient in ("-bs@example.org", "-@example.org", '"-oQ/tmp"@example.org'):
            assert client.command(f"RCPT TO:<{recipient}>").lines == \
                ["553 5.1.3 A recipient may not begin with a hyphen here."]
        client.expect(250, "RCPT TO:<a-b@example.org>")
        client.expect(250, "RSET")
        client.expect(250, "MAIL FROM:<-OQueueDirectory=/tmp@example.net>")
        assert client.command("RCPT TO:<anna@example.org>").lines == \
            ["553 5.1.7 A sender may not begin with a hyphen here."]
        client.quit()
    assert mailer.runs() == []


@pytest.mark.parametrize("code, reply", [
    (64, "451 4.3.0 The mailer failed; try again later."),
    (65, "554 5.6.0 The mailer does not take the message."),
    (67, "550 5.1.1 The mailer knows no such user."),
    (68, "550 5.1.2 The mailer knows no such host."),
    (69, "554 5.3.0 The mailer refused the message."),
    (75, "451 4.3.0 The mailer failed; try again later."),
    (77, "550 5.7.1 The mailer does not permit that."),
    (1, "451 4.3.0 The mailer failed; try again later."),
    (127, "451 4.3.0 The mailer failed; try again later."),
])
def test_exit_codes_of_sendmail_are_passed_on(daemon, mailer, code, reply):
    start(daemon, mailer, "sendmail")
    mailer.plan(exit=code)
    assert str(send(daemon)) == reply


def test_recipients_beyond_what_fits_are_put_off(daemon, mailer):
    domain = ".".join(["d" * 60] * 3) + ".example.org"
    start(daemon, mailer, "sendmail", top={"domains": ["example.org", domain]}, listener={"max_recipients": 2000})
    taken = []
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net>")
        while True:
            recipient = f"{len(taken):x>60}@{domain}"
            reply = client.command(f"RCPT TO:<{recipient}>")
            if reply.code != 250:
                break
            taken.append(recipient)
        assert reply.code == 452 and reply.status == "4.5.3"
        assert 100 < len(taken) < 1000
        client.expect(354, "DATA")
        client.send(CONTENT.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert client.reply().code == 250
        client.quit()
    assert mailer.only()["arguments"][4:] == taken


# ---- what both see of us ----

def test_the_environment_is_clean(daemon, mailer):
    os.environ["TZ"] = "Etc/UTC"
    start(daemon, mailer, "qmail-queue", environment=["TZ", "UNKNOWN_HERE", "QMAILHOME=/var/qmail"])
    assert send(daemon).code == 250
    run = mailer.only()
    environment = {k: v for k, v in run["environment"].items() if k != "LC_CTYPE"}  # Python's own
    message_id = environment.pop("SMTPFRONTD_MESSAGE_ID")
    assert int(environment.pop("TCPREMOTEPORT")) > 0
    assert environment == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TZ": "Etc/UTC", "QMAILHOME": "/var/qmail", "PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1",
    }
    assert daemon.log.wait("accepted")[0]["message"] == message_id
    assert run["descriptors"] == [0, 1, 2]


def test_a_path_of_ones_own_wins(daemon, mailer):
    start(daemon, mailer, "sendmail", environment=["PATH=/nowhere"])
    assert send(daemon).code == 250
    assert mailer.only()["environment"]["PATH"] == "/nowhere"


# ---- what is not handed over ----

@pytest.mark.parametrize("kind", ["qmail-queue", "sendmail"])
@pytest.mark.parametrize("spool", ["memory", "disk"])
def test_lone_cr_and_nul_do_not_leave_the_house(daemon, mailer, kind, spool):
    filling = BIG if spool == "disk" else b""
    start(daemon, mailer, kind, top={"spool_threshold": "64K"})
    reply = send(daemon, content=b"Subject: x\r\n\r\n" + filling + b"a\rb\r\n")
    assert (reply.code, reply.status) == (554, "5.6.0")
    reply = send(daemon, content=b"Subject: x\r\n\r\n" + filling + b"a\0b\r\n" + filling)
    assert str(reply) == "554 5.6.0 The message holds a NUL."
    assert mailer.started() == []
    assert send(daemon, content=b"Subject: x\r\n\r\n" + filling).code == 250


def test_smtputf8_is_refused_at_rcpt(daemon, mailer):
    start(daemon, mailer, "qmail-queue")
    with Client(daemon.address) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<sender@example.net> SMTPUTF8")
        assert client.command("RCPT TO:<anna@example.org>").lines[0].startswith("553 5.6.7 ")
        client.quit()


@pytest.mark.parametrize("kind", ["qmail-queue", "sendmail"])
def test_a_missing_program_is_told_at_rcpt_until_it_is_there(daemon, mailer, work_dir, kind):
    program = work_dir / "program"
    daemon.expect_trouble("will be put off: .*/program: No such file or directory")
    daemon.start(backends={"queue": {"type": kind, "command": [str(program)]}}, routes=None)
    with Client(daemon.address) as client:
        client.ehlo()

        def ask():
            client.expect(250, "MAIL FROM:<sender@example.net>")
            reply = client.command("RCPT TO:<anna@example.org>")
            client.expect(250, "RSET")
            return str(reply)
        assert ask().startswith("451 4.3.0 ")
        assert daemon.log.wait("refused")[0]["detail"] == f"{program}: No such file or directory"
        program.write_text("#!/bin/sh\ncat >/dev/null\n[ $# -gt 0 ] || exec cat <&1 >/dev/null\n")
        assert ask().startswith("451 4.3.0 ")
        assert daemon.log.wait("refused", count=2)[1]["detail"] == f"{program}: Permission denied"
        program.chmod(0o700)
        assert ask().startswith("250 ")
    assert send(daemon).code == 250


def test_a_program_that_goes_between_rcpt_and_data_is_put_off(daemon, mailer, work_dir):
    program = work_dir / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    daemon.start(backends={"queue": {"type": "sendmail", "command": [str(program)]}}, routes=None)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        program.unlink()
        client.expect(354, "DATA")
        client.send(b"x\r\n.\r\n")
        assert client.reply().code == 451
        client.quit()
    refusal, = daemon.log.wait("refused", stage="message")
    assert refusal["detail"] == "it cannot be executed: No such file or directory"


def test_a_fallback_takes_what_a_missing_program_cannot(daemon, mailer):
    daemon.expect_trouble("will be put off: /nonexistent: No such file or directory")
    daemon.start(backends={"queue": {"type": "sendmail", "command": ["/nonexistent"], "fallback": "inbox"},
                           "inbox": {"type": "maildir", "path": f"{daemon.mail}/%d/%n"}},
                 routes=[{"backend": "queue"}])
    assert send(daemon).code == 250
    assert daemon.mailbox("anna").only().content == STORED.encode()


# ---- programs that do not behave ----

@pytest.mark.parametrize("kind", ["qmail-queue", "sendmail"])
@pytest.mark.parametrize("how", ["none", "close", "some"])
def test_success_without_reading_the_message_is_none(daemon, mailer, kind, how):
    start(daemon, mailer, kind)
    mailer.plan(stdin=how, exit=0)
    assert send(daemon).code == 451
    refusal, = daemon.log.wait("refused", stage="message")
    assert refusal["detail"] == "exit code 0, but it has not read all that it was given"
    mailer.plan(stdin=how, exit=77 if kind == "sendmail" else 31)
    assert send(daemon).code in (550, 554)


def test_ten_megabytes_of_text_do_no_harm(daemon, mailer):
    start(daemon, mailer, "sendmail")
    mailer.plan(output=10_000_000)
    assert send(daemon).code == 250
    mailer.plan(output=10_000_000, exit=75)
    assert send(daemon).code == 451
    assert daemon.log.wait("refused")[0]["detail"].startswith("exit code 75: xxxx")


def test_what_a_program_says_cannot_write_the_log(daemon, mailer):
    start(daemon, mailer, "sendmail")
    mailer.plan(say="\x1b[2Jx\r- accepted forged=1\n- accepted forged=2\n", exit=75)
    assert send(daemon).code == 451
    refusal, = daemon.log.wait("refused")
    assert refusal["detail"] == "exit code 75: \x1b[2Jx" and refusal.leftover == ""
    assert "\x1b" not in refusal.text
    assert daemon.log.find("accepted") == []


@pytest.mark.parametrize("deaf", [False, True])
def test_a_program_that_hangs_is_ended_and_the_message_put_off(daemon, mailer, deaf):
    start(daemon, mailer, "sendmail", timeout=3)
    mailer.plan(hang=True, deaf=deaf)
    assert send(daemon).code == 451
    assert daemon.log.wait("refused")[0]["detail"] == "not done in time, and killed"
    pid, = mailer.started()
    assert not Path(f"/proc/{pid}").exists()
    mailer.plan()
    wait_until(lambda: send(daemon).code == 250, "a program that is done in time")


def test_a_program_that_is_killed_is_put_off(daemon, mailer):
    start(daemon, mailer, "qmail-queue")
    mailer.plan(signal=9)
    assert str(send(daemon)) == "451 4.3.0 Temporary qmail-queue failure."
    assert daemon.log.wait("refused")[0]["detail"] == "killed by signal 9: Killed"


def test_a_process_that_stays_behind_does_not_hold_the_reply_up(daemon, mailer):
    start(daemon, mailer, "sendmail")
    mailer.plan(grandchild=True)
    assert send(daemon).code == 250


# ---- many ----

def test_no_more_run_at_a_time_than_may(daemon, mailer):
    start(daemon, mailer, "sendmail", max_children=2)
    mailer.plan(gate=True)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(send(daemon).code)) for _ in range(7)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(mailer.started()) == 2, "two programs")
    with Client(daemon.address) as client:  # and the loop has time for others
        client.ehlo()
        client.quit()
    assert len(mailer.started()) == 2
    mailer.open_gate()
    for thread in threads:
        thread.join()
    assert replies == [250] * 7
    runs = mailer.runs()
    assert len(runs) == 7
    for run in runs:
        assert sum(other["begun"] <= run["begun"] < other["ended"] for other in runs) <= 2


def test_a_message_whose_turn_does_not_come_is_put_off(daemon, mailer):
    start(daemon, mailer, "sendmail", max_children=1, timeout=2)
    mailer.plan(gate=True, deaf=True)
    first = []
    thread = threading.Thread(target=lambda: first.append(send(daemon)))
    thread.start()
    wait_until(lambda: len(mailer.started()) == 1, "a program")
    assert str(send(daemon)) == "451 4.3.2 Too many messages are being handed over; try again later."
    thread.join()
    assert first[0].code == 451


# ---- clients and daemons that go ----

def test_what_has_begun_goes_on_without_the_client(daemon, mailer):
    start(daemon, mailer, "sendmail")
    mailer.plan(gate=True)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(CONTENT.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        wait_until(lambda: len(mailer.started()) == 1, "a program")
        client.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset
    mailer.open_gate()
    wait_until(lambda: mailer.runs(), "the end of the program")
    assert without_received(mailer.only()["message"]) == STORED


@pytest.mark.parametrize("kind", ["qmail-queue", "sendmail"])
def test_a_killed_daemon_leaves_nobody_with_half_a_message(daemon, mailer, kind):
    start(daemon, mailer, kind, top={"spool_threshold": "64K"})
    mailer.plan(gate=True)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(BIG + b".\r\n")
        wait_until(lambda: len(mailer.started()) == 1, "a program")
        daemon.kill9()
    mailer.open_gate()
    wait_until(lambda: mailer.runs(), "the end of the program")
    run = mailer.only()
    assert without_received(run["message"]) == BIG.decode().replace("\r\n", "\n")
    assert kind == "sendmail" or run["envelope"] == ["sender@example.net", "anna@example.org"]


def test_stopping_waits_for_the_program(daemon, mailer):
    start(daemon, mailer, "sendmail")
    mailer.plan(gate=True)
    with Client(daemon.address) as client:
        client.ehlo()
        client.envelope()
        client.expect(354, "DATA")
        client.send(b"x\r\n.\r\n")
        wait_until(lambda: len(mailer.started()) == 1, "a program")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.log.wait("stop")
        mailer.open_gate()
        assert client.reply().code == 250
    assert daemon.exit_code() == 0


# ---- real ones ----

def start_real(daemon, peer, program, *arguments):
    """The peer's own sendmail, in the world that the peer lives in."""
    script = peer.directory / "sendmail"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(peer.enter(program, *arguments))} "$@"\n')
    script.chmod(0o755)
    return daemon.start(backends={"queue": {"type": "sendmail", "command": [str(script)],
                                            "environment": [f"LD_LIBRARY_PATH=/usr/lib/{peer.name}"]}},
                        routes=None)


def assert_delivered(peer, daemon):
    assert send(daemon, "anna@example.org", "ben@example.org").code == 250
    assert send(daemon, "anna@example.org", sender="").code == 250
    for_anna, for_ben = peer.wait_files("anna", 2), peer.wait_files("ben", 1)
    for raw in for_anna + for_ben:
        assert STORED.partition("\n\n")[2] == raw.decode().partition("\n\n")[2], raw
        assert b"client.example.net" in raw  # our Received field
    if peer.name == "postfix":  # this Exim adds no Return-Path
        assert sorted(line for raw in for_anna for line in raw.split(b"\n") if line.startswith(b"Return-Path:")) == \
            [b"Return-Path: <>", b"Return-Path: <sender@example.net>"]
    assert len(for_anna) == 2 and len(for_ben) == 1


def test_exim_delivers_as_sendmail(daemon, work_dir):
    require_namespaces()
    exim = Exim(work_dir / "exim")
    start_real(daemon, exim, "/usr/sbin/exim4", "-C", exim.etc / "exim.conf", "-odi")
    assert_delivered(exim, daemon)


def test_postfix_delivers_as_sendmail(daemon, work_dir):
    require_namespaces()
    postfix = Postfix(work_dir / "postfix").start()
    try:
        start_real(daemon, postfix, "/usr/sbin/sendmail", "-C", postfix.etc)
        assert_delivered(postfix, daemon)
    finally:
        postfix.stop()



def test_msmtp_carries_messages_on(daemon, mailer, work_dir):
    """msmtp as sendmail, behind which a second daemon of ours is the next server."""
    msmtp = shutil.which("msmtp")
    assert msmtp, "install msmtp"
    behind = Daemon(work_dir / "behind")
    try:
        behind.start()
        config = work_dir / "msmtprc"
        config.write_text(f"account default\nhost 127.0.0.1\nport {behind.port}\nauth off\ntls off\n"
                          "from nobody@example.net\n")
        config.chmod(0o600)
        daemon.start(backends={"queue": {"type": "sendmail", "command": [msmtp, "-C", str(config)]}}, routes=None)
        assert send(daemon).code == 250
        message = behind.mailbox("anna").only()
        assert message.return_path == "<sender@example.net>"
        assert message.content.decode().endswith(STORED)
        assert send(daemon, "nobody@example.org").code == 554  # EX_UNAVAILABLE: refused there
        assert len(behind.mailbox("anna").files()) == 1
        behind.stop()
        assert send(daemon).code in (451, 550)
    finally:
        if behind.is_running():
            behind.process.kill()
