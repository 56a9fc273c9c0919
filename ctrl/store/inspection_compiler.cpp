#include "ctrl/store/inspection_compiler.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace sluice::ctrl {
namespace {

using dataplane::Inspection;
using dataplane::InspectionCounts;
using dataplane::InspectionPlan;

constexpr size_t kMostReady = 16;

std::shared_ptr<CompiledInspection> as_compiled(const InspectionCompiler::Model& inspection,
                                                const InspectionCompiler::Rules& rules,
                                                std::shared_ptr<Inspection> made) {
  auto compiled = std::make_shared<CompiledInspection>();
  compiled->of = inspection;
  compiled->rules = rules;
  compiled->inspection = std::move(made);
  return compiled;
}

}  // namespace

bool is_compiled_from(const CompiledInspection& compiled, const InspectionModel& inspection,
                      const InspectionRules& rules) {
  return !compiled.inspection->is_pending() && compiled.of->name == inspection.name &&
         compiled.of->mode == inspection.mode && compiled.of->bytes == inspection.bytes &&
         compiled.of->streams == inspection.streams && *compiled.rules == rules;
}

InspectionCompiler::Compiled InspectionCompiler::find(const InspectionModel& inspection,
                                                      const InspectionRules& rules) const {
  const std::lock_guard lock(mutex_);
  const auto is_it = [&](const Compiled& compiled) { return is_compiled_from(*compiled, inspection, rules); };
  const auto counts = contents_.find(inspection.name);
  if (counts != contents_.end() && is_it(counts->second)) return counts->second;
  const auto found = std::ranges::find_if(ready_, is_it);
  return found != ready_.end() ? *found : nullptr;
}

/// A rule that was there before is counted on. Where all places are taken, those of rules that are gone are
/// taken over.
std::vector<uint32_t> InspectionCompiler::places_for(Kept& kept, const InspectionRules& rules) {
  std::unordered_set<uint32_t> wanted;
  for (const auto& rule : rules) wanted.insert(rule.id);
  std::vector<uint32_t> free;
  if (kept.places.size() + rules.size() > InspectionCounts::kPlaces) {
    std::erase_if(kept.places, [&](const auto& entry) {
      const bool is_gone = !wanted.contains(entry.first);
      if (is_gone) free.push_back(entry.second.number);
      return is_gone;
    });
  }
  std::vector<uint32_t> places;
  for (const auto& rule : rules) {
    auto known = kept.places.find(rule.id);
    if (known == kept.places.end()) {
      auto number = static_cast<uint32_t>(kept.places.size());
      if (!free.empty()) {
        number = free.back();
        free.pop_back();
      }
      known = kept.places.emplace(rule.id, Place{number, kept.counts->matches(number)}).first;
    }
    places.push_back(known->second.number);
  }
  return places;
}

Result<InspectionPlan> InspectionCompiler::plan_for(const InspectionModel& inspection,
                                                    const InspectionRules& rules) {
  const std::lock_guard lock(mutex_);
  Kept& kept = kept_[inspection.name];
  if (!kept.counts) {
    auto counts = InspectionCounts::create(workers_);
    if (!counts) return tl::unexpected(counts.error());
    kept.counts = std::move(*counts);
  }
  return InspectionPlan{.mode = inspection.mode,
                        .bytes = inspection.bytes,
                        .streams = inspection.streams,
                        .workers = workers_,
                        .rules = rules,
                        .places = places_for(kept, rules),
                        .counts = kept.counts};
}

tl::expected<InspectionCompiler::Compiled, dataplane::RuleFault> InspectionCompiler::compile(
    const Model& inspection, const Rules& rules) {
  if (auto found = find(*inspection, *rules)) return found;
  auto plan = plan_for(*inspection, *rules);
  if (!plan) return tl::unexpected(dataplane::RuleFault{std::nullopt, plan.error().message});
  auto made = Inspection::compile(std::move(*plan));
  if (!made) return tl::unexpected(std::move(made.error()));
  const Compiled compiled = as_compiled(inspection, rules, std::move(*made));
  const std::lock_guard lock(mutex_);
  if (ready_.size() == kMostReady) ready_.erase(ready_.begin());
  ready_.push_back(compiled);
  return compiled;
}

InspectionCompiler::Compiled InspectionCompiler::pending(const Model& inspection, const Rules& rules) {
  InspectionPlan plan{.mode = inspection->mode, .bytes = inspection->bytes, .streams = inspection->streams};
  plan.workers = workers_;
  plan.rules = *rules;
  return as_compiled(inspection, rules, Inspection::pending(std::move(plan)));
}

std::vector<std::string> InspectionCompiler::adopt(const InspectionContents& contents,
                                                   std::chrono::system_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ready;
  for (const auto& [name, compiled] : contents) {
    const auto known = contents_.find(name);
    if (known != contents_.end() && known->second == compiled) continue;
    Kept& kept = kept_[name];
    kept.since = now;
    if (compiled->inspection->is_pending()) continue;
    kept.error.clear();
    generations_.push_back(compiled->inspection);
    ready.push_back(name);
  }
  contents_ = contents;
  std::erase_if(ready_, [&](const Compiled& compiled) {
    const auto found = contents.find(compiled->of->name);
    return found != contents.end() && found->second == compiled;
  });
  const auto is_of = [](std::string_view name) {
    return [name](const Compiled& compiled) { return compiled->of->name == name; };
  };
  std::erase_if(kept_, [&](const auto& entry) {
    return !contents.contains(entry.first) && std::ranges::none_of(ready_, is_of(entry.first));
  });
  return ready;
}

void InspectionCompiler::note_failure(const std::string& name, const std::string& error, bool is_reading) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(name);
  if (found == kept_.end()) return;
  found->second.error = error;
  if (is_reading) ++found->second.failures;
}

std::vector<InspectionRow> InspectionCompiler::rows() const {
  const std::lock_guard lock(mutex_);
  std::vector<InspectionRow> rows;
  for (const auto& [name, compiled] : contents_) {
    InspectionRow row{.name = name,
                      .mode = compiled->of->mode,
                      .bytes = compiled->of->bytes,
                      .streams = compiled->of->streams,
                      .is_ready = !compiled->inspection->is_pending()};
    row.database_bytes = compiled->inspection->database_bytes();
    row.stream_bytes = compiled->inspection->stream_bytes();
    const auto kept = kept_.find(name);
    if (kept != kept_.end()) {
      row.error = kept->second.error;
      row.since = kept->second.since;
      row.failures = kept->second.failures;
    }
    const auto* const counts = kept != kept_.end() ? kept->second.counts.get() : nullptr;
    for (const auto& rule : *compiled->rules) {
      InspectionRow::Rule counted{.id = rule.id, .action = rule.action};
      if (counts != nullptr) {
        const auto place = kept->second.places.find(rule.id);
        if (place != kept->second.places.end()) {
          counted.matches = counts->matches(place->second.number) - place->second.before;
        }
      }
      row.rules.push_back(counted);
    }
    if (counts != nullptr) {
      for (const InspectionCounts::OfWorker& worker : counts->workers()) {
        row.open_streams += worker.open_streams.read();
        row.scanned_bytes += worker.scanned_bytes.read();
        row.held_dropped += worker.held_dropped.read();
        row.ambiguous += worker.ambiguous.read();
        row.streams_exceeded += worker.streams_exceeded.read();
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> InspectionCompiler::unready() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, compiled] : contents_) {
    if (!compiled->inspection->is_pending()) continue;
    const auto kept = kept_.find(name);
    const bool has_failed = kept != kept_.end() && !kept->second.error.empty();
    names.push_back(has_failed ? name + ": " + kept->second.error : name + ": its rules are being compiled");
  }
  return names;
}

void InspectionCompiler::tidy() {
  std::vector<std::shared_ptr<Inspection>> unused;  // freed with no lock held: it may take a while
  const std::lock_guard lock(mutex_);
  const auto first = std::partition(generations_.begin(), generations_.end(), [](const auto& generation) {
    return generation.use_count() > 1 || generation->open_streams() != 0;
  });
  unused.assign(std::make_move_iterator(first), std::make_move_iterator(generations_.end()));
  generations_.erase(first, generations_.end());
}

}  // namespace sluice::ctrl
