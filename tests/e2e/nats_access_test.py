"""NATS servers that ask who publishes, and that talk TLS: a password, a token and a key, whose secrets stay in files."""

import base64
import ssl

import pytest

from credentials import Authority
from nats_server import KEEPS_UP, NatsServer, NatsSubscriber, apply_nats

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"  # NATS' documentation has both
USER = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
WATCHER = {"user": "watcher", "pass": "watches"}
USERS = f"""authorization {{ users: [
  {{ user: edge, password: "pass word" }}, {{ user: watcher, password: watches }}, {{ nkey: {USER} }} ] }}
"""


@pytest.fixture
def gateway(wireless):
    return wireless(pools=[{"name": "web", "backends": [{"address": "198.18.20.11", "port": 8080}]}])


def secret(directory, name, text):
    file = directory / name
    file.touch(0o600)
    file.write_text(text + "\n")
    return f"file:{file}"


def hears(gateway, subscriber):
    """An event that is caused now arrives."""
    gateway.config["pools"][0]["backends"][0]["weight"] = gateway.config["pools"][0]["backends"][0].get("weight", 1) + 1
    generation = gateway.call("config.apply", config=gateway.config)["generation"]
    while (heard := subscriber.next()[1]).get("generation") != generation:
        pass
    assert heard["kind"] == "config_applied"
    subscriber.close()


@pytest.mark.parametrize("how", ["password", "nkey"])
def test_a_server_that_knows_its_users_takes_events(gateway, tmp_path, how):
    server = NatsServer(tmp_path, configuration=USERS).start()
    try:
        apply_nats(gateway, [server.url])
        gateway.await_line("events.nats: no server takes events", KEEPS_UP)
        gateway.await_line("Authorization Violation", KEEPS_UP)
        access = {
            "password": {"user": "edge", "password": secret(tmp_path, "password", "pass word")},
            "nkey": {"nkey": secret(tmp_path, "seed", SEED)},
        }
        apply_nats(gateway, [server.url], **access[how])
        gateway.await_line("events.nats: events go to 127.0.0.1", KEEPS_UP)
        hears(gateway, NatsSubscriber(server, "sluice.>", **WATCHER))
        log = gateway.log.read_text()
        assert "pass word" not in log and SEED not in log and base64.b64encode(SEED.encode()).decode() not in log
    finally:
        server.stop()


def test_a_token_is_read_anew_and_an_open_file_is_told_of(gateway, tmp_path):
    server = NatsServer(tmp_path, configuration='authorization { token: "right" }\n').start()
    try:
        reference = secret(tmp_path, "token", "wrong")
        file = tmp_path / "token"
        file.chmod(0o644)
        apply_nats(gateway, [server.url], token=reference)
        gateway.await_line(f"{file} is open to others than its owner", KEEPS_UP)
        gateway.await_line("Authorization Violation", KEEPS_UP)
        file.write_text("right\n")
        gateway.await_line("events.nats: events go to 127.0.0.1", KEEPS_UP)
        hears(gateway, NatsSubscriber(server, "sluice.>", auth_token="right"))
        assert gateway.log.read_text().count("is open to others") == 1
    finally:
        server.stop()


def test_tls_both_ways(gateway, tmp_path):
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.server("nats")
    own = authority.issue("edge")
    server = NatsServer(tmp_path, configuration=USERS + f"""tls {{
  cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.file}", verify: true
}}
""").start()  # fmt: skip
    try:
        access = {"user": "edge", "password": secret(tmp_path, "password", "pass word")}
        apply_nats(gateway, [server.url], **access)
        gateway.await_line("it asks for TLS", KEEPS_UP)
        stranger = Authority(tmp_path / "stranger")
        shown = {"certificate": f"file:{own[0]}", "key": f"file:{own[1]}"}
        apply_nats(gateway, [server.url], **access, tls={"ca": f"file:{stranger.file}", **shown})
        gateway.await_line("certificate: ", KEEPS_UP)
        apply_nats(gateway, [f"tls://127.0.0.1:{server.port}"], **access, tls={"ca": f"file:{authority.file}", **shown})
        gateway.await_line("events.nats: events go to 127.0.0.1", KEEPS_UP)
        context = ssl.create_default_context(cafile=authority.file)
        context.check_hostname = False
        context.load_cert_chain(*own)
        hears(gateway, NatsSubscriber(server, "sluice.>", context, **WATCHER))
    finally:
        server.stop()


def test_nothing_is_said_without_tls_where_there_is_to_be_some(gateway, tmp_path):
    server = NatsServer(tmp_path, configuration=USERS).start()
    try:
        apply_nats(gateway, [f"tls://127.0.0.1:{server.port}"], user="edge", password=secret(tmp_path, "password", "pass word"))
        gateway.await_line("it has no TLS", KEEPS_UP)
        assert "edge" not in server.log.read_text()
    finally:
        server.stop()
