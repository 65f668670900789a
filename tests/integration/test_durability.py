"""250 means kept: the daemon is killed in the middle of load, and every message that it said 250 to is there, whole.

The client is our own, because it must write down each id at the moment of its 250.
"""

import os
import random
import re
import threading

import pytest

from client import Client, Closed
from daemon import DEADLINE_S

ROUNDS = 60 if os.environ.get("LONG") else 5
CLIENTS = 6


class Load(threading.Thread):
    """Sends messages until the daemon is gone; `kept` are the markers of those answered 250."""

    def __init__(self, address, name, seed):
        super().__init__()
        self.address = address
        self.label = name
        self.random = random.Random(seed)
        self.kept = []
        self.error = None
        self.progress = threading.Event()

    def content(self, marker):
        body = b"%s line\r\n" % marker * self.random.choice((1, 10, 500, 6000))
        return b"Subject: %s\r\n\r\n%sEND %s\r\n" % (marker, body, marker)

    def run(self):
        try:
            with Client(self.address) as c:
                c.ehlo()
                for n in range(100000):
                    marker = f"{self.label}-{n}".encode()
                    recipients = ["anna@example.org", "bob@example.org"][:self.random.choice((1, 1, 2))]
                    reply = c.message(self.content(marker), *recipients)
                    assert reply.code == 250, reply
                    self.kept.append((marker, recipients))
                    self.progress.set()
        except (OSError, Closed):
            pass
        except BaseException as e:  # told by the test, which would not see it in a thread
            self.error = e
        finally:
            self.progress.set()


def whole(message):
    match = re.match(rb"Subject: (\S+)\n\n", message.content)
    assert match, f"torn: {message.raw[:200]!r}"
    assert message.content.endswith(b"END " + match[1] + b"\n"), f"torn: {match[1]}"
    return match[1]


def judge(daemon, kept):
    for name in ("anna", "bob"):
        box = daemon.mailbox(name)
        found = {whole(m) for m in box.messages()}
        missing = {marker for marker, recipients in kept if f"{name}@example.org" in recipients} - found
        assert not missing, f"{len(missing)} messages were answered 250 and are not there: {sorted(missing)[:5]}"
        assert box.files("tmp") == []
        assert box.files("cur") == []


def test_no_message_answered_250_is_lost_when_the_daemon_is_killed(daemon):
    daemon.mailbox("bob").make()
    kept = []
    for number in range(ROUNDS):
        daemon.start()
        load = [Load(daemon.address, f"{number}-{n}", seed=100 * number + n) for n in range(CLIENTS)]
        for thread in load:
            thread.start()
        for thread in load:
            assert thread.progress.wait(DEADLINE_S)
        # Another moment in each round, so that every phase of a delivery is hit some time.
        threading.Event().wait(random.Random(number).uniform(0, 0.2))
        daemon.kill9()
        for thread in load:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
            if thread.error:
                raise thread.error
        kept += [entry for thread in load for entry in thread.kept]
        judge(daemon, kept)
    assert len(kept) >= ROUNDS * CLIENTS
    print(f"{ROUNDS} kills, {len(kept)} messages answered 250, none missing")


def test_stop_in_the_middle_of_load_loses_nothing(daemon):
    daemon.mailbox("bob").make()
    daemon.start()
    load = [Stoppable(daemon.address, f"stop-{n}", seed=n) for n in range(CLIENTS)]
    for thread in load:
        thread.start()
    for thread in load:
        assert thread.progress.wait(DEADLINE_S)
    daemon.stop()
    for thread in load:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        if thread.error:
            raise thread.error
    judge(daemon, [entry for thread in load for entry in thread.kept])
    # At a stop nothing is stored without its 250 either: each file was answered, or its client was told nothing.
    accepted = daemon.past_logs[0].find("accepted")
    assert len(accepted) >= sum(len(thread.kept) for thread in load)


class Stoppable(Load):
    """A 421 is the end of this load too."""

    def run(self):
        super().run()
        if isinstance(self.error, AssertionError) and "421" in str(self.error):
            self.error = None


@pytest.mark.parametrize("moment", ["before the end", "behind the end"])
def test_client_that_goes_away_at_the_end_of_data(server, moment):
    """Either the message is there, whole, or it is not there at all."""
    content = b"Subject: m\r\n\r\n" + b"x" * 100000 + b"\r\nEND m\r\n"
    for _ in range(10):
        with Client(server.address) as c:
            c.ehlo()
            c.envelope()
            c.expect(354, "DATA")
            c.send(content + (b".\r\n" if moment == "behind the end" else b""))
    server.log.wait("disconnect", count=10)
    with Client(server.address) as c:
        c.ehlo()
        assert c.message(b"Subject: last\r\n\r\nEND last\r\n").code == 250
    found = [whole(m) for m in server.mailbox("anna").messages()]
    assert found.count(b"m") <= (10 if moment == "behind the end" else 0)
    assert server.mailbox("anna").files("tmp") == []
