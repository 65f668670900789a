import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from client import Client  # noqa: E402
from daemon import Daemon, TOP  # noqa: E402
from tls import Pki, client_context  # noqa: E402


def is_long():
    return bool(os.environ.get("LONG"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.has_failed = report.failed


@pytest.fixture
def work_dir():
    """A directory with a short path that goes away again."""
    path = Path(tempfile.mkdtemp(prefix="smtpfrontd-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(work_dir, request):
    """A daemon that is configured and not started; stopped, and its log judged, afterwards."""
    d = Daemon(work_dir)
    try:
        yield d
        d.close()
        d.check_clean()
    except AssertionError:
        request.node.has_failed = True
        raise
    finally:
        if d.is_running():
            d.process.kill()
        if getattr(request.node, "has_failed", False):
            print("--- configuration\n" + (d.config_file.read_text() if d.config_file.exists() else "none"))
            print("--- log")
            lines = d.all_lines()
            for line in lines[-400:]:
                print(line.text)


@pytest.fixture
def server(daemon):
    """A daemon that runs with the plain configuration."""
    return daemon.start()


@pytest.fixture
def client(server):
    with Client(server.address) as c:
        yield c


@pytest.fixture(scope="session")
def smtp_source():
    """Command prefix of Postfix's smtp-source, which is unpacked into a cache and never installed."""
    script = TOP / "tests/tools/fetch-peers.sh"
    result = subprocess.run([str(script)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{script}: {result.stderr}"
    root = Path(result.stdout.strip())
    return ["env", f"LD_LIBRARY_PATH={root}/usr/lib/postfix", f"{root}/usr/sbin/smtp-source"]


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """A certificate authority of our own and what it has issued; see tls.py."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def secure(daemon, pki):
    """A daemon that runs with STARTTLS on its first listener and SMTPS on its second."""
    return daemon.start_tls(pki.ec)


@pytest.fixture
def context(pki):
    return client_context(pki)
