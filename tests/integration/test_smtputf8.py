"""Internationalized mail (RFC 6531), from the EHLO to the file in the Maildir."""

import email.message
import email.policy
import re
import smtplib
import subprocess

import pytest

from client import Client
from daemon import run

U_DOMAIN, A_DOMAIN = "bücher.example", "xn--bcher-kva.example"
# However it is written: with capitals, composed of two characters, in either form.
SPELLINGS = [U_DOMAIN, "BÜCHER.Example", "bu\u0308cher.example", A_DOMAIN, "XN--BCHER-KVA.example"]


@pytest.fixture
def international(daemon):
    """A daemon that receives for a domain with an umlaut, where jörg has a mailbox."""
    daemon.mailbox("jörg", A_DOMAIN).make()
    return daemon.start(domains=["example.org", U_DOMAIN])


@pytest.fixture
def client(international):
    with Client(international.address) as c:
        c.ehlo()
        yield c


def mail(sender, parameters="SMTPUTF8"):
    return f"MAIL FROM:<{sender}> {parameters}".encode()


def rcpt(recipient):
    return f"RCPT TO:<{recipient}>".encode()


def code_and_status(reply):
    return reply.code, reply.status


def deliver(client, sender, *recipients, parameters="SMTPUTF8", content=b"Subject: x\r\n\r\nbody\r\n"):
    client.expect(250, mail(sender, parameters))
    for recipient in recipients:
        client.expect(250, rcpt(recipient))
    client.expect(354, "DATA")
    client.send(content + b".\r\n")
    return client.reply()


def test_ehlo_offers_it_and_helo_does_not(international):
    with Client(international.address) as c:
        assert "250-SMTPUTF8" in c.ehlo().lines
        assert c.expect(250, "HELO client.example.net").lines == ["250 mx.example.org"]
        assert code_and_status(c.command(mail("a@example.net"))) == (555, "5.5.4")


def test_a_message_reaches_a_mailbox_in_utf8(international, client):
    content = "Subject: Grüße\r\nFrom: Zoë <zoë@例子.example>\r\n\r\nÄÖÜ\r\n".encode()
    assert deliver(client, "zoë@例子.example", f"jörg@{U_DOMAIN}", content=content,
                   parameters="SMTPUTF8 BODY=8BITMIME").code == 250
    message = international.mailbox("jörg", A_DOMAIN).only()
    assert message.return_path == "<zoë@例子.example>"
    assert message.delivered_to == f"jörg@{U_DOMAIN}"
    assert re.search(r"\n\tby mx\.example\.org with UTF8SMTP id \S+\n", message.received)
    assert f"\n\tfor <jörg@{U_DOMAIN}>;" in message.received
    assert message.content == content.replace(b"\r\n", b"\n")


def test_without_the_parameter_the_protocol_is_esmtp(international, client):
    assert deliver(client, "a@example.net", "anna@example.org", parameters="").code == 250
    assert " with ESMTP id " in international.mailbox("anna").only().received


def test_with_the_parameter_and_no_umlaut_the_protocol_is_utf8smtp(international, client):
    assert deliver(client, "a@example.net", "anna@example.org").code == 250
    assert " with UTF8SMTP id " in international.mailbox("anna").only().received


@pytest.mark.parametrize("configured", [U_DOMAIN, A_DOMAIN, "BÜCHER.Example"])
@pytest.mark.parametrize("sent", SPELLINGS)
def test_a_domain_is_the_same_however_it_is_written(daemon, configured, sent):
    for name in ("jörg", "joerg"):
        daemon.mailbox(name, A_DOMAIN).make()
    daemon.start(domains=[configured], postmaster=f"joerg@{configured}",
                 routes=[{"domain": configured, "backend": "inbox"}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert deliver(c, "a@example.net", f"jörg@{sent}").code == 250
    assert daemon.mailbox("jörg", A_DOMAIN).only().delivered_to == f"jörg@{sent}"


def test_two_spellings_of_one_recipient_are_one_mailbox(international, client):
    assert deliver(client, "a@example.net", *(f"jörg@{domain}" for domain in SPELLINGS)).code == 250
    international.mailbox("jörg", A_DOMAIN).only()


def test_an_a_label_needs_no_parameter(international, client):
    international.mailbox("anna", A_DOMAIN).make()
    assert deliver(client, "a@example.net", f"anna@{A_DOMAIN}", parameters="").code == 250
    assert international.mailbox("anna", A_DOMAIN).only().delivered_to == f"anna@{A_DOMAIN}"


def test_another_domain_is_not_relayed_to(client):
    client.expect(250, mail("a@example.net"))
    for domain in ("bücher.test", "bucher.example", "bôcher.example", "xn--bcher-kvb.example"):
        assert code_and_status(client.command(rcpt(f"jörg@{domain}"))) == (550, "5.7.1")


@pytest.mark.parametrize("pattern, where", [("%d/%n", f"{A_DOMAIN}/jörg"), ("%u", f"jörg@{A_DOMAIN}"),
                                            ("%n", "jörg"), ("%{2n}/%n", "jö/jörg")])
def test_the_path_has_the_domain_in_a_labels_and_the_local_part_as_it_is(daemon, pattern, where):
    path = daemon.mail / where
    path.mkdir(parents=True)
    daemon.start(domains=[U_DOMAIN], postmaster=None,
                 backends={"inbox": {"type": "maildir", "path": f"{daemon.mail}/{pattern}"}})
    daemon.expect_trouble("postmaster is not given")
    with Client(daemon.address) as c:
        c.ehlo()
        assert deliver(c, "a@example.net", f"Jörg@{U_DOMAIN}").code == 250
        # Only the letters of ASCII have a lower case here.
        assert code_and_status(c.command(mail("a@example.net"))) == (250, "2.1.0")
        assert code_and_status(c.command(rcpt(f"JÖRG@{U_DOMAIN}"))) == (550, "5.1.1")
    assert len(list((path / "new").iterdir())) == 1


def test_without_the_parameter_addresses_must_be_in_ascii(client):
    assert code_and_status(client.command(mail("zoë@example.net", ""))) == (550, "5.6.7")
    client.expect(250, mail("zoe@example.net", ""))
    assert code_and_status(client.command(rcpt("jörg@example.org"))) == (553, "5.6.7")
    assert code_and_status(client.command(rcpt(f"joerg@{U_DOMAIN}"))) == (553, "5.6.7")


@pytest.mark.parametrize("address", [b"j\xf6rg@example.org", b"\xc0\xaf@example.org", b"\xed\xa0\x80@example.org",
                                     b"\xc2\x85@example.org", b"anna@b\xfccher.example", b"anna@\xe2\x82.example"])
def test_what_is_no_utf8_is_malformed(client, address):
    assert code_and_status(client.command(b"MAIL FROM:<" + address + b"> SMTPUTF8")) == (501, "5.1.7")
    client.expect(250, mail("a@example.net"))
    assert code_and_status(client.command(b"RCPT TO:<" + address + b">")) == (501, "5.1.3")


# Characters that IDNA does not have, and those that its mapping would make a slash, dots or nothing of.
@pytest.mark.parametrize("domain", ["i❤.example", "a\u2100b.example", "\u2025.example", "\u00ad.example", "ü-.example",
                                    "example。org", "ü" * 60 + ".example"])
def test_what_is_the_name_of_nothing_is_malformed(client, domain):
    assert code_and_status(client.command(mail(f"a@{domain}"))) == (501, "5.1.7")
    client.expect(250, mail("a@example.net"))
    assert code_and_status(client.command(rcpt(f"a@{domain}"))) == (501, "5.1.3")


def test_the_log_escapes_what_is_not_ascii(international, client):
    assert deliver(client, "zoë@example.net", f"jörg@{U_DOMAIN}").code == 250
    line = international.log.wait("accepted")[0]
    assert line.leftover == ""
    assert line.text.isascii()
    assert line["sender"].encode("latin-1").decode() == "zoë@example.net"
    assert line["recipient"].encode("latin-1").decode() == f"jörg@{U_DOMAIN}"


def test_the_null_backend_takes_it_too(daemon):
    daemon.start(domains=[U_DOMAIN], postmaster=None, backends={"hole": {"type": "null"}},
                 routes=[{"domain": U_DOMAIN, "backend": "hole"}])
    daemon.expect_trouble("postmaster is not given")
    with Client(daemon.address) as c:
        c.ehlo()
        assert deliver(c, "a@example.net", f"jörg@{U_DOMAIN}").code == 250


def test_postmaster_of_an_international_domain_is_never_refused(international, client):
    client.expect(250, mail("a@example.net"))
    for domain in SPELLINGS:
        client.expect(250, rcpt(f"postmaster@{domain}"))


def test_configured_names_are_shown_in_a_labels(daemon):
    daemon.configure(hostname="mx.bücher.example", domains=[U_DOMAIN], postmaster=f"anna@{U_DOMAIN}",
                     routes=[{"domain": U_DOMAIN, "backend": "inbox"}])
    shown = run("-c", daemon.config_file, "--dump-config")
    assert shown.returncode == 0, shown.stderr
    assert 'hostname = "mx.xn--bcher-kva.example";' in shown.stdout
    assert f'domains = ( "{A_DOMAIN}" );' in shown.stdout
    assert f'postmaster = "anna@{A_DOMAIN}";' in shown.stdout
    assert f'domain = "{A_DOMAIN}";' in shown.stdout
    assert shown.stderr == ""


@pytest.mark.parametrize("setting, word", [({"domains": [U_DOMAIN, A_DOMAIN]}, "twice"),
                                           ({"domains": ["i❤.example"]}, "international"),
                                           ({"domains": ["a\u2100b.example"]}, "international"),
                                           ({"postmaster": "jörg@example.org"}, "postmaster"),
                                           ({"hostname": "mx_1.bücher.example"}, "hostname")])
def test_wrong_names_are_told(daemon, setting, word):
    result = run("-t", "-c", daemon.configure(**setting))
    assert result.returncode == 78
    assert re.search(rf"smtpfrontd\.conf:\d+: .*{word}", result.stderr)


def test_smtplib_sends_an_international_message(international):
    message = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    message["From"], message["To"], message["Subject"] = "Zoë <zoë@例子.example>", f"jörg@{U_DOMAIN}", "Grüße"
    message.set_content("ÄÖÜ\n", cte="8bit")
    with smtplib.SMTP(*international.address) as c:
        assert c.send_message(message) == {}
    found = international.mailbox("jörg", A_DOMAIN).only()
    assert " with UTF8SMTP id " in found.received
    assert "Subject: Grüße\n".encode() in found.content
    assert found.content.endswith("\nÄÖÜ\n".encode())


def test_swaks_is_told_that_the_parameter_is_missing(international):
    """swaks has no switch for it: it sends the address, and the reply must be one that it can show."""
    result = subprocess.run(["swaks", "--server", f"127.0.0.1:{international.port}", "--helo", "client.example.net",
                             "--from", "zoë@example.net", "--to", "anna@example.org"],
                            capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert result.returncode == 23, result.stdout
    assert b"<** 550 5.6.7 " in result.stdout
