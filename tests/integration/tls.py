"""TLS for the tests: certificates that are made on the spot, and a client that keeps the socket in its own hands.

TlsSocket runs TLS over memory, so that a test decides which bytes go out in which segment, what is sent beside TLS,
and how the connection ends. TlsClient is client.Client on top of it, from the first byte on or after STARTTLS.
"""

import socket
import ssl
import struct
import subprocess
import warnings
from pathlib import Path

from client import Client
from daemon import DEADLINE_S

NAME = "mx.example.org"


def openssl(*arguments, data=None):
    result = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, timeout=DEADLINE_S,
                            stdin=None if data else subprocess.DEVNULL)
    assert result.returncode == 0, f"openssl {arguments}: {result.stderr.decode()}"
    return result.stdout


class Pair:
    """A certificate with its chain, and its key."""

    def __init__(self, directory, name):
        self.cert = directory / f"{name}.crt"
        self.key = directory / f"{name}.key"

    def settings(self):
        return {"tls_certfile": str(self.cert), "tls_keyfile": str(self.key)}

    def fingerprint(self):
        text = openssl("x509", "-in", self.cert, "-noout", "-fingerprint", "-sha256").decode()
        return text.strip().partition("=")[2].replace(":", "").lower()


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, directory, name="Test CA"):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.cert = self.directory / "ca.crt"
        self.key = self.directory / "ca.key"
        self.serial = 0
        self._new_key(self.key, "ec")
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", 30, "-sha256", "-subj",
                f"/CN={name}", "-addext", "basicConstraints=critical,CA:true", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign")

    @staticmethod
    def _new_key(path, kind):
        how = {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
               "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}[kind]
        path.write_bytes(openssl("genpkey", *how))
        path.chmod(0o600)

    def issue(self, name, names=(NAME, "localhost"), kind="ec", days=90, usage="serverAuth", common_name=None):
        """A pair of files: the certificate with ours behind it, and the key."""
        pair = Pair(self.directory, name)
        self._new_key(pair.key, kind)
        self.serial += 1
        extensions = self.directory / f"{name}.ext"
        sans = ",".join([f"DNS:{n}" for n in names] + ["IP:127.0.0.1"])
        extensions.write_text("basicConstraints=critical,CA:false\n"
                              f"keyUsage=critical,digitalSignature{',keyEncipherment' if kind == 'rsa' else ''}\n"
                              f"extendedKeyUsage={usage}\nsubjectAltName={sans}\n")
        request = openssl("req", "-new", "-key", pair.key, "-subj", f"/CN={common_name or names[0]}")
        leaf = openssl("x509", "-req", "-CA", self.cert, "-CAkey", self.key, "-set_serial", self.serial + 1000,
                       "-days", days, "-sha256", "-extfile", extensions, data=request)
        pair.cert.write_bytes(leaf + self.cert.read_bytes())
        return pair


class Pki:
    """What most tests need, made once."""

    def __init__(self, directory):
        self.ca = Authority(directory / "ca")
        self.ec = self.ca.issue("ec")
        self.rsa = self.ca.issue("rsa", kind="rsa")
        self.client = self.ca.issue("client", names=("client.example.net",), usage="clientAuth")
        self.stranger = Authority(directory / "stranger", "Another CA").issue(
            "stranger", names=("client.example.net",), usage="clientAuth")


def client_context(pki, version=None, alpn=None, pair=None, ciphers=None, verify=True):
    """A client that believes in the test CA. A version older than 1.2 takes what is weak along."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ca.cert)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        ciphers = ciphers or "ALL:@SECLEVEL=0"
    if ciphers:
        context.set_ciphers(ciphers)
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tested
            context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    if pair:
        context.load_cert_chain(pair.cert, pair.key)
    return context


class TlsSocket:
    """Looks like a socket to Client. `raw` is the TCP socket, `tls` the ssl.SSLObject."""

    def __init__(self, raw, context, server_hostname=NAME, session=None):
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=server_hostname, session=session)
        self.has_close_notify = False

    def _flush(self):
        data = self.outgoing.read()
        if data:
            self.raw.sendall(data)

    def _fill(self):
        """More from the wire. False: it is closed."""
        data = self.raw.recv(65536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return bool(data)

    def flight(self):
        """The next bytes of the handshake that we would send; it goes no further."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return self
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                self._flush()  # our alert
                raise

    def records(self, data):
        """The bytes that would carry `data`, not sent."""
        self.tls.write(data)
        return self.outgoing.read()

    def close_notify(self):
        """The record that says that we send no more, not sent."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        return self.outgoing.read()

    def sendall(self, data):
        data = memoryview(data)
        while data:
            data = data[self.tls.write(data[:65536]):]
            self._flush()

    def recv(self, size):
        while True:
            try:
                data = self.tls.read(size)
                self.has_close_notify |= not data
                return data
            except ssl.SSLWantReadError:
                self._flush()
                if not self._fill():
                    return b""
            except ssl.SSLZeroReturnError:
                self.has_close_notify = True
                return b""
            except ssl.SSLEOFError:
                return b""

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def shutdown(self, how):
        self.raw.sendall(self.close_notify())
        self.raw.shutdown(how)

    def close(self):
        self.raw.close()

    def reset(self):
        reset(self.raw)


def reset(raw):
    """Close a TCP socket with RST."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


class TlsClient(Client):
    """immediate: TLS from the first byte; otherwise call starttls()."""

    def __init__(self, address, context, immediate=True, server_hostname=NAME, session=None, **options):
        super().__init__(address, greeting=not immediate, **options)
        self.context, self.server_hostname, self.session = context, server_hostname, session
        if immediate:
            self.secure()
            self.greeting = self.reply()

    @property
    def raw(self):
        return self.socket.raw

    @property
    def tls(self):
        return self.socket.tls

    def secure(self):
        assert self.buffer == b"", "bytes that came in plain text must not pass for bytes that came over TLS"
        self.socket = TlsSocket(self.socket, self.context, self.server_hostname, self.session)
        self.socket.handshake()

    def starttls(self):
        self.expect(220, "STARTTLS")
        self.secure()
        return self

    def is_closed_well(self):
        """Wait for the server's close_notify."""
        return self.is_closed() and self.socket.has_close_notify


def plain_text(daemon, listener):
    """All bytes that a listener sends to a client that says nothing but EHLO, in plain text."""
    with socket.create_connection(("127.0.0.1", daemon.ports[listener]), timeout=DEADLINE_S) as s:
        s.sendall(b"EHLO client.example.net\r\nQUIT\r\n")
        data = b""
        try:
            while more := s.recv(65536):
                data += more
        except ConnectionError:
            pass
        return data
