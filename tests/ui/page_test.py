"""The page that one watches the gateway on, in a browser and before real gateways."""

import copy
import json
import os
import pathlib
import re
import subprocess
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.utils import PcapWriter

import documents
from browser import FOLDER
from frames import CLIENT_MAC, EDGE_MAC, from_client
from place import BACKENDS, PORT
from processes import ROOT, eventually
from wireless import wireless_configuration

IMAGES = ROOT / "docs" / "images"
HOSTILE = "<img/src=x/onerror=document.title=1>"  # as a name may be: visible ASCII without spaces
CLIENT, VIP = "198.18.10.100", "203.0.113.10"
SERVED, NOWHERE, TOO_FAR = 40, 7, 3  # packets that the gateway receives; those that are too far are the service's too
LOOKS = [(width, scheme) for width in ("wide", "narrow") for scheme in ("light", "dark")]
SIZES = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}


def frames():
    """SYNs of as many flows, some to nobody and some with a TTL that ends here."""
    for number in range(SERVED):
        yield from_client(IP(src=CLIENT, dst=VIP) / TCP(sport=40000 + number, dport=80, flags="S"))
    for number in range(NOWHERE):
        yield from_client(IP(src=CLIENT, dst=VIP) / TCP(sport=50000 + number, dport=81, flags="S"))
    for number in range(TOO_FAR):
        yield from_client(IP(src=CLIENT, dst=VIP, ttl=1) / TCP(sport=60000 + number, dport=80, flags="S"))


@pytest.fixture(scope="module")
def gateway(place):
    """One with a service, checked backends and packets that it has received once it runs."""
    for address in BACKENDS:
        place.serve(address)
    received = place.directory / "received.pcap"
    with PcapWriter(str(received), linktype=1) as writer:
        writer.write_header(None)
        for frame in frames():
            writer.write_packet(bytes(frame), sec=0, usec=0)
    config = wireless_configuration("edge-1")
    config["ports"] = [
        {"name": "edge0", "device": f"net_pcap0,rx_pcap={received},tx_pcap={place.directory}/edge0.pcap",
         "mac": EDGE_MAC, "addresses": ["198.18.10.1/24"]},
        {"name": "core0", "device": "net_null0,no-rx=1", "mac": "02:00:00:00:00:02", "addresses": ["198.18.20.1/24"]},
    ]  # fmt: skip
    config["snat"] = ["198.18.20.5"]
    config["neighbors"] = [{"address": CLIENT, "mac": CLIENT_MAC}] + [
        {"address": address, "mac": f"02:00:00:00:02:{address[-2:]}"} for address in BACKENDS
    ]
    health = {"type": "http", "path": "/", "interval": "100ms", "timeout": "5s", "rise": 1, "fall": 1}
    config["pools"] = [{"name": "web", "backends": [{"address": a, "port": PORT} for a in BACKENDS], "health": health}]
    config["services"] = [{"name": "site", "address": VIP, "port": 80, "protocol": "tcp", "policy": "maglev",
                           "forward": "full-nat", "pool": "web"}]  # fmt: skip
    running = place.gateway("watched", config)
    running.start()
    yield running
    running.stop()


def base(gateway):
    return f"http://{gateway.config['http']['listen']}"


def look(browser, gateway, path="/ui", **options):
    """Opens the page and waits for its first figures."""
    browser.open(base(gateway) + path, **options)
    browser.wait("document.documentElement.dataset.feed === 'live'")


def exact(text):
    return int(text.replace(",", "").split()[0])


def test_modules(browser):
    """Without a browser, but what installs the one installs what runs the other."""
    done = subprocess.run(["node", "--test", "modules.test.js"], cwd=FOLDER, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_figures_are_those_of_the_metrics(browser, gateway):
    eventually(lambda: gateway.metrics()['sluice_service_flows_total{service="site"}'] == SERVED + TOO_FAR,
               "all are received", 30)  # fmt: skip
    look(browser, gateway)

    def shown():
        return {
            "received": exact(browser.evaluate("document.querySelector('#below-received').title")),
            "dropped": exact(browser.evaluate("document.querySelector('#below-dropped').title")),
            "flows": browser.evaluate("document.querySelector('#figure-flows').dataset.value"),
            "port": exact(browser.text("#ports-table .rows .total")),
            "service": exact(browser.text("#services-table .rows .total")),
            "no_service": exact(browser.text("#drop-no_service .total")),
            "ttl_expired": exact(browser.text("#drop-ttl_expired .total")),
            "backends": browser.evaluate(
                "[...document.querySelectorAll('.backends .rows .row')].map((row) =>"
                " [row.querySelector('.endpoint').innerText, row.querySelector('.flows').innerText])"
            ),
            "available": browser.text("#pools .summary"),
        }

    def counted():
        samples = gateway.metrics()
        flows = 'sluice_backend_active_flows{pool="web",backend="%s:8080"}'
        return {
            "received": sum(value for name, value in samples.items() if "port_received_packets" in name),
            "dropped": sum(value for name, value in samples.items() if "sluice_dropped_packets" in name),
            "flows": str(int(sum(value for name, value in samples.items() if "flow_table_entries" in name))),
            "port": samples['sluice_port_received_packets_total{port="edge0"}'],
            "service": samples['sluice_service_packets_total{service="site"}'],
            "no_service": samples['sluice_dropped_packets_total{reason="no_service"}'],
            "ttl_expired": samples['sluice_dropped_packets_total{reason="ttl_expired"}'],
            "backends": [[f"{a}:8080", str(int(samples[flows % a]))] for a in BACKENDS],
            "available": f"{int(samples['sluice_pool_available_backends{pool=%s}' % json.dumps('web')])} of 3 take new flows",
        }

    eventually(lambda: shown() == counted(), "the page shows what is counted")
    figures = shown()
    assert figures["received"] == SERVED + NOWHERE + TOO_FAR
    assert (figures["service"], figures["no_service"], figures["ttl_expired"]) == (SERVED + TOO_FAR, NOWHERE, TOO_FAR)
    assert browser.complaints() == []
    assert all(url.startswith(base(gateway)) or url.startswith("data:") for url in browser.requests())


def test_a_killed_backend_is_shown_with_why_and_since_when(browser, gateway, place):
    look(browser, gateway, **SIZES["wide"])
    eventually(lambda: browser.text("#verdict-text") == "All is well", "all is well")
    dead = BACKENDS[1]
    row = "document.querySelector('.backends .row[data-state=down]')"
    try:
        place.kill(dead)
        browser.wait(f"{row} !== null", 60)
        told = next(one for one in gateway.call("backend.list") if one["state"] == "down")
        assert told["address"] == dead
        assert browser.evaluate(f"{row}.querySelector('.endpoint').innerText") == f"{dead}:{PORT}"
        assert browser.evaluate(f"{row}.querySelector('.why').innerText") == told["reason"]
        assert browser.evaluate(f"{row}.querySelector('.since').innerText").startswith(told["since"][11:19])
        assert "1 thing needs attention" in browser.text("#verdict-text")
        assert f"Backend {dead}:{PORT} of web is down" in browser.text("#problems")
        assert told["reason"] in browser.text("#problems")
        browser.await_text("#services-table", "web 2/3")
        assert browser.evaluate("document.title").startswith("(1) edge-1")
    finally:
        place.serve(dead)
    browser.wait(f"{row} === null", 60)
    browser.await_text("#verdict-text", "All is well")


def test_events_of_the_gateway_are_shown_as_they_come(browser, gateway):
    look(browser, gateway)
    browser.await_text("#events-state", "Live")
    name = {"pool": "web", "address": BACKENDS[0], "port": PORT}
    for state in ("draining", "active"):
        gateway.call("backend.set", **name, state=state)
        browser.await_text("#events-list li:first-child", f"web {BACKENDS[0]}:{PORT} is {state}")
    config = copy.deepcopy(gateway.config)
    config["pools"][0]["backends"][0]["weight"] = 2
    applied = gateway.call("config.apply", config=config)["generation"]
    browser.await_text("#events-list", f"Generation {applied} was applied")
    browser.await_text("#generation", str(applied))
    gateway.call("config.apply", config=gateway.config)
    assert browser.complaints() == []


def test_what_changed_is_told_without_events_too(browser, gateway):
    """Another window's first document has the changes of before; so has one whose events do not come."""
    gateway.call("backend.set", pool="web", address=BACKENDS[0], port=PORT, weight=5)
    look(browser, gateway, answers={"/events": {"status": 503, "body": "no"}})
    browser.await_text("#events-state", "They do not come: the gateway answers 503")
    browser.await_text("#events-list", f"Backend web {BACKENDS[0]}:{PORT} changed by an operator")
    gateway.call("backend.set", pool="web", address=BACKENDS[2], port=PORT, weight=3)
    browser.await_text("#events-list li:first-child", f"Backend web {BACKENDS[2]}:{PORT} changed by an operator")
    for address in BACKENDS:
        gateway.call("backend.set", pool="web", address=address, port=PORT, weight=1)


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'time': documents.NOON, 'kind': kind, **fields})}\n\n"


def test_events_are_shown_as_they_come_and_asked_for_again(browser, gateway):
    """The stream that is given here ends at once, as a gateway's does that is restarted."""
    told = [
        event("backend_state", pool="web", address="2001:db8::1", port=80, state="down", reason="timed out"),
        event("config_refused", faults=[{"pointer": "/pools/0/name", "message": "is missing"}]),
        event("of_the_future", what=HOSTILE),
        event("ledger_checkpoint", size=7) + event("ledger_checkpoint", size=1234),
        "event: backend_state\ndata: {half an obj\n\n",
    ]
    look(browser, gateway, answers={"/events": {"body": "".join(told), "type": "text/event-stream"}})
    browser.await_text("#events-list", "web [2001:db8::1]:80 is down: timed out")
    browser.await_text("#events-list", "A configuration was refused: /pools/0/name is missing")
    browser.await_text("#events-list", f"of the future: what {HOSTILE}")
    browser.await_text("#events-list", "covers 1,234 transactions (2 since")
    browser.await_text("#events-state", "Next attempt in")
    browser.answer("/events", body=event("port_link", port="edge0", up=False), type="text/event-stream")
    browser.await_text("#events-list", "Port edge0 has no link")


def test_a_gateway_that_is_gone_is_said_and_found_again(browser, make_gateway):
    gateway = make_gateway("gone")
    look(browser, gateway)
    gateway.stop()
    browser.await_text("#lost", "No word from the gateway: it cannot be reached. What stands here is of")
    assert "old" in browser.text("#pulse") or "no word" in browser.text("#pulse")
    gateway.start()
    browser.wait("document.documentElement.dataset.feed === 'live'")
    assert browser.evaluate("document.getElementById('lost').hidden")


@pytest.mark.parametrize("width, scheme", LOOKS)
def test_axe_finds_nothing(browser, gateway, width, scheme):
    """While much is wrong, so that everything is there."""
    now = documents.NOON
    answers = {
        "/ui/state": {"body": documents.state(now, is_well=False)},
        "/ui/start": {"body": {"history": documents.history(now, is_well=False), "drop_reasons": drop_words(gateway)}},
    }
    look(browser, gateway, scheme=scheme, answers=answers, **SIZES[width])
    browser.await_text("#verdict-text", "need attention")
    assert browser.evaluate("document.documentElement.scrollWidth") <= SIZES[width]["width"]
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.evaluate("document.querySelector('.term').click()")
    assert browser.violations() == []
    browser.press("Escape", "?")
    assert browser.violations() == []
    assert browser.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")


def drop_words(gateway):
    return json.loads(gateway.get("/ui/start").stdout)["drop_reasons"]


def test_names_are_text(browser, make_gateway):
    pools = [{"name": HOSTILE, "backends": [{"address": "198.18.10.11", "port": 80}]}]
    services = [{"name": HOSTILE, "address": VIP, "port": 80, "protocol": "tcp", "policy": "maglev", "forward": "direct",
                 "pool": HOSTILE}]  # fmt: skip
    gateway = make_gateway("hostile", pools=pools, services=services)
    gateway.call("backend.set", pool=HOSTILE, address="198.18.10.11", port=80, state="maintenance")
    look(browser, gateway)
    browser.await_text("#services-table", HOSTILE)
    browser.await_text("#pools h3", HOSTILE)
    browser.await_text("#problems", f"Pool {HOSTILE}: nobody takes new flows")
    browser.await_text("#events-list", HOSTILE)
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.title") == "(1) edge-1 · Sluice"
    assert browser.complaints() == []


def report_frames(browser, capsys, state):
    """How many frames a second there are while every row changes once a second, from its middle: said, not asserted."""
    browser.evaluate("document.querySelectorAll('.backends .rows .row')[500].scrollIntoView()")
    browser.evaluate(
        """window.frames = [];
        (function next(now) { window.frames.push(now); requestAnimationFrame(next); })(performance.now());"""
    )
    for second in range(1, 4):
        state["time"] += 1
        for index, row in enumerate(state["pools"]["rows"][0]["backends"]):
            row.update(active_flows=index * second % 971, packets=row["packets"] + index * second)
        browser.answer("/ui/state", body=state)
        time.sleep(1)
    frames = browser.evaluate("window.frames")
    late = sum(after - before > 20 for before, after in zip(frames, frames[1:]))
    with capsys.disabled():
        print(f"\n    1,000 changing backends: {1000 * (len(frames) - 1) / (frames[-1] - frames[0]):.1f} frames/s, {late} late")


def test_a_thousand_backends(browser, make_gateway, capsys):
    """And of those only what has changed is touched."""
    backends = [{"address": f"198.18.{30 + i // 250}.{1 + i % 250}", "port": 80} for i in range(1000)]
    gateway = make_gateway("large", pools=[{"name": "large", "backends": backends}])
    look(browser, gateway)
    browser.await_text("#backends-count", "1,000 in 1 pool")
    rows = "document.querySelectorAll('.backends .rows .row').length"
    assert browser.evaluate(rows) < 20
    browser.evaluate("document.querySelector('.pool .more').click()")
    browser.wait(f"{rows} === 1000")

    def every(column, condition):
        return f"[...document.querySelectorAll('.backends .rows .{column}')].every((cell) => {condition})"

    state = json.loads(gateway.get("/ui/state").stdout)
    assert [row["address"] for row in state["pools"]["rows"][0]["backends"]] == [row["address"] for row in backends]
    for row in state["pools"]["rows"][0]["backends"]:
        row["since"] = "2020-01-01T00:00:00.000Z"  # so that no minute is over while it is looked at
    state["time"] += 5
    browser.answer("/ui/state", body=state)
    browser.wait(every("since", "cell.textContent.endsWith(' d')"))
    browser.wait(every("packets", "cell.textContent === '0'"))
    browser.evaluate(
        """window.touched = [];
        new MutationObserver((changes) => changes.forEach(({ target }) =>
          touched.push((target.nodeType === Node.TEXT_NODE ? target.parentElement : target).closest('.row')?.textContent ?? 'none')))
          .observe(document.getElementById('pools'), { subtree: true, childList: true, characterData: true, attributes: true });"""
    )
    state["time"] += 1
    state["pools"]["rows"][0]["backends"][700]["active_flows"] = 4321
    browser.answer("/ui/state", body=state)
    browser.wait("touched.length > 0")
    touched = browser.evaluate("touched")
    assert len(touched) == 1 and "4,321" in touched[0] and backends[700]["address"] in touched[0]

    report_frames(browser, capsys, state)
    browser.press("/")
    browser.type("198.18.32.17:80 active")
    browser.await_text("#filter-result", "1 backend matches")
    assert browser.evaluate(rows) == 1
    assert browser.complaints() == []


def test_the_page_needs_no_mouse(browser, gateway):
    look(browser, gateway)
    focused = "document.activeElement.id"
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "skip"
    browser.press("Enter")
    assert browser.evaluate(focused) == "main"
    for key, section in zip("1234567890", "verdict traffic services backends drops events sources tunnels ledger machine".split()):
        browser.press(key)
        assert browser.evaluate(focused) == section
    browser.press("2", "Tab")
    assert browser.evaluate("document.activeElement.dataset.explain") == "received"
    browser.press("Enter")
    assert browser.evaluate(focused) == "explanation"
    assert "sluice_port_received_packets_total" in browser.text("#explanation")
    browser.press("Escape")
    assert browser.evaluate("document.activeElement.dataset.explain") == "received"
    browser.press("/")
    browser.type("3 nobody")  # keys that mean something elsewhere
    assert browser.evaluate(focused) == "filter"
    browser.await_text("#filter-result", "0 backends match")
    browser.press("Escape")
    assert browser.evaluate("document.getElementById('filter').value") == ""
    browser.press("?")
    assert browser.evaluate("document.getElementById('help').open")
    browser.press("Escape")
    assert not browser.evaluate("document.getElementById('help').open")
    browser.press("t")
    assert browser.evaluate("document.documentElement.dataset.theme") == "light"
    browser.press("t")
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"
    browser.press("t")


def test_every_name_that_explains_has_an_explanation(browser, gateway):
    answers = {"/ui/state": {"body": documents.state(is_well=False)}}
    look(browser, gateway, answers=answers)
    named = browser.evaluate("[...new Set([...document.querySelectorAll('[data-explain]')].map((one) => one.dataset.explain))]")
    explained = re.findall(r"^  (\w+): \[", (ROOT / "ui" / "explanations.js").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(explained)


def test_the_series_that_explanations_name_are_there():
    named = set(re.findall(r"sluice_\w+", (ROOT / "ui" / "explanations.js").read_text()))
    told = set(re.findall(r"sluice_\w+", (ROOT / "docs" / "reference" / "metrics.md").read_text()))
    of_tunnels = {name for name in named if "tunnel" in name}  # of a gateway that has them
    assert named - of_tunnels <= told


PICTURES = [("page-light", "wide", "light", False), ("page-dark", "wide", "dark", False),
            ("page-narrow", "narrow", "light", False), ("page-well", "wide", "light", True)]  # fmt: skip


@pytest.mark.parametrize("name, width, scheme, is_well", PICTURES if os.environ.get("SLUICE_UPDATE_DOCS") else PICTURES[:1])
def test_pictures_of_the_page(browser, gateway, tmp_path, name, width, scheme, is_well):
    """Of documents that are always the same; SLUICE_UPDATE_DOCS=1 puts them into the docs."""
    now = documents.NOON
    answers = {
        "/ui/state": {"body": documents.state(now, is_well)},
        "/ui/start": {"body": {"history": documents.history(now, is_well), "drop_reasons": drop_words(gateway)}},
        "/events": {"body": "", "type": "text/event-stream"},
    }
    size = {**SIZES[width], "height": 1290 if width == "wide" and not is_well else 844}
    look(browser, gateway, scheme=scheme, answers=answers, **size)
    browser.answer("/ui/state", body=documents.state(now + 2, is_well))
    browser.wait("document.getElementById('figure-bits').textContent !== '–'")
    browser.evaluate(
        "{ const state = document.getElementById('events-state');"
        " state.dataset.state = 'live'; state.textContent = 'Live, the newest first'; }"
    )
    target = IMAGES if os.environ.get("SLUICE_UPDATE_DOCS") else pathlib.Path(tmp_path)
    target.mkdir(exist_ok=True)
    browser.screenshot(target / f"{name}.webp")
    assert (target / f"{name}.webp").read_bytes()[8:12] == b"WEBP"
