"""Which Maildir a recipient means, and how full it may be: what can be configured of a maildir backend."""

import os
import stat

import pytest

from client import Client


def backend(daemon, pattern="%d/%n", **options):
    return {"inbox": {"type": "maildir", "path": f"{daemon.mail}/{pattern}", **options}}


def deliver(daemon, *recipients, content=b"Subject: x\r\n\r\nbody\r\n"):
    with Client(daemon.address) as c:
        c.ehlo()
        return c.message(content, *recipients)


def rcpt(daemon, recipient, size=None):
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(250, "MAIL FROM:<a@example.net>" + (f" SIZE={size}" if size else ""))
        reply = c.command(f"RCPT TO:<{recipient}>")
        return reply.code, reply.status


def files(daemon, where):
    path = daemon.mail / "example.org" / where / "new"
    return sorted(path.iterdir()) if path.is_dir() else []


# ---- detail ----

def test_without_a_delimiter_a_plus_is_a_letter(server):
    assert rcpt(server, "anna+lists@example.org") == (550, "5.1.1")
    server.mailbox("anna+lists").make()
    assert rcpt(server, "anna+lists@example.org") == (250, "2.1.5")


def test_detail_is_cut_off(daemon):
    daemon.start(backends=backend(daemon, recipient_delimiter="+-"))
    assert deliver(daemon, "anna+lists@example.org").code == 250
    assert daemon.mailbox("anna").only().delivered_to == "anna+lists@example.org"
    assert deliver(daemon, "Anna-x+y@example.org").code == 250
    assert deliver(daemon, "anna+@example.org").code == 250
    assert len(files(daemon, "anna")) == 3
    assert rcpt(daemon, "nobody+lists@example.org") == (550, "5.1.1")
    assert rcpt(daemon, "+anna@example.org") == (550, "5.1.1")


def test_mailbox_of_the_whole_name_goes_first(daemon):
    daemon.mailbox("anna+work").make()
    daemon.start(backends=backend(daemon, recipient_delimiter="+"))
    assert deliver(daemon, "anna+work@example.org").code == 250
    assert len(files(daemon, "anna+work")) == 1 and files(daemon, "anna") == []


def test_detail_names_a_folder_that_exists(daemon):
    (daemon.mailbox("anna").path / ".Lists").mkdir()
    daemon.start(backends=backend(daemon, recipient_delimiter="+", detail_folders=True))
    assert deliver(daemon, "anna+Lists@example.org").code == 250
    assert len(files(daemon, "anna/.Lists")) == 1 and files(daemon, "anna") == []
    for other in ("lists", "Other", "..", "./new"):
        assert deliver(daemon, f'"anna+{other}"@example.org').code == 250
    assert len(files(daemon, "anna")) == 4
    assert sorted(p.name for p in daemon.mailbox("anna").path.iterdir()) == [".Lists", "cur", "new", "tmp"]


def test_recipients_of_one_mailbox_get_one_copy_and_a_folder_its_own(daemon):
    (daemon.mailbox("anna").path / ".lists").mkdir()
    daemon.start(backends=backend(daemon, recipient_delimiter="+", detail_folders=True, catch_all="anna"))
    assert deliver(daemon, "anna@example.org", "anna+a@example.org", "anna+lists@example.org", "who@example.org",
                   "anna+b@example.org").code == 250
    assert len(files(daemon, "anna")) == 1 and len(files(daemon, "anna/.lists")) == 1


# ---- everybody else ----

@pytest.mark.parametrize("catch_all", ["anna", "ANNA", "anna@example.org"])
def test_catch_all_takes_the_unknown(daemon, catch_all):
    daemon.mailbox("ben").make()
    daemon.start(backends=backend(daemon, catch_all=catch_all))
    assert deliver(daemon, "who@example.org").code == 250
    assert deliver(daemon, '"../x"@example.org').code == 250
    assert deliver(daemon, "ben@example.org").code == 250
    assert len(files(daemon, "anna")) == 2 and len(files(daemon, "ben")) == 1


def test_catch_all_without_its_mailbox_takes_nobody(daemon):
    daemon.start(backends=backend(daemon, catch_all="ghost"))
    assert rcpt(daemon, "who@example.org") == (550, "5.1.1")


def test_postmaster_goes_to_postmaster_and_not_to_catch_all(daemon):
    daemon.mailbox("ben").make()
    daemon.start(backends=backend(daemon, catch_all="ben"))
    assert deliver(daemon, "postmaster@example.org").code == 250
    assert len(files(daemon, "anna")) == 1 and files(daemon, "ben") == []


# ---- directories ----

def test_hash_directories(daemon):
    (daemon.mail / "a/an/anna").mkdir(parents=True)
    daemon.start(backends=backend(daemon, pattern="%{1n}/%{2n}/%n"))
    assert deliver(daemon, "Anna@example.org").code == 250
    assert len(list((daemon.mail / "a/an/anna/new").iterdir())) == 1


def test_listed_mailboxes_are_made_for_their_first_message(daemon):
    daemon.start(backends=backend(daemon, pattern="%d/%{1n}/%n", create=True, mailboxes=["carl", "ben@example.org"]),
                 postmaster="carl@example.org")
    where = daemon.mail / "example.org"
    assert rcpt(daemon, "carl@example.org") == (250, "2.1.5")
    assert not (where / "c").exists()  # asked for, and that is all
    assert deliver(daemon, "carl@example.org", "BEN@example.org").code == 250
    for path in (where / "c/carl", where / "b/ben"):
        assert len(list((path / "new").iterdir())) == 1
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert rcpt(daemon, "dora@example.org") == (550, "5.1.1")
    assert not (where / "d").exists()


def test_what_stands_before_the_first_percent_is_not_made(daemon):
    daemon.expect_trouble("the directory of all mailboxes: .*/missing/")
    daemon.start(backends=backend(daemon, pattern="missing/%n", create=True, mailboxes=["ben"]))
    assert rcpt(daemon, "ben@example.org") == (451, "4.3.0")
    assert not (daemon.mail / "missing").exists()


def test_listed_mailboxes_without_create_are_not_made(daemon):
    daemon.expect_trouble("mailboxes does nothing without create")
    daemon.start(backends=backend(daemon, mailboxes=["ben"]))
    assert rcpt(daemon, "ben@example.org") == (550, "5.1.1")


# ---- quotas ----

def size_file(daemon, name="anna"):
    return (daemon.mailbox(name).path / "maildirsize").read_text()


def used(daemon, name="anna"):
    lines = size_file(daemon, name).splitlines()[1:]
    return [sum(int(line.split()[i]) for line in lines) for i in (0, 1)]


def fill(daemon, octets, count=1, name="anna"):
    for folder in ("cur", "new", "tmp"):
        (daemon.mailbox(name).make().path / folder).mkdir(exist_ok=True)
    for n in range(count):
        (daemon.mailbox(name).path / "cur" / f"{n}.old:2,S").write_bytes(b"x" * (octets // count))


def test_each_delivery_is_added_up(daemon):
    fill(daemon, 1000, 2)
    daemon.start(backends=backend(daemon, quota="1M", quota_messages=100))
    for _ in range(3):
        assert deliver(daemon, "anna@example.org").code == 250
    assert size_file(daemon).splitlines()[0] == "1048576S,100C"
    box = daemon.mailbox("anna").path
    on_disk = sum(p.stat().st_size for folder in ("new", "cur") for p in (box / folder).iterdir())
    assert used(daemon) == [on_disk, 5]
    assert stat.S_IMODE((box / "maildirsize").stat().st_mode) == 0o600
    assert os.listdir(box / "tmp") == []


@pytest.mark.parametrize("reply, code, status", [("temporary", 452, "4.2.2"), ("permanent", 552, "5.2.2")])
def test_full_mailbox_is_refused_at_rcpt(daemon, reply, code, status):
    fill(daemon, 2000)
    daemon.mailbox("ben").make()
    daemon.start(backends=backend(daemon, quota="3K", quota_reply=reply))
    assert rcpt(daemon, "anna@example.org") == (250, "2.1.5")
    assert rcpt(daemon, "anna@example.org", size=1000) == (250, "2.1.5")
    assert rcpt(daemon, "anna@example.org", size=1100) == (code, status)
    assert rcpt(daemon, "ben@example.org", size=1100) == (250, "2.1.5")
    assert daemon.log.wait("refused", reason="over_quota")[0]["recipient"] == "anna@example.org"


def test_number_of_messages_is_bounded(daemon):
    daemon.start(backends=backend(daemon, quota_messages=2))
    assert deliver(daemon, "anna@example.org").code == 250
    assert deliver(daemon, "anna@example.org").code == 250
    assert rcpt(daemon, "anna@example.org") == (452, "4.2.2")
    # Somebody has read a message and thrown it away.
    files(daemon, "anna")[0].unlink()
    (daemon.mailbox("anna").path / "maildirsize").unlink(missing_ok=True)
    assert deliver(daemon, "anna@example.org").code == 250


def test_message_that_turns_out_too_big_reaches_nobody(daemon):
    """The size was not declared, so that only the delivery can tell."""
    fill(daemon, 2000)
    daemon.mailbox("ben").make()
    daemon.start(backends=backend(daemon, quota="3K", quota_reply="permanent"))
    reply = deliver(daemon, "ben@example.org", "anna@example.org", content=b"x" * 70 + b"\r\n" + b"y" * 1500 + b"\r\n")
    assert (reply.code, reply.status) == (452, "4.2.2")  # ben's copy may still come
    assert files(daemon, "ben") == files(daemon, "anna") == []
    reply = deliver(daemon, "anna@example.org", content=b"y" * 1500 + b"\r\n")
    assert (reply.code, reply.status) == (552, "5.2.2")
    assert deliver(daemon, "ben@example.org", content=b"y" * 1500 + b"\r\n").code == 250


def test_quota_of_the_mailbox_wins(daemon):
    fill(daemon, 2000)
    (daemon.mailbox("anna").path / "maildirsize").write_text("100000S\n2000 1\n")
    daemon.start(backends=backend(daemon, quota="1K"))
    assert deliver(daemon, "anna@example.org").code == 250
    assert size_file(daemon).startswith("100000S\n2000 1\n") and used(daemon)[1] == 2


def test_folders_count_for_their_mailbox(daemon):
    (daemon.mailbox("anna").path / ".lists").mkdir()
    daemon.start(backends=backend(daemon, quota="1K", recipient_delimiter="+", detail_folders=True))
    assert deliver(daemon, "anna+lists@example.org").code == 250
    assert deliver(daemon, "anna+lists@example.org", content=b"y" * 1500 + b"\r\n").code == 452
    assert len(files(daemon, "anna/.lists")) == 1
    assert not (daemon.mailbox("anna").path / ".lists" / "maildirsize").exists()


def test_senders_cannot_fill_the_folder_that_counts_for_no_quota(daemon):
    (daemon.mailbox("anna").path / ".Trash").mkdir()
    daemon.start(backends=backend(daemon, quota="1K", recipient_delimiter="+", detail_folders=True))
    assert deliver(daemon, "anna+Trash@example.org").code == 250
    assert len(files(daemon, "anna")) == 1 and files(daemon, "anna/.Trash") == []
    assert deliver(daemon, "anna+Trash@example.org", content=b"y" * 1500 + b"\r\n").code == 452


def test_without_a_quota_the_file_is_left_alone(daemon):
    (daemon.mailbox("anna").path / "maildirsize").write_text("1S\n1 1\n")
    daemon.start()
    assert deliver(daemon, "anna@example.org").code == 250
    assert size_file(daemon) == "1S\n1 1\n"
