"""docs/how-to/extend.md, done: a toy of each kind in a copy of the tree, in the files that the page names.

What is compiled: the new file, every other file of which a line is new, and those with a switch that would miss
the new value. A policy and a profile are linked with the build's own libraries and asked, too.
"""

import json
import pathlib
import re
import shutil
import subprocess
from typing import Dict, List, NamedTuple, Optional, Tuple

import pytest

from processes import BUILD, ROOT

PAGE = ROOT / "docs" / "how-to" / "extend.md"
FOLDERS = ("common", "crypto", "lb", "ledger", "dataplane", "ctrl")


class Toy(NamedTuple):
    """A kind of extension and how a toy of it is added."""

    heading: str  # of the page
    new: Dict[str, str]  # files by their text
    rows: List[Tuple[str, str, str]]  # a file, a line's end in it, and what goes behind that
    compiled: List[str]  # existing sources that see what is new
    like: Optional[str] = None  # whose way of being compiled is that of the new source
    asked: str = ""  # a program that asks the toy; it is linked with `compiled`
    libraries: Tuple[str, ...] = ()


POLICY = Toy(
    "A policy",
    {
        "lb/policies/toy.h": """
#pragma once
#include "lb/policies/policy.h"
namespace sluice::lb {
inline BackendId choose_first(const PoolTable& pool, const Draw&) { return pool.candidates().front().id; }
inline constexpr PolicyRow kToyPolicy{Policy::kToy, "toy", nullptr, choose_first};
}
"""
    },
    [
        ("lb/service.h", "kLeastResponseTime", ", kToy"),
        ("lb/policies/all.h", '#include "lb/policies/source_hash.h"', '\n#include "lb/policies/toy.h"'),
        ("lb/policies/all.h", "kLeastResponseTimePolicy,", " kToyPolicy,"),
    ],
    ["lb/pick.cpp"],
    asked="""
#include "lb/policies/all.h"
#include "lb/pick.h"
using namespace sluice;
using namespace sluice::lb;
int main() {
  WeightedEndpoint backends[2];
  for (uint32_t i = 0; i < 2; ++i) backends[i].weight = 1, backends[i].id = 7 + i;
  const auto pool = PoolTable::build(0, backends, 251, {}, {});
  uint32_t cursor = 0;
  uint64_t random = 0;
  const auto picked = pick(*pool, Policy::kToy, {}, {}, {{}, {}, cursor, random});
  return picked.backend == pool->candidates().front().id && !hashes(Policy::kToy) ? 0 : 1;
}
""",
    libraries=("lb/libsluice_lb.a", "common/libsluice_common.a"),
)

MODE = Toy(
    "A forwarding mode",
    {
        "dataplane/forward/toy.h": """
#pragma once
#include "dataplane/forward/path_rewrite.h"
namespace sluice::dataplane {
inline PathRewrite toy(const PathEnds& ends) {
  return {.backend_address = ends.backend.address, .treatment = Treatment::kKeep};
}
}
"""
    },
    [
        ("lb/service.h", "kGue, kDirect", ", kToy"),
        ("lb/service.h", '"direct", Carriage::kUnchanged},', '\n    {ForwardMode::kToy, "toy", Carriage::kUnchanged},'),
        ("dataplane/forward/rewrite.h", '#include "dataplane/forward/readdress.h"', '\n#include "dataplane/forward/toy.h"'),
        ("dataplane/forward/rewrite.h", "return direct(ends);", "\n    case lb::ForwardMode::kToy:\n      return toy(ends);"),
    ],
    ["dataplane/stages/relay_tunnel_error.cpp"],
)

CHECK = Toy(
    "A health check",
    {
        "ctrl/health/check_toy.cpp": """
#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"
namespace sluice::ctrl {
boost::asio::awaitable<std::string> check_toy(const CheckTarget& target) {
  if (target.port == 0) throw CheckFailed("no port");
  co_return "a toy is always well";
}
}
"""
    },
    [
        ("ctrl/health/checks.h", "check_udp(const CheckTarget& target);",
         "\nboost::asio::awaitable<std::string> check_toy(const CheckTarget& target);"),
        ("ctrl/health/probe.cpp", "CheckKind{HealthType::kUdp, check_udp},", " CheckKind{HealthType::kToy, check_toy},"),
        ("ctrl/intent/health_type.h", "kDns, kUdp", ", kToy"),
        ("ctrl/intent/health_type.h", '"dns", "udp"', ', "toy"'),
        ("ctrl/meson.build", "'health/check_tls.cpp',", "\n  'health/check_toy.cpp',"),
    ],
    ["ctrl/health/probe.cpp"],
    like="ctrl/health/check_tcp.cpp",
)  # fmt: skip

SOURCE = Toy(
    "A source",
    {
        "ctrl/source/toy_source.h": """
#pragma once
#include <memory>
#include "ctrl/source/source.h"
namespace sluice::ctrl {
std::shared_ptr<Source> make_toy_source(const SourceModel& model, SourceContext context);
}
""",
        "ctrl/source/toy_source.cpp": """
#include "ctrl/source/toy_source.h"
namespace sluice::ctrl {
namespace {
class ToySource : public Source {
 public:
  using Source::Source;
  void subscribe(SubscriptionId id, const DiscoverModel&) override { sink().deliver(id, {}); }
  void unsubscribe(SubscriptionId) override {}
};
}
std::shared_ptr<Source> make_toy_source(const SourceModel&, SourceContext context) {
  return std::make_shared<ToySource>(context);
}
}
""",
    },
    [
        ("ctrl/source/source_types.cpp", '#include "ctrl/source/kubernetes_source.h"', '\n#include "ctrl/source/toy_source.h"'),
        ("ctrl/source/source_types.cpp", '{"kubernetes", make_kubernetes_source},', '\n      {"toy", make_toy_source},'),
        ("ctrl/intent/source_keys.cpp", '{"file", {}, {"*path"}},', '\n      {"toy", {}, {"*path"}},'),
        ("docs/reference/config.schema.json", '"etcd", "file",', ' "toy",'),
        ("ctrl/meson.build", "'source/zookeeper_source.cpp',", "\n  'source/toy_source.cpp',"),
    ],
    ["ctrl/source/source_types.cpp", "ctrl/intent/source_keys.cpp"],
    like="ctrl/source/file_source.cpp",
)

PROFILE = Toy(
    "A ledger profile",
    {
        "ledger/toy.h": """
#pragma once
#include "ledger/transaction.h"
namespace sluice::ledger {
Parsed parse_toy(std::span<const uint8_t> payload);
}
""",
        "ledger/toy.cpp": """
#include "ledger/toy.h"
namespace sluice::ledger {
Parsed parse_toy(std::span<const uint8_t> payload) {
  return {payload.front() == 't', crypto::Rounds::once, {payload.subspan(1), {}, {}}};
}
}
""",
    },
    [
        ("ledger/profile.h", "SHA-256(SHA-256(it without witness))", "\n  kToy = 2,"),
        ("ledger/transaction.cpp", '#include "ledger/bitcoin.h"', '\n#include "ledger/toy.h"'),
        ("ledger/transaction.cpp", '"opaque", "bitcoin"', ', "toy"'),
        ("ledger/transaction.cpp", "parse_opaque, parse_bitcoin", ", parse_toy"),
        ("ledger/meson.build", "'transaction.cpp',", " 'toy.cpp',"),
    ],
    ["ledger/transaction.cpp", "ledger/record_reader.cpp"],
    like="ledger/bitcoin.cpp",
    asked="""
#include "ledger/transaction.h"
using namespace sluice::ledger;
int main() {
  const uint8_t good[] = {'t', 1}, bad[] = {'b', 1};
  const auto toy = profile_named("toy");
  return toy && name_of(*toy) == "toy" && parse(*toy, good).is_valid && !parse(*toy, bad).is_valid ? 0 : 1;
}
""",
    libraries=(
        "ledger/libsluice_ledger.a", "ledger/libsluice_ledger_rest.a", "crypto/libsluice_crypto.a", "crypto/libsluice_sha256_avx512.a",
        "crypto/libsluice_sha256_avx2.a", "crypto/libsluice_sha256_shani.a", "crypto/libsluice_sha256_constants.a", "common/libsluice_common.a",
    ),
)

TOYS = [POLICY, MODE, CHECK, SOURCE, PROFILE]


def section(heading: str) -> str:
    """The page's part below a heading."""
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.S | re.M)[1]


def named_files(heading: str) -> Tuple[int, int, List[str]]:
    """What a part of the page says: how many files, how many of them new, and which others."""
    text = section(heading)
    items = re.findall(r"^\d+\. (.*?)(?=^\d+\. |^$)", text, re.S | re.M)
    beside = [item for item in items if re.match(r"(a new one|one) beside", item)]
    others = [re.match(r"\[`[^`]*`\]\(([^)]*)\)", item)[1] for item in items if item not in beside]
    paths = [str((PAGE.parent / target).resolve().relative_to(ROOT)) for target in others]
    return int(re.search(r"(\d+) files:", text)[1]), len(beside), sorted(paths)


def add(toy: Toy, tree: pathlib.Path) -> List[str]:
    """Puts a toy into a copy of the tree. Returns which files are others than before."""
    for path, text in toy.new.items():
        (tree / path).write_text(text)
    for path, behind, what in toy.rows:
        file = tree / path
        before = file.read_text()
        assert before.count(behind) == 1, f"{path} does not have one {behind!r}"
        file.write_text(before.replace(behind, behind + what))
    return sorted({path for path, _, _ in toy.rows})


@pytest.fixture(scope="module")
def commands() -> Dict[str, List[str]]:
    """How each source is compiled."""
    database = BUILD / "compile_commands.json"
    if not database.exists():
        pytest.skip("there is no build whose flags could be used")
    found = {}
    for entry in json.loads(database.read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        compiled = [source]
        if "-unity" in source.name:  # several at a time: each as all of them
            compiled = [pathlib.Path(name).resolve() for name in re.findall(r"^#include ?<(.+)>$", source.read_text(), re.MULTILINE)]
        for one in compiled:
            if one.is_relative_to(ROOT):
                found[str(one.relative_to(ROOT))] = entry["command"].split()
    return found


def compile_in(tree: pathlib.Path, source: pathlib.Path, command: List[str]) -> pathlib.Path:
    """Compiles a file of the copy as another is compiled in the tree, without optimizing."""
    target = tree / (source.name + ".o")
    words = [word for word in command if word != "ccache"]
    for flag, count in (("-o", 2), ("-c", 2), ("-MF", 2), ("-MQ", 2), ("-MD", 1)):
        while flag in words:
            at = words.index(flag)
            del words[at : at + count]
    words = [word for word in words if not word.startswith(("-O", "-g", "-D_FORTIFY_SOURCE"))]
    # The copy's headers before those of the tree, which the command names by "-I..".
    words[1:1] = [f"-I{tree}", "-O0", "-Werror=switch"]
    done = subprocess.run([*words, "-c", str(source), "-o", str(target)], cwd=BUILD, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def switches_over(toy: Toy) -> List[str]:
    """Sources with a switch that would miss a new value, wherever they are: they have to be among the named."""
    kinds = {"A policy": "Policy", "A forwarding mode": "ForwardMode", "A health check": "HealthType", "A ledger profile": "Profile"}
    kind = kinds.get(toy.heading)
    if kind is None:
        return []
    case = re.compile(rf"\bcase (?:\w+::)*{kind}::k")
    sources = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".cpp", ".h"))
    return sorted(str(path.relative_to(ROOT)) for path in sources if case.search(path.read_text()))


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.heading)
def test_the_files_that_the_page_names_are_all_that_it_takes(toy, tmp_path, commands):
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    shutil.copy(ROOT / "docs/reference/config.schema.json", tmp_path / "docs/reference")

    changed = add(toy, tmp_path)
    count, new, others = named_files(toy.heading)
    assert others == changed and new == len(toy.new) and count == new + len(changed)
    assert set(switches_over(toy)) <= set(changed)

    objects = [compile_in(tmp_path, tmp_path / path, commands[path]) for path in toy.compiled]
    for path in toy.new:
        if path.endswith(".cpp"):
            objects.append(compile_in(tmp_path, tmp_path / path, commands[toy.like]))
    if toy.asked:
        (tmp_path / "ask.cpp").write_text(toy.asked)
        objects.append(compile_in(tmp_path, tmp_path / "ask.cpp", commands[toy.compiled[0]]))
        libraries = [BUILD / library for library in toy.libraries]
        if not all(library.exists() for library in libraries):
            pytest.skip("the libraries are not built")
        program = tmp_path / "ask"
        # What was compiled anew comes first, and counts: a library's object may hold it too, among others.
        linked = ["c++", *map(str, objects), "-Wl,--allow-multiple-definition", "-Wl,--start-group", *map(str, libraries), "-Wl,--end-group", "-lcrypto", "-lIPSec_MB", "-o", str(program)]
        done = subprocess.run(linked, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert subprocess.run([program]).returncode == 0
