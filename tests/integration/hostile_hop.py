"""A next hop that does as it is told: an SMTP or LMTP server, good or bad, on TCP or a unix socket.

A good Hop records each message that it took, byte for byte, and every line it was told. Fault makes it bad at one
step of the dialogue: it closes, stalls, answers late, early, twice, too long, or with what is no reply. The steps
are "greeting", "hello", "starttls", "auth", "xclient", "xforward", "mail", "rcpt", "data", "content" (while the
content comes), "end" (the reply to it), "rset" and "quit".
"""

import base64
import socket
import ssl
import struct
import threading
from pathlib import Path

from daemon import DEADLINE_S

VERBS = {"EHLO": "hello", "LHLO": "hello", "HELO": "hello", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data",
         "BDAT": "data", "RSET": "rset", "QUIT": "quit", "STARTTLS": "starttls", "AUTH": "auth",
         "XCLIENT": "xclient", "XFORWARD": "xforward", "NOOP": "noop"}
STEPS = ("greeting", "hello", "mail", "rcpt", "data", "content", "end")
DEFAULT_FEATURES = ("PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


class Gone(Exception):
    """The connection is over."""


class Taken:
    """A message that the hop answered with 250, at least for one recipient."""

    def __init__(self, connection, sender, parameters, recipients, content):
        self.connection = connection
        self.sender = sender
        self.parameters = parameters    # of MAIL, in upper case
        self.recipients = recipients    # those whose reply was positive
        self.content = content          # with CRLF, dots unstuffed

    @property
    def body(self):
        """Without the fields that were added in front, which end where our Received field does."""
        head, sep, rest = self.content.partition(b"\r\n")
        assert head.startswith(b"Received: "), f"no Received field in front: {self.content[:200]!r}"
        while rest[:1] in (b" ", b"\t"):
            head, sep, rest = rest.partition(b"\r\n")
        return rest

    def __repr__(self):
        return f"<Taken {self.sender} -> {self.recipients} by #{self.connection}: {self.content[-60:]!r}>"


class Fault:
    """At `step`, of the connections numbered in `on` (None: all), for `times` times (None: always), do `action`.

    The action gets the connection and the reply that would be good, as bytes; what it returns is sent instead.
    """

    def __init__(self, step, action, times=1, on=None, skip=0):
        self.step, self.action, self.times, self.on, self.skip = step, action, times, on, skip
        self.hits = 0

    def matches(self, connection, step):
        return step == self.step and self.times != 0 and (self.on is None or connection.number in self.on)


# ---- what can be wrong with an answer ----

def say(text):
    """Another reply than the good one."""
    return lambda connection, reply: text if isinstance(text, bytes) else text.encode() + b"\r\n"


def close(connection, reply):
    raise Gone


def reset(connection, reply):
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Gone


def half(connection, reply):
    """The first half of the reply, then the end."""
    connection.send(reply[:max(1, len(reply) // 2)])
    raise Gone


def half_close(connection, reply):
    """The good reply, and no more after it."""
    connection.send(reply)
    connection.socket.shutdown(socket.SHUT_WR)
    connection.drain()
    raise Gone


def stall(connection, reply):
    """Nothing until the peer gives up."""
    connection.drain()
    raise Gone


def late(connection, reply):
    """The good reply, when the peer has given up."""
    connection.drain()
    try:
        connection.send(reply)
    except OSError:
        pass
    raise Gone


def twice(connection, reply):
    return reply + reply


def early(connection, reply):
    """The reply to the next command at once."""
    return reply + b"250 2.0.0 That was quick\r\n"


def bare_lf(connection, reply):
    return reply.replace(b"\r\n", b"\n")


def long_line(connection, reply):
    """10 MB in one line."""
    code = reply[:3] + b" "
    try:
        connection.send(code + b"x" * 10_000_000 + b"\r\n")
    except OSError:
        pass
    raise Gone


def many_lines(connection, reply):
    """10 MB in lines of one reply."""
    line = reply[:3] + b"-" + b"y" * 90 + b"\r\n"
    try:
        for _ in range(100):
            connection.send(line * 1060)
        connection.send(reply[:3] + b" end\r\n")
    except OSError:
        pass
    raise Gone


def endless(connection, reply):
    """A reply that never ends, as fast as it is taken."""
    try:
        while True:
            connection.send(b"250-" + b"z" * 60 + b"\r\n")
    except OSError:
        pass
    raise Gone


NOISE = {
    "no_code": b"hello there\r\n",
    "code_999": b"999 what\r\n",
    "code_199": b"199 what\r\n",
    "short_code": b"25 ok\r\n",
    "mixed_codes": b"250-one\r\n550 two\r\n",
    "empty_line": b"\r\n",
    "nul": b"250 a\0b\r\n\0\0\0\r\n",
    "bare_cr": b"250 a\r250 b\r\r\n",
    "binary": bytes(range(128, 256)) + b"\r\n",
    "go_ahead": b"354 what are you waiting for\r\n",
    "closing": b"421 4.3.2 I am going\r\n",
}

FAULTS = {
    "close": close, "reset": reset, "half": half, "stall": stall, "late": late, "twice": twice, "early": early,
    "bare_lf": bare_lf, "long_line": long_line, "many_lines": many_lines, "endless": endless,
    **{name: say(text) for name, text in NOISE.items()},
}


# ---- the hop ----

class Connection:
    def __init__(self, hop, sock, number):
        self.hop, self.socket, self.number = hop, sock, number
        self.buffer = b""
        self.is_tls = False
        self.user = None
        self.lines = []
        self.last_content = b""         # what came last of a message
        self.clear()

    def clear(self):
        self.sender = None
        self.parameters = []
        self.recipients = []
        self.chunks = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            raise Gone
        self.buffer += data

    def drain(self):
        """Read until the peer ends it."""
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        assert line.endswith(b"\r"), f"a command line must end in CRLF: {line!r}"
        assert b"\r" not in line[:-1], f"a CR within a command line: {line!r}"
        return line[:-1]

    def content(self):
        """What comes up to CRLF.CRLF, unstuffed; bare CR or LF in it is an error of the one we test."""
        # The line end in front stands for that of DATA.
        pieces, tail = [b"\r\n"], b"\r\n"
        while b"\r\n.\r\n" not in tail:
            if not self.buffer:
                self.more()
            pieces.append(self.buffer)
            tail, self.buffer = tail[-4:] + self.buffer, b""
            self.hop.came(self, tail)
        text, _, self.buffer = b"".join(pieces).partition(b"\r\n.\r\n")
        text = text[2:] + b"\r\n" if text else b""
        bare = text.replace(b"\r\n", b"")
        if b"\r" in bare or b"\n" in bare:
            self.hop.complain(f"bare CR or LF came: {text[:200]!r}")
        lines = text.split(b"\r\n")
        for line in lines:
            if line.startswith(b".") and not line.startswith(b".."):
                self.hop.complain(f"a dot was not stuffed: {line!r}")
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)

    def answer(self, step, reply, said=None):
        """Say `reply`, unless a fault has something else for this step. said() gets the code before it is out."""
        if isinstance(reply, str):
            reply = reply.encode() + b"\r\n"
        fault = self.hop.take_fault(self, step)
        if fault:
            reply = fault.action(self, reply)
        code = int(reply[:3]) if reply[:3].isdigit() else 0
        if said:
            said(code)
        self.send(reply)
        return code

    def end_of_content(self, content):
        taken = Taken(self.number, self.sender, self.parameters, [], content)

        def keep(recipients):
            return lambda code: 200 <= code < 300 and self.hop.keep(taken, recipients)

        if self.hop.lmtp:
            for recipient in self.recipients:
                self.answer("end", self.hop.verdict(self, recipient), keep([recipient]))
        else:
            self.answer("end", self.hop.verdict(self, None), keep(self.recipients))
        self.clear()

    def hello(self, verb):
        if verb == "HELO":
            return self.answer("hello", f"250 {self.hop.name}")
        features = [f for f in self.hop.features if not (self.is_tls and f == "STARTTLS")]
        lines = [self.hop.name, *features]
        return self.answer("hello", "".join(f"250{' ' if i == len(lines) - 1 else '-'}{line}\r\n"
                                             for i, line in enumerate(lines)).encode())

    def starttls(self):
        if self.answer("starttls", "220 2.0.0 Go on") == 220:
            self.socket = self.hop.tls.wrap_socket(self.socket, server_side=True)
            self.is_tls = True

    def auth(self, rest):
        mechanism, _, initial = rest.partition(b" ")
        if mechanism.upper() == b"PLAIN":
            if not initial:
                self.send(b"334 \r\n")
                initial = self.line()
            _, user, password = base64.b64decode(initial).split(b"\0")
        else:
            self.send(b"334 " + base64.b64encode(b"Username:") + b"\r\n")
            user = base64.b64decode(self.line())
            self.send(b"334 " + base64.b64encode(b"Password:") + b"\r\n")
            password = base64.b64decode(self.line())
        if self.hop.users.get(user.decode()) == password.decode():
            self.user = user.decode()
            self.answer("auth", "235 2.7.0 Welcome")
        else:
            self.answer("auth", "535 5.7.8 Who are you")

    def path(self, rest):
        """Of "FROM:<a@b> X Y": the address and the parameters."""
        path, _, parameters = rest.partition(b":")[2].strip().partition(b">")
        return path.lstrip(b"<").decode(), parameters.decode().split()

    def mail(self, rest):
        sender, parameters = self.path(rest)
        if self.sender is not None:
            self.hop.complain("MAIL within a transaction")
        reply = self.hop.answers.get(f"<{sender}>", "250 2.1.0 Sender ok")
        if 200 <= self.answer("mail", reply) < 300:
            self.sender, self.parameters = sender, parameters

    def rcpt(self, rest):
        recipient, parameters = self.path(rest)
        if self.sender is None:
            self.answer("rcpt", "503 5.5.1 MAIL first")
            return
        reply = self.hop.answers.get(recipient, "250 2.1.5 Recipient ok")
        self.hop.recipient_parameters[recipient] = parameters
        if 200 <= self.answer("rcpt", reply) < 300:
            self.recipients.append(recipient)

    def data(self):
        if not self.recipients:
            self.answer("data", "503 5.5.1 RCPT first")
            return
        if self.answer("data", "354 Go on") != 354:
            return
        fault = self.hop.take_fault(self, "content")
        if fault:
            while len(self.buffer) < 100:
                self.more()
            reply = fault.action(self, b"250 2.0.0 Enough\r\n")
            self.send(reply)
        self.end_of_content(self.content())

    def bdat(self, rest):
        size, _, last = rest.partition(b" ")
        while len(self.buffer) < int(size):
            self.more()
        self.chunks += self.buffer[:int(size)]
        self.buffer = self.buffer[int(size):]
        if not last:
            self.answer("data", "250 2.0.0 Chunk ok")
        else:
            self.end_of_content(self.chunks)

    def command(self, line):
        self.lines.append(line)
        self.hop.heard(self, line)
        word, _, rest = line.partition(b" ")
        verb = word.decode("latin-1").upper()
        if verb in ("EHLO", "LHLO", "HELO"):
            self.hello(verb)
        elif verb == "MAIL":
            self.mail(rest)
        elif verb == "RCPT":
            self.rcpt(rest)
        elif verb == "DATA":
            self.data()
        elif verb == "BDAT":
            self.bdat(rest)
        elif verb == "RSET":
            self.clear()
            self.answer("rset", "250 2.0.0 Forgotten")
        elif verb == "STARTTLS":
            self.starttls()
        elif verb == "AUTH":
            self.auth(rest)
        elif verb == "XCLIENT":
            self.clear()
            self.answer("xclient", f"220 {self.hop.name} again")
        elif verb == "XFORWARD":
            self.answer("xforward", "250 2.0.0 Noted")
        elif verb == "QUIT":
            self.answer("quit", "221 2.0.0 Bye")
            raise Gone
        else:
            self.hop.complain(f"unknown command {line!r}")
            self.send(b"500 5.5.1 What\r\n")

    def run(self):
        try:
            if self.hop.immediate:
                self.socket = self.hop.tls.wrap_socket(self.socket, server_side=True)
                self.is_tls = True
            self.answer("greeting", f"220 {self.hop.name} {'LMTP' if self.hop.lmtp else 'ESMTP'}")
            while True:
                self.command(self.line())
        except (Gone, OSError):
            pass
        except AssertionError as error:
            self.hop.complain(str(error))
        finally:
            self.socket.close()
            self.hop.ended(self)


class Hop:
    def __init__(self, lmtp=False, path=None, features=DEFAULT_FEATURES, tls=None, immediate=False, users=None,
                 name="hop.example.org"):
        self.lmtp, self.path, self.features, self.tls, self.immediate = lmtp, path, tuple(features), tls, immediate
        self.users = users or {}
        self.name = name
        self.answers = {}               # replies by recipient, or by "<sender>"
        self.verdicts = {}              # replies to the content: by recipient (LMTP), or under None
        self.recipient_parameters = {}
        self.faults = []
        self.taken = []
        self.heard_lines = []           # (connection, line)
        self.complaints = []
        self.connections = []
        self.open_count = 0
        self.changed = threading.Condition()
        self.listener = None
        self.port = None
        self.listen()

    # -- for tests --

    @property
    def address(self):
        return f"unix:{self.path}" if self.path else f"127.0.0.1:{self.port}"

    def listen(self):
        if self.path:
            Path(self.path).unlink(missing_ok=True)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.path))
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", self.port or 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(128)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def unlisten(self):
        """Refuse new connections; those that are open stay."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.path:
            Path(self.path).unlink(missing_ok=True)

    def hang_up(self):
        """End all connections, as a server does that is restarted."""
        with self.changed:
            open_now = list(self.connections)
        for connection in open_now:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.wait(lambda: self.open_count == 0, "all connections to be over")

    def close(self):
        try:
            self.unlisten()
        except OSError:
            pass
        self.hang_up()

    def fault(self, step, action, **options):
        fault = Fault(step, FAULTS.get(action, action) if isinstance(action, str) else action, **options)
        with self.changed:
            self.faults.append(fault)
        return fault

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(condition, DEADLINE_S):
                raise AssertionError(f"waited in vain for {what}; taken: {self.taken}; heard: {self.heard_lines[-20:]}")

    def wait_taken(self, count):
        self.wait(lambda: len(self.taken) >= count, f"{count} messages")
        return self.taken

    def wait_heard(self, start, count=1):
        """Wait for `count` command lines that begin like this."""
        self.wait(lambda: len(self.said(start)) >= count, f"{count} times {start}")
        return self.said(start)

    def said(self, start):
        return [line for _, line in self.heard_lines if line.upper().startswith(start.upper().encode())]

    def check_clean(self):
        assert not self.complaints, self.complaints

    # -- for connections --

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(DEADLINE_S * 4)
            with self.changed:
                connection = Connection(self, sock, len(self.connections))
                self.connections.append(connection)
                self.open_count += 1
                self.changed.notify_all()
            threading.Thread(target=connection.run, daemon=True).start()

    def ended(self, connection):
        with self.changed:
            self.open_count -= 1
            self.changed.notify_all()

    def heard(self, connection, line):
        with self.changed:
            self.heard_lines.append((connection.number, line))
            self.changed.notify_all()

    def came(self, connection, content):
        with self.changed:
            connection.last_content = content
            self.changed.notify_all()

    def keep(self, taken, recipients):
        with self.changed:
            taken.recipients += recipients
            if taken not in self.taken:
                self.taken.append(taken)
            self.changed.notify_all()

    def complain(self, text):
        with self.changed:
            self.complaints.append(text)
            self.changed.notify_all()

    def verdict(self, connection, recipient):
        return self.verdicts.get(recipient, "250 2.0.0 Taken")

    def take_fault(self, connection, step):
        with self.changed:
            for fault in self.faults:
                if not fault.matches(connection, step):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                fault.hits += 1
                self.changed.notify_all()
                return fault
        return None
