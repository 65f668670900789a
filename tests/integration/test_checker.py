"""Programs that check passwords, where the daemon was root: smtpfrontd-auth runs them, and what becomes of it.

Without root there is nothing to keep, so that all of this is skipped then.
"""

import os
import pwd
import re
import signal
from pathlib import Path

import pytest

from client import Client
from daemon import TOP, run, wait_until
from test_auth import PASSWORD, auth_line, plain
from test_auth_sources import CHECK, READ, TRUSTED, logged_in, program, warned # noqa: F401, fixtures
from test_privileges import background, in_background, needs_root, nobody, status # noqa: F401, fixtures
from test_reload import hangup

pytestmark = needs_root
LOST = "smtpfrontd-auth, which runs the programs that check passwords, has ended"


def running(nobody, *command, more=None, **settings):
    return nobody.start(auth=[source(*command, **settings)], **TRUSTED, **(more or {}))


def source(*command, **settings):
    return {"type": "checkpassword", "command": list(map(str, command)), **settings}


def helper(daemon):
    return int(daemon.log.find("checker")[0]["pid"])


def is_gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def ids(pid, key):
    return set(status(pid)[key].split())


def read_when_there(path):
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), path.name)
    return path.read_text()


@pytest.fixture
def roots(work_dir):
    """A directory that only root can look into."""
    path = work_dir / "roots"
    path.mkdir(mode=0o700)
    return path


# ---- what it is for ----

def test_a_program_reads_what_only_root_may_while_the_daemon_is_nobody(nobody, program, roots):
    secret = roots / "passwords"
    secret.write_text(f"anna {PASSWORD}\n")
    secret.chmod(0o600)
    running(nobody, program(READ + f'grep -qx "$user $password" {secret} || exit 1\n'
                                   f"id -u >{roots}/uid\ngrep NoNewPrivs /proc/$$/status >{roots}/privs\n"))
    assert logged_in(nobody).code == 235
    assert auth_line(nobody, result="ok")["user"] == "anna"
    assert logged_in(nobody, plain("anna", "wrong")).code == 535
    assert (roots / "uid").read_text() == "0\n"
    assert (roots / "privs").read_text().split()[1] == "0"
    # The daemon itself has given up everything, although set_id is as it is by default.
    assert ids(nobody.process.pid, "Uid") == {str(pwd.getpwnam("nobody").pw_uid)}
    assert int(status(nobody.process.pid)["CapBnd"], 16) == 0
    assert nobody.log.find("privileges")[0]["no_new_privs"] == "yes"


def test_it_has_a_name_and_nothing_of_the_daemon(nobody, program, work_dir):
    """No sockets that listen, no locked files, and a session of its own, so that a terminal's signals pass it by."""
    running(nobody, program(CHECK), "/bin/true", more={"pid_file": str(work_dir / "pid")})
    pid = helper(nobody)
    assert Path(f"/proc/{pid}/comm").read_text() == "smtpfrontd-auth\n"
    assert ids(pid, "Uid") == {"0"} and os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    open_files = {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert sorted(open_files) == [0, 1, 2, 3]
    assert open_files[0] == open_files[1] == "/dev/null" and open_files[3].startswith("socket:")


def test_a_program_gets_what_it_gets_everywhere(nobody, program, roots):
    running(nobody, program(f"cat <&3 >{roots}/read\nenv >{roots}/env\necho \"$@\" >{roots}/args\n"
                            f"ls -l /proc/self/fd >{roots}/fds\npwd >{roots}/pwd\n"), "-x", "two words")
    assert logged_in(nobody, plain("anna", "$(touch x); `id`")).code == 235
    user, password, when, end = (roots / "read").read_bytes().split(b"\0")
    assert (user, password, end) == (b"anna", b"$(touch x); `id`", b"") and when.isdigit()
    assert (roots / "args").read_text() == "-x two words\n"
    environment = dict(line.split("=", 1) for line in (roots / "env").read_text().splitlines())
    for ours in ("PWD", "OLDPWD", "SHLVL", "_"):
        environment.pop(ours, None)
    assert environment.pop("PATH").startswith("/usr/local/sbin:")
    assert environment == {"PROTO": "TCP", "SERVICE": "smtp", "TCPREMOTEIP": "127.0.0.1"}
    assert "socket:" not in (roots / "fds").read_text() and (roots / "pwd").read_text() == "/\n"


def test_a_program_may_become_the_user_and_run_another_one(nobody, program, roots, work_dir):
    """As checkpassword does it: who it found is who runs the next program, whose exit code is the answer."""
    running(nobody, program(READ + f'[ "$password" = {PASSWORD} ] || exit 1\n'
                                   'exec setpriv --reuid daemon --regid daemon --clear-groups "$@"\n'),
            "/bin/sh", "-c", f"id -un; exit 0 # {work_dir}")
    assert logged_in(nobody).code == 235
    assert logged_in(nobody, plain("anna", "wrong")).code == 535
    nobody.stop()
    running(nobody, program(READ + 'exec setpriv --reuid daemon --regid daemon --clear-groups "$@"\n'),
            "/bin/sh", "-c", '[ "$(id -un)" = daemon ] && echo "no mail for $(id -un)" >&2 && exit 111')
    assert logged_in(nobody).code == 454
    assert auth_line(nobody)["detail"] == "exit code 111: no mail for daemon"


@pytest.mark.parametrize("script, code, detail", [
    (READ + "exit 0", 235, None),
    (READ + "exit 1", 535, None),
    (READ + "echo the database is away >&2; exit 111", 454, "exit code 111: the database is away"),
    (READ + "exit 2", 454, "exit code 2"),
    (READ + "kill -9 $$", 454, "killed by signal 9: Killed"),
    ("exit 0", 454, "it said yes without the password"),
])
def test_exit_codes_mean_what_they_mean_everywhere(nobody, program, script, code, detail):
    running(nobody, program(script))
    assert logged_in(nobody).code == code
    assert auth_line(nobody).get("detail") == detail
    assert PASSWORD not in nobody.log.text()


def test_a_program_that_is_not_there_is_no_yes(nobody, work_dir):
    nobody.expect_trouble("logins will be put off: .*nothing: No such file")
    running(nobody, work_dir / "nothing")
    assert logged_in(nobody).status == "4.7.0"
    assert auth_line(nobody)["detail"] == "it cannot be executed: No such file or directory"


def test_a_program_that_only_root_may_execute_is_no_reason_for_a_warning(nobody, program):
    path = program(CHECK)
    path.chmod(0o700)
    running(nobody, path, "/bin/true")
    assert logged_in(nobody).code == 235


def test_many_at_a_time_get_an_answer_each_and_the_right_one(nobody, program):
    running(nobody, program(CHECK), "/bin/true", max_children=8, timeout=50)
    clients = [Client(nobody.address) for _ in range(60)]
    for c in clients:
        c.ehlo()
    for i, c in enumerate(clients):
        c.send((plain("anna", PASSWORD if i % 3 else "wrong") + "\r\n").encode())
    assert [c.reply().code for c in clients] == [235 if i % 3 else 535 for i in range(60)]
    for c in clients:
        c.quit()


# ---- ends ----

def test_a_program_that_hangs_is_killed_with_its_group(nobody, program, roots):
    script = f"trap '' TERM\n(trap '' TERM; sleep 600) & echo $! >{roots}/pid\nwait\nsleep 600\n"
    running(nobody, program(script), timeout=1)
    assert logged_in(nobody).status == "4.7.0"
    assert auth_line(nobody)["detail"] == "not done in time, and killed"
    pid = int(read_when_there(roots / "pid"))
    wait_until(lambda: is_gone(pid), "the end of its group")


def test_without_the_process_logins_are_put_off_and_the_log_says_what_to_do(nobody, program, roots):
    nobody.expect_trouble(LOST)
    running(nobody, program(READ + f"echo $$ >{roots}/pid; sleep 600"))
    with Client(nobody.address) as c:
        c.ehlo()
        c.send((plain() + "\r\n").encode())
        pid = int(read_when_there(roots / "pid"))
        os.kill(helper(nobody), signal.SIGKILL)
        assert c.reply().status == "4.7.0"
    os.kill(pid, signal.SIGKILL)
    line = nobody.log.wait("trouble")[0]
    assert LOST in line["text"] and "killed by signal 9" in line["text"] and "restarted" in line["text"]
    assert logged_in(nobody).status == "4.7.0"
    assert auth_line(nobody, count=2)["detail"] == "the process that is to run it does not answer"
    # All else goes on, a reload and a stop among it.
    hangup(nobody)
    with Client(nobody.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250


def test_while_the_process_stands_still_nothing_else_does(nobody, program):
    """Requests reach it when it goes on; what nobody waits for any more is not run to its end."""
    running(nobody, program(READ + "exit 0"), timeout=1)
    os.kill(helper(nobody), signal.SIGSTOP)
    clients = [Client(nobody.address) for _ in range(15)]
    for c in clients:
        c.ehlo()
        c.send((plain() + "\r\n").encode())
    with Client(nobody.address) as c:
        c.ehlo()
        assert c.message(b"x\r\n").code == 250
    assert {c.reply().status for c in clients} == {"4.7.0"}
    os.kill(helper(nobody), signal.SIGCONT)
    nobody.configure(auth=[source(*nobody.settings["auth"][0]["command"])])
    hangup(nobody)
    assert logged_in(nobody).code == 235
    for c in clients:
        c.quit()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_daemon_and_so_do_its_programs(nobody, program, roots, how):
    running(nobody, program(f"echo $$ >{roots}/pid; exec sleep 600"), more={"drain_timeout": 1})
    process = helper(nobody)
    with Client(nobody.address) as c:
        c.ehlo()
        c.send((plain() + "\r\n").encode())
        pid = int(read_when_there(roots / "pid"))
        if how == signal.SIGKILL:
            nobody.kill9()
        else:
            nobody.stop()
            assert is_gone(process), "a daemon that ends properly waits for it"
    wait_until(lambda: is_gone(pid) and is_gone(process), "the end of both")


def test_signals_of_a_terminal_or_a_supervisor_do_not_end_it(nobody, program):
    """They are meant for the daemon, whose sessions may still log in while it stops."""
    running(nobody, program(CHECK), "/bin/true")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                   signal.SIGPIPE, signal.SIGALRM):
        os.kill(helper(nobody), number)
    assert logged_in(nobody).code == 235


def test_in_the_background_it_holds_neither_the_parent_nor_the_file(background, program):
    """The parent's pipe, and the lock, which another daemon could not get as long as it lived."""
    directory = background.directory
    for path in (directory, *directory.rglob("*")):
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    log = directory / "log"
    settings = {"user": "nobody", "auth": [source(program(CHECK), "/bin/true")], **TRUSTED}
    assert in_background(background, stderr=log, **settings).returncode == 0
    first = int((directory / "pid").read_text())
    process = int(log.read_text().partition(" checker pid=")[2].split()[0])
    assert str(directory / "pid") not in {os.readlink(f"/proc/{process}/fd/{fd}")
                                          for fd in os.listdir(f"/proc/{process}/fd")}
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: is_gone(process), "its end")
    assert in_background(background, stderr=log).returncode == 0
    assert int((directory / "pid").read_text()) != first


def test_the_capabilities_of_the_drop_in_suffice(nobody, program, roots):
    """Also for the end of a program that has become another user."""
    dropin = (TOP / "contrib/systemd/dropins/checkpassword.conf").read_text()
    kept = [name.lower() for name in re.search(r"^CapabilityBoundingSet=(.*)$", dropin, re.M)[1].split()]
    only = ",".join(["-all", *(name.replace("cap_", "+") for name in kept)])
    script = (READ + f'[ "$user" = anna ] || exit 1\nexec setpriv --reuid daemon --regid daemon --clear-groups '
              f"/bin/sh -c 'echo $$ >&2; [ \"$0\" = {PASSWORD} ] || exec sleep 600' \"$password\"\n")
    nobody.directory.chmod(0o755)
    nobody.start(wrap=("setpriv", "--bounding-set", only, "--inh-caps", "-all"),
                 auth=[source(program(script), timeout=1)], **TRUSTED)
    assert logged_in(nobody).code == 235
    assert logged_in(nobody, plain("anna", "hang")).status == "4.7.0"
    line = auth_line(nobody, result="unavailable")
    assert line["detail"].startswith("not done in time, and killed: ")
    assert is_gone(int(line["detail"].split()[-1]))
    assert nobody.log.find("privileges")[0]["no_new_privs"] == "yes"


def test_where_it_does_not_start_the_daemon_does_not(nobody, program):
    """Its descriptors do not allow for a single program."""
    nobody.expect_trouble("start_failed")
    nobody.start(wait_ready=False, wrap=("setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"),
                 nofile=(33, 33), auth=[source(program(CHECK))], **TRUSTED)
    assert nobody.exit_code() == 71
    assert "smtpfrontd-auth" in nobody.past_logs[-1].text()


# ---- the configuration ----

def test_a_reload_keeps_the_programs_of_the_start(nobody, program, work_dir):
    path = program(CHECK)
    running(nobody, path, "/bin/true")
    nobody.expect_trouble("needs a restart")
    for bad in ([source(path, "/bin/false")], [source(path)], [source("/bin/true"), source(path, "/bin/true")]):
        nobody.configure(auth=bad, smtpgreeting="newer")
        text = hangup(nobody, "reload_failed")["text"]
        assert "command: needs a restart" in text and "run as root" in text
        assert logged_in(nobody).code == 235
        with Client(nobody.address) as c:
            assert "newer" not in c.greeting.text
    nobody.configure(auth=[source(path, "/bin/true", max_children=3, timeout=5)])
    assert hangup(nobody)["needs_restart"] == "0"
    assert logged_in(nobody).code == 235
    nobody.configure(auth=None)
    hangup(nobody)
    nobody.configure(auth=[source(path, "/bin/true")])
    hangup(nobody)
    assert logged_in(nobody).code == 235


def test_a_program_of_a_later_reload_needs_a_restart(nobody, program):
    """It would have run as root at the start, so that it must not run as somebody else now."""
    nobody.start(**TRUSTED)
    assert not nobody.log.find("checker")
    nobody.configure(auth=[source(program(CHECK), "/bin/true")])
    assert "command: needs a restart" in hangup(nobody, "reload_failed")["text"]
    nobody.stop()
    nobody.start()
    assert logged_in(nobody).code == 235


def test_who_stays_root_needs_no_such_process(daemon, program):
    running(daemon, program(CHECK), "/bin/true")
    assert not daemon.log.find("checker")
    assert logged_in(daemon).code == 235


def test_the_test_of_a_configuration_tells_who_runs_the_programs(nobody, program):
    nobody.configure(auth=[source(program(CHECK))], **TRUSTED)
    says = run("-t", "-c", nobody.config_file).stdout
    assert "run as root, by a process of their own" in says and "no_new_privs" not in says
    nobody.configure(user=None)
    says = run("-t", "-c", nobody.config_file).stdout
    assert "as root" not in says and "no_new_privs is left off" in says
