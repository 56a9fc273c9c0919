"""Each kind of health check against a real server."""

import subprocess
import sys

import pytest

from control import Control
from health_site import BACKEND4, BACKEND6, PORT, QUICK, HealthSite
from processes import eventually


@pytest.fixture
def site(tmp_path):
    made = HealthSite(tmp_path)
    yield made
    made.remove()


NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    default_type text/plain;
    server {{
        listen 8080; listen [::]:8080; server_name _;
        location / {{ return 200 "$http_host\\n"; }}
        location = /large {{ root {directory}; }}
    }}
    server {{
        listen 8443 ssl; listen [::]:8443 ssl; server_name www.example.test;
        ssl_certificate {directory}/www.pem; ssl_certificate_key {directory}/www.key;
        location / {{ return 200 "$ssl_server_name is ready\\n"; }}
        location = /down {{ return 503; }}
    }}
}}
"""


def make_authority(directory):
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=our authority",
           "-keyout", directory / "ca.key", "-out", directory / "ca.pem"]  # fmt: skip
    subprocess.run(list(map(str, new)), check=True, capture_output=True)


def sign(directory, name, alternative):
    """A certificate of our own authority."""
    request = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
               "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.csr"]  # fmt: skip
    subprocess.run(list(map(str, request)), check=True, capture_output=True)
    (directory / "extensions").write_text(f"subjectAltName={alternative}\n")
    signing = ["openssl", "x509", "-req", "-days", "2", "-CAcreateserial", "-in", directory / f"{name}.csr",
               "-CA", directory / "ca.pem", "-CAkey", directory / "ca.key",
               "-extfile", directory / "extensions", "-out", directory / f"{name}.pem"]  # fmt: skip
    subprocess.run(list(map(str, signing)), check=True, capture_output=True)


@pytest.fixture
def web(site):
    """The site with nginx in it, plain and by TLS with a certificate of an authority that only ca.pem trusts."""
    directory = site.directory
    make_authority(directory)
    sign(directory, "www", f"DNS:www.example.test,IP:{BACKEND4},IP:{BACKEND6}")
    (directory / "large").write_text("x" * 40000 + "the end" + "y" * 400000)
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory))
    site.serve("nginx", "-p", directory, "-c", directory / "nginx.conf")
    eventually(lambda: ":8443 " in site.backend.run("ss", "-Hltn").stdout, "nginx listens")
    return site


def judge(site, cases, *addresses):
    """Runs one gateway with a pool for each check, and waits until backend.list says of each what it should."""
    addresses = addresses or (BACKEND4, BACKEND6)
    backends = [{"address": address, "port": PORT} for address in addresses]
    pools = [
        {"name": f"case{number:02}", "backends": backends, "health": {**QUICK, "timeout": "5s", **health}}
        for number, (health, _, _) in enumerate(cases)
    ]
    gateway = site.start({}, BACKEND4, pools=pools)

    def misjudged(control):
        rows = control.call("backend.list")
        wrong = []
        for number, (health, state, reason) in enumerate(cases):
            found = [(row["state"], row["reason"]) for row in rows if row["pool"] == f"case{number:02}"]
            assert len(found) == len(addresses)
            if not all(one == state and why.startswith(reason) for one, why in found):
                wrong.append((health, found))
        return wrong

    with Control(gateway.socket) as control:
        try:
            eventually(lambda: not misjudged(control), "every check has ended as it should")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {misjudged(control)}") from None
    return gateway


def test_http_and_tls_against_nginx(web):
    ca = f"file:{web.directory}/ca.pem"
    name = {"host": "www.example.test"}
    https = {"type": "https", "port": 8443, "path": "/"}
    judge(
        web,
        [
            ({"type": "http", "expect_body": f":{PORT}"}, "active", "HTTP status 200"),
            ({"type": "http", "host": "a.example", "expect_body": "a.example"}, "active", "HTTP status 200"),
            ({"type": "http", "path": "/large", "expect_body": "the end"}, "active", "HTTP status 200"),
            ({"type": "http", "expect_body": "nobody"}, "down", "HTTP status 200, and its body lacks"),
            ({"type": "http", "port": 8443, "expect": [400]}, "active", "HTTP status 400"),
            ({**https, **name, "ca": ca, "expect_body": "www.example.test is ready"}, "active", "HTTP status 200"),
            ({**https, "server_name": "www.example.test", "ca": ca}, "active", "HTTP status 200"),
            ({**https, "ca": ca}, "active", "HTTP status 200"),
            ({**https, **name, "ca": ca, "path": "/down"}, "down", "HTTP status 503"),
            ({**https, **name}, "down", "certificate: unable to get local issuer certificate"),
            ({**https, "insecure": True}, "active", "HTTP status 200"),
            ({**https, "host": "other.example.test", "ca": ca}, "down", "certificate: hostname mismatch"),
            ({**https, "server_name": "192.0.2.1", "ca": ca}, "down", "certificate: IP address mismatch"),
            ({**https, "port": PORT, "insecure": True}, "down", "TLS: wrong version number"),
            ({"type": "tls", "port": 8443, "ca": ca}, "active", "TLSv1."),
            ({"type": "tls", "port": 8443}, "down", "certificate: "),
            ({"type": "tls", "insecure": True}, "down", "TLS: wrong version number"),
            ({**https, "ca": "file:/nowhere/ca.pem"}, "active", "unknown: cannot read /nowhere/ca.pem"),
        ],
    )


@pytest.mark.parametrize("last, state", [("200 OK", "active"), ("503 Service Unavailable", "down")])
def test_an_interim_answer_is_none(site, last, state):
    script = f"""
import socketserver
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 100 Continue\\r\\n\\r\\nHTTP/1.1 103 Early Hints\\r\\n\\r\\n")
        self.wfile.write(b"HTTP/1.1 {last}\\r\\nContent-Length: 0\\r\\n\\r\\n")
socketserver.TCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", {PORT}), Answer).serve_forever()
"""
    site.serve(sys.executable, "-c", script)
    eventually(lambda: f":{PORT} " in site.backend.run("ss", "-Hltn").stdout, "the server listens")
    case = {"type": "http", "expect": [100, 103, 200]}
    judge(site, [(case, state, f"HTTP status {last[:3]}")], BACKEND4)


GRPC_SERVER = """
import concurrent.futures, sys, grpc
STATUS = {b"": 1, b"\\x0a\\x03web": 1, b"\\x0a\\x05other": 2}
def check(request, context):
    if request not in STATUS:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return bytes([8, STATUS[request]])
raw = lambda data: data
method = grpc.unary_unary_rpc_method_handler(check, request_deserializer=raw, response_serializer=raw)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
if sys.argv[2:] != ["without"]:
    handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})
    server.add_generic_rpc_handlers((handler,))
assert server.add_insecure_port("[::]:" + sys.argv[1])
server.start()
server.wait_for_termination()
"""


def test_grpc_against_grpcs_own_server(web):
    for port, more in ((9090, []), (9091, ["without"])):
        web.serve(sys.executable, "-c", GRPC_SERVER, port, *more)
        eventually(lambda: f":{port} " in web.backend.run("ss", "-Hltn").stdout, "gRPC listens")
    grpc = {"type": "grpc", "port": 9090}
    judge(
        web,
        [
            (grpc, "active", "SERVING"),
            ({**grpc, "service": "web", "host": "web.example"}, "active", "SERVING"),
            ({**grpc, "service": "other"}, "down", "NOT_SERVING"),
            ({**grpc, "service": "nobody"}, "down", "gRPC status 5 NOT_FOUND"),
            ({**grpc, "port": 9091}, "down", "gRPC status 12 UNIMPLEMENTED"),
            ({**grpc, "port": PORT}, "down", ""),
            ({**grpc, "port": 9}, "down", "connection refused"),
        ],
    )


def test_dns_against_dnsmasq(site):
    site.serve(
        "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
        "--pid-file", "--user=root", "--local=/example.test/", "--host-record=www.example.test,192.0.2.1",
    )  # fmt: skip
    eventually(lambda: ":53 " in site.backend.run("ss", "-Hlun").stdout, "dnsmasq listens")
    dns = {"type": "dns", "port": 53}
    judge(
        site,
        [
            ({**dns, "name": "www.example.test"}, "active", "DNS answer NOERROR"),
            ({**dns, "name": "WWW.example.TEST."}, "active", "DNS answer NOERROR"),
            ({**dns, "name": "none.example.test"}, "down", "DNS answer NXDOMAIN"),
            ({**dns, "name": "elsewhere.test"}, "down", "DNS answer REFUSED"),
            ({**dns, "port": 54, "name": "www.example.test"}, "down", "connection refused"),
        ],
    )


def test_udp_against_an_echo(site):
    script = f"""
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", {PORT}))
while True:
    data, peer = s.recvfrom(2048)
    if data != b"hush":
        s.sendto(b"pong " + data, peer)
"""
    site.serve(sys.executable, "-c", script)
    eventually(lambda: f":{PORT} " in site.backend.run("ss", "-Hlun").stdout, "the echo listens")
    udp = {"type": "udp", "timeout": "4s"}
    judge(
        site,
        [
            ({**udp, "send": "ping"}, "active", "answered"),
            ({**udp, "send": ""}, "active", "answered"),
            ({**udp, "send": "hex:00ff", "expect": "hex:2000ff"}, "active", "answered"),
            ({**udp, "send": "ping", "expect": "pong ping"}, "active", "answered"),
            ({**udp, "send": "ping", "expect": "nothing"}, "down", "another answer than expected"),
            ({**udp, "send": "hush"}, "down", "timed out after 4000 ms"),
            ({**udp, "send": "ping", "port": 9}, "down", "connection refused"),
        ],
    )
