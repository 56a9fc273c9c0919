"""Remote control in the hands of those who do not mean well: by openssl's own client, and by bare sockets."""

import http.client
import json
import os
import resource
import socket
import ssl
import subprocess
import time

import pytest

from credentials import token
from namespaces import run
from processes import eventually, spawn, stop
from remote_site import RemoteSite
from wireless import free_port


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = RemoteSite(tmp_path_factory.mktemp("remote"))
    with made.gateway:
        yield made
        assert made.gateway.call("system.info"), "the gateway still answers"


def s_client(site, *options, **more):
    """openssl s_client's whole output; the connection ends with its input."""
    more.setdefault("stdin", subprocess.DEVNULL)
    done = run("openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-CAfile", site.authority.file, *options, check=False, **more)
    return done.stdout + done.stderr


def connection(site, **options):
    context = ssl.create_default_context(cafile=str(site.authority.file))
    return http.client.HTTPSConnection("127.0.0.1", site.port, timeout=30, context=context, **options)


def test_a_scan_finds_nothing_weak(site):
    shown = s_client(site)
    assert "TLSv1.3" in shown and "Verify return code: 0 (ok)" in shown
    assert "Early data was not sent" in shown
    old = s_client(site, "-tls1_2")
    assert "ECDHE-ECDSA-AES" in old and "GCM" in old and "Secure Renegotiation IS supported" in old
    assert "Compression: NONE" in old and "Extended master secret: yes" in old
    assert "TLS session ticket:" not in old  # nothing is taken up again
    refused = [
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"), ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"),
        ("-tls1_2", "-cipher", "AES128-GCM-SHA256"), ("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"),
        ("-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"), ("-tls1_2", "-cipher", "NULL:@SECLEVEL=0"),
    ]  # fmt: skip
    for options in refused:
        assert "Cipher is (NONE)" in s_client(site, *options), options
    assert "no application protocol" in s_client(site, "-alpn", "h2")


def test_renegotiation_ends_the_connection_and_is_counted(site):
    before = site.faults()["renegotiation"]
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-tls1_2"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    client.stdin.write("R\n")
    client.stdin.flush()
    eventually(lambda: site.faults()["renegotiation"] == before + 1, "counted")
    out, _ = client.communicate(timeout=30)
    assert "no renegotiation" in out.lower()


def test_early_data_is_thrown_away_and_counted(site, tmp_path):
    """The session is of another server with the same certificate, which takes early data."""
    port = free_port()
    other = spawn(
        "openssl", "s_server", "-accept", port, "-cert", site.files["certificate"], "-key", site.files["key"],
        "-early_data", "-max_early_data", "16384", "-tls1_3", "-quiet", log=tmp_path / "log",
    )  # fmt: skip
    session, request = tmp_path / "session", tmp_path / "request"
    request.write_text(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token('view')}\r\n\r\n")
    try:
        def take_session():
            holder = subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-sess_out", str(session)],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                eventually(lambda: session.exists() or holder.poll() is not None, "a session, or none")
            finally:
                holder.stdin.close()
                holder.wait(10)
            return session.exists()

        eventually(take_session, "a session that takes early data")
    finally:
        stop(other)
    before, requests = site.faults()["early_data"], site.authentications()
    shown = s_client(site, "-tls1_3", "-sess_in", session, "-early_data", request)
    assert "Early data was rejected" in shown
    eventually(lambda: site.faults()["early_data"] == before + 1, "counted")
    assert site.authentications() == requests  # nobody has read the request in it


def test_a_token_of_ten_megabytes_is_refused_and_counted(site):
    before = site.authentications()["malformed"]
    context = ssl.create_default_context(cafile=str(site.authority.file))
    with context.wrap_socket(socket.create_connection(("127.0.0.1", site.port)), server_hostname="localhost") as one:
        one.settimeout(30)
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"x" * (10 << 20) + b"\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 431 ")
    assert site.authentications()["malformed"] == before + 1
    long = token("view", filler="x" * 20000)
    assert site.curl("/metrics", token=long)[0] == 401
    assert site.curl("/metrics", "-H", "Authorization: Bearer a", token=token("view"))[0] == 401  # which is meant?
    assert site.authentications()["malformed"] == before + 3


def test_requests_are_bounded_as_on_the_socket(site):
    def post(body, **headers):
        made = connection(site)
        made.request("POST", "/rpc", body, {"Authorization": f"Bearer {token('admin')}", **headers})
        answer = made.getresponse()
        text = answer.read()
        made.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text

    def request(method, **params):
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()

    assert post(b"{nonsense}")[1]["error"]["code"] == -32700
    assert post(b"")[1]["error"]["code"] == -32700
    assert post(request("system.info") * 2)[1]["error"]["code"] == -32700
    assert post(b"[" * 40 + b"]" * 40)[1]["error"]["code"] == -32600
    status, answer = post(request("service.table", service="x" * (5 << 20)))
    assert status == 413 and answer["error"]["code"] == -32600
    assert post(request("config.validate", config={"x": "y" * (5 << 20)}))[1]["error"]["code"] == -32000
    assert post(b'{"jsonrpc":"2.0","method":"system.info"}') == (204, b"")
    chunks = iter([request("system.info")[:10], request("system.info")[10:]])
    assert "result" in post(chunks)[1]
    # A page of another site must not use a browser's certificate.
    assert post(request("system.info"), Origin="https://evil.example")[0] == 403
    assert post(request("system.info"), Origin=site.url)[0] == 200


def test_a_connection_takes_one_request_after_another(site):
    made = connection(site)
    for number in range(50):
        made.request("POST", "/rpc", json.dumps({"jsonrpc": "2.0", "id": number, "method": "system.info"}), {"Authorization": f"Bearer {token('view')}"})
        answer = json.loads(made.getresponse().read())
        assert answer["id"] == number
    # Each request is looked at by itself.
    made.request("GET", "/metrics", headers={"Authorization": f"Bearer {token('view', exp=int(time.time()) - 100)}"})
    answer = made.getresponse()
    assert answer.status == 401 and answer.getheader("WWW-Authenticate").startswith("Bearer")
    answer.read()
    made.close()


def test_slow_handshakes_by_the_thousand_keep_nobody_out(site):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    opened = []
    hello = bytes.fromhex("1603010200010001fc0303")  # of a TLS record that never ends
    try:
        for number in range(3000):
            one = socket.socket()
            one.setblocking(False)
            try:
                one.connect(("127.0.0.1", site.port))
            except BlockingIOError:
                pass
            opened.append(one)
            if number % 3 == 0:
                try:
                    one.send(hello)
                except OSError:
                    pass
            if number % 1000 == 999:
                assert site.rpc("system.info", token=token("view"))[0] == 200
                assert site.gateway.call("system.info")
        assert site.faults()["crowded"] > 0
        rss = int(run("ps", "-o", "rss=", "-p", site.gateway.process.pid).stdout)
        assert rss < 2_000_000
    finally:
        for one in opened:
            one.close()


def test_what_is_not_finished_in_ten_seconds_is_closed(site):
    before = site.faults()
    slow = socket.create_connection(("127.0.0.1", site.port))
    context = ssl.create_default_context(cafile=str(site.authority.file))
    trickling = context.wrap_socket(socket.create_connection(("127.0.0.1", site.port)), server_hostname="localhost")
    trickling.sendall(b"GET /metrics HTTP/1.1\r\nHos")
    posting = context.wrap_socket(socket.create_connection(("127.0.0.1", site.port)), server_hostname="localhost")
    posting.sendall(f"POST /rpc HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token('view')}\r\nContent-Length: 100\r\n\r\n{{".encode())
    for one in (slow, trickling, posting):
        one.settimeout(30)
        assert one.recv(1) == b""
        one.close()
    after = site.faults()
    assert after["slow_handshake"] == before["slow_handshake"] + 1
    assert after["slow_request"] == before["slow_request"] + 2


def test_garbage_is_no_handshake(site):
    before = site.faults()["handshake"]
    for noise in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(300), b"\x16\x03\x01\xff\xff" + b"\0" * 100):
        with socket.create_connection(("127.0.0.1", site.port), timeout=30) as one:
            one.sendall(noise)
            one.shutdown(socket.SHUT_WR)
            while one.recv(4096):
                pass
    eventually(lambda: site.faults()["handshake"] == before + 3, "counted")


def test_who_fails_a_hundred_times_in_ten_seconds_waits_ten(tmp_path):
    site = RemoteSite(tmp_path)
    with site.gateway:
        made = connection(site)

        def status(text):
            made.request("GET", "/metrics", headers={"Authorization": f"Bearer {text}"} if text else {})
            answer = made.getresponse()
            answer.read()
            return answer

        good = token("view")
        for _ in range(99):
            assert status("a.b.c").status == 401
        assert status(good).status == 200
        assert status("a.b.c").status == 401
        limited = status(good)
        assert limited.status == 429 and limited.getheader("Retry-After") == "10"
        assert site.authentications()["limited"] == 1
        elsewhere = connection(site, source_address=("127.0.0.9", 0))
        elsewhere.request("GET", "/metrics", headers={"Authorization": f"Bearer {good}"})
        assert elsewhere.getresponse().status == 200
        eventually(lambda: status(good).status == 200, "let in again")
        assert len(site.audited()) == 100  # and not one for each refusal beyond
