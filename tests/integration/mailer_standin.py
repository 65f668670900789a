"""What a pipe backend runs in the tests: a qmail-queue or a sendmail that writes down what it was given.

    python3 mailer_standin.py qmail-queue|sendmail DIRECTORY [arguments of the daemon]

It does what DIRECTORY/plan.json tells, and leaves a record in DIRECTORY for each run. qmail-queue keeps to its manual
page: message on descriptor 0, envelope on descriptor 1, and exit code 91 for an envelope of another form. It uses no
module that opens descriptors by itself.
"""

import fcntl
import json
import os
import signal
import sys
import time

kind, directory, *arguments = sys.argv[1:]


def path(name):
    return os.path.join(directory, name)


def plan():
    try:
        with open(path("plan.json")) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def leave(name, record):
    """All of it or nothing, so that a test that waits for it sees it whole."""
    with open(path(name + ".tmp"), "w") as file:
        json.dump(record, file)
    os.rename(path(name + ".tmp"), path(name))


def read_all(fd):
    data = b""
    while True:
        more = os.read(fd, 65536)
        if not more:
            return data
        data += more


def parse_envelope(data):
    """qmail-queue(8): F sender NUL, T recipient NUL for each, NUL; nothing behind it."""
    if not data.endswith(b"\0\0") or not data.startswith(b"F"):
        return None
    sender, *recipients = data[:-2].split(b"\0")
    if not recipients or any(not r.startswith(b"T") for r in recipients):
        return None
    return [sender[1:].decode()] + [r[1:].decode() for r in recipients]


def wait_for_gate():
    """The test holds a lock on it as long as it is shut."""
    fd = os.open(path("gate"), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    os.close(fd)


def take(todo, record):
    how = todo.get("stdin", "all")
    if how == "close":
        os.close(0)
    if how == "some":
        record["message"] = os.read(0, 10).decode("latin-1")
    if how != "all":
        return 0
    record["message"] = read_all(0).decode("latin-1")
    if kind == "qmail-queue":
        record["envelope"] = parse_envelope(read_all(1))
        return 0 if record["envelope"] else 91
    return 0


def end(todo, code):
    if todo.get("grandchild") and os.fork() == 0:
        os.execv("/bin/sleep", ["sleep", "1000"])
    if "output" in todo:
        written = 0
        while written < todo["output"]:
            written += os.write(2, b"x" * 65536)
    if "say" in todo:
        os.write(2, todo["say"].encode())
    if "signal" in todo:
        os.kill(os.getpid(), todo["signal"])
    os._exit(todo.get("exit", code))


def main():
    todo = plan()
    record = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
        "pid": os.getpid(),
        "begun": time.monotonic(),
    }
    leave(f"started-{os.getpid()}", {"pid": os.getpid()})
    if todo.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if todo.get("gate"):
        wait_for_gate()
    if todo.get("hang"):
        while True:
            signal.pause()
    code = take(todo, record)
    record["ended"] = time.monotonic()
    leave(f"run-{os.getpid()}", record)
    end(todo, code)


main()
