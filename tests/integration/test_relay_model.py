"""Who may relay: all settings that touch it, put together, against a model that says what must come of them.

The model is the rule of the manual in a few lines of Python. Every combination of the settings of a listener is a
listener of its own; every client has an address of its own, for which a rule, a network or nothing holds.
"""

import base64
import itertools
import random

import pytest

from client import Client
from daemon import run

DOMAIN = "example.org"
USER = "anna"
SECRET = "correct horse"

LISTENER_SETTINGS = {
    "require_auth": [False, True],
    "relayclient": [True, False],
    "relay_networks": [None, ["127.0.0.2", "127.0.0.4"]],
    "auth_without_tls": [True, False],
    "sender_rights": ["own", "listed", "any"],
}
LISTENERS = [dict(zip(LISTENER_SETTINGS, values)) for values in itertools.product(*LISTENER_SETTINGS.values())]

RULES = {
    "127.0.0.3": {"relayclient": True},
    "127.0.0.4": {"relayclient": False},
    "127.0.0.5": {"require_auth": False},
    "127.0.0.6": {"require_auth": True},
    "127.0.0.7": {"relayclient": True, "require_auth": True},
    "127.0.0.8": {"relayclient": True, "tls_required": True},
    "127.0.0.9": {"refuse": "Not you."},
}
CLIENTS = ["127.0.0.1", "127.0.0.2", *RULES]

SENDERS = ["", f"{USER}@{DOMAIN}", f"boss@{DOMAIN}", "stranger@example.net"]
RECIPIENTS = [f"ben@{DOMAIN}", "ben@example.com", f"ben%example.com@{DOMAIN}"]
LISTED = f"boss@{DOMAIN}"  # in whose name sender_map lets the user send


def may_send_as(rights, sender):
    return rights == "any" or sender in ("", f"{USER}@{DOMAIN}") or (rights == "listed" and sender == LISTED)


def model(listener, client, user, sender, recipient):
    """(stage, code) of the first refusal; ("rcpt", 250) for none."""
    rule = RULES.get(client, {})
    listed = rule.get("relayclient", client in (listener["relay_networks"] or []))
    if "refuse" in rule:
        return "connect", 554
    if rule.get("tls_required"):
        return "mail", 530
    if not user and rule.get("require_auth", listener["require_auth"] and not listed):
        return "mail", 530
    if user and not may_send_as(listener["sender_rights"], sender):
        return "mail", 553
    if "%" in recipient:
        return "rcpt", 550
    if recipient.endswith("@" + DOMAIN) or (listener["relayclient"] and (user or listed)):
        return "rcpt", 250
    return "rcpt", 550


def listener_text(listener):
    return {"listen": "127.0.0.1:0", **{k: v for k, v in listener.items() if v is not None}}


def configuration(directory):
    """Everything but the listeners."""
    users, senders = directory / "users", directory / "senders"
    users.write_text(f"{USER}:{{PLAIN}}{SECRET}\n")
    users.chmod(0o600)
    senders.write_text(f"{USER}: {LISTED}\n")
    return {
        "auth": [{"type": "file", "path": users}],
        "sender_map": senders,
        "clients": [{"address": address, **rule} for address, rule in RULES.items()],
        "backends": {"nothing": {"type": "null"}},
        "routes": [{"backend": "nothing"}],
        "max_errors": 10000,
    }


def log_in(session):
    """Is the client a user now?"""
    proof = base64.b64encode(f"\0{USER}\0{SECRET}".encode()).decode()
    return session.command(f"AUTH PLAIN {proof}").code == 235


def transaction(session, sender, recipient):
    reply = session.command(f"MAIL FROM:<{sender}>")
    if reply.code != 250:
        return "mail", reply.code
    reply = session.command(f"RCPT TO:<{recipient}>")
    session.expect(250, "RSET")
    return "rcpt", reply.code


def check_session(address, listener, client, wants_user):
    """Returns how many transactions were compared."""
    with Client(address, greeting=False, source=client) as session:
        greeting = session.reply()
        if greeting.code != 220:
            assert ("connect", greeting.code) == model(listener, client, False, "", RECIPIENTS[0]), (listener, client)
            return 1
        session.ehlo()
        user = wants_user and log_in(session)
        may_log_in = listener["auth_without_tls"] and not RULES.get(client, {}).get("tls_required")
        assert user == (wants_user and may_log_in), (listener, client)
        for sender, recipient in itertools.product(SENDERS, RECIPIENTS):
            got = transaction(session, sender, recipient)
            assert got == model(listener, client, user, sender, recipient), (listener, client, user, sender, recipient)
        session.expect(221, "QUIT")
        return len(SENDERS) * len(RECIPIENTS)


def test_the_daemon_agrees_with_the_model_in_every_combination(daemon):
    daemon.expect_trouble(" config ")
    daemon.start(listeners=[listener_text(one) for one in LISTENERS], **configuration(daemon.directory))
    compared = 0
    for number, listener in enumerate(LISTENERS):
        for client, wants_user in itertools.product(CLIENTS, [False, True]):
            compared += check_session(("127.0.0.1", daemon.ports[number]), listener, client, wants_user)
    assert compared > 5000


# What each of these would have to say yes to for an open relay.
@pytest.mark.parametrize("listener", LISTENERS, ids=str)
def test_the_model_lets_no_stranger_relay(listener):
    for sender in SENDERS:
        assert model(listener, "127.0.0.1", False, sender, "ben@example.com")[1] >= 500


def explained(config_file, **question):
    result = run("-c", config_file, "--explain", *(f"{k}={v}" for k, v in question.items()))
    assert result.returncode == 0, result.stderr
    stages = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    replies = [int(line.split()[1]) for line in result.stdout.splitlines() if line.startswith("  -> ")]
    return stages[-1].split()[0].lower(), replies[-1]


def test_explain_agrees_with_the_model(daemon):
    """A sample: each question is a process of its own."""
    choose = random.Random(20261122)
    for _ in range(60):
        listener = choose.choice(LISTENERS)
        client = choose.choice(CLIENTS)
        user = choose.choice(["", USER])
        sender, recipient = choose.choice(SENDERS), choose.choice(RECIPIENTS)
        config_file = daemon.configure(listeners=[listener_text(listener)], **configuration(daemon.directory))
        stage, code = explained(config_file, client=client, user=user, sender=sender, recipient=recipient)
        expected = model(listener, client, bool(user), sender, recipient)
        assert (stage, code) == expected, (listener, client, user, sender, recipient)
