"""Which mailbox a recipient means, what is made in it, and what is said when it cannot be."""

import os
import re
import stat
import subprocess

import pytest

from client import Client


def deliver(daemon, content=b"Subject: x\r\n\r\nbody\r\n", *recipients):
    with Client(daemon.address) as c:
        c.ehlo()
        return c.message(content, *recipients)


def rcpt(daemon, recipient):
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<a@example.net>")
        return c.command(f"RCPT TO:<{recipient}>")


def test_folders_are_made_inside_an_existing_mailbox(server):
    box = server.mailbox("anna")
    assert list(box.path.iterdir()) == []
    assert deliver(server).code == 250
    assert sorted(p.name for p in box.path.iterdir()) == ["cur", "new", "tmp"]
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o700 for p in box.path.iterdir())
    assert box.files("tmp") == [] and box.files("cur") == []
    assert stat.S_IMODE(box.files()[0].stat().st_mode) == 0o600


def test_the_mailbox_itself_is_never_made(server):
    reply = rcpt(server, "nobody@example.org")
    assert (reply.code, reply.status) == (550, "5.1.1")
    assert not server.mailbox("nobody").path.exists()


def test_nobody_is_unknown_while_the_directory_of_all_mailboxes_is_missing(daemon):
    """As with a volume that is not mounted: mail is put off, and not sent back."""
    volume = daemon.directory / "volume"
    daemon.expect_trouble("put off")
    daemon.start(backends={"inbox": {"type": "maildir", "path": f"{volume}/mail/%d/%n"}})
    assert str(volume) in daemon.log.find("config")[0]["text"]
    for recipient in ("anna@example.org", "nobody@example.org", "postmaster", "postmaster@example.org"):
        reply = rcpt(daemon, recipient)
        assert (reply.code, reply.status) == (451, "4.3.0")
    for line in daemon.log.wait("refused", 4, stage="rcpt", reason="mailbox_unavailable"):
        assert f"the directory of all mailboxes: No such file or directory: {volume}/mail/" in line["detail"]
    (volume / "mail/example.org/anna").mkdir(parents=True)
    assert rcpt(daemon, "anna@example.org").code == 250
    assert rcpt(daemon, "postmaster").code == 250
    assert (rcpt(daemon, "nobody@example.org").code, rcpt(daemon, "anna@example.net").code) == (550, 550)


@pytest.mark.parametrize("link", ["anna", ""])
def test_symbolic_link_to_nothing_puts_mail_off(server, link):
    """Of the mailbox itself, and of its domain."""
    box = server.mailbox("anna").path
    path = box.parent / link
    path.rename(server.directory / "elsewhere")
    path.symlink_to(server.directory / "nowhere")
    reply = rcpt(server, "anna@example.org")
    assert (reply.code, reply.status) == (451, "4.3.0")
    assert "a symbolic link to nothing" in server.log.wait("refused", stage="rcpt")[0]["detail"]
    (server.directory / "elsewhere").rename(server.directory / "nowhere")
    assert deliver(server).code == 250
    assert len(server.mailbox("anna").files()) == 1


def test_file_names_are_those_of_a_maildir(server):
    for _ in range(20):
        assert deliver(server).code == 250
    names = [p.name for p in server.mailbox("anna").files()]
    assert len(set(names)) == 20
    for path in server.mailbox("anna").files():
        assert re.fullmatch(r"\d+\.[\w.=,+\\-]+", path.name), path.name
        assert ":" not in path.name and "/" not in path.name
        size = re.search(r",S=(\d+)", path.name)
        assert size is None or int(size[1]) == path.stat().st_size


def test_message_begins_with_return_path_delivered_to_and_received(server):
    assert deliver(server).code == 250
    lines = server.mailbox("anna").only().raw.split(b"\n")
    assert lines[0] == b"Return-Path: <sender@example.net>"
    assert lines[1] == b"Delivered-To: anna@example.org"
    assert lines[2].startswith(b"Received: from ")


def test_null_sender_is_kept(server):
    with Client(server.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n", sender="").code == 250
    assert server.mailbox("anna").only().return_path == "<>"


def test_local_parts_are_folded_to_lower_case(server):
    assert deliver(server, b"x\r\n", "AnNa@EXAMPLE.org").code == 250
    server.mailbox("anna").only()


def test_each_recipient_gets_a_file(server):
    names = ["anna", "bob", "carl"]
    for name in names:
        server.mailbox(name).make()
    assert deliver(server, b"x\r\n", *(f"{n}@example.org" for n in names)).code == 250
    for name in names:
        message = server.mailbox(name).only()
        assert message.delivered_to == f"{name}@example.org"
        # Nobody learns who else got it.
        assert all(other not in message.raw.decode() for other in names if other != name)


def test_two_recipients_of_one_mailbox_get_one_file(server):
    assert deliver(server, b"x\r\n", "anna@example.org", "ANNA@example.org").code == 250
    server.mailbox("anna").only()


def test_a_hundred_recipients(server):
    names = [f"user{n}" for n in range(100)]
    for name in names:
        server.mailbox(name).make()
    assert deliver(server, b"x\r\n", *(f"{n}@example.org" for n in names)).code == 250
    for name in names:
        server.mailbox(name).only()
        assert server.mailbox(name).files("tmp") == []


def test_postmaster_is_put_off_and_not_refused_while_its_mailbox_is_missing(daemon):
    daemon.expect_trouble("mail for postmaster will be put off.*No such file.*/ghost")
    daemon.start(postmaster="ghost@example.org")
    assert daemon.log.find("config")
    for recipient in ("postmaster", "postmaster@example.org"):
        reply = rcpt(daemon, recipient)
        assert (reply.code, reply.status) == (451, "4.3.5")
    assert rcpt(daemon, "ghost@example.org").code == 550
    assert "/ghost" in daemon.log.wait("refused", 2, reason="misconfigured")[0]["detail"]
    daemon.mailbox("ghost").make()
    assert deliver(daemon, b"x\r\n", "postmaster").code == 250
    daemon.mailbox("ghost").only()


@pytest.mark.parametrize("quota_reply, code", [("temporary", 452), ("permanent", 451)])
def test_postmaster_whose_mailbox_is_full_is_put_off(daemon, quota_reply, code):
    backend = {"type": "maildir", "path": f"{daemon.mail}/%d/%n", "quota_messages": 1, "quota_reply": quota_reply}
    daemon.start(backends={"inbox": backend})
    assert deliver(daemon, b"x\r\n", "postmaster").code == 250
    assert rcpt(daemon, "postmaster").code == code
    assert rcpt(daemon, "postmaster@example.org").code == code


def test_postmaster_is_never_refused(server):
    for recipient in ("postmaster", "PostMaster", "postmaster@example.org", "POSTMASTER@example.org"):
        assert rcpt(server, recipient).code == 250
    assert deliver(server, b"x\r\n", "postmaster").code == 250
    server.mailbox("anna").only()


def test_postmaster_of_a_domain_with_such_a_mailbox_stays_there(server):
    server.mailbox("postmaster").make()
    assert deliver(server, b"x\r\n", "postmaster@example.org").code == 250
    server.mailbox("postmaster").only()
    assert server.mailbox("anna").files() == []


@pytest.mark.parametrize("local", ["../../etc", '".."', '"../anna"', "a/b", '"."', ".hidden", '".hidden"', '"a/../anna"',
                                   '"/etc/passwd"', '"anna/new"', "x" * 64])
def test_no_recipient_leaves_its_directory(server, local):
    (server.mail / "example.org" / "a" / "b").mkdir(parents=True)
    reply = rcpt(server, f"{local}@example.org")
    assert reply.code in (501, 550)
    assert reply.status in ("5.1.1", "5.1.3", "5.5.4")


@pytest.mark.parametrize("pattern, where", [("{mail}/%u", "anna@example.org"), ("{mail}/%n.%d", "anna.example.org"),
                                            ("{mail}/all/%n/Maildir", "all/anna/Maildir"), ("{mail}/one", "one"),
                                            ("{mail}/%%d/%d", "%d/example.org")])
def test_path_pattern_is_the_maildir(daemon, pattern, where):
    (daemon.mail / where).mkdir(parents=True)
    daemon.start(backends={"inbox": {"type": "maildir", "path": pattern.format(mail=daemon.mail)}})
    assert deliver(daemon).code == 250
    assert len(list((daemon.mail / where / "new").iterdir())) == 1


def test_routes_choose_by_domain_and_first_match_wins(daemon):
    first, second = daemon.directory / "first", daemon.directory / "second"
    for path in (first / "anna", second / "anna"):
        path.mkdir(parents=True)
    daemon.start(domains=["example.org", "example.com"], backends={
        "first": {"type": "maildir", "path": f"{first}/%n"}, "second": {"type": "maildir", "path": f"{second}/%n"}},
        routes=[{"domain": "example.com", "backend": "second"}, {"backend": "first"}])
    assert deliver(daemon, b"x\r\n", "anna@example.com").code == 250
    assert not (first / "anna" / "new").exists()
    assert len(list((second / "anna" / "new").iterdir())) == 1
    assert deliver(daemon, b"x\r\n", "anna@example.org").code == 250
    assert len(list((first / "anna" / "new").iterdir())) == 1


def test_message_to_two_backends_reaches_both_or_is_refused_at_rcpt(daemon):
    first, second = daemon.directory / "first", daemon.directory / "second"
    for path in (first / "anna", second / "anna"):
        path.mkdir(parents=True)
    daemon.start(domains=["example.org", "example.com"], backends={
        "first": {"type": "maildir", "path": f"{first}/%n"}, "second": {"type": "maildir", "path": f"{second}/%n"}},
        routes=[{"domain": "example.com", "backend": "second"}, {"backend": "first"}])
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<a@example.net>")
        c.expect(250, "RCPT TO:<anna@example.org>")
        other = c.command("RCPT TO:<anna@example.com>")
        assert other.code in (250, 452)
        c.expect(354, "DATA")
        c.send(b"x\r\n.\r\n")
        assert c.reply().code == 250
    assert len(list((first / "anna" / "new").iterdir())) == 1
    assert (second / "anna" / "new").exists() == (other.code == 250)


def test_mailbox_that_is_no_directory_is_a_temporary_error(daemon):
    daemon.expect_trouble("bob")
    daemon.start()
    daemon.mailbox("bob").path.write_text("a file")
    assert rcpt(daemon, "bob@example.org").code in (451, 550)


def test_unreadable_mailbox_is_a_temporary_error(daemon):
    """As root nothing is unreadable, so a loop of symbolic links stands for it."""
    daemon.expect_trouble("loop")
    daemon.start()
    (daemon.mail / "example.org" / "loop").symlink_to("loop")
    reply = rcpt(daemon, "loop@example.org")
    assert (reply.code, reply.status) == (451, "4.3.0")


def test_trouble_at_delivery_is_a_temporary_error_and_leaves_nothing(daemon):
    daemon.expect_trouble("bob")
    daemon.start()
    bob = daemon.mailbox("bob").make()
    (bob.path / "new").write_text("a file where the folder should be")
    reply = deliver(daemon, b"x\r\n", "anna@example.org", "bob@example.org")
    assert (reply.code, reply.status) == (451, "4.3.0")
    assert daemon.mailbox("anna").files() == [] and daemon.mailbox("anna").files("tmp") == []
    assert bob.files("tmp") == []
    # The session and the next transaction are unharmed.
    assert deliver(daemon, b"x\r\n").code == 250


def test_mailbox_that_vanishes_after_rcpt_is_a_temporary_error(daemon):
    daemon.expect_trouble("anna")
    daemon.start()
    with Client(daemon.address) as c:
        c.ehlo()
        c.envelope()
        daemon.mailbox("anna").path.rmdir()
        c.expect(354, "DATA")
        c.send(b"x\r\n.\r\n")
        assert c.reply().code == 451
    assert not daemon.mailbox("anna").path.exists()


@pytest.fixture
def small_disk(work_dir):
    path = work_dir / "small"
    path.mkdir()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=100", "tmpfs", str(path)],
                            capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"cannot mount a small tmpfs: {result.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_full_disk_is_452_and_leaves_nothing(daemon, small_disk):
    daemon.expect_trouble("anna|space|storage")
    (small_disk / "anna").mkdir()
    daemon.start(backends={"inbox": {"type": "maildir", "path": f"{small_disk}/%n"}})
    reply = deliver(daemon, b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 10000)
    assert (reply.code, reply.status) == (452, "4.3.1")
    assert os.listdir(small_disk / "anna" / "new") == [] and os.listdir(small_disk / "anna" / "tmp") == []
    # What fits is taken again at once: nothing holds the room.
    assert deliver(daemon, b"z" * 1000 + b"\r\n").code == 250
    assert len(os.listdir(small_disk / "anna" / "new")) == 1


def test_full_disk_of_the_second_recipient_takes_back_the_first(daemon, small_disk):
    daemon.expect_trouble("bob|space|storage")
    (small_disk / "bob").mkdir()
    (daemon.directory / "big" / "anna").mkdir(parents=True)
    os.symlink(small_disk / "bob", daemon.directory / "big" / "bob")
    daemon.start(backends={"inbox": {"type": "maildir", "path": f"{daemon.directory}/big/%n"}})
    reply = deliver(daemon, (b"y" * 70 + b"\r\n") * 10000, "anna@example.org", "bob@example.org")
    assert (reply.code, reply.status) == (452, "4.3.1")
    for folder in ("new", "tmp"):
        where = daemon.directory / "big" / "anna" / folder
        assert not where.exists() or os.listdir(where) == []


def test_null_backend_accepts_and_forgets(daemon):
    daemon.start(backends={"inbox": {"type": "null"}})
    assert deliver(daemon, b"x\r\n", "whoever@example.org").code == 250
    assert daemon.mailbox("anna").files() == []
