"""The README's configuration, as it stands there: it balances, and its checks find the backends."""

import re
import shlex

import pytest

from namespaces import Namespace, owner_tag
from processes import ROOT, SLUICED, eventually

BACKENDS = {"b1": "198.18.10.11", "b2": "198.18.10.12"}


def configuration() -> str:
    """The text of the README's section."""
    text = (ROOT / "README.md").read_text()
    return re.search(r"## A configuration that works\n+```yaml\n(.*?)```", text, re.DOTALL).group(1)


@pytest.fixture
def link():
    """One switch with the gateway's eth1, a client and two backends; nothing knows of any route but by it."""
    tag = owner_tag()
    made = {}
    try:
        for role in ("switch", "gateway", "client", *BACKENDS):
            made[role] = Namespace("readme-" + role, tag)
        switch = made["switch"]
        switch.ip("link", "add", "switch0", "type", "bridge", "mcast_snooping", "0")
        switch.ip("link", "set", "switch0", "up")
        for role, device in (("gateway", "eth1"), *((role, "eth0") for role in ("client", *BACKENDS))):
            switch.ip("link", "add", role, "type", "veth", "peer", "name", device, "netns", made[role].name)
            switch.ip("link", "set", role, "master", "switch0", "up")
            for namespace, end in ((switch, role), (made[role], device)):
                namespace.run("ethtool", "-K", end, *"tx off tso off gso off gro off sg off".split())
            made[role].ip("link", "set", device, "up")
        made["client"].ip("address", "add", "198.18.10.100/24", "dev", "eth0")
        made["client"].ip("route", "add", "203.0.113.0/24", "via", "198.18.10.1")
        for role, address in BACKENDS.items():
            made[role].ip("address", "add", address + "/24", "dev", "eth0")
        yield made
    finally:
        for namespace in made.values():
            namespace.remove()


def serve(namespace, directory, name, address):
    """A web server that says who it is."""
    directory.mkdir()
    (directory / "index.html").write_text(name)
    (directory / "healthz").write_text("ok")
    return namespace.spawn(
        "python3", "-m", "http.server", "8080", "--bind", address, "--directory", directory,
        log=directory / "log",
    )  # fmt: skip


def test_the_readmes_configuration_balances_and_checks(link, tmp_path):
    servers = {
        name: serve(link[name], tmp_path / name, name, address) for name, address in BACKENDS.items()
    }
    file, log = tmp_path / "sluice.yaml", tmp_path / "log"
    file.write_text(configuration())
    # /run and /var/lib as on a fresh machine; the rest is what the README has one type.
    fresh = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec "
    command = fresh + shlex.join([str(SLUICED), "--config", str(file)])
    gateway = link["gateway"].spawn("unshare", "--mount", "sh", "-c", command, log=log)

    def metrics():
        assert gateway.poll() is None, log.read_text()
        return link["gateway"].run("curl", "-s", "http://127.0.0.1:9464/metrics", check=False).stdout

    def state(address, wanted):
        return re.search(rf'sluice_backend_state{{[^}}]*{address}[^}}]*state="{wanted}"[^}}]*}} 1', metrics())

    def answer():
        return link["client"].run("curl", "-s", "-m", "20", "http://203.0.113.10/", check=False).stdout

    eventually(lambda: "sluice_build_info" in metrics(), "the gateway is up")
    eventually(lambda: {answer() for _ in range(8)} == set(BACKENDS), "both backends answer", 60)
    for address in BACKENDS.values():
        eventually(lambda: state(address, "active"), "its check finds it well")
    servers["b1"].kill()
    eventually(lambda: state(BACKENDS["b1"], "down"), "the check finds the dead backend", 60)
    eventually(lambda: {answer() for _ in range(8)} == {"b2"}, "the other answers")
    gateway.terminate()
    assert gateway.wait(30) == 0
