"""Health checks against real servers, and what happens when the checker itself is what fails."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from control import Control
from gateway import Gateway
from namespaces import Namespace, owner_tag
from processes import eventually
from wireless import wireless_configuration

OWN4, BACKEND4, NOBODY4 = "198.18.30.2", "198.18.30.11", "198.18.30.99"
OWN6, BACKEND6, NOBODY6 = "2001:db8:30::2", "2001:db8:30::11", "2001:db8:30::99"
PORT = 8080
QUICK = {"interval": "100ms", "timeout": "1s", "rise": 1, "fall": 1}


class Site:
    """A gateway's namespace and a backend's, with one wire between them that only checks use."""

    def __init__(self, directory):
        self.directory = directory
        self.gateway, self.backend = (Namespace(role, owner_tag()) for role in ("checker", "checked"))
        self.gateway.ip("link", "add", "health0", "type", "veth",
                        "peer", "name", "eth0", "netns", self.backend.name)  # fmt: skip
        self.plug()
        for address in (BACKEND4 + "/24", BACKEND6 + "/64"):
            self.backend.ip("address", "add", address, "dev", "eth0")
        self.backend.ip("link", "set", "eth0", "up")

    def plug(self):
        self.gateway.ip("link", "set", "health0", "up")
        for address in (OWN4 + "/24", OWN6 + "/64"):
            self.gateway.ip("address", "replace", address, "dev", "health0")

    def unplug(self):
        """No interface, so no route: to IPv6 neither."""
        self.gateway.ip("address", "flush", "dev", "health0")
        self.gateway.ip("link", "set", "health0", "down")

    def serve(self, *command):
        """A server in the backend's namespace."""
        return self.backend.spawn(*command, log=self.directory / "server.log")

    def serve_http(self, address):
        server = self.serve(sys.executable, "-m", "http.server", "--bind", address, PORT)
        eventually(lambda: f":{PORT} " in self.backend.run("ss", "-Hltn").stdout, "the server listens")
        return server

    def start(self, health, *addresses, name="checked", **sections):
        """A gateway with one pool whose backends have these addresses."""
        config = {
            **wireless_configuration(self.directory.name),
            "pools": [
                {
                    "name": "web",
                    "backends": [{"address": address, "port": PORT} for address in addresses],
                    "health": {**QUICK, **health},
                }
            ],
            **sections,
        }
        self.sluiced = Gateway(self.directory / name, config, self.gateway)
        return self.sluiced.start()

    def remove(self):
        for namespace in (self.gateway, self.backend):
            namespace.remove()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.remove()


def states(control):
    """State and reason of each backend, in the order of the list."""
    return [(row["state"], row["reason"]) for row in control.call("backend.list")]


def await_row(control, state, reason, what, seconds=20):
    """Waits until every backend is in that state for a reason that begins so."""

    def all_are():
        rows = states(control)
        return rows and all(found == state and why.startswith(reason) for found, why in rows)

    try:
        eventually(all_are, what, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {states(control)}") from None


def checks(gateway, result):
    return gateway.metrics()[f'sluice_health_checks_total{{pool="web",result="{result}"}}']


def open_descriptors(gateway):
    return [int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/fd")]


def test_no_route_is_not_the_backends_fault(site):
    for address in (BACKEND4, BACKEND6):
        site.serve_http(address)
    # The first SYN over a link that has just come up may be lost: there is time for a second.
    gateway = site.start({"type": "http", "path": "/", "timeout": "5s"}, BACKEND4, BACKEND6)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "both pass")
        since = [row["since"] for row in control.call("backend.list")]
        for _ in range(2):
            site.unplug()
            await_row(control, "active", "unknown: network is unreachable", "it is said")
            time.sleep(1)
            await_row(control, "active", "unknown: network is unreachable", "and it stays so")
            site.plug()
            await_row(control, "active", "HTTP status 200", "both are checked again")
        assert [row["since"] for row in control.call("backend.list")] == since


def test_what_is_down_stays_down_without_a_route(site):
    gateway = site.start({"type": "tcp"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "down", "connection refused", "nobody listens")
        site.unplug()
        await_row(control, "down", "unknown: network is unreachable", "the last state holds")


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole"])
def test_a_route_that_leads_nowhere_is_no_fault_either(site, kind):
    site.serve_http(BACKEND4)
    site.gateway.ip("route", "add", kind, BACKEND4 + "/32")
    gateway = site.start({"type": "tcp"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "unknown: ", "a backend that was never checked is active")
        site.gateway.ip("route", "del", kind, BACKEND4 + "/32")
        await_row(control, "active", "connected", "it is checked now")


def test_a_cut_link_is_not_the_backends_fault(site):
    site.serve_http(BACKEND4)
    gateway = site.start({"type": "tcp"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "connected", "it passes")
        site.backend.ip("link", "set", "eth0", "down")
        await_row(control, "active", "unknown: the link of health0 is down", "the wire is what failed")


@pytest.mark.parametrize("timeout", ["500ms", "10s"], ids=["before ARP gives up", "after"])
def test_a_neighbor_that_answers_no_arp_is_down(site, timeout):
    gateway = site.start({"type": "tcp", "timeout": timeout}, NOBODY4, NOBODY6)
    with Control(gateway.socket) as control:
        reason = "timed out after 500 ms" if timeout == "500ms" else "no route to host"
        await_row(control, "down", reason, "it was asked and did not answer", 30)


def test_without_descriptors_nobody_goes_down(site):
    site.serve_http(BACKEND4)
    gateway = site.start({"type": "http", "path": "/", "interval": "50ms"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "it passes")
        _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
        lowest = min(set(range(4096)) - set(open_descriptors(gateway)))
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (lowest, hard))
        await_row(control, "active", "unknown: too many open files", "it is said")
        time.sleep(1)
        await_row(control, "active", "unknown: too many open files", "and it stays so")
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        await_row(control, "active", "HTTP status 200", "it is checked again")


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one(site):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        gateway = site.start({"type": "http", "path": "/"}, BACKEND4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_gateway_that_was_stopped_for_a_while_blames_nobody(site):
    site.serve_http(BACKEND4)
    gateway = site.start({"type": "http", "path": "/", "timeout": "500ms", "interval": "10ms"}, BACKEND4)
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "it passes")
        since = control.call("backend.list")[0]["since"]
        for _ in range(5):
            gateway.process.send_signal(signal.SIGSTOP)
            time.sleep(1.2)
            gateway.process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        await_row(control, "active", "HTTP status 200", "it passes")
        assert control.call("backend.list")[0]["since"] == since


def log_of(gateway, *words):
    """The lines of the gateway's log that have all these words."""
    return [line for line in gateway.log.read_text().splitlines() if all(word in line for word in words)]


def test_the_log_says_who_died_and_who_came_back(site):
    service = {
        "name": "www",
        "address": "203.0.113.10",
        "port": 80,
        "forward": "dnat",
        "pool": "web",
    }
    site.backend.ip("address", "add", "198.18.30.12/24", "dev", "eth0")
    servers = {address: site.serve_http(address) for address in (BACKEND4, "198.18.30.12")}
    gateway = site.start({"type": "http", "path": "/"}, *servers, services=[service])
    with Control(gateway.socket) as control:
        await_row(control, "active", "HTTP status 200", "both pass")
        for server in servers.values():
            server.kill()
            server.wait()
        await_row(control, "down", "connection refused", "both are down")
    gateway.await_line("error: pool has nobody left: pool=web backends=2")
    for address in servers:
        words = ("pool=web", f"address={address}", "port=8080", "from=active to=down", "connection refused")
        assert len(log_of(gateway, "warning: backend is down", *words)) == 1
    where = "service=www address=203.0.113.10/32 port=80 protocol=tcp pool=web"
    gateway.await_line(f"error: service has nobody left: {where}")
    assert len(log_of(gateway, "error: service has nobody left")) == 1
    verbose = gateway.get("/readyz?verbose").stdout.splitlines()
    assert "[-]pool/web failed: 0 of 2 backends are available" in verbose
    assert "[+]configuration ok: generation 1" in verbose and verbose[-1] == "readyz check passed"
    assert gateway.get("/readyz").stdout == "ready, generation 1\n"
    samples = gateway.metrics()
    assert samples['sluice_pool_available_backends{pool="web"}'] == 0
    assert samples[f'sluice_backend_transitions_total{{pool="web",backend="{BACKEND4}:8080"}}'] == 1

    site.serve_http(BACKEND4)
    gateway.await_line("info: pool is back: pool=web backends=2 available=1")
    gateway.await_line(f"info: service is back: {where}")
    assert len(log_of(gateway, "info: service is back")) == 1
    assert len(log_of(gateway, "info: backend is active", BACKEND4, "from=down to=active")) == 1
    assert "[+]pool/web ok: 1 of 2 backends are available" in gateway.get("/readyz?verbose").stdout
    assert checks(gateway, "passed") > 0 and checks(gateway, "failed") > 0 and checks(gateway, "unknown") == 0


def test_many_deaths_are_few_lines(site):
    """Every address of a network that one host has, all refused at once."""
    site.backend.ip("route", "add", "local", "198.18.32.0/22", "dev", "lo")
    site.gateway.ip("route", "add", "198.18.32.0/22", "via", BACKEND4)
    backends = [f"198.18.{32 + number // 250}.{1 + number % 250}" for number in range(1000)]
    gateway = site.start({"type": "tcp", "interval": "1s"}, *backends)
    with Control(gateway.socket) as control:
        await_row(control, "down", "connection refused", "all are down", 60)
    eventually(lambda: log_of(gateway, "more lines about backends were left out"), "what is missing is said")
    assert len(log_of(gateway, "backend is down")) < 900
    gateway.await_line("pool has nobody left: pool=web backends=1000")
    assert checks(gateway, "failed") >= 1000


def test_what_cannot_be_checked_is_said_once_and_counted(site):
    gateway = site.start({"type": "tcp", "interval": "50ms"}, BACKEND4)
    site.unplug()
    eventually(lambda: checks(gateway, "unknown") > 5, "checks go on")
    lines = log_of(gateway, "backend cannot be checked", "unknown: network is unreachable")
    assert len(lines) == 1
    site.plug()
    eventually(lambda: log_of(gateway, "connection refused"), "it is checked again")


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
    """Runs one gateway with a pool for each check, and compares what backend.list says of each."""
    addresses = addresses or (BACKEND4, BACKEND6)
    backends = [{"address": address, "port": PORT} for address in addresses]
    pools = [
        {"name": f"case{number:02}", "backends": backends, "health": {**QUICK, "timeout": "5s", **health}}
        for number, (health, _, _) in enumerate(cases)
    ]
    gateway = site.start({}, BACKEND4, pools=pools)

    def ended(control):
        rows = control.call("backend.list")
        return rows if all(row["reason"] != "configured" for row in rows) else None

    with Control(gateway.socket) as control:
        rows = eventually(lambda: ended(control), "every check has ended", 60)
    for number, (health, state, reason) in enumerate(cases):
        found = [(row["state"], row["reason"]) for row in rows if row["pool"] == f"case{number:02}"]
        assert len(found) == len(addresses)
        for found_state, found_reason in found:
            assert found_state == state and found_reason.startswith(reason), (health, found)
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
        eventually(lambda: f":{port} " in web.backend.run("ss", "-Hltn").stdout, "gRPC listens", 30)
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
