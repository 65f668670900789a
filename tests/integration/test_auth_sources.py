"""AUTH with users that others know: Dovecot, real and hostile, programs of the checkpassword interface, and PAM."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from client import Client
from daemon import DEADLINE_S, wait_until
from daemon import run as run_daemon
from peers import Dovecot, require_namespaces
from test_auth import PASSWORD, PATIENT, auth_line, b64, offered, plain
from test_clients import CONTENT, need, run
from tls import TlsClient, client_context

TRUSTED = {"auth_without_tls": True, **PATIENT}


@pytest.fixture(autouse=True)
def warned(request):
    """Passwords are sent in plain text here."""
    if "dovecot" in request.fixturenames: # so that it outlives the daemon
        request.getfixturevalue("dovecot")
    if "daemon" in request.fixturenames:
        request.getfixturevalue("daemon").expect_trouble("passwords may be sent in plain text")


# ---- the real Dovecot ----

def jwt(key, **claims):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + "." + part(json.dumps(claims).encode())
    return text + "." + part(hmac.new(key, text.encode(), hashlib.sha256).digest())


class DovecotAuth(Dovecot):
    """Its auth service, and nothing else of it."""

    key = b"sixteen keys, or thirty-two octets"
    extra = ""

    def configure(self):
        d = self.directory
        self.socket = d / "run/auth-smtp"
        (d / "passwords").write_text(f"anna:{{PLAIN}}{PASSWORD}::::::\nben:{{PLAIN}}x::::::nologin\n")
        keys = d / "keys/default/HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_text(b64(self.key))
        (d / "oauth2").write_text(f"introspection_mode = local\nusername_attribute = sub\n"
                                  f"local_validation_key_dict = fs:posix:prefix={d}/keys/\n")
        (self.etc / "dovecot.conf").write_text(f"""
base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log
instance_name = smtpfrontd-test
protocols =
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login scram-sha-256 cram-md5 xoauth2 oauthbearer
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
first_valid_uid = 1
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {d}/oauth2
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login scram-sha-256 cram-md5
  args = {d}/passwords
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/
}}
service auth {{
  user = root
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
""")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.settimeout(DEADLINE_S)
                s.connect(str(self.socket))
                return s.recv(100).startswith(b"VERSION\t1\t")
            except OSError:
                return False


@pytest.fixture
def dovecot(work_dir):
    require_namespaces()
    peer = DovecotAuth(work_dir / "dovecot").start()
    yield peer
    peer.stop()


def source(path, **settings):
    return {"auth": [{"type": "dovecot", "path": str(path), **settings}], **TRUSTED}


@pytest.fixture
def asking(dovecot, daemon):
    """A daemon that has met Dovecot."""
    daemon.start(**source(dovecot.socket))
    daemon.log.wait("auth_connected")
    return daemon


def test_all_mechanisms_of_dovecot_are_offered(asking):
    with Client(asking.address) as c:
        assert sorted(offered(c)) == sorted(["PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"])


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks_logs_in_by_dovecot(asking, mechanism):
    need("swaks")
    login = ["swaks", "--server", f"127.0.0.1:{asking.port}", "--auth", mechanism, "--auth-user", "anna",
             "--from", "anna@example.org", "--to", "anna@example.org", "--auth-password"]
    run(*login, PASSWORD)
    assert auth_line(asking, result="ok")["user"] == "anna"
    assert b"with ESMTPA id" in asking.mailbox("anna").only().raw
    assert "535 5.7.8" in run(*login, "wrong", "--quit-after", "AUTH", status=28)
    assert auth_line(asking, result="failed")["reason"] == "wrong_password"


def test_msmtp_logs_in_by_dovecot_with_scram(asking):
    need("msmtp")
    login = ["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={asking.port}", "--auth=scram-sha-256",
             "--user=anna", "--tls=off", "--from=anna@example.org", "anna@example.org"]
    run(*login, f"--passwordeval=echo {PASSWORD}", data=CONTENT)
    assert auth_line(asking, result="ok")["mechanism"] == "SCRAM-SHA-256"
    run(*login, "--passwordeval=echo wrong", data=CONTENT, status=77)
    auth_line(asking, result="failed")


def bearer(mechanism, token):
    if mechanism == "XOAUTH2":
        return f"user=anna\1auth=Bearer {token}\1\1"
    return f"n,a=anna,\1host=mx.example.org\1port=587\1auth=Bearer {token}\1\1"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_tokens_are_taken_by_dovecot(asking, dovecot, mechanism):
    token = jwt(dovecot.key, sub="anna", exp=int(time.time()) + 3600)
    with Client(asking.address) as c:
        c.ehlo()
        c.expect(235, f"AUTH {mechanism} " + b64(bearer(mechanism, token)))
    assert auth_line(asking, result="ok")["user"] == "anna"
    with Client(asking.address) as c:
        c.ehlo()
        reply = c.command(f"AUTH {mechanism} " + b64(bearer(mechanism, jwt(b"another key", sub="anna"))))
        if reply.code == 334:  # RFC 7628 3.2.3: what went wrong, and a word of the client to that
            reply = c.command(b64("\1"))
        assert reply.code == 535
    assert token not in asking.log.text()


def test_a_user_who_may_not_log_in_is_refused(asking):
    with Client(asking.address) as c:
        c.ehlo()
        assert str(c.command(plain("ben", "x"))) == "525 5.7.13 This user may not log in."
    assert auth_line(asking, result="failed")["reason"] == "login_disabled"


def test_an_expired_password_is_told_for_what_it_is(daemon, fake):
    fake(answer=to_id("FAIL\tID\tuser=anna\tcode=pass_expired\n"))
    assert str(refused(daemon)) == "535 5.7.8 The password has expired."


def test_the_longest_message_of_a_client_does_not_cost_others_their_login(asking):
    with Client(asking.address) as first, Client(asking.address) as c:
        first.ehlo()
        challenge = first.expect(334, "AUTH CRAM-MD5").text
        c.ehlo()
        c.expect(334, "AUTH XOAUTH2")
        assert c.command("A" * 12288).code in (334, 501, 535)
        answer = hmac.new(PASSWORD.encode(), base64.b64decode(challenge), hashlib.md5).hexdigest()
        first.expect(235, b64(f"anna {answer}"))
    assert len(asking.log.wait("auth_connected")) == 1


def test_logins_go_on_when_dovecot_comes_back(asking, dovecot):
    asking.expect_trouble("dovecot:")
    dovecot.stop()
    asking.log.wait("trouble")
    with Client(asking.address) as c:
        assert "PLAIN" in offered(c)
        assert c.command(plain()).status == "4.7.0"
    dovecot.start()
    asking.log.wait("auth_connected", count=2)
    with Client(asking.address) as c:
        c.ehlo()
        c.expect(235, plain())


def test_two_configurations_may_ask_dovecot_at_the_same_time(asking):
    with Client(asking.address) as old:
        old.ehlo()
        asking.process.send_signal(signal.SIGHUP)
        asking.log.wait("auth_connected", count=2)
        old.expect(235, plain())
        with Client(asking.address) as c:
            c.ehlo()
            c.expect(235, plain())


def test_a_reload_forgets_no_mechanism(asking, dovecot):
    """Also while Dovecot is away."""
    asking.expect_trouble("dovecot:")
    dovecot.stop()
    asking.log.wait("trouble")
    asking.process.send_signal(signal.SIGHUP)
    asking.log.wait("reload")
    with Client(asking.address) as c:
        assert "XOAUTH2" in offered(c)
        assert c.command("AUTH XOAUTH2").status == "4.7.0"


# ---- a Dovecot that does as it is told ----

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\nSPID\t1\nCUID\t2\nCOOKIE\tab\nDONE\n"


class FakeDovecot:
    """One answer for each line: a function of the line's fields, or bytes; None: it closes."""

    def __init__(self, directory, hello=HELLO, answer=b"", after=None):
        self.path = directory / "auth"
        self.hello, self.answer = hello, answer
        self.lines = []
        self.connections = 0
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        with s:
            try:
                s.sendall(self.hello)
                for line in s.makefile("rb"):
                    self.lines.append(line)
                    fields = line.decode().rstrip("\n").split("\t")
                    if fields[0] not in ("AUTH", "CONT"):
                        continue
                    answer = self.answer(fields) if callable(self.answer) else self.answer
                    if answer is None:
                        return
                    s.sendall(answer)
            except OSError:
                pass

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


@pytest.fixture
def fake(daemon, work_dir):
    """start(hello=…, answer=…): a daemon that has met such a Dovecot."""
    fakes = []

    def start(meets=True, settings=None, **how):
        fakes.append(FakeDovecot(work_dir, **how))
        daemon.start(**source(fakes[-1].path, **(settings or {})))
        if meets:
            daemon.log.wait("auth_connected")
        return fakes[-1]

    yield start
    for f in fakes:
        f.close()


def to_id(text):
    return lambda fields: text.replace("ID", fields[1]).encode()


def refused(daemon, line=None):
    """An AUTH that must not succeed, whatever became of it; returns the reply."""
    with Client(daemon.address) as c:
        c.ehlo()
        reply = c.command(line or plain())
        assert reply.code != 235
        # Nor later in the session.
        assert c.command("AUTH PLAIN").code != 503
    return reply


def test_what_is_asked_is_what_the_protocol_has(daemon, fake):
    dovecot = fake(answer=to_id("OK\tID\tuser=anna\n"))
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(235, plain())
    fields = dovecot.lines[-1].decode().rstrip("\n").split("\t")
    assert fields[:3] == ["AUTH", "1", "PLAIN"] and "service=smtp" in fields and "rip=127.0.0.1" in fields
    assert "secured" not in fields and fields[-1] == "resp=" + b64(f"\0anna\0{PASSWORD}")
    assert dovecot.lines[0] == b"VERSION\t1\t1\n" and re.fullmatch(rb"CPID\t[1-9]\d*\n", dovecot.lines[1])
    assert PASSWORD not in daemon.log.text() and fields[-1] not in daemon.log.text()


@pytest.mark.parametrize("answer, code, reason", [
    ("FAIL\tID\tuser=anna\n", 535, "wrong_password"),
    ("FAIL\tID\n", 535, "wrong_password"),
    ("FAIL\tID\tuser=anna\ttemp\n", 454, "temporary"),
    ("FAIL\tID\tuser=anna\tcode=temp_fail\n", 454, "temporary"),
    ("FAIL\tID\tcode=user_disabled\n", 525, "login_disabled"),
    ("FAIL\tID\tcode=pass_expired\n", 535, "password_expired"),
    ("FAIL\tID\tuser=anna\tcode=authz_fail\n", 535, "other_identity"),
    ("FAIL\tID\tuser=anna\tcode=invalid_base64\n", 501, "bad_message"),
    ("FAIL\tID\tuser=anna\tcode=something_new\n", 535, "wrong_password"),
    ("OK\tID\tuser=anna\tnologin\n", 525, "login_disabled"),
    ("OK\tID\tuser=anna\tanonymous\n", 454, "bad_answer"),
    ("OK\tID\n", 454, "bad_answer"),
    ("OK\tID\tuser=\n", 454, "bad_answer"),
    ("OK\tID\tuser=an\x1b[2Jna\n", 454, "bad_answer"),
    ("OK\tID\tuser=anna\0root\n", 454, "bad_answer"),
    ("OK\tID\tuser=" + "a" * 300 + "\n", 454, "bad_answer"),
    ("OK\tID\tuser=anna\tresp=***\n", 454, "bad_answer"),
])
def test_answers_mean_what_they_say(daemon, fake, answer, code, reason):
    fake(answer=to_id(answer))
    assert refused(daemon).code == code
    assert auth_line(daemon)["reason"] == reason


@pytest.mark.parametrize("answer", [
    b"OK\t2\tuser=anna\n", b"OK\t4294967297\tuser=anna\n", b"OK\t0\tuser=anna\n", b"OK\t-1\tuser=anna\n",
    b"OK\t\tuser=anna\n", b"OK\n", b"OK user=anna\n", b"OK\t1x\tuser=anna\n", b"CONT\t1\t***\n", b"CONT\t1\tAAAA\n",
    b"CONT\t2\tAAAA\n",
    b"OK\t1\tuser=anna", b"\0" * 20000, b"x" * 20000, b"junk\n" * 300, None,
], ids=lambda answer: "closes" if answer is None else repr(answer[:16]))
def test_garbage_is_never_a_yes(daemon, fake, answer):
    daemon.expect_trouble("dovecot:")
    # What lacks its end is an answer that does not come.
    fake(answer=answer, settings={"timeout": 1})
    assert refused(daemon).status == "4.7.0"


def test_a_yes_to_one_is_none_to_another(daemon, fake):
    """The second login is asked about while the first one waits; only the first is answered, by its id."""
    dovecot = fake(answer=lambda fields: b"" if fields[1] == "1" else b"OK\t1\tuser=anna\n", settings={"timeout": 3})
    with Client(daemon.address) as a, Client(daemon.address) as b:
        a.ehlo()
        b.ehlo()
        a.send((plain("anna") + "\r\n").encode())
        wait_until(lambda: any(line.startswith(b"AUTH") for line in dovecot.lines), "the first login")
        assert b.command(plain("ben", "y")).code == 454
        assert a.reply().code == 235
    assert {line["user"] for line in daemon.log.wait("auth", result="ok")} == {"anna"}


def test_a_late_answer_is_nobodys(daemon, fake):
    """The first login was given up; what is said to it then does not become the second one's."""
    def answer(fields):
        return b"NEWS\tof tomorrow\n" if fields[1] == "1" else b"OK\t1\tuser=root\nFAIL\t2\tuser=anna\n"

    dovecot = fake(answer=answer, settings={"timeout": 1})
    assert refused(daemon).status == "4.7.0"
    wait_until(lambda: b"CANCEL\t1\n" in dovecot.lines, "its end")
    assert refused(daemon).code == 535
    assert len(daemon.log.wait("auth_connected")) == 1


def test_a_yes_while_the_client_is_to_speak_is_none(daemon, fake):
    daemon.expect_trouble("dovecot:")
    fake(answer=lambda fields: f"CONT\t{fields[1]}\tPGE+\nOK\t{fields[1]}\tuser=anna\n".encode())
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(334, "AUTH CRAM-MD5")
        assert c.command(b64("anna x")).status == "4.7.0"


def test_what_dovecot_has_given_up_does_not_go_on(daemon, fake):
    fake(answer=lambda fields: f"CONT\t{fields[1]}\tPGE+\nFAIL\t{fields[1]}\n".encode())
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(334, "AUTH CRAM-MD5")
        assert c.command(b64("anna x")).status == "4.7.0"


def test_challenges_without_end_end(daemon, fake):
    fake(answer=to_id("CONT\tID\tPGE+\n"))
    with Client(daemon.address) as c:
        c.ehlo()
        reply = c.command("AUTH CRAM-MD5")
        for _ in range(20):
            if reply.code != 334:
                break
            reply = c.command(b64("x"))
        assert reply.code == 501


def test_last_words_are_told_before_the_yes(daemon, fake):
    fake(answer=to_id("OK\tID\tuser=anna\tresp=djE=\n"))
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.expect(334, "AUTH CRAM-MD5").text == "djE="
        c.expect(235, "")


def test_silence_ends_in_454_and_in_a_new_connection(daemon, fake):
    daemon.expect_trouble("it does not answer")
    dovecot = fake(settings={"timeout": 1})
    assert refused(daemon).status == "4.7.0"
    assert auth_line(daemon)["reason"] == "timeout"
    # A login that began in the millisecond of the greeting has not heard nothing at all since; a second one has.
    wait_until(lambda: refused(daemon).status == "4.7.0" and dovecot.connections > 1, "a new connection")


@pytest.mark.parametrize("hello", [
    b"", b"VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", b"MECH\tPLAIN\nVERSION\t1\t1\nDONE\n", b"DONE\n", b"OK\t1\tuser=anna\n",
    b"VERSION\t1\t2\nMECH\nDONE\n", b"VERSION\t1\t2\n" + b"MECH\tX\n" + b"JUNK\n" * 1000, b"VERSION\t1\t2\n" + b"x" * 40000,
], ids=lambda hello: repr(hello[:24]))
def test_who_does_not_greet_as_dovecot_does_is_not_asked(daemon, fake, hello):
    daemon.expect_trouble("dovecot:")
    dovecot = fake(meets=False, hello=hello, answer=to_id("OK\tID\tuser=anna\n"), settings={"timeout": 1})
    daemon.log.wait("trouble")
    assert refused(daemon).status == "4.7.0"
    assert not any(line.startswith(b"AUTH") for line in dovecot.lines)


def test_a_login_waits_for_the_greeting(daemon, work_dir):
    """Who is there before Dovecot has greeted is not turned away."""
    late = threading.Event()

    class Late(FakeDovecot):
        def talk(self, s):
            late.wait(DEADLINE_S)
            super().talk(s)

    dovecot = Late(work_dir, answer=to_id("OK\tID\tuser=anna\n"))
    daemon.start(**source(dovecot.path))
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]
        c.send((plain() + "\r\n").encode())
        late.set()
        assert c.reply().code == 235
    dovecot.close()


def test_mechanisms_that_make_somebody_of_nobody_are_not_offered(daemon, fake):
    fake(hello=b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tANONYMOUS\nMECH\tGUEST\tanonymous\nMECH\tAPOP\tprivate\n"
               b"MECH\tEXTERNAL\nMECH\tSCRAM-SHA-256-PLUS\nMECH\tevil\x07\nMECH\t" + b"A" * 21 + b"\nDONE\n")
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]


def test_a_login_is_lost_with_the_connection_and_not_asked_again(daemon, fake):
    daemon.expect_trouble("closed the connection")
    dovecot = fake(answer=None)
    assert refused(daemon).status == "4.7.0"
    daemon.log.wait("auth_connected", count=2)
    assert sum(line.startswith(b"AUTH") for line in dovecot.lines) == 1


def test_dovecot_is_told_of_tls_and_of_the_name_in_the_certificate(daemon, work_dir, pki):
    dovecot = FakeDovecot(work_dir, hello=HELLO.replace(b"SPID", b"MECH\tEXTERNAL\nSPID"),
                          answer=to_id("OK\tID\tuser=anna\n"))
    daemon.start_tls(pki.ec, tls_client_ca=str(pki.ca.cert), tls_client_verify="ask",
                     **{**source(dovecot.path), "auth_without_tls": False})
    daemon.log.wait("auth_connected")
    with TlsClient(daemon.smtps, client_context(pki)) as c:
        assert "EXTERNAL" not in offered(c)
        c.expect(235, plain())
    with TlsClient(daemon.smtps, client_context(pki, pair=pki.client)) as c:
        assert "EXTERNAL" in offered(c)
        c.expect(235, "AUTH EXTERNAL =")
    password, certificate = [line.decode().rstrip().split("\t") for line in dovecot.lines if line.startswith(b"AUTH")]
    assert "secured" in password and "valid-client-cert" not in password
    assert certificate[2] == "EXTERNAL" and "secured" in certificate and certificate[-1] == "resp="
    assert certificate[-3:-1] == ["valid-client-cert", "cert_username=client.example.net"]
    dovecot.close()


# ---- programs of the checkpassword interface ----

@pytest.fixture
def program(work_dir):
    """program(script): a shell script that is such a program; "$message" is what it reads, with lines for NULs."""
    def write(script):
        path = work_dir / "checkpassword"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return path

    return write


READ = "message=$(tr '\\000' '\\n' <&3)\nuser=$(echo \"$message\" | sed -n 1p)\npassword=$(echo \"$message\" | sed -n 2p)\n"
CHECK = READ + f'[ "$user" = anna ] && [ "$password" = {PASSWORD} ] || exit 1\nexec "$@"\n'


def running(daemon, *command, **settings):
    return daemon.start(auth=[{"type": "checkpassword", "command": list(map(str, command)), **settings}], **TRUSTED)


def logged_in(daemon, line=None):
    with Client(daemon.address) as c:
        c.ehlo()
        return c.command(line or plain())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_logs_in_by_a_program(daemon, program, mechanism):
    need("swaks")
    running(daemon, program(CHECK), "/bin/true")
    login = ["swaks", "--server", f"127.0.0.1:{daemon.port}", "--auth", mechanism, "--auth-user", "anna",
             "--to", "anna@example.org", "--quit-after", "AUTH", "--auth-password"]
    run(*login, PASSWORD)
    assert auth_line(daemon, result="ok")["user"] == "anna"
    assert "535 5.7.8" in run(*login, "wrong", status=28)
    assert auth_line(daemon, result="failed")["reason"] == "wrong_password"
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]


def test_a_program_gets_name_password_and_time_and_nothing_else(daemon, program, work_dir):
    running(daemon, program(f"cat <&3 >{work_dir}/read\nenv >{work_dir}/env\necho \"$@\" >{work_dir}/args\n"
                            f"ls -l /proc/self/fd >{work_dir}/fds\n"), "-x", "two words")
    before = int(time.time())
    assert logged_in(daemon, plain("anna", "$(touch x); `id`")).code == 235
    user, password, when, end = (work_dir / "read").read_bytes().split(b"\0")
    assert (user, password, end) == (b"anna", b"$(touch x); `id`", b"") and before <= int(when) <= time.time()
    assert (work_dir / "args").read_text() == "-x two words\n"
    environment = (work_dir / "env").read_text()
    assert "TCPREMOTEIP=127.0.0.1" in environment and "id" not in environment.replace("PWD", "").split()
    assert PASSWORD not in environment and "socket:" not in (work_dir / "fds").read_text()


@pytest.mark.parametrize("script, code, reason", [
    (READ + "exit 0", 235, None),
    (READ + "exit 1", 535, "wrong_password"),
    (READ + "echo the database is away >&2; exit 111", 454, "program"),
    (READ + "exit 2", 454, "program"),
    (READ + "exit 100", 454, "program"),
    (READ + "kill -9 $$", 454, "program"),
    ("exit 0", 454, "program"),
    ("exec 3<&-; exit 0", 454, "program"),
    ("exit 1", 535, "wrong_password"),
])
def test_exit_codes_mean_what_the_interface_says(daemon, program, script, code, reason):
    running(daemon, program(script))
    assert logged_in(daemon).code == code
    line = auth_line(daemon)
    assert line.get("reason") == reason
    if "away" in script:
        assert line["detail"] == "exit code 111: the database is away"
    assert PASSWORD not in daemon.log.text()


def test_a_program_that_is_not_there_is_no_yes(daemon, work_dir):
    daemon.expect_trouble("logins will be put off: .*nothing: No such file")
    running(daemon, work_dir / "nothing")
    assert logged_in(daemon).status == "4.7.0"
    assert "No such file" in auth_line(daemon)["detail"]


def test_a_program_that_hangs_is_killed(daemon, program, work_dir):
    running(daemon, program(f"echo $$ >{work_dir}/pid; exec sleep 600"), timeout=1)
    assert logged_in(daemon).status == "4.7.0"
    pid = int((work_dir / "pid").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")


def test_programs_beyond_the_limit_wait_for_their_turn(daemon, program, work_dir):
    """A program fails when it sees another one running."""
    running(daemon, program(READ + f"mkdir {work_dir}/lock || exit 111\nrmdir {work_dir}/lock\n"), max_children=1)
    clients = [Client(daemon.address) for _ in range(5)]
    for c in clients:
        c.ehlo()
    for c in clients:
        c.send((plain() + "\r\n").encode())
    assert [c.reply().code for c in clients] == [235] * 5
    for c in clients:
        c.quit()


def test_more_than_a_program_must_take_is_not_sent(daemon, program):
    running(daemon, program(READ + "exit 0"))
    assert logged_in(daemon, plain("anna", "x" * 490)).code == 235
    assert logged_in(daemon, plain("anna", "x" * 500)).code == 535
    assert auth_line(daemon, result="failed")["reason"] == "too_long"


def test_a_source_that_cannot_say_is_not_passed_over(daemon, program, work_dir):
    """Also where the next one would say yes."""
    daemon.expect_trouble("no password is ever asked of this source")
    bad, good = program(READ + "exit 111").rename(work_dir / "bad"), program(READ + "exit 0")
    daemon.start(auth=[{"type": "checkpassword", "command": [str(path)]} for path in (bad, good)], **TRUSTED)
    assert logged_in(daemon).status == "4.7.0"


@pytest.mark.parametrize("set_id, expected", [(True, "no"), (False, "yes")])
def test_no_new_privs_is_left_off_for_programs_that_change_their_user(daemon, program, set_id, expected):
    running(daemon, program(CHECK), "/bin/true", set_id=set_id)
    assert daemon.log.wait("privileges")[0]["no_new_privs"] == expected


# ---- PAM ----

@pytest.fixture
def pam(daemon, work_dir):
    """pam(lines): a daemon that asks a service of these lines, in a directory of its own."""
    probe = work_dir / "probe.conf"
    probe.write_text('domains = ( "example.org" ); listeners = ( { listen = "127.0.0.1:0"; } );\n'
                     'backends = { x = { type = "null"; }; }; auth = ( { type = "pam"; } );\n')
    if "without PAM" in run_daemon("-t", "-c", str(probe)).stderr:
        pytest.skip("this daemon was built without PAM")

    def start(*lines, **settings):
        directory = work_dir / "pam.d"
        directory.mkdir()
        (directory / "door").write_text("\n".join(lines) + "\n")
        return daemon.start(auth=[{"type": "pam", "service": "door", "pam_directory": str(directory), **settings}],
                            **TRUSTED)

    return start


def pam_script(work_dir, script):
    path = work_dir / "door.sh"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return f"pam_exec.so expose_authtok quiet {path}"


def test_pam_has_the_password_and_says_who_it_is(daemon, pam, work_dir):
    script = pam_script(work_dir, f'[ "$PAM_RHOST" = 127.0.0.1 ] && [ "$PAM_USER" = anna ] && '
                                  f'[ "$(tr -d "\\000")" = {PASSWORD} ]')
    pam(f"auth required {script}", "account required pam_permit.so")
    assert logged_in(daemon).code == 235
    assert auth_line(daemon, result="ok")["user"] == "anna"
    assert logged_in(daemon, plain("anna", "wrong")).code in (454, 535)
    assert logged_in(daemon, plain("ben")).code in (454, 535)
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]
    assert PASSWORD not in daemon.log.text()


@pytest.mark.parametrize("lines, code, reason", [
    (["auth required pam_permit.so", "account required pam_permit.so"], 235, None),
    (["auth required pam_deny.so", "account required pam_permit.so"], 535, "wrong_password"),
    (["auth required pam_permit.so", "account required pam_deny.so"], 535, None),
    (["auth required pam_debug.so auth=user_unknown", "account required pam_permit.so"], 535, "unknown_user"),
    (["auth required pam_debug.so auth=authinfo_unavail", "account required pam_permit.so"], 454, "pam"),
    (["auth required pam_debug.so auth=system_err", "account required pam_permit.so"], 454, "pam"),
    (["auth required pam_permit.so", "account required pam_debug.so acct=acct_expired"], 525, "login_disabled"),
    (["auth required pam_permit.so", "account required pam_debug.so acct=new_authtok_reqd"], 535, "password_expired"),
    (["auth required pam_nothing_of_the_kind.so", "account required pam_permit.so"], None, None),
    (["auth required pam_permit.so"], None, None),
])
def test_what_pam_says_is_what_the_client_is_told(daemon, pam, lines, code, reason):
    pam(*lines)
    reply = logged_in(daemon)
    if code is None:
        assert reply.code != 235
    else:
        assert reply.code == code
    if reason:
        assert auth_line(daemon)["reason"] == reason


@pytest.fixture
def hanging(daemon, pam, work_dir):
    """A daemon whose PAM hangs for users "hang" until the fixture's release() lets all go."""
    fifo = work_dir / "fifo"
    os.mkfifo(fifo)
    script = pam_script(work_dir, f'case "$PAM_USER" in hang) cat {fifo} ;; esac; exit 0\n')
    pam(f"auth required {script}", "account required pam_permit.so", timeout=1)
    released = []

    def release():
        if not released:
            released.append(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))
            fifo.unlink()  # for those who come later, it is not there
            os.close(released[0])

    yield release
    release()


def login(daemon, user):
    with Client(daemon.address) as c:
        c.ehlo()
        return c.command("AUTH PLAIN " + base64.b64encode(f"\0{user}\0sesame".encode()).decode())


def lost(daemon):
    count = len(daemon.log.find("sessions"))
    daemon.process.send_signal(signal.SIGUSR1)
    return int(daemon.log.wait("sessions", count=count + 1)[-1]["hashing_lost"])


def test_a_pam_that_hangs_is_454_and_others_log_in_meanwhile(daemon, hanging):
    daemon.expect_trouble("auth_hangs")
    reply = login(daemon, "hang")
    assert (reply.code, reply.status) == (454, "4.7.0")
    line = daemon.log.wait("auth_hangs")[0]
    assert line["source"] == "pam:door" and int(line["seconds"]) >= 1 and line["threads_lost"] == "1"
    assert lost(daemon) == 1
    assert login(daemon, "anna").code == 235
    hanging()
    wait_until(lambda: lost(daemon) == 0, "the thread that was lost")
    assert login(daemon, "anna").code == 235


def test_when_all_threads_hang_logins_are_put_off_at_once(daemon, hanging):
    daemon.expect_trouble("auth_hangs")
    threads = max(1, os.sysconf("SC_NPROCESSORS_ONLN") - 1)
    for number in range(1, 2 * threads + 1):
        assert login(daemon, "hang").code == 454
        daemon.log.wait("auth_hangs", threads_lost=number)
    for _ in range(3):
        assert login(daemon, "anna").code == 454
    assert len(daemon.log.find("auth_hangs")) == 2 * threads == lost(daemon)
    assert [line["detail"] for line in daemon.log.wait("auth", count=3, user="anna")] == [
        "the threads that ask PAM hang"] * 3
    hanging()
    wait_until(lambda: lost(daemon) == 0, "the threads that were lost")
    assert login(daemon, "anna").code == 235


def test_a_pam_that_hangs_keeps_no_process_from_ending(daemon, hanging):
    daemon.expect_trouble("auth_hangs|is left behind")
    assert login(daemon, "hang").code == 454
    daemon.process.terminate()
    assert daemon.exit_code() == 0
    assert "left behind" in daemon.past_logs[-1].text()


def test_a_client_that_leaves_does_not_hide_a_pam_that_hangs(daemon, hanging):
    daemon.expect_trouble("auth_hangs")
    with Client(daemon.address) as c:
        c.ehlo()
        c.send(b"AUTH PLAIN " + base64.b64encode(b"\0hang\0sesame") + b"\r\n")
    daemon.log.wait("auth_hangs")
    assert login(daemon, "anna").code == 235


def test_a_failure_at_pam_keeps_no_thread_waiting(daemon, pam):
    """pam_faildelay would have us wait for 30 s."""
    pam("auth optional pam_faildelay.so delay=30000000", "auth required pam_deny.so", "account required pam_permit.so")
    began = time.monotonic()
    assert logged_in(daemon).code == 535
    assert time.monotonic() - began < 20


def test_a_user_whom_pam_does_not_know_is_the_next_source_s(daemon, pam, work_dir, program):
    directory = work_dir / "pam.d"
    directory.mkdir()
    (directory / "door").write_text("auth required pam_debug.so auth=user_unknown\naccount required pam_permit.so\n")
    daemon.start(auth=[{"type": "pam", "service": "door", "pam_directory": str(directory)},
                       {"type": "checkpassword", "command": [str(program(CHECK)), "/bin/true"]}], **TRUSTED)
    assert logged_in(daemon).code == 235


# ---- the configuration ----

@pytest.mark.parametrize("group, complaint", [
    ('type = "dovecot";', 'the key "path" is missing for users of type "dovecot"'),
    ('type = "checkpassword";', 'the key "command" is missing'),
    ('type = "checkpassword"; command = ( "checkpassword" );', "must begin with the absolute path"),
    ('type = "checkpassword"; command = ( );', "command"),
    ('type = "file"; path = "/x"; timeout = 3;', 'the key "timeout" does not go with users of type "file"'),
    ('type = "dovecot"; path = "/x"; set_id = true;', 'the key "set_id" does not go with'),
    ('type = "checkpassword"; command = ( "/x" ); mechanisms = ( "SCRAM-SHA-1" );', "is none of users of type"),
])
def test_keys_that_do_not_go_together_are_told(work_dir, group, complaint):
    path = work_dir / "bad.conf"
    path.write_text('domains = ( "example.org" ); listeners = ( { listen = "127.0.0.1:0"; } );\n'
                    f'backends = {{ x = {{ type = "null"; }}; }};\nauth = ( {{ {group} }} );\n')
    result = run_daemon("-t", "-c", str(path))
    assert result.returncode != 0 and complaint in result.stderr and f"{path}:3" in result.stderr
