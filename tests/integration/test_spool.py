"""Messages while they are ours: in memory as long as there is some, then on disk as long as there is room."""

import os
import subprocess
import threading

import pytest

from client import Client, stored
from conftest import is_long

MIB = 1024 * 1024
LINE = bytes(33 + i % 90 for i in range(70)) + b"\r\n"


def block(size):
    """CRLF lines of about so many octets, whose order can be told."""
    head = b"".join(b"%09d " % n + LINE for n in range(MIB // 82))
    return (head * (size // len(head) + 1))[:size // 82 * 82]


def sanitized():
    binary = open(os.environ["SMTPFRONTD"], "rb").read()
    return b"__asan_init" in binary or b"__tsan_init" in binary


def watch(daemon, stop, most):
    """Keep the greatest resident set."""
    while not stop.is_set():
        most[0] = max(most[0], daemon.resident_kib())
        stop.wait(0.02)


def most_memory(daemon, work):
    """KiB by which memory grows at most while work() runs."""
    before, most, stop = daemon.resident_kib(), [0], threading.Event()
    thread = threading.Thread(target=watch, args=(daemon, stop, most))
    thread.start()
    try:
        work()
    finally:
        stop.set()
        thread.join()
    return most[0] - before


def spool_files(daemon):
    """Files without a name that the daemon has open."""
    links = []
    for fd in os.listdir(f"/proc/{daemon.process.pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return [link for link in links if link.endswith("(deleted)")]


@pytest.fixture
def spool_dir(daemon):
    path = daemon.directory / "spool"
    path.mkdir()
    return path


@pytest.mark.parametrize("size", [30 * MIB, 200 * MIB])
def test_big_message_needs_little_memory(daemon, spool_dir, size):
    daemon.start(max_message_size="300M", spool_memory="8M", spool_dir=str(spool_dir), spool_reserve="1M")
    content = block(size)

    def send():
        with Client(daemon.address) as c:
            c.ehlo()
            assert c.message(content).code == 250

    grown = most_memory(daemon, send)
    assert daemon.mailbox("anna").only().content == stored(content)
    assert os.listdir(spool_dir) == [] and spool_files(daemon) == []
    # A sanitizer holds freed memory back.
    assert grown < (300 if sanitized() else 10) * 1024, f"{grown} KiB"


def test_many_big_messages_share_the_memory(daemon, spool_dir):
    count, size = (40, 20 * MIB) if is_long() else (16, 5 * MIB)
    daemon.start(max_message_size="50M", spool_memory="8M", spool_dir=str(spool_dir), spool_reserve="1M")
    content = block(size)
    codes = []

    def send():
        with Client(daemon.address) as c:
            c.ehlo()
            codes.append(c.message(content).code)

    def send_all():
        threads = [threading.Thread(target=send) for _ in range(count)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    grown = most_memory(daemon, send_all)
    assert codes == [250] * count
    assert all(m.content == stored(content) for m in daemon.mailbox("anna").messages())
    assert len(daemon.mailbox("anna").files()) == count
    assert spool_files(daemon) == []
    # For each its share of a read, and what it has on its way to disk, beside spool_memory.
    assert grown < (300 if sanitized() else 8 + 4 + count * 0.2) * 1024, f"{grown} KiB"


def test_threshold_decides_what_goes_to_disk(daemon, spool_dir):
    daemon.start(spool_dir=str(spool_dir), spool_threshold="64K", spool_reserve="1M")
    with Client(daemon.address) as c:
        c.ehlo()
        for size, count in ((60000, 0), (1000000, 1)):
            c.envelope()
            c.expect(354, "DATA")
            content = block(size)
            c.send(content)
            wait_for(lambda: len(spool_files(daemon)) == count)
            c.send(b".\r\n")
            assert c.reply().code == 250
            assert spool_files(daemon) == []


def wait_for(condition):
    for _ in range(1500):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("waited in vain")


def test_without_memory_small_messages_get_through(daemon, spool_dir):
    daemon.start(spool_memory="64K", spool_dir=str(spool_dir), spool_reserve="1M")
    with Client(daemon.address) as hog, Client(daemon.address) as c:
        hog.ehlo()
        hog.envelope()
        hog.expect(354, "DATA")
        hog.send(block(60000))
        c.ehlo()
        for size in (100, 20000, 300000):
            assert c.message(block(size)).code == 250
        hog.send(b".\r\n")
        assert hog.reply().code == 250


@pytest.fixture
def small_disk(work_dir):
    path = work_dir / "small"
    path.mkdir()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)], capture_output=True,
                            text=True)
    if result.returncode:
        pytest.skip(f"cannot mount a small tmpfs: {result.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("reserve", ["4K", "1M"])
def test_full_spool_is_452_at_the_end_of_data(daemon, small_disk, reserve):
    daemon.start(spool_dir=str(small_disk), spool_threshold="64K", spool_reserve=reserve)
    with Client(daemon.address) as c:
        c.ehlo()
        for _ in range(2):
            reply = c.message(block(6 * MIB))
            assert (reply.code, reply.status) == (452, "4.3.1")
            # What fits is taken, in the same session.
            assert c.message(block(500000)).code == 250
    assert "spool_dir" in daemon.log.wait("refused", 2, reason="no_storage")[0]["detail"]
    assert spool_files(daemon) == [] and len(daemon.mailbox("anna").files()) == 2


def test_declared_size_that_finds_no_room_is_452_at_mail(daemon, small_disk):
    daemon.start(spool_dir=str(small_disk), spool_threshold="64K", spool_reserve="1M")
    with Client(daemon.address) as c:
        c.ehlo()
        reply = c.command("MAIL FROM:<a@example.net> SIZE=1500000")
        assert (reply.code, reply.status) == (452, "4.3.1")
        c.expect(503, "RCPT TO:<anna@example.org>")
        c.expect(250, "MAIL FROM:<a@example.net> SIZE=500000")
        c.expect(250, "RCPT TO:<anna@example.org>")
        c.expect(250, "RSET")
        c.expect(250, "MAIL FROM:<a@example.net> SIZE=50000")
    refused = daemon.log.wait("refused", stage="mail")
    assert "spool_reserve" in refused[0]["detail"] and len(refused) == 1


def test_pipelined_commands_wait_for_the_disk_to_be_asked(daemon, spool_dir):
    daemon.start(spool_dir=str(spool_dir), spool_threshold="64K", spool_reserve="1M")
    with Client(daemon.address) as c:
        c.ehlo()
        c.send(b"MAIL FROM:<a@example.net> SIZE=500000\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n")
        assert [r.code for r in c.replies(3)] == [250, 250, 354]
        c.send(b"x\r\n.\r\n")
        assert c.reply().code == 250


def test_client_that_goes_away_leaves_nothing(daemon, spool_dir):
    daemon.start(spool_dir=str(spool_dir), spool_threshold="64K", spool_reserve="1M", spool_memory="1M")
    for size in (100000, 3 * MIB):
        with Client(daemon.address) as c:
            c.ehlo()
            c.envelope()
            c.expect(354, "DATA")
            c.send(block(size))
    daemon.log.wait("disconnect", 2)
    wait_for(lambda: spool_files(daemon) == [])
    assert daemon.mailbox("anna").files() == []


def test_stop_in_the_middle_of_big_messages_is_clean(daemon, spool_dir):
    daemon.start(spool_dir=str(spool_dir), spool_threshold="64K", spool_reserve="1M", spool_memory="1M",
                 drain_timeout=0)
    clients = [Client(daemon.address) for _ in range(8)]
    for c in clients:
        c.ehlo()
        c.envelope()
        c.expect(354, "DATA")
        c.send(block(2 * MIB))
    daemon.stop()
    for c in clients:
        c.socket.close()
    assert os.listdir(spool_dir) == []


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("a file")])
def test_unusable_spool_dir_stops_the_start(daemon, make):
    make(daemon.directory / "spool")
    daemon.expect_trouble("spool_dir")
    daemon.start(wait_ready=False, spool_dir=f"{daemon.directory}/spool")
    assert daemon.exit_code() != 0
    line = daemon.past_logs[-1].find("start_failed")[0]
    assert "spool_dir" in line["text"] and f"{daemon.directory}/spool" in line["text"]


def test_file_size_limit_is_452_and_no_death(daemon, spool_dir):
    daemon.start(spool_dir=str(spool_dir), spool_threshold="64K", spool_reserve="1M",
                 wrap=["prlimit", f"--fsize={MIB}"])
    with Client(daemon.address) as c:
        c.ehlo()
        reply = c.message(block(6 * MIB))
        assert (reply.code, reply.status) == (452, "4.3.1")
        assert c.message(block(500000)).code == 250
