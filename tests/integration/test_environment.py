"""The settings of mailfront: from the environment with -e, from an envdir with -E, and only then."""

import re

import pytest

from client import Client
from daemon import run

VARIABLES = ("MAXNOTIMPL", "SESSION_TIMEOUT", "SMTPGREETING", "TIMEOUT", "PROTO", "TCPLOCALHOST", "DATABYTES",
             "MAXRCPTS", "MAXHOPS", "MAXMSGS", "TLS_CERTFILE", "TLS_COMPAT", "TLS_DH_PARAMS", "TLS_IMMEDIATE",
             "TLS_KEYFILE", "TLS_PRIORITY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """What the tests run in may not decide what they find."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def with_options(options, **variables):
    """For Daemon.start(wrap=...): run it with these variables, and these options behind the others."""
    return ["env", *[f"{k}={v}" for k, v in variables.items()], "sh", "-c", f'exec "$@" {options}', "sh"]


def envdir(daemon, **files):
    path = daemon.directory / "env"
    path.mkdir()
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def dumped(result):
    """Top-level values of a dump, and where each comes from, by key."""
    assert result.returncode == 0, result.stderr
    lines = re.findall(r"^(\w+) = (.*);  # (.*)$", result.stdout, re.M)
    return {key: (value.strip('"'), place) for key, value, place in lines}


def test_variables_do_nothing_without_the_option(daemon):
    values = dumped(run("--dump-config", "-c", daemon.configure(), env={"TIMEOUT": "5", "MAXNOTIMPL": "x"}))
    assert values["timeout"] == ("20m", "default")


def test_dump_tells_where_each_value_comes_from(daemon):
    file = daemon.configure(max_errors=7, timeout=60)
    values = dumped(run("--dump-config", "-e", "-c", file, env={"TIMEOUT": "5", "TCPLOCALHOST": "tcp.example.org"}))
    line = 1 + [text.split(" ")[0] for text in file.read_text().splitlines()].index("max_errors")
    assert values["timeout"] == ("5s", "$TIMEOUT")
    assert values["hostname"] == ("tcp.example.org", "$TCPLOCALHOST")
    assert values["max_errors"] == ("7", f"{file}:{line}")
    assert values["max_hops"] == ("100", "default")


def test_dump_with_variables_is_a_configuration_that_needs_none(daemon):
    variables = {"TIMEOUT": "5", "SMTPGREETING": "one\ntwo", "DATABYTES": "100000", "MAXNOTIMPL": "0"}
    first = run("--dump-config", "-e", "-c", daemon.configure(maxnotimpl=5), env=variables)
    again = daemon.directory / "again.conf"
    again.write_text(first.stdout)
    values, values_again = dumped(first), dumped(run("--dump-config", "-c", again))
    assert {k: v[0] for k, v in values.items()} == {k: v[0] for k, v in values_again.items()}
    assert values["maxnotimpl"] == ("unlimited", "$MAXNOTIMPL")


def test_greeting_and_limits_of_the_environment_are_in_force(daemon):
    wrap = with_options("-e", SMTPGREETING="one\ntwo", MAXNOTIMPL="1", TCPLOCALHOST="tcp.example.org",
                        DATABYTES="5000")
    daemon.start(wrap=wrap, smtpgreeting="file", maxnotimpl=100)
    with Client(daemon.address) as c:
        assert c.greeting.lines == ["220-one", "220 two ESMTP"]
        ehlo = c.ehlo()
        assert ehlo.lines[0] == "250-tcp.example.org"
        assert any(line[4:] == "SIZE 5000" for line in ehlo.lines)
        c.send(b"FROB\r\n")
        assert c.reply().code == 500
        c.send(b"FROB\r\n")
        assert c.reply().code == 421


def test_key_in_a_listener_wins_over_the_environment(daemon):
    daemon.start(wrap=with_options("-e", SMTPGREETING="environment"), smtpgreeting="file",
                 listeners=[{"listen": "127.0.0.1:0", "smtpgreeting": "listener"}, {"listen": "127.0.0.1:0"}])
    with Client(daemon.address) as c:
        assert c.greeting.lines == ["220 listener ESMTP"]
    with Client(("127.0.0.1", daemon.ports[1])) as c:
        assert c.greeting.lines == ["220 environment ESMTP"]


def test_timeout_of_the_environment_closes_idle_sessions(daemon):
    daemon.start(wrap=with_options("-e", TIMEOUT="1"), timeout="1h")
    with Client(daemon.address) as c:
        assert c.reply().code == 421
    daemon.log.wait("disconnect", reason="idle_timeout")


def test_envdir_is_read_in_place_of_the_environment(daemon):
    path = envdir(daemon, SMTPGREETING=b"from a file \t\nsecond line\n", MAXHOPS=b"", UNRELATED=b"x\n")
    values = dumped(run("--dump-config", "-E", path, "-c", daemon.configure(max_hops=9),
                        env={"TIMEOUT": "5", "MAXHOPS": "8"}))
    assert values["smtpgreeting"] == ("from a file", "$SMTPGREETING")
    assert values["max_hops"][0] == "9"
    assert values["timeout"] == ("20m", "default")


def test_nul_in_an_envdir_is_a_line_break(daemon):
    daemon.start(wrap=with_options(f"-E {envdir(daemon, SMTPGREETING=b'one' + bytes(1) + b'two')}"))
    with Client(daemon.address) as c:
        assert c.greeting.lines == ["220-one", "220 two ESMTP"]


def test_missing_envdir_stops_the_start(daemon):
    result = run("-t", "-E", daemon.directory / "none", "-c", daemon.configure())
    assert result.returncode == 66
    assert str(daemon.directory / "none") in result.stderr


def test_envdir_with_what_is_no_file_stops_the_start(daemon):
    path = envdir(daemon)
    (path / "TIMEOUT").mkdir()
    result = run("-t", "-E", path, "-c", daemon.configure())
    assert result.returncode == 78
    assert "$TIMEOUT: " in result.stderr and str(path / "TIMEOUT") in result.stderr


@pytest.mark.parametrize("name, value", [
    ("TIMEOUT", "soon"), ("TIMEOUT", "-1"), ("TIMEOUT", "99999999"), ("MAXNOTIMPL", "1x"), ("DATABYTES", "1e6"),
    ("SESSION_TIMEOUT", "1h"), ("SMTPGREETING", "a\tb"), ("TCPLOCALHOST", "a b"), ("PROTO", "../.."),
    ("TLS_CERTFILE", ""), ("TLS_IMMEDIATE", ""), ("TLS_KEYFILE", ""),
    ("TLS_PRIORITY", ""), ("TLS_DH_PARAMS", ""),
])
def test_variable_that_cannot_be_meant_stops_the_start(daemon, name, value):
    file = daemon.configure()
    for arguments in (["-t"], []):
        result = run(*arguments, "-e", "-c", file, env={name: value})
        assert result.returncode == 78, result.stderr
        assert f"${name}: " in result.stderr
        assert "ready" not in result.stderr


def test_file_for_tls_that_is_missing_never_leads_to_plain_text(daemon):
    file = daemon.configure()
    for arguments in (["-t"], []):
        result = run(*arguments, "-e", "-c", file, env={"TLS_CERTFILE": "/none/cert.pem"})
        assert result.returncode in (71, 78), result.stderr
        assert "$TLS_CERTFILE: " in result.stderr
        assert "listening" not in result.stderr


def test_zero_means_what_it_means_in_mailfront(daemon):
    zeros = {name: "0" for name in ("TIMEOUT", "SESSION_TIMEOUT", "MAXNOTIMPL", "DATABYTES", "MAXRCPTS", "MAXHOPS")}
    values = dumped(run("--dump-config", "-e", "-c", daemon.configure(timeout=7, maxnotimpl=7, max_hops=7),
                        env=zeros))
    assert values["timeout"][0] == "20m"
    assert values["session_timeout"][0] == "1d"
    assert values["maxnotimpl"][0] == "unlimited"
    assert values["max_message_size"][0] == "50M"
    assert values["max_recipients"][0] == "1000"
    assert values["max_hops"][0] == "100"


def test_variables_that_nothing_takes_over_are_warned_of(daemon):
    daemon.expect_trouble(r"\$MAILRULES is set")
    daemon.start(wrap=with_options("-e", MAILRULES="/etc/mailrules"))
    assert daemon.log.find("config")
    result = run("-t", "-e", "-c", daemon.config_file, env={"MAILRULES": "/etc/mailrules"})
    assert result.returncode == 0
    assert "$MAILRULES" in result.stderr
