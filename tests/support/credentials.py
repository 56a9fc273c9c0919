"""Certificates and tokens by python's cryptography and PyJWT: good ones, and each kind of bad one."""

import datetime
import ipaddress
import json
import pathlib
import time
from typing import List, Optional, Tuple

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
ISSUER, AUDIENCE = "https://id.example.test", "sluice"


def subject(*parts: Tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


class Authority:
    """One that signs certificates; its own is in `file`."""

    def __init__(self, directory: pathlib.Path, name: str = "test authority"):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = subject((NameOID.COMMON_NAME, name))
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY).not_valid_after(now + 2 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip
        self.file = directory / "ca.pem"
        self.file.write_bytes(self.pem(self.certificate))
        self.serials = {}

    @staticmethod
    def pem(what) -> bytes:
        return what.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, name: str, who: Optional[x509.Name] = None, sans: Optional[List[x509.GeneralName]] = None,
        begins=-DAY, ends=DAY,
    ) -> Tuple[str, str]:
        """Files of a certificate and of its key, both called `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder().subject_name(who or subject((NameOID.COMMON_NAME, name)))
            .issuer_name(self.name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + begins).not_valid_after(now + ends)
        )  # fmt: skip
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.serials[name] = certificate.serial_number
        files = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        files[0].write_bytes(self.pem(certificate))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        files[1].chmod(0o600)
        return str(files[0]), str(files[1])

    def server(self, name: str) -> Tuple[str, str]:
        """A certificate for 127.0.0.1, ::1 and localhost."""
        addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]
        return self.issue(name, sans=[x509.DNSName("localhost"), *addresses])

    def revocations(self, *names: str) -> bytes:
        """A revocation list with these in it."""
        now = datetime.datetime.utcnow()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - DAY).next_update(now + DAY)
        for name in names:
            revoked = x509.RevokedCertificateBuilder().serial_number(self.serials[name]).revocation_date(now - DAY)
            builder = builder.add_revoked_certificate(revoked.build())
        return self.pem(builder.sign(self.key, hashes.SHA256()))


KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
_WRITERS = {
    "RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm,
}  # fmt: skip


def web_key(algorithm: str, kid: Optional[str] = None) -> dict:
    """A public key of KEYS as RFC 7517 writes it."""

    def number(value: int, size: int) -> str:
        return jwt.utils.base64url_encode(value.to_bytes(size, "big")).decode()

    public = KEYS[algorithm].public_key()
    if algorithm == "ES256":  # which this PyJWT does not write
        point = public.public_numbers()
        key = {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}
    else:
        key = json.loads(_WRITERS[algorithm].to_jwk(public))
    key.pop("key_ops", None)
    return {**key, "kid": kid or algorithm}


def key_set(*algorithms: str) -> str:
    return json.dumps({"keys": [web_key(algorithm) for algorithm in algorithms or KEYS]})


def token(role: Optional[str] = "admin", algorithm: str = "ES256", key=None, headers: Optional[dict] = None, **claims) -> str:
    """One that is good, but for what is said otherwise; a claim that is None is left out."""
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": int(time.time()) + 600, "role": role, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, key or KEYS[algorithm], algorithm, headers={"kid": algorithm, **(headers or {})})
