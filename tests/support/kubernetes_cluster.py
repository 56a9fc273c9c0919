"""A real kube-apiserver on a real etcd, for `./dev interop`."""

import json
import pathlib
import shutil
import ssl
import subprocess
import urllib.request

from interop import KEPT, free_port, go_program, own_modules
from processes import eventually, spawn, stop

VERSION = "v1.34.4"
TOKEN = "interop-token"


class Cluster:
    """etcd and one API server, whose only user may do everything; its files are in a folder of that name."""

    def __init__(self, name: str):
        self.program = go_program(
            "kube-apiserver", "k8s.io/kubernetes", VERSION, "k8s.io/kubernetes/cmd/kube-apiserver",
            replaced=own_modules("k8s.io/kubernetes", VERSION, "v0" + VERSION.removeprefix("v1")),
        )  # fmt: skip
        self.directory = KEPT / name
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        self.port, self.etcd_port, peer = free_port(), free_port(), free_port()
        (self.directory / "tokens.csv").write_text(f'{TOKEN},interop,1,"system:masters"\n')
        (self.directory / "token").touch(mode=0o600)
        (self.directory / "token").write_text(TOKEN)
        subprocess.run(
            ["openssl", "genrsa", "-out", self.directory / "accounts.key", "2048"], check=True, capture_output=True
        )
        url, peer_url = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{peer}"
        self.etcd = spawn(
            "etcd", "--name", "only", "--data-dir", self.directory / "etcd", "--listen-client-urls", url,
            "--advertise-client-urls", url, "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
            "--initial-cluster", f"only={peer_url}", log=self.directory / "etcd.log",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        accounts = self.directory / "accounts.key"
        self.process = spawn(
            self.program, "--etcd-servers", f"http://127.0.0.1:{self.etcd_port}", "--bind-address", "127.0.0.1",
            "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none",
            "--secure-port", self.port, "--cert-dir", self.directory / "certificates", "--token-auth-file",
            self.directory / "tokens.csv", "--authorization-mode", "RBAC", "--service-account-issuer", "https://interop.test",
            "--service-account-key-file", accounts, "--service-account-signing-key-file", accounts,
            "--service-cluster-ip-range", "10.96.0.0/16", "--disable-admission-plugins", "ServiceAccount",
            log=self.directory / "log",
        )  # fmt: skip
        eventually(self.is_ready, f"the API server is ready; see {self.directory}/log", 180)

    def restart(self) -> None:
        stop(self.process, 30)
        self.start()

    def is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz") == b"ok"
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", content, headers, method=method)
        trust = ssl.create_default_context(cafile=str(self.authority()))
        with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
            return answer.read()

    def authority(self) -> pathlib.Path:
        """Its certificate is its own: it comes with the authority that has signed it."""
        made = self.directory / "certificates" / "apiserver.crt"
        if not made.exists():
            raise OSError("there is no certificate yet")
        return made

    def compact(self) -> None:
        """Old revisions are gone, so that a watch from one of them is 410 Gone."""
        etcdctl = ["etcdctl", f"--endpoints=127.0.0.1:{self.etcd_port}"]
        got = subprocess.run([*etcdctl, "get", "x", "-w", "json"], check=True, capture_output=True, text=True)
        revision = json.loads(got.stdout)["header"]["revision"]
        subprocess.run([*etcdctl, "compaction", str(revision)], check=True, capture_output=True)

    def close(self) -> None:
        stop(self.process, 10)
        stop(self.etcd, 10)

    def kubeconfig(self) -> pathlib.Path:
        """For other clients."""
        file = self.directory / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "only",
            "clusters": [{"name": "only", "cluster": {"server": f"https://127.0.0.1:{self.port}",
                                                      "certificate-authority": str(self.authority())}}],
            "users": [{"name": "only", "user": {"token": TOKEN}}],
            "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
        }))  # fmt: skip
        return file
