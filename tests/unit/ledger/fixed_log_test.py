"""The log of fixed entries and a fixed key, byte for byte, against this file's own reading of the
specifications: C2SP tlog-tiles, tlog-checkpoint, signed-note, tlog-proof; Fabric's block header; and
docs/reference/ledger-format.md. Nothing is shared with the code under test but SHA-256 the function."""
import base64
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "log.example/fixed"
SEED = bytes(range(32))
TIME = 1_700_000_000_000_000_000


def sha256(data):
    return hashlib.sha256(data).digest()


def payload_of(number):
    digits = f"{number},"
    size = 1 + number % 61
    return (digits + (digits * size)[:size]).encode()


def root_of(hashes):
    """RFC 6962, 2.1, as it is written there, over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + root_of(hashes[:k]) + root_of(hashes[k:]))


def path_of(index, hashes):
    """RFC 6962, 2.1.1."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if index < k:
        return path_of(index, hashes[:k]) + [root_of(hashes[k:])]
    return path_of(index - k, hashes[k:]) + [root_of(hashes[:k])]


def tile_name(level, index, width):
    digits = str(index)
    digits = "0" * (-len(digits) % 3) + digits
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    name = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


def tiles_of(payloads, leaves):
    expected = {}
    for first in range(0, len(payloads), 256):
        some = payloads[first:first + 256]
        bundle = b"".join(struct.pack(">H", len(entry)) + entry for entry in some)
        expected[tile_name("entries", first // 256, len(some))] = bundle
    hashes, level = leaves, 0
    while hashes:
        for first in range(0, len(hashes), 256):
            some = hashes[first:first + 256]
            expected[tile_name(level, first // 256, len(some))] = b"".join(some)
        whole = len(hashes) // 256 * 256
        hashes = [root_of(hashes[i:i + 256]) for i in range(0, whole, 256)]
        level += 1
    return expected


def key_lines(key):
    public = b"\x01" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = sha256(ORIGIN.encode() + b"\n" + public)[:4]
    private = "PRIVATE+KEY+" + ORIGIN + "+" + key_id.hex() + "+" + base64.b64encode(b"\x01" + SEED).decode()
    return key_id, private, f"{ORIGIN}+{key_id.hex()}+{base64.b64encode(public).decode()}\n"


def checkpoint_of(key, key_id, size, root):
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
    return f"{text}\n\u2014 {ORIGIN} {signature}\n".encode()


def crc32c(data):
    state = 0xFFFFFFFF
    for byte in data:
        state = CRC_TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def crc_entry(value):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value


CRC_TABLE = [crc_entry(i) for i in range(256)]


def der_header(number, previous, data):
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    body = b"\x02" + bytes([len(content)]) + content
    for part in (previous, data):
        body += b"\x04" + bytes([len(part)]) + part
    return b"\x30" + bytes([len(body)]) + body


class IncrementalRoot:
    """Roots at growing sizes, from complete subtrees that were hashed once."""

    def __init__(self):
        self.peaks = []

    def add(self, leaf):
        size = 1
        while self.peaks and self.peaks[-1][0] == size:
            leaf = sha256(b"\x01" + self.peaks.pop()[1] + leaf)
            size *= 2
        self.peaks.append((size, leaf))

    def root(self):
        result = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            result = sha256(b"\x01" + peak + result)
        return result


def journal_of(payloads, leaves, mark):
    """The segments, and the block index of tiles/blocks. Each block was durable before the next was written."""
    segments, places, previous, tree = [b""], b"", b"", IncrementalRoot()
    for number, first in enumerate(range(0, len(payloads), 700)):
        some = payloads[first:first + 700]
        for leaf in leaves[first:first + 700]:
            tree.add(leaf)
        metadata = struct.pack(">QQQ", TIME + 1000 * number, first, first + len(some)) + tree.root()
        data = sha256(metadata + b"".join(leaves[first:first + 700]))
        header = der_header(number, previous, data)
        previous = sha256(header)
        body = b"".join(some)
        table = b"".join(struct.pack(">HBB", len(entry), 0, 0) for entry in some)
        rest = struct.pack(">IIII", 168 + len(body) + len(table), len(some), len(body), len(header))
        rest += metadata + header.ljust(81, b"\0") + struct.pack(">BHI", 1, 0, mark) + body + table
        record = b"SLBK" + struct.pack(">I", crc32c(rest)) + rest
        record += b"\0" * (-len(record) % 4096)
        if segments[-1] and len(segments[-1]) + len(record) > 1 << 20:
            segments.append(b"")
        places += struct.pack(">QII", first, len(segments) - 1, len(segments[-1]) // 4096)
        segments[-1] += record
    return segments, places


def expect(condition, what):
    if not condition:
        sys.exit("FAILED: " + what)


def check(writer, entries, folder):
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    key_id, private, verifier = key_lines(key)
    log, tree = folder / "log", folder / "tree"
    subprocess.run([writer, log, tree, str(entries), private], check=True)

    payloads = [payload_of(number) for number in range(entries)]
    leaves = [sha256(b"\0" + payload) for payload in payloads]
    root = root_of(leaves)
    note = checkpoint_of(key, key_id, entries, root)
    expected = tiles_of(payloads, leaves)
    expected["checkpoint"] = note
    for index in (0, entries // 3, entries - 1):
        hashes = "".join(base64.b64encode(node).decode() + "\n" for node in path_of(index, leaves))
        expected[f"proof-{index}"] = f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n".encode() + note
    found = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    expect(sorted(found) == sorted(expected), f"{entries}: files {sorted(set(found) ^ set(expected))[:5]}")
    for name, data in expected.items():
        expect(found[name] == data, f"{entries}: {name}")

    (mark,) = struct.unpack_from(">I", (log / "journal" / "00000000").read_bytes(), 164)  # drawn by lot
    expect(mark != 0, f"{entries}: the log's mark")
    segments, places = journal_of(payloads, leaves, mark)
    names = sorted(path.name for path in (log / "journal").iterdir())
    expect(names == [f"{i:08}" for i in range(len(segments))], f"{entries}: segments {names}")
    for name, data in zip(names, segments):
        on_disk = (log / "journal" / name).read_bytes()
        expect(on_disk[:len(data)] == data, f"{entries}: journal/{name}")
        expect(not any(on_disk[len(data):]), f"{entries}: journal/{name} behind its last record")
    expect((log / "tiles" / "blocks").read_bytes() == places, f"{entries}: tiles/blocks")
    expect((log / "checkpoint").read_bytes() == note, f"{entries}: checkpoint")
    expect((log / "vkey").read_text() == verifier, f"{entries}: vkey")
    expect((log / "lock").read_text() == "stopped\n", f"{entries}: lock")


def main():
    shared_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for entries in (1, 255, 256, 257, 3000, 66000):
        with tempfile.TemporaryDirectory(dir=shared_memory) as folder:
            check(sys.argv[1], entries, pathlib.Path(folder))


if __name__ == "__main__":
    main()
