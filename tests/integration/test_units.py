"""The units in contrib/systemd: right in systemd's eyes, hardened, and each line of that explained."""

import os
import re
import shutil
import subprocess

import pytest

from client import Client
from daemon import DEADLINE_S, TOP, binary
from test_reload import hangup

CONTRIB = TOP / "contrib"
UNITS = CONTRIB / "systemd"
SERVICES = ["smtpfrontd.service", "smtpfrontd@.service"]
DROPINS = sorted(p.name for p in (UNITS / "dropins").iterdir())
OF_ROOT = "checkpassword.conf"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="SYSTEMD-ANALYZE IS NOT HERE: "
                                "the units are not looked at")


def tool(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=DEADLINE_S, **options)


@pytest.fixture
def units(work_dir):
    """All units as they are installed, with the binary that is tested."""
    directory = work_dir / "units"
    directory.mkdir()
    for source in UNITS.iterdir():
        if source.is_file():
            text = source.read_text().replace("@sbindir@/smtpfrontd", binary()).replace("@sysconfdir@", "/etc")
            assert "@sbindir@" not in text and "@sysconfdir@" not in text
            (directory / source.name.removesuffix(".in")).write_text(text)
    return directory


def verify(directory, unit):
    # The manual is not installed here.
    result = tool("systemd-analyze", "verify", "--man=no", directory / unit,
                  env={**os.environ, "SYSTEMD_UNIT_PATH": f"{directory}:"})
    assert result.returncode == 0 and result.stdout + result.stderr == "", result.stdout + result.stderr


@pytest.mark.parametrize("unit", [*SERVICES, "smtpfrontd.socket", "smtpfrontd-submission.socket",
                                  "smtpfrontd-submissions.socket"])
def test_systemd_finds_nothing_to_complain_of(units, unit):
    verify(units, unit.replace("@.", "@a."))


@pytest.mark.parametrize("unit", SERVICES)
def test_exposure_is_one_and_a_half_at_most(units, unit):
    result = tool("systemd-analyze", "security", "--offline=true", "--threshold=15", units / unit)
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)[1]
    assert result.returncode == 0 and float(level) <= 1.5, result.stdout


@pytest.mark.parametrize("name", [name for name in DROPINS if name != OF_ROOT])
def test_a_drop_in_takes_away_what_implies_no_new_privs(units, name):
    """systemd.exec(5), NoNewPrivileges=, names what implies it for a service with a user."""
    dropin = units / "smtpfrontd.service.d"
    dropin.mkdir()
    shutil.copy(UNITS / "dropins" / name, dropin)
    verify(units, "smtpfrontd.service")
    settings = dict(re.findall(r"^(\w+)=(.*)$", (dropin / name).read_text(), re.M))
    assert settings["NoNewPrivileges"] == "no"
    implying = ("SystemCallFilter", "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictNamespaces",
                "PrivateDevices", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock",
                "ProtectHostname", "LockPersonality", "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID")
    assert all(settings.get(key) in ("no", "") for key in implying), settings


def test_the_drop_in_for_a_start_as_root_takes_nothing_else_away(units):
    dropin = units / "smtpfrontd.service.d"
    dropin.mkdir()
    shutil.copy(UNITS / "dropins" / OF_ROOT, dropin)
    verify(units, "smtpfrontd.service")
    settings = dict(re.findall(r"^(\w+)=(.*)$", (dropin / OF_ROOT).read_text(), re.M))
    assert settings.keys() == {"User", "Group", "AmbientCapabilities", "CapabilityBoundingSet", "SystemCallFilter"}


@pytest.mark.parametrize("unit", SERVICES)
def test_a_stop_is_for_the_daemon_and_not_for_its_programs(units, unit):
    """systemd.kill(5): otherwise SIGTERM would end qmail-queue and its like in the middle of a delivery."""
    assert re.findall(r"^KillMode=(.*)$", (units / unit).read_text(), re.M) == ["mixed"]


@pytest.mark.parametrize("unit", SERVICES)
def test_each_line_that_hardens_has_its_reason(units, unit):
    text = (units / unit).read_text().partition("# ---- who it is ----")[2].partition("[Install]")[0]
    explained = False
    for line in text.splitlines():
        if not line:
            explained = False
        elif line.startswith("#"):
            explained = True
        else:
            assert explained, f"{line}: without a reason"


@pytest.mark.skipif(os.geteuid() != 0, reason="THIS NEEDS ROOT: the user and the directories are not made")
def test_user_and_directories_are_made_as_they_are_described(units, work_dir):
    root = work_dir / "root"
    (root / "etc").mkdir(parents=True)
    for command in (("systemd-sysusers", f"--root={root}", units / "smtpfrontd.sysusers.conf"),
                    ("systemd-tmpfiles", f"--root={root}", "--create", units / "smtpfrontd.tmpfiles.conf")):
        result = tool(*command)
        assert result.returncode == 0, result.stderr
    entry = re.search(r"^smtpfrontd:[^:]*:(\d+):(\d+):.*:/var/vmail:/usr/sbin/nologin$",
                      (root / "etc/passwd").read_text(), re.M)
    for name, mode, uid, gid in (("etc/smtpfrontd/tls", 0o750, 0, int(entry[2])),
                                 ("var/vmail", 0o750, int(entry[1]), int(entry[2]))):
        found = (root / name).stat()
        assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (mode, uid, gid), name


def test_renewed_certificates_are_put_in_place_and_taken(daemon, pki, work_dir):
    """The hook as certbot runs it; while it is at work no other can read the key."""
    target, lineage = work_dir / "tls", work_dir / "lineage"
    for directory in (target, lineage):
        directory.mkdir()
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()

    def renew(pair):
        shutil.copyfile(pair.cert, lineage / "fullchain.pem")
        shutil.copyfile(pair.key, lineage / "privkey.pem")
        result = tool(CONTRIB / "renew-certificates",
                      env={**os.environ, "RENEWED_LINEAGE": str(lineage), "TARGET": str(target), "GROUP": group})
        assert result.returncode == 0, result.stderr

    renew(pki.ec)
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in target.iterdir()} == {"key.pem": "0o640",
                                                                                 "fullchain.pem": "0o640"}
    daemon.start(tls_certfile=str(target / "fullchain.pem"), tls_keyfile=str(target / "key.pem"))
    renew(pki.rsa)
    assert hangup(daemon)["changed"] == "0"
    with Client(daemon.address) as c:
        assert "STARTTLS" in c.ehlo().text
        c.quit()
