"""What runs in a backend's namespace: nginx, the UDP echo, the decapsulator; each ends with the lab."""

import pathlib
import subprocess
import sys
from typing import List

from configuration import ECHO_PORT, HTTP_PORT, NAT_PORTS, VIPS_ON_BACKENDS
from namespaces import Namespace
from processes import eventually
from topology import backend4, backend6

_HERE = pathlib.Path(__file__).parent
_LARGE_BYTES = 4 << 20

_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 64m;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    keepalive_requests 1000000;
    default_type text/plain;
    server {{
        {listens}
        location / {{ return 200 "{name} $remote_addr $server_addr\\n"; }}
        location = /healthz {{ return 200 "ok\\n"; }}
        location = /large {{ root {directory}; }}
        location = /upload {{ proxy_pass http://127.0.0.1:{sink}/; }}
    }}
    server {{ listen 127.0.0.1:{sink}; location / {{ return 200 "{name} took $content_length\\n"; }} }}
}}
"""
_SINK_PORT = 8079


class Backend:
    """One backend: its namespace, its servers and how to end and restart its web server."""

    def __init__(self, number: int, namespace: Namespace, work: pathlib.Path):
        self.number = number
        self.name = namespace.role
        self.namespace = namespace
        self.directory = work / self.name
        self.directory.mkdir()
        self.address4, self.address6 = backend4(number), backend6(number)
        self._log = self.directory / "servers.log"
        self.nginx = self.start_nginx()
        self._spawn("decapsulate.py", "decap0")
        self._spawn("echo.py", self.name, ECHO_PORT, *VIPS_ON_BACKENDS)
        self._spawn("echo.py", self.name, NAT_PORTS["udp"], self.address4, self.address6)
        self._await_listeners()

    def start_nginx(self) -> subprocess.Popen:
        """Starts the web server, again after a test has ended it."""
        ports = (HTTP_PORT, NAT_PORTS["tcp"])
        listens = " ".join(f"listen {port}; listen [::]:{port};" for port in ports)
        file = self.directory / "nginx.conf"
        file.write_text(
            _NGINX.format(directory=self.directory, listens=listens, name=self.name, sink=_SINK_PORT)
        )
        self.fill_large()
        self.nginx = self.namespace.spawn("nginx", "-p", self.directory, "-c", file, log=self._log)
        return self.nginx

    def fill_large(self) -> None:
        """What it serves as /large."""
        with open(self.directory / "large", "wb") as large:
            large.truncate(_LARGE_BYTES)

    def _spawn(self, script: str, *arguments: object) -> None:
        self.namespace.spawn(sys.executable, _HERE / script, *arguments, log=self._log)

    def _await_listeners(self) -> None:
        awaited = [
            f":{HTTP_PORT} ",
            f":{NAT_PORTS['tcp']} ",
            f":{NAT_PORTS['udp']} ",
            f":{ECHO_PORT} ",
            ":6080 ",
        ]
        try:
            eventually(
                lambda: all(port in self._listening() for port in awaited),
                f"the servers of {self.name} listen",
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}:\n{self._log.read_text()}") from None

    def _listening(self) -> str:
        return self.namespace.run("ss", "-Hltun").stdout


def start_backends(namespaces: List[Namespace], work: pathlib.Path) -> List[Backend]:
    """Starts the servers of every backend."""
    return [Backend(number, namespace, work) for number, namespace in enumerate(namespaces, 1)]
