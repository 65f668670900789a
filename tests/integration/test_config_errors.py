"""What stops -t or the start is told with the file, the line and the key that an administrator has to look at."""

import socket

import pytest

from daemon import run

BASE = """hostname = "mx.example.org";
domains = ( "example.org" );
postmaster = "anna@example.org";
listeners = ( { listen = "127.0.0.1:0"; } );
backends = { inbox = { type = "null"; }; };
routes = ( { backend = "inbox"; } );
"""


def relay(keys):
    """A backend whose keys begin in line 6."""
    return BASE.replace('type = "null"', f'type = "smtp"; hosts = ( "127.0.0.1:25" );\n{keys}')


# name: text behind BASE or a whole text, with {dir}; the line; what is told behind the place
NAMED_FILES = {
    "a password file that is missing": (
        'auth = (\n{ type = "file";\npath = "{dir}/missing"; } );', 9, "path: {dir}/missing: No such file or directory"),
    "a password file with a bad line": (
        'auth = ( { type = "file"; path = "{dir}/bad"; } );', 7, "path: {dir}/bad:1: "),
    "a password file that is a directory": (
        'auth = ( { type = "file"; path = "{dir}"; } );', 7, "path: {dir}: this is no file of at most 64 MiB"),
    "a sender_map that is missing": (
        'sender_map = "{dir}/missing";', 7, "sender_map: {dir}/missing: No such file or directory"),
    "a sender_map with a bad line": ('\nsender_map = "{dir}/bad";', 8, "sender_map: {dir}/bad:1: "),
    "a map of recipients that is missing": (
        'recipient_maps = ( {\nfile = "{dir}/missing"; } );', 8, "file: {dir}/missing: No such file or directory"),
    "a map of recipients with a bad line": (
        'recipient_maps = ( {\ncomplete = false;\nfile = "{dir}/bad"; } );', 9, "file: {dir}/bad:1: "),
    "a recipient that is listed twice": (
        'recipient_maps = ( {\nrecipients = ( "a@example.org", "a@example.org" );\naliases = ( ); } );', 7,
        'recipients, aliases: "a@example.org" stands there twice'),
    "a certificate that is missing": (
        'tls_certfile = "{dir}/missing";', 7, "tls_certfile: {dir}/missing: No such file or directory"),
    "a certificate that is none": ('\ntls_certfile = "{dir}/bad";', 8, "tls_certfile: {dir}/bad: "),
    "a spool_dir that is missing": (
        'spool_dir = "{dir}/missing";', 7,
        'spool_dir: cannot make a file in "{dir}/missing": No such file or directory'),
    "a user that is none": ('user = "no-such-user";', 7, 'user: there is no user "no-such-user"'),
    "a password for a next hop that is missing": (
        relay('user = "u"; tls = "encrypt";\npassword_file = "{dir}/missing"'), 7,
        "password_file: {dir}/missing: No such file or directory"),
    "a password for a next hop that all may read": (
        relay('user = "u"; tls = "encrypt";\npassword_file = "{dir}/bad"'), 7,
        "password_file: {dir}/bad is open to everybody"),
    "authorities of a next hop that are missing": (
        relay('tls = "verify";\ntls_cafile = "{dir}/missing"'), 7,
        "tls_cafile: {dir}/missing: No such file or directory"),
    "a certificate for a next hop that is none": (
        relay('tls = "encrypt"; tls_certfile = "{dir}/bad"'), 6, "tls_certfile: {dir}/bad: "),
}


@pytest.fixture
def write(daemon):
    """Writes a configuration with {dir} filled in; returns a function that fills in other texts."""
    (daemon.directory / "bad").write_text("two words: of no map\n?\n")

    def fill(text):
        return text.replace("{dir}", str(daemon.directory))

    def write(text):
        daemon.config_file.write_text(fill(text if text.startswith("hostname") else BASE + text) + "\n")
        return fill
    return write


@pytest.mark.parametrize("test_only", [True, False], ids=["test", "start"])
@pytest.mark.parametrize("name", NAMED_FILES)
def test_what_cannot_be_opened_is_told_with_file_line_and_key(daemon, write, name, test_only):
    text, line, told = NAMED_FILES[name]
    fill = write(text)
    result = run(*(["-t"] if test_only else []), "-c", daemon.config_file)
    assert result.returncode == (71 if "spool" in name else 78), result.stderr
    assert f"{daemon.config_file}:{line}: {fill(told)}" in result.stderr.replace('\\"', '"')
    assert "OK" not in result.stdout and " ready" not in result.stderr


def test_a_port_that_is_taken_is_told_with_the_listener(daemon, write):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        write(BASE.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:0"; }},\n{{ listen = "127.0.0.1:{port}"'))
        result = run("-c", daemon.config_file)
    assert result.returncode == 71
    assert f"{daemon.config_file}:5: listen: cannot listen on 127.0.0.1:{port}: Address already in use" in result.stderr


def test_a_pid_file_that_cannot_be_made_is_told_with_its_key(daemon, write):
    fill = write('pid_file = "{dir}/missing/pid";')
    result = run("-c", daemon.config_file)
    assert result.returncode == 71
    told = fill(": pid_file: {dir}/missing/pid: No such file or directory")
    assert f"{daemon.config_file}:7{told}" in result.stderr



@pytest.mark.parametrize("source, told", [
    ('type = "dovecot"; path = "{dir}/missing";',
     "logins will be put off: {dir}/missing: No such file or directory"),
    ('type = "pam"; service = "door"; pam_directory = "{dir}";',
     "logins will be refused: {dir}/door: No such file or directory"),
])
def test_what_users_are_asked_of_and_is_not_there_is_warned_of(daemon, write, source, told):
    fill = write(f"auth = (\n{{ {source} }} );")
    result = run("-t", "-c", daemon.config_file)
    if "without PAM" in result.stderr:
        pytest.skip("this daemon was built without PAM")
    assert result.returncode == 0, result.stderr
    assert f"{daemon.config_file}:8: {fill(told)}" in result.stderr
    (daemon.directory / ("missing" if "dovecot" in source else "door")).touch()
    assert "logins" not in run("-t", "-c", daemon.config_file).stderr
