"""An SMTP client that does as it is told, good or bad, on a raw socket."""

import socket
import time

from daemon import DEADLINE_S


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.status = lines[-1][4:].split(" ")[0]
        self.text = "\n".join(line[4:] for line in lines)

    def __repr__(self):
        return " / ".join(self.lines)


class Closed(Exception):
    """The server closed the connection where a reply was due."""


class Client:
    def __init__(self, address, greeting=True, family=socket.AF_INET, receive_buffer=None, source=None):
        self.socket = socket.socket(family)
        self.socket.settimeout(DEADLINE_S)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise Closed(f"closed after {self.buffer!r}")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply line must end in CRLF: {line!r}"
        return line[:-1].decode("ascii")

    def reply(self):
        lines = [self._line()]
        while lines[-1][3:4] == "-":
            lines.append(self._line())
        assert len({line[:3] for line in lines}) == 1, f"one reply, one code: {lines}"
        return Reply(lines)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def command(self, line):
        self.send((line if isinstance(line, bytes) else line.encode("latin-1")) + b"\r\n")
        return self.reply()

    def expect(self, code, line):
        reply = self.command(line)
        assert reply.code == code, f"{line!r}: {reply}, not {code}"
        return reply

    def ehlo(self):
        return self.expect(250, "EHLO client.example.net")

    def envelope(self, *recipients, sender="sender@example.net"):
        self.expect(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients or ("anna@example.org",):
            self.expect(250, f"RCPT TO:<{recipient}>")

    def message(self, content, *recipients, sender="sender@example.net"):
        """A whole transaction; content has its own line ends and is dot-stuffed here. The reply after the dot."""
        self.envelope(*recipients, sender=sender)
        self.expect(354, "DATA")
        self.send(stuff(content) + b".\r\n")
        return self.reply()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """All that comes until the server closes."""
        data = self.buffer
        self.buffer = b""
        while True:
            more = self.socket.recv(65536)
            if not more:
                return data
            data += more

    def rest_codes(self):
        """Codes of all replies that come until the server closes."""
        return [int(line[:3]) for line in self.rest().split(b"\r\n") if line and line[3:4] == b" "]

    def is_closed(self):
        """Wait for the server to close; False when it says something instead."""
        return self.buffer == b"" and self.socket.recv(1) == b""

    def quit(self):
        self.expect(221, "QUIT")
        assert self.is_closed()


def stuff(content):
    """CRLF content as it goes over the wire: dots stuffed, ending in CRLF."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")


def stored(content):
    """What the Maildir must hold of content that was sent with CRLF."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    return content.replace(b"\r\n", b"\n")


def elapsed(function):
    begin = time.monotonic()
    result = function()
    return time.monotonic() - begin, result
