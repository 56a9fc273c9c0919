"""The log as its readers meet it: over HTTP, through sluicectl, offline; checked by tests/support/tlog.py."""

import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess

import pytest

import tlog
from ledger_site import BITCOIN_PORT, COAP_PORT, ORIGIN, LedgerSite, ledger_section, submit
from namespaces import run
from processes import SLUICECTL, eventually

ENTRIES = 300  # more than one tile


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gateway whose log holds ENTRIES transactions, which `site.receipts` has by payload."""
    with LedgerSite(tmp_path_factory.mktemp("ledger")) as running:
        running.receipts = {}
        for number in range(ENTRIES):
            payload = os.urandom(1 + number % 97) + number.to_bytes(2, "big")
            running.receipts[payload] = running.store(payload)
        running.checkpoint(ENTRIES)
        yield running


def served(site, path):
    status, content_type, body = site.fetch(path)
    assert status == 200, path
    return content_type, body


def block_json(site, number):
    content_type, body = served(site, f"block/{number}")
    assert content_type == "application/json"
    return json.loads(body)


def test_the_served_tiles_are_those_of_the_entries(site):
    checkpoint = site.checkpoint()
    assert checkpoint.origin == ORIGIN
    entries = tlog.read_entries(checkpoint.size, lambda path: served(site, path)[1])
    assert tlog.tree_root([tlog.leaf_hash(entry) for entry in entries]) == checkpoint.root
    for path, tile in tlog.tiles_of(entries).items():
        assert served(site, path) == ("application/octet-stream", tile), path
    for payload, receipt in site.receipts.items():
        assert entries[receipt.index] == payload


def waits_for_a_writer(process):
    """Whether a thread of the process is about to read a named pipe that nobody writes."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
    return any((task / "wchan").read_text() in ("wait_for_partner", "fifo_open") for task in tasks)


def test_a_disk_that_does_not_answer_holds_up_readers_alone(tmp_path):
    with LedgerSite(tmp_path) as running:
        running.store(b"a transaction")
        running.checkpoint(1)
        (segment,) = (running.log / "journal").iterdir()
        segment.rename(tmp_path / "segment")  # which the gateway goes on writing
        os.mkfifo(segment)
        with concurrent.futures.ThreadPoolExecutor() as beside:
            page = beside.submit(running.fetch, "block/0")
            eventually(lambda: waits_for_a_writer(running.gateway.process), "the block is being read")
            assert running.gateway.call("stats.get")
            running.store(b"another transaction")
            assert not page.done()
            segment.write_bytes(b"")
            status, _, _ = page.result()
        assert status == 500
        (tmp_path / "segment").rename(segment)
        served(running, "block/0")


def test_every_receipt_is_true(site):
    indexes = [receipt.index for receipt in site.receipts.values()]
    assert len(set(indexes)) == len(indexes)
    for payload, receipt in site.receipts.items():
        assert receipt.txid == hashlib.sha256(payload).digest()
        assert receipt.leaf_hash == tlog.leaf_hash(payload)


def test_proofs_hold(site):
    for payload, receipt in list(site.receipts.items())[::37]:
        content_type, proof = served(site, f"proof/{receipt.txid.hex()}")
        assert content_type == "text/plain; charset=utf-8"
        assert tlog.check_proof(proof.decode(), site.verifier_key, payload) == receipt.index
        for name in (receipt.txid.hex(), receipt.index):
            printed = site.gateway.ctl("ledger", "proof", name).stdout
            assert tlog.check_proof(printed, site.verifier_key, payload) == receipt.index
        with pytest.raises(tlog.Wrong):
            tlog.check_proof(proof.decode(), site.verifier_key, payload + b"x")


def der(tag, content):
    return bytes([tag, len(content)]) + content


def test_blocks_are_chained_as_fabric_does_it(site):
    previous, number, leaves = b"", 0, []
    while len(leaves) < ENTRIES:
        block = block_json(site, number)
        metadata = base64.b64decode(block["metadata"])
        hashes = [bytes.fromhex(leaf) for leaf in block["leaf_hashes"]]
        assert block["first_index"] == len(leaves)
        leaves += hashes
        assert metadata == (
            block["time"].to_bytes(8, "big") + block["first_index"].to_bytes(8, "big")
            + len(leaves).to_bytes(8, "big") + tlog.tree_root(leaves)
        )  # fmt: skip
        assert (block["tree_size"], block["root"]) == (len(leaves), tlog.tree_root(leaves).hex())
        data_hash = tlog.sha256(metadata + b"".join(hashes))
        integer = number.to_bytes(number.bit_length() // 8 + 1, "big")
        header = der(0x30, der(2, integer) + der(4, previous) + der(4, data_hash))
        assert base64.b64decode(block["header"]) == header
        assert (block["previous_hash"], block["data_hash"]) == (previous.hex(), data_hash.hex())
        assert block["hash"] == tlog.sha256(header).hex()
        assert json.loads(site.gateway.ctl("ledger", "block", number, output="table").stdout) == block
        previous, number = tlog.sha256(header), number + 1
    for receipt in site.receipts.values():
        assert receipt.block < number


@pytest.mark.parametrize(
    "path",
    [
        "", "checkpoint/", "Checkpoint", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/001.p/255", "tile/0/x000/000", "tile/0/999", "tile/64/000",
        "tile/entries/999", "tile/entries/000.p/01", "tile/0/../0/000", "block/", "block/00", "block/+0",
        "block/999999", "block/18446744073709551616", "proof/", "proof/" + "00" * 32, "proof/0",
        "tile/0/x018/x446/x744/x073/x709/x551/616", "tile/entries/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x018/x446/x744/x073/x709/x551/616.p/1", "tile/0/x036/x893/x488/x147/x419/x103/232",
        "tile/18446744073709551616/000", "tile/0/000.p/18446744073709551617", "tile/0/+00", "tile/0/-00",
        "block/-0", "block/0x0", "block/0.0", "block/0/", "block/%30", "proof/nothing/" + "00" * 32,
        "proof/opaque/", "proof//" + "00" * 32,
    ],
)  # fmt: skip
def test_what_is_not_there_or_not_canonical_is_404(site, path):
    assert site.fetch(path)[0] == 404


def test_a_txid_in_upper_case_is_404(site):
    txid = next(r.txid.hex() for r in site.receipts.values() if r.txid.hex().upper() != r.txid.hex())
    assert site.fetch(f"proof/{txid}")[0] == 200
    assert site.fetch(f"proof/{txid.upper()}")[0] == 404


@pytest.mark.parametrize("number", ["-1", "+1", "007", "0x0", "1.0", "18446744073709551616", "1e0", ""])
def test_a_number_that_is_none_is_a_wrong_argument(site, number):
    assert site.gateway.ctl("ledger", "block", "--", number).returncode == 2
    assert site.gateway.ctl("ledger", "proof", "--", number).returncode == 2


@pytest.mark.parametrize("index", [-1, 2**63, 2**64, 2**64 + 1, 1.0, "0", 1e300])
def test_a_number_that_is_none_is_a_wrong_parameter(site, index):
    for method, name in (("ledger.proof", "index"), ("ledger.block", "number")):
        assert site.gateway.refusal(method, **{name: index}).code == -32602


@pytest.mark.parametrize("is_opaque_first", [True, False])
def test_an_opaque_payload_denies_nobody_the_proof_of_a_bitcoin_transaction(site, is_opaque_first):
    """A txid of Bitcoin's is SHA-256(SHA-256(transaction)); SHA-256(transaction) is a payload as any other."""
    bitcoin = bitcoin_transaction()
    opaque = hashlib.sha256(bitcoin).digest()
    both = [(bitcoin, BITCOIN_PORT), (opaque, COAP_PORT)]
    receipts = {}
    for payload, port in reversed(both) if is_opaque_first else both:
        receipts[payload] = site.store(payload, port=port)
    txid = receipts[bitcoin].txid.hex()
    assert receipts[opaque].txid.hex() == txid and receipts[opaque].index != receipts[bitcoin].index
    site.checkpoint(1 + max(receipt.index for receipt in receipts.values()))

    def expect_proof(text, payload):
        assert tlog.check_proof(text, site.verifier_key, payload) == receipts[payload].index

    for name, payload in (("", bitcoin), ("bitcoin/", bitcoin), ("opaque/", opaque)):
        expect_proof(served(site, f"proof/{name}{txid}")[1].decode(), payload)
        profile = ["--profile", name[:-1]] if name else []
        expect_proof(site.gateway.ctl("ledger", "proof", txid, *profile).stdout, payload)
    expect_proof(site.gateway.ctl("ledger", "proof", receipts[opaque].index).stdout, opaque)
    for payload, port in both:
        assert site.store(payload, port=port) == receipts[payload], "each is a repeat of its own"


def bitcoin_transaction():
    """One input of nobody's, one output, and a lock time that makes it another each time."""
    return (b"\1\0\0\0\1" + os.urandom(36) + b"\0" + b"\xff" * 4 + b"\1" + bytes(8) + b"\0" + os.urandom(4))


def test_a_partial_tile_stays_served(site):
    early = served(site, "tile/0/000.p/10")[1]
    site.store(os.urandom(40))
    assert served(site, "tile/0/000.p/10")[1] == early == served(site, "tile/0/000")[1][:320]


def test_commands_show_what_http_serves(site, tmp_path):
    assert site.gateway.ctl("ledger", "checkpoint", output="table").stdout.encode() == site.fetch("checkpoint")[2]
    status = site.gateway.ctl_json("ledger", "status")
    assert status["origin"] == ORIGIN and status["tree_size"] >= ENTRIES and status["failure"] is None
    assert status["sha256_engine"] == site.gateway.call("system.info")["sha256_engine"]
    payload = tmp_path / "payload"
    payload.write_bytes(os.urandom(3000))  # more than a datagram of this network carries
    receipt = site.gateway.ctl_json("ledger", "submit", payload)
    assert receipt["leaf_hash"] == tlog.leaf_hash(payload.read_bytes()).hex()
    assert site.gateway.ctl_json("ledger", "submit", payload) == receipt
    refused = site.gateway.ctl("ledger", "submit", payload, "--profile", "bitcoin")
    assert refused.returncode == 1 and "refused_malformed" in refused.stderr
    assert site.gateway.ctl("ledger", "block", 10**9).returncode == 1
    assert site.gateway.ctl("ledger", "proof", "00" * 32).returncode == 1


@pytest.mark.parametrize(
    "payload",
    ["", "====", "YWJj\n", base64.b64encode(bytes(65536)).decode()],
    ids=["empty", "no-base64", "line-end", "too-large"],
)
def test_a_payload_that_is_none_is_refused(site, payload):
    refused = site.gateway.refusal("ledger.submit", profile="opaque", payload=payload)
    assert [fault["pointer"] for fault in refused.data["faults"]] == ["/payload"]


def test_the_export_is_the_served_tree(site, tmp_path):
    site.checkpoint(site.gateway.call("ledger.status")["tree_size"])
    done = site.gateway.ctl("ledger", "export", site.log, tmp_path / "tree")
    assert done.returncode == 0, done.stderr
    tree = tmp_path / "tree"
    checkpoint = tlog.open_checkpoint((tree / "checkpoint").read_text(), site.verifier_key)
    entries = tlog.read_entries(checkpoint.size, lambda path: (tree / path).read_bytes())
    expected = {**tlog.tiles_of(entries), "checkpoint": site.fetch("checkpoint")[2]}
    files = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert files == expected
    again = site.gateway.ctl("ledger", "export", site.log, tree)
    assert again.returncode == 1 and "not empty" in again.stderr


def test_promtool_accepts_the_metrics_and_they_add_up(site):
    text = site.gateway.get("/metrics").stdout
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr
    totals = site.settled_totals()
    samples = site.gateway.metrics()
    outcomes = {
        re.fullmatch(r'sluice_ledger_transactions_total\{outcome="(\w+)"\}', name)[1]: count
        for name, count in samples.items()
        if name.startswith("sluice_ledger_transactions_total")
    }
    assert outcomes == totals
    assert samples["sluice_ledger_tree_size"] == totals["stored"]
    assert samples["sluice_ledger_block_transactions_count"] == samples["sluice_ledger_blocks_total"]
    assert samples["sluice_ledger_block_transactions_sum"] == totals["stored"]
    assert samples["sluice_ledger_ack_seconds_count"] >= ENTRIES
    engine = site.gateway.call("system.info")["sha256_engine"]
    assert samples[f'sluice_ledger_sha256_engine_info{{engine="{engine}"}}'] == 1


def test_readiness(site):
    assert "ready" in site.gateway.get("/readyz").stdout


def test_verify_passes_while_the_gateway_runs(site):
    for options in ([], ["--vkey", site.verifier_key], ["--sha256", "openssl"]):
        done = site.verify(*options)
        assert done.returncode == 0, done.stderr
    other = run(SLUICECTL, "ledger", "keygen", "--name", ORIGIN, "--out", site.directory / "other.key")
    assert site.verify("--vkey", other.stdout.strip()).returncode == 1


def flips(file, size):
    """Offsets to flip a byte at: both ends, the middle and some at random."""
    chosen = {0, size - 1, size // 2} | {int.from_bytes(os.urandom(4), "big") % size for _ in range(6)}
    if "journal" in file.parts:  # most of a segment is room for more: look at the records too
        chosen |= {int.from_bytes(os.urandom(4), "big") % 65536 for _ in range(12)}
    return sorted(chosen)


def test_one_flipped_byte_anywhere_is_found_and_named(wireless, tmp_path):
    gateway = wireless(ledger=ledger_section(tmp_path, seal={"transactions": 64}))
    for number in range(ENTRIES):
        submit(gateway, b"%d" % number * 20)
    gateway.stop()
    log = tmp_path / "log"
    assert run(SLUICECTL, "ledger", "verify", log, check=False).returncode == 0
    files = [path for path in log.rglob("*") if path.is_file() and path.name != "lock"]
    assert {"checkpoint", "vkey"} < {path.name for path in files} and len(files) >= 6
    for path in (path for path in files if path.stat().st_size):
        whole = path.read_bytes()
        for offset in flips(path, len(whole)):
            with open(path, "r+b") as file:
                file.seek(offset)
                file.write(bytes([whole[offset] ^ 0x40]))
            done = run(SLUICECTL, "ledger", "verify", log, check=False)
            with open(path, "r+b") as file:
                file.seek(offset)
                file.write(whole[offset : offset + 1])
            assert done.returncode == 1, f"byte {offset} of {path.name} went unnoticed"
            assert str(path.relative_to(log)) in done.stderr and "byte " in done.stderr, done.stderr
    assert run(SLUICECTL, "ledger", "verify", log, check=False).returncode == 0
