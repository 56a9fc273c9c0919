// Inspections: compiled before a change that needs them, at the start, and when their files change.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ctrl/intent/config_inspections.h"
#include "ctrl/intent/rules_file.h"
#include "ctrl/log/log_line.h"
#include "ctrl/store/gateway_parts.h"
#include "ctrl/store/inspection_compiler.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// So few rules are compiled in a second or two: then a start waits for them, and no packet is dropped for
/// them.
constexpr size_t kCompiledAtOnce = 1000;

/// All rules of an inspection; of a model that was not read with its files, what these have now.
Result<std::shared_ptr<const InspectionRules>> rules_with_file(const InspectionModel& inspection) {
  auto from_file = inspection.from_file;
  if (!from_file) {
    auto read = read_rules(inspection);
    if (!read) return tl::unexpected(read.error());
    from_file = std::move(*read);
  }
  return std::make_shared<const InspectionRules>(all_rules(inspection, *from_file));
}

/// Where the words of Hyperscan belong in a configuration. The model has the document's order of rules, but
/// its own of inspections; `config` is null where there is no document.
std::string pointer_of(const json* config, const InspectionModel& inspection, std::optional<size_t> rule) {
  if (config == nullptr || !config->contains("inspections")) return "/inspections";
  const json& list = (*config)["inspections"];
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].value("name", "") != inspection.name) continue;
    const std::string pointer = "/inspections/" + std::to_string(i);
    if (!rule) return pointer;
    if (*rule >= inspection.rules.size()) return pointer + "/rules_file";
    return pointer + "/rules/" + std::to_string(*rule) + "/pattern";
  }
  return "/inspections";
}

Refusal refusal_for(const json* config, const InspectionModel& inspection, const InspectionRules& rules,
                    const dataplane::RuleFault& fault) {
  const std::string which = fault.rule ? "rule " + std::to_string(rules[*fault.rule].id) + ": " : "";
  return {Refusal::Kind::kInvalid,
          "the configuration has a fault",
          "",
          {{pointer_of(config, inspection, fault.rule), which + fault.message}}};
}

/// Why rules that a file has now cannot count: a service would be left with what it cannot have.
std::optional<std::string> misfit_in(const ctrl::Model& model, const InspectionModel& inspection,
                                     const InspectionRules& from_file) {
  for (const auto& [name, service] : model.services) {
    if (service->inspect != inspection.name) continue;
    if (auto misfit = misfit_of(*service, inspection, from_file)) return "service " + name + ": " + *misfit;
  }
  return std::nullopt;
}

}  // namespace

Outcome<InspectionContents> Gateway::Parts::inspections_for(const ctrl::Model& next, const json* config) {
  InspectionContents contents;
  for (const auto& [name, inspection] : next.inspections) {
    const auto rules = rules_with_file(*inspection);
    if (!rules) {
      return refuse(Refusal::Kind::kUnavailable,
                    "inspection \"" + name + "\" cannot be read: " + rules.error().message);
    }
    auto compiled = inspection_compiler->compile(inspection, *rules);
    if (!compiled) {
      return tl::unexpected(refusal_for(config, *inspection, **rules, compiled.error()));
    }
    contents.emplace(name, std::move(*compiled));
  }
  return contents;
}

Outcome<InspectionContents> Gateway::Parts::first_inspections(const ctrl::Model& next) {
  InspectionContents contents;
  for (const auto& [name, inspection] : next.inspections) {
    const auto rules = rules_with_file(*inspection);
    if (rules && (*rules)->size() <= kCompiledAtOnce) {
      if (auto compiled = inspection_compiler->compile(inspection, *rules)) {
        contents.emplace(name, std::move(*compiled));
        continue;
      }
    }
    const auto known = rules ? *rules : std::make_shared<const InspectionRules>(inspection->rules);
    contents.emplace(name, inspection_compiler->pending(inspection, known));
  }
  return contents;
}

void Gateway::Parts::follow_inspections() {
  for (const std::string& name : inspection_compiler->adopt(effective->inspections, time->wall())) {
    const auto& compiled = effective->inspections.at(name);
    log_info({"inspection ", name, " has ", compiled->rules->size(), " rules"});
    events.tell(
        EventKind::kInspectionReady,
        {{"inspection", name}, {"rules", compiled->rules->size()}, {"generation", generation.load()}});
  }
}

void Gateway::Parts::observe_inspections(InspectionContents compiled) {
  const auto seen = time->wall();
  const std::lock_guard our_turn(turn);
  await_turn();
  const std::lock_guard lock(state);
  Step step = step_now();
  for (auto& [name, content] : compiled) {
    const auto inspection = model->inspections.find(name);
    if (inspection == model->inspections.end() || *inspection->second != *content->of) continue;
    auto& now = step.inspections[name];
    if (now && is_compiled_from(*now, *content->of, *content->rules)) continue;
    now = std::move(content);
    step.causes.push_back({ChangeCause::kSource, "inspection/" + name, seen});
  }
  if (step.inspections == effective->inspections) return;
  if (const auto taken = take(step); !taken) {
    log_error({"what inspections are now cannot be taken: ", taken.error().message});
  }
}

void Gateway::compile_inspections() {
  Parts& parts = *parts_;
  const auto now = effective();
  InspectionContents compiled;
  for (const auto& [name, content] : now->inspections) {
    if (!content->inspection->is_pending()) continue;
    auto made = parts.inspection_compiler->compile(content->of, content->rules);
    if (made) {
      compiled.emplace(name, std::move(*made));
      continue;
    }
    const auto refusal = refusal_for(nullptr, *content->of, *content->rules, made.error());
    const std::string& why = refusal.faults.front().message;
    parts.inspection_compiler->note_failure(name, why, false);
    log_error({"inspection ", name, " cannot be compiled, and its services get no packets: ", why});
  }
  if (!compiled.empty()) parts.observe_inspections(std::move(compiled));
}

void Gateway::observe(std::vector<InspectionReading> readings) {
  Parts& parts = *parts_;
  InspectionContents compiled;
  for (const InspectionReading& reading : readings) {
    const std::string& name = reading.of->name;
    std::string error = reading.error;
    if (reading.from_file) {
      const auto rules = std::make_shared<const InspectionRules>(all_rules(*reading.of, *reading.from_file));
      const auto misfit = misfit_in(*model(), *reading.of, *reading.from_file);
      auto made = misfit ? tl::unexpected(dataplane::RuleFault{std::nullopt, *misfit})
                         : parts.inspection_compiler->compile(reading.of, rules);
      if (made) {
        parts.inspection_compiler->note_failure(name, "", false);
        compiled.emplace(name, std::move(*made));
        continue;
      }
      error = refusal_for(nullptr, *reading.of, *rules, made.error()).faults.front().message;
    }
    parts.inspection_compiler->note_failure(name, error, true);
    log_error({"inspection ", name, " keeps its old rules: ", error});
  }
  if (!compiled.empty()) parts.observe_inspections(std::move(compiled));
}

std::vector<InspectionRow> Gateway::inspections() const {
  auto rows = parts_->inspection_compiler->rows();
  const auto now = model();
  for (const auto& [name, service] : now->services) {
    const auto row = std::ranges::find(rows, service->inspect, &InspectionRow::name);
    if (row != rows.end()) row->services.push_back(name);
  }
  return rows;
}

std::vector<std::string> Gateway::unready_inspections() const {
  return parts_->inspection_compiler->unready();
}

}  // namespace sluice::ctrl
