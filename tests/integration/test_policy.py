"""Who may send what, seen by clients: what the settings, maps, rates and rules of conf(5) come to in a session."""

import base64
import re
import shutil
import socket
import subprocess
import time

import pytest

from client import Client, Closed
from daemon import DEADLINE_S, run

SECRET = "correct horse"


def users(daemon, *names):
    path = daemon.directory / "users"
    path.write_text("".join(f"{name}:{{PLAIN}}{SECRET}\n" for name in names))
    path.chmod(0o600)
    return {"auth": [{"type": "file", "path": path}], "auth_without_tls": True}


def plain(user, secret=SECRET):
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{secret}".encode()).decode()


def start(daemon, *names, **settings):
    """With users who log in without TLS, which is warned of."""
    daemon.expect_trouble(" config ")
    return daemon.start(**users(daemon, *names), **settings)


def submit(client, content, user="anna"):
    client.ehlo()
    client.expect(235, plain(user))
    return client.message(content, sender=f"{user}@example.org")


def code_of(client, sender, recipient):
    reply = client.command(f"MAIL FROM:<{sender}>")
    if reply.code == 250:
        reply = client.command(f"RCPT TO:<{recipient}>")
    client.expect(250, "RSET")
    return reply


# ---- relaying ----

def test_relayclient_of_the_environment_is_a_suffix_and_makes_nobody_a_relay(daemon):
    config = daemon.configure(relay_networks=["127.0.0.2"], backends={"nothing": {"type": "null"}},
                              routes=[{"backend": "nothing"}])
    question = ["-c", config, "-e", "--explain", "sender=a@example.net", "recipient=b@example.com"]
    environment = {"RELAYCLIENT": ".fixup.example"}
    stranger = run(*question, "client=127.0.0.1", env=environment)
    assert "-> 550 5.7.1" in stranger.stdout
    listed = run(*question, "client=127.0.0.2", env=environment)
    assert "it is for <b@example.com.fixup.example>" in listed.stdout
    empty = run(*question, "client=127.0.0.2", env={"RELAYCLIENT": ""})
    assert "it is for" not in empty.stdout and "-> 250 2.1.5" in empty.stdout


def test_the_suffix_reaches_the_backend(daemon):
    daemon.start(relay_networks=["127.0.0.1"], relayclient_suffix=".fixup.example",
                 backends={"nothing": {"type": "null"}}, routes=[{"backend": "nothing"}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n", "ben@example.com").code == 250
    daemon.log.wait("accepted", recipient="ben@example.com.fixup.example")


def test_who_has_logged_in_relays(daemon):
    start(daemon, "anna", backends={"nothing": {"type": "null"}}, routes=[{"backend": "nothing"}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert code_of(c, "anna@example.org", "ben@example.com").code == 550
        c.expect(235, plain("anna"))
        assert code_of(c, "anna@example.org", "ben@example.com").code == 250


def test_refused_clients_are_told_why_and_closed(daemon):
    daemon.start(clients=[{"address": "127.0.0.2", "refuse": "Ask the postmaster."}])
    with Client(daemon.address, greeting=False, source="127.0.0.2") as c:
        reply = c.reply()
        assert (reply.code, reply.text) == (554, "5.7.1 Ask the postmaster.")
        assert c.rest() == b""
    assert daemon.log.wait("refused", client="127.0.0.2")[0]["reason"] == "client_refused"
    with Client(daemon.address) as c:
        c.ehlo()


def test_a_refused_client_gets_nowhere_by_xclient_either(daemon):
    daemon.start(xclient_from=["127.0.0.1"], clients=[{"address": "192.0.2.4", "refuse": "Not you."}])
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(554, "XCLIENT ADDR=192.0.2.4 NAME=[UNAVAILABLE]")
        c.send(b"EHLO client.example.net\r\nMAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\nQUIT\r\n")
        said = c.rest().decode().splitlines()
    assert not any(line.startswith(("250 2.1", "354")) for line in said), said


def test_a_rule_gives_its_clients_other_limits(daemon):
    daemon.start(max_sessions_per_client=1, clients=[{"address": "127.0.0.2", "max_sessions": 3}])
    first = [Client(daemon.address, source="127.0.0.2") for _ in range(3)]
    assert all(c.greeting.code == 220 for c in first)
    assert Client(daemon.address, source="127.0.0.2").greeting.code == 421
    assert Client(daemon.address).greeting.code == 220
    for c in first:
        c.socket.close()


def test_a_rule_demands_tls(daemon):
    daemon.start(clients=[{"address": "127.0.0.2", "tls_required": True}])
    with Client(daemon.address, source="127.0.0.2") as c:
        c.ehlo()
        assert c.expect(530, "MAIL FROM:<>").status == "5.7.0"


def confirmed_name(address):
    """The name that this machine gives a loopback address, if it gives the address back; else None."""
    try:
        name = socket.gethostbyaddr(address)[0]
        return name if address in socket.gethostbyname_ex(name)[2] else None
    except OSError:
        return None


HOST = confirmed_name("127.0.0.1")


@pytest.mark.skipif(not HOST, reason="127.0.0.1 has no name here")
def test_a_rule_holds_for_a_host_by_its_confirmed_name(daemon):
    daemon.start(clients=[{"address": "127.0.0.2", "refuse": "Not you."}, {"name": HOST, "relayclient": True}],
                 backends={"nothing": {"type": "null"}}, routes=[{"backend": "nothing"}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert code_of(c, "", "ben@example.com").code == 250
    assert Client(daemon.address, source="127.0.0.2").greeting.code == 554


@pytest.mark.skipif(not HOST, reason="127.0.0.1 has no name here")
def test_another_name_is_not_enough_and_helo_is_none(daemon):
    daemon.start(clients=[{"name": ["trusted.example", f".{HOST}"], "relayclient": True}])
    if "." not in HOST:
        daemon.expect_trouble("makes an open relay for all of that domain")
    with Client(daemon.address) as c:
        c.expect(250, "EHLO trusted.example")
        assert code_of(c, "", "ben@example.com").code == 550


@pytest.mark.skipif(not HOST, reason="127.0.0.1 has no name here")
def test_the_greeting_is_delayed_after_a_look_at_the_name_too(daemon):
    daemon.start(clients=[{"name": "trusted.example", "relayclient": True}], greeting_delay=1)
    begun = time.monotonic()
    with Client(daemon.address) as c:
        assert c.greeting.code == 220 and time.monotonic() - begun >= 0.8
    with Client(daemon.address, greeting=False) as c:
        c.send(b"EHLO early.example\r\n")
        assert c.reply().code == 554
    assert daemon.log.wait("refused")[0]["reason"] == "early_talker"


# ---- nmap ----

@pytest.mark.skipif(not shutil.which("nmap"), reason="nmap is not installed")
@pytest.mark.parametrize("settings", [{}, {"relay_networks": ["127.0.0.2"]}], ids=["closed", "a list of others"])
def test_nmap_finds_no_open_relay(daemon, settings):
    daemon.start(**settings)
    found = subprocess.run(
        ["nmap", "-Pn", "-n", "-sT", "-p", str(daemon.port), "--script", "+smtp-open-relay", "--script-args",
         "smtp-open-relay.ip=127.0.0.1,smtp-open-relay.domain=example.org", "127.0.0.1"],
        capture_output=True, text=True, timeout=4 * DEADLINE_S, stdin=subprocess.DEVNULL)
    assert "smtp-open-relay: Server doesn't seem to be an open relay" in found.stdout, found.stdout
    assert len(daemon.log.find("refused", stage="rcpt")) + len(daemon.log.find("refused", stage="command")) >= 10


# ---- submission ----

def test_missing_date_and_message_id_are_added_for_users_only(daemon):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        assert submit(c, b"Subject: x\r\n\r\nbody\r\n").code == 250
    message = daemon.mailbox("anna").only()
    added, rest = message.content.split(b"Subject: x\n")
    assert re.fullmatch(rb"Date: \w{3}, \d{2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000\n"
                        rb"Message-ID: <[0-9a-f]+-1\.\d+@mx\.example\.org>\n", added), added
    assert rest == b"\nbody\n"
    assert "with ESMTPA id" in message.received


@pytest.mark.parametrize("field", [b"Date: Mon, 1 Jan 2024 00:00:00 +0000", b"message-id: <a@b>"])
def test_fields_that_are_there_stay_alone(daemon, field):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        assert submit(c, field + b"\r\n\r\nbody\r\n").code == 250
    content = daemon.mailbox("anna").only().content
    assert content.lower().count(b"date: ") == 1 and content.lower().count(b"message-id: ") == 1
    assert field in content


ADDED = (rb"Date: \w{3}, \d{2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000\n"
         rb"Message-ID: <[0-9a-f]+-\d\.\d+@mx\.example\.org>\n")
HEADLESS = {
    "text": b"hello\n",
    "text that would be a header behind an empty line": b"hello there\nSubject: x\n\nbody\n",
    "a blank": b" hello\nSubject: x\n\nbody\n",
    "a colon": b": hello\n",
    "a blank in a name": b"hello you: there\n",
    "a long word": b"x" * 900 + b"\n",
    "a dot": b".\n",
}


@pytest.mark.parametrize("verb", ["DATA", "BDAT", "BDAT in octets"])
@pytest.mark.parametrize("name", HEADLESS)
def test_what_a_user_sends_without_a_header_is_a_body(daemon, name, verb):
    """RFC 5322 2.1: an empty line separates them."""
    start(daemon, "anna")
    content = HEADLESS[name]
    wire = content.replace(b"\n", b"\r\n")
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(235, plain("anna"))
        c.envelope("anna@example.org", sender="anna@example.org")
        if verb == "DATA":
            c.expect(354, "DATA")
            c.send(re.sub(rb"(?m)^\.", b"..", wire) + b".\r\n")
            assert c.reply().code == 250
        else:
            size = 1 if "octets" in verb else len(wire)
            for i in range(0, len(wire), size):
                c.send(b"BDAT %d%s\r\n" % (size, b" LAST" if i + size == len(wire) else b"") + wire[i:i + size])
            assert [c.reply().code for _ in range(0, len(wire), size)][-1] == 250
    written = daemon.mailbox("anna").only().content
    assert re.fullmatch(ADDED + b"\n" + re.escape(content), written), written


@pytest.mark.parametrize("content", [b"\nhello\n", b"X:\n", b"X: y\nhello\n", b"Subject : x\n\n"])
def test_what_begins_with_a_header_or_its_end_gets_no_empty_line(daemon, content):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        assert submit(c, content.replace(b"\n", b"\r\n")).code == 250
    written = daemon.mailbox("anna").only().content
    assert re.fullmatch(ADDED + re.escape(content), written), written


def test_a_header_that_is_only_what_we_take_out_is_none(daemon):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        assert submit(c, b"Authentication-Results: mx.example.org; none\r\nhello\r\n").code == 250
    assert re.fullmatch(ADDED + b"\nhello\n", daemon.mailbox("anna").only().content)


@pytest.mark.parametrize("content", [b"hello\n", b"hello there\nSubject: x\n\nbody\n"])
def test_text_of_strangers_without_a_header_is_left_as_it_is(daemon, content):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(content.replace(b"\n", b"\r\n")).code == 250
    assert daemon.mailbox("anna").only().content == content


def test_strangers_mail_is_left_as_it_is(daemon):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"Subject: x\r\n\r\n").code == 250
    assert daemon.mailbox("anna").only().content == b"Subject: x\n\n"


def test_submission_can_be_turned_off(daemon):
    start(daemon, "anna", submission=False)
    with Client(daemon.address) as c:
        assert submit(c, b"Subject: x\r\n\r\n").code == 250
    assert daemon.mailbox("anna").only().content == b"Subject: x\n\n"


def test_hide_client_keeps_a_users_address_out_of_received(daemon):
    start(daemon, "anna", hide_client=True)
    with Client(daemon.address) as c:
        assert submit(c, b"Subject: x\r\n\r\n").code == 250
    received = daemon.mailbox("anna").only().received
    assert "127.0.0.1" not in received and "client.example.net" not in received
    assert received.startswith("Received: from unknown\n")


def test_hide_client_tells_strangers_addresses(daemon):
    start(daemon, "anna", hide_client=True)
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"Subject: x\r\n\r\n").code == 250
    assert "client.example.net ([127.0.0.1])" in daemon.mailbox("anna").only().received


def test_users_send_in_their_own_names(daemon):
    start(daemon, "anna")
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(235, plain("anna"))
        for sender, code in [("anna@example.org", 250), ("", 250), ("ben@example.org", 553),
                             ("anna@example.com", 553)]:
            assert code_of(c, sender, "anna@example.org").code == code, sender
    daemon.log.wait("refused", reason="sender_rights", sender="ben@example.org")


# ---- recipients ----

def test_too_many_rejected_recipients_end_the_session(daemon):
    daemon.start(max_rejected_recipients=3)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<>")
        for number in range(3):
            c.expect(550, f"RCPT TO:<nobody{number}@example.org>")
        c.expect(250, "RCPT TO:<anna@example.org>")
        assert c.expect(421, "RCPT TO:<nobody@example.org>").status == "4.7.0"
        with pytest.raises(Closed):
            c.command("NOOP")
    assert daemon.log.wait("disconnect")[0]["reason"] == "max_rejected_recipients"


def test_aliases_deliver_to_whom_they_mean(daemon):
    daemon.start(recipient_maps=[{"domain": "example.org", "aliases": ["info: sales", "sales: anna"]}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n", "INFO@example.org").code == 250
    assert daemon.mailbox("anna").only().delivered_to == "anna@example.org"


def wait_for_map(daemon, path, text, entries):
    """Both looks at a file must see the same; the log tells when it was taken."""
    path.write_text(text)
    daemon.log.wait("map", file=path, entries=entries)


def test_a_file_of_recipients_is_read_again_when_it_changes_and_only_whole(daemon):
    path = daemon.directory / "recipients"
    path.write_text("anna\n")
    for name in ("ben", "chris"):
        daemon.mailbox(name).make()
    daemon.start(recipient_maps=[{"domain": "example.org", "file": path, "complete": True}])

    def codes(*names):
        with Client(daemon.address) as c:
            c.ehlo()
            return [code_of(c, "", f"{name}@example.org").code for name in names]

    assert codes("anna", "ben", "chris") == [250, 550, 550]
    wait_for_map(daemon, path, "anna\nben\ninfo: ben\n", 3)
    assert codes("anna", "ben", "info", "chris") == [250, 250, 250, 550]
    daemon.expect_trouble("recipients:2: nothing follows the colon; what was read before still holds")
    path.write_text("chris\nanna:\n")
    daemon.log.wait("trouble")
    assert codes("anna", "ben", "chris") == [250, 250, 550]
    wait_for_map(daemon, path, "chris\n", 1)
    assert codes("anna", "chris") == [550, 250]


def test_a_map_with_a_mistake_stops_the_start_and_the_test(daemon):
    path = daemon.directory / "recipients"
    path.write_text("anna\nanna\n")
    config = daemon.configure(recipient_maps=[{"file": path}])
    for arguments in (["-t"], []):
        result = run("-c", config, *arguments)
        assert result.returncode == 78
        assert re.search(r'recipients: \\?"anna\\?" stands there twice', result.stderr)


# ---- rates ----

def test_a_rate_of_messages_puts_off_and_is_told(daemon):
    daemon.start(rates=[{"per": "client", "messages": "2/h"}])
    with Client(daemon.address) as c:
        c.ehlo()
        for _ in range(2):
            assert c.message(b"x\r\n").code == 250
        reply = c.expect(451, "MAIL FROM:<>")
        assert reply.status == "4.7.1"
    line = daemon.log.wait("refused", reason="rate_messages")[0]
    assert line["detail"] == "per client"
    with Client(daemon.address, source="127.0.0.2") as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250


def test_a_rate_of_sessions_refuses_with_421(daemon):
    daemon.start(rates=[{"per": "listener", "sessions": "2/h"}])
    for code in (220, 220, 421):
        with Client(daemon.address, source="127.0.0.3") as c:
            assert c.greeting.code == code


def test_a_rate_of_octets_counts_what_was_accepted(daemon):
    daemon.start(rates=[{"per": "sender_domain", "octets": "10K/h"}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x" * 70 + b"\r\n" + b"y" * 9000 + b"\r\n").code == 250
        assert c.message(b"x" * 2000 + b"\r\n").code == 250
        assert c.expect(451, "MAIL FROM:<other@example.net>").status == "4.7.1"
        assert c.message(b"x\r\n", sender="a@example.com").code == 250


def test_rates_survive_a_reload(daemon):
    daemon.start(rates=[{"per": "client", "messages": "1/h"}])
    with Client(daemon.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
    daemon.configure(log_level="debug")
    daemon.process.send_signal(1)
    daemon.log.wait("reload")
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(451, "MAIL FROM:<>")


# ---- guessing ----

def guess(daemon, user, secret, source):
    with Client(daemon.address, source=source, greeting=False) as c:
        greeting = c.reply()
        if greeting.code != 220:
            return greeting
        c.ehlo()
        return c.command(plain(user, secret))


def test_who_guesses_is_refused_where_all_must_log_in(daemon):
    start(daemon, "anna", require_auth=True, auth_client_guesses="4/h", auth_failure_delay=0)
    codes = [guess(daemon, "anna", f"wrong{n}", "127.0.0.2").code for n in range(4)]
    assert codes == [535, 535, 535, 421]
    assert guess(daemon, "anna", SECRET, "127.0.0.2").code == 421
    assert daemon.log.wait("refused", stage="connect")[0]["reason"] == "auth_client_refused"
    assert guess(daemon, "anna", SECRET, "127.0.0.3").code == 235


def test_nobody_can_lock_a_user_out(daemon):
    start(daemon, "anna", auth_user_guesses="3/h", auth_failure_delay=0)
    assert guess(daemon, "anna", SECRET, "127.0.0.9").code == 235
    for number in range(3):
        assert guess(daemon, "anna", f"wrong{number}", f"127.0.1.{number + 1}").code == 535
    assert guess(daemon, "anna", SECRET, "127.0.0.10").code == 454
    assert guess(daemon, "anna", SECRET, "127.0.0.9").code == 235


def test_the_answer_to_a_login_after_a_failed_one_comes_late(daemon):
    start(daemon, "anna", auth_failure_delay=1)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(535, plain("anna", "wrong"))
        begun = time.monotonic()
        c.expect(235, plain("anna"))
        assert time.monotonic() - begun >= 0.8


# ---- explain ----

def test_explain_tells_its_mistakes(daemon):
    config = daemon.configure()
    for question, told in [(["client=x"], "client=x: is no IP address"), ([], "--explain needs client=ADDRESS"),
                           (["client=127.0.0.1", "colour=red"], "--explain takes client=, host="),
                           (["client=127.0.0.1", "listener=x"], "there is no listener"),
                           (["client=127.0.0.1", "tls=maybe"], "must be yes or no"),
                           (["client=127.0.0.1", "tls=yes"], "has no certificate"),
                           (["client=127.0.0.1", "recipient=a@b"], "recipient= needs sender=")]:
        result = run("-c", config, "--explain", *question)
        assert result.returncode == 64 and told in result.stderr, (question, result.stderr)


def test_explain_tells_each_policy_and_the_route(daemon):
    config = daemon.configure(recipient_maps=[{"aliases": ["info@example.org: anna@example.org"]}])
    result = run("-c", config, "--explain", "client=192.0.2.1", "sender=", "recipient=info@example.org")
    assert result.returncode == 0
    for line in ("  require_auth    no opinion", "  domains         accepts", "  it is for <anna@example.org>",
                 '  -> 250 2.1.5 Recipient OK.'):
        assert line in result.stdout.splitlines(), result.stdout
    assert 'leads to "inbox"' in result.stdout


def test_explain_counts_nothing(daemon):
    config = daemon.configure(rates=[{"per": "client", "messages": "1/h"}])
    for _ in range(3):
        result = run("-c", config, "--explain", "client=192.0.2.1", "sender=")
        assert "-> 250 2.1.0" in result.stdout
