#!/usr/bin/python3
"""What guessing of passwords does to good clients.

Fifty good clients send steadily to port 25's listener, first alone, then while twenty connections at a time guess the
passwords of users whose hashes are yescrypt's, as fast as they are answered, each from an address of its own and for
all users in turn. Prints the good clients' reply times, what became of the guesses, and the daemon's share of a CPU.
tests/bench/README tells more.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from client import Client, Closed  # noqa: E402
from daemon import Daemon, binary  # noqa: E402

GUESSERS = 20
USERS = [f"user{i}@example.org" for i in range(20)]


def tool(name):
    return str(Path(os.environ.get("BENCH_TOOLS", Path(binary()).parent / "tests/bench")) / name)


def passwd():
    return os.environ.get("SMTPFRONTD_PASSWD", str(Path(binary()).parent / "smtpfrontd-passwd"))


def good_clients(daemon, seconds):
    cpu, begin = daemon.cpu_seconds(), time.monotonic()
    run = subprocess.run([tool("smtpload"), "--port", str(daemon.ports[0]), "--clients", "50", "--seconds", str(seconds),
                          "--pace-ms", "250", "--messages", "10"], capture_output=True, text=True, check=True)
    good = json.loads(run.stdout)
    good["cpu"] = (daemon.cpu_seconds() - cpu) / (time.monotonic() - begin)
    return good


def guess(number, port, stop, counts):
    n = 0
    while not stop.is_set():
        try:
            with Client(("127.0.0.1", port), source=f"127.0.1.{number + 1}") as c:
                c.ehlo()
                while not stop.is_set():
                    user, n = USERS[(number + n) % len(USERS)], n + 1
                    secret = base64.b64encode(f"\0{user}\0guess{n}".encode()).decode()
                    code = c.command(f"AUTH PLAIN {secret}").code
                    counts[code] += 1
                    if code == 421:
                        break
        except (OSError, Closed, AssertionError):
            counts["lost"] += 1
            stop.wait(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as directory:
        users = Path(directory) / "passwd"
        for user in USERS:
            subprocess.run([passwd(), "-c", str(users), user], input=b"the right one\n", check=True)
        daemon = Daemon(Path(directory) / "d")
        daemon.start(listeners=[{"listen": "127.0.0.1:0", "offer_auth": False},
                                {"listen": "127.0.0.1:0", "auth_without_tls": True}],
                     backends={"sink": {"type": "null"}}, routes=None, max_sessions_per_client=1000,
                     auth=[{"type": "file", "path": str(users)}])
        quiet = good_clients(daemon, seconds)
        stop, counts = threading.Event(), Counter()
        threads = [threading.Thread(target=guess, args=(i, daemon.ports[1], stop, counts)) for i in range(GUESSERS)]
        for thread in threads:
            thread.start()
        attack = good_clients(daemon, seconds)
        stop.set()
        for thread in threads:
            thread.join()
        daemon.stop()
    for name, good in (("quiet", quiet), ("attack", attack)):
        print(f"{name:7} {json.dumps(good)}")
    print("guesses " + " ".join(f"{code}:{n}" for code, n in counts.most_common()))


if __name__ == "__main__":
    main()
