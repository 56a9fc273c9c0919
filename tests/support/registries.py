"""Real registries as private processes in a test's network namespace, and a gate in front of them that fails."""

import base64
import contextlib
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from typing import Dict, Iterator, List, Optional

from namespaces import Namespace
from processes import eventually

LOOPBACK = "127.0.0.1"


class Server:
    """A server process that can be killed, frozen and started again."""

    port = 0
    running: List["Server"] = []

    def __init__(self, namespace: Namespace, directory: pathlib.Path):
        self.namespace = namespace
        self.directory = directory
        self.process: Optional[subprocess.Popen] = None
        directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> list:
        raise NotImplementedError

    def is_up(self) -> bool:
        raise NotImplementedError

    def start(self):
        self.running.append(self)
        self.process = self.namespace.spawn(*self.command(), log=self.directory / "log", cwd=self.directory)
        eventually(self.is_up, f"{self.command()[0]} is up; see {self.directory}/log", 90)
        return self

    def kill(self) -> None:
        if self in self.running:
            self.running.remove(self)
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def connects(self) -> bool:
        with self.namespace.entered():
            sock = socket.socket()
        try:
            sock.settimeout(1)
            return sock.connect_ex((LOOPBACK, self.port)) == 0
        finally:
            sock.close()


class Knot(Server):
    """knotd with the zone x.test, which knsupdate changes."""

    port = 5300
    ZONE = """$ORIGIN x.test.
$TTL 2
@ SOA ns hostmaster 1 60 60 600 2
@ NS ns
ns A 127.0.0.1
"""

    def __init__(self, namespace, directory, records: str):
        super().__init__(namespace, directory)
        (directory / "x.test.zone").write_text(self.ZONE + records)
        (directory / "knot.conf").write_text(
            f"""server:
    rundir: "{directory}"
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{directory}"
acl:
  - id: upd
    address: 127.0.0.1
    action: [update, transfer]
zone:
  - domain: x.test
    storage: "{directory}"
    file: x.test.zone
    acl: upd
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
"""
        )

    def command(self):
        return ["knotd", "-c", self.directory / "knot.conf"]

    def is_up(self):
        answer = self.namespace.run("kdig", f"@{LOOPBACK}", "-p", self.port, "x.test", "SOA", check=False)
        return "NOERROR" in answer.stdout

    def update(self, *lines: str) -> None:
        text = "\n".join([f"server {LOOPBACK} {self.port}", "zone x.test.", *lines, "send", ""])
        self.namespace.run("knsupdate", "-v", input=text)


class Etcd(Server):
    """etcd with its JSON gateway; the data are new with each Etcd."""

    port = 23790

    def __init__(self, namespace, directory, *options: str, scheme: str = "http"):
        super().__init__(namespace, directory)
        self.options = options
        self.url = f"{scheme}://{LOOPBACK}:{self.port}"
        self.credentials: List[str] = []
        self.tls_options: List[str] = []

    def command(self):
        peer = f"http://{LOOPBACK}:23800"
        return [
            "etcd", "--name", "default", "--data-dir", self.directory / "data",
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}", *self.options,
        ]  # fmt: skip

    def is_up(self):
        return self.ctl("endpoint", "health", check=False).returncode == 0

    def ctl(self, *words: object, check: bool = True, **options):
        """etcdctl."""
        return self.namespace.run(
            "env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={self.url}", *self.credentials, *self.tls_options, *words,
            check=check, **options,
        )  # fmt: skip

    def put(self, key: str, value: str) -> None:
        self.ctl("put", "--", key, value)

    def put_together(self, values: Dict[str, str]) -> None:
        """In one transaction, of at most 128 keys."""
        puts = "".join(f'put {key} "{value}"\n' for key, value in values.items())
        self.ctl("txn", input=f"\n{puts}\n\n")

    def revision(self) -> int:
        return json.loads(self.ctl("get", "-w", "json", "x").stdout)["header"]["revision"]


class Zookeeper(Server):
    port = 21810
    CONFIGURATION = """dataDir={data}
clientPort={port}
clientPortAddress=127.0.0.1
tickTime=500
minSessionTimeout=1000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
"""

    def __init__(self, namespace, directory):
        super().__init__(namespace, directory)
        (directory / "zoo.cfg").write_text(self.CONFIGURATION.format(data=directory / "data", port=self.port))

    def command(self):
        return [
            "java", "-Xmx128m", "-cp", "/usr/share/java/zookeeper.jar",
            "org.apache.zookeeper.server.ZooKeeperServerMain", self.directory / "zoo.cfg",
        ]  # fmt: skip

    def four_letters(self, word: bytes) -> str:
        """What the server answers to one of its words of four letters; empty: it is not there."""
        with self.namespace.entered():
            sock = socket.socket()
        try:
            sock.settimeout(5)
            if sock.connect_ex((LOOPBACK, self.port)):
                return ""
            sock.sendall(word)
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
            return answer.decode()
        except OSError:
            return ""
        finally:
            sock.close()

    def is_up(self):
        # `ruok` is answered before requests are.
        return "Mode: " in self.four_letters(b"srvr")

    def _client(self, code: str) -> list:
        program = (
            f"from kazoo.client import KazooClient\nzk = KazooClient('{LOOPBACK}:{self.port}', timeout=20)\n"
            f"zk.start(60)\n{code}\nzk.stop()\n"
        )
        return ["/usr/bin/python3", "-c", program]

    def client(self, code: str) -> str:
        """Runs Python with a kazoo client `zk` that is connected."""
        return self.namespace.run(*self._client(code), timeout=120).stdout

    @contextlib.contextmanager
    def session(self, code: str) -> Iterator[None]:
        """The same, whose session lasts as long as the context."""
        process = self.namespace.spawn(*self._client(code + "\ninput()"), stdin=subprocess.PIPE)
        try:
            yield
        finally:
            process.communicate(b"\n", 120)


class Gate:
    """A TCP proxy in front of a server that lets through, or fails in the way that `fail` names."""

    FAILURES = ("refuse", "silent", "garbage", "half", "endless", "drip")

    def __init__(self, namespace: Namespace, port: int, upstream: int, tls: Optional[ssl.SSLContext] = None):
        self.tls = tls  # with which it ends TLS before a server that has none
        self.port = port
        self.upstream = upstream
        self.mode = "pass"
        self.half = 0  # bytes of each answer that get through in mode half
        self.frozen: set = set()
        self._namespace = namespace
        self._open: List[socket.socket] = []
        self._listener: Optional[socket.socket] = None
        self._listen()

    def _socket(self) -> socket.socket:
        with self._namespace.entered():
            return socket.socket()

    def _listen(self) -> None:
        listener = self._socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, self.port))
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection, self.mode), daemon=True).start()

    def _serve(self, connection: socket.socket, mode: str) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            if mode in ("pass", "half"):
                self._forward(connection, self.half if mode == "half" else None)
            else:
                connection.recv(65536)
                getattr(self, f"_{mode}")(connection)
        except OSError:
            pass
        finally:
            self._close(connection)

    def _forward(self, connection: socket.socket, most: Optional[int]) -> None:
        server = self._socket()
        self._open.append(server)
        server.connect((LOOPBACK, self.upstream))
        threading.Thread(target=self._pump, args=(connection, server), daemon=True).start()
        sent = 0
        while True:
            piece = server.recv(65536)
            if not piece:
                break
            if connection in self.frozen:
                continue
            if most is not None and sent + len(piece) >= most:
                connection.sendall(piece[: most - sent])
                break
            connection.sendall(piece)
            sent += len(piece)
        self._close(server)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            pass
        self._close(sink)

    @staticmethod
    def _close(sock: socket.socket) -> None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()

    @staticmethod
    def _refuse(_connection: socket.socket) -> None:
        pass  # it came just before

    @staticmethod
    def _silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    @staticmethod
    def _garbage(connection: socket.socket) -> None:
        connection.sendall(b"\x00\xff\x13garbage\r\n\r\n{]" * 50)

    @staticmethod
    def _endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            connection.sendall(b'{"a":' * 8192)

    @staticmethod
    def _drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.5)

    def fail(self, mode: str) -> None:
        """From now on, connections that are open included."""
        self.mode = mode
        if mode == "refuse" and self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def freeze(self) -> None:
        """What is open now stays open, and nothing comes through it any more."""
        self.frozen.update(self._open)

    def cut(self) -> None:
        """Ends every connection."""
        for sock in list(self._open):
            self._close(sock)
        self._open.clear()

    def let_pass(self) -> None:
        self.mode = "pass"
        if self._listener is None:
            self._listen()
        else:
            self.cut()

    def close(self) -> None:
        self.fail("refuse")


def missing(*programs: str) -> List[str]:
    """Those that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def certificates(directory: pathlib.Path, name: str) -> Dict[str, str]:
    """An authority, and a certificate for 127.0.0.1 and `name` that it has signed: files by their role."""
    directory.mkdir(parents=True, exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=directory, timeout=60)

    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl("req", *ec[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (directory / "extensions").write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "extensions", "-out", "server.pem",
    )  # fmt: skip
    return {role: str(directory / file) for role, file in
            {"ca": "ca.pem", "certificate": "server.pem", "key": "server.key"}.items()}  # fmt: skip


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
