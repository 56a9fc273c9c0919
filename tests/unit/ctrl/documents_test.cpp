// The documentation against the code: links lead somewhere, names are where they are said to be, and the
// reference is what the programs say of themselves. SLUICE_UPDATE_DOCS=1 writes the generated pages anew.
#include <algorithm>
#include <array>
#include <regex>
#include <string_view>

#include "ctrl/rpc/methods/methods.h"
#include "dataplane/roles/topology.h"
#include "tests/unit/ctrl/documents.h"

namespace sluice::ctrl {
namespace {

namespace fs = std::filesystem;

struct Link {
  std::string text;
  std::string target;
};

std::vector<Link> links_of(const std::string& page) {
  static const std::regex kLink(R"(\[([^\]]*)\]\(([^)\s]+)\))");
  std::vector<Link> links;
  for (std::sregex_iterator at(page.begin(), page.end(), kLink), end; at != end; ++at) {
    links.push_back({(*at)[1], (*at)[2]});
  }
  return links;
}

std::vector<fs::path> pages() {
  std::vector<fs::path> found = {kRoot / "README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "docs")) {
    const bool is_part = entry.path().parent_path() == kRoot / "docs/performance";  // of performance.md
    if (entry.path().extension() == ".md" && !is_part) found.push_back(entry.path());
  }
  return found;
}

TEST(Documents, EveryLinkLeadsSomewhere) {
  size_t links = 0;
  for (const auto& page : pages()) {
    for (const auto& link : links_of(text_of(page))) {
      if (link.target.find("://") != std::string::npos || link.target.starts_with('#')) continue;
      ++links;
      const auto target = page.parent_path() / link.target.substr(0, link.target.find('#'));
      EXPECT_TRUE(fs::exists(target)) << page << ": [" << link.text << "](" << link.target << ")";
    }
  }
  EXPECT_GT(links, 50u);
}

TEST(Documents, ThePacketWalkNamesWhatIsInTheFile) {
  const auto page = kRoot / "docs" / "packet-walk.md";
  size_t names = 0;
  for (const auto& link : links_of(text_of(page))) {
    if (!link.text.starts_with('`')) continue;
    ++names;
    const auto name = link.text.substr(1, link.text.size() - 2);
    const std::regex whole_word("\\b" + name + "\\b");
    EXPECT_TRUE(std::regex_search(text_of(page.parent_path() / link.target), whole_word))
        << name << " is not in " << link.target;
  }
  EXPECT_GT(names, 30u);
}

TEST(Documents, EveryWalkHasAtMostADozenHops) {
  const std::string page = text_of(kRoot / "docs/packet-walk.md");
  for (const std::string walk : {"A packet", "A transaction", "A change of configuration", "A backend fails",
                                 "A source says something new", "A question"}) {
    const size_t begin = page.find("\n## " + walk + "\n");
    ASSERT_NE(begin, std::string::npos) << walk;
    const std::string text = page.substr(begin, page.find("\n## ", begin + 1) - begin);
    const std::regex hop("(^|\n)[0-9]+\\. ");
    const auto hops = std::distance(std::sregex_iterator(text.begin(), text.end(), hop), {});
    EXPECT_GE(hops, 3) << walk;
    EXPECT_LE(hops, 12) << walk;
  }
}

std::string type_text(const Param& param) {
  const auto schema =
      params_schema({.name = "", .help = "", .result = "", .params = {param}, .call = nullptr});
  const auto& property = schema["properties"][std::string(param.name)];
  if (property.contains("enum")) {
    std::string words;
    for (const auto& word : property["enum"]) words += (words.empty() ? "" : ", ") + word.get<std::string>();
    return words;
  }
  if (property.contains("items")) {
    std::string words;
    for (const auto& word : property["items"]["enum"])
      words += (words.empty() ? "" : ", ") + word.get<std::string>();
    return "list of " + words;
  }
  if (property.contains("maximum")) {
    return "integer, " + property["minimum"].dump() + " to " + property["maximum"].dump();
  }
  return param.type == ParamType::kAddress ? "IP address" : property["type"].get<std::string>();
}

std::string methods_page() {
  std::ostringstream page;
  page << "# Methods of the control socket\n\n"
          "Generated from the tables in `ctrl/rpc/methods`; `system.methods` answers the same with JSON "
          "Schemas.\n"
          "[What all of them have in common](../explanation/control-socket.md): framing, roles, limits, "
          "errors.\n";
  for (const auto& method : all_methods()) {
    page << "\n## " << method.name << "\n\n"
         << method.help << " Role: " << name_of(method.role) << ".\n\nAnswers " << method.result << ".\n";
    if (method.params.empty()) continue;
    page << "\n| parameter | type | | |\n|---|---|---|---|\n";
    for (const auto& param : method.params) {
      page << "| `" << param.name << "` | " << type_text(param) << " | "
           << (param.required ? "required" : "optional") << " | " << table_cell(param.help) << " |\n";
    }
  }
  return std::move(page).str();
}

TEST(Documents, TheMethodsReferenceIsCurrent) {
  expect_current(kRoot / "docs/reference/methods.md", methods_page());
}

std::string threads_page() {
  dataplane::BootConfig example;
  example.workers = {1, 2};
  example.lb_workers = {3};
  example.hash_workers = {4};
  example.ledger.emplace();
  dataplane::PortPlan port;
  port.rx_queues = 2;
  port.tx_queues = 2;
  const auto topology = dataplane::plan_topology(example, std::vector{port});
  std::ostringstream page;
  page << "# Threads and rings\n\n"
          "Generated from the table in [`Topology`](../../dataplane/roles/topology.cpp), which threads and "
          "rings "
          "are made from.\n"
          "`system.topology` answers what a running gateway has of them. Threads meet at these rings and at "
          "the "
          "published\n"
          "tables, nowhere else. A full ring is a counted drop (`ring_full`) or a refusal to the sender, "
          "never a "
          "wait.\n"
          "\n| thread | what it does |\n|---|---|\n";
  for (size_t role = 0; role < dataplane::kThreadRoles; ++role) {
    const auto& row = dataplane::row_of(static_cast<dataplane::ThreadRole>(role));
    page << "| `" << row.name << "` | " << row.help << " |\n";
  }
  page << "\n| ring | carries | size |\n|---|---|---|\n";
  for (size_t use = 0; use < dataplane::kRingUses; ++use) {
    const auto& row = dataplane::row_of(static_cast<dataplane::RingUse>(use));
    page << "| `" << row.name << "` | " << row.help << " | " << row.size << " |\n";
  }
  page
      << "\n## An example\n\n"
         "`workers: [1, 2]`, `lb_workers: [3]`, `hash_workers: [4]` and a ledger, on a device with two queue "
         "pairs.\n"
         "\n| thread | CPU |\n|---|---|\n";
  for (const auto& thread : topology.threads) {
    page << "| `" << thread.name() << "` | " << (thread.cpu ? std::to_string(*thread.cpu) : "any") << " |\n";
  }
  page << "\n| ring | from | to |\n|---|---|---|\n";
  for (const auto& ring : topology.rings) {
    page << "| `" << row_of(ring.use).name << "` | `" << topology.threads[ring.from].name() << "` | `"
         << topology.threads[ring.to].name() << "` |\n";
  }
  return std::move(page).str();
}

TEST(Documents, ThePageOfThreadsIsCurrent) {
  expect_current(kRoot / "docs/explanation/threads.md", threads_page());
}

TEST(Methods, AreNamedByNounAndVerbAndDescribed) {
  std::string last;
  for (const auto& method : all_methods()) {
    EXPECT_LT(last, method.name);
    last = method.name;
    EXPECT_TRUE(std::regex_match(std::string(method.name), std::regex("[a-z]+\\.[a-z]+"))) << method.name;
    EXPECT_TRUE(method.help.ends_with('.')) << method.name;
    EXPECT_FALSE(method.result.empty()) << method.name;
    EXPECT_NE(method.call, nullptr) << method.name;
  }
}

TEST(Methods, OnlyAdminsChangeTheConfiguration) {
  for (const auto& method : all_methods()) {
    constexpr auto kChange = std::to_array<std::string_view>(
        {"config.apply", "config.confirm", "config.rollback", "config.save", "tunnel.rekey"});
    constexpr auto kOperate =
        std::to_array<std::string_view>({"backend.set", "capture.start", "capture.stop", "drops.recent",
                                         "flow.flush", "ledger.submit", "log.set", "source.release"});
    const bool changes = std::ranges::find(kChange, method.name) != kChange.end();
    const bool operates = std::ranges::find(kOperate, method.name) != kOperate.end();
    EXPECT_EQ(method.role, changes ? Role::kAdmin : operates ? Role::kOperate : Role::kView) << method.name;
  }
}

}  // namespace
}  // namespace sluice::ctrl
