"""Next hops that close, stall, answer late, early, twice, endlessly or with what is no reply, at every step.

Whatever they do, our client gets one well-formed reply for each command, a message that was answered with 250 was
taken exactly once, and the next message, over whatever connection, is its own.
"""

import pytest

from client import Client, stuff
from conftest import is_long
from daemon import wait_until
from hostile_hop import FAULTS, STEPS, Hop

TIMES = {"connect_timeout": 5, "greeting_timeout": 2, "command_timeout": 2, "data_timeout": 2, "block_timeout": 2,
         "final_timeout": 2, "wait_timeout": 10}


class Case:
    """One fault, the hop that has it, and the domain whose mail goes there."""

    def __init__(self, number, name, lmtp):
        self.name = name
        self.domain = f"{name.replace('_', '-')}.example"
        self.hop = Hop(lmtp=lmtp)
        self.backend = f"hop{number}"
        self.recipients = [f"{who}@{self.domain}" for who in ("anna", "ben")]


def start(daemon, cases, **options):
    return daemon.start(
        domains=["example.org", *(c.domain for c in cases)],
        backends={c.backend: {"type": "lmtp" if c.hop.lmtp else "smtp", "hosts": [c.hop.address], **TIMES, **options}
                  for c in cases},
        routes=[*({"domain": c.domain, "backend": c.backend} for c in cases), {"backend": cases[0].backend}])


def attempt(client, case, mark, leaves=False):
    """
    A transaction as an honest client has it; the code that ended it, or None when it had no recipients. `leaves`:
    it comes to that only after another one, which it leaves.
    """
    if leaves:
        client.expect(250, f"MAIL FROM:<left-{mark}@example.net>")
        client.expect(250, f"RCPT TO:<{case.recipients[0]}>")
        client.expect(250, "RSET")
    client.expect(250, f"MAIL FROM:<{mark}@example.net>")
    accepted = []
    for recipient in case.recipients:
        reply = client.command(f"RCPT TO:<{recipient}>")
        assert reply.code == 250 or reply.code >= 400, reply
        assert reply.code != 421, "trouble with the hop is none of the connection to us"
        accepted += [recipient] if reply.code == 250 else []
    code = None
    if accepted:
        reply = client.command("DATA")
        if reply.code == 354:
            client.send(stuff(f"Subject: {mark}\r\n\r\n{'x' * 70}\r\n{'y' * 70}\r\n".encode()) + b".\r\n")
            reply = client.reply()
        code = reply.code
        assert code == 250 or code >= 400
    client.expect(250, "RSET")
    # Nothing is left over from what the hop said.
    assert client.expect(250, "NOOP").text.endswith("OK")
    return code


def taken_of(case, mark):
    return [t for t in case.hop.taken if t.sender == f"{mark}@example.net"]


def check_taken(case, mark, code):
    if code == 250:  # the hop may say so before it has read all that was sent, and what it says before it notes it
        case.hop.wait(lambda: taken_of(case, mark), f"{case.name}: what was answered with 250, from {mark}")
    taken = taken_of(case, mark)
    recipients = [r for t in taken for r in t.recipients]
    assert len(recipients) == len(set(recipients)), f"{case.name}: taken twice: {taken}"
    for t in taken:
        assert t.content.count(b"Subject:") == 1 and f"Subject: {mark}\r\n".encode() in t.content, \
            f"{case.name}: mixed up: {t}"
    if code == 250:
        assert recipients, f"{case.name}: {mark} was answered with 250, and the hop does not have it"


def is_up_again(client, case, mark):
    """A host that failed rests for a second: the client comes again, as clients do."""
    code = attempt(client, case, mark)
    check_taken(case, mark, code)
    return code == 250


def run(daemon, lmtp, step, leaves=False, **options):
    cases = [Case(number, name, lmtp) for number, name in enumerate(FAULTS)]
    try:
        start(daemon, cases, **options)
        faults = [(case, case.hop.fault(step, case.name)) for case in cases]
        with Client(daemon.address) as client:
            client.ehlo()
            for case, fault in faults:
                check_taken(case, "first", attempt(client, case, "first", leaves))
                case.hop.wait(lambda: fault.hits == 1, f"{case.name} to come to pass")
                assert not taken_of(case, "left-first")
                assert fault.hits == 1, f"{case.name} did not come to pass"
            for case in cases:
                tries = []
                wait_until(lambda: tries.append(0) or is_up_again(client, case, f"again{len(tries)}"),
                           f"{case.name} to be over")
            client.quit()
        for case in cases:
            case.hop.check_clean()
    finally:
        for case in cases:
            case.hop.close()


def combinations(steps, lmtp_steps):
    """LMTP differs only where there is a reply for each recipient; LONG=1 takes everything with it, too."""
    all_steps = [(False, step) for step in steps] + [(True, step) for step in (steps if is_long() else lmtp_steps)]
    return [pytest.param(lmtp, step, id=f"{'lmtp' if lmtp else 'smtp'}-{step}") for lmtp, step in all_steps]


@pytest.mark.parametrize("lmtp,step", combinations(STEPS, ["end"]))
def test_client_gets_one_reply_whatever_the_hop_does(daemon, lmtp, step):
    run(daemon, lmtp, step)


def test_transaction_that_is_left_does_not_spoil_the_next(daemon):
    """The hop's reply to RSET is as bad as the others."""
    run(daemon, False, "rset", leaves=True)


@pytest.mark.parametrize("lmtp,step", combinations(["data", "content", "end"], ["end"]))
def test_client_gets_one_reply_while_content_is_streamed(daemon, lmtp, step):
    run(daemon, lmtp, step, stream=True)
