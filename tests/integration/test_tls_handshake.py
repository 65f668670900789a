"""What a handshake may come to: versions, suites, certificates, tickets, protocols of others, certificates of clients.

Rows S18 (renegotiation, compression, old versions), S19 (other protocols) and S20 (tickets of other listeners) of the
attacks that HACKING lists.
"""

import hashlib
import os
import signal
import ssl
import subprocess
import threading

import pytest

from client import Client
from daemon import DEADLINE_S, run
from test_tls import both, connect, works
from tls import NAME, TlsClient, client_context, openssl

V10, V11, V12, V13 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
NAMES = {V10: "TLSv1", V11: "TLSv1.1", V12: "TLSv1.2", V13: "TLSv1.3"}


def refused(daemon, context, how, **options):
    """The handshake, or what follows on it, fails. The log line."""
    before = len(daemon.log.find("disconnect"))
    with pytest.raises((ssl.SSLError, OSError)):
        with connect(daemon, context, how, **options) as c:
            c.ehlo()
    return daemon.log.wait("disconnect", count=before + 1)[-1]


def peer_fingerprint(c):
    return hashlib.sha256(c.tls.getpeercert(binary_form=True)).hexdigest()


# ---- versions (S18) ----

@both
@pytest.mark.parametrize("version", [V12, V13], ids=NAMES.get)
def test_present_versions_are_spoken(secure, pki, how, version):
    with connect(secure, client_context(pki, version), how) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    assert secure.log.wait("disconnect")[0]["tls"] == NAMES[version]
    assert f"\n\t(using {NAMES[version]} with cipher " in secure.mailbox("anna").only().received


@both
@pytest.mark.parametrize("version", [V10, V11], ids=NAMES.get)
def test_old_versions_are_refused(secure, pki, how, version):
    line = refused(secure, client_context(pki, version), how)
    assert (line["reason"], line["tls_failure"]) == ("tls_handshake", "handshake: unsupported protocol")


@both
@pytest.mark.parametrize("version", [V10, V11, V12, V13], ids=NAMES.get)
def test_tls_compat_lets_old_clients_in(daemon, pki, how, version):
    daemon.expect_trouble("tls_compat")
    daemon.start_tls(pki.rsa, tls_compat=True)
    assert daemon.log.find("tls_compat")
    with connect(daemon, client_context(pki, version), how) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    assert daemon.log.wait("disconnect")[0]["tls"] == NAMES[version]


def test_tls_compat_of_one_listener_is_not_that_of_another(daemon, pki):
    daemon.expect_trouble("tls_compat")
    daemon.start_tls(pki.rsa, first={"tls_compat": True})
    with connect(daemon, client_context(pki, V10), "starttls") as c:
        c.quit()
    daemon.log.wait("disconnect")
    refused(daemon, client_context(pki, V10), "smtps")


def s_client(daemon, pki, *options, data=b"QUIT\r\n", how="smtps"):
    """openssl s_client to its end; all that it prints."""
    port = daemon.ports[how == "smtps"]
    starttls = () if how == "smtps" else ("-starttls", "smtp")
    result = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", pki.ca.cert,
                             *starttls, *options], input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=DEADLINE_S)
    return result.stdout.decode("utf-8", "replace")


def renegotiate(daemon, pki):
    """Ask for a renegotiation in the middle of a session, and go on. What s_client prints."""
    process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.ports[1]}", "-CAfile",
                                str(pki.ca.cert), "-tls1_2", "-crlf"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, bufsize=0)
    timer = threading.Timer(DEADLINE_S, process.kill)
    timer.start()
    output = b""
    try:
        for wait, send in ((b"220 ", b"NOOP\n"), (b"250 ", b"R\n"), (b"RENEGOTIATING", b"NOOP\n"), (b"250 ", b"quit\n")):
            since = len(output)
            while wait not in output[since:] and (more := os.read(process.stdout.fileno(), 65536)):
                output += more
            if wait not in output[since:]:
                break
            # s_client takes "R" and "Q" for commands of its own where they begin a line.
            process.stdin.write(send)
        output += process.stdout.read()
    except BrokenPipeError:
        output += process.stdout.read()
    finally:
        timer.cancel()
        process.kill()
        process.wait(DEADLINE_S)
    return output.decode("utf-8", "replace")


def test_renegotiation_is_refused(secure, pki, context):
    output = renegotiate(secure, pki)
    assert "RENEGOTIATING" in output and "no renegotiation" in output, output
    assert "221" not in output
    works(secure, context)


def test_tls_compat_renegotiates_and_goes_on(daemon, pki):
    daemon.expect_trouble("tls_compat")
    daemon.start_tls(pki.rsa, tls_compat=True)
    output = renegotiate(daemon, pki)
    assert "RENEGOTIATING" in output and "221 2.0.0" in output, output


def test_there_is_no_compression(secure, pki):
    assert "Compression: NONE" in s_client(secure, pki, "-tls1_2", "-comp")


def test_group_that_everybody_has_is_preferred(secure, pki):
    assert "Server Temp Key: X25519" in s_client(secure, pki)
    assert "Server Temp Key: ECDH, prime256v1" in s_client(secure, pki, "-tls1_2", "-groups", "P-384:P-256")


def test_weak_suites_are_refused(secure, pki):
    for suite in ("AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0", "AECDH-AES128-SHA:@SECLEVEL=0"):
        refused(secure, client_context(pki, V12, ciphers=suite, verify=False), "smtps")


def test_small_dh_parameters_serve_old_clients(daemon, pki, work_dir):
    """PKCS#3, 1024 bits: only tls_compat takes them."""
    dh = work_dir / "dh.pem"
    dh.write_bytes(openssl("dhparam", "-dsaparam", "-outform", "PEM", 1024))
    daemon.expect_trouble("tls_compat")
    daemon.start_tls(pki.rsa, tls_compat=True, tls_dh_params=str(dh))
    output = s_client(daemon, pki, "-tls1", "-cipher", "DHE-RSA-AES128-SHA:@SECLEVEL=0")
    assert "Server Temp Key: DH, 1024 bits" in output


# ---- other protocols (S19) ----

@both
@pytest.mark.parametrize("offered, chosen", [(None, None), (["smtp"], "smtp"), (["http/1.1", "smtp"], "smtp")])
def test_client_that_offers_smtp_or_nothing_is_taken(secure, pki, how, offered, chosen):
    with connect(secure, client_context(pki, alpn=offered), how) as c:
        assert c.tls.selected_alpn_protocol() == chosen
        c.ehlo()
        c.quit()


@both
@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"], ["imap"], ["SMTP"], ["smtp/"]])
def test_client_that_wants_another_protocol_is_refused(secure, pki, how, offered):
    """ALPACA: it was led here by somebody between."""
    line = refused(secure, client_context(pki, alpn=offered), how)
    assert line["reason"] == "tls_handshake" and "application protocol" in line["tls_failure"]


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"PUT / HTTP/1.1"])
@pytest.mark.parametrize("how", ["plain", "starttls", "smtps"])
def test_http_does_not_become_mail(secure, context, how, request_line):
    """A browser that was led here posts SMTP in the body of its request."""
    secure.mailbox("bob").make()
    c = Client(secure.address) if how == "plain" else connect(secure, context, how)
    with c:
        c.send(request_line + b"\r\nHost: mx.example.org\r\nContent-Type: text/plain\r\nContent-Length: 999\r\n\r\n"
               b"EHLO evil\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
               b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
        codes = c.rest_codes()
    assert codes == [421]
    assert secure.log.wait("disconnect")[0]["reason"] == "http"
    assert secure.mailbox("bob").files() == []


# ---- tickets (S20) ----

def session_of(c):
    """A session to resume; TLS 1.3 sends it behind the handshake."""
    c.expect(250, "NOOP")
    return c.tls.session


def is_resumed(daemon, context, how, session):
    count = len(daemon.log.find("disconnect"))
    with connect(daemon, context, how, session=session) as c:
        c.ehlo()
        reused = c.tls.session_reused
        c.quit()
    assert daemon.log.wait("disconnect", count=count + 1)[-1]["resumed"] == ("yes" if reused else "no")
    return reused


def get_session(daemon, context, how):
    count = len(daemon.log.find("disconnect"))
    with connect(daemon, context, how) as c:
        session = session_of(c)
        c.quit()
    daemon.log.wait("disconnect", count=count + 1)
    return session


versions = pytest.mark.parametrize("version", [V12, V13], ids=NAMES.get)
OTHER = {"smtps": "starttls", "starttls": "smtps"}


@both
@versions
def test_ticket_resumes_on_its_own_listener_only(secure, pki, how, version):
    context = client_context(pki, version)
    session = get_session(secure, context, how)
    assert session.has_ticket
    assert is_resumed(secure, context, how, session)
    assert not is_resumed(secure, context, OTHER[how], session)
    assert is_resumed(secure, context, how, session)


@versions
def test_ticket_outlives_a_reload_and_not_a_restart(secure, pki, version):
    context = client_context(pki, version)
    session = get_session(secure, context, "smtps")
    secure.process.send_signal(signal.SIGHUP)
    secure.log.wait("reload")
    assert is_resumed(secure, context, "smtps", session)
    assert not is_resumed(secure, context, "starttls", session)
    secure.stop()
    secure.start()
    assert not is_resumed(secure, context, "smtps", session)


@versions
def test_without_tickets_nothing_resumes(daemon, pki, version):
    daemon.start_tls(pki.ec, tls_tickets=False)
    context = client_context(pki, version)
    session = get_session(daemon, context, "smtps")
    assert not session or not session.has_ticket
    assert not session or not is_resumed(daemon, context, "smtps", session)


def test_openssl_resumes_by_session_file_on_its_own_port_only(secure, pki, work_dir):
    file = work_dir / "session"
    assert "\nNew, TLSv1.3" in s_client(secure, pki, "-sess_out", file, "-ign_eof", data=b"NOOP\r\nQUIT\r\n")
    assert file.exists()
    assert "\nReused, TLSv1.3" in s_client(secure, pki, "-sess_in", file)
    assert "\nNew, TLSv1.3" in s_client(secure, pki, "-sess_in", file, how="starttls")


@pytest.mark.parametrize("tickets, count", [(True, 1), (False, 0)])
def test_one_ticket_for_each_connection_at_most(daemon, pki, tickets, count):
    daemon.start_tls(pki.ec, tls_tickets=tickets)
    output = s_client(daemon, pki, "-msg", "-ign_eof", data=b"NOOP\r\nQUIT\r\n")
    assert "TLSv1.3" in output and output.count(", NewSessionTicket") == count


# ---- certificates ----

@pytest.fixture(scope="session")
def sites(pki):
    """Certificates of other names."""
    return {name: pki.ca.issue(name.replace("*", "any"), names=(name,)) for name in
            ("mail.example.com", "*.example.net")}


def certificates(*pairs):
    return [{"certfile": str(p.cert), "keyfile": str(p.key)} for p in pairs]


@both
def test_rsa_and_ecdsa_stand_side_by_side(daemon, pki, how):
    daemon.start_tls(pki.ec, tls_certificates=certificates(pki.rsa))
    for cipher, pair in (("ECDHE-RSA-AES128-GCM-SHA256", pki.rsa), ("ECDHE-ECDSA-AES128-GCM-SHA256", pki.ec)):
        with connect(daemon, client_context(pki, V12, ciphers=cipher), how) as c:
            assert peer_fingerprint(c) == pair.fingerprint()
            c.quit()


@both
@pytest.mark.parametrize("from_directory", [False, True])
def test_name_that_the_client_asks_for_chooses_the_certificate(daemon, pki, sites, work_dir, how, from_directory):
    if from_directory:
        directory = work_dir / "sites"
        directory.mkdir()
        for i, pair in enumerate(sites.values()):
            (directory / f"{i}.crt").write_bytes(pair.cert.read_bytes())
            (directory / f"{i}.key").write_bytes(pair.key.read_bytes())
            (directory / f"{i}.key").chmod(0o600)
        daemon.start_tls(pki.ec, tls_certificate_dir=str(directory))
    else:
        daemon.start_tls(pki.ec, tls_certificates=certificates(*sites.values()))
    wanted = {"mail.example.com": sites["mail.example.com"], "MAIL.example.com": sites["mail.example.com"],
              "a.example.net": sites["*.example.net"], "b.a.example.net": pki.ec, "example.net": pki.ec,
              NAME: pki.ec, "unknown.example": pki.ec, None: pki.ec}
    context = client_context(pki, verify=False)
    for name, pair in wanted.items():
        with connect(daemon, context, how, server_hostname=name) as c:
            assert peer_fingerprint(c) == pair.fingerprint(), name
            c.quit()
    daemon.log.wait("disconnect", count=len(wanted))
    assert {line.get("sni") for line in daemon.log.find("disconnect")} == {n and n.lower() for n in wanted}
    # And a client that looks at what it gets is content.
    with connect(daemon, client_context(pki), how, server_hostname="mail.example.com") as c:
        c.quit()


def test_certificate_that_expires_soon_is_told(daemon, pki, context):
    pair = pki.ca.issue("soon", days=5)
    daemon.expect_trouble("expires soon")
    daemon.start_tls(pair)
    assert daemon.log.find("trouble", text="the TLS certificate expires soon")
    works(daemon, context)


def test_certificate_is_told_at_start(secure, pki):
    line = secure.log.find("tls_certificate")[0]
    assert line["file"] == str(pki.ec.cert) and line["names"].startswith(NAME) and line["not_after"].endswith("Z")


BAD = {
    "no such file": (lambda d, pki: {"tls_certfile": f"{d}/none.pem", "tls_keyfile": str(pki.ec.key)},
                     "tls_certfile", "none.pem"),
    "no such key": (lambda d, pki: {"tls_certfile": str(pki.ec.cert), "tls_keyfile": f"{d}/none.pem"},
                    "tls_keyfile", "none.pem"),
    "no PEM": (lambda d, pki: {"tls_certfile": f"{d}/garbage.pem", "tls_keyfile": str(pki.ec.key)},
               "tls_certfile", "garbage.pem"),
    "key of another": (lambda d, pki: {"tls_certfile": str(pki.ec.cert), "tls_keyfile": str(pki.client.key)},
                       "tls_keyfile", "client.key"),
    "certificate without key": (lambda d, pki: {"tls_certfile": str(pki.ec.cert)}, "tls_", "ec.crt"),
    "encrypted key": (lambda d, pki: {"tls_certfile": str(pki.ec.cert), "tls_keyfile": f"{d}/encrypted.pem"},
                      "tls_keyfile", "encrypted.pem"),
    "no DH parameters": (lambda d, pki: {**pki.ec.settings(), "tls_dh_params": f"{d}/garbage.pem"},
                         "tls_dh_params", "garbage.pem"),
    "priority": (lambda d, pki: {**pki.ec.settings(), "tls_priority": "NORMAL:+FROB"}, "tls_priority", "FROB"),
    "client CA": (lambda d, pki: {**pki.ec.settings(), "tls_client_ca": f"{d}/none.pem", "tls_client_verify": "ask"},
                  "tls_client_ca", "none.pem"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_stops_the_start_and_is_named(daemon, pki, work_dir, name):
    make, key, what = BAD[name]
    (work_dir / "garbage.pem").write_text("this is not PEM\n")
    (work_dir / "encrypted.pem").write_bytes(
        openssl("pkey", "-in", pki.ec.key, "-aes256", "-passout", "pass:x"))
    (work_dir / "encrypted.pem").chmod(0o600)
    daemon.expect_trouble("")
    daemon.start(wait_ready=False, **make(work_dir, pki))
    assert daemon.exit_code() == 78
    lines = [line.text for line in daemon.all_lines() if key in line.text and what in line.text]
    assert len(lines) == 1 and "smtpfrontd.conf:" in lines[0], [line.text for line in daemon.all_lines()]
    assert not any(line.event == "ready" for line in daemon.all_lines())
    tried = run("-t", "-c", daemon.config_file)
    assert tried.returncode == 78 and key in tried.stderr and what in tried.stderr


def test_tls_immediate_without_certificate_does_not_start(daemon):
    daemon.expect_trouble("")
    daemon.start(wait_ready=False, listeners=[{"listen": "127.0.0.1:0", "tls_immediate": True}])
    assert daemon.exit_code() == 78


# ---- certificates of clients ----

def with_client_certificates(daemon, pki, how):
    daemon.start_tls(pki.ec, tls_client_ca=str(pki.ca.cert), tls_client_verify=how)


@both
@versions
@pytest.mark.parametrize("verify", ["ask", "require"])
def test_client_certificate_is_told(daemon, pki, how, version, verify):
    with_client_certificates(daemon, pki, verify)
    with connect(daemon, client_context(pki, version, pair=pki.client), how) as c:
        c.ehlo()
        c.quit()
    line = daemon.log.wait("disconnect")[0]
    assert line["client_subject"] == "CN=client.example.net"
    assert line["client_fingerprint"] == pki.client.fingerprint()


@versions
def test_client_without_certificate_is_refused_where_one_is_required(daemon, pki, version):
    with_client_certificates(daemon, pki, "require")
    line = refused(daemon, client_context(pki, version), "smtps")
    assert line["reason"] == "tls_handshake" and "did not return a certificate" in line["tls_failure"]


@versions
def test_certificate_of_a_stranger_is_refused_where_one_is_required(daemon, pki, version):
    with_client_certificates(daemon, pki, "require")
    line = refused(daemon, client_context(pki, version, pair=pki.stranger), "smtps")
    assert line["reason"] == "tls_handshake" and "self-signed certificate in certificate chain" in line["tls_failure"]


@versions
@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_where_one_is_asked_for_only_a_verified_certificate_counts(daemon, pki, version, who):
    with_client_certificates(daemon, pki, "ask")
    pair = pki.stranger if who == "stranger" else None
    with connect(daemon, client_context(pki, version, pair=pair), "smtps") as c:
        c.ehlo()
        c.quit()
    assert "client_subject" not in daemon.log.wait("disconnect")[0]


def test_client_certificate_of_a_resumed_session_is_told(daemon, pki):
    with_client_certificates(daemon, pki, "require")
    context = client_context(pki, V13, pair=pki.client)
    session = get_session(daemon, context, "smtps")
    assert is_resumed(daemon, context, "smtps", session)
    lines = daemon.log.wait("disconnect", count=2)
    assert lines[1]["client_fingerprint"] == lines[0]["client_fingerprint"] == pki.client.fingerprint()


def test_certificate_is_not_asked_for_unless_configured(secure, pki):
    assert "No client certificate CA names sent" in s_client(secure, pki)
    with TlsClient(secure.smtps, client_context(pki, pair=pki.client)) as c:
        c.quit()
    assert "client_subject" not in secure.log.wait("disconnect")[0]
