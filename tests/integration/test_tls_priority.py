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
    "TLS 1.0 and 1.1 are on only where the string asks for them or is LEGACY",
    gnutls=r"\w+ TLSv1(\.1)? .*")
SHA1 = Difference(
    "signatures with SHA-1 are on only where the string asks for them or is LEGACY: OpenSSL has them at security level 0",
    gnutls=r"signature TLSv1\.2 (RSA|ECDSA)\+SHA1")
CURVE = Difference(
    "OpenSSL shows an ECDSA certificate only to a client that knows its curve; GnuTLS below TLS 1.2 to all",
    gnutls=r"group TLSv1(\.1)? ECDSA (?!P-256).*")
SHA224 = Difference(
    "GnuTLS takes the word and does not sign with SHA-224 when it comes to it",
    ours=r"signature TLSv1\.2 RSA\+SHA224")
ECDSA = Difference(
    "SIGN-ECDSA-SHA256 and SIGN-ECDSA-SECP256R1-SHA256 are two words of GnuTLS, for TLS 1.2 and 1.3, and one algorithm "
    "of OpenSSL: whichever is taken away or added, it goes or comes for both",
    gnutls=r"signature TLSv1\.2 ECDSA\+SHA256", ours=r"signature TLSv1\.3 ECDSA\+SHA256")

ROWS = {
    "NORMAL": [OLD, SHA1],
    "PERFORMANCE": [OLD, SHA1],
    "PFS": [OLD, SHA1],
    "LEGACY": [CURVE],
    "SECURE128": [OLD],
    "SECURE192": [],
    "SECURE256": [],
    "SUITEB128": [],
    "SUITEB192": [],
}

SHORT = ()


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
