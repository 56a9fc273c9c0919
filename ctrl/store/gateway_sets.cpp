// What sets have in them, and what becomes of it when their files change.
#include <utility>

#include "ctrl/intent/set_file.h"
#include "ctrl/log/log_line.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

/// Of a set that was not read with its model. The watch of files tries again what fails here.
std::shared_ptr<const lb::PrefixSet> content_now(const SetModel& set) {
  auto content = read_set(set);
  if (content) return std::move(*content);
  log_error({"set ", set.name, " has no more than its addresses: ", content.error().message});
  return lb::PrefixSet::build(set.addresses);
}

}  // namespace

Outcome<std::shared_ptr<const Model>> read_sets(std::shared_ptr<const Model> model) {
  if (model->sets.empty()) return model;
  Model with_sets = *model;
  for (const auto& [name, set] : model->sets) {
    auto content = read_set(*set);
    if (!content) {
      return refuse(Refusal::Kind::kUnavailable,
                    "set \"" + name + "\" cannot be read: " + content.error().message);
    }
    auto read = std::make_shared<SetModel>(*set);
    read->content = std::move(*content);
    with_sets.sets.set(name, std::move(read));
  }
  return std::make_shared<const Model>(std::move(with_sets));
}

std::shared_ptr<const Model> without_set_contents(std::shared_ptr<const Model> model) {
  if (model->sets.empty() && model->inspections.empty()) return model;
  Model without = *model;
  for (const auto& [name, inspection] : model->inspections) {
    auto stripped = std::make_shared<InspectionModel>(*inspection);
    stripped->from_file = nullptr;
    without.inspections.set(name, std::move(stripped));
  }
  for (const auto& [name, set] : model->sets) {
    auto stripped = std::make_shared<SetModel>(*set);
    stripped->content = nullptr;
    without.sets.set(name, std::move(stripped));
  }
  return std::make_shared<const Model>(std::move(without));
}

SetContents Gateway::Parts::contents_for(const Model& next) const {
  static const SetContents kNone;
  const SetContents& now = effective ? effective->sets : kNone;
  SetContents contents;
  for (const auto& [name, set] : next.sets) {
    const auto known = now.find(name);
    const auto then = model ? model->sets.find(name) : next.sets.end();
    const bool is_same_set = model && then != model->sets.end() && *then->second == *set;
    if (known != now.end() && (set->content ? *set->content == *known->second : is_same_set)) {
      contents.emplace(name, known->second);
    } else {
      contents.emplace(name, set->content ? set->content : content_now(*set));
    }
  }
  return contents;
}

void Gateway::Parts::follow_sets() {
  const auto now = time->wall();
  const std::lock_guard lock(instant);
  std::erase_if(set_rows, [&](const auto& row) { return !effective->sets.contains(row.first); });
  for (const auto& [name, content] : effective->sets) {
    SetRow& row = set_rows[name];
    const auto known = set_contents.find(name);
    if (known == set_contents.end() || known->second != content) row.read_at = now;
    row.name = name;
    row.prefixes = content->size();
  }
  set_contents = effective->sets;
}

void Gateway::observe(std::vector<SetReading> readings) {
  Parts& parts = *parts_;
  const auto seen = parts.time->wall();
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard lock(parts.state);
  Step step = parts.step_now();
  for (SetReading& reading : readings) {
    const auto set = parts.model->sets.find(reading.of->name);
    if (set == parts.model->sets.end() || *set->second != *reading.of) continue;  // it means another by now
    auto& content = step.sets[reading.of->name];
    if (!reading.content) {
      const std::lock_guard at_once(parts.instant);
      ++parts.set_rows[reading.of->name].failures;
      log_error({"set ", reading.of->name, " keeps its old content: ", reading.error});
    } else if (!content || *content != *reading.content) {
      content = std::move(reading.content);
      step.causes.push_back({ChangeCause::kSource, "set/" + reading.of->name, seen});
      log_info({"set ", reading.of->name, " has ", std::to_string(content->size()), " prefixes"});
    }
  }
  if (step.sets == parts.effective->sets) return;
  if (const auto taken = parts.take(step); !taken) {
    log_error({"what sets have now cannot be taken: ", taken.error().message});
  }
}

std::vector<SetRow> Gateway::sets() const {
  const std::lock_guard lock(parts_->instant);
  std::vector<SetRow> rows;
  for (const auto& [name, row] : parts_->set_rows) rows.push_back(row);
  return rows;
}

}  // namespace sluice::ctrl
