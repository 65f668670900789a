#!/usr/bin/python3
"""What rude clients do to good ones.

Starts the daemon with a null and with a Maildir backend. Twenty good clients send steadily, first alone, then while
one kind of rude clients after the other is at it. A control tells what of the difference is only the struggle for the
processor: the same rude load goes to a second daemon beside the first. Prints a table, and figures as JSON with --out.
tests/bench/README tells how to read it.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from daemon import Daemon, Log, binary, wait_until  # noqa: E402

KINDS = ("idle", "silent", "drip_helo", "drip_mail", "drip_rcpt", "drip_data", "drip_header", "drip_body", "slow_noop",
         "endless_line", "endless_header", "endless_field", "endless_recipients", "endless_noop", "eager_noop",
         "garbage", "connect_close", "greeting_close", "big_message", "half_closed")
GOOD_CLIENTS = 20
IDLE_CLIENTS = 10000
DISK_THREADS = 4
DELIVERY_FDS = 131      # of each disk thread, and what a session may have open
SESSION_FDS = 2
RESERVED_FDS = 100
KIB = 1024

# What a session may hold at most, in KiB beside what its configuration names: its own structs (4), output that is
# not sent (16 and a reply), input that is kept (64), the first chunk of a message (64) and what is on its way to
# the disk (256, and a read).
SESSION_KIB = 4 + 17 + 64 + 64
SESSION_DISK_KIB = 256 + 64
RECIPIENT_BYTES = 512   # an address of up to 320, twice while it is being checked, and what the arena adds


def tool(name):
    """A program of this folder, built beside the daemon."""
    path = Path(os.environ.get("BENCH_TOOLS", Path(binary()).parent / "tests/bench")) / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built; make it, or let BENCH_TOOLS name its folder")
    return str(path)


def memory_bound_kib(settings, sessions, base_kib):
    """What the configuration lets the daemon hold for so many sessions, above what it has when it starts."""
    recipients = settings.get("max_recipients", 1000) * RECIPIENT_BYTES // KIB
    line = settings.get("max_command_line", 2048) // KIB + 1
    each = SESSION_KIB + SESSION_DISK_KIB + line + recipients
    sessions = min(sessions, settings.get("max_sessions", 1000))
    # Log buffer, disk queue and the threads' buffers are in the last term.
    return base_kib + sessions * each + settings["spool_memory"] // KIB + 8 * KIB


class BenchDaemon(Daemon):
    """Its log goes to a file: reading it would cost more than writing it."""

    def start(self, **settings):
        self.configure(**settings)
        self.log_path = self.directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([binary(), "-c", str(self.config_file)], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log, cwd=self.directory)
        wait_until(lambda: b" ready " in self.log_path.read_bytes() or self.process.poll() is not None, "ready")
        if self.process.poll() is not None:
            sys.exit(f"the daemon did not start: {self.log_path.read_text()}")
        self.ports = [int(p) for p in re.findall(r"listening addr=\S*:(\d+)", self.log_path.read_text())]
        self.base_kib = self.resident_kib()
        return self

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        with open(self.log_path, "rb") as log:
            reader = Log(log)
            reader.thread.join()
        for line in reader.lines:
            if line.event in ("bug", "trouble", "slow") or (line.event == "limit" and line.get("state") == "reached"):
                print(f"  log: {line.text}")


def forget_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def run_good(daemon, seconds, clients=GOOD_CLIENTS, pace_ms=100, messages=10):
    """Good clients alone, to their end; the figures, with the daemon's CPU share and peak of memory."""
    forget_peak(daemon.process.pid)
    cpu, begin = daemon.cpu_seconds(), time.monotonic()
    result = subprocess.run([tool("smtpload"), "--port", str(daemon.port), "--clients", str(clients), "--seconds",
                             str(seconds), "--pace-ms", str(pace_ms), "--messages", str(messages)],
                            capture_output=True, text=True, timeout=seconds + 60)
    if not result.stdout:
        raise RuntimeError(f"smtpload: {result.stderr}")
    good = json.loads(result.stdout)
    good["cpu"] = (daemon.cpu_seconds() - cpu) / (time.monotonic() - begin)
    good["peak_kib"] = peak_kib(daemon.process.pid)
    return good


def start_rude(port, kind, seconds, clients=None, **options):
    command = [tool("rude"), "--port", str(port), "--kind", kind, "--seconds", str(seconds)]
    if clients:
        command += ["--clients", str(clients)]
    for key, value in options.items():
        command += ["--" + key.replace("_", "-"), str(value)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_rude(process, seconds):
    out, error = process.communicate(timeout=seconds + 60)
    if process.returncode:
        raise RuntimeError(f"rude: {error}")
    return json.loads(out)


def run_attacked(daemon, victim, kind, seconds, clients=None, **options):
    """Good clients of `daemon` while rude ones are at `victim`; they come a second earlier."""
    rude = start_rude(victim.port, kind, seconds + 2, clients, **options)
    time.sleep(1)
    good = run_good(daemon, seconds)
    return good, end_rude(rude, seconds)


def fitting_idle(limit):
    """As many idle clients as the limit of descriptors lets in: each session may open a spool file."""
    room = (limit - RESERVED_FDS - DISK_THREADS * DELIVERY_FDS) // SESSION_FDS
    return min(IDLE_CLIENTS, room - 3 * GOOD_CLIENTS, limit - 200)


def settings_of(backend, timeout, sessions):
    settings = {
        "log_level": "info",
        "max_sessions": sessions,
        "max_sessions_per_client": 1000,
        "timeout": timeout,
        "disk_threads": DISK_THREADS,
        "spool_memory": 64 << 20,
        "max_message_size": 50 << 20,
    }
    if backend == "null":
        settings["backends"] = {"inbox": {"type": "null"}}
    return settings


def codes(counts):
    return " ".join(f"{code}:{count}" for code, count in counts.items()) or "-"


def show(backend, row):
    attacked, control, quiet, rude = row["attacked"], row["control"], row["quiet"], row["rude"]

    def p(figures, what, percent):
        return figures["us"][what][percent] / 1000

    print(f"{backend:7} {rude['kind']:18} {rude['clients']:6}"
          f" {quiet['messages_per_s']:6.0f} {attacked['messages_per_s']:6.0f} {attacked['failures']:4}"
          f" | {p(quiet, 'reply', 'p50'):6.2f} {p(attacked, 'reply', 'p50'):6.2f}"
          f" {p(quiet, 'reply', 'p99'):7.2f} {p(attacked, 'reply', 'p99'):7.2f} {p(control, 'reply', 'p99'):7.2f}"
          f" | {p(quiet, 'transaction', 'p99'):7.2f} {p(attacked, 'transaction', 'p99'):7.2f}"
          f" {p(control, 'transaction', 'p99'):7.2f}"
          f" | {attacked['peak_kib'] / KIB:6.1f} {row['bound_kib'] / KIB:7.1f} {attacked['cpu'] * 100:4.0f}"
          f" | {rude['connects']:7} open {rude['open']} ended {codes(rude['ends'])}"
          f" replies {codes(rude['replies'])}", flush=True)


HEADER = f"""\
{'':33}  messages/s  good |        reply ms                       | transaction p99 ms      | RSS MiB
{'backend':7} {'rude':18} {'number':>6}  quiet attack fail | {'p50':>6} attack {'p99':>7}  attack control |   quiet  attack\
 control |   peak   bound  CPU% | rude connects, and what became of them"""


def clear_mail(daemon):
    for path in daemon.mailbox("anna").files():
        path.unlink()


def run_row(args, daemon, other, kind, clients):
    """Quiet, attack, control: one after the other, so that what the machine does meanwhile meets all three."""
    row = {"quiet": run_good(daemon, max(args.seconds // 3, 3))}
    row["attacked"], row["rude"] = run_attacked(daemon, daemon, kind, args.seconds, clients)
    clear_mail(daemon)
    row["control"], _ = run_attacked(daemon, other, kind, max(args.seconds // 3, 3), clients)
    clear_mail(daemon)
    return row


def median_of(rows):
    """Of each phase the run with the median p99; of the attacks, whatever was worst is kept beside it."""
    row = {}
    for phase in ("quiet", "attacked", "control"):
        runs = sorted((r[phase] for r in rows), key=lambda run: run["us"]["reply"]["p99"])
        row[phase] = dict(runs[len(runs) // 2])
    row["attacked"]["failures"] = sum(r["attacked"]["failures"] for r in rows)
    row["attacked"]["peak_kib"] = max(r["attacked"]["peak_kib"] for r in rows)
    row["rude"] = rows[-1]["rude"]
    return row


def measure(args, backend, rows):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    idle = args.idle or fitting_idle(limit)
    sessions = idle + 2 * GOOD_CLIENTS
    base = Path(tempfile.mkdtemp(prefix="rude-", dir=args.dir))
    settings = settings_of(backend, args.timeout or max(args.seconds // 2, 1), sessions)
    daemon = BenchDaemon(base / "first").start(**settings)
    other = BenchDaemon(base / "second").start(**settings)
    try:
        for kind in args.kinds:
            clients = idle if kind == "idle" else args.clients
            row = median_of([run_row(args, daemon, other, kind, clients) for _ in range(args.rounds)])
            row["backend"] = backend
            row["bound_kib"] = memory_bound_kib(settings, row["rude"]["clients"] + 2 * GOOD_CLIENTS, daemon.base_kib)
            show(backend, row)
            rows.append(row)
    finally:
        daemon.end()
        other.end()
        shutil.rmtree(base, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30, help="of each attack; quiet and control take a third of it")
    parser.add_argument("--rounds", type=int, default=1, help="of each kind; the medians are shown")
    parser.add_argument("--timeout", type=int, help="the daemon's; default: half of the seconds")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--clients", type=int, help="rude clients, but for kind idle; default: as the kind has it")
    parser.add_argument("--idle", type=int, help=f"of kind idle; default {IDLE_CLIENTS}, or what descriptors allow")
    parser.add_argument("--backends", default="null,maildir")
    parser.add_argument("--dir", help="where Maildirs are; default: the temporary directory")
    parser.add_argument("--out", help="file for one JSON object a row")
    args = parser.parse_args()
    args.kinds = args.kinds.split(",")
    rows = []
    print(HEADER)
    for backend in args.backends.split(","):
        measure(args, backend, rows)
    if args.out:
        Path(args.out).write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
