"""Clients that people use, against the real daemon."""

import shutil
import smtplib
import subprocess
from email.message import EmailMessage

import pytest

from daemon import DEADLINE_S

CONTENT = "From: a@example.net\nTo: anna@example.org\nSubject: hello\n\nFirst line\n.\n..two dots\nlast line\n"


def need(program):
    if not shutil.which(program):
        pytest.fail(f"{program} is not installed; tests/run.sh installs it")


def run(*command, data="", status=0, seconds=4 * DEADLINE_S):
    if command[0] == "swaks":  # it would wait for 30 seconds, however slow the daemon has been made
        command = (*command, "--timeout", f"{DEADLINE_S:.0f}s")
    result = subprocess.run([str(c) for c in command], input=data.encode(), capture_output=True, timeout=seconds)
    output = (result.stdout + result.stderr).decode("utf-8", "replace")
    assert result.returncode == status, f"{command} ended with {result.returncode}:\n{output}"
    return output


def test_swaks(server, work_dir):
    need("swaks")
    message = work_dir / "message"
    message.write_text(CONTENT)
    output = run("swaks", "--server", f"127.0.0.1:{server.port}", "--from", "a@example.net", "--to",
                 "anna@example.org", "--data", f"@{message}", "--suppress-data")
    assert "<-  250" in output
    stored = server.mailbox("anna").only()
    assert stored.return_path == "<a@example.net>"
    assert stored.content.decode().rstrip("\n") == CONTENT.rstrip("\n")


def test_swaks_pipelined(server):
    need("swaks")
    run("swaks", "--server", f"127.0.0.1:{server.port}", "--from", "a@example.net", "--to", "anna@example.org",
        "--pipeline")
    server.mailbox("anna").only()


def test_swaks_sees_the_refusal(server):
    need("swaks")
    output = run("swaks", "--server", f"127.0.0.1:{server.port}", "--from", "a@example.net", "--to",
                 "nobody@example.org", status=24)
    assert "550 5.1.1" in output


def test_curl(server):
    need("curl")
    run("curl", "-sS", "--url", f"smtp://127.0.0.1:{server.port}/client.example.net", "--mail-from", "a@example.net",
        "--mail-rcpt", "anna@example.org", "-T", "-", data=CONTENT.replace("\n", "\r\n"))
    assert server.mailbox("anna").only().content.decode() == CONTENT


def test_msmtp(server):
    need("msmtp")
    run("msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={server.port}", "--tls=off", "--auth=off",
        "--set-date-header=off", "--set-msgid-header=off", "--from=a@example.net", "--", "anna@example.org", data=CONTENT)
    assert server.mailbox("anna").only().content.decode() == CONTENT


def test_netcat_with_half_close(server):
    """The classic script: everything at once, bare newlines, no waiting."""
    need("nc")
    session = "HELO x\nMAIL FROM:<a@example.net>\nRCPT TO:<anna@example.org>\nDATA\nSubject: x\n\nbody\n.\nQUIT\n"
    output = run("nc", "-N", "127.0.0.1", server.port, data=session)
    assert [line[:3] for line in output.splitlines()] == ["220", "250", "250", "250", "354", "250", "221"]
    assert server.mailbox("anna").only().content == b"Subject: x\n\nbody\n"


def test_smtplib_with_several_messages_per_session(server):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.net", "anna@example.org", "Grüße"
    message.set_content("Zeile mit Umlauten: äöü\n" * 100)
    with smtplib.SMTP("127.0.0.1", server.port, timeout=DEADLINE_S) as c:
        for _ in range(5):
            assert c.send_message(message) == {}
    assert len({m.content for m in server.mailbox("anna").messages()}) == 1
    assert len(server.mailbox("anna").messages()) == 5


def test_smtplib_learns_which_recipient_is_refused(server):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=DEADLINE_S) as c:
        refused = c.sendmail("a@example.net", ["nobody@example.org", "anna@example.org", "x@example.com"], CONTENT)
    assert {address: code for address, (code, _) in refused.items()} == {
        "nobody@example.org": 550, "x@example.com": 550}
    server.mailbox("anna").only()


@pytest.mark.parametrize("sessions, messages, options", [
    pytest.param(50, 1000, [], id="1000 sessions, 50 at a time"),
    pytest.param(20, 2000, ["-d"], id="20 connections of 100 messages"),
])
@pytest.mark.parametrize("backend", ["maildir", "null"])
def test_smtp_source(daemon, smtp_source, backend, sessions, messages, options):
    if backend == "null":
        daemon.settings["backends"] = {"inbox": {"type": "null"}}
    daemon.start(max_sessions=200, max_sessions_per_client=200)
    run(*smtp_source, "-s", sessions, "-m", messages, "-l", 4096, *options, "-f", "a@example.net", "-t",
        "anna@example.org", f"127.0.0.1:{daemon.port}")
    daemon.log.wait("accepted", count=messages)
    daemon.stop()
    ended = daemon.past_logs[0].find("disconnect")
    assert all(line["reason"] == "quit" for line in ended), [line.text for line in ended]
    assert len(ended) == (sessions if options else messages)
    if backend == "maildir":
        mailbox = daemon.mailbox("anna")
        assert len(mailbox.files()) == messages
        assert mailbox.files("tmp") == []
        assert all(m.content for m in mailbox.messages())
