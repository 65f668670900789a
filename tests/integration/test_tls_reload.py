"""Certificates are replaced while sessions run: no session fails, none goes on in plain text, nothing leaks.

A pair that is broken is refused, the one before it stays, and one line of the log tells.
"""

import os
import shutil
import signal
import ssl
import threading

import pytest

from client import Client
from conftest import is_long
from daemon import DEADLINE_S
from test_tls import connect, works
from tls import Pair, TlsClient, client_context, plain_text

RELOADS = 200 if is_long() else 20


@pytest.fixture(scope="session")
def generations(pki):
    """Pairs that come one after another, each with a certificate of its own."""
    return [pki.ca.issue(f"generation{i}", kind=("ec", "rsa")[i % 2]) for i in range(4)]


class Installed(Pair):
    """The files that the daemon reads, which others are put in the place of."""

    def __init__(self, directory):
        super().__init__(directory, "installed")

    def put(self, cert, key):
        """As a careful administrator does it: each file appears at once and whole."""
        for source, target in ((cert, self.cert), (key, self.key)):
            fresh = target.with_suffix(".new")
            shutil.copyfile(source, fresh)
            fresh.chmod(0o600)
            os.replace(fresh, target)
        return self


BROKEN = {
    "key of another": lambda installed, pki: installed.put(pki.ec.cert, pki.client.key),
    "empty": lambda installed, pki: installed.put("/dev/null", pki.ec.key),
    "half a certificate": lambda installed, pki: installed.cert.write_bytes(pki.ec.cert.read_bytes()[:300]),
    "gone": lambda installed, pki: installed.cert.unlink(missing_ok=True),
}


@pytest.fixture
def installed(work_dir, generations):
    return Installed(work_dir).put(generations[0].cert, generations[0].key)


def reload(daemon, event="reload"):
    count = len(daemon.log.find(event))
    daemon.process.send_signal(signal.SIGHUP)
    return daemon.log.wait(event, count=count + 1)[-1]


def shown(daemon, context, how="smtps"):
    """The fingerprint of the certificate that a new session gets."""
    with connect(daemon, context, how) as c:
        der = c.tls.getpeercert(binary_form=True)
        c.ehlo()
        c.quit()
    return ssl.DER_cert_to_PEM_cert(der)


def leaf(pair):
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(
        pair.cert.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"))


def test_hangup_takes_the_new_pair_for_new_sessions_only(daemon, installed, generations, context):
    daemon.start_tls(installed)
    with connect(daemon, context, "starttls") as old:
        old.ehlo()
        old.envelope()
        installed.put(generations[1].cert, generations[1].key)
        assert reload(daemon)["changed"] == "0"
        for how in ("starttls", "smtps"):
            assert shown(daemon, context, how) == leaf(generations[1])
        old.expect(354, "DATA")
        old.send(b"x\r\n.\r\n")
        assert old.reply().code == 250
        old.quit()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pair_is_refused_and_the_old_one_stays(daemon, pki, installed, generations, context, name):
    daemon.start_tls(installed)
    BROKEN[name](installed, pki)
    line = reload(daemon, "reload_failed")
    assert "tls_" in line["text"] and str(installed.cert.parent) in line["text"]
    assert shown(daemon, context) == leaf(generations[0])
    assert shown(daemon, context, "starttls") == leaf(generations[0])
    installed.put(generations[2].cert, generations[2].key)
    reload(daemon)
    assert shown(daemon, context) == leaf(generations[2])


def test_files_that_change_are_taken_by_themselves(daemon, pki, installed, generations, context):
    """First a broken pair, then a good one, without a signal."""
    daemon.expect_trouble("kept as they were")
    daemon.start_tls(installed)
    installed.put(generations[1].cert, pki.client.key)
    assert daemon.log.wait("tls_reload")[0]["listeners"] == "0"
    assert shown(daemon, context) == leaf(generations[0])
    installed.put(generations[1].cert, generations[1].key)
    assert daemon.log.wait("tls_reload", count=2)[1]["kept"] == "0"
    assert shown(daemon, context) == leaf(generations[1])


class Load:
    """Sessions one after another that send a message each, by STARTTLS and SMTPS in turn."""

    def __init__(self, daemon, context, threads=4):
        self.daemon, self.context = daemon, context
        self.stop = threading.Event()
        self.done, self.failures = 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(threads)]

    def _session(self, i):
        how = ("starttls", "smtps")[i % 2]
        with connect(self.daemon, self.context, how) as c:
            c.ehlo()
            assert c.message(b"Subject: x\r\n\r\nx\r\n").code == 250
            c.quit()

    def _run(self, i):
        while not self.stop.is_set():
            try:
                self._session(i)
            except Exception as e:  # whatever it is, it is what the test looks for
                self.failures.append(repr(e))
                return
            with self.lock:
                self.done += 1
            i += 1

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(DEADLINE_S)


def test_reloads_under_load_fail_no_session_and_leak_nothing(daemon, pki, installed, generations, context):
    daemon.settings["backends"] = {"inbox": {"type": "null"}}
    daemon.measure_memory().start_tls(installed, max_sessions_per_client=200)
    works(daemon, context)
    sizes, broken = [], list(BROKEN.values())
    # A session that lives through all of it.
    with connect(daemon, context, "smtps") as witness, Load(daemon, context) as load:
        for i in range(RELOADS):
            if i % 2:
                broken[i // 2 % len(broken)](installed, pki)
                reload(daemon, "reload_failed")
            else:
                pair = generations[i // 2 % len(generations)]
                installed.put(pair.cert, pair.key)
                reload(daemon)
            assert plain_text(daemon, 1)[:1] in (b"", b"\x15")
            with Client(daemon.address) as c:
                assert "STARTTLS" in c.ehlo().text
            sizes.append((daemon.resident_kib(), daemon.descriptors()))
        witness.expect(250, "NOOP")
        witness.quit()
    assert load.failures == [] and load.done >= RELOADS
    ended = daemon.log.find("disconnect")
    assert {line["reason"] for line in ended if "tls" in line} == {"quit"}
    # Four generations have been seen by then, and all threads have had their arenas.
    quarter = max(8, RELOADS // 4)
    grown = max(kib for kib, _ in sizes[-5:]) - max(kib for kib, _ in sizes[:quarter])
    assert grown < (1024 if RELOADS > 100 else 4096), f"{grown} KiB in {RELOADS} reloads: {sizes}"
    print(f"{RELOADS} reloads, {load.done} sessions, resident {sizes[quarter][0]} KiB then {sizes[-1][0]} KiB")
    assert shown(daemon, context) in [leaf(g) for g in generations]


def test_session_that_is_shaking_hands_keeps_the_pair_it_began_with(daemon, installed, generations, pki):
    """The context of a session lives as long as the session, whatever is loaded meanwhile."""
    daemon.start_tls(installed)
    with Client(daemon.address) as c:
        c.ehlo()
        c.expect(220, "STARTTLS")
        installed.put(generations[1].cert, generations[1].key)
        reload(daemon)
        client = TlsClient.__new__(TlsClient)
        client.__dict__.update(c.__dict__, context=client_context(pki), server_hostname="mx.example.org", session=None)
        client.secure()
        assert ssl.DER_cert_to_PEM_cert(client.tls.getpeercert(binary_form=True)) == leaf(generations[0])
        client.ehlo()
        client.quit()
