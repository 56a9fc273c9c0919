#include "ctrl/source/inspection_watch.h"

#include <utility>

#include "ctrl/intent/rules_file.h"

namespace sluice::ctrl {
namespace {

bool is_same_inspection(const void* a, const void* b) {
  return *static_cast<const InspectionModel*>(a) == *static_cast<const InspectionModel*>(b);
}

std::vector<InspectionReading> read_rules_of(const std::vector<WatchedFile>& files) {
  std::vector<InspectionReading> readings;
  for (const WatchedFile& file : files) {
    const auto inspection = std::static_pointer_cast<const InspectionModel>(file.of);
    auto rules = read_rules(*inspection);
    if (rules) {
      readings.push_back({inspection, std::move(*rules)});
    } else {
      readings.push_back({inspection, nullptr, rules.error().message});
    }
  }
  return readings;
}

}  // namespace

InspectionWatch::InspectionWatch(Deliver deliver)
    : watch_([deliver = std::move(deliver)](const auto& files) { deliver(read_rules_of(files)); },
             is_same_inspection) {}

void InspectionWatch::follow(const SharedMap<InspectionModel>& inspections) {
  {
    const std::lock_guard lock(mutex_);
    if (inspections == followed_) return;  // most publications are about something else
    followed_ = inspections;
  }
  std::vector<WatchedFile> files;
  for (const auto& [name, inspection] : inspections) {
    if (!inspection->rules_file.empty()) files.push_back({name, inspection->rules_file, inspection});
  }
  watch_.follow(std::move(files));
}

}  // namespace sluice::ctrl
