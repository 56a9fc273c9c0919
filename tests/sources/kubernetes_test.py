"""Backends from Kubernetes, against a fake API server."""

import json
import ssl

import pytest

from fake_registries import FakeKubernetes
from registries import LOOPBACK, certificates

WEB = {"service": "web", "namespace": "prod", "port": "http"}
endpoint, slice_of = FakeKubernetes.endpoint, FakeKubernetes.slice


@pytest.fixture
def api(network):
    fake = FakeKubernetes(network)
    yield fake
    fake.end_watches()
    fake.close()


def model(port: int = 6443, **more) -> dict:
    return {"type": "kubernetes", "endpoints": [f"http://{LOOPBACK}:{port}"], "resync": 3000, **more}


def test_endpoints_of_all_slices_by_their_conditions(api, source):
    api.put(slice_of(
        "web-1", endpoint("10.20.0.1"), endpoint("10.20.0.2", ready=True),
        endpoint("10.20.0.3", ready=False, serving=True, terminating=True), endpoint("10.20.0.4", ready=False),
        endpoint("10.20.0.5", ready=False, serving=False, terminating=True),
    ))  # fmt: skip
    api.put(slice_of("web-2", endpoint("2001:db8::1"), family="IPv6"))
    api.put(slice_of("web-3", endpoint("web.example.test"), family="FQDN", ports=[{"name": "http", "port": 90}]))
    api.put(slice_of("web-4", endpoint("10.20.0.9"), ports=[{"name": "grpc", "port": 90}]))
    api.put(slice_of("mail-1", endpoint("10.20.9.9"), service="mail"))
    words = source(model(), WEB, {"service": "mail", "namespace": "prod"})
    first = [["10.20.0.1", 8080], ["10.20.0.2", 8080], ["10.20.0.3", 8080, 1, False], ["2001:db8::1", 8080],
             ["web.example.test", 90]]  # fmt: skip
    snapshot = words.until_instances(first)
    assert snapshot["entries"] == ["web-4: it has no port http"]
    words.until_instances([["10.20.9.9", 8080]], id=2)
    assert "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices?" in api.requests[0]
    api.put(slice_of("web-1", endpoint("10.20.0.1")))
    words.until_instances([first[0], *first[3:]])
    api.delete("web-2")
    words.until_instances([first[0], first[4]])
    api.put(slice_of("web-3", service="mail"))  # given to another service
    words.until_instances([first[0]])
    api.put(slice_of("web-1"))  # a slice without endpoints
    words.until_instances([])
    assert words.losses() == []


def test_ports_by_name_by_number_and_by_being_the_only_one(api, source):
    two = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]
    api.put(slice_of("a", endpoint("10.0.0.1"), service="two", ports=two))
    api.put(slice_of("b", endpoint("10.0.0.2"), service="any", ports=[]))
    api.put(slice_of("c", endpoint("10.0.0.3"), service="one", ports=[{"name": "", "port": 81}]))
    two_of = {"service": "two", "namespace": "prod"}
    words = source(
        model(), {**two_of, "port": "https"}, {**two_of, "port": "80"}, two_of,
        {"service": "any", "namespace": "prod", "port": "8080"}, {"service": "one", "namespace": "prod"},
    )  # fmt: skip
    words.until_instances([["10.0.0.1", 443]], id=1)
    words.until_instances([["10.0.0.1", 80]], id=2)
    words.until_instances([], id=3)
    assert words.snapshot(3)["entries"] == ["a: it has several ports, and port names none"]
    words.until_instances([["10.0.0.2", 8080]], id=4)
    words.until_instances([["10.0.0.3", 81]], id=5)


def test_a_list_in_pages_and_a_page_that_is_gone(api, source):
    for i in range(25):
        api.put(slice_of(f"web-{i}", endpoint(f"10.20.0.{i + 1}")))
    api.page = 4
    api.forget_continues = 1
    words = source(model(), WEB)
    words.until_instances([[f"10.20.0.{i + 1}", 8080] for i in range(25)])
    assert words.losses() == []


@pytest.mark.parametrize("by_status", [True, False])
def test_a_version_that_is_gone_is_listed_anew(api, source, by_status):
    api.gone_by_status = by_status
    api.put(slice_of("web-1", endpoint("10.20.0.1")))
    words = source(model(resync=60000), WEB)
    words.until_instances([["10.20.0.1", 8080]])
    with api.changed:
        api.slices.clear()
        api.slices["web-2"] = slice_of("web-2", endpoint("10.20.0.2"))
    api.forget()
    words.until_instances([["10.20.0.2", 8080]])
    assert words.losses() == []
    api.put(slice_of("web-3", endpoint("10.20.0.3")))
    words.until_instances([["10.20.0.2", 8080], ["10.20.0.3", 8080]])


def test_a_watch_that_ends_in_its_time_goes_on_where_it_was(api, source):
    api.watch_seconds = 1.5
    api.put(slice_of("web-1", endpoint("10.20.0.1")))
    words = source(model(resync=60000), WEB)
    words.until_instances([["10.20.0.1", 8080]])
    words.until(lambda: sum("watch=1" in path for path in api.requests) >= 3, "a third watch")
    api.put(slice_of("web-2", endpoint("10.20.0.2")))
    words.until_instances([["10.20.0.1", 8080], ["10.20.0.2", 8080]])
    assert sum("limit=250" in path for path in api.requests) == 1
    assert words.losses() == []




def test_a_bookmark_is_a_word(api, source):
    words = source(model(resync=60000), WEB)
    words.until_instances([])
    words.until(lambda: any("allowWatchBookmarks=true" in path for path in api.requests), "a watch", 60)
    mark = words.mark()
    api.bookmark()
    words.until_held(after=mark)
    assert words.words[-1]["word"] == "confirm"


def test_what_a_watch_leaves_out_is_repaired(api, source):
    api.put(slice_of("web-1", endpoint("10.20.0.1")))
    words = source(model(resync=1000), WEB)
    words.until_instances([["10.20.0.1", 8080]])
    with api.changed:  # without an event
        api.slices["web-2"] = slice_of("web-2", endpoint("10.20.0.2"))
        del api.slices["web-1"]
    assert words.until_instances([["10.20.0.2", 8080]])["repaired"] == 2


def test_tokens_rotate_and_are_not_told(api, source, tmp_path):
    token = tmp_path / "token"
    token.write_text("first-token")
    api.token = "first-token"
    api.put(slice_of("web-1", endpoint("10.20.0.1")))
    words = source(model(token_file=str(token), resync=1000), WEB)
    known = words.until_instances([["10.20.0.1", 8080]])
    api.token = "second-token"  # revoked
    words.until_lost("HTTP status 401: Unauthorized")
    assert words.snapshot() == known
    token.write_text("second-token\n")
    words.until_held(after=words.mark())
    assert "-token" not in json.dumps(words.words)


def test_the_authority_and_the_name_in_the_certificate(network, source, tmp_path):
    files = certificates(tmp_path, "kubernetes.default.svc")
    api = FakeKubernetes(network, 6444)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["certificate"], files["key"])
    api.server.socket = context.wrap_socket(api.server.socket, server_side=True)
    api.put(slice_of("web-1", endpoint("10.20.0.1")))
    url = {**model(), "endpoints": [f"https://{LOOPBACK}:6444"], "ca": files["ca"]}
    good = source({**url, "resync": 1000}, WEB)
    good.until_instances([["10.20.0.1", 8080]])
    source({**url, "server_name": "other"}, WEB).until_lost("certificate")
    source({**url, "ca": ""}, WEB).until_lost("certificate")
    # An authority that was replaced is read again.
    replaced = certificates(tmp_path / "new", "kubernetes.default.svc")
    context.load_cert_chain(replaced["certificate"], replaced["key"])
    good.until_lost("certificate")
    with open(replaced["ca"], encoding="ascii") as new, open(files["ca"], "w", encoding="ascii") as old:
        old.write(new.read())
    good.until_held(after=good.mark())
    api.close()
