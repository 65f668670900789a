"""Priority strings held against GnuTLS itself.

tests/tools/tls-scan finds out what can be negotiated with a server: once with gnutls-serv --priority STRING, once with
tests/tools/tls-serve, which is our translation and nothing else, both with the same certificates. Every difference must
be one of those below, with its reason; one that is expected and does not show is a failure as well.
"""

import os
import random
import re
import socket
import subprocess
import threading
from dataclasses import dataclass

import pytest

from conftest import is_long
from daemon import binary, sanitizer_env
from pathlib import Path

DEADLINE_S = 120


@dataclass(frozen=True)
class Difference:
    """Lines of the scanner that only one of both has."""
    reason: str
    gnutls: str = "(?!)"  # what only GnuTLS takes
    ours: str = "(?!)"  # what only we take

    def explains(self, side, line):
        return re.fullmatch(self.gnutls if side == "gnutls" else self.ours, line) is not None


OLD = Difference(
    "TLS 1.0 and 1.1 are on only where the string asks for them or begins with LEGACY",
    gnutls=r"\w+ TLSv1(\.1)? .*")
OLD_11 = Difference(OLD.reason, gnutls=r"\w+ TLSv1\.1 .*")
SHA1 = Difference(
    "signatures with SHA-1 are on only where the string asks for them or has LEGACY: OpenSSL has them at level 0 only",
    gnutls=r"signature TLSv1\.2 (RSA|ECDSA)\+SHA1")
CURVE = Difference(
    "OpenSSL shows an ECDSA certificate only to a client that knows its curve; GnuTLS, below TLS 1.2, to all",
    gnutls=r"group TLSv1(\.1)? ECDSA (?!P-256).*")
SHA224 = Difference(
    "GnuTLS takes the words, and does not sign with SHA-224 when it comes to it",
    ours=r"signature TLSv1\.2 (RSA|ECDSA)\+SHA224")
ECDSA = Difference(
    "SIGN-ECDSA-SHA256 and SIGN-ECDSA-SECP256R1-SHA256 are two words of GnuTLS, for TLS 1.2 and 1.3, and one algorithm "
    "of OpenSSL: with either it goes for both",
    gnutls=r"signature TLSv1\.[23] ECDSA\+SHA256")
GAP = Difference(
    "GnuTLS does not come to TLS 1.3 where TLS 1.2 is off and an older version is on",
    ours=r".* TLSv1\.3( .*)?")
DHE = Difference(
    "without any group GnuTLS has no DHE; ours then takes ffdhe2048",
    ours=r"suite TLSv1(\.[12])? DHE-RSA-.*|(signature|extension) TLSv1\.2 .*")

ROWS = {
    # Keywords.
    "NORMAL": [OLD, SHA1],
    "PERFORMANCE": [OLD, SHA1],
    "PFS": [OLD, SHA1],
    "LEGACY": [CURVE],
    "SECURE128": [OLD],
    "SECURE192": [],
    "SECURE256": [],
    "SUITEB128": [],
    "SUITEB192": [],
    "LEGACY:SECURE256": [CURVE],
    "LEGACY:+PFS": [CURVE],
    "SECURE192:+SECURE128:-VERS-TLS1.3": [OLD],
    "SUITEB128:+VERS-TLS1.3:+ECDHE-RSA:+SIGN-RSA-PSS-RSAE-SHA256": [],
    # Versions.
    "NORMAL:+VERS-TLS1.0": [OLD_11, SHA1, CURVE],
    "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1": [SHA1, CURVE],
    "NORMAL:-VERS-TLS1.3": [OLD, SHA1],
    "NORMAL:-VERS-ALL:+VERS-TLS1.2": [SHA1],
    "NORMAL:-VERS-ALL:+VERS-TLS1.3": [],
    "LEGACY:-VERS-TLS1.1": [CURVE],
    "LEGACY:-VERS-TLS1.1:-VERS-TLS1.2": [CURVE, GAP],
    "LEGACY:-VERS-TLS-ALL:+VERS-TLS1.1": [CURVE],
    "LEGACY:!VERS-TLS1.0:!VERS-TLS1.3": [CURVE],
    # Key exchange, ciphers, MACs.
    "LEGACY:-RSA": [CURVE],
    "LEGACY:-DHE-RSA:-RSA": [CURVE],
    "LEGACY:-ECDHE-RSA:-ECDHE-ECDSA": [],
    "LEGACY:-KX-ALL:+ECDHE-ECDSA": [CURVE],
    "LEGACY:-ECDHE-ECDSA": [],
    "NORMAL:-VERS-ALL:+VERS-TLS1.2:+ANON-ECDH:+ANON-DH": [SHA1],
    "LEGACY:+ANON-ECDH:+ANON-DH": [CURVE],
    "LEGACY:-AES-128-CBC:-AES-256-CBC": [],
    "LEGACY:-CIPHER-ALL:+CHACHA20-POLY1305": [],
    "LEGACY:-CIPHER-ALL:+AES-128-CCM:+AES-256-CCM:+AES-128-CCM-8:+AES-256-CCM-8": [],
    "LEGACY:-CIPHER-ALL:+CAMELLIA-128-CBC:+CAMELLIA-256-CBC:+SHA256:+SHA384": [],
    "LEGACY:+SHA256:+SHA384": [CURVE],
    "LEGACY:-SHA1": [],
    "LEGACY:-AEAD": [CURVE],
    "LEGACY:-MAC-ALL:+SHA384": [],
    # Groups.
    "LEGACY:-GROUP-ALL:+GROUP-X25519": [CURVE],
    "LEGACY:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-X448": [CURVE],
    "LEGACY:-GROUP-ALL:+GROUP-FFDHE3072": [],
    "LEGACY:-GROUP-ALL": [DHE],
    "LEGACY:-CURVE-SECP256R1": [CURVE],
    "LEGACY:+GROUP-SECP192R1:+GROUP-SECP224R1": [CURVE],
    # Signatures.
    "LEGACY:-SIGN-ALL": [CURVE],
    "LEGACY:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256": [CURVE],
    "LEGACY:-SIGN-ALL:+SIGN-RSA-SHA512:+SIGN-ECDSA-SHA512": [CURVE],
    "LEGACY:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1": [CURVE],
    "LEGACY:-SIGN-ECDSA-SECP256R1-SHA256": [CURVE, ECDSA],
    "LEGACY:-SIGN-ECDSA-SHA256": [CURVE, ECDSA],
    "LEGACY:+SIGN-RSA-SHA224:+SIGN-ECDSA-SHA224": [CURVE, SHA224],
    "NORMAL:-VERS-ALL:+VERS-TLS1.2:+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1": [],
    # Options.
    "LEGACY:%SERVER_PRECEDENCE": [CURVE],
    "PERFORMANCE:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3:%SERVER_PRECEDENCE": [SHA1],
    "SECURE256:+SECURE128:-VERS-TLS1.0:-VERS-TLS1.1:%SERVER_PRECEDENCE": [],
    "SECURE128:-VERS-TLS1.0:-VERS-TLS1.1:+AES-128-CCM-8:-AES-256-GCM:+AES-256-GCM:%SERVER_PRECEDENCE": [],
    "LEGACY:%COMPAT": [CURVE],
    "LEGACY:%NO_ETM": [CURVE],
    "LEGACY:%NO_SESSION_HASH": [CURVE],
    "LEGACY:%NO_TICKETS": [CURVE],
    "LEGACY:%NO_TICKETS_TLS12": [CURVE],
    "LEGACY:%DISABLE_TLS13_COMPAT_MODE": [CURVE],
    "LEGACY:%SAFE_RENEGOTIATION:%FALLBACK_SCSV:%LATEST_RECORD_VERSION": [CURVE],
    "LEGACY:%PROFILE_FUTURE": [CURVE],
    # From nothing.
    "NONE:+VERS-TLS1.2:+RSA:+AES-128-GCM:+AEAD:+SIGN-ALL": [],
    "NONE:+VERS-TLS1.2:+ECDHE-RSA:+AES-256-CBC:+SHA384:+SIGN-RSA-SHA256:+GROUP-SECP384R1": [],
    "NONE:+VERS-TLS1.2:+ANON-DH:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-ALL": [],
    "NONE:+VERS-TLS1.3:+AES-256-GCM:+AEAD:+GROUP-X25519:+SIGN-RSA-PSS-RSAE-SHA384": [],
    "NONE:+VERS-TLS1.0:+RSA:+AES-128-CBC:+SHA1": [],
    "NONE:+VERS-TLS1.0:+VERS-TLS1.2:+ECDHE-RSA:+AES-128-CBC:+SHA1:+SIGN-RSA-SHA256:+GROUP-SECP256R1:+GROUP-X25519": [],
    # What OpenSSL does not have can be taken away.
    "SECURE128:-VERS-TLS1.0:-VERS-TLS1.1:-ARCFOUR-128:-3DES-CBC:-MD5:-VERS-SSL3.0:-COMP-DEFLATE": [],
}

# Each difference, and a string for each kind of word.
SHORT = (
    "NORMAL", "LEGACY", "SECURE256", "SUITEB128", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "LEGACY:-VERS-TLS1.1:-VERS-TLS1.2",
    "LEGACY:-KX-ALL:+ECDHE-ECDSA", "LEGACY:-GROUP-ALL", "LEGACY:-SIGN-ECDSA-SHA256",
    "LEGACY:+SIGN-RSA-SHA224:+SIGN-ECDSA-SHA224",
    "SECURE128:-VERS-TLS1.0:-VERS-TLS1.1:+AES-128-CCM-8:-AES-256-GCM:+AES-256-GCM:%SERVER_PRECEDENCE",
)


# ---- the two servers ----

def tool(name):
    path = Path(binary()).parent / "tests/tools" / name
    assert path.exists(), f"{path} is not built"
    return str(path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Certificate and key, of RSA-2048 and of ECDSA P-256."""
    path = tmp_path_factory.mktemp("tls-priority")
    made = []
    for name, key in (("rsa", ["rsa:2048"]), ("ecdsa", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
        files = [str(path / f"{name}.pem"), str(path / f"{name}.key")]
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-out", files[0],
                        "-keyout", files[1], "-newkey", *key], check=True, capture_output=True, timeout=60)
        made.append(files)
    return made


class Server:
    """A process that says in its first lines whether it listens; its output is read to the end all the time."""

    def __init__(self, command, ready, env=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env, text=True, errors="replace")
        self.lines = []
        self.match = None
        for line in self.process.stdout:
            self.lines.append(line)
            self.match = re.search(ready, line)
            if self.match:
                break
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines = (self.lines + [line])[-200:]

    def stop(self):
        self.process.stdin.close()
        if self.match is None or "gnutls-serv" in self.process.args[0]:
            self.process.kill()
        status = self.process.wait(timeout=DEADLINE_S)
        self.thread.join()
        return status


def our_server(priority, pairs):
    server = Server([tool("tls-serve"), priority, *sum(pairs, [])], r"^(\d+)$", sanitizer_env())
    assert server.match, "".join(server.lines)
    return server, int(server.match[1])


def gnutls_server(priority, pairs):
    """It cannot choose a port by itself, so a free one is named, and another when somebody was faster."""
    for _ in range(20):
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 0))
            port = probe.getsockname()[1]
        command = ["gnutls-serv", "--priority", priority, "--port", str(port), "--echo", "--disable-client-cert"]
        for certificate, key in pairs:
            command += ["--x509certfile", certificate, "--x509keyfile", key]
        server = Server(command, r"listening on IPv4 .* port \d+\.\.\.(.*)")
        if server.match and server.match[1] == "done":
            return server, port
        server.stop()
    raise AssertionError("gnutls-serv does not start:\n" + "".join(server.lines))


def scan(start, priority, pairs):
    server, port = start(priority, pairs)
    try:
        result = subprocess.run([tool("tls-scan"), str(port)], capture_output=True, text=True, timeout=DEADLINE_S,
                                env=sanitizer_env())
        assert result.returncode == 0, result.stderr
    finally:
        status = server.stop()
    assert start is gnutls_server or status == 0, "".join(server.lines)
    return set(result.stdout.splitlines())


# ---- what both take ----

@pytest.mark.parametrize("priority", ROWS if is_long() else SHORT)
def test_scanner_finds_the_same_as_with_gnutls(priority, pairs):
    ours, theirs = scan(our_server, priority, pairs), scan(gnutls_server, priority, pairs)
    assert ours and theirs, "nothing at all was negotiated"
    unexplained = []
    needed = set()
    for side, lines in (("gnutls", theirs - ours), ("ours", ours - theirs)):
        for line in sorted(lines):
            reasons = [d for d in ROWS[priority] if d.explains(side, line)]
            needed.update(reasons)
            if not reasons:
                unexplained.append(f"only {side}: {line}")
    assert not unexplained, "\n".join(unexplained)
    idle = [d.reason for d in ROWS[priority] if d not in needed]
    assert not idle, f"expected, and does not show: {idle}"


def test_every_difference_is_in_the_short_run():
    assert {d for row in ROWS.values() for d in row} - {OLD_11} == {d for name in SHORT for d in ROWS[name]}
    assert len(ROWS) >= 40


# ---- what both read ----

# Words that mean the same to both, so that the suites must be the same, in the same order.
WORDS = """
    AES-256-GCM AES-128-GCM AES-256-CBC AES-128-CBC AES-256-CCM AES-128-CCM AES-256-CCM-8 AES-128-CCM-8
    CHACHA20-POLY1305 CAMELLIA-256-CBC CAMELLIA-128-CBC CIPHER-ALL
    ECDHE-RSA ECDHE-ECDSA RSA DHE-RSA KX-ALL SHA1 SHA256 SHA384 AEAD MAC-ALL
    GROUP-X25519 GROUP-X448 GROUP-SECP256R1 GROUP-SECP384R1 CURVE-SECP521R1 GROUP-FFDHE2048 GROUP-FFDHE8192
    SIGN-RSA-SHA256 SIGN-RSA-SHA384 SIGN-RSA-PSS-RSAE-SHA256 SIGN-RSA-PSS-SHA512 SIGN-EDDSA-ED25519 SIGN-RSA-SHA224
    VERS-TLS1.1 VERS-TLS1.3 NORMAL PERFORMANCE SECURE128 SECURE192 SECURE256 SUITEB128 SUITEB192 PFS
""".split()
KEYWORDS = ("LEGACY", "SECURE192", "SECURE256", "SUITEB128", "SUITEB192", "NONE")
SUITE_NAMES = re.compile(r"^(TLS_\S+)", re.M)


def openssl_name(suite):
    """TLS_ECDHE_RSA_AES_128_CBC_SHA1 of GnuTLS in OpenSSL's words; what OpenSSL does not have stays as it is."""
    if re.match(r"TLS_(AES|CHACHA20)_", suite):
        return suite
    name = suite.removeprefix("TLS_").removeprefix("RSA_").replace("_", "-")
    name = name.replace("-EDE", "").replace("-CCM-8", "-CCM8").replace("-CBC-", "-").replace("SHA1", "SHA")
    return re.sub(r"(AES|CAMELLIA)-(128|256)", r"\1\2", name)


def gnutls_suites(priority):
    result = subprocess.run(["gnutls-cli", "--list", "--priority", priority], capture_output=True, text=True,
                            timeout=DEADLINE_S)
    return [openssl_name(name) for name in SUITE_NAMES.findall(result.stdout)]


def our_suites(priority):
    result = subprocess.run([binary(), "--explain-priority", priority], capture_output=True, text=True,
                            timeout=DEADLINE_S, env=sanitizer_env())
    assert result.returncode in (0, 65), result.stderr
    assert bool(result.stderr) == (result.returncode == 65)
    return re.findall(r"^suite (\S+)$", result.stdout, re.M)


def random_priority(dice):
    words = [dice.choice(KEYWORDS)]
    if words[0] == "NONE":
        words += ["+VERS-TLS-ALL", "+KX-ALL"]
    words += ["-VERS-DTLS-ALL"] + [dice.choice("+++--!") + dice.choice(WORDS) for _ in range(dice.randrange(1, 9))]
    # GnuTLS lists suites even where no group or signature is left for them.
    words += ["+SIGN-ALL", "+GROUP-ALL"]
    # Keywords cannot be taken away.
    return ":".join(re.sub(r"^[-!](?=NORMAL|PERF|SECURE|SUITEB|PFS)", "+", word) for word in words)


def test_suites_are_those_of_gnutls_in_its_order():
    dice = random.Random(int(os.environ.get("SEED", "1")))
    refused = 0
    for _ in range(1500 if is_long() else 60):
        priority = random_priority(dice)
        ours, theirs = our_suites(priority), gnutls_suites(priority)
        assert ours == [suite for suite in theirs if suite in ours], priority
        missing = [suite for suite in theirs if suite not in ours]
        assert missing == [], priority
        refused += not ours
    print(f"{refused} refused")


def explain(priority):
    return subprocess.run([binary(), "--explain-priority", priority], capture_output=True, text=True,
                          timeout=DEADLINE_S, env=sanitizer_env())


def test_explain_prints_what_results():
    lines = explain("SECURE256:%SERVER_PRECEDENCE").stdout.splitlines()
    assert lines[:3] == ["protocol TLSv1.3", "protocol TLSv1.2", "suite TLS_AES_256_GCM_SHA384"]
    assert [line for line in lines if line.startswith("group ")] == ["group P-384", "group P-521", "group ffdhe8192"]
    assert "signature rsa_pss_rsae_sha384" in lines and "option server-preference" in lines


def test_explain_names_the_word_that_is_wrong():
    result = explain("NORMAL:+AES-512-GCM")
    assert (result.returncode, result.stdout) == (65, "")
    assert result.stderr == 'smtpfrontd: "+AES-512-GCM" at character 8: unknown word\n'
