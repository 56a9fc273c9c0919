"""What a gateway does between being told to stop and stopping: gateway.lameduck."""

import signal
import time

from gateway import boot_section
from namespaces import run
from processes import eventually


def status(gateway) -> str:
    """The HTTP status of /readyz."""
    url = f"http://{gateway.config['http']['listen']}/readyz"
    return run("curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", url, check=False).stdout


def test_a_stop_is_told_before_it_happens(wireless):
    gateway = wireless(gateway=boot_section("lame", lameduck="1s"))
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(60) == 0
    gateway.await_line("going on for 1 s before leaving")


def test_a_second_signal_ends_the_wait(wireless):
    gateway = wireless(gateway=boot_section("hasty", lameduck="1h"))
    assert status(gateway) == "200"
    gateway.process.send_signal(signal.SIGTERM)
    eventually(lambda: status(gateway) == "503", "/readyz says that the gateway leaves")
    assert gateway.call("system.info")["name"] == "hasty"  # it goes on
    time.sleep(0.2)
    assert gateway.process.poll() is None
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(60) == 0
