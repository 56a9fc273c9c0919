#include "ctrl/observed/source_log.h"

#include "ctrl/log/log_line.h"

namespace sluice::ctrl {

void SourceLog::state(const std::string& source, const std::string& pool, const DiscoveredPool& now,
                      LineBudget::Time time) {
  if (!states_.take(time)) return;
  const bool is_bad = now.state() > SourceState::kConnecting;
  const bool is_pool = !pool.empty();
  log_line(is_bad ? LogLevel::kWarning : LogLevel::kInfo,
           {"source is ", word_for(now.state()), ": source=", source, is_pool ? " pool=" : "", pool,
            is_pool ? " instances=" : " services=", now.present().size(),
            now.reason().empty() ? std::string() : " reason=\"" + now.reason() + "\""});
}

void SourceLog::left_out(const std::string& source, const std::string& pool, const std::string& entry,
                         LineBudget::Time time) {
  if (!entries_.take(time)) return;
  log_warning({"an entry of a source is left out: source=", source, pool.empty() ? "" : " pool=", pool,
               " entry=\"", entry, "\""});
}

void SourceLog::tick(LineBudget::Time now) {
  for (LineBudget* lines : {&states_, &entries_}) {
    if (const uint64_t left_out = lines->left_out(now)) {
      log_warning({left_out, " more lines about sources were left out: see source.list"});
    }
  }
}

}  // namespace sluice::ctrl
