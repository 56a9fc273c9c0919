"""Backends from ZooKeeper, against the real one; kazoo writes."""

import pathlib
import shutil
import signal

import pytest

from registries import LOOPBACK, Gate, Zookeeper

JAR = pathlib.Path("/usr/share/java/zookeeper.jar")
pytestmark = pytest.mark.skipif(not JAR.exists() or not shutil.which("java"), reason="zookeeper is not installed")

WEB = {"path": "/services/web"}


@pytest.fixture
def zookeeper(network, tmp_path):
    pytest.importorskip("kazoo")
    server = Zookeeper(network, tmp_path / "zookeeper").start()
    yield server
    server.kill()


def model(port: int = Zookeeper.port, **more) -> dict:
    return {"type": "zookeeper", "endpoints": [f"{LOOPBACK}:{port}"], "session_timeout": 2000, "resync": 3000, **more}


def create(name: str, value: str) -> str:
    return f"zk.create('/services/web/{name}', {value.encode()!r}, makepath=True)\n"


def test_every_form_and_every_change(zookeeper, source):
    patient = model(session_timeout=20000)  # a server that is slow for a second loses nobody
    words = source(patient, WEB, {"path": "/services/mail"})
    words.until_instances([])  # there is no such node
    zookeeper.client(
        create("member_0000000000", '{"serviceEndpoint":{"host":"10.20.0.1","port":80},"status":"ALIVE"}')
        + create("member_0000000001", '{"serviceEndpoint":{"host":"10.20.0.2","port":80},"status":"STOPPING"}')
        + create("curator", '{"name":"web","address":"10.20.0.3","port":80,"payload":{"weight":3}}')
        + create("plain", "10.20.0.4:80")
        + create("bad", "10.20.0.5")
    )
    three = [["10.20.0.1", 80], ["10.20.0.3", 80, 3, True], ["10.20.0.4", 80]]
    snapshot = words.until_instances(three)
    words.until(lambda: words.snapshot()["unreadable"] == 1, "the unreadable one")
    assert words.snapshot()["entries"] == ["/services/web/bad: no port"], snapshot
    zookeeper.client("zk.set('/services/web/plain', b'10.20.0.44:80')\nzk.delete('/services/web/curator')")
    words.until_instances([three[0], ["10.20.0.44", 80]])
    zookeeper.client("zk.set('/services/web/plain', b'10.20.0.45:80')")
    words.until_instances([three[0], ["10.20.0.45", 80]])
    zookeeper.client("zk.delete('/services/web/plain')\n" + create("plain", "10.20.0.46:80"))
    words.until_instances([three[0], ["10.20.0.46", 80]])
    zookeeper.client("zk.delete('/services/web', recursive=True)")
    words.until_instances([])
    zookeeper.client(create("again", "10.20.0.7:80"))
    words.until_instances([["10.20.0.7", 80]])
    with zookeeper.session("zk.create('/services/mail/ephemeral', b'10.20.9.9:25', ephemeral=True, makepath=True)"):
        words.until_instances([["10.20.9.9", 25]], id=2)
    words.until_instances([], id=2)
    assert words.losses() == []


def test_many_children(zookeeper, source):
    zookeeper.client(
        "zk.ensure_path('/services/web')\n"
        "waits = [zk.create_async(f'/services/web/{i}', f'10.{i // 250}.0.{i % 250 + 1}:80'.encode())"
        " for i in range(2000)]\n[wait.get(60) for wait in waits]"
    )
    words = source(model(), WEB)
    words.until_instances([[f"10.{i // 250}.0.{i % 250 + 1}", 80] for i in range(2000)])
    words.until(lambda: [w for w in words.words if w["word"] == "confirm"], "a word")
    assert all(word.get("repaired", 0) == 0 for word in words.words)


def test_it_lasts_through_a_kill_and_a_server_that_has_other_data(zookeeper, source, network, tmp_path):
    zookeeper.client(create("a", "10.20.0.1:80"))
    words = source(model(), WEB)
    known = words.until_instances([["10.20.0.1", 80]])
    zookeeper.kill()
    words.until_lost("connection was closed")
    words.until_lost("connection refused")
    assert words.snapshot() == known
    zookeeper.start()
    words.until_held(after=words.mark())
    zookeeper.client(create("b", "10.20.0.2:80"))
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])
    zookeeper.kill()
    other = Zookeeper(network, tmp_path / "other").start()
    words.until_instances([])
    other.client(create("z", "10.20.0.99:80"))
    words.until_instances([["10.20.0.99", 80]])
    other.kill()


def test_a_session_that_has_expired_is_followed_by_a_new_one(zookeeper, source, network):
    gate = Gate(network, 21815, zookeeper.port)
    zookeeper.client(create("a", "10.20.0.1:80"))
    words = source(model(gate.port), WEB)
    known = words.until_instances([["10.20.0.1", 80]])
    gate.fail("refuse")
    words.until_lost("refused")
    zookeeper.client(create("b", "10.20.0.2:80") + "import time; time.sleep(6)")  # three times the session's time
    assert words.snapshot() == known
    gate.let_pass()
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])
    gate.close()


def test_a_server_that_falls_silent_is_noticed(zookeeper, source):
    zookeeper.client(create("a", "10.20.0.1:80"))
    words = source(model(), WEB)
    known = words.until_instances([["10.20.0.1", 80]])
    zookeeper.process.send_signal(signal.SIGSTOP)
    words.until_lost("no answer within")
    assert words.snapshot() == known
    zookeeper.process.send_signal(signal.SIGCONT)
    words.until_held(after=words.mark())
    zookeeper.client(create("b", "10.20.0.2:80"))
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])


def test_nodes_that_only_some_may_read(zookeeper, source, tmp_path):
    zookeeper.client(
        "from kazoo.security import make_digest_acl\n"
        "zk.add_auth('digest', 'u:secret')\n"
        "acl = [make_digest_acl('u', 'secret', all=True)]\n"
        "zk.ensure_path('/services')\nzk.create('/services/web', b'', acl=acl)\n"
        "zk.create('/services/web/a', b'10.20.0.1:80', acl=acl)"
    )
    password = tmp_path / "password"
    password.write_text("secret\n")
    source(model(username="u", password_file=str(password)), WEB).until_instances([["10.20.0.1", 80]])
    source(model(), WEB).until_lost("/services/web: not authorised")


def test_it_leaves_its_session_when_nobody_listens(zookeeper, source):
    words = source(model(session_timeout=60000), WEB, {"path": "/services/mail"})
    words.until_held(id=2)
    words.send("unsubscribe 1")
    words.until_held(id=2, after=words.mark())
    words.send("unsubscribe 2")

    def sessions() -> str:
        return zookeeper.four_letters(b"cons")

    words.until(lambda: "sid=" not in sessions(), f"no session in {sessions()}")
    assert words.close() == 0
