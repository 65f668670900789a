"""The daemon under test, in a directory of its own.

Daemon writes a configuration, starts the binary that SMTPFRONTD names, waits for its ready line, and collects its
log through a pipe, so that every wait is for a line and has a deadline. check_clean() is what fails a test on a
sanitizer report, a bug or a warning that the test did not announce.
"""

import os
import re
import resource
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

DEADLINE_S = float(os.environ.get("SMTPFRONTD_TEST_DEADLINE", "30"))
TOP = Path(__file__).resolve().parents[2]

# Events of warnings and errors; a log that does not go to a journal does not tell levels.
WARNINGS = ("trouble", "limit", "config", "start_failed", "needs_restart", "auth_hangs")
# The last one is valgrind's, which is told to be quiet otherwise.
SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|^==\d+== ")
LINE = re.compile(r"^(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<id>\S+) (?P<event>[a-z_]+)(?P<rest>.*)$")
PAIR = re.compile(r' (?P<key>[a-z0-9_]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]*)(?:\.\.\.)?')
ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(.))")


def binary():
    path = os.environ.get("SMTPFRONTD")
    if not path:
        raise RuntimeError("SMTPFRONTD must name the smtpfrontd binary to test")
    return str(Path(path).resolve())


def command(*arguments):
    """The command line of the daemon; SMTPFRONTD_WRAPPER may put something in front, such as "valgrind -q"."""
    return [*shlex.split(os.environ.get("SMTPFRONTD_WRAPPER", "")), binary(), *map(str, arguments)]


def sanitizer_env(asan=""):
    env = dict(os.environ)
    env.pop("JOURNAL_STREAM", None)
    env["ASAN_OPTIONS"] = "exitcode=99:detect_leaks=1:abort_on_error=0:allocator_may_return_null=1" + asan
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:exitcode=99"
    env["LSAN_OPTIONS"] = "exitcode=99"
    env["TSAN_OPTIONS"] = "exitcode=99"
    return env


def unquote(value):
    if not value.startswith('"'):
        return value
    return ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[2], value[1:-1])


class LogLine(dict):
    """One line of the log: its values by key, its text in .text, "" and None for what is not a log line."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        match = LINE.match(text)
        self.id = match["id"] if match else None
        self.event = match["event"] if match else None
        # What the pairs leave over shows that a value was able to break out of its quotes.
        self.leftover = PAIR.sub("", match["rest"]) if match else ""
        if match:
            self.update((m["key"], unquote(m["value"])) for m in PAIR.finditer(match["rest"]))


class Log:
    """Lines as they arrive from a pipe, with waiting."""

    def __init__(self, stream):
        self.lines = []
        self.is_over = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for raw in stream:
            with self.changed:
                self.lines.append(LogLine(raw.decode("utf-8", "backslashreplace").rstrip("\n")))
                self.changed.notify_all()
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def find(self, event=None, **values):
        with self.changed:
            return [line for line in self.lines if (event is None or line.event == event)
                    and all(line.get(k) == str(v) for k, v in values.items())]

    def wait(self, event, count=1, **values):
        """Wait for `count` lines of this event with these values; returns them."""
        def enough():
            return len(self.find(event, **values)) >= count or self.is_over
        with self.changed:
            self.changed.wait_for(enough, DEADLINE_S)
        found = self.find(event, **values)
        if len(found) < count:
            raise AssertionError(f"{len(found)} of {count} log lines '{event}' {values}\n{self.text()}")
        return found

    def text(self):
        with self.changed:
            return "\n".join(line.text for line in self.lines)


class Mailbox:
    def __init__(self, path):
        self.path = Path(path)

    def make(self):
        self.path.mkdir(parents=True, exist_ok=True)
        return self

    def files(self, folder="new"):
        where = self.path / folder
        return sorted(p for p in where.iterdir()) if where.is_dir() else []

    def messages(self):
        return [Message(path.read_bytes()) for path in self.files()]

    def only(self):
        found = self.messages()
        assert len(found) == 1, f"{len(found)} messages in {self.path}"
        return found[0]


class Message:
    """A file from a Maildir: our fields in front, then what the client sent."""

    def __init__(self, raw):
        self.raw = raw
        match = re.match(rb"Return-Path: (?P<path>[^\n]*)\nDelivered-To: (?P<to>[^\n]*)\n"
                         rb"(?P<received>Received: [^\n]*\n(?:[ \t][^\n]*\n)*)", raw)
        assert match, f"added fields are missing or torn: {raw[:400]!r}"
        self.return_path = match["path"].decode()
        self.delivered_to = match["to"].decode()
        self.received = match["received"].decode()
        self.content = raw[match.end():]


def setting_text(value):
    """A value as libconfig writes it; str is quoted, Raw is taken as it is."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {setting_text(v)};" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(setting_text(v) for v in value) + " )"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class Raw:
    def __init__(self, text):
        self.text = text


class Daemon:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file = self.directory / "smtpfrontd.conf"
        self.mail = self.directory / "mail"
        self.process = None
        self.log = None
        self.past_logs = []
        self.ports = []
        self.expected_trouble = []
        self.asan = ""
        self.settings = {
            "hostname": "mx.example.org",
            "domains": ["example.org"],
            "postmaster": "anna@example.org",
            "listeners": [{"listen": "127.0.0.1:0"}],
            "backends": {"inbox": {"type": "maildir", "path": f"{self.mail}/%d/%n"}},
            "routes": [{"backend": "inbox"}],
        }
        self.mailbox("anna").make()

    def mailbox(self, name, domain="example.org"):
        return Mailbox(self.mail / domain / name)

    def configure(self, **settings):
        self.settings.update(settings)
        text = "".join(f"{k} = {setting_text(v)};\n" for k, v in self.settings.items() if v is not None)
        self.config_file.write_text(text)
        return self.config_file

    def start(self, nofile=None, wrap=(), wait_ready=True, arguments=(), environment=None, kept=None, **settings):
        """`kept`: sockets to hand over, see service.py."""
        self.configure(**settings)

        def limit():
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, nofile)

        self.process = subprocess.Popen(
            [*wrap, *(kept.wrap() if kept else ()), *command("-c", self.config_file, *arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env={**sanitizer_env(self.asan), **(environment or {})}, cwd=self.directory,
            preexec_fn=limit, pass_fds=kept.descriptors() if kept else ())
        self.log = Log(self.process.stderr)
        if wait_ready:
            self.log.wait("ready")
            self.ports = [int(line["addr"].rpartition(":")[2]) for line in self.log.find("listening")]
        return self

    def start_tls(self, pair, first=None, second=None, **settings):
        """STARTTLS on the first listener, SMTPS on the second; each may have settings of its own."""
        listeners = [{"listen": "127.0.0.1:0", **(first or {})},
                     {"listen": "127.0.0.1:0", "tls_immediate": True, **(second or {})}]
        return self.start(**{"listeners": listeners, **pair.settings(), **settings})

    @property
    def smtps(self):
        """Where start_tls() has the listener that speaks TLS from the first byte."""
        return ("127.0.0.1", self.ports[1])

    @property
    def port(self):
        return self.ports[0]

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def measure_memory(self):
        """Before start(): have AddressSanitizer give freed memory back, so that what is resident tells something."""
        self.asan = ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        return self

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _collect(self):
        code = self.process.wait(DEADLINE_S)
        self.log.thread.join(DEADLINE_S)
        self.process.stderr.close()
        self.past_logs.append(self.log)
        self.process = None
        return code

    def stop(self, how=signal.SIGTERM, expect=0):
        self.process.send_signal(how)
        code = self._collect()
        assert code == expect, f"exit code {code} after signal {how}\n{self.past_logs[-1].text()}"

    def kill9(self):
        self.process.kill()
        assert self._collect() == -signal.SIGKILL

    def exit_code(self):
        """Wait for it to end by itself."""
        return self._collect()

    def expect_trouble(self, pattern):
        """A warning or an error whose line matches is what this test is about."""
        self.expected_trouble.append(re.compile(pattern))

    def all_lines(self):
        logs = self.past_logs + ([self.log] if self.log and self.log not in self.past_logs else [])
        return [line for log in logs for line in log.lines]

    def check_clean(self):
        for line in self.all_lines():
            assert not SANITIZER.search(line.text), f"sanitizer report: {line.text}"
            assert line.event != "bug", f"a bug: {line.text}"
            if line.event in WARNINGS:
                assert any(p.search(line.text) for p in self.expected_trouble), f"unexpected: {line.text}"

    def close(self):
        if self.is_running():
            self.stop()
        elif self.process:
            code = self._collect()
            raise AssertionError(f"the daemon ended by itself with {code}")


def run(*arguments, env=None, **options):
    """Run the binary to its end with these arguments."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL, env={**sanitizer_env(), **(env or {})}, **options)


def wait_until(condition, what):
    """For the few things that no log line tells, such as a file that another process writes."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        threading.Event().wait(0.02)
