"""The command line and the configuration file, as an administrator meets them."""

import json
import os
import re
import socket
import subprocess

import pytest

from client import Client
from daemon import DEADLINE_S, TOP, binary, run, sanitizer_env, wait_until


@pytest.fixture
def config(daemon):
    """Writes a text and returns its path."""
    def write(text):
        daemon.config_file.write_text(text)
        return daemon.config_file
    write.daemon = daemon
    return write


MINIMAL = """hostname = "mx.example.org";
domains = ( "example.org" );
postmaster = "anna@example.org";
listeners = ( { listen = "127.0.0.1:0"; } );
backends = { inbox = { type = "null"; }; };
routes = ( { backend = "inbox"; } );
"""


def test_version(daemon):
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("smtpfrontd 0.")


def test_help_names_every_option(daemon):
    result = run("--help")
    assert result.returncode == 0
    for option in ("-c", "-e", "-E", "-t", "--dump-config", "--version", "--help"):
        assert option in result.stdout


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["-x"], ["stray"], ["-c"]])
def test_unknown_option_is_a_usage_error(daemon, arguments):
    result = run(*arguments)
    assert result.returncode == 64
    assert result.stderr


def test_missing_file_is_told(daemon):
    result = run("-c", daemon.directory / "missing.conf")
    assert result.returncode == 66
    assert "missing.conf" in result.stderr


def test_directory_instead_of_a_file_is_told(daemon):
    result = run("-t", "-c", daemon.directory)
    assert result.returncode in (66, 78)
    assert str(daemon.directory) in result.stderr


def test_good_configuration_passes_the_test(config):
    result = run("-t", "-c", config(MINIMAL))
    assert result.returncode == 0, result.stderr


BAD = [
    ("unknown key", MINIMAL + 'lissteners = ( );\n', 7, '"listeners"'),
    ("unknown key in a listener", MINIMAL.replace("listen =", "lisen ="), 4, '"listen"'),
    ("syntax", MINIMAL + "max_errors = ;\n", 7, ""),
    ("wrong type", MINIMAL + 'max_errors = "many";\n', 7, "max_errors"),
    ("out of range", MINIMAL + "max_errors = 0;\n", 7, "max_errors"),
    ("wrapping integer", MINIMAL + "max_message_size = 5000000000;\n", 7, "max_message_size"),
    ("control byte", MINIMAL.replace("mx.example.org", "mx\\x00.example.org"), 1, ""),
    ("backend that is none", MINIMAL.replace('backend = "inbox"', 'backend = "inbx"'), 6, '"inbox"'),
    ("address", MINIMAL.replace("127.0.0.1:0", "127.0.0.1"), 4, "127.0.0.1"),
    ("path that is not absolute", MINIMAL.replace('type = "null"', 'type = "maildir"; path = "mail/%n"'), 5, "path"),
    ("bad word in a path", MINIMAL.replace('type = "null"', 'type = "maildir"; path = "/mail/%z"'), 5, "%z"),
    ("no listeners", MINIMAL.replace('listeners = ( { listen = "127.0.0.1:0"; } );', ""), None, "listeners"),
    ("rule for all clients", MINIMAL + 'clients = ( { address = "::/0"; bare_newline = "lenient"; } );\n', 7,
     "lenient"),
    ("word that stands elsewhere", MINIMAL + 'bare_newline = "lenient";\n', 7, "clients"),
    ("duplicate key", MINIMAL + 'hostname = "mx.example.org";\n', 7, "hostname"),
    ("include of a directory", MINIMAL + '@include "/tmp"\n', 7, ""),
]


@pytest.mark.parametrize("name, text, line, word", BAD, ids=[b[0] for b in BAD])
@pytest.mark.parametrize("test_only", [True, False])
def test_bad_configuration_stops_the_start_with_file_and_line(config, name, text, line, word, test_only):
    result = run(*(["-t"] if test_only else []), "-c", config(text))
    assert result.returncode == 78, result.stderr
    where = f"{config.daemon.config_file}:{line}:" if line else str(config.daemon.config_file)
    assert where in result.stderr
    assert word in result.stderr
    assert "ready" not in result.stderr


def test_warnings_are_told_by_the_test(config):
    result = run("-t", "-c", config(MINIMAL.replace('postmaster = "anna@example.org";', "")))
    assert result.returncode == 0
    assert "postmaster" in result.stdout + result.stderr


def test_test_tells_what_is_missing_on_disk_and_changes_nothing(daemon):
    """What puts mail off is a warning, what stops the start is an error."""
    volume = daemon.directory / "volume"
    backends = {"inbox": {"type": "maildir", "path": f"{volume}/%n", "quota": "1M"}}
    daemon.configure(backends=backends, spool_dir=str(daemon.directory))

    def warnings():
        result = run("-t", "-c", daemon.config_file)
        assert result.returncode == 0, result.stderr
        return result.stderr.splitlines()
    told = warnings()
    assert len(told) == 1 and f'{daemon.config_file}:5: all mail for the backend "inbox"' in told[0]
    assert f"No such file or directory: {volume}/" in told[0]
    volume.mkdir()
    told = warnings()
    assert len(told) == 1 and f"{daemon.config_file}:3: mail for postmaster will be put off" in told[0]
    assert f"No such file or directory: {volume}/anna" in told[0]
    (volume / "anna").mkdir()
    assert warnings() == []
    assert list((volume / "anna").iterdir()) == []


def test_spool_dir_that_cannot_be_used_stops_the_test_as_it_stops_the_start(daemon):
    missing = daemon.directory / "missing"
    daemon.configure(spool_dir=str(missing))
    for arguments in (["-t"], []):
        result = run(*arguments, "-c", daemon.config_file)
        assert result.returncode == 71
        told = result.stderr.replace('\\"', '"')  # as the log quotes it
        assert f'spool_dir: cannot make a file in "{missing}": No such file or directory' in told
        assert "OK" not in result.stdout


def test_dump_is_a_configuration_that_dumps_the_same(config):
    first = run("--dump-config", "-c", config(MINIMAL + 'smtpgreeting = "a \\"quoted\\" \\\\ name";\n'))
    assert first.returncode == 0, first.stderr
    for key in ("max_sessions", "timeout", "max_message_size", "hostname", "smtpgreeting"):
        assert key in first.stdout
    second = run("--dump-config", "-c", config(first.stdout))
    assert second.returncode == 0, second.stderr

    def without_places(text):
        return re.sub(r";  # [^\n]*$", ";", text, flags=re.M)
    assert without_places(second.stdout) == without_places(first.stdout) != first.stdout


@pytest.mark.parametrize("name", ["smtpfrontd.conf", "smtpfrontd-minimal.conf"])
def test_sample_files_are_good(daemon, name):
    result = run("-t", "-c", TOP / "etc" / name)
    assert result.returncode == 0, result.stderr


def test_address_in_use_stops_the_start(daemon):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon.configure(listeners=[{"listen": f"127.0.0.1:{port}"}])
        result = run("-c", daemon.config_file)
    assert result.returncode == 71
    assert f"127.0.0.1:{port}" in result.stderr


def test_included_file_is_read(daemon):
    (daemon.directory / "more.conf").write_text('smtpgreeting = "from the include";\n')
    daemon.configure()
    text = daemon.config_file.read_text() + '@include "more.conf"\n'
    daemon.config_file.write_text(text)
    result = run("--dump-config", "-c", daemon.config_file, cwd="/")
    assert "from the include" in result.stdout, result.stderr


def test_json_lines_are_the_log(daemon):
    daemon.configure(log_format="json", listeners=[{"listen": "127.0.0.1:0"}])
    log = daemon.directory / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen([binary(), "-c", str(daemon.config_file)], stderr=stream, env=sanitizer_env())
    wait_until(lambda: '"event":"ready"' in log.read_text(), "the ready line")
    process.terminate()
    assert process.wait(DEADLINE_S) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line["v"] == 1 and line["time"] and line["level"] for line in lines)
    ready = next(line for line in lines if line["event"] == "ready")
    assert ready["pid"] == process.pid and ready["hostname"] == "mx.example.org" and "id" not in ready


def test_journal_gets_priorities_instead_of_times(daemon):
    """JOURNAL_STREAM names the device and inode of what stderr is."""
    daemon.configure()
    log = daemon.directory / "journal"
    with open(log, "wb") as stream:
        st = os.fstat(stream.fileno())
        process = subprocess.Popen([binary(), "-c", str(daemon.config_file)], stderr=stream,
                                   env={**sanitizer_env(), "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    wait_until(lambda: " ready" in log.read_text(), "the ready line")
    process.terminate()
    assert process.wait(DEADLINE_S) == 0
    lines = log.read_text().splitlines()
    assert lines and all(line.startswith(("<3>", "<4>", "<5>", "<6>")) for line in lines), lines


def test_settings_are_in_force(daemon):
    daemon.start(hostname="other.example.org", smtpgreeting="hello", max_message_size="64K")
    with Client(daemon.address) as c:
        assert c.greeting.lines == ["220 hello ESMTP"]
        assert c.ehlo().lines[0] == "250-other.example.org"
