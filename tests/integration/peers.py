"""Real mail servers as next hops: Dovecot, Postfix and Exim of Debian's packages, unpacked and never installed.

Each runs in a mount namespace of its own, in which its package lies over /usr and a copy of /etc/passwd knows its
users; its files are in a directory of the test. That takes root, and a kernel that lets it mount.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from client import Client, Closed
from daemon import DEADLINE_S, TOP, Mailbox, wait_until

NOBODY = 65534
USERS = {"postfix": 9902, "dovecot": 9903, "dovenull": 9904, "Debian-exim": 9905}
GROUPS = {**USERS, "postdrop": 9906}
ENTER = """
set -e
root=$1 etc=$2
shift 2
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
mount --bind "$etc/passwd" /etc/passwd
mount --bind "$etc/group" /etc/group
exec "$@"
"""


def fetch(name):
    script = TOP / "tests/tools/fetch-peers.sh"
    result = subprocess.run([str(script), name], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{script} {name}: {result.stderr}"
    return Path(result.stdout.strip())


def free_port():
    """Servers that cannot tell which port they got must be told one. It was free a moment ago.

    None of those that the kernel gives to clients, which would take it while the server is started again."""
    lowest_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(100):
        port = random.randrange(10240, max(lowest_of_clients, 10241))
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise AssertionError("no port is free")


def has_session(session):
    """Does any process of that session still run? Those that nobody has reaped do not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            return True
    return False


class Peer:
    """A server that delivers into Maildirs at mail/NAME for anna, ben and full; others are unknown to it."""

    name = None
    users = ("anna", "ben", "full")

    def __init__(self, directory):
        self.root = fetch(self.name)
        self.directory = Path(directory)
        self.etc = self.directory / "etc"
        self.mail = self.directory / "mail"
        self.process = None
        for path in (self.directory, self.etc, self.mail):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        # Whoever delivers as nobody must be able to come here.
        for path in self.directory.parents:
            if path.stat().st_uid == os.getuid() and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o011)
        for user in self.users:
            (self.mail / user).mkdir()
            os.chown(self.mail / user, NOBODY, NOBODY)
        self.write_names()
        self.configure()

    def write_names(self):
        for file, names in (("passwd", USERS), ("group", GROUPS)):
            known = Path("/etc", file).read_text()
            text = known if known.endswith("\n") else known + "\n"
            for name, number in names.items():
                if not any(line.startswith(name + ":") for line in known.splitlines()):
                    text += (f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n" if file == "passwd"
                             else f"{name}:x:{number}:\n")
            (self.etc / file).write_text(text)

    def own(self, path, user):
        shutil.chown(path, *self.ids(user))

    def ids(self, user):
        line = next(line for line in (self.etc / "passwd").read_text().splitlines() if line.startswith(user + ":"))
        return int(line.split(":")[2]), int(line.split(":")[3])

    def enter(self, *command):
        return ["unshare", "-m", "sh", "-c", ENTER, "sh", str(self.root), str(self.etc), *map(str, command)]

    def start(self):
        libraries = f"/usr/lib/{self.name}"
        self.output = open(self.directory / "output", "ab")
        self.process = subprocess.Popen(self.enter(*self.command()), stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.output, start_new_session=True,
                                        env={**os.environ, "LD_LIBRARY_PATH": libraries})
        wait_until(self.is_up, f"{self.name} to answer\n{self.log()}")
        return self

    def is_up(self):
        assert self.process.poll() is None, f"{self.name} ended by itself\n{self.log()}"
        return self.answers()

    def answers(self):
        try:
            with Client(("127.0.0.1", self.port)):
                return True
        except (OSError, Closed):
            return False

    def stop(self, how=signal.SIGTERM):
        if self.process:
            # The whole of it is a session of its own. What is left of it holds locks and ports.
            try:
                os.killpg(self.process.pid, how)
            except ProcessLookupError:
                pass  # it has ended by itself
            self.process.wait(DEADLINE_S)
            wait_until(lambda: not has_session(self.process.pid), f"{self.name} to end whole")
            self.output.close()
        self.process = None

    def log(self):
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*log*")) +
                         [self.directory / "output"] if path.is_file())

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def mailbox(self, name):
        return Mailbox(self.mail / name)

    def files(self, name):
        return self.mailbox(name).files()

    def wait_files(self, name, count):
        wait_until(lambda: len(self.files(name)) >= count, f"{count} messages for {name}\n{self.log()}")
        return [path.read_bytes() for path in self.files(name)]


def require_namespaces():
    if os.getuid() != 0:
        pytest.skip("real mail servers are run as root only: they change users and mount")
    probe = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t overlay overlay -o lowerdir=/usr/sbin:/usr/bin /usr"],
                           capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"real mail servers need mount namespaces and overlays: {probe.stderr}")


class Dovecot(Peer):
    name = "dovecot"

    def configure(self):
        d = self.directory
        self.socket = d / "run/lmtp"
        (d / "users").write_text("".join(
            f"{u}::{NOBODY}:{NOBODY}::{self.mail}/{u}::{'userdb_quota_rule=*:bytes=1K' if u == 'full' else ''}\n"
            for u in self.users))
        (self.etc / "dovecot.conf").write_text(f"""
base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log
instance_name = smtpfrontd-test
protocols = lmtp
listen = 127.0.0.1
ssl = no
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
first_valid_uid = 1
mail_location = maildir:{self.mail}/%n
mail_plugins = quota
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {d}/users
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = maildir:User quota
}}
""")

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.etc / "dovecot.conf"]

    @property
    def address(self):
        return f"unix:{self.socket}"

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.settimeout(DEADLINE_S)
                s.connect(str(self.socket))
                return s.recv(100).startswith(b"220")
            except OSError:
                return False


class Postfix(Peer):
    name = "postfix"
    queues = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
              "trace")

    def configure(self):
        d = self.directory
        self.port = free_port()
        queue, data = d / "queue", d / "data"
        for path in (queue, queue / "pid", data, *(queue / name for name in self.queues)):
            path.mkdir()
        for name, mode in (("public", 0o710), ("maildrop", 0o1730)):
            (queue / name).mkdir()
            os.chown(queue / name, self.ids("postfix")[0],
                     next(int(line.split(":")[2]) for line in (self.etc / "group").read_text().splitlines()
                          if line.startswith("postdrop:")))
            (queue / name).chmod(mode)
        for path in (data, *(queue / name for name in self.queues)):
            os.chown(path, self.ids("postfix")[0], 0)
            path.chmod(0o700)
        (d / "mailboxes").write_text("".join(f"{u}@example.org {u}/\n" for u in self.users))
        (self.etc / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {self.etc}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
mail_owner = postfix
setgid_group = postdrop
maillog_file = {d}/log
maillog_file_prefixes = {d}
myhostname = hop.example.org
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_authorized_xforward_hosts = 127.0.0.0/8
virtual_mailbox_domains = example.org
virtual_mailbox_base = {self.mail}
virtual_mailbox_maps = texthash:{d}/mailboxes
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
""")
        (self.etc / "master.cf").write_text(f"""
127.0.0.1:{self.port} inet n - n - - smtpd
{d}/smtpd unix n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
""".replace(f"{d}/smtpd unix n", "public-smtpd unix n"))

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", self.etc]

    @property
    def socket(self):
        return self.directory / "queue/public/public-smtpd"


class Exim(Peer):
    name = "exim"

    def configure(self):
        d = self.directory
        self.port = free_port()
        for name in ("spool", "log"):
            (d / name).mkdir()
        # It gives its privileges up when it has another configuration than the usual one.
        for path in (d / "spool", d / "log", *(self.mail / u for u in self.users)):
            self.own(path, "Debian-exim")
        (self.etc / "exim.conf").write_text(f"""
primary_hostname = hop.example.org
spool_directory = {d}/spool
log_file_path = {d}/log/%slog
pid_file_path = {d}/exim.pid
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
disable_ipv6 = true
domainlist ours = example.org
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_queue_per_connection = 0
smtp_accept_max = 200
tls_advertise_hosts =
keep_environment =
begin acl
acl_rcpt:
  deny domains = +ours
       message = Unknown user
       !local_parts = {" : ".join(self.users)}
  accept domains = +ours
begin routers
mailboxes:
  driver = accept
  domains = +ours
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {self.mail}/${{lookup{{$local_part}}lsearch{{{d}/names}}}}
  user = Debian-exim
  group = Debian-exim
  create_directory
""")
        (d / "names").write_text("".join(f"{u}: {u}\n" for u in self.users))

    def command(self):
        return ["/usr/sbin/exim4", "-C", self.etc / "exim.conf", "-bdf", "-odb"]

    def log(self):
        return super().log() + "\n".join(p.read_text(errors="replace") for p in (self.directory / "log").glob("*"))
