#!/usr/bin/python3
"""Who may include whom: every #include follows the arrows of the architecture."""

import collections
import pathlib
import re
import sys
from typing import Iterator, List, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[1]

MAY_INCLUDE = {
    "common": {"common"},
    "lb": {"lb", "common"},
    "crypto": {"crypto", "common"},
    "ledger": {"ledger", "crypto", "common"},
    "dataplane": {"dataplane", "ledger", "crypto", "lb", "common"},
    "ctrl": {"ctrl", "dataplane", "ledger", "crypto", "lb", "common"},
    # The client reads configuration files as the daemon does; all else it asks the daemon.
    "sluicectl": {"sluicectl", "ctrl", "ledger", "crypto", "common"},
    # Whoever looks at all of it; nothing includes it, as nothing does tests/ and perf/.
    "sim": {"sim", "sluicectl", "ctrl", "dataplane", "ledger", "crypto", "lb", "common"},
}
INCLUDED_BY_NOBODY = {"sim", "tests", "perf"}
# The sub-folders of a folder in layers: an include goes to the same sub-folder or to a lower layer.
LAYERS = {
    "dataplane": [
        {"base"}, {"tables"}, {"packet"}, {"esp"}, {"inspect"}, {"device"}, {"neighbor"}, {"forward"}, {"worker"}, {"ingress"}, {"stages"},
        {"roles"},
    ],
    "ctrl": [
        {"wire"}, {"net"}, {"intent"}, {"log"}, {"access"}, {"observed"}, {"tunnel"}, {"source", "resolve"},
        {"store"}, {"health"}, {"rpc", "http", "telemetry", "registry", "ledger"}, {"remote"}, {"daemon"},
    ],
}
CLIENT_MAY_INCLUDE = {"ctrl/intent", "ctrl/net", "ctrl/wire/pcapng.h", "ctrl/wire/url.h", "ctrl/daemon/usage_error.h"}
# A library's header and the one folder that may know it.
CONFINED = {
    r"rte_": {"dataplane", "sim"},
    r"pcap/": {"dataplane", "sim"},
    r"hs(_\w+)?\.h": {"dataplane"},
    r"(nlohmann|yaml-cpp|valijson)/": {"ctrl", "sluicectl", "sim"},
    r"(openssl/(?!ssl\.h|err\.h|x509v3\.h)|intel-ipsec-mb|ipsec-mb)": {"crypto"},
    r"openssl/(ssl|err|x509v3)\.h": {"crypto", "ctrl"},  # TLS has a socket, and crypto has none
}
# Headers that take seconds to compile, and the files that may include them: an interface that does not need the
# header keeps it from all others. CONTRIBUTING.md, "A build that is quick".
_JSON_HEADERS = (
    r"ctrl/wire/bounded_json\.h|ctrl/rpc/method\.h|ctrl/rpc/methods/(explanation|service_table|words)\.h"
    r"|ctrl/intent/(config_(cursor|diff|file|health|ledger|rules|schema|sources|warnings)|json_schema|yaml_reader|yaml_scalar)\.h"
    r"|ctrl/store/ledger_answers\.h|sluicectl/(client|render|session|top)\.h"
)
HEAVY = {
    r"CLI/": r"ctrl/daemon/(main\.cpp|(command_line|usage_error)\.h)|sluicectl/(main|command|command_line|completion)\.cpp|sim/\w+/main\.cpp",
    r"spdlog/": r"ctrl/log/.*\.cpp",
    r"boost/beast/": r"ctrl/wire/http_(message|response)\.cpp",
    r"boost/asio/co_spawn\.hpp": r"ctrl/net/spawn\.cpp",
    r"boost/asio/thread_pool\.hpp": r"ctrl/store/(control_threads|ledger_reader)\.cpp",
    r"nlohmann/json\.hpp": r".*\.cpp|" + _JSON_HEADERS,
    r"yaml-cpp/": r".*\.cpp",
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


def layer(path: str) -> int:
    """The layer of a file in a folder that has layers; -1: it lies in none of them."""
    folder, below, *_ = path.split("/") + [""]
    return next((number for number, names in enumerate(LAYERS[folder]) if below in names), -1)


def wrong_layer(path: str, name: str) -> str:
    """What is wrong with an include between the sub-folders of one folder; empty if nothing."""
    if layer(path) < 0 or layer(name) < 0:
        return f"{path if layer(path) < 0 else name} lies in no layer"
    same = path.split("/")[1] == name.split("/")[1]
    if same or layer(name) < layer(path):
        return ""
    return f"{path.rsplit('/', 1)[0]} may not include {name.rsplit('/', 1)[0]}"


def fault(path: str, quote: str, name: str) -> str:
    """What is wrong with one include in the file at `path`; empty if nothing."""
    path = path.partition(":")[0]
    folder = path.split("/")[0]
    for pattern, allowed in CONFINED.items():
        if re.match(pattern, name) and folder not in allowed:
            return f"only {' and '.join(sorted(allowed))} may include {name}"
    for pattern, allowed in HEAVY.items():
        if re.match(pattern, name) and not re.fullmatch(allowed, path):
            return f"{name} takes seconds to compile, and is not for {path}"
    if quote == "<":
        return ""
    target = name.split("/")[0]
    if target in INCLUDED_BY_NOBODY and target != folder:
        return f"nothing includes {target}, nor does {folder}"
    if target in MAY_INCLUDE and target not in MAY_INCLUDE[folder]:
        return f"{folder} may not include {target}"
    if folder == "sluicectl" and target == "ctrl" and not any(name.startswith(own) for own in CLIENT_MAY_INCLUDE):
        return f"sluicectl may not include {name}"
    if target == folder and folder in LAYERS:
        return wrong_layer(path, name)
    # What lies in no folder is generated.
    if target not in MAY_INCLUDE and any((ROOT / folder).rglob(name)):
        return f"{name} is not written from the root"
    return ""


def faults() -> list:
    return [
        f"{place}: {wrong}"
        for folder in MAY_INCLUDE
        for place, quote, name in includes(folder)
        if (wrong := fault(place, quote, name))
    ]


_TYPE = re.compile(r"^(?:struct|class)(?: alignas\(\w+\))? (\w+)(?: final)?(?: : [^;{]*)? \{", re.MULTILINE)
_ANONYMOUS = re.compile(r"^namespace \{\n.*?^\}  // namespace$", re.MULTILINE | re.DOTALL)


def types(text: str) -> List[str]:
    """The types that a file defines for the whole program: those in a namespace with a name."""
    return _TYPE.findall(_ANONYMOUS.sub("", text))


def test_every_include_follows_an_arrow():
    assert not faults()


def test_no_two_types_of_a_folder_have_one_name():
    """The linker would take the functions of either for both (C++20, [basic.def.odr]), and say nothing."""
    assert types("struct A {\nclass B : public A {\nnamespace {\nstruct C {\n}  // namespace\n") == ["A", "B"]
    for folder in MAY_INCLUDE:
        places = collections.defaultdict(list)
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in _SOURCES:
                for name in types(path.read_text(errors="replace")):
                    places[name].append(str(path.relative_to(ROOT)))
        assert not {name: where for name, where in places.items() if len(where) > 1}


def test_a_wrong_arrow_is_found():
    assert fault("lb/pick.cpp", '"', "crypto/sha256.h") == "lb may not include crypto"
    assert fault("lb/pick.cpp", "<", "rte_mbuf.h")
    assert fault("dataplane/roles/rx_worker.cpp", "<", "nlohmann/json.hpp")
    assert fault("dataplane/roles/rx_worker.cpp", '"', "ctrl/intent/model.h")
    assert fault("ctrl/store/gateway.cpp", '"', "model.h")
    assert fault("sluicectl/main.cpp", '"', "ctrl/store/gateway.h")
    assert fault("ctrl/store/gateway.cpp", '"', "sim/core/frame.h")
    assert fault("sim/core/frame.cpp", '"', "tests/support/packet_builder.h")
    assert not fault("sim/core/simulated_gateway.cpp", '"', "ctrl/store/gateway.h")
    assert not fault("dataplane/roles/rx_worker.cpp", '"', "lb/maglev.h")
    assert not fault("dataplane/roles/rx_worker.cpp", "<", "rte_mbuf.h")
    assert not fault("sluicectl/client.h", '"', "ctrl/intent/fault.h")


def test_a_heavy_header_stays_in_its_files():
    wrong = fault("ctrl/store/gateway.h", "<", "nlohmann/json.hpp")
    assert wrong == "nlohmann/json.hpp takes seconds to compile, and is not for ctrl/store/gateway.h"
    assert fault("ctrl/health/health_checks.cpp:4", "<", "boost/asio/co_spawn.hpp")
    assert fault("sluicectl/session.h", "<", "CLI/CLI.hpp")
    assert not fault("ctrl/rpc/methods/backend.cpp", "<", "nlohmann/json.hpp")
    assert not fault("sluicectl/command.cpp", "<", "CLI/CLI.hpp")
    assert not fault("ctrl/store/gateway.h", "<", "nlohmann/json_fwd.hpp")


def test_a_wrong_arrow_between_sub_folders_is_found():
    wrong = fault("dataplane/packet/parser.h", '"', "dataplane/worker/worker.h")
    assert wrong == "dataplane/packet may not include dataplane/worker"
    assert fault("ctrl/rpc/json_rpc.cpp", '"', "ctrl/http/http_server.h")
    assert fault("ctrl/intent/model.h", '"', "ctrl/observed/backend_status.h")
    assert fault("ctrl/model.h", '"', "ctrl/intent/model.h") == "ctrl/model.h lies in no layer"
    assert not fault("ctrl/store/gateway.cpp", '"', "ctrl/resolve/compile.h")
    assert not fault("ctrl/store/gateway.cpp", '"', "ctrl/store/gateway_parts.h")


def test_a_planted_wrong_arrow_fails(tmp_path, monkeypatch):
    for folder in MAY_INCLUDE:
        (tmp_path / folder).mkdir()
    (tmp_path / "dataplane/tables").mkdir()
    planted = tmp_path / "dataplane/tables/stats.h"
    planted.write_text('#include "dataplane/roles/dataplane.h"\n')
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert faults() == ["dataplane/tables/stats.h:1: dataplane/tables may not include dataplane/roles"]


if __name__ == "__main__":
    print("\n".join(faults()), end="\n" if faults() else "")
    sys.exit(bool(faults()))
