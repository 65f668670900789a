"""The first command of the README."""

import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess

import pytest

from daemon import TOP, wait_until

SCRIPT = TOP / "contrib" / "quickstart.sh"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    path = tmp_path_factory.mktemp("quickstart")
    yield {**os.environ, "SMTPFRONTD_BUILD": str(path / "build")}
    shutil.rmtree(path, ignore_errors=True)


def test_check_sends_itself_a_message_and_shows_the_file(environment, work_dir):
    """From another directory, as it may be called from anywhere."""
    result = subprocess.run([str(SCRIPT), "--check"], env=environment, cwd=work_dir, capture_output=True, text=True,
                            timeout=300, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout + result.stderr
    for line in ("Return-Path: <you@example.net>", "Delivered-To: demo@example.org", "It works."):
        assert f"| {line}\n" in result.stdout
    assert "(using TLSv1.3 with cipher " in result.stdout
    assert result.stdout.endswith("All is well.\n")
    assert os.listdir(work_dir) == []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_demo_runs_until_it_is_interrupted(environment, work_dir):
    port, smtps_port = free_port(), free_port()  # they are not held; the script itself uses ports that are fixed
    demo = work_dir / "a demo with 100% \"blanks\""
    env = {**environment, "SMTPFRONTD_DEMO": str(demo), "SMTPFRONTD_PORT": str(port),
           "SMTPFRONTD_SMTPS_PORT": str(smtps_port)}
    output = work_dir / "output"
    with open(output, "wb") as stream:
        process = subprocess.Popen([str(SCRIPT)], env=env, cwd=work_dir, stdout=stream, stderr=stream,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: " - ready" in output.read_text() or process.poll() is not None, "the ready line")
        text = output.read_text()
        assert process.poll() is None, text
        for line in (f":{port} .*", f":{port} .* --tls", f":{smtps_port} .* --tlsc"):
            assert re.search(rf"swaks --server 127\.0\.0\.1{line}\n", text), line
        context = ssl.create_default_context(cafile=demo / "cert.pem")
        with smtplib.SMTP("localhost", port, timeout=20) as c:
            assert c.sendmail("you@example.net", ["demo@example.org"], "Subject: x\n\nhello\n") == {}
            c.starttls(context=context)
            assert c.sendmail("you@example.net", ["demo@example.org"], "Subject: y\n\nhello\n") == {}
        with smtplib.SMTP_SSL("localhost", smtps_port, timeout=20, context=context) as c:
            assert c.sendmail("you@example.net", ["demo@example.org"], "Subject: z\n\nhello\n") == {}
        where = re.search(r"Each message becomes a file in (.*)", text)[1]
        assert len(os.listdir(where)) == 3
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0, output.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def test_usage_error(environment):
    result = subprocess.run([str(SCRIPT), "--frobnicate"], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 64
