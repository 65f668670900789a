"""The commands of smtpfrontd-tutorial(7), as they stand there: in a root of their own over this machine's.

Namespaces of mounts, processes and the network keep it away from the machine: what is installed and written goes to
an overlay, what listens does so in a network of its own. There is no systemd in there, so that systemctl is a stand-in
that starts what the unit's ExecStart says, as its User.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon import TOP

LONG = bool(os.environ.get("LONG"))
PAGE = TOP / "man" / "smtpfrontd-tutorial.7"
BLOCK = re.compile(r'^\.\\" (run|fails)\n\.Bd -literal[^\n]*\n(.*?)^\.Ed$', re.M | re.S)

SYSTEMCTL = r"""#!/bin/bash
# Stands in for systemctl: one service, started as its unit says.
unit=/usr/lib/systemd/system/smtpfrontd.service
pid=$(cat /run/smtpfrontd-stand-in.pid 2>/dev/null)
case "$*" in
"enable --now smtpfrontd")
	start=$(sed -n 's/^ExecStart=//p' "$unit")
	user=$(sed -n 's/^User=//p' "$unit")
	[ -n "$start" ] && [ -n "$user" ] || exit 1
	# shellcheck disable=SC2086
	setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all,+net_bind_service \
		--ambient-caps=-all,+net_bind_service --no-new-privs $start >/run/smtpfrontd.log 2>&1 </dev/null &
	echo $! >/run/smtpfrontd-stand-in.pid
	for _ in $(seq 300); do
		grep -q ' - ready ' /run/smtpfrontd.log && exit 0
		sleep 0.1
	done
	cat /run/smtpfrontd.log
	exit 1 ;;
"status --no-pager smtpfrontd") kill -0 "$pid" ;;
"reload smtpfrontd") kill -HUP "$pid" ;;
*) echo "systemctl: not here: $*" >&2; exit 1 ;;
esac
"""

INSIDE = r"""set -eu
ip link set lo up
mkdir -p "$1/root" "$1/upper" "$1/work"
mount -t tmpfs none "$1/over"
mkdir "$1/over/upper" "$1/over/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/over/upper,workdir=$1/over/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t tmpfs none "$1/root/run"
cp -a "$1/stage/." "$1/root/"
cp "$1/systemctl" "$1/root/usr/local/sbin/systemctl"
cp "$1/commands" "$1/root/run/commands"
exec chroot "$1/root" /bin/bash /run/commands
"""


def commands():
    """What the page says, in roff's spelling undone, as one script; a block that must fail is made to."""
    blocks = BLOCK.findall(PAGE.read_text())
    assert [kind for kind, _ in blocks].count("run") >= 5 and "fails" in [kind for kind, _ in blocks]
    script = ["set -e", "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    for kind, text in blocks:
        text = text.replace("\\e", "\\")
        script.append(text if kind == "run" else f"if ( set -e\n{text}\n) >/run/refused; then exit 9; fi\n"
                                                 "grep -q '550 5.7.1' /run/refused")
    return "\n".join(script) + """
test "$(ls /var/vmail/example.org/anna/new | wc -l)" = 2
grep -l 'with ESMTPSA id' /var/vmail/example.org/anna/new/*
systemctl reload smtpfrontd
kill "$(cat /run/smtpfrontd-stand-in.pid)"
echo tutorial: done
"""


def can_have_namespaces():
    result = subprocess.run(["unshare", "-m", "-n", "-p", "-f", "true"], capture_output=True, check=False)
    return os.geteuid() == 0 and result.returncode == 0


def test_every_block_of_commands_is_marked_or_an_example():
    """What is not run is there to be adapted: certbot, and a further backend."""
    text = PAGE.read_text()
    assert text.count(".Bd -literal") - len(BLOCK.findall(text)) == 2


@pytest.mark.skipif(not LONG, reason="LONG: builds once more, for /usr")
@pytest.mark.skipif(not can_have_namespaces(), reason="NOT RUN: the tutorial needs root and namespaces")
def test_commands_of_the_tutorial_do_what_it_says(tmp_path):
    build, stage = tmp_path / "build", tmp_path / "stage"
    for directory in (build, stage, tmp_path / "over"):
        directory.mkdir()
    quiet = {"capture_output": True, "text": True, "check": False, "timeout": 1200}
    configured = subprocess.run([str(TOP / "configure"), "--quiet", "--prefix=/usr", "--sysconfdir=/etc", "CFLAGS=-O0",
                                 "--with-systemdsystemunitdir=/usr/lib/systemd/system"], cwd=build, **quiet)
    assert configured.returncode == 0, configured.stdout + configured.stderr
    made = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "install", f"DESTDIR={stage}"], cwd=build, **quiet)
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-4000:]
    shutil.rmtree(build)
    (tmp_path / "commands").write_text(commands())
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    done = subprocess.run(["unshare", "-m", "-n", "-p", "-f", "--kill-child", "/bin/sh", "-c", INSIDE, "sh",
                           str(tmp_path)], **quiet)
    assert done.returncode == 0 and "tutorial: done" in done.stdout, done.stdout + done.stderr
