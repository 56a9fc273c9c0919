#include "ctrl/store/change_spans.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::ctrl {

void ChangeSpans::add(Publication publication) {
  if (!publication.change) return;
  OpenSpan& change = *publication.change;
  const auto tables = static_cast<int64_t>(publication.tables);
  change.add_step("config.compile", publication.compile_began, publication.compiled);
  change.add_step("config.publish", publication.compiled, publication.published,
                  {{"sluice.tables.generation", tables}});
  const std::lock_guard lock(mutex_);
  waiting_.push_back({std::move(publication.change), publication.published, publication.publication,
                      std::vector<bool>(publication.workers)});
}

bool ChangeSpans::is_waiting() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

void ChangeSpans::settle(Time now, const std::function<uint64_t(unsigned worker)>& taken_by) {
  static const std::string kTooLate = "the worker has not come round";
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [&](Waiting& waiting) {
    const Time end = std::max(now, waiting.published);
    const bool is_late = end - waiting.published > kPatience;
    for (unsigned worker = 0; worker < waiting.has_taken.size(); ++worker) {
      if (waiting.has_taken[worker]) continue;
      const bool has_taken = taken_by(worker) >= waiting.publication;
      if (!has_taken && !is_late) continue;
      waiting.has_taken[worker] = true;
      waiting.change->add_step("config.worker", waiting.published, end,
                               {{"sluice.worker", static_cast<int64_t>(worker)}},
                               has_taken ? nullptr : &kTooLate);
    }
    return std::ranges::all_of(waiting.has_taken, [](bool has_taken) { return has_taken; });
  });
}

void ChangeSpans::give_up() {
  std::vector<Waiting> unfinished;
  const std::lock_guard lock(mutex_);
  unfinished.swap(waiting_);
}

}  // namespace sluice::ctrl
