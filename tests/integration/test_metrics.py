"""metrics_listen: what is told agrees with the log, Prometheus' own parser takes it, and rude clients harm nobody."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from client import Client
from daemon import DEADLINE_S, Raw, run, wait_until
from test_auth import PASSWORD, Users, plain
from test_clients import need
from test_privileges import NAMESPACE, needs_namespace, needs_root, nobody  # noqa: F401
from test_relay import hops, start_relay  # noqa: F401
from test_reload import free_port, hangup, reload
from test_tls_reload import generations, installed  # noqa: F401
from tls import TlsClient, client_context


class Metrics:
    """One scrape: samples by name and labels."""

    def __init__(self, text):
        self.text = text
        families = list(text_string_to_metric_families(text))
        self.families = {f.name: f for f in families}
        # Also where counters are known without their _total, as in OpenMetrics.
        assert len(self.families) == len(families), "two families have the same name"
        samples = [s for f in self.families.values() for s in f.samples]
        self.samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}
        assert len(self.samples) == len(samples), "two samples have the same labels"

    def get(self, name, **labels):
        return self.samples.get((f"smtpfrontd_{name}", tuple(sorted(labels.items()))))

    def all(self, name):
        return {labels: value for (n, labels), value in self.samples.items() if n == f"smtpfrontd_{name}"}


class Http:
    """A connection that says and hears bytes."""

    def __init__(self, daemon):
        self.socket = socket.create_connection(address_of(daemon), timeout=DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def rest(self):
        """All until it closes; a reset is an end, too."""
        data = b""
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except ConnectionResetError:
            pass
        return data

    def ask(self, data):
        self.send(data)
        return Answer(self.rest())


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 \d{3} [A-Za-z ]+", lines[0]), raw[:200]
        self.code = int(lines[0].split()[1])
        self.fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        assert self.fields["connection"] == "close"


def address_of(daemon):
    host, _, port = daemon.log.find("metrics_listening")[-1]["addr"].rpartition(":")
    return host.strip("[]"), int(port)


def scrape(daemon):
    with Http(daemon) as http:
        answer = http.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.code == 200 and len(answer.body) == int(answer.fields["content-length"])
    assert answer.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(answer.body.decode())


def send_message(client):
    return client.message(b"Subject: x\r\n\r\nx\r\n", "anna@example.org")


@pytest.fixture
def told(daemon):
    """A daemon that tells its metrics."""
    return daemon.start(metrics_listen="127.0.0.1:0")


def test_counts_agree_with_the_log(daemon, pki, work_dir):
    daemon.expect_trouble("auth_without_tls: passwords may be sent in plain text")
    users = Users(work_dir).set("anna")
    daemon.start_tls(pki.ec, metrics_listen="127.0.0.1:0", auth_without_tls=True, sender_rights="any", **users.source())
    for good in (True, False):
        with Client(daemon.address) as client:
            client.ehlo()
            client.expect(235 if good else 535, plain("anna", PASSWORD if good else "wrong"))
            client.expect(250, "MAIL FROM:<>")
            client.expect(550, "RCPT TO:<nobody@example.org>")
            client.expect(250, "RSET")
            client.expect(500, "WHAT")
            client.expect(503, "DATA")
            assert send_message(client).code == 250
            client.quit()
    with TlsClient(daemon.smtps, client_context(pki), immediate=True) as client:
        client.ehlo()
        assert send_message(client).code == 250
        client.quit()
    lines = daemon.log.wait("disconnect", count=3)
    metrics = scrape(daemon)
    refused = {}
    for line in daemon.log.find("refused"):
        key = tuple(sorted({k: line.get(k, "") for k in ("stage", "code", "status", "reason")}.items()))
        refused[key] = refused.get(key, 0) + 1
    assert metrics.all("refusals_total") == refused and len(refused) >= 4
    assert metrics.all("auth_total") == {(("mechanism", "PLAIN"), ("result", "ok")): 1,
                                         (("mechanism", "PLAIN"), ("result", "failed")): 1}
    accepted = daemon.log.find("accepted")
    assert metrics.get("messages_total", backend="inbox") == len(accepted) == 3
    assert metrics.get("message_bytes_total", backend="inbox") == sum(int(line["octets"]) for line in accepted)
    assert metrics.get("recipients_total", backend="inbox") == 3
    assert metrics.get("delivery_seconds_count", backend="inbox") == 3
    assert metrics.get("delivery_seconds_bucket", backend="inbox", le="+Inf") == 3
    assert metrics.get("bytes_received_total") == sum(int(line["bytes_in"]) for line in lines)
    assert metrics.get("bytes_sent_total") == sum(int(line["bytes_out"]) for line in lines)
    assert metrics.get("session_ends_total", reason="quit") == 3
    assert sum(metrics.all("sessions_total").values()) == 3 and metrics.get("sessions_open") == 0
    assert metrics.all("tls_handshakes_total") == {(("resumed", "no"), ("version", "TLSv1.3")): 1}
    assert metrics.get("tls_handshake_failures_total") == 0


def test_what_is_so_now_is_told(told):
    with Client(told.address) as client:
        client.ehlo()
        metrics = scrape(told)
        assert (metrics.get("sessions_open"), metrics.get("sessions_max")) == (1, 1000)
        client.quit()
    version = run("--version").stdout.split()[1]
    assert metrics.get("build_info", version=version) == 1
    assert abs(metrics.get("start_time_seconds") - time.time()) < 2 * DEADLINE_S + 60
    assert metrics.samples[("process_resident_memory_bytes", ())] > 1000000
    assert 10 < metrics.samples[("process_open_fds", ())] <= metrics.samples[("process_max_fds", ())]
    assert abs(metrics.samples[("process_open_fds", ())] - told.descriptors()) <= 3
    assert metrics.samples[("process_cpu_seconds_total", ())] > 0
    for family in metrics.families.values():
        assert family.documentation and family.type in ("counter", "gauge", "histogram")


def test_next_hops_and_failed_deliveries_are_told(daemon, hops):
    daemon.expect_trouble("hop_down")
    hop, gone = hops(), hops()
    gone.unlisten()
    daemon.settings["metrics_listen"] = "127.0.0.1:0"
    start_relay(daemon, [gone, hop], max_connections=1)

    def gauges(*names):
        metrics = scrape(daemon)
        return [metrics.get(f"hop_{name}", backend="hop", **labels) for name, labels in names]

    connections = [("connections", {"state": "in_use"}), ("connections", {"state": "idle"})]
    with Client(daemon.address) as first, Client(daemon.address) as second:
        for client in (first, second):
            client.ehlo()
        first.envelope()
        assert gauges(*connections) == [1, 0]
        assert gauges(("hosts", {"state": "up"}), ("hosts", {"state": "down"})) == [1, 1]
        second.expect(250, "MAIL FROM:<>")
        second.send(b"RCPT TO:<anna@example.org>\r\n")
        wait_until(lambda: gauges(("waiting", {})) == [1], "a message that waits for a connection")
        hop.verdicts[None] = "554 5.6.0 No"
        first.expect(354, "DATA")
        first.send(b".\r\n")
        assert first.reply().code == 554
        assert second.reply().code == 250
        hop.verdicts[None] = "451 4.3.0 Later"
        second.expect(354, "DATA")
        second.send(b".\r\n")
        assert second.reply().code == 451
        hop.verdicts.clear()
        assert send_message(first).code == 250
        wait_until(lambda: gauges(*connections) == [0, 1], "a connection that is idle")
    metrics = scrape(daemon)
    assert metrics.get("messages_total", backend="hop") == metrics.get("recipients_total", backend="hop") == 1
    for kind in ("temporary", "permanent"):
        assert metrics.get("delivery_failures_total", backend="hop", kind=kind) == 1
    assert metrics.get("delivery_seconds_count", backend="hop") == 3
    for code, status in (("554", "5.6.0"), ("451", "4.3.0")):
        line, = daemon.log.find("refused", code=code, status=status)
        assert metrics.get("refusals_total", stage="message", code=code, status=status, reason=line["reason"]) == 1


def test_durations_are_those_of_the_backend(daemon, hops):
    hop = hops()
    daemon.settings["metrics_listen"] = "127.0.0.1:0"
    start_relay(daemon, hop, final_timeout=1)
    hop.fault("end", "stall")
    with Client(daemon.address) as client:
        client.ehlo()
        begin = time.monotonic()
        client.envelope()
        client.expect(354, "DATA")
        client.send(b".\r\n")
        assert client.reply().code == 451
        took = time.monotonic() - begin
    metrics = scrape(daemon)
    assert 0.9 < metrics.get("delivery_seconds_sum", backend="hop") <= took + 0.1
    assert metrics.get("delivery_seconds_bucket", backend="hop", le="0.5") == 0
    assert metrics.get("delivery_seconds_bucket", backend="hop", le="60") == 1
    assert metrics.get("delivery_failures_total", backend="hop", kind="temporary") == 1


def test_refusals_at_the_door_are_counted_also_when_they_are_not_logged(daemon):
    daemon.start(metrics_listen="127.0.0.1:0", max_sessions=1, log_level="notice")
    with Client(daemon.address):
        with Client(daemon.address, greeting=False) as other:
            assert other.reply().code == 421
    assert scrape(daemon).get("refusals_total", stage="connect", code="421", status="4.3.2", reason="max_sessions") == 1
    assert not daemon.log.find("refused")


def test_failed_handshakes_and_certificates_are_told(daemon, pki):
    daemon.start_tls(pki.ec, metrics_listen="127.0.0.1:0")
    with socket.create_connection(daemon.smtps, timeout=DEADLINE_S) as s:
        s.sendall(b"EHLO x\r\n" * 10)
    daemon.log.wait("disconnect", reason="tls_handshake")
    metrics = scrape(daemon)
    assert metrics.get("tls_handshake_failures_total") == 1
    files = metrics.all("certificate_not_after_seconds")
    assert {dict(labels)["file"] for labels in files} == {str(pki.ec.settings()["tls_certfile"])}
    text = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in",
                           str(pki.ec.settings()["tls_certfile"])], capture_output=True, text=True, check=True).stdout
    ends = time.strptime(text.strip().removeprefix("notAfter="), "%Y-%m-%d %H:%M:%SZ")
    assert {time.gmtime(value)[:6] for value in files.values()} == {tuple(ends[:6])}
    assert set(metrics.all("certificate_first_not_after_seconds").values()) == set(files.values())


def test_certificates_that_are_renewed_or_broken_are_told(daemon, installed, generations):  # noqa: F811
    daemon.expect_trouble("the TLS certificates are kept as they were")
    daemon.start_tls(installed, metrics_listen="127.0.0.1:0")
    before = scrape(daemon)
    installed.put(generations[1].cert, generations[1].key)
    daemon.log.wait("tls_reload")
    renewed = scrape(daemon)
    assert renewed.all("tls_reloads_total") == {(("result", "ok"),): 2, (("result", "failed"),): 0}
    installed.cert.write_bytes(b"")
    daemon.log.wait("tls_reload", count=2)
    broken = scrape(daemon)
    assert broken.all("tls_reloads_total") == {(("result", "ok"),): 2, (("result", "failed"),): 2}
    assert broken.all("certificate_not_after_seconds") == renewed.all("certificate_not_after_seconds")
    assert broken.all("reloads_total") == before.all("reloads_total")


def test_counters_outlive_reloads_good_and_bad(told):
    address = address_of(told)
    with Client(told.address) as client:
        client.ehlo()
        assert send_message(client).code == 250
        client.quit()
    told.log.wait("disconnect")
    assert scrape(told).get("reload_successful") == 1
    reload(told, max_errors=7)
    metrics = scrape(told)
    assert (metrics.get("setup_number"), metrics.get("reload_successful")) == (2, 1)
    told.configure(max_errors="many")
    hangup(told, "reload_failed")
    metrics = scrape(told)
    assert (metrics.get("setup_number"), metrics.get("reload_successful")) == (2, 0)
    assert metrics.all("reloads_total") == {(("result", "ok"),): 1, (("result", "failed"),): 1}
    assert abs(metrics.get("last_reload_time_seconds") - time.time()) < 2 * DEADLINE_S + 60
    assert metrics.get("messages_total", backend="inbox") == 1
    assert address_of(told) == address


def test_a_reload_opens_moves_and_closes_the_socket(daemon):
    daemon.start()
    first, second = free_port(), free_port()
    reload(daemon, metrics_listen=f"127.0.0.1:{first}")
    assert scrape(daemon).get("sessions_open") == 0
    reload(daemon, metrics_listen=f"127.0.0.1:{second}")
    assert address_of(daemon)[1] == second and scrape(daemon).get("setup_number") == 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), timeout=DEADLINE_S)
    reload(daemon, metrics_listen=None)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", second), timeout=DEADLINE_S)


def test_a_reload_to_a_port_that_is_taken_changes_nothing(told):
    with socket.create_server(("127.0.0.1", 0)) as other:
        told.configure(metrics_listen=f"127.0.0.1:{other.getsockname()[1]}", hostname="new.example.org")
        line = hangup(told, "reload_failed")
    assert "metrics_listen: cannot listen on 127.0.0.1" in line["text"]
    assert scrape(told).get("reload_successful") == 0
    with Client(told.address) as client:
        assert "mx.example.org" in client.greeting.text


def test_what_was_opened_for_a_reload_that_fails_is_closed_again(told):
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        told.configure(metrics_listen=f"127.0.0.1:{port}",
                       listeners=[{"listen": f"127.0.0.1:{other.getsockname()[1]}"}])
        hangup(told, "reload_failed")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
    assert scrape(told).get("setup_number") == 1


@needs_root
@needs_namespace
def test_a_port_that_needs_root_needs_a_restart(nobody):  # noqa: F811
    nobody.expect_trouble("needs_restart")
    nobody.start(wrap=NAMESPACE, metrics_listen="127.0.0.1:99")
    assert nobody.log.find("metrics_listening")[0]["addr"] == "127.0.0.1:99"
    nobody.configure(metrics_listen="127.0.0.1:98", smtpgreeting="newer")
    hangup(nobody)
    line, = nobody.log.find("needs_restart", key="metrics_listen")
    assert "Permission denied" in line["text"]
    assert len(nobody.log.find("metrics_listening")) == 1


def test_a_port_that_is_taken_ends_the_start(daemon):
    daemon.expect_trouble("start_failed")
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon.start(metrics_listen=f"127.0.0.1:{other.getsockname()[1]}", wait_ready=False)
        assert daemon.exit_code() != 0
    text = daemon.past_logs[-1].find("start_failed")[0]["text"]
    assert re.search(r"smtpfrontd\.conf:\d+: metrics_listen: cannot listen on", text)


@pytest.mark.parametrize("settings, message", [
    ({"metrics_listen": "localhost"}, "metrics_listen: "),
    ({"metrics_listen": "socket:metrics"}, "metrics_listen: "),
    ({"metrics_listen": Raw("9925")}, "metrics_listen: must be a string"),
    ({"metrics_listen": "127.0.0.1:1025", "listeners": [{"listen": "127.0.0.1:1025"}]},
     'metrics_listen: "127.0.0.1:1025" is the address of a listener'),
    ({"metrics_listen": "127.0.0.1:0", "metrics_from": ["somewhere"]}, "metrics_from: "),
])
def test_bad_settings_are_told_with_their_line(daemon, settings, message):
    result = run("-t", "-c", daemon.configure(**settings))
    assert result.returncode == 78
    assert re.search(r"smtpfrontd\.conf:\d+: " + re.escape(message), result.stderr), result.stderr


def test_networks_without_a_socket_are_warned_of(daemon):
    result = run("-t", "-c", daemon.configure(metrics_from=["192.0.2.1"]))
    assert result.returncode == 0 and "metrics_from does nothing without metrics_listen" in result.stderr


def test_others_are_closed_at_once_and_logged_once(told):
    reload(told, metrics_from=["192.0.2.0/24"])
    for _ in range(5):
        with Http(told) as http:
            assert http.rest() == b""
    line = told.log.wait("metrics_refused")[0]
    assert (line["client"], line["reason"]) == ("127.0.0.1", "not_in_metrics_from")
    reload(told, metrics_from=["127.0.0.0/8"])
    assert scrape(told).get("reloads_total", result="ok") == 2
    assert len(told.log.find("metrics_refused")) == 1


@pytest.mark.parametrize("request_text, code", [
    (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
    (b"GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"GET http://x:1/metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"\r\nGET /metrics HTTP/1.0\n\n", 200),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    (b"GET /metrics\r\n\r\n", 400),
    (b"GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"EHLO x\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
    (b"\0\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET /" + b"a" * 9000, 414),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 2000, 431),
], ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value))
def test_requests_get_what_http_has_for_them(told, request_text, code):
    with Http(told) as http:
        answer = http.ask(request_text)
    assert answer.code == code and len(answer.body) == int(answer.fields["content-length"]) > 0
    assert ("allow" in answer.fields) == (code == 405)


def test_head_has_the_length_and_no_body(told):
    with Http(told) as http:
        answer = http.ask(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.code == 200 and answer.body == b"" and int(answer.fields["content-length"]) > 1000


def test_curl_gets_them_over_ipv6_too(daemon):
    need("curl")
    daemon.start(metrics_listen="[::1]:0")
    url = f"http://[::1]:{address_of(daemon)[1]}/metrics"
    result = subprocess.run(["curl", "-sS", "--fail", "--max-time", "30", url], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert Metrics(result.stdout).get("sessions_open") == 0


def test_who_has_sent_all_and_closes_half_gets_the_answer(told):
    with Http(told) as http:
        http.send(b"GET /metrics HTTP/1.0\r\n\r\n").socket.shutdown(socket.SHUT_WR)
        assert Answer(http.rest()).code == 200
    with Http(told) as http:
        http.send(b"GET /metrics HTTP/1.0\r\n").socket.shutdown(socket.SHUT_WR)
        assert Answer(http.rest()).code == 400
    with Http(told) as http:
        http.socket.shutdown(socket.SHUT_WR)
        assert http.rest() == b""


def test_a_byte_at_a_time_is_a_request_as_well(told):
    with Http(told) as http:
        http.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n":
            http.send(bytes([byte]))
        assert Answer(http.rest()).code == 200


def test_twenty_silent_connections_hold_eight_places_and_ten_seconds(told):
    begin = time.monotonic()
    held = [Http(told) for _ in range(20)]
    for http in held[:3]:
        http.send(b"GET /metrics HTTP/1.1\r\nX: ")
    told.log.wait("metrics_refused", reason="too_many_connections")
    with Client(told.address) as client:
        client.ehlo()
        assert send_message(client).code == 250
        client.quit()
    for http in held:
        assert http.rest() == b""
        http.socket.close()
    assert time.monotonic() - begin > 8
    assert scrape(told).get("messages_total", backend="inbox") == 1


def test_rude_clients_take_no_memory_and_no_time(daemon):
    daemon.measure_memory().start(metrics_listen="127.0.0.1:0")
    rude = [b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * 4000 + b"\r\n" * 3, os.urandom(20000), b"A" * 20000,
            b"GET /metrics HTTP/1.0\r\n\r\n" + b"z" * 50000, b"\r\n" * 5000]

    def annoy():
        for data in rude:
            with Http(daemon) as http:
                try:
                    http.send(data)
                    http.rest()
                except OSError:
                    pass  # it may be closed while we are still sending

    for _ in range(5):
        annoy()
    before, descriptors = daemon.resident_kib(), daemon.descriptors()
    for _ in range(60):
        annoy()
    assert scrape(daemon).get("sessions_open") == 0
    assert daemon.resident_kib() - before < 8 * 1024
    assert daemon.descriptors() <= descriptors + 9
    with Client(daemon.address) as client:
        client.ehlo()
        assert send_message(client).code == 250


def test_who_does_not_close_after_the_answer_is_closed(told):
    before = told.descriptors()
    held = [Http(told) for _ in range(8)]
    for http in held:
        assert http.ask(b"GET /metrics HTTP/1.0\r\n\r\n").code == 200
    # Our ends stay open; the places and the descriptors are free again all the same.
    wait_until(lambda: told.descriptors() <= before, "connections that are given up")
    assert scrape(told).get("sessions_open") == 0
    for http in held:
        http.socket.close()


# A network of its own, in which the kernel keeps 4 KiB of what we send.
NARROW = ("unshare", "-n", "/bin/sh", "-c",
          'ip link set lo up && echo "4096 4096 4096" >/proc/sys/net/ipv4/tcp_wmem && exec "$@"', "narrow")
READER = """
import socket, sys
s = socket.socket()
s.settimeout(%d)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
s.connect(("127.0.0.1", %d))
s.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
if %r:
    sys.stdin.read()
while chunk := s.recv(1000):
    sys.stdout.buffer.write(chunk)
"""


def narrow(daemon):
    """So many backends, and so little room, that the answer does not fit into the kernel's buffers."""
    daemon.expect_trouble("no route leads to the backend")
    path = f"{daemon.mail}/%d/%n"
    return daemon.start(wrap=NARROW, metrics_listen="127.0.0.1:0",
                        backends={f"inbox{i}": {"type": "maildir", "path": path} for i in range(150)},
                        routes=[{"backend": "inbox0"}])


def reader(daemon, waits):
    program = READER % (DEADLINE_S, address_of(daemon)[1], waits)
    return subprocess.Popen(["nsenter", "-n", "-t", str(daemon.process.pid), "/usr/bin/python3", "-c", program],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@needs_root
@needs_namespace
def test_a_large_answer_arrives_whole_in_little_pieces(daemon):
    with reader(narrow(daemon), waits=False) as program:
        answer = Answer(program.communicate(timeout=DEADLINE_S)[0])
    assert 150000 < len(answer.body) == int(answer.fields["content-length"]) < 300000
    metrics = Metrics(answer.body.decode())
    assert metrics.get("messages_total", backend="inbox127") == 0
    assert metrics.get("messages_total", backend="inbox128") is None


@needs_root
@needs_namespace
def test_who_does_not_read_is_closed_after_ten_seconds(daemon):
    before = narrow(daemon).descriptors()
    with reader(daemon, waits=True) as program:
        wait_until(lambda: daemon.descriptors() > before, "the connection")
        begin = time.monotonic()
        wait_until(lambda: daemon.descriptors() <= before, "the end of the connection")
        assert time.monotonic() - begin > 8
        assert len(program.communicate(timeout=DEADLINE_S)[0]) < 100000


def test_the_socket_closes_when_the_stop_begins(told):
    address = address_of(told)
    with Client(told.address) as client:
        client.ehlo()
        client.envelope("anna@example.org")
        client.expect(354, "DATA")
        told.process.send_signal(signal.SIGTERM)
        told.log.wait("stop")
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            # The signal is logged before the sockets close, in the same turn.
            for _ in range(1000):
                socket.create_connection(address, timeout=DEADLINE_S).close()
        client.send(b"x\r\n.\r\n")
        assert client.reply().code == 250
    assert told.exit_code() == 0
