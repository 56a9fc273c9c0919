"""Control from afar, in the hands of those who may and of those who may not: curl, sluicectl, python's cryptography
and PyJWT."""

import json
import os
import time

import jwt
import pytest

import credentials
from credentials import DAY, KEYS, token
from namespaces import run
from processes import SLUICECTL, eventually, spawn, stop
from remote_site import RemoteSite

BACKEND = {"pool": "web", "address": "198.18.20.11", "port": 8080}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = RemoteSite(tmp_path_factory.mktemp("remote"))
    with made.gateway:
        yield made


def counted(site, reason, act):
    """What `act` answers; the counter of `reason` is one more afterwards, and no other."""
    before = site.authentications()
    answer = act()
    after = site.authentications()
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == {reason: 1}
    return answer


def test_ops_may_drain_and_not_apply(site):
    status, answer = counted(site, "ok", lambda: site.rpc("backend.set", "ops", **BACKEND, state="draining"))
    assert status == 200 and "result" in answer
    status, answer = counted(site, "ok", lambda: site.rpc("config.apply", "ops", config=site.gateway.config))
    assert status == 200 and answer["error"]["code"] == -32005 and answer["error"]["data"]["kind"] == "forbidden"
    assert site.rpc("backend.set", "ops", **BACKEND, state="active")[0] == 200
    assert site.rpc("system.info", "ops")[1]["result"]["role"] == "operate"


def test_admin_by_a_spiffe_id_may_apply(site):
    status, answer = site.rpc("config.apply", "admin", config=site.gateway.config, dry_run=True)
    assert status == 200 and "generation" in answer["result"]
    assert site.rpc("system.info", "admin")[1]["result"]["role"] == "admin"


def test_files_are_read_for_those_alone_who_may_apply(site, tmp_path):
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.write_text("a secret\n")

    def naming(file):
        return {
            **site.gateway.config,
            "sets": [{"name": "bots", "file": f"file:{file}"}],
            "inspections": [{"name": "edge", "rules_file": f"file:{file}"}],
        }

    for who in ({"token": token("view")}, {"who": "ops"}):
        for file in (there, missing):  # nothing tells one from the other
            answer = site.rpc("config.validate", **who, config=naming(file))[1]
            assert answer["result"] == {"valid": True, "unread": ["/sets/0/file", "/inspections/0/rules_file"]}
            assert site.rpc("config.diff", **who, config=naming(file))[1]["result"]["different"]
        assert site.rpc("config.validate", **who, config=site.gateway.config)[1]["result"] == {"valid": True}
    for file in (there, missing):
        faults = site.rpc("config.validate", "admin", config=naming(file))[1]["error"]["data"]["faults"]
        assert [fault["pointer"] for fault in faults] == ["/sets/0/file", "/inspections/0/rules_file"]
        assert "secret" not in str(faults)


def test_nobody_is_let_in_without_credentials_or_role(site):
    assert counted(site, "no_credentials", lambda: site.rpc("system.info"))[0] == 401
    assert counted(site, "role", lambda: site.rpc("system.info", "nobody"))[0] == 403
    assert counted(site, "role", lambda: site.rpc("system.info", token=token("sovereign")))[0] == 403
    for path in ("/metrics", "/ledger/checkpoint", "/version", "/nowhere"):
        assert site.curl(path)[0] == 401, path
    assert site.curl("/healthz") == (200, "ok\n")


def test_whoever_is_let_in_sees_the_pages(site):
    assert "sluice_build_info" in site.curl("/metrics", token=token("view"))[1]
    assert site.curl("/ledger/checkpoint", token=token("view"))[0] == 404
    assert site.curl("/rpc", token=token("view"))[0] == 405
    assert site.curl("/nowhere", token=token("view"))[0] == 404


def test_a_bad_certificate_is_refused_and_counted_by_why(site):
    cases = {
        "expired": site.authority.issue("expired", begins=-2 * DAY, ends=-DAY),
        "not_yet_valid": site.authority.issue("early", begins=DAY, ends=2 * DAY),
        "untrusted": site.stranger.issue("ops"),
    }
    for reason, site.who["bad"] in cases.items():
        assert counted(site, reason, lambda: site.rpc("system.info", "bad"))[0] == 401, reason
    # What is given decides alone: neither mends the other.
    assert site.rpc("system.info", "bad", token("view"))[0] == 200
    assert site.rpc("system.info", "admin", token("view", exp=int(time.time()) - 120))[0] == 401


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_is_taken_with_each_algorithm(site, algorithm):
    status, answer = site.rpc("system.info", token=token("operate", algorithm))
    assert status == 200 and answer["result"]["role"] == "operate"
    assert site.rpc("system.info", token=token(["other", "view", "operate"], algorithm))[1]["result"]["role"] == "operate"


SECRET = "a shared secret of thirty-two bytes"
FORGED = {
    "none": ("algorithm", lambda: jwt.encode({"exp": time.time() + 600}, None, "none", headers={"kid": "ES256"})),
    "none with an unknown key": ("algorithm", lambda: jwt.encode({"exp": time.time() + 600}, None, "none", headers={"kid": "x"})),
    "a shared secret": ("algorithm", lambda: jwt.encode({"exp": time.time() + 600}, SECRET, "HS256", headers={"kid": "ES256"})),
    "HS256 with the public key": ("algorithm", lambda: hs256_with_the_public_key()),
    "issuer": ("issuer", lambda: token(iss="https://elsewhere.test")),
    "no issuer": ("issuer", lambda: token(iss=None)),
    "audience": ("audience", lambda: token(aud="other")),
    "no audience": ("audience", lambda: token(aud=None)),
    "expired": ("expired", lambda: token(exp=int(time.time()) - 61)),
    "no exp": ("malformed", lambda: token(exp=None)),
    "exp as text": ("malformed", lambda: by_hand({"exp": "never"})),
    "not yet valid": ("not_yet_valid", lambda: token(nbf=int(time.time()) + 120)),
    "unknown key": ("key_id", lambda: token(headers={"kid": "nobody"})),
    "another's key": ("bad_signature", lambda: token(key=credentials.ec.generate_private_key(credentials.ec.SECP256R1()))),
    "key of another kind": ("algorithm", lambda: token(headers={"kid": "RS256"})),
    "crit": ("malformed", lambda: token(headers={"crit": ["exp"]})),
    "cut": ("bad_signature", lambda: token()[:-86] + "A" * 80),
    "garbage": ("malformed", lambda: "a.b.c"),
    "a claim changed": ("bad_signature", lambda: changed(token("view"))),
}


def hs256_with_the_public_key():
    """What a verifier takes that goes by the token's word for the algorithm."""
    import hashlib
    import hmac

    public = KEYS["RS256"].public_key().public_bytes(
        credentials.serialization.Encoding.PEM, credentials.serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encode = jwt.utils.base64url_encode
    head = encode(json.dumps({"alg": "HS256", "kid": "RS256"}).encode())
    body = encode(json.dumps({"iss": credentials.ISSUER, "aud": credentials.AUDIENCE, "exp": time.time() + 600, "role": "admin"}).encode())
    signature = hmac.new(public, head + b"." + body, hashlib.sha256).digest()
    return b".".join([head, body, encode(signature)]).decode()


def by_hand(claims):
    """A signed token with claims that PyJWT refuses to write."""
    said = json.dumps({"iss": credentials.ISSUER, "aud": credentials.AUDIENCE, "role": "admin", **claims})
    return jwt.PyJWS().encode(said.encode(), KEYS["ES256"], "ES256", headers={"kid": "ES256"})


def changed(text):
    head, body, signature = text.split(".")
    claims = json.loads(jwt.utils.base64url_decode(body))
    body = jwt.utils.base64url_encode(json.dumps({**claims, "role": "admin"}).encode()).decode()
    return ".".join([head, body, signature])


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_token_is_refused_and_counted_by_why(site, what):
    reason, make = FORGED[what]
    status, _ = counted(site, reason, lambda: site.rpc("backend.set", token=make(), **BACKEND, state="maintenance"))
    assert status == 401
    assert site.gateway.call("backend.list")[0]["state"] == "active"


def test_a_token_is_given_a_minute_of_leeway(site):
    assert site.rpc("system.info", token=token(exp=int(time.time()) - 30))[0] == 200
    assert site.rpc("system.info", token=token(nbf=int(time.time()) + 30))[0] == 200


def test_every_changing_call_is_audited_with_who_and_what(site):
    seen = len(site.audited())
    site.rpc("backend.set", token=token("admin", sub="eve\n\x1b[31m"), **BACKEND, weight=7)
    site.rpc("backend.set", "ops", **BACKEND, state="nonsense")
    site.rpc("config.apply", token=token("view"), config={})
    site.rpc("system.info", "ops")  # changes nothing
    site.rpc("system.info")
    site.gateway.call("backend.set", **BACKEND, weight=1)
    changed, wrong, forbidden, stranger, local = eventually(lambda: (lines := site.audited()[seen:]) and len(lines) == 5 and lines, "five lines")
    assert set(changed) == {"time", "who", "method", "object", "before", "after", "generation", "result"}
    assert changed["who"]["subject"] == "eve\n\x1b[31m" and changed["who"]["issuer"] == credentials.ISSUER
    assert changed["who"]["peer"].startswith("127.0.0.1:")
    assert (changed["method"], changed["object"]) == ("backend.set", "web 198.18.20.11:8080")
    assert (changed["before"], changed["after"]) == ("weight 1, active", "weight 7, active")
    assert changed["result"] == "ok" and set(changed["generation"]) == {"before", "after"}
    assert wrong["result"] == "invalid_params" and wrong["who"]["subject"] == "CN=ops,O=Sluice\\, Inc."
    assert forbidden["result"] == "forbidden" and forbidden["method"] == "config.apply"
    assert (stranger["method"], stranger["object"], stranger["result"]) == ("authenticate", "/rpc", "no_credentials")
    assert local["who"] == {"subject": "root", "issuer": "unix", "peer": f"uid 0, pid {os.getpid()}"}
    raw = site.audit.read_bytes() + site.gateway.log.read_bytes()
    assert b"\x1b" not in raw and b"eyJ" not in raw  # control characters are escaped; no token is shown
    assert b"eve\\n" in raw
    assert site.audit.stat().st_mode & 0o777 == 0o600


def test_an_audit_file_that_was_moved_is_made_anew(site):
    kept = site.audit.with_suffix(".1")
    site.audit.rename(kept)
    site.gateway.call("backend.set", **BACKEND, weight=1)
    eventually(lambda: site.audit.exists() and site.audited(), "a file of that name again")
    site.audit.rename(kept)
    site.gateway.reload()
    eventually(site.audit.exists, "SIGHUP makes it too")


def test_sluicectl_speaks_from_afar(site, tmp_path):
    local = site.gateway.ctl("backend", "list")
    assert local.returncode == 0
    from_afar = site.ctl("backend", "list", who="ops")
    assert (from_afar.returncode, from_afar.stdout) == (0, local.stdout), from_afar.stderr
    file = tmp_path / "token"
    file.write_text(token("operate") + "\n")
    file.chmod(0o600)
    for words in (["stats"], ["drops"], ["service", "list"], ["config", "show"], ["top", "--count", "1", "--interval", "0.1"]):
        done = site.ctl(*words, token_file=file)
        assert done.returncode == 0, (words, done.stderr)
    assert site.ctl("backend", "weight", "web", "198.18.20.11:8080", "3", token_file=file).returncode == 0
    assert site.ctl("config", "rollback", "1", token_file=file).returncode == 5
    assert site.ctl("stats").returncode == 5  # 401
    assert site.ctl("stats", who="nobody").returncode == 5  # 403
    assert site.ctl("service", "table", "none", who="ops").returncode == 1
    assert site.ctl("stats", who="ops", url="http://127.0.0.1:1").returncode == 2
    assert site.ctl("stats", who="ops", url="https://127.0.0.1:1").returncode == 4
    assert site.gateway.ctl("backend", "weight", "web", "198.18.20.11:8080", "1").returncode == 0


def test_events_come_from_afar(site, tmp_path):
    file = tmp_path / "token"
    file.write_text(token("view"))
    kinds = "backend_state"
    curl = spawn(
        "curl", "-sSN", "-m", "60", "--cacert", site.authority.file, "-H", f"Authorization: Bearer {token('view')}",
        f"{site.url}/events?kinds={kinds}", log=tmp_path / "curl",
    )  # fmt: skip
    client = spawn(
        SLUICECTL, "--remote", site.url, "--ca", site.authority.file, "--token", f"file:{file}", "-o", "json",
        "events", "--kind", kinds, "-c", "1", log=tmp_path / "client",
    )  # fmt: skip
    try:
        eventually(lambda: "retry:" in (tmp_path / "curl").read_text(), "curl listens")

        def told():
            for state in ("draining", "active"):
                site.gateway.call("backend.set", **BACKEND, state=state)
            return client.poll() is not None

        eventually(told, "sluicectl has an event")
        assert client.wait() == 0
        event = json.loads((tmp_path / "client").read_text())
        assert event["kind"] == kinds and event["pool"] == "web"
        assert "event: backend_state\ndata: {" in (tmp_path / "curl").read_text()
    finally:
        stop(curl)
        stop(client)
    assert site.curl("/events")[0] == 401


def test_an_untrusted_server_gets_no_token(site, tmp_path):
    file = tmp_path / "token"
    file.write_text(token("admin"))
    before = site.authentications()
    done = site.ctl("stats", token_file=file, ca=site.stranger.file)
    assert done.returncode == 4 and "certificate" in done.stderr
    named = site.ctl("stats", token_file=file, url=f"https://127.0.0.2:{site.port}")
    assert named.returncode == 4
    assert site.authentications() == before


def replace(file, content):
    """At once: what is only being written would be a second version that is no good."""
    fresh = file.with_suffix(".fresh")
    fresh.touch(0o600)
    fresh.write_bytes(content)
    fresh.rename(file)


def test_what_is_read_again_counts_within_ten_seconds(tmp_path):
    site = RemoteSite(tmp_path)
    # As Kubernetes and certificate managers have it: the files are links, of which one is turned.
    versions = [tmp_path / "v1", tmp_path / "v2"]
    for version in versions:
        version.mkdir()
        for role, file in zip(("certificate", "key"), site.authority.server(version.name)):
            (version / role).write_bytes(open(file, "rb").read())
            (version / role).chmod(0o600)
    current = tmp_path / "current"
    current.symlink_to("v1")
    tls = site.gateway.config["remote"]["tls"]
    tls.update(certificate=f"file:{current}/certificate", key=f"file:{current}/key")

    def subject_shown():
        shown = run("openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", stdin=open(os.devnull), check=False)
        return next((line for line in shown.stdout.splitlines() if "subject=" in line), "")

    with site.gateway:
        old = token("view")
        assert "CN = v1" in subject_shown() and site.rpc("system.info", token=old)[0] == 200
        turned = tmp_path / "turned"
        turned.symlink_to("v2")
        turned.rename(current)
        eventually(lambda: "CN = v2" in subject_shown(), "the certificate that the link leads to now")
        # A key that does not fit leaves what was good last.
        replace(versions[1] / "key", (versions[0] / "key").read_bytes())
        rejected = lambda file: site.gateway.metrics()[f'sluice_remote_files_rejected_total{{file="{file}"}}']
        eventually(lambda: rejected("tls") == 1, "counted")
        replace(site.keys, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
        eventually(lambda: rejected("jwt") == 1, "counted")
        assert "CN = v2" in subject_shown() and site.rpc("system.info", token=old)[0] == 200
        site.gateway.await_line("remote.jwt.keys: what was read last still counts")
        log = site.gateway.log.read_text()
        assert log.count("remote.tls: what was read last still counts") == 1
        assert log.count("remote.jwt.keys: what was read last still counts") == 1
        # A key that has left the set, and a certificate on a revocation list.
        site.keys.write_text(credentials.key_set("RS256"))
        eventually(lambda: site.rpc("system.info", token=old)[0] == 401, "the key is believed no more")
        assert site.authentications()["revoked_key"] >= 1
        (versions[1] / "key").write_bytes(open(site.authority.directory / "v2.key", "rb").read())
        assert site.rpc("system.info", "ops")[0] == 200
        site.files["client_ca"].write_bytes(site.authority.file.read_bytes() + site.authority.revocations("ops"))
        eventually(lambda: site.rpc("system.info", "ops")[0] == 401, "the revoked certificate is refused")
        assert site.rpc("system.info", "admin")[0] == 200


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda site: site.files["key"].chmod(0o644), "chmod 600"),
        (lambda site: site.files["certificate"].unlink(), "cannot read the certificate"),
        (lambda site: site.keys.write_text('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'), "shared secret"),
        (lambda site: site.gateway.config.update(audit={"file": "/nowhere/audit.jsonl"}), "audit.file: cannot open"),
    ],
    ids=["open key", "no certificate", "oct", "audit"],
)  # fmt: skip
def test_a_start_with_a_bad_file_is_refused_and_says_which(tmp_path, change, words):
    site = RemoteSite(tmp_path)
    change(site)
    with pytest.raises(RuntimeError, match=words):
        site.gateway.start()
