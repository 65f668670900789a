"""Rude clients for some seconds: good ones go on, memory stays bounded, and the rude end with the right words.

What is judged does not depend on how fast the machine is; tests/bench/rude.py measures that.
"""

import sys

import pytest

from daemon import TOP

sys.path.insert(0, str(TOP / "tests/bench"))

import rude  # noqa: E402

SECONDS = 4
CLIENTS = 20
QUARANTINE_KIB = 16 * 1024  # freed objects that AddressSanitizer keeps, with what surrounds them
SANITIZED = 4           # what redzones, shadow and alignment make of each byte, roughly
SETTINGS = {
    "timeout": 2,
    "min_data_rate": 100,
    "max_recipients": 100,
    "max_header_size": "16K",
    "max_message_size": "1M",
    "max_errors": 5,
    "spool_memory": 4 << 20,
    "spool_threshold": "64K",
    "disk_threads": 2,
    "max_sessions": 200,
}

# By the clock of inactivity, by the rate, or by a limit that needs no clock; and what the log calls it.
ENDS_SOON = [("idle", "idle_timeout"), ("silent", "idle_timeout"), ("drip_helo", "idle_timeout"),
             ("drip_mail", "idle_timeout"), ("drip_rcpt", "idle_timeout"), ("drip_data", "idle_timeout"),
             ("drip_header", "min_data_rate"), ("drip_body", "min_data_rate"),
             ("endless_line", "line_endless"), ("endless_recipients", "max_recipients_ignored")]
# These are busy all the time, and only the session's own clock ends them.
ENDS_LATE = ["slow_noop", "endless_header", "endless_field", "eager_noop"]


@pytest.fixture
def attack(daemon):
    """Rude clients of a kind while good ones send; what became of the rude ones."""
    def run(kind, seconds=SECONDS, clients=CLIENTS, options=None, **settings):
        daemon.measure_memory()
        daemon.expect_trouble("limit")
        daemon.start(**{**SETTINGS, **settings})
        base = daemon.resident_kib()
        process = rude.start_rude(daemon.port, kind, seconds, clients, **(options or {}))
        good = rude.run_good(daemon, seconds, clients=5, pace_ms=50, messages=5)
        result = rude.end_rude(process, seconds)
        # A short session_timeout is for all: on a busy machine a good session may come to it, too.
        assert set(good["failed"]) <= ({"421"} if "session_timeout" in settings else set()), good
        assert good["messages"] > 0
        bound = base + SANITIZED * (rude.memory_bound_kib(daemon.settings, clients + 5, 0)) + QUARANTINE_KIB
        assert good["peak_kib"] <= bound, result
        # The daemon is none the worse for it.
        after = rude.run_good(daemon, 1, clients=1, pace_ms=50, messages=5)
        assert after["failures"] == 0 or "session_timeout" in settings, after
        return result
    return run


def check_told_421(daemon, result, reason):
    """Each that was closed got 421, but for those who sent so much behind it that a reset overtook it."""
    others = sum(count for code, count in result["ends"].items() if code != "421")
    assert result["ends"].get("421", 0) > 0 and others <= result["resets"], result
    reasons = {line["reason"] for line in daemon.log.find("disconnect") if not line["client"].endswith(".0.0.1")}
    assert reason in reasons and reasons <= {reason, "lost"}, reasons


@pytest.mark.parametrize("kind, reason", ENDS_SOON)
def test_rude_client_is_told_421_and_closed(attack, daemon, kind, reason):
    result = attack(kind)
    check_told_421(daemon, result, reason)


@pytest.mark.parametrize("kind", ENDS_LATE)
def test_busy_client_without_end_is_told_421_by_the_clock_of_the_session(attack, daemon, kind):
    result = attack(kind, seconds=8, session_timeout=5)
    check_told_421(daemon, result, "session_timeout")


def test_garbage_is_closed_for_its_errors_or_its_line_ends(attack, daemon):
    result = attack("garbage")
    assert result["ends"]["421"] > 0 and set(result["ends"]) <= {"421", "500"}, result
    reasons = {line["reason"] for line in daemon.log.find("disconnect") if not line["client"].endswith(".0.0.1")}
    assert "max_errors" in reasons and reasons <= {"max_errors", "bare_lf", "lost"}, reasons


def test_client_that_does_not_read_its_replies_is_closed(attack):
    # Few, because the kernel takes megabytes of replies for each before it is full.
    result = attack("endless_noop", seconds=8, clients=2)
    assert sum(result["ends"].values()) > 0, result


@pytest.mark.parametrize("kind", ["connect_close", "greeting_close"])
def test_floods_of_connections_leave_nothing_behind(attack, daemon, kind):
    result = attack(kind, clients=5)
    assert result["left"] > 0
    assert daemon.descriptors() < 60


def test_big_messages_are_refused_and_the_sessions_go_on(attack):
    result = attack("big_message", clients=4, options={"bytes": 4 << 20})
    assert result["ends"] == {} and result["replies"]["552"] > 0, result


def test_half_closed_client_is_closed(attack):
    result = attack("half_closed")
    assert set(result["ends"]) == {"250"}, result
