"""The tools that judge the source tree can fail."""

import subprocess

import pytest

from daemon import TOP

TOOLS = TOP / "tests" / "tools"


def judge(tool, src):
    return subprocess.run([str(TOOLS / tool), str(src)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def src(work_dir):
    def write(name, text):
        path = work_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return work_dir
    write("base/span.h", "int span;\n")
    write("base/span.c", '#include "base/span.h"\nint f(void)\n{\n\treturn 0;\n}\n')
    return write


def test_good_tree_passes(src):
    root = src("proto/session.c", '#include "base/span.h"\n#include <string.h>\n')
    for tool in ("check-layers.sh", "check-sizes.sh"):
        result = judge(tool, root)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name, line", [
    ("base/a.c", '#include "proto/session.h"'), ("proto/a.c", '#include "net/loop.h"'),
    ("proto/a.c", "#include <time.h>"), ("proto/a.c", "# include <sys/socket.h>"),
    ("net/a.c", '#include "conf/config.h"'), ("conf/a.c", '#include "proto/session.h"'),
    ("spool/a.c", '#include "backend/backend.h"'), ("policy/a.c", '#include "backend/backend.h"'),
    ("backend/a.c", '#include "front/server.h"'), ("backend/a.c", '#include "policy/policy.h"'),
    ("front/a.c", "#include <event2/event.h>"), ("front/a.c", "#include <libconfig.h>"),
    ("main.c", "#include <libconfig.h>"), ("front/a.c", "#include <openssl/ssl.h>"), ("front/a.c", '#include "server.h"'),
    ("front/a.c", '#include "../net/loop.h"'), ("strange/a.c", '#include "base/span.h"'),
])
def test_layer_violation_is_found(src, name, line):
    result = judge("check-layers.sh", src(name, line + "\n"))
    assert result.returncode != 0
    assert f"{name}:1:" in result.stdout


def test_layers_of_an_empty_tree_are_no_success(work_dir):
    assert judge("check-layers.sh", work_dir).returncode != 0
    assert judge("check-sizes.sh", work_dir).returncode != 0


@pytest.mark.parametrize("name, text, word", [
    ("base/a.c", "int long_one(void)\n{\n" + "\t;\n" * 78 + "\treturn 0;\n}\n", "long_one"),
    ("main.c", "int main(void)\n{\n" + "\t;\n" * 58 + "\treturn 0;\n}\n", "main"),
    ("base/a.c", "/* */\n" * 701, "base/a.c"),
    ("base/a.h", "/* */\n" * 201, "base/a.h"),
], ids=["function", "main", "source", "header"])
def test_size_beyond_a_cap_is_found(src, name, text, word):
    result = judge("check-sizes.sh", src(name, text))
    assert result.returncode != 0
    assert word in result.stdout


def hacking(work_dir, *tests):
    text = "Attacks and their tests\n-----\n\nS1   An attack\n" + "".join(f"     {t}\n" for t in tests) + "\n\nNext\n----\n"
    (work_dir / "HACKING").write_text(text + "     unit/check_elsewhere.c::not_about_attacks\n")
    for name, line in (("unit/check_a.c", "START_TEST(holds)\n"), ("vectors/a.smtp", "== a_vector\n"),
                       ("integration/test_a.py", "def test_a(server):\n")):
        path = work_dir / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line)
    return judge("check-attacks.sh", work_dir)


def test_tests_against_attacks_that_exist_pass(work_dir):
    result = hacking(work_dir, "unit/check_a.c::holds", "vectors/a.smtp::a_vector", "vectors/a.smtp",
                     "integration/test_a.py::test_a")
    assert result.returncode == 0 and "4 tests" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("test", ["unit/check_a.c::fails", "unit/check_b.c", "vectors/a.smtp::a", "no test",
                                  "integration/test_a.py::test", "integration/test_a.py::test_aa"])
def test_test_against_an_attack_that_is_not_there_is_found(work_dir, test):
    result = hacking(work_dir, test)
    assert result.returncode == 1, result.stdout + result.stderr
