"""What records of flows cost, and whether any are lost: flows that begin and end at a steady rate, to a file."""

import contextlib
import ctypes
import functools
import re
import socket
import time
from typing import Iterator, List

from devices_under_test import MAIN_CPU
from gateway import Gateway
from idle import on_cpu
from machine import huge_pages
from measure import Measurement, Row, Wish
from namespaces import Namespace, owner_tag
from operation import PATIENCE, configuration, frame
from processes import eventually
from units import samples

TURN_SECONDS = 8  # for each second wished


class Sender:
    """Frames at a steady rate, by sendmmsg(2) once in a millisecond."""

    class _Message(ctypes.Structure):
        _fields_ = [
            ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.c_void_p),
            ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
            ("flags", ctypes.c_int), ("sent", ctypes.c_uint32),
        ]  # fmt: skip

    class _Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    def __init__(self, place: Namespace, interface: str, frames: List[bytes]):
        with place.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((interface, 0))
        self._socket.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
        size = len(frames[0])
        self._bytes = ctypes.create_string_buffer(b"".join(frames), size * len(frames))
        first = ctypes.addressof(self._bytes)
        self._vectors = (self._Vector * len(frames))(*((first + i * size, size) for i in range(len(frames))))
        vector = ctypes.addressof(self._vectors)
        step = ctypes.sizeof(self._Vector)
        self._messages = (self._Message * len(frames))(
            *((None, 0, vector + i * step, 1, None, 0, 0, 0) for i in range(len(frames)))
        )
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg

    def send(self, rate: int) -> float:
        """All of them; returns how many a second it came to."""
        total, sent, began = len(self._messages), 0, time.perf_counter()
        while sent < total:
            due = min(total, int((time.perf_counter() - began) * rate) + 1)
            while sent < due:
                count = self._sendmmsg(self._socket.fileno(), ctypes.byref(self._messages[sent]), min(due - sent, 512), 0)
                if count < 0:
                    raise OSError(ctypes.get_errno(), "sendmmsg")
                sent += count
            time.sleep(0.001)
        return total / (time.perf_counter() - began)

    def close(self) -> None:
        self._socket.close()


def of_a_flow_log(rate: int, wish: Wish) -> Iterator[Row]:
    """Flows of one datagram each, which end a second later, to a file: what begins, is told of and is lost."""
    asked, lost, missing = [], [], []
    for turn in range(wish.rounds):
        directory = wish.scratch / f"flows-{rate}-{turn}"
        directory.mkdir()
        with contextlib.ExitStack() as stack:
            place = Namespace("flows", owner_tag())
            stack.callback(place.remove)
            place.sysctl("net.ipv6.conf.default.disable_ipv6=1")
            place.ip("link", "add", "edge0", "type", "veth", "peer", "name", "far0")
            for end in ("edge0", "far0"):
                place.ip("link", "set", end, "up")
            device = "net_af_packet0,iface=edge0,framecnt=4096,blocksz=65536"
            config = configuration(device, flow_log={"to": f"file:{directory}/flows.jsonl"})
            gateway = stack.enter_context(Gateway(directory, config, place))
            number = max(1000, int(rate * TURN_SECONDS * wish.seconds))
            sender = Sender(place, "far0", [frame(i >> 15, 1024 + (i & 0x7FFF)) for i in range(number)])
            stack.callback(sender.close)
            with on_cpu(MAIN_CPU):
                asked.append(sender.send(rate))
            begun: List[int] = []

            def rests() -> bool:
                """Workers answer between the readings, or they would be equal for want of a CPU."""
                gateway.call("flow.list", limit=1)
                begun.append(sum(row["flows"] for row in gateway.call("service.list")))
                return len(begun) >= 20 and len(set(begun[-20:])) == 1

            eventually(rests, "all packets have come", PATIENCE)
            gateway.stop(PATIENCE)
            told, missed = map(int, re.findall(r"flow_log: (\d+) flows told of, (\d+) lost", gateway.log.read_text())[-1])
            lines = sum(1 for _ in (directory / "flows.jsonl").open("rb"))
            lost.append(missed)
            missing.append(begun[-1] - told - missed + (told - lines))
        for file in directory.glob("flows.jsonl"):
            file.unlink()
    of = f"flow log, {rate} flows begun and ended a second"
    yield Row("operation", f"{of}: asked of it", "flows/s", asked, command="UDP by sendmmsg over a veth pair")
    row = Row("operation", f"{of}: lost", "flows", lost, more_is_better=False, command="file:flows.jsonl")
    yield row.demand_figure(0) if rate <= 50_000 else row
    yield Row("operation", f"{of}: neither told of nor counted as lost", "flows", missing, more_is_better=False,
              command="flows begun - lines - sluice_flow_log_lost_total").demand_figure(0)  # fmt: skip


def of_accounts(wish: Wish) -> Iterator[Row]:
    """What counting packets for their flows adds to a known packet."""
    with huge_pages(128):
        found = samples("worker_bench", "^(known_flow/dnat/1000|accounted_flow/dnat/1000)(000)?(/iterations:.*)?$", wish)
    for flows in (1000, 1_000_000):
        added = [with_it - without for with_it, without in
                 zip(found[f"accounted_flow/dnat/{flows}"], found[f"known_flow/dnat/{flows}"])]  # fmt: skip
        yield Row("operation", f"flow log, added to a known packet of {flows} flows", "ns", added, more_is_better=False,
                  command="worker_bench accounted_flow/dnat - known_flow/dnat").demand_figure(5)  # fmt: skip


def measurements(wish: Wish) -> Iterator[Measurement]:
    for rate in (50_000, 200_000):
        yield Measurement("operation", f"flow log, {rate} a second", functools.partial(of_a_flow_log, rate, wish))
    yield Measurement("operation", "flow log, packets", functools.partial(of_accounts, wish))
