"""AUTH with users in a password file: mechanisms, real clients, what is offered to whom, and what is told to nobody."""

import base64
import os
import re
import smtplib
import ssl
import signal
import subprocess
from pathlib import Path

import pytest

from client import Client, Closed
from daemon import DEADLINE_S, TOP, binary, run as run_daemon
from hostile_hop import Hop
from peers import fetch
from test_clients import CONTENT, need, run
from tls import NAME, TlsClient, client_context

PASSWORD = "sesame-5-doors"
# No delays and no refusals: they have tests of their own.
PATIENT = {"auth_failure_delay": 0, "auth_max_failures": 100, "auth_client_guesses": "unlimited",
           "auth_client_users": "unlimited", "auth_user_guesses": "unlimited", "max_errors": 1000}


def tool(*arguments, data="", status=0):
    program = Path(binary()).parent / "smtpfrontd-passwd"
    result = subprocess.run([str(program), *map(str, arguments)], input=data.encode(), capture_output=True,
                            timeout=DEADLINE_S)
    assert result.returncode == status, f"{arguments} ended with {result.returncode}: {result.stderr.decode()}"
    return result.stdout.decode() + result.stderr.decode()


class Users:
    def __init__(self, directory):
        self.path = directory / "passwd"

    def set(self, name, password=PASSWORD, scheme="sha512", *options):
        tool("-c", "-s", scheme, *options, self.path, name, data=password + "\n")
        return self

    def source(self, **settings):
        return {"auth": [{"type": "file", "path": str(self.path), **settings}], **PATIENT}


@pytest.fixture
def daemon(daemon):
    daemon.expect_trouble("auth_without_tls: passwords may be sent in plain text")
    return daemon


@pytest.fixture
def users(work_dir):
    return Users(work_dir)


@pytest.fixture
def hashed(daemon, users):
    """anna has a hash of crypt(3); clients may log in without TLS."""
    users.set("anna")
    return daemon.start(auth_without_tls=True, **users.source())


@pytest.fixture
def keyed(daemon, users):
    """All users have keys of SCRAM."""
    users.set("anna", PASSWORD, "scram-sha-256").set("ben", "other", "scram-sha-256")
    return daemon.start(auth_without_tls=True, **users.source())


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def plain(user="anna", password=PASSWORD, identity=""):
    return "AUTH PLAIN " + b64(f"{identity}\0{user}\0{password}")


def offered(client):
    lines = [line for line in client.ehlo().text.splitlines() if line.startswith("AUTH ")]
    return lines[0].split()[1:] if lines else []


def auth_line(daemon, **values):
    return daemon.log.wait("auth", **values)[-1]


# ---- real clients ----

@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_logs_in(hashed, mechanism):
    need("swaks")
    run("swaks", "--server", f"127.0.0.1:{hashed.port}", "--auth", mechanism, "--auth-user", "anna",
        "--auth-password", PASSWORD, "--from", "anna@example.org", "--to", "anna@example.org")
    assert auth_line(hashed, result="ok")["mechanism"] == mechanism
    assert b"with ESMTPA id" in hashed.mailbox("anna").only().raw


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_is_refused_with_a_wrong_password(hashed, mechanism):
    need("swaks")
    output = run("swaks", "--server", f"127.0.0.1:{hashed.port}", "--auth", mechanism, "--auth-user", "anna",
                 "--auth-password", "wrong", "--to", "anna@example.org", status=28)
    assert "535 5.7.8" in output
    assert auth_line(hashed, result="failed")["reason"] == "wrong_password"


def test_swaks_logs_in_with_cram_md5_where_it_is_asked_for(daemon, users):
    need("swaks")
    users.set("anna", PASSWORD, "plain")
    daemon.start(auth_without_tls=True, **users.source(mechanisms=["CRAM-MD5"]))
    run("swaks", "--server", f"127.0.0.1:{daemon.port}", "--auth", "CRAM-MD5", "--auth-user", "anna",
        "--auth-password", PASSWORD, "--to", "anna@example.org", "--quit-after", "AUTH")
    assert auth_line(daemon, result="ok")["mechanism"] == "CRAM-MD5"
    run("swaks", "--server", f"127.0.0.1:{daemon.port}", "--auth", "CRAM-MD5", "--auth-user", "anna",
        "--auth-password", "wrong", "--to", "anna@example.org", "--quit-after", "AUTH", status=28)
    auth_line(daemon, result="failed")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl_logs_in(hashed, mechanism):
    need("curl")
    run("curl", "-sS", "--url", f"smtp://127.0.0.1:{hashed.port}/client.example.net", "--login-options",
        f"AUTH={mechanism}", "--user", f"anna:{PASSWORD}", "--mail-from", "anna@example.org", "--mail-rcpt",
        "anna@example.org", "-T", "-", data=CONTENT.replace("\n", "\r\n"))
    assert auth_line(hashed, result="ok")["mechanism"] == mechanism


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-256"])
def test_msmtp_logs_in(keyed, pki, mechanism):
    need("msmtp")
    run("msmtp", "--file=/dev/null", f"--host=127.0.0.1", f"--port={keyed.port}", f"--auth={mechanism}", "--user=anna",
        f"--passwordeval=echo {PASSWORD}", "--tls=off", "--from=anna@example.org", "anna@example.org", data=CONTENT)
    assert auth_line(keyed, result="ok")["mechanism"] == mechanism.upper()


def submission(daemon, users, pki):
    """Both ways to TLS, and only users may send."""
    users.set("anna")
    return daemon.start_tls(pki.ec, require_auth=True, relayclient=True, **users.source())


both_ways = pytest.mark.parametrize("how", ["starttls", "smtps"])


def submitted(daemon):
    """The one message, which a user sent over TLS."""
    message = daemon.mailbox("anna").only()
    assert b"with ESMTPSA id" in message.raw
    return message


def run_at_home(*command, home, status=0, **options):
    """Without the settings of whoever runs the tests."""
    return run("env", "-i", f"PATH={os.environ['PATH']}", f"HOME={home}", "LC_ALL=C.UTF-8", *command, status=status,
               **options)


@both_ways
def test_s_nail_submits(daemon, users, pki, work_dir, how):
    need("s-nail")
    submission(daemon, users, pki)
    url = f"smtp://localhost:{daemon.port}" if how == "starttls" else f"smtps://localhost:{daemon.smtps[1]}"
    options = ["v15-compat", f"mta={url}", "user=anna", f"password={PASSWORD}", "smtp-auth=plain", "tls-verify=strict",
               f"tls-ca-file={pki.ca.cert}", "tls-ca-no-defaults", "from=anna@example.org", "sendwait",
               "hostname=client.example.net", "mime-encoding=8bit", *(["smtp-use-starttls"] if how == "starttls" else [])]
    send = ["s-nail", "-:/", *[f"-S{option}" for option in options], "-s", "Grüße", "anna@example.org"]
    run_at_home(*send, home=work_dir, data="Zeile mit ä\n.\nlast\n")
    assert auth_line(daemon, result="ok")["mechanism"] == "PLAIN"
    assert submitted(daemon).content.endswith("\n\nZeile mit ä\n.\nlast\n".encode())
    run_at_home(*[o.replace(PASSWORD, "wrong") for o in send], home=work_dir, data="x\n", status=4)
    auth_line(daemon, result="failed")


@both_ways
def test_mutt_submits(daemon, users, pki, work_dir, how):
    need("mutt")
    submission(daemon, users, pki)
    url = f"smtp://anna@localhost:{daemon.port}" if how == "starttls" else f"smtps://anna@localhost:{daemon.smtps[1]}"

    def send(password, **options):
        settings = {"smtp_url": url, "smtp_pass": password, "smtp_authenticators": "plain", "ssl_force_tls": "yes",
                    "ssl_starttls": "yes", "ssl_ca_certificates_file": pki.ca.cert, "from": "anna@example.org",
                    "hostname": "client.example.net", "copy": "no", "use_8bitmime": "yes", "send_charset": "utf-8"}
        (work_dir / "muttrc").write_text("".join(f'set {k}="{v}"\n' for k, v in settings.items()))
        return run_at_home("mutt", "-n", "-F", work_dir / "muttrc", "-s", "Grüße", "anna@example.org",
                           home=work_dir, data="Zeile mit ä\n.\nlast\n", **options)

    send(PASSWORD)
    assert auth_line(daemon, result="ok")["mechanism"] == "PLAIN"
    assert submitted(daemon).content.endswith("\n\nZeile mit ä\n.\nlast\n".encode())
    send("wrong", status=1)
    auth_line(daemon, result="failed")


@both_ways
def test_git_send_email_submits(daemon, users, pki, work_dir, how):
    need("git")
    submission(daemon, users, pki)
    patch = work_dir / "0001-a.patch"
    patch.write_text("From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                     "From: Anna <anna@example.org>\nDate: Sun, 22 Nov 2026 12:00:00 +0000\n"
                     "Subject: [PATCH] a\n\nWhy.\n---\n a | 1 +\n\n--- a/a\n+++ b/a\n@@ -1 +1,2 @@\n a\n+.\n")
    port, encryption = (daemon.port, "tls") if how == "starttls" else (daemon.smtps[1], "ssl")
    send = ["git", "-c", "user.name=Anna", "-c", "user.email=anna@example.org", "send-email",
            "--smtp-server=localhost", f"--smtp-server-port={port}",
            f"--smtp-encryption={encryption}", f"--smtp-ssl-cert-path={pki.ca.cert}", "--smtp-user=anna",
            "--smtp-auth=PLAIN", "--smtp-domain=client.example.net", "--confirm=never", "--suppress-cc=all",
            "--from=anna@example.org", "--to=anna@example.org", patch]
    run_at_home(*send, f"--smtp-pass={PASSWORD}", home=work_dir)
    assert auth_line(daemon, result="ok")["mechanism"] == "PLAIN"
    assert submitted(daemon).content.endswith(b"\n@@ -1 +1,2 @@\n a\n+.\n")
    assert "Authentication credentials invalid" in run_at_home(*send, "--smtp-pass=wrong", home=work_dir, status=255)
    auth_line(daemon, result="failed")


def test_the_sample_for_submission_takes_mail_of_users_and_of_nobody_else(daemon, users, pki):
    users.set("anna")
    hop = Hop()
    sample = (TOP / "etc/smtpfrontd-submission.conf").read_text()
    for theirs, ours in (("[::]:587", "127.0.0.1:0"), ("[::]:465", "127.0.0.1:0"), ("127.0.0.1:10025", hop.address),
                         ("/etc/smtpfrontd/passwd", users.path), ("/etc/smtpfrontd/tls/fullchain.pem", pki.ec.cert),
                         ("/etc/smtpfrontd/tls/key.pem", pki.ec.key)):
        assert f'"{theirs}"' in sample
        sample = sample.replace(f'"{theirs}"', f'"{ours}"')
    daemon.configure = lambda **settings: daemon.config_file.write_text(sample)
    daemon.start()
    with smtplib.SMTP("localhost", daemon.port, timeout=DEADLINE_S) as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<anna@example.org>")[0] == 530
        client.starttls(context=client_context(pki, verify=False))
        client.ehlo()
        assert client.docmd("MAIL FROM:<anna@example.org>")[0] == 530
        client.login("anna", PASSWORD)
        assert client.docmd("MAIL FROM:<ben@example.org>")[0] == 553
        client.sendmail("anna@example.org", ["chris@example.com"], CONTENT)
    with smtplib.SMTP_SSL("localhost", daemon.smtps[1], context=client_context(pki, verify=False),
                          timeout=DEADLINE_S) as client:
        client.login("anna", PASSWORD)
        client.sendmail("anna@example.org", ["anna@example.org"], CONTENT)
    assert [taken.recipients for taken in hop.wait_taken(2)] == [["chris@example.com"], ["anna@example.org"]]
    hop.close()
    hop.check_clean()


def test_smtplib_logs_in_over_tls(daemon, users, pki):
    users.set("anna")
    daemon.start_tls(pki.ec, **users.source())
    with smtplib.SMTP_SSL("127.0.0.1", daemon.smtps[1], context=client_context(pki, verify=False),
                          timeout=DEADLINE_S) as client:
        client.login("anna", PASSWORD)
        client.sendmail("anna@example.org", ["anna@example.org"], CONTENT)
    assert b"with ESMTPSA id" in daemon.mailbox("anna").only().raw


def gsasl(daemon, port, mechanism, *options, user="anna", password=PASSWORD, status=0):
    need("gsasl")
    return run("gsasl", "--smtp", "-m", mechanism, "-a", user, "-z", "", "-p", password, "--connect",
               f"127.0.0.1:{port}", *options, status=status)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_gsasl_logs_in_with_scram(daemon, users, mechanism):
    users.set("anna", PASSWORD, mechanism.lower())
    daemon.start(auth_without_tls=True, **users.source())
    gsasl(daemon, daemon.port, mechanism, "--no-starttls")
    assert auth_line(daemon, result="ok")["user"] == "anna"
    gsasl(daemon, daemon.port, mechanism, "--no-starttls", password="wrong", status=1)
    assert auth_line(daemon, result="failed")["reason"] == "wrong_password"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
def test_gsasl_binds_scram_to_tls(daemon, users, pki, mechanism):
    """The second one is a client that could bind and is not told to: it says so, and is not refused."""
    users.set("anna", PASSWORD, "scram-sha-256")
    daemon.start_tls(pki.ec, **users.source())
    options = ["--no-cb"] if mechanism == "SCRAM-SHA-256" else []
    gsasl(daemon, daemon.port, mechanism, "--starttls", f"--x509-ca-file={pki.ca.cert}", *options)
    assert auth_line(daemon, result="ok")["mechanism"] == mechanism


def test_channel_binding_is_offered_with_tls_1_3_only(daemon, users, pki):
    users.set("anna", PASSWORD, "scram-sha-256")
    daemon.start_tls(pki.ec, **users.source())
    for version, has_plus in ((ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, False)):
        with TlsClient(daemon.smtps, client_context(pki, version)) as c:
            assert ("SCRAM-SHA-256-PLUS" in offered(c)) == has_plus


# ---- what is offered ----

def test_a_mechanism_is_offered_only_where_each_user_can_use_it(daemon, users):
    users.set("anna", PASSWORD, "scram-sha-256").set("ben", PASSWORD, "sha512")
    daemon.start(auth_without_tls=True, **users.source())
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]
        assert c.command("AUTH SCRAM-SHA-256 =").code == 504


def test_the_mechanisms_that_a_source_names_are_offered(daemon, users):
    users.set("anna", PASSWORD, "scram-sha-256").set("ben", PASSWORD, "sha512")
    daemon.start(auth_without_tls=True, **users.source(mechanisms=["SCRAM-SHA-256", "PLAIN"]))
    with Client(daemon.address) as c:
        assert offered(c) == ["SCRAM-SHA-256", "PLAIN"]
        assert c.command("AUTH LOGIN").code == 504
        c.expect(235, plain("ben"))


def test_scram_is_offered_where_all_have_keys_or_plain_passwords(daemon, users):
    users.set("anna", PASSWORD, "scram-sha-256").set("ben", PASSWORD, "plain")
    daemon.start(auth_without_tls=True, **users.source())
    with Client(daemon.address) as c:
        assert offered(c) == ["SCRAM-SHA-256", "PLAIN", "LOGIN"]
    gsasl(daemon, daemon.port, "SCRAM-SHA-256", "--no-starttls", user="ben")


def test_auth_is_neither_offered_nor_taken_before_tls(daemon, users, pki):
    users.set("anna")
    daemon.start_tls(pki.ec, **users.source())
    with TlsClient(daemon.address, client_context(pki), immediate=False) as c:
        assert offered(c) == []
        assert c.command(plain()).code == 538
        c.starttls()
        assert offered(c) == ["PLAIN", "LOGIN"]
        c.expect(235, plain())
    assert PASSWORD not in daemon.log.text() and b64(f"\0anna\0{PASSWORD}") not in daemon.log.text()


def test_auth_is_offered_per_listener(daemon, users):
    users.set("anna")
    daemon.start(auth_without_tls=True, listeners=[{"listen": "127.0.0.1:0"},
                                                   {"listen": "127.0.0.1:0", "offer_auth": False}],
                 **users.source())
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]
    with Client(("127.0.0.1", daemon.ports[1])) as c:
        assert offered(c) == []
        assert c.command(plain()).code == 500


def test_starttls_forgets_who_the_client_was(daemon, users, pki):
    users.set("anna")
    daemon.start_tls(pki.ec, first={"auth_without_tls": True}, **users.source())
    with TlsClient(daemon.address, client_context(pki), immediate=False) as c:
        c.ehlo()
        c.expect(235, plain())
        c.starttls()
        c.ehlo()
        c.message(b"Subject: x\r\n\r\nx\r\n")
    assert b"with ESMTPS id" in daemon.mailbox("anna").only().raw


def test_one_login_in_a_session_and_none_in_a_transaction(hashed):
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<a@example.net>")
        assert c.command(plain()).code == 503
        c.expect(250, "RSET")
        c.expect(235, plain())
        assert c.command(plain()).code == 503
        c.ehlo()
        assert c.command(plain()).code == 503


# ---- what mechanisms ask for ----

@pytest.mark.parametrize("message, code, reason", [
    (f"\0anna\0{PASSWORD}", 235, None),
    (f"anna\0anna\0{PASSWORD}", 235, None),
    (f"ben\0anna\0{PASSWORD}", 535, "other_identity"),
    (f"\0\0{PASSWORD}", 535, "bad_name"),
    ("\0anna\0", 535, "bad_password"),
    ("\0an\x1bna\0x", 535, "bad_name"),
    ("\0anna\nx\0x", 535, "bad_name"),
    ("\0anna\0x\x07", 535, "bad_password"),
    ("anna", 501, "bad_message"),
    (f"anna\0{PASSWORD}", 501, "bad_message"),
    (f"\0anna\0{PASSWORD}\0", 501, "bad_message"),
    (b"\0an\xffna\0x", 535, "bad_name"),
    (b"\0an\xc0\xafna\0x", 535, "bad_name"),
    ("\0" + "a" * 256 + "\0x", 535, "bad_name"),
    ("\0anna\0" + "x" * 5000, 535, "bad_password"),
    ("", 501, "bad_message"),
])
def test_plain_is_what_rfc_4616_says(hashed, message, code, reason):
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(334, "AUTH PLAIN")
        c.expect(code, b64(message))
        if code == 235:
            assert c.command("AUTH PLAIN").code == 503
    assert auth_line(hashed).get("reason") == reason


@pytest.mark.parametrize("initial", [True, False])
def test_login_takes_its_name_at_once_or_asked(hashed, initial):
    with Client(hashed.address) as c:
        c.ehlo()
        if initial:
            reply = c.expect(334, "AUTH LOGIN " + b64("anna"))
        else:
            assert base64.b64decode(c.expect(334, "AUTH LOGIN").text) == b"Username:"
            reply = c.expect(334, b64("anna"))
        assert base64.b64decode(reply.text) == b"Password:"
        c.expect(235, b64(PASSWORD))


def test_names_are_compared_as_saslprep_has_them(daemon, users):
    users.set("J\u00fcrgen")
    daemon.start(auth_without_tls=True, **users.source())
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(235, plain("Ju\u0308rgen"))
    assert auth_line(daemon, result="ok")["user"].encode("latin-1").decode() == "J\u00fcrgen"


def test_a_star_cancels_and_the_session_goes_on(hashed):
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(334, "AUTH LOGIN")
        c.expect(501, "*")
        c.expect(235, plain())
    assert auth_line(hashed, result="cancelled")["reason"] == "auth_cancelled"


def test_a_response_too_long_ends_the_exchange_only(hashed):
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(334, "AUTH PLAIN")
        assert c.command("A" * 12292).status == "5.5.6"
        c.expect(334, "AUTH PLAIN")
        assert c.command("A" * 12288).code == 501
        c.expect(235, plain())


def test_scram_can_be_cancelled_and_left_in_any_step(keyed):
    for lines in (["AUTH SCRAM-SHA-256"], ["AUTH SCRAM-SHA-256 " + b64("n,,n=anna,r=abc")]):
        with Client(keyed.address) as c:
            c.ehlo()
            for line in lines:
                c.expect(334, line)
            c.expect(501, "*")
        with Client(keyed.address) as c:
            c.ehlo()
            for line in lines:
                c.expect(334, line)
    with Client(keyed.address) as c:
        c.ehlo()
        assert c.command("AUTH SCRAM-SHA-256 " + b64("nonsense")).code == 501
        assert c.command("AUTH SCRAM-SHA-256 " + b64("n,a=ben,n=anna,r=abc")).code == 334
        assert c.command(b64("c=biws,r=abc,p=AAAA")).code in (501, 535)


# ---- certificates ----

def test_external_takes_a_client_for_whom_its_certificate_names(daemon, pki):
    daemon.start_tls(pki.ec, tls_client_ca=str(pki.ca.cert), tls_client_verify="ask",
                     auth=[{"type": "certificate"}], **PATIENT)
    with TlsClient(daemon.smtps, client_context(pki, pair=pki.client)) as c:
        assert offered(c) == ["EXTERNAL"]
        assert c.command("AUTH EXTERNAL " + b64("somebody")).code == 535
        c.expect(235, "AUTH EXTERNAL =")
    assert auth_line(daemon, result="ok")["user"] == "client.example.net"
    with TlsClient(daemon.smtps, client_context(pki, pair=pki.client)) as c:
        c.ehlo()
        c.expect(334, "AUTH EXTERNAL")
        c.expect(235, "")
    with TlsClient(daemon.smtps, client_context(pki)) as c:
        assert offered(c) == []


# ---- strangers learn nothing ----

def scram_first(daemon, user):
    with Client(daemon.address) as c:
        c.ehlo()
        text = base64.b64decode(c.expect(334, "AUTH SCRAM-SHA-256 " + b64(f"n,,n={user},r=abc")).text).decode()
    return re.fullmatch(r"r=abc[^,]+,s=([^,]+),i=(\d+)", text).groups()


def test_a_stranger_cannot_tell_who_is_a_user(keyed):
    """The salt of a name is always the same, whether there is such a user or not, and after a restart, too."""
    first = {user: scram_first(keyed, user) for user in ("anna", "ben", "nobody", "nemo")}
    assert len({salt for salt, _ in first.values()}) == 4
    assert len({(len(salt), iterations) for salt, iterations in first.values()}) == 1
    keyed.stop()
    keyed.start()
    assert {user: scram_first(keyed, user) for user in first} == first
    replies = set()
    for user in ("anna", "nobody"):
        with Client(keyed.address) as c:
            c.ehlo()
            replies.add(repr(c.expect(535, plain(user, "wrong"))))
    assert len(replies) == 1


def test_credentials_never_reach_the_log(hashed):
    secrets = [PASSWORD, b64(PASSWORD), b64(f"\0anna\0{PASSWORD}"), b64("wrong-secret"), "wrong-secret"]
    with Client(hashed.address) as c:
        c.command(plain())  # before EHLO
        c.ehlo()
        c.command("AUTH FOO " + b64(PASSWORD))
        c.command(b64(PASSWORD))
        c.command(f"AUTH PLAIN {PASSWORD}")
        c.command(" " + plain())
        c.expect(334, "AUTH LOGIN")
        c.expect(334, b64("anna"))
        c.expect(535, b64("wrong-secret"))
        c.command(b64(PASSWORD))
        c.expect(235, plain())
        c.command(plain())
        c.quit()
    hashed.log.wait("disconnect")
    for secret in secrets:
        assert secret not in hashed.log.text()


# ---- the file ----

def test_a_changed_file_is_read_again(hashed, users):
    users.set("ben", "new-password")
    hashed.log.wait("auth_reload")
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(235, plain("ben", "new-password"))


def test_a_changed_file_is_read_once_also_where_an_older_configuration_is_in_use(hashed, users):
    with Client(hashed.address) as old:
        old.ehlo()
        users.set("ben", "new-password")
        hashed.process.send_signal(signal.SIGHUP)
        hashed.log.wait("reload")
        for number, name in enumerate(("carol", "dora"), 3):
            users.set(name, "new-password")
            hashed.log.wait("auth_reload", secrets=number)
        old.expect(235, plain("dora", "new-password"))
    assert [line["secrets"] for line in hashed.log.find("auth_reload")] == ["2", "3", "4"]


def test_a_bad_file_stops_a_reload_and_the_users_stay(hashed, users):
    hashed.expect_trouble(r"passwd:\d+: .*stay")
    users.path.write_text(users.path.read_text() + "ben:{MD5}abc\n")
    hashed.process.send_signal(signal.SIGHUP)
    assert f"{users.path}:3:" in hashed.log.wait("reload_failed")[0]["text"]
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(235, plain())


def test_a_bad_file_changes_nothing(hashed, users):
    hashed.expect_trouble(r"passwd:\d+: .*stay")
    users.path.write_text(users.path.read_text() + "ben:{MD5}abc\n")
    line = hashed.log.wait("trouble")[-1]
    assert f"{users.path}:3:" in line["text"]
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(235, plain())


@pytest.mark.parametrize("text, wrong", [
    ("anna\n", "passwd:1: there is no colon"),
    ("anna:\n", "passwd:1: the secret is missing"),
    ("# x\nanna:{SCRAM-SHA-256}0,YQ==,YQ==,YQ==\n", "passwd:2: the iterations"),
    ("anna:{SCRAM-SHA-256}4096,YQ==,YQ==,YQ==\n", "passwd:1: the stored key"),
    ("anna:{FOO}x\n", "passwd:1: this scheme is not known"),
    ("anna:plain-text\n", "passwd:1: this is no hash"),
    ("an\x01na:{PLAIN}x\n", "passwd:1: the user's name"),
    ("anna:{PLAIN}x\nanna:{PLAIN}y\n", "passwd:2: this user has a secret of this kind"),
    (":{SECRET}YQ==\n", "passwd:1: the secret is not base64"),
])
def test_a_bad_file_stops_the_start(daemon, users, text, wrong):
    users.path.write_text(text)
    users.path.chmod(0o600)
    daemon.start(wait_ready=False, auth_without_tls=True, **users.source())
    daemon.expect_trouble(".*")
    assert daemon.exit_code() != 0
    assert wrong in daemon.log.text()
    looked_at = run_daemon("-t", "-c", daemon.config_file)
    assert looked_at.returncode != 0 and wrong in looked_at.stderr


def test_plain_passwords_that_everybody_may_read_stop_the_start(daemon, users):
    users.set("anna", PASSWORD, "plain")
    users.path.chmod(0o644)
    daemon.start(wait_ready=False, auth_without_tls=True, **users.source())
    daemon.expect_trouble(".*")
    assert daemon.exit_code() != 0
    assert "may be read by everybody" in daemon.log.text()


def test_users_of_two_files_are_asked_in_order(daemon, work_dir):
    first, second = Users(work_dir / "a"), Users(work_dir / "b")
    for each in (first, second):
        each.path.parent.mkdir()
    first.set("anna", "first")
    second.set("anna", "second").set("ben", "second")
    daemon.start(auth_without_tls=True, auth=[{"type": "file", "path": str(u.path)} for u in (first, second)], **PATIENT)
    with Client(daemon.address) as c:
        assert offered(c) == ["PLAIN", "LOGIN"]
        assert c.command(plain("anna", "second")).code == 535
        c.expect(235, plain("ben", "second"))


# ---- smtpfrontd-passwd ----

@pytest.mark.parametrize("scheme, form", [
    ("yescrypt", r"\$y\$"), ("bcrypt", r"\$2b\$12\$"), ("sha512", r"\$6\$rounds=200000\$"),
    ("scram-sha-256", r"\{SCRAM-SHA-256\}10000,"), ("scram-sha-1", r"\{SCRAM-SHA-1\}10000,"), ("plain", r"\{PLAIN\}"),
])
def test_the_tool_makes_lines_that_the_daemon_takes(daemon, users, scheme, form):
    users.set("anna", PASSWORD, scheme)
    assert re.search(f"^anna:{form}", users.path.read_text(), re.M)
    assert users.path.stat().st_mode & 0o777 == 0o600
    daemon.start(auth_without_tls=True, **users.source())
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.command(plain(password="wrong")).code == 535
        c.expect(235, plain())


def test_the_tool_changes_adds_and_deletes(users):
    users.set("anna").set("ben", "x", "plain")
    users.path.write_text("# users\n" + users.path.read_text())
    users.path.chmod(0o640)
    users.set("anna", "new", "plain")
    tool("-a", "-s", "scram-sha-1", users.path, "anna", data="new\n")
    lines = users.path.read_text().splitlines()
    assert lines[0] == "# users" and lines[1].startswith(":{SECRET}")
    assert [line.partition("}")[0] for line in lines[2:]] == ["anna:{PLAIN", "ben:{PLAIN", "anna:{SCRAM-SHA-1"]
    assert users.path.stat().st_mode & 0o777 == 0o640
    tool("-d", users.path, "anna")
    assert [line.split(":")[0] for line in users.path.read_text().splitlines()] == ["# users", "", "ben"]
    assert not [p for p in users.path.parent.iterdir() if p.name.startswith("passwd.")]


def test_the_tool_refuses_what_cannot_be(users):
    assert "no user" in tool("-d", users.set("anna").path, "ben", status=67)
    tool(users.path, "a:b", data="x\n", status=65)
    tool(users.path, "#a", data="x\n", status=65)
    tool(users.path, "ben", data="\n", status=65)
    tool(users.path, "ben", data="", status=65)
    tool(users.path, "ben", data="a\x07b\n", status=65)
    assert "72" in tool("-s", "bcrypt", users.path, "ben", data="x" * 73 + "\n", status=65)
    tool("-n", "-s", "bcrypt", "ben", data="x" * 72 + "\n")
    tool(users.path.parent / "missing", "ben", data="x\n", status=73)
    tool("-s", "md5", users.path, "ben", data="x\n", status=64)
    before = users.path.read_text() + "broken\n"
    users.path.write_text(before)
    assert ":3:" in tool(users.path, "ben", data="x\n", status=73)
    assert users.path.read_text() == before


@pytest.mark.parametrize("scheme, option, work, form", [
    ("yescrypt", "-C", 1, r"\$y\$j75\$"), ("bcrypt", "-C", 4, r"\$2b\$04\$"),
    ("sha512", "-C", 1000, r"\$6\$rounds=1000\$"), ("scram-sha-256", "-i", 1000, r"\{SCRAM-SHA-256\}1000,"),
])
def test_the_tool_makes_hashes_of_the_cost_that_is_asked_for(daemon, users, scheme, option, work, form):
    tool("-c", "-s", scheme, option, work, users.path, "anna", data=PASSWORD + "\n")
    assert re.search(f"^anna:{form}", users.path.read_text(), re.M)
    daemon.start(auth_without_tls=True, **users.source())
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(235, plain())


@pytest.mark.parametrize("arguments, told", [
    (["-i", 20000], "-i is not for yescrypt; -C sets its cost, 1 to 11"),
    (["-s", "bcrypt", "-i", 20000], "-i is not for bcrypt; -C sets its cost, 4 to 20"),
    (["-s", "scram-sha-1", "-C", 5], "-C is not for scram-sha-1; -i sets its iterations, 1000 to 10000000"),
    (["-s", "plain", "-i", 20000], "-i is not for plain"),
    (["-C", 12], "-C: for yescrypt it must be a number from 1 to 11"),
    (["-C", "x"], "-C: for yescrypt it must be a number from 1 to 11"),
    (["-s", "scram-sha-256", "-i", 999], "-i: for scram-sha-256 it must be a number from 1000 to 10000000"),
    (["-C", 5, "-i", 20000], "usage:"),
])
def test_the_tool_refuses_work_that_the_scheme_has_not(users, arguments, told):
    assert told in tool("-c", *arguments, users.path, "anna", data="x\n", status=64)
    assert not users.path.exists()


def test_the_tool_prints_a_line(users):
    assert re.fullmatch(r"anna:\$y\$\S+\n", tool("-n", "anna", data="x\n"))


# ---- guessing ----

def test_failed_logins_end_the_session(daemon, users):
    users.set("anna")
    daemon.start(auth_without_tls=True, **{**users.source(), "auth_max_failures": 2})
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(535, plain(password="wrong"))
        assert c.command(plain(password="wronger")).code == 421
        with pytest.raises(Closed):
            c.reply()


def test_the_log_of_failed_logins_is_what_fail2ban_looks_for(hashed, work_dir):
    with Client(hashed.address) as c:
        c.ehlo()
        c.expect(535, plain(password="wrong"))
        c.expect(535, plain(user="evil\" client=192.0.2.1 result=failed", password="wrong"))
        c.expect(334, "AUTH LOGIN")
        c.expect(501, "*")
        c.expect(235, plain())
        c.quit()
    hashed.log.wait("disconnect")
    log = work_dir / "log"
    log.write_text(hashed.log.text())
    top = Path(__file__).resolve().parents[2]
    root = fetch("fail2ban")
    found = subprocess.run(["/usr/bin/python3", root / "usr/bin/fail2ban-regex", "-c", root / "etc/fail2ban", "-o", "ip",
                            log, top / "contrib/fail2ban/filter.d/smtpfrontd.conf"], capture_output=True, text=True,
                           timeout=DEADLINE_S, check=True, stdin=subprocess.DEVNULL,
                           env={**os.environ, "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
                                "PYTHONDONTWRITEBYTECODE": "1"})
    hosts = found.stdout
    assert hosts.split() == ["127.0.0.1"] * 2, "the two that failed, and neither the cancelled nor the good one"
