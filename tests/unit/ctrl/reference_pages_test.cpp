// Pages of the reference that are made from the code's own tables: metrics, drop reasons, command lines.
// SLUICE_UPDATE_DOCS=1 writes them anew.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "common/drop_reason_help.h"
#include "ctrl/daemon/command_line.h"
#include "ctrl/intent/health_type.h"
#include "ctrl/log/log_component.h"
#include "ctrl/log/log_levels.h"
#include "ctrl/telemetry/metric_table.h"
#include "dataplane/base/drop_reason.h"
#include "lb/policies/all.h"
#include "ledger/transaction.h"
#include "sluicectl/command_line.h"
#include "tests/unit/ctrl/documents.h"

namespace sluice::ctrl {
namespace {

namespace fs = std::filesystem;
const fs::path kReference = kRoot / "docs/reference";

/// A link from a page of the reference to one below docs/.
std::string more(std::string_view see) {
  return see.empty() ? "" : " ([more](../" + std::string(see) + "))";
}

const char* word_for(prometheus::MetricType type) {
  return type == prometheus::MetricType::Counter ? "counter"
         : type == prometheus::MetricType::Gauge ? "gauge"
                                                 : "histogram";
}

std::string metrics_part() {
  std::ostringstream part;
  part << "\n| series | type | labels | what it tells |\n|---|---|---|---|\n";
  for (const MetricRow& row : metric_table::kRows) {
    const std::string labels =
        std::regex_replace(std::string(row.labels), std::regex("[a-z_]+"), std::string("`$&`"));
    part << "| `" << row.name << "` | " << word_for(row.type) << " | " << labels << " | "
         << table_cell(row.help) << more(row.see) << " |\n";
  }
  part << "\n";
  return std::move(part).str();
}

TEST(ReferencePages, MetricsAreThoseOfTheTable) {
  expect_part_current(kReference / "metrics.md", "ctrl/telemetry/metric_table.h", metrics_part());
}

/// A series that is not in the table does not compile; this finds a row that nothing gives samples to.
TEST(ReferencePages, EveryMetricHasSamples) {
  std::string sources;
  for (const auto& file : fs::directory_iterator(kRoot / "ctrl/telemetry")) {
    if (file.path().extension() == ".cpp") sources += text_of(file.path());
  }
  std::set<std::string_view> names;
  for (const MetricRow& row : metric_table::kRows) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " is there twice";
    EXPECT_NE(sources.find("metric(\"" + std::string(row.name) + "\")"), std::string::npos) << row.name;
    EXPECT_TRUE(row.help.ends_with('.')) << row.name;
    EXPECT_EQ(row.type == prometheus::MetricType::Counter, row.name.ends_with("_total")) << row.name;
  }
}

std::string drop_reasons_part() {
  std::ostringstream part;
  part << "\n| reason | what was wrong | what to do |\n|---|---|---|\n";
  for (const auto& row : kDropReasonHelp) {
    part << "| `" << row.reason << "` | " << table_cell(row.meaning) << more(row.see) << " | "
         << table_cell(row.remedy) << " |\n";
  }
  return std::move(part).str();
}

TEST(ReferencePages, DropReasonsAreThoseOfTheTable) {
  ASSERT_EQ(kDropReasonHelp.size(), dataplane::kDropReasons);
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    EXPECT_EQ(kDropReasonHelp[i].reason, dataplane::kDropReasonNames[i]);
  }
  expect_part_current(kReference / "drop-reasons.md", "common/drop_reason_help.h", drop_reasons_part());
}

bool is_flag(const CLI::Option& option) {
  return option.get_expected_max() == 0;
}

/// As it is written on a command line: `FILE`, `--limit UINT`, `-o, --output TEXT`.
std::string spelling(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string names;
  for (const auto& name : option.get_snames()) names += (names.empty() ? "-" : ", -") + name;
  for (const auto& name : option.get_lnames()) names += (names.empty() ? "--" : ", --") + name;
  // Checks are part of the type's name: "TEXT:{table,json,yaml}".
  const std::string type = option.get_type_name();
  return is_flag(option) ? names : names + " " + type.substr(0, type.find_first_of(": "));
}

std::string explained(const CLI::Option& option) {
  std::string text = option.get_description();
  const std::string type = option.get_type_name();
  if (const size_t words = type.find(":{"); words != std::string::npos) {
    std::string choices = type.substr(words + 2, type.find('}', words) - words - 2);
    text += ": " + std::regex_replace(choices, std::regex(","), std::string(", "));
  }
  if (option.get_positional() && !option.get_lnames().empty())
    text += "; or by `--" + option.get_lnames().front() + "`";
  if (!option.get_envname().empty()) text += "; `$" + option.get_envname() + "` where it is set";
  if (!option.get_default_str().empty()) text += "; `" + option.get_default_str() + "` unless given";
  return text;
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    if (option != app.get_help_ptr()) options.push_back(option);
  }
  return options;
}

std::string usage(const std::string& words, const CLI::App& command) {
  std::string text = words;
  for (const CLI::Option* option : options_of(command)) {
    text += option->get_required() ? " " + spelling(*option) : " [" + spelling(*option) + "]";
  }
  return text;
}

void list_options(std::ostream& part, const CLI::App& app) {
  part << "\n| option | |\n|---|---|\n";
  for (const CLI::Option* option : options_of(app)) {
    part << "| `" << spelling(*option) << "` | " << table_cell(explained(*option)) << " |\n";
  }
}

/// A row for each command that does something; what it takes stands below what it does.
void list_commands(std::ostream& part, const std::string& words, const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string named = words + command->get_name();
    if (command->get_require_subcommand_min() > 0) {
      list_commands(part, named + " ", *command);
      continue;
    }
    part << "| `" << table_cell(usage(named, *command)) << "` | " << table_cell(command->get_description());
    for (const CLI::Option* option : options_of(*command)) {
      part << "<br>`" << table_cell(spelling(*option)) << "`: " << table_cell(explained(*option));
    }
    part << " |\n";
  }
}

std::string command_lines_part() {
  CommandLine line;
  CLI::App sluiced;
  add_command_line(sluiced, line);
  sluicectl::Session session;
  CLI::App client;
  add_command_line(client, session);
  std::ostringstream part;
  for (const CLI::App* program : {&sluiced, &client}) {
    part << "\n## " << program->get_name() << "\n\n" << program->get_description() << "\n";
    list_options(part, *program);
    if (program == &client) {
      part << "\n| command | |\n|---|---|\n";
      list_commands(part, "", *program);
    }
    part << "\n" << program->get_footer() << "\n";
  }
  return std::move(part).str();
}

TEST(ReferencePages, CommandLinesAreThoseOfThePrograms) {
  expect_part_current(kReference / "cli.md", "what the programs say of themselves", command_lines_part());
}

void expect_every_word_explained(const std::string& words, const CLI::App& app) {
  EXPECT_FALSE(app.get_description().empty()) << words;
  EXPECT_FALSE(app.get_description().ends_with('.')) << words;
  for (const CLI::Option* option : options_of(app)) {
    EXPECT_FALSE(option->get_description().empty()) << words << spelling(*option);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    expect_every_word_explained(words + command->get_name() + " ", *command);
  }
}

TEST(ReferencePages, EveryCommandAndOptionIsExplained) {
  sluicectl::Session session;
  CLI::App client;
  add_command_line(client, session);
  client.description("x");
  expect_every_word_explained("", client);
}

/// A schema in which the first `enum` behind those words, one after the other, is of these names.
std::string with_enum(std::string schema, std::initializer_list<std::string_view> words,
                      const std::vector<std::string_view>& names) {
  size_t at = 0;
  for (const auto word : words) at = schema.find("\"" + std::string(word) + "\": ", at) + 1;
  const std::string_view open = "\"enum\": [";
  const size_t first = schema.find(open, at) + open.size();
  std::string list;
  for (const auto name : names) list += (list.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  return schema.replace(first, schema.find(']', first) - first, list);
}

/// What the configuration may choose from is what the code has. The page of the configuration follows:
/// docs/reference/generate_configuration.py.
TEST(ReferencePages, TheSchemasChoicesAreThoseOfTheCode) {
  const fs::path file = kReference / "config.schema.json";
  std::string schema = text_of(file);
  std::vector<std::string_view> policies;
  for (const auto& row : lb::kPolicies) policies.push_back(row.name);
  schema = with_enum(schema, {"services", "policy"}, policies);
  std::vector<std::string_view> forwards;
  for (const auto& row : lb::kForwardModes) forwards.push_back(row.name);
  schema = with_enum(schema, {"services", "forward"}, forwards);
  schema = with_enum(schema, {"pools", "health", "type"}, {kHealthTypeNames.begin(), kHealthTypeNames.end()});
  const auto profiles = ledger::profile_names();
  schema = with_enum(schema, {"log_level"}, {kLogLevelNames.begin(), kLogLevelNames.end()});
  schema = with_enum(schema, {"ledger", "profile"}, {profiles.begin(), profiles.end()});
  expect_current(file, schema);
}

TEST(ReferencePages, LevelsMayBeOfTheLogsComponents) {
  const auto schema = nlohmann::json::parse(text_of(kReference / "config.schema.json"));
  std::vector<std::string> named;
  for (const auto& [name, of] : schema["properties"]["log"]["properties"]["levels"]["properties"].items()) {
    named.push_back(name);
  }
  EXPECT_EQ(named, std::vector<std::string>(kLogComponents.begin(), kLogComponents.end()));
}

}  // namespace
}  // namespace sluice::ctrl
