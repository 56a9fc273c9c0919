"""Backends from etcd, against the real one."""

import json
import random
import signal
import time

import pytest

from registries import LOOPBACK, Etcd, Gate, certificates, missing

pytestmark = pytest.mark.skipif(bool(missing("etcd", "etcdctl")), reason="etcd is not installed")

WEB = {"prefix": "services/web/"}


@pytest.fixture
def etcd(network, tmp_path):
    server = Etcd(network, tmp_path / "etcd").start()
    yield server
    server.kill()


def model(port: int = Etcd.port, **more) -> dict:
    return {"type": "etcd", "endpoints": [f"http://{LOOPBACK}:{port}"], "resync": 3000, **more}


def listed(etcd: Etcd) -> list:
    """What etcd's own client lists below the prefix, whose values are host:port."""
    lines = etcd.ctl("get", "--prefix", "--print-value-only", "services/web/").stdout.split()
    return sorted([line.rsplit(":", 1)[0], int(line.rsplit(":", 1)[1])] for line in lines)


def test_every_form_of_a_value_and_every_change(etcd, source):
    etcd.put("services/web/1", '{"Op":0,"Addr":"10.20.0.11:8080","Metadata":{"weight":2}}')
    etcd.put("services/web/2", '{"address":"10.20.0.12","port":8080,"weight":3}')
    etcd.put("services/web/3", "[2001:db8::13]:8080")
    etcd.put("services/web/4", "web-4.example.test:8080")
    etcd.put("services/web/5", "10.20.0.15")
    etcd.put("services/web/6", '{"address":"10.20.0.16","port":80,"weight":70000}')
    etcd.put("services/web/", "a directory, as some write them")
    etcd.put("services/webmail/1", "10.20.0.99:25")
    words = source(model(), WEB, {"prefix": "services/empty/"})
    first = [
        ["10.20.0.11", 8080, 2, True],
        ["10.20.0.12", 8080, 3, True],
        ["2001:db8::13", 8080],
        ["web-4.example.test", 8080],
    ]
    snapshot = words.until_instances(first)
    assert snapshot["unreadable"] == 2
    assert snapshot["entries"] == ["services/web/5: no port", "services/web/6: its weight is not 0 to 65535"]
    words.until_instances([], id=2)
    etcd.put("services/web/7", "10.20.0.17:8080")
    words.until_instances([*first, ["10.20.0.17", 8080]])
    etcd.put("services/web/1", "10.20.0.11:8081")
    words.until_instances([["10.20.0.11", 8081], *first[1:], ["10.20.0.17", 8080]])
    etcd.ctl("del", "--prefix", "services/web/")
    assert words.until_instances([])["unreadable"] == 0
    assert words.losses() == []


def test_a_lease_that_runs_out_takes_its_instance_away(etcd, source):
    words = source(model(), WEB)
    words.until_instances([])
    lease = etcd.ctl("lease", "grant", "10").stdout.split()[1]
    etcd.ctl("put", f"--lease={lease}", "services/web/1", "10.20.0.11:80")
    there = [["10.20.0.11", 80, 1, True]]
    words.until(lambda: any(word.get("instances") == there for word in words.words), "it is there")
    words.until_instances([])


def test_many_entries_come_page_by_page(etcd, source):
    count = 2500
    for start in range(0, count, 100):
        part = range(start, start + 100)
        etcd.put_together({f"services/web/{i:05}": f"10.{i // 250}.0.{i % 250 + 1}:80" for i in part})
    words = source(model(), WEB)
    words.until_instances([[f"10.{i // 250}.0.{i % 250 + 1}", 80] for i in range(count)])
    words.until(lambda: [w for w in words.words if w["word"] == "confirm"], "a resync that found nothing")
    assert all(word.get("repaired", 0) == 0 for word in words.words)


def test_it_lasts_through_a_kill_and_a_server_that_has_other_data(etcd, source, network, tmp_path):
    for i in range(20):
        etcd.put(f"services/web/{i}", f"10.20.0.{i + 1}:80")
    words = source(model(), WEB)
    known = words.until_instances([[f"10.20.0.{i + 1}", 80] for i in range(20)])
    etcd.kill()
    words.until_lost("connection refused")
    assert words.snapshot() == known
    etcd.start()
    words.until_held(after=words.mark())
    assert words.instances() == known["instances"]
    etcd.kill()
    # Of a lower revision than the watch has come to.
    other = Etcd(network, tmp_path / "other").start()
    other.put("services/web/z", "10.20.0.99:80")
    words.until_instances([["10.20.0.99", 80]])
    other.put("services/web/y", "10.20.0.98:80")
    words.until_instances([["10.20.0.98", 80], ["10.20.0.99", 80]])
    other.kill()


def test_compaction_while_it_was_away(etcd, source, network):
    gate = Gate(network, 23795, etcd.port)
    etcd.put("services/web/1", "10.20.0.1:80")
    words = source(model(gate.port), WEB)
    words.until_instances([["10.20.0.1", 80]])
    gate.fail("refuse")
    words.until_lost("refused")
    etcd.ctl("del", "services/web/1")
    etcd.put("services/web/2", "10.20.0.2:80")
    etcd.ctl("compact", etcd.revision())
    gate.let_pass()
    words.until_instances([["10.20.0.2", 80]])
    gate.close()


def test_a_server_that_falls_silent_is_noticed(etcd, source):
    etcd.put("services/web/1", "10.20.0.1:80")
    words = source(model(resync=1000), WEB)
    known = words.until_instances([["10.20.0.1", 80]])
    etcd.process.send_signal(signal.SIGSTOP)
    words.until_lost("no answer within")
    assert words.snapshot() == known
    etcd.process.send_signal(signal.SIGCONT)
    etcd.put("services/web/2", "10.20.0.2:80")
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])


def test_what_a_watch_misses_is_repaired_and_counted(etcd, source, network):
    """A watch that hangs without a word, while other connections work."""
    gate = Gate(network, 23796, etcd.port)
    etcd.put("services/web/1", "10.20.0.1:80")
    words = source(model(gate.port, resync=2000), WEB)
    words.until_instances([["10.20.0.1", 80]])
    eventually_held = words.mark()
    words.until_held(after=eventually_held)
    gate.freeze()
    # At once: what a resync finds between the two would be told of by itself.
    etcd.put_together({"services/web/2": "10.20.0.2:80", "services/web/3": "10.20.0.3:80"})
    snapshot = words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80], ["10.20.0.3", 80]])
    assert snapshot["repaired"] == 2
    etcd.put("services/web/4", "10.20.0.4:80")  # the watch is a new one
    words.until_instances([[f"10.20.0.{i}", 80] for i in (1, 2, 3, 4)])
    gate.close()


def test_cut_at_any_byte_it_ends_up_with_what_etcd_lists(etcd, source, network):
    random.seed(12)
    gate = Gate(network, 23797, etcd.port)
    words = source(model(gate.port, resync=1000), WEB)
    words.until_held()
    for round_ in range(40):
        gate.half = random.randrange(1, 900)
        gate.mode = "half"
        gate.cut()
        for _ in range(3):
            name = random.randrange(12)
            if random.random() < 0.4:
                etcd.ctl("del", f"services/web/{name}")
            else:
                etcd.put(f"services/web/{name}", f"10.20.{round_}.{name + 1}:80")
        if round_ % 7 == 0:
            etcd.ctl("compact", etcd.revision())
        time.sleep(random.random() * 0.2)
        if round_ % 4 == 3:
            gate.let_pass()
            words.until_instances(listed(etcd))
    gate.close()


def test_name_and_password(etcd, source, tmp_path):
    password = tmp_path / "password"
    password.write_text('s3"cret\n')
    words_before = source(model(username="root", password_file=str(password)), WEB)
    words_before.until_instances([])  # a server without authentication serves everybody
    etcd.ctl("user", "add", 'root:s3"cret')
    etcd.ctl("user", "grant-role", "root", "root")
    etcd.ctl("auth", "enable")
    etcd.credentials = ["--user", 'root:s3"cret']
    words = source(model(username="root", password_file=str(password)), WEB)
    words.until_instances([])
    etcd.put("services/web/1", "10.20.0.1:80")
    words.until_instances([["10.20.0.1", 80]])
    words_before.until_instances([["10.20.0.1", 80]])
    password.write_text("wrong")
    refused = source(model(username="root", password_file=str(password)), WEB)
    refused.until_lost("authentication failed")
    absent = source(model(username="root", password_file=str(tmp_path / "absent")), WEB)
    absent.until_lost(f"cannot read {tmp_path}/absent: no such file")
    # A token that the server has forgotten: one of a server that was started again.
    password.write_text('s3"cret')
    mark = words.mark()
    etcd.kill()
    etcd.start()
    words.until_held(after=mark + 1)
    etcd.put("services/web/2", "10.20.0.2:80")
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])
    etcd.ctl("user", "passwd", "--interactive=false", "root", check=False)
    assert 's3"cret' not in json.dumps(words.words + refused.words)


def test_tls_and_the_names_in_certificates(network, source, tmp_path):
    files = certificates(tmp_path / "pki", "etcd.example.test")
    options = ["--cert-file", files["certificate"], "--key-file", files["key"], "--client-cert-auth",
               "--trusted-ca-file", files["ca"]]  # fmt: skip
    etcd = Etcd(network, tmp_path / "etcd", *options, scheme="https")
    etcd.tls_options = [f"--cacert={files['ca']}", f"--cert={files['certificate']}", f"--key={files['key']}"]
    etcd.start()
    etcd.put("services/web/1", "10.20.0.1:80")
    url = {"type": "etcd", "endpoints": [etcd.url], "resync": 3000, "ca": files["ca"]}
    own = {"certificate": files["certificate"], "key": files["key"]}
    source({**url, **own}, WEB).until_instances([["10.20.0.1", 80]])
    named = source({**url, **own, "server_name": "etcd.example.test"}, WEB)
    named.until_instances([["10.20.0.1", 80]])
    wrong = source({**url, **own, "server_name": "other.example.test"}, WEB)
    assert "ostname mismatch" in wrong.until_lost("certificate")
    untrusted = source({**url, **own, "ca": certificates(tmp_path / "other", "x")["ca"]}, WEB)
    untrusted.until_lost("certificate: ")
    unnamed = source(url, WEB)
    unnamed.until_lost()
    plain = source(model(), WEB)
    plain.until_lost()
    etcd.kill()
