"""A client's reading of the log, from the specifications alone: RFC 6962 hashes, C2SP signed-note,
tlog-checkpoint, tlog-tiles and tlog-proof. Shares no code with the gateway."""

import base64
import hashlib
import struct
from typing import Callable, Dict, List, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE_WIDTH = 256


class Wrong(Exception):
    """What was read is not what the specifications allow."""


class Checkpoint(NamedTuple):
    """What a log's signed checkpoint says."""

    origin: str
    size: int
    root: bytes


def sha256(data: bytes) -> bytes:
    """The digest."""
    return hashlib.sha256(data).digest()


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962, 2.1."""
    return sha256(b"\x00" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, 2.1."""
    return sha256(b"\x01" + left + right)


def tree_root(hashes: List[bytes]) -> bytes:
    """RFC 6962, 2.1, over leaf hashes: the left subtree is the largest power of two below the whole."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_root(hashes[:half]), tree_root(hashes[half:]))


def root_by_proof(index: int, size: int, leaf: bytes, path: List[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 6962, 2.1.1, read backwards)."""
    if size == 1:
        if path:
            raise Wrong("the proof is too long")
        return leaf
    if not path:
        raise Wrong("the proof is too short")
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node_hash(root_by_proof(index, half, leaf, path[:-1]), path[-1])
    return node_hash(path[-1], root_by_proof(index - half, size - half, leaf, path[:-1]))


def open_checkpoint(note: str, verifier_key: str) -> Checkpoint:
    """The checkpoint of a note with exactly one signature, by that key."""
    name, key_id, key = verifier_key.strip().split("+", 2)
    key_bytes = base64.b64decode(key, validate=True)
    if key_bytes[:1] != b"\x01" or sha256(name.encode() + b"\n" + key_bytes)[:4].hex() != key_id:
        raise Wrong("the verifier key does not fit its id")
    text, signature_line = note.split("\n\n")
    dash, signer, signature = signature_line.rstrip("\n").split(" ")
    signed = base64.b64decode(signature, validate=True)
    if (dash, signer, signed[:4].hex()) != ("\u2014", name, key_id) or not signature_line.endswith("\n"):
        raise Wrong(f"not signed by {name}: {signature_line}")
    try:
        Ed25519PublicKey.from_public_bytes(key_bytes[1:]).verify(signed[4:], (text + "\n").encode())
    except InvalidSignature as error:
        raise Wrong("the signature does not hold") from error
    origin, size, root = text.split("\n")
    if str(int(size)) != size:
        raise Wrong("the size is not canonical")
    return Checkpoint(origin, int(size), base64.b64decode(root, validate=True))


def check_proof(proof: str, verifier_key: str, entry: bytes) -> int:
    """Whether a tlog-proof shows that `entry` is in the log of that key; returns its index."""
    head, _, note = proof.partition("\n\n")
    magic, index_line, *path = head.split("\n")
    word, index = index_line.split(" ")
    if magic != "c2sp.org/tlog-proof@v1" or word != "index":
        raise Wrong(f"no tlog-proof: {head}")
    checkpoint = open_checkpoint(note, verifier_key)
    hashes = [base64.b64decode(line, validate=True) for line in path]
    if root_by_proof(int(index), checkpoint.size, leaf_hash(entry), hashes) != checkpoint.root:
        raise Wrong("the proof leads to another root")
    return int(index)


def tile_path(level: object, index: int, width: int) -> str:
    """Where tlog-tiles puts a tile; `level` may be "entries"."""
    digits = f"{index:03}"
    digits = "0" * (-len(digits) % 3) + digits
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{number}" + ("" if width == TILE_WIDTH else f".p/{width}")


def entries_of(bundle: bytes) -> List[bytes]:
    """The entries of an entry bundle."""
    entries, at = [], 0
    while at < len(bundle):
        (size,) = struct.unpack_from(">H", bundle, at)
        entries.append(bundle[at + 2 : at + 2 + size])
        at += 2 + size
    if at != len(bundle):
        raise Wrong("the last entry is cut off")
    return entries


def tiles_of(entries: List[bytes]) -> Dict[str, bytes]:
    """Every file of the static tree but the checkpoint, partial tiles of that size among them."""
    tiles: Dict[str, bytes] = {}
    for first in range(0, len(entries), TILE_WIDTH):
        some = entries[first : first + TILE_WIDTH]
        bundle = b"".join(struct.pack(">H", len(entry)) + entry for entry in some)
        tiles[tile_path("entries", first // TILE_WIDTH, len(some))] = bundle
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    while hashes:
        for first in range(0, len(hashes), TILE_WIDTH):
            some = hashes[first : first + TILE_WIDTH]
            tiles[tile_path(level, first // TILE_WIDTH, len(some))] = b"".join(some)
        whole = len(hashes) // TILE_WIDTH * TILE_WIDTH
        hashes = [tree_root(hashes[at : at + TILE_WIDTH]) for at in range(0, whole, TILE_WIDTH)]
        level += 1
    return tiles


def read_entries(size: int, read: Callable[[str], bytes]) -> List[bytes]:
    """All entries of a log of that size, from its bundles."""
    entries: List[bytes] = []
    for first in range(0, size, TILE_WIDTH):
        width = min(TILE_WIDTH, size - first)
        entries += entries_of(read(tile_path("entries", first // TILE_WIDTH, width)))
    return entries
