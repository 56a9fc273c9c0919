#include "ctrl/source/set_watch.h"

#include <utility>

#include "ctrl/intent/set_file.h"

namespace sluice::ctrl {
namespace {

bool is_same_set(const void* a, const void* b) {
  return *static_cast<const SetModel*>(a) == *static_cast<const SetModel*>(b);
}

std::vector<SetReading> read_sets_of(const std::vector<WatchedFile>& files) {
  std::vector<SetReading> readings;
  for (const WatchedFile& file : files) {
    const auto set = std::static_pointer_cast<const SetModel>(file.of);
    auto content = read_set(*set);
    if (content) {
      readings.push_back({set, std::move(*content)});
    } else {
      readings.push_back({set, nullptr, content.error().message});
    }
  }
  return readings;
}

}  // namespace

SetWatch::SetWatch(Deliver deliver)
    : watch_([deliver = std::move(deliver)](const auto& files) { deliver(read_sets_of(files)); },
             is_same_set) {}

void SetWatch::follow(const SharedMap<SetModel>& sets) {
  {
    const std::lock_guard lock(mutex_);
    if (sets == followed_) return;  // most publications are about something else
    followed_ = sets;
  }
  std::vector<WatchedFile> files;
  for (const auto& [name, set] : sets) {
    if (!set->file.empty()) files.push_back({name, set->file, set});
  }
  watch_.follow(std::move(files));
}

}  // namespace sluice::ctrl
