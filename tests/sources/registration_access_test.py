"""Who may register: by a client's certificate, and by a token."""

import json
import os
import pathlib
import time

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from namespaces import run
from processes import eventually
from registries import certificates, missing
from registry_site import RegistrySite, instance, refused

pytestmark = pytest.mark.skipif(bool(missing("protoc", "curl")), reason="protoc or curl is not installed")


def client_certificate(directory, ca):
    """One that the authority `ca` of certificates() has signed."""
    directory.mkdir(exist_ok=True)
    key, request, certificate = (directory / name for name in ("client.key", "client.csr", "client.pem"))
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
        "-subj", "/CN=web-1")  # fmt: skip
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", str(ca).replace(".pem", ".key"), "-CAcreateserial",
        "-days", "2", "-out", certificate)  # fmt: skip
    return certificate, key


def test_without_a_client_certificate_nobody_is_let_in(tmp_path, generated):
    files = certificates(tmp_path / "server", "registry.test")
    registry = RegistrySite(
        tmp_path / "gateway",
        tls={"certificate": files["certificate"], "key": f"file:{files['key']}", "client_ca": files["ca"]},
    )
    certificate, key = client_certificate(tmp_path / "client", files["ca"])
    body = {"address": "198.18.20.11", "port": 8080}
    with registry.gateway:
        registry.curl_options = ["--cacert", files["ca"]]
        with pytest.raises(RuntimeError):  # curl has no answer at all
            registry.curl("PUT", "/v1/services/web/instances/one", body)
        ca = pathlib.Path(files["ca"]).read_bytes()
        registry.credentials = grpc.ssl_channel_credentials(ca)
        assert refused(registry.stub().Register, instance())[0] == grpc.StatusCode.UNAVAILABLE
        assert registry.backends() == []
        registry.curl_options += ["--cert", str(certificate), "--key", str(key)]
        assert registry.curl("PUT", "/v1/services/web/instances/one", body)[0] == 200
        registry.credentials = grpc.ssl_channel_credentials(ca, key.read_bytes(), certificate.read_bytes())
        registry.stub().Register(instance("two", "198.18.20.12"), timeout=30)
        registry.until_backends(("198.18.20.11:8080", 1), ("198.18.20.12:8080", 1))
        # A certificate that is replaced is the one that is shown, without a restart.
        fresh = certificates(tmp_path / "fresh", "registry.test")
        for role in ("certificate", "key", "ca"):
            os.replace(fresh[role], files[role])
        registry.curl_options = ["--cacert", files["ca"], "--cert", str(certificate), "--key", str(key)]
        eventually(lambda: "TLS alert" in curl_error(registry), "the old authority is trusted no more")
        assert "PRIVATE" not in registry.gateway.log.read_text()


def test_a_key_that_others_may_read_is_told_of_and_used(tmp_path, generated):
    files = certificates(tmp_path / "server", "registry.test")
    pathlib.Path(files["key"]).chmod(0o644)
    registry = RegistrySite(tmp_path / "gateway", tls={"certificate": files["certificate"], "key": f"file:{files['key']}"})
    with registry.gateway:
        registry.curl_options = ["--cacert", files["ca"]]
        assert registry.curl("GET", "/v1/services")[0] == 200
        words = f"{files['key']} is open to others than its owner: chmod 600"
        registry.gateway.await_line(words)
        assert registry.gateway.log.read_text().count(words) == 1


def curl_error(registry):
    done = run("curl", "-sS", "-m", "10", *registry.curl_options, registry.url("/v1/services"), check=False)
    return "TLS alert" if done.returncode in (35, 56) else done.stderr


KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def key_set():
    def number(value, size):
        return jwt.utils.base64url_encode(value.to_bytes(size, "big")).decode()

    r, e = KEYS["RS256"].public_key().public_numbers(), KEYS["ES256"].public_key().public_numbers()
    okp = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEYS["EdDSA"].public_key()))
    return {
        "keys": [
            {"kty": "RSA", "kid": "RS256", "n": number(r.n, 256), "e": number(r.e, 3)},
            {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": number(e.x, 32), "y": number(e.y, 32)},
            {**okp, "kid": "EdDSA"},
        ]
    }


def token(algorithm="ES256", key=None, kid=None, **claims):
    said = {"iss": "https://id.test", "aud": "sluice", "exp": time.time() + 600, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, key or KEYS[algorithm], algorithm, headers={"kid": kid or algorithm})


def test_only_a_good_token_is_let_in(tmp_path, generated):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(key_set()))
    registry = RegistrySite(tmp_path / "gateway", jwt={"keys": f"file:{keys}", "issuer": "https://id.test", "audience": "sluice"})
    secret = "a shared secret that is long enough"
    bad = {
        "no token": None,
        "expired": token(exp=time.time() - 120),
        "no exp": token(exp=None),
        "not yet valid": token(nbf=time.time() + 600),
        "issuer": token(iss="https://elsewhere.test"),
        "audience": token(aud="other"),
        "another key": token(key=ec.generate_private_key(ec.SECP256R1())),
        "unknown kid": token(kid="nobody"),
        "kid of another kind": token(kid="RS256"),
        "shared secret": jwt.encode({"exp": time.time() + 600}, secret, "HS256", headers={"kid": "ES256"}),
        "none": jwt.encode({"exp": time.time() + 600}, None, "none", headers={"kid": "ES256"}),
        "cut": token()[:-4],
        "garbage": "a.b.c",
    }
    with registry.gateway:
        for what, text in bad.items():
            options = ["-H", f"Authorization: Bearer {text}"] if text else []
            status, fault, _ = registry.curl("GET", "/v1/services", None, *options)
            assert (status, fault["code"]) == (401, "UNAUTHENTICATED"), what
            metadata = [("authorization", f"Bearer {text}")] if text else None
            assert refused(registry.stub().Register, instance(), metadata=metadata)[0] == grpc.StatusCode.UNAUTHENTICATED
        assert registry.backends() == []
        for at, algorithm in enumerate(KEYS):
            metadata = [("authorization", f"Bearer {token(algorithm)}")]
            registry.stub().Register(instance(algorithm, f"198.18.20.{11 + at}"), metadata=metadata, timeout=30)
        registry.until_backends(*[(f"198.18.20.{11 + at}:8080", 1) for at in range(3)])
        old = token()
        assert registry.curl("GET", "/v1/services", None, "-H", f"Authorization: Bearer {old}")[0] == 200
        twice = ["-H", f"Authorization: Bearer {old}"] * 2  # which of them counts, servers disagree about
        assert registry.curl("GET", "/v1/services", None, *twice)[0] == 401
        keys.write_text(json.dumps({"keys": key_set()["keys"][:1]}))
        eventually(
            lambda: registry.curl("GET", "/v1/services", None, "-H", f"Authorization: Bearer {old}")[0] == 401,
            "a key that is gone is believed no more", 30,
        )  # fmt: skip
        assert old not in registry.gateway.log.read_text()
