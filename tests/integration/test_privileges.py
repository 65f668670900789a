"""Started as root: it binds, becomes the configured user, and nothing is left; --daemon and its file.

Without root there is nothing to give up, so that these are skipped then, as are those that need a network namespace.
"""

import os
import pwd
import re
import signal
import subprocess
from pathlib import Path

import pytest

from client import Client
from daemon import DEADLINE_S, run, sanitizer_env, wait_until
from test_reload import hangup

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="THIS NEEDS ROOT: giving up privileges is not tested")
# A network of its own, in which all ports are free.
NAMESPACE = ("unshare", "-n", "/bin/sh", "-c", 'ip link set lo up && exec "$@"', "namespace")


def can_unshare():
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, timeout=DEADLINE_S).returncode == 0
    except OSError:
        return False


needs_namespace = pytest.mark.skipif(not can_unshare(),
                                     reason="NO NETWORK NAMESPACES HERE: ports 25, 465 and 587 are not tested")


# LeakSanitizer may not trace a process that has changed its user.
NO_LEAK_SEARCH = {"ASAN_OPTIONS": "exitcode=99:detect_leaks=0"}


def give_to(user, directory):
    who = pwd.getpwnam(user)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, who.pw_uid, who.pw_gid)


def status(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


@pytest.fixture
def nobody(daemon):
    # LeakSanitizer may not trace a process that has changed its user.
    daemon.asan = ":detect_leaks=0"
    give_to("nobody", daemon.directory)
    daemon.settings["user"] = "nobody"
    return daemon


def talk_inside(daemon, port, tls=False):
    """The greeting of a port in the daemon's network."""
    program = f"""
import socket, ssl
s = socket.create_connection(("127.0.0.1", {port}), {DEADLINE_S})
if {tls}:
    context = ssl._create_unverified_context()
    s = context.wrap_socket(s)
s.settimeout({DEADLINE_S})
print(s.recv(512).decode())
"""
    return subprocess.run(["nsenter", "-n", "-t", str(daemon.process.pid), "/usr/bin/python3", "-c", program],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout


@needs_root
def test_root_becomes_the_user_and_keeps_nothing(nobody):
    nobody.start()
    found = status(nobody.process.pid)
    who = pwd.getpwnam("nobody")
    assert found["Uid"].split() == [str(who.pw_uid)] * 4
    assert found["Gid"].split() == [str(who.pw_gid)] * 4
    assert found["Groups"].strip() == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[name], 16) == 0, name
    assert found["NoNewPrivs"].strip() == "1"
    line = nobody.log.find("privileges")[0]
    assert (line["uid"], line["capabilities"], line["no_new_privs"]) == (str(who.pw_uid), "0", "yes")
    with Client(nobody.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
        c.quit()
    assert nobody.mailbox("anna").files()[0].stat().st_uid == who.pw_uid


@needs_root
def test_another_group_may_be_named(nobody):
    nobody.start(group="mail")
    gid = nobody.log.find("privileges")[0]["gid"]
    assert status(nobody.process.pid)["Gid"].split() == [gid] * 4
    assert gid != str(pwd.getpwnam("nobody").pw_gid)


@needs_root
def test_files_are_opened_as_the_user(nobody, pki):
    """A key that only root can read is found out at the start, and not at the first reload."""
    key = nobody.directory / "key.pem"
    key.write_bytes(pki.ec.key.read_bytes())
    key.chmod(0o600)
    cert = nobody.directory / "cert.pem"
    cert.write_bytes(pki.ec.cert.read_bytes())
    nobody.expect_trouble("start_failed")
    nobody.start(wait_ready=False, tls_certfile=str(cert), tls_keyfile=str(key))
    assert nobody.exit_code() == 78
    assert "key.pem: Permission denied" in nobody.past_logs[-1].text()


@needs_root
def test_the_test_of_a_configuration_is_made_as_the_user(nobody, pki):
    """What root may read, and the daemon may not, is no OK."""
    key, cert = nobody.directory / "key.pem", nobody.directory / "cert.pem"
    cert.write_bytes(pki.ec.cert.read_bytes())
    key.write_bytes(pki.ec.key.read_bytes())
    key.chmod(0o600)
    nobody.configure(tls_certfile=str(cert), tls_keyfile=str(key))
    result = run("-t", "-c", nobody.config_file, env=NO_LEAK_SEARCH)
    assert result.returncode == 78 and "key.pem: Permission denied" in result.stderr
    give_to("nobody", nobody.directory)
    result = run("-t", "-c", nobody.config_file, env=NO_LEAK_SEARCH)
    assert result.returncode == 0, result.stderr


@needs_root
def test_a_configuration_that_only_root_may_read_is_warned_of(nobody):
    """It starts, and no reload can ever take a change."""
    nobody.configure().chmod(0o600)
    os.chown(nobody.config_file, 0, 0)
    assert "no reload will take it" in run("-t", "-c", nobody.config_file, env=NO_LEAK_SEARCH).stderr
    nobody.expect_trouble("no reload will take it, .*: Permission denied")
    nobody.start()
    assert nobody.log.find("config")
    nobody.expect_trouble("reload_failed")
    assert "Permission denied" in hangup(nobody, "reload_failed")["text"]


@needs_root
def test_without_a_user_the_log_says_that_it_stays_root(daemon):
    daemon.start()
    assert "stays root" in daemon.log.find("privileges", uid=0)[0]["text"]
    daemon.stop()
    give_to("nobody", daemon.directory)
    daemon.start(wrap=("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"))
    assert "text" not in daemon.log.find("privileges")[0]


@needs_root
@pytest.mark.parametrize("settings, error", [
    ({"user": "no-such-user"}, "there is no user"),
    ({"user": "nobody", "group": "no-such-group"}, "there is no group"),
    ({"user": "root"}, "is root"),
])
def test_who_it_cannot_become_stops_the_start(daemon, settings, error):
    daemon.expect_trouble("start_failed")
    daemon.start(wait_ready=False, **settings)
    assert daemon.exit_code() == 78
    assert error in daemon.past_logs[-1].text()


@needs_root
def test_others_than_root_must_be_the_user_already(nobody):
    nobody.expect_trouble("start_failed")
    nobody.directory.chmod(0o755)
    nobody.start(wrap=("setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups"), wait_ready=False)
    assert nobody.exit_code() == 71
    assert "only root can become" in nobody.past_logs[-1].text()
    nobody.start(wrap=("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"))


@needs_root
def test_a_failure_to_give_up_stops_the_start(nobody):
    """Without CAP_SETGID the groups cannot be left; so it must not go on."""
    nobody.expect_trouble("start_failed")
    nobody.start(wrap=("setpriv", "--bounding-set", "-setgid", "--inh-caps", "-setgid"), wait_ready=False)
    assert nobody.exit_code() == 71
    assert "cannot leave all groups" in nobody.past_logs[-1].text()


@needs_root
@needs_namespace
def test_it_listens_on_25_465_and_587_as_a_user_and_needs_a_restart_for_more(nobody, pki):
    nobody.expect_trouble("needs_restart")
    for name in ("cert", "key"):
        target = nobody.directory / f"{name}.pem"
        target.write_bytes(getattr(pki.ec, name).read_bytes())
        target.chmod(0o600)
        os.chown(target, pwd.getpwnam("nobody").pw_uid, -1)
    tls = {"tls_certfile": str(nobody.directory / "cert.pem"), "tls_keyfile": str(nobody.directory / "key.pem")}
    listeners = [{"listen": "[::]:25"}, {"listen": "[::]:587"}, {"listen": "[::]:465", "tls_immediate": True}]
    nobody.start(wrap=NAMESPACE, listeners=listeners, **tls)
    assert {line["addr"] for line in nobody.log.find("listening")} == {"[::]:25", "[::]:587", "[::]:465"}
    for port in (25, 587):
        assert talk_inside(nobody, port).startswith("220 mx.example.org ")
    assert talk_inside(nobody, 465, tls=True).startswith("220 mx.example.org ")
    nobody.configure(listeners=[*listeners, {"listen": "[::]:26"}], smtpgreeting="newer")
    hangup(nobody)
    line = nobody.log.find("needs_restart")[0]
    assert line["listener"] == "[::]:26" and "Permission denied" in line["text"]
    assert nobody.log.find("reload")[0]["needs_restart"] == "1"
    assert talk_inside(nobody, 25).startswith("220 newer ")


@needs_root
def test_capabilities_that_were_given_are_kept_and_not_handed_on(nobody):
    """As systemd starts it with AmbientCapabilities: a reload may open more ports, and children get nothing."""
    nobody.start(wrap=("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps",
                       "-all,+net_bind_service", "--ambient-caps", "-all,+net_bind_service"))
    found = status(nobody.process.pid)
    bind = 1 << 10
    assert int(found["CapPrm"], 16) == int(found["CapEff"], 16) == bind
    assert int(found["CapAmb"], 16) == 0


def test_programs_that_change_their_user_leave_no_new_privs_off(daemon):
    backend = {"type": "sendmail", "command": ["/bin/false"]}
    daemon.configure(backends={"queue": backend}, routes=[{"backend": "queue"}])
    assert "no_new_privs is left off" in run("-t", "-c", daemon.config_file).stdout
    daemon.configure(backends={"queue": {**backend, "set_id": False}})
    assert "no_new_privs" not in run("-t", "-c", daemon.config_file).stdout
    daemon.start()
    assert status(daemon.process.pid)["NoNewPrivs"].strip() == "1"
    daemon.expect_trouble("needs_restart")
    daemon.configure(backends={"queue": backend})
    assert hangup(daemon)["needs_restart"] == "1"


# ---- without a supervisor ----

def in_background(daemon, *arguments, stderr, **settings):
    daemon.configure(**settings)
    with open(stderr, "ab") as log:
        return subprocess.run([os.environ["SMTPFRONTD"], "-c", daemon.config_file, "--daemon", *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, timeout=DEADLINE_S,
                              env=sanitizer_env())


@pytest.fixture
def background(daemon):
    """A daemon that has left us; it is stopped by the number in its file."""
    daemon.settings["pid_file"] = str(daemon.directory / "pid")
    yield daemon
    file = daemon.directory / "pid"
    text = file.read_text() if file.exists() else ""
    if text:
        os.kill(int(text), signal.SIGTERM)
        wait_until(lambda: not file.exists(), "the daemon to end")


def test_in_the_background_the_parent_ends_when_it_is_ready(background):
    log = background.directory / "log"
    assert in_background(background, stderr=log).returncode == 0
    text = log.read_text()
    assert " ready " in text
    pid = int((background.directory / "pid").read_text())
    assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    with Client(("127.0.0.1", int(re.search(r"listening addr=127.0.0.1:(\d+)", text)[1]))) as c:
        c.quit()


def test_in_the_background_a_failure_is_told_by_the_parent(background):
    log = background.directory / "log"
    result = in_background(background, stderr=log, spool_dir="/missing/spool")
    assert result.returncode in (71, 78)
    assert "start_failed" in log.read_text()
    assert not (background.directory / "pid").exists()


def test_a_second_one_is_kept_out_by_the_file(background):
    log = background.directory / "log"
    assert in_background(background, stderr=log).returncode == 0
    pid = (background.directory / "pid").read_text()
    assert in_background(background, stderr=log).returncode == 71
    assert "another process runs" in log.read_text()
    assert (background.directory / "pid").read_text() == pid


def test_in_the_background_paths_must_be_absolute(background):
    background.configure()
    result = run("-c", background.config_file.name, "--daemon", cwd=background.directory)
    assert result.returncode == 64 and "must be absolute" in result.stderr


def test_without_standard_descriptors_the_log_gets_into_nothing_else(background):
    """0, 1 and 2 must not become sockets or pipes of ours, to which the log would be written then."""
    background.configure()
    closed = ["/bin/sh", "-c", 'exec 0<&- 1>&- 2>&-; exec "$@"', "sh",
              os.environ["SMTPFRONTD"], "--daemon", "-c", background.config_file]
    assert subprocess.run(closed, timeout=DEADLINE_S, env=sanitizer_env()).returncode == 0
    pid = int((background.directory / "pid").read_text())
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}


def test_a_file_of_somebody_else_is_left_alone(daemon):
    path = daemon.directory / "pid"
    daemon.start(pid_file=str(path))
    path.rename(daemon.directory / "ours")
    path.write_text("1\n")
    daemon.stop()
    assert path.read_text() == "1\n"
    assert (daemon.directory / "ours").read_text() == ""


def test_in_the_foreground_the_file_is_written_too(daemon):
    path = daemon.directory / "pid"
    daemon.start(pid_file=str(path))
    assert int(path.read_text()) == daemon.process.pid
    daemon.stop()
    assert not path.exists()
