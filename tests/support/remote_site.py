"""A gateway with remote control, and curl and sluicectl as its clients."""

import json
import pathlib
import re
from typing import Any, Dict, List, Optional, Tuple

import credentials
from cryptography import x509
from cryptography.x509.oid import NameOID
from gateway import Gateway
from namespaces import run
from processes import SLUICECTL
from wireless import free_port, wireless_configuration

ADMIN_ID = "spiffe://example.test/edge-admin"


class RemoteSite:
    """Its authority vouches for `ops` (operate), `admin` (by SPIFFE id), and `nobody`, who has no role."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.authority = credentials.Authority(directory / "authority")
        self.stranger = credentials.Authority(directory / "stranger", "another authority")
        name = credentials.subject
        self.who = {
            "ops": self.authority.issue("ops", name((NameOID.ORGANIZATION_NAME, "Sluice, Inc."), (NameOID.COMMON_NAME, "ops"))),
            "admin": self.authority.issue("admin", name(), [x509.UniformResourceIdentifier(ADMIN_ID)]),
            "nobody": self.authority.issue("nobody"),
        }
        self.port = free_port()
        self.files = {"certificate": directory / "server.pem", "key": directory / "server.key", "client_ca": directory / "clients.pem"}
        self.install(*self.authority.server("server"))
        self.files["client_ca"].write_bytes(self.authority.file.read_bytes())
        self.keys = directory / "jwks.json"
        self.keys.write_text(credentials.key_set())
        self.audit = directory / "audit.jsonl"
        self.gateway = Gateway(directory / "gateway", self.configuration())

    def install(self, certificate: str, key: str) -> None:
        """As the server's own."""
        for role, file in (("certificate", certificate), ("key", key)):
            fresh = self.files[role].with_suffix(".fresh")
            fresh.write_bytes(pathlib.Path(file).read_bytes())
            fresh.chmod(0o600)
            fresh.rename(self.files[role])

    def configuration(self) -> Dict[str, Any]:
        return {
            **wireless_configuration("remote"),
            "pools": [{"name": "web", "backends": [{"address": "198.18.20.11", "port": 8080}]}],
            "services": [
                {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat",
                 "pool": "web"}
            ],
            "remote": {
                "listen": f"127.0.0.1:{self.port}",
                "tls": {role: f"file:{file}" for role, file in self.files.items()},
                "roles": [
                    {"subject": "CN=ops,O=Sluice\\, Inc.", "role": "operate"},
                    {"san": ADMIN_ID, "role": "admin"},
                ],
                "jwt": {"keys": f"file:{self.keys}", "issuer": credentials.ISSUER, "audience": credentials.AUDIENCE},
            },
            "audit": {"file": str(self.audit)},
        }  # fmt: skip

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def curl(self, path: str, *options: object, who: Optional[str] = None, token: Optional[str] = None) -> Tuple[int, str]:
        """Status and body; status 0: there was no answer."""
        words: List[object] = ["curl", "-sS", "-m", "20", "--cacert", self.authority.file, "-w", "\n%{http_code}", *options]
        if who:
            words += ["--cert", self.who[who][0], "--key", self.who[who][1]]
        if token:
            words += ["-H", f"Authorization: Bearer {token}"]
        done = run(*words, self.url + path, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def rpc(self, method: str, who: Optional[str] = None, token: Optional[str] = None, **params: Any) -> Tuple[int, Any]:
        """Status, and the answer where it is JSON."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        status, body = self.curl("/rpc", "-d", json.dumps(request), who=who, token=token)
        return status, json.loads(body) if body.startswith("{") else body

    def ctl(self, *words: object, who: Optional[str] = None, token_file: object = None, ca: object = None, url: Optional[str] = None):
        options: List[object] = ["--remote", url or self.url, "--ca", ca or self.authority.file, "-o", "json"]
        if who:
            options += ["--cert", self.who[who][0], "--key", self.who[who][1]]
        if token_file:
            options += ["--token", f"file:{token_file}"]
        return run(SLUICECTL, *options, *words, check=False)

    def authentications(self) -> Dict[str, float]:
        """The counter by reason."""
        found = {}
        for name, value in self.gateway.metrics().items():
            matched = re.fullmatch(r'sluice_authentications_total\{result="(\w+)",reason="(\w+)"\}', name)
            if matched:
                assert (matched[1] == "success") == (matched[2] == "ok")
                found[matched[2]] = value
        return found

    def faults(self) -> Dict[str, float]:
        """What connections did besides asking, by reason."""
        name = "sluice_remote_connection_faults_total"
        return {key.split('"')[1]: value for key, value in self.gateway.metrics().items() if key.startswith(name)}

    def audited(self) -> List[Dict[str, Any]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]
