"""least-response-time before real servers: one that accepts connections as fast as the others, and whose program
takes far longer to answer."""

import collections
import copy
import json
import sys

from changes_test import FULL_NAT
from processes import eventually
from topology import backend4

PORT = 8181
SLOW, SLOW_SECONDS, USUAL_SECONDS = "b2", 2.0, 0.02
AT_ONCE = 24

_SERVER = """
import asyncio, sys
name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
async def answer(reader, writer):
    try:
        await reader.readuntil(b"\\n")
        await asyncio.sleep(seconds)
        writer.write(name.encode())
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "", port, backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""
# Prints how often each has answered.
_CLIENT = """
import collections, concurrent.futures, json, socket, sys
vip, port, requests, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
def ask(_):
    with socket.create_connection((vip, port), timeout=20) as connection:
        connection.sendall(b"who\\n")
        return connection.makefile("rb").read().decode()
with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
    print(json.dumps(collections.Counter(pool.map(ask, range(requests)))))
"""


def ask(lab, requests):
    """Who has answered how many of them."""
    told = lab.client.run(sys.executable, "-c", _CLIENT, FULL_NAT.vip, FULL_NAT.port, requests, AT_ONCE).stdout
    answers = collections.Counter(json.loads(told))
    assert sum(answers.values()) == requests
    return answers


def test_who_accepts_quickly_and_answers_slowly_gets_few_flows(lab, gateway):
    for backend in lab.backends:
        seconds = SLOW_SECONDS if backend.name == SLOW else USUAL_SECONDS
        backend.namespace.spawn(sys.executable, "-c", _SERVER, backend.name, PORT, seconds)
    for backend in lab.backends:
        eventually(lambda one=backend: f":{PORT} " in one.namespace.run("ss", "-Hltn").stdout, "the servers listen")
    config = copy.deepcopy(gateway.config)
    numbers = range(1, len(lab.backends) + 1)
    config["pools"].append(
        {"name": "mixed", "backends": [{"address": backend4(number), "port": PORT} for number in numbers]}
    )
    service = next(one for one in config["services"] if one["name"] == FULL_NAT.name)
    service.update(pool="mixed", policy="least-response-time")
    gateway.call("config.apply", config=config)
    assert set(ask(lab, 2 * AT_ONCE)) == {backend.name for backend in lab.backends}  # the slow one was tried
    requests = 20 * AT_ONCE
    # By handshakes and open flows alone it had more than a third of its fair share.
    # A machine that stalls makes others slow, too, for a round.
    few = requests / len(lab.backends) / 4
    assert any(ask(lab, requests)[SLOW] < few for _ in range(3))
