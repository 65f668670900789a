"""TLS clients that people use, and scanners, against the real daemon."""

import json
import shutil
import smtplib
import ssl
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import is_long
from daemon import DEADLINE_S
from test_clients import CONTENT, need, run
from tls import NAME, client_context

LISTENERS = ("starttls", "smtps")
listeners = pytest.mark.parametrize("how", LISTENERS)


def port_of(daemon, how):
    return daemon.ports[LISTENERS.index(how)]


def arrived(daemon, count=1):
    messages = daemon.mailbox("anna").messages()
    assert len(messages) == count
    assert all(" with ESMTPS id " in m.received and "(using TLSv1." in m.received for m in messages)
    return messages


@listeners
def test_swaks(secure, pki, how):
    need("swaks")
    output = run("swaks", "--server", f"127.0.0.1:{port_of(secure, how)}", "--tls" if how == "starttls" else "--tlsc",
                 "--tls-verify", "--tls-ca-path", pki.ca.cert, "--tls-sni", NAME, "--from", "a@example.net", "--to",
                 "anna@example.org")
    assert "TLS started" in output
    arrived(secure)


def test_swaks_goes_no_further_where_tls_fails(secure, pki):
    need("swaks")
    run("swaks", "--server", f"127.0.0.1:{secure.port}", "--tls", "--tls-protocol", "tlsv1", "--from",
        "a@example.net", "--to", "anna@example.org", status=29)
    assert secure.mailbox("anna").files() == []


SESSION = ("EHLO client.example.net\nMAIL FROM:<a@example.net>\nrcpt TO:<anna@example.org>\nDATA\n"
           "Subject: x\n\nhello\n.\nquit\n")


@listeners
@pytest.mark.parametrize("option, version", [("-tls1", None), ("-tls1_1", None), ("-tls1_2", "TLSv1.2"),
                                             ("-tls1_3", "TLSv1.3")])
def test_openssl_with_each_version(secure, pki, how, option, version):
    """Without pipelining it would lose the end of what it is given, so the session waits for its replies."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(secure, how)}", "-CAfile", pki.ca.cert,
               "-verify_return_error", "-servername", NAME, "-cipher", "DEFAULT:@SECLEVEL=0", "-crlf", "-ign_eof",
               option]
    if how == "starttls":
        command += ["-starttls", "smtp"]
    output = run(*command, data=SESSION, status=0 if version else 1)
    if version:
        assert f"New, {version}, Cipher is " in output and "\n221 " in output
        arrived(secure)
    else:
        assert "alert protocol version" in output or "no protocols available" in output, output
        assert secure.mailbox("anna").files() == []


@listeners
@pytest.mark.parametrize("priority", ["NORMAL", "NORMAL:-VERS-TLS1.3", "SECURE128"])
def test_gnutls(secure, pki, how, priority):
    need("gnutls-cli")
    command = ["gnutls-cli", "--x509cafile", pki.ca.cert, "--verify-hostname", NAME, "--sni-hostname", NAME,
               "--priority", priority, "--port", port_of(secure, how)]
    if how == "starttls":
        command += ["--starttls-proto", "smtp"]
    output = run(*command, "127.0.0.1", data=SESSION.replace("\n", "\r\n"))
    assert "Handshake was completed" in output and "250 2.0.0 Message accepted" in output
    arrived(secure)


def test_gnutls_believes_in_no_other_name(secure, pki):
    need("gnutls-cli")
    output = run("gnutls-cli", "--x509cafile", pki.ca.cert, "--verify-hostname", "other.example.org", "--port",
                 secure.ports[1], "127.0.0.1", status=1)
    assert "name in the certificate does not match" in output


@listeners
def test_curl(secure, pki, how):
    need("curl")
    scheme = "smtp" if how == "starttls" else "smtps"
    run("curl", "-sS", "--ssl-reqd", "--cacert", pki.ca.cert, "--resolve", f"{NAME}:{port_of(secure, how)}:127.0.0.1",
        "--url", f"{scheme}://{NAME}:{port_of(secure, how)}/client.example.net", "--mail-from", "a@example.net",
        "--mail-rcpt", "anna@example.org", "-T", "-", data=CONTENT.replace("\n", "\r\n"))
    assert arrived(secure)[0].content.decode() == CONTENT


@listeners
def test_msmtp(secure, pki, how):
    need("msmtp")
    run("msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={port_of(secure, how)}", "--tls=on",
        f"--tls-starttls={'on' if how == 'starttls' else 'off'}", f"--tls-trust-file={pki.ca.cert}", "--auth=off",
        "--set-date-header=off", "--set-msgid-header=off", "--from=a@example.net", "--", "anna@example.org",
        data=CONTENT)
    assert arrived(secure)[0].content.decode() == CONTENT


@listeners
def test_smtplib(secure, pki, context, how):
    options = {"timeout": DEADLINE_S}
    if how == "smtps":
        c = smtplib.SMTP_SSL("localhost", secure.ports[1], context=context, **options)
    else:
        c = smtplib.SMTP("localhost", secure.port, **options)
        c.starttls(context=context)
    with c:
        for _ in range(3):
            assert c.sendmail("a@example.net", ["anna@example.org"], CONTENT) == {}
    arrived(secure, 3)


# ---- scanners ----

# What testssl.sh looks at: protocols, renegotiation, compression; suites and all vulnerabilities take it minutes.
QUICK = ["-p", "-R", "-C"]
FULL = ["-p", "-s", "-f", "-P", "-U"]


@pytest.mark.parametrize("how", LISTENERS if is_long() else LISTENERS[:1])
def test_testssl_finds_nothing_above_low(daemon, pki, work_dir, how):
    """S18. Whatever it can say of protocols, suites and (LONG=1) vulnerabilities."""
    need("testssl")
    daemon.start_tls(pki.ec, tls_certificates=[{"certfile": str(pki.rsa.cert), "keyfile": str(pki.rsa.key)}])
    report = work_dir / "testssl.json"
    starttls = ["-t", "smtp"] if how == "starttls" else []
    command = ["testssl", "--quiet", "--warnings", "batch", "--color", "0", "--nodns", "none", "--openssl",
               shutil.which("openssl"), "--add-ca", pki.ca.cert, "--jsonfile", report,
               *(FULL if is_long() else QUICK), *starttls, f"127.0.0.1:{port_of(daemon, how)}"]
    result = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=900 if is_long() else 200)
    findings = json.loads(report.read_text())
    by_id = {f["id"]: f for f in findings}
    # That this openssl has no GOST is no finding about us.
    bad = [f for f in findings if f["severity"] not in ("OK", "INFO", "LOW", "DEBUG") and f["id"] != "engine_problem"]
    assert not bad, json.dumps(bad, indent=1) + result.stdout
    # It did look.
    for version, offered in (("TLS1", "not offered"), ("TLS1_1", "not offered"), ("TLS1_2", "offered"),
                             ("TLS1_3", "offered with final")):
        assert by_id[version]["finding"] == offered, by_id[version]
    assert by_id["CRIME_TLS"]["severity"] == by_id["secure_renego"]["severity"] == "OK"


@listeners
def test_sslscan_finds_present_versions_and_strong_suites_only(daemon, pki, work_dir, how):
    need("sslscan")
    daemon.start_tls(pki.ec, tls_certificates=[{"certfile": str(pki.rsa.cert), "keyfile": str(pki.rsa.key)}])
    report = work_dir / "sslscan.xml"
    starttls = ["--starttls-smtp"] if how == "starttls" else []
    run("sslscan", "--no-colour", f"--xml={report}", *starttls, f"--sni-name={NAME}",
        f"127.0.0.1:{port_of(daemon, how)}")
    test = xml.etree.ElementTree.parse(report).getroot().find("ssltest")
    enabled = {f"{p.get('type')}{p.get('version')}" for p in test.iter("protocol") if p.get("enabled") == "1"}
    assert enabled == {"tls1.2", "tls1.3"}
    suites = list(test.iter("cipher"))
    assert suites and all(s.get("strength") in ("strong", "acceptable") for s in suites), \
        [(s.get("cipher"), s.get("strength")) for s in suites]
    assert not [e for e in test.iter("compression") if e.get("supported") != "0"]
    assert test.find("renegotiation").get("supported") == "0"
    assert not [h for h in test.iter("heartbleed") if h.get("vulnerable") == "1"]
