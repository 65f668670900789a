"""Stand-ins for systemd: a notify socket, and sockets that are handed over and outlive the daemon."""

import fcntl
import re
import socket
import time

from daemon import DEADLINE_S


class NotifySocket:
    """What systemd has at the other end of NOTIFY_SOCKET."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = []

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.path, **more}

    def receive(self, timeout):
        """One more message, as a dictionary; None: none came in time."""
        self.socket.settimeout(timeout)
        try:
            text = self.socket.recv(4096).decode()
        except (TimeoutError, BlockingIOError):
            return None
        message = dict(line.partition("=")[::2] for line in text.splitlines())
        self.messages.append(message)
        return message

    def fill(self):
        """Let nothing more go in until something is received."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(self.path)
            s.setblocking(False)
            try:
                while True:
                    s.send(b"FILLED=1")
            except BlockingIOError:
                pass

    def wait(self, key, value=None):
        """The next message that has this key, with this value; what comes before it is passed over."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            message = self.receive(max(0.01, end - time.monotonic()))
            if message and key in message and (value is None or re.search(value, message[key])):
                return message
        raise AssertionError(f"no {key}={value} in {self.messages}")

    def drain(self):
        """Throw away what has come so far."""
        while self.receive(0.0001):
            pass

    def close(self):
        self.socket.close()


class KeptSockets:
    """Listening sockets that are handed over to one daemon after another."""

    def __init__(self, **names):
        """names: how many sockets by each name."""
        self.sockets = []
        for name, count in names.items():
            for _ in range(count):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", 0))
                s.listen(1024)
                far = socket.socket(fileno=fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 200))
                s.close()
                self.sockets.append((name, far))

    def address(self, i=0):
        return self.sockets[i][1].getsockname()

    def environment(self):
        return {"LISTEN_FDS": str(len(self.sockets)), "LISTEN_FDNAMES": ":".join(name for name, _ in self.sockets)}

    def wrap(self):
        """The daemon believes only in descriptors from 3 on that were meant for its own process."""
        moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(self.descriptors()))
        return "/bin/bash", "-c", f'LISTEN_PID=$$ exec "$@" {moves}', "activate"

    def descriptors(self):
        """Far from those that they will be."""
        return tuple(s.fileno() for _, s in self.sockets)

    def close(self):
        for _, s in self.sockets:
            s.close()
