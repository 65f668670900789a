"""Messages handed to a next hop: what the hop gets, and what our client is told. The hop is hostile_hop.Hop."""

import pytest

from client import Client
from hostile_hop import Hop

CONTENT = b"Subject: relay\r\n\r\n.dot\r\n..two\r\nlast\r\n"


@pytest.fixture
def hops():
    """Makes hops, and checks at the end that each was treated well."""
    made = []

    def make(*arguments, **options):
        made.append(Hop(*arguments, **options))
        return made[-1]

    yield make
    for hop in made:
        hop.close()
        hop.check_clean()


def start_relay(daemon, hop, kind=None, listener=None, **options):
    """A daemon whose only backend hands all to `hop`, or to several of them."""
    several = hop if isinstance(hop, (list, tuple)) else [hop]
    backend = {"type": kind or ("lmtp" if several[0].lmtp else "smtp"), "hosts": [h.address for h in several],
               **options}
    return daemon.start(backends={"hop": backend}, routes=None,
                        listeners=[{"listen": "127.0.0.1:0", **(listener or {})}])


@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
@pytest.mark.parametrize("stream", [False, True], ids=["spooled", "streamed"])
def test_message_arrives_as_it_was_sent(daemon, hops, lmtp, stream):
    hop = hops(lmtp=lmtp)
    start_relay(daemon, hop, stream=stream)
    with Client(daemon.address) as client:
        client.ehlo()
        assert client.message(CONTENT, "anna@example.org", "ben@example.org").code == 250
        taken, = hop.wait_taken(1)
        assert taken.body == CONTENT
        assert taken.sender == "sender@example.net"
        assert taken.recipients == ["anna@example.org", "ben@example.org"]
        client.quit()
