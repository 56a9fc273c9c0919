#include "ctrl/observed/source_log.h"

#include <spdlog/spdlog.h>

namespace sluice::ctrl {

void SourceLog::state(const std::string& source, const std::string& pool, const DiscoveredPool& now,
                      LineBudget::Time time) {
  if (!states_.take(time)) return;
  const bool is_bad = now.state() > SourceState::kConnecting;
  spdlog::log(is_bad ? spdlog::level::warn : spdlog::level::info,
              "source is {}: source={} pool={} instances={}{}", word_for(now.state()), source, pool,
              now.present().size(), now.reason().empty() ? "" : " reason=\"" + now.reason() + "\"");
}

void SourceLog::left_out(const std::string& source, const std::string& pool, const std::string& entry,
                         LineBudget::Time time) {
  if (!entries_.take(time)) return;
  spdlog::warn("an entry of a source is left out: source={} pool={} entry=\"{}\"", source, pool, entry);
}

void SourceLog::tick(LineBudget::Time now) {
  for (LineBudget* lines : {&states_, &entries_}) {
    if (const uint64_t left_out = lines->left_out(now)) {
      spdlog::warn("{} more lines about sources were left out: see source.list", left_out);
    }
  }
}

}  // namespace sluice::ctrl
