"""Endpoints from an xDS control plane (tests/support/ads_server.py, on gRPC's own server), by state of the world and
incrementally."""

import pathlib

import grpc
import pytest

from ads_server import ASSIGNMENT, CLUSTER, LISTENER, LOGICAL_DNS, STRICT_DNS, AdsServer, generate
from registries import certificates, missing

PORT = 15010
HEALTHY, UNHEALTHY, DRAINING = 1, 2, 3

pytestmark = pytest.mark.skipif(bool(missing("protoc")), reason="protoc is not installed")


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("generated"))


@pytest.fixture
def server(network, messages):
    made = AdsServer(network, PORT, messages)
    yield made
    made.stop()


@pytest.fixture(params=[False, True], ids=["state-of-the-world", "delta"])
def model(request):
    return {
        "type": "xds", "endpoints": [f"127.0.0.1:{PORT}"], "node_id": "edge-1", "node_cluster": "edge",
        "delta": request.param, "resync": 60_000,
    }  # fmt: skip


def one(address, weight=1, health=HEALTHY, port=8080):
    return (address, port, weight, health)


def test_endpoints_follow_the_control_plane(server, model, source):
    server.cluster("web", "web-service")
    server.cluster("other")
    server.endpoints("other", (0, None, [one("10.20.0.99")]))
    server.endpoints("web-service", (0, None, [one("10.20.0.11", 2), one("2001:db8::11", health=DRAINING)]))
    words = source(model, {"cluster": "web"})
    words.until_instances([["10.20.0.11", 8080, 2], ["2001:db8::11", 8080, 1, False]])
    assert server.requests[0].node.id == "edge-1" and server.requests[0].node.cluster == "edge"
    server.endpoints("web-service", (0, None, [one("10.20.0.12")]))
    words.until_instances([["10.20.0.12", 8080]])
    server.endpoints("web-service")
    words.until_instances([])
    server.endpoints("web-service", (0, None, [one("10.20.0.13")]))
    words.until_instances([["10.20.0.13", 8080]])
    server.remove(CLUSTER, "web")
    words.until_instances([])
    server.cluster("web", "web-service")
    server.endpoints("web-service", (0, None, [one("10.20.0.14")]))
    words.until_instances([["10.20.0.14", 8080]])
    assert not server.refusals
    assert words.snapshot()["repaired"] == 0


def test_several_pools_share_one_stream_and_come_and_go(server, model, source):
    for name in ("a", "b"):
        server.cluster(name)
        server.endpoints(name, (0, None, [one(f"10.20.0.{1 if name == 'a' else 2}")]))
    words = source(model, {"cluster": "a"}, {"cluster": "b"}, {"cluster": "nobody"})
    words.until_instances([["10.20.0.1", 8080]], id=1)
    words.until_instances([["10.20.0.2", 8080]], id=2)
    words.until_instances([], id=3)
    assert len([request for request in server.requests if request.node.id]) == 1
    words.send("unsubscribe 1")
    server.endpoints("b", (0, None, [one("10.20.0.3")]))
    words.until_instances([["10.20.0.3", 8080]], id=2)
    server.cluster("nobody")
    server.endpoints("nobody", (0, None, [one("10.20.0.4")]))
    words.until_instances([["10.20.0.4", 8080]], id=3)


def test_a_cluster_with_endpoints_of_its_own_is_taken(server, model, source):
    inlined = server.assignment("static", (0, None, [one("10.20.0.7", 3)]))
    server.cluster("static", kind=0, load_assignment=inlined)
    words = source(model, {"cluster": "static"})
    words.until_instances([["10.20.0.7", 8080, 3]])


BAD = {
    "port": lambda server: server.assignment("web", (0, None, [one("10.20.0.12"), one("10.20.0.13", port=70000)])),
    "name": lambda server: server.assignment("web", (0, None, [one("not-an-address.test")])),
    "weight": lambda server: server.assignment("web", (0, None, [one("10.20.0.12", 0)])),
    "no cluster": lambda server: server.assignment("", (0, None, [one("10.20.0.12")])),
    "garbage": lambda server: b"\x0a\xff\xff",
}


@pytest.mark.parametrize("what", BAD)
def test_a_response_that_cannot_be_taken_whole_is_refused_whole(server, model, source, what):
    server.cluster("web")
    server.cluster("fine")
    server.endpoints("fine", (0, None, [one("10.20.0.21")]))
    server.endpoints("web", (0, None, [one("10.20.0.11")]))
    # An incremental server believes that what was refused has arrived: the list beside the stream finds it.
    words = source({**model, "resync": 2000}, {"cluster": "web"}, {"cluster": "fine"})
    words.until_instances([["10.20.0.11", 8080]])
    words.until_instances([["10.20.0.21", 8080]], id=2)
    server.is_mute = True
    server.endpoints("fine", (0, None, [one("10.20.0.22")]))
    server.is_mute = False
    server.put(ASSIGNMENT, "web", BAD[what](server))
    words.until(lambda: server.refusals, "it is refused")
    words.until_lost("refused: ")
    assert words.instances() == [["10.20.0.11", 8080, 1, True]]
    assert words.instances(2) == [["10.20.0.21", 8080, 1, True]]
    server.endpoints("web", (0, None, [one("10.20.0.12")]))
    words.until_instances([["10.20.0.12", 8080]])
    words.until_instances([["10.20.0.22", 8080]], id=2)


def test_an_outage_takes_nobody_away_and_what_changed_meanwhile_is_there(server, model, source):
    for name in ("web", "rest"):
        server.cluster(name)
        server.endpoints(name, (0, None, [one("10.20.0.11"), one("10.20.0.12")]))
    words = source(model, {"cluster": "web"}, {"cluster": "rest"})
    words.until_instances([["10.20.0.11", 8080], ["10.20.0.12", 8080]])
    words.until_instances([["10.20.0.11", 8080], ["10.20.0.12", 8080]], id=2)
    mark = words.mark()
    server.stop()
    words.until_lost(after=mark)
    assert len(words.instances()) == 2
    server.endpoints("web", (0, None, [one("10.20.0.12"), one("10.20.0.13")]))
    server.start()
    words.until_instances([["10.20.0.12", 8080], ["10.20.0.13", 8080]])
    words.until_held(id=2, after=mark)
    assert len(words.instances(2)) == 2


CLUSTERS, EACH = 700, 100


def test_an_incremental_stream_that_comes_back_is_sent_what_differs(server, model, source):
    if not model["delta"]:
        pytest.skip("state of the world sends the whole")
    for number in range(CLUSTERS):
        server.cluster(f"c{number}")
        address = f"10.{20 + number // 250}.{number % 250}"
        server.endpoints(f"c{number}", (0, None, [one(f"{address}.{last}") for last in range(1, EACH + 1)]))
    words = source(model, *[{"cluster": f"c{number}"} for number in range(CLUSTERS)])
    everybody = range(1, CLUSTERS + 1)
    words.until(lambda: all(len(words.instances(n) or []) == EACH for n in everybody), "everybody is known")
    whole = server.sent_bytes
    server.stop()
    server.endpoints("c7", (0, None, [one(f"10.99.0.{last}") for last in range(1, EACH + 1)]))
    server.start()
    words.until_instances([[f"10.99.0.{last}", 8080] for last in range(1, EACH + 1)], id=8)
    again = server.sent_bytes - whole
    assert again < whole / 100, (again, whole)


def test_what_the_stream_has_missed_is_repaired_and_counted(server, model, source):
    server.cluster("web")
    server.endpoints("web", (0, None, [one("10.20.0.11")]))
    words = source({**model, "resync": 1500}, {"cluster": "web"})
    words.until_instances([["10.20.0.11", 8080]])
    mark = words.mark()
    words.until_held(after=mark)
    assert words.snapshot()["repaired"] == 0
    server.is_mute = True
    server.endpoints("web", (0, None, [one("10.20.0.12")]))
    snapshot = words.until_instances([["10.20.0.12", 8080]])
    assert snapshot["repaired"] > 0


def test_tls_and_the_authority_of_the_control_plane(network, messages, model, source, tmp_path):
    files = certificates(tmp_path / "server", "ads.test")
    key, certificate = (pathlib.Path(files[role]).read_bytes() for role in ("key", "certificate"))
    server = AdsServer(network, PORT + 1, messages, grpc.ssl_server_credentials([(key, certificate)]))
    try:
        server.cluster("web")
        server.endpoints("web", (0, None, [one("10.20.0.11")]))
        over_tls = {**model, "endpoints": [f"127.0.0.1:{PORT + 1}"], "tls": True, "ca": files["ca"]}
        words = source(over_tls, {"cluster": "web"})
        words.until_instances([["10.20.0.11", 8080]])
        other = certificates(tmp_path / "other", "other.test")
        source({**over_tls, "ca": other["ca"]}, {"cluster": "web"}).until_lost("certificate: ")
        source({**over_tls, "server_name": "other.test"}, {"cluster": "web"}).until_lost("certificate: ")
    finally:
        server.stop()


LOCALITIES = [
    # localities, shares by address: what Envoy's documentation says of them
    (((0, 1, [one("10.0.0.1")]), (0, 3, [one("10.0.0.2"), one("10.0.0.3", 2)])),
     {"10.0.0.1": 0.25, "10.0.0.2": 0.25, "10.0.0.3": 0.5}),
    # 72 % or more of a priority healthy: all goes there
    (((0, None, [one("10.0.0.1"), one("10.0.0.2"), one("10.0.0.3"), one("10.0.0.4", health=UNHEALTHY)]),
      (1, None, [one("10.0.1.1")])),
     {"10.0.0.1": 1 / 3, "10.0.0.2": 1 / 3, "10.0.0.3": 1 / 3, "10.0.0.4": 0, "10.0.1.1": 0}),
    # half of it: 70 % stay
    (((0, None, [one("10.0.0.1"), one("10.0.0.2", health=UNHEALTHY)]), (1, None, [one("10.0.1.1")])),
     {"10.0.0.1": 0.7, "10.0.0.2": 0, "10.0.1.1": 0.3}),
    # none: the next one has all
    (((0, None, [one("10.0.0.1", health=UNHEALTHY)]), (1, None, [one("10.0.1.1")])),
     {"10.0.0.1": 0, "10.0.1.1": 1}),
]  # fmt: skip


@pytest.mark.parametrize("localities, shares", LOCALITIES, ids=["weights", "enough", "half", "none"])
def test_localities_and_priorities_share_the_flows(server, model, source, localities, shares):
    server.cluster("web")
    server.endpoints("web", *localities)
    words = source(model, {"cluster": "web"})
    words.until(lambda: words.snapshot() and words.snapshot()["shares"], "shares are told")
    assert words.snapshot()["shares"] == pytest.approx(shares)


@pytest.mark.parametrize("kind", [STRICT_DNS, LOGICAL_DNS], ids=["strict", "logical"])
def test_names_of_clusters_of_dns_are_handed_on_to_be_resolved(server, model, source, kind):
    inlined = server.assignment("dns", (0, None, [one("web.example.test", 3), one("10.20.0.7")]))
    server.cluster("dns", kind=kind, load_assignment=inlined)
    words = source(model, {"cluster": "dns"})
    words.until_instances([["web.example.test", 8080, 3], ["10.20.0.7", 8080]])


def test_names_in_other_clusters_are_refused(server, model, source):
    server.cluster("web")
    server.endpoints("web", (0, None, [one("10.20.0.7")]))
    words = source(model, {"cluster": "web"})
    words.until_instances([["10.20.0.7", 8080]])
    server.endpoints("web", (0, None, [one("web.example.test")]))
    words.until_lost("an endpoint without an IP address")
    assert words.instances() == [["10.20.0.7", 8080, 1, True]]


def until_services(words, expected, id=1):
    services = lambda: (words.snapshot(id) or {}).get("services")  # noqa: E731
    words.until(lambda: services() == expected, f"services {expected}, not {services()}")


def test_services_follow_the_listeners(server, model, source):
    server.cluster("web")
    server.listener("shop", "198.18.20.1", 443, "web")
    words = source(model, "services")
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}]})
    server.listener("mail", "2001:db8::1", 25, {"in": 3, "out": 1})
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}], "mail": ["2001:db8::1", 25, {"in": 3, "out": 1}]})
    server.listener("shop", "198.18.20.1", 443, "other")
    server.remove(LISTENER, "mail")
    until_services(words, {"shop": ["198.18.20.1", 443, {"other": 1}]})
    server.stop()
    words.until_lost()
    server.start()
    server.listener("late", "198.18.20.2", 80, "web")
    until_services(words, {"shop": ["198.18.20.1", 443, {"other": 1}], "late": ["198.18.20.2", 80, {"web": 1}]})
    server.remove(LISTENER, "shop")
    server.remove(LISTENER, "late")
    until_services(words, {})
    assert not server.refusals


def test_listeners_and_clusters_share_one_stream(server, model, source):
    server.cluster("web")
    server.endpoints("web", (0, None, [one("10.20.0.1")]))
    server.listener("shop", "198.18.20.1", 443, "web")
    words = source(model, {"cluster": "web"}, "services")
    words.until_instances([["10.20.0.1", 8080]])
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}]}, id=2)
    assert len([request for request in server.requests if request.node.id]) == 1


def spoilt(server, spoil):
    made = server.made_listener("bad", "198.18.20.9", 80, "web")
    spoil(made)
    return made


def with_other_filter(listener):
    listener.filter_chains[0].filters[0].typed_config.type_url = "type.googleapis.com/of.something.Else"


OBJECTIONS = {
    "another protocol": ("it is not TCP", lambda made: setattr(made.address.socket_address, "protocol", 1)),
    "a choice by name": (
        "it chooses by what clients say",
        lambda made: made.filter_chains[0].filter_chain_match.server_names.append("a.test"),
    ),
    "TLS": ("it ends TLS", lambda made: setattr(made.filter_chains[0].transport_socket, "name", "tls")),
    "another filter": ("is not tcp_proxy", with_other_filter),
    "access rules": ("its filter rbac is not tcp_proxy", lambda made: made.filter_chains[0].filters.add(name="rbac")),
    "no filter": ("it has no tcp_proxy", lambda made: made.filter_chains[0].ClearField("filters")),
    "two chains": ("it chooses among several", lambda made: made.default_filter_chain.CopyFrom(made.filter_chains[0])),
    "no address": ("it has no address", lambda made: made.ClearField("address")),
}


@pytest.mark.parametrize("kind", OBJECTIONS)
def test_a_listener_that_only_a_proxy_can_serve_is_left_out_alone(server, model, source, kind):
    reason, spoil = OBJECTIONS[kind]
    server.cluster("web")
    server.listener("shop", "198.18.20.1", 443, "web")
    server.put(LISTENER, "bad", spoilt(server, spoil))
    words = source(model, "services")
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}]})
    assert words.snapshot()["unreadable"] == 1
    assert words.snapshot()["entries"][0].startswith("listener bad: ") and reason in words.snapshot()["entries"][0]
    assert not server.refusals


def test_a_listener_that_cannot_be_read_is_refused_whole(server, model, source):
    server.cluster("web")
    server.listener("shop", "198.18.20.1", 443, "web")
    words = source(model, "services")
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}]})
    server.put(LISTENER, "bad", b"\x0a\xff")
    words.until_lost("a listener that cannot be read")
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}]})


def test_what_a_stream_missed_of_listeners_is_repaired(server, model, source):
    server.cluster("web")
    server.listener("shop", "198.18.20.1", 443, "web")
    words = source({**model, "resync": 1000}, "services")
    until_services(words, {"shop": ["198.18.20.1", 443, {"web": 1}]})
    words.until_held(after=words.mark())  # what it has said last is taken, too
    server.is_mute = True
    server.listener("shop", "198.18.20.1", 443, "other")
    until_services(words, {"shop": ["198.18.20.1", 443, {"other": 1}]})
    assert words.snapshot()["repaired"] == 1
