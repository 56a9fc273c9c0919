#!/usr/bin/python3
"""Who may include whom: every #include follows the arrows of the architecture."""

import pathlib
import re
import sys
from typing import Iterator, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[1]

MAY_INCLUDE = {
    "common": {"common"},
    "lb": {"lb", "common"},
    "crypto": {"crypto", "common"},
    "ledger": {"ledger", "crypto", "common"},
    "dataplane": {"dataplane", "ledger", "crypto", "lb", "common"},
    "ctrl": {"ctrl", "dataplane", "ledger", "crypto", "lb", "common"},
}
# A library's header and the one folder that may know it.
CONFINED = {
    r"rte_": {"dataplane"},
    r"(nlohmann|yaml-cpp|valijson)/": {"ctrl"},
    r"(openssl/(?!ssl\.h|err\.h|x509v3\.h)|intel-ipsec-mb|ipsec-mb)": {"crypto"},
    r"openssl/(ssl|err|x509v3)\.h": {"crypto", "ctrl"},  # TLS has a socket, and crypto has none
}
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
_SOURCES = (".h", ".cpp", ".inc")


def includes(folder: str) -> Iterator[Tuple[str, str, str]]:
    """Every include of a folder: its place, the quote or bracket, and the name."""
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix not in _SOURCES:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = _INCLUDE.match(line)
            if match:
                yield f"{path.relative_to(ROOT)}:{number}", match[1], match[2]


def fault(folder: str, quote: str, name: str) -> str:
    """What is wrong with one include; empty if nothing."""
    for pattern, allowed in CONFINED.items():
        if re.match(pattern, name) and folder not in allowed:
            return f"only {' and '.join(sorted(allowed))} may include {name}"
    if quote == "<":
        return ""
    target = name.split("/")[0]
    if target in MAY_INCLUDE and target not in MAY_INCLUDE[folder]:
        return f"{folder} may not include {target}"
    # What lies in no folder is generated.
    if target not in MAY_INCLUDE and any((ROOT / folder).rglob(name)):
        return f"{name} is not written from the root"
    return ""


def faults() -> list:
    return [
        f"{place}: {wrong}"
        for folder in MAY_INCLUDE
        for place, quote, name in includes(folder)
        if (wrong := fault(folder, quote, name))
    ]


def test_every_include_follows_an_arrow():
    assert not faults()


def test_a_wrong_arrow_is_found():
    assert fault("lb", '"', "crypto/sha256.h") == "lb may not include crypto"
    assert fault("lb", "<", "rte_mbuf.h")
    assert fault("dataplane", "<", "nlohmann/json.hpp")
    assert fault("dataplane", '"', "ctrl/intent/model.h")
    assert fault("ctrl", '"', "model.h")
    assert not fault("dataplane", '"', "lb/maglev.h")
    assert not fault("dataplane", "<", "rte_mbuf.h")


if __name__ == "__main__":
    print("\n".join(faults()), end="\n" if faults() else "")
    sys.exit(bool(faults()))
