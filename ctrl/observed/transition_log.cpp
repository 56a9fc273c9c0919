#include "ctrl/observed/transition_log.h"

#include <map>
#include <string>
#include <string_view>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/log/log_line.h"

namespace sluice::ctrl {
namespace {

std::string port_text(const ServiceModel& service) {
  const PortRange range{service.first_port, service.last_port};
  if (range.is_any()) return "any";
  const std::string first = std::to_string(range.first);
  return range.first == range.last ? first : first + "-" + std::to_string(range.last);
}

bool lost_its_last(const PoolTransition& change) {
  return change.now.available == 0 && change.available_before.value_or(1) != 0;
}

bool has_somebody_again(const PoolTransition& change) {
  return change.now.available != 0 && change.available_before == 0u;
}

}  // namespace

bool LineBudget::take(Time now) {
  if (is_over(now) && left_out_ == 0) {
    start_ = now;
    used_ = 0;
  }
  if (used_ < kLinesPerSecond) return ++used_;
  ++left_out_;
  return false;
}

uint64_t LineBudget::left_out(Time now) {
  return is_over(now) ? std::exchange(left_out_, 0) : 0;
}

void TransitionLog::write(const StatusChanges& changes, const Model& model, Time now) {
  for (const BackendTransition& change : changes.backends) write(change, now);
  for (const PoolTransition& change : changes.pools) {
    if (const auto pool = model.pools.find(change.pool); pool != model.pools.end()) {
      write(change, *pool->second, now);
    }
  }
  write_services(changes, model, now);
}

void TransitionLog::write(const BackendTransition& change, Time now) {
  if (!backend_lines_.take(now)) return;
  const BackendKey& key = change.key;
  const std::string who =
      "pool=" + key.pool + " address=" + key.address.to_string() + " port=" + std::to_string(key.port);
  const char* const now_word = word_for(change.to);
  if (change.from != change.to) {
    const LogLevel level = change.to == lb::BackendState::kDown ? LogLevel::kWarning : LogLevel::kInfo;
    log_line(level, {"backend is ", now_word, ": ", who, " from=", word_for(change.from), " to=", now_word,
                     " reason=\"", change.reason, "\""});
  } else if (!change.is_checked) {
    log_warning({"backend cannot be checked: ", who, " state=", now_word, " reason=\"", change.reason, "\""});
  } else {
    log_info({"backend is checked again: ", who, " state=", now_word, " reason=\"", change.reason, "\""});
  }
}

void TransitionLog::write(const PoolTransition& change, const PoolModel& pool, Time now) {
  if (lost_its_last(change) && pool_lines_.take(now)) {
    log_error({"pool has nobody left: pool=", pool.name, " backends=", change.now.listed,
               " fail_open=", pool.fail_open ? "true" : "false"});
  } else if (has_somebody_again(change) && pool_lines_.take(now)) {
    log_info({"pool is back: pool=", pool.name, " backends=", change.now.listed,
              " available=", change.now.available});
  }
}

void TransitionLog::write_services(const StatusChanges& changes, const Model& model, Time now) {
  std::map<std::string_view, bool> is_lost;
  for (const PoolTransition& change : changes.pools) {
    if (lost_its_last(change)) is_lost[change.pool] = true;
    if (has_somebody_again(change)) is_lost[change.pool] = false;
  }
  if (is_lost.empty()) return;
  for (const auto& [name, service] : model.services) {
    for (const std::string_view pool : pools_of(*service)) {
      const auto found = is_lost.find(pool);
      if (found == is_lost.end() || !service_lines_.take(now)) continue;
      log_line(found->second ? LogLevel::kError : LogLevel::kInfo,
               {found->second ? "service has nobody left: " : "service is back: ", "service=", name,
                " address=", service->address.to_string(), " port=", port_text(*service),
                " protocol=", word_for(service->protocol), " pool=", pool});
    }
  }
}

void TransitionLog::tick(Time now) {
  const auto say = [now](LineBudget& lines, std::string_view of) {
    if (const uint64_t left_out = lines.left_out(now)) {
      log_warning(
          {left_out, " more lines about ", of, " were left out: see backend.list and /readyz?verbose"});
    }
  };
  say(backend_lines_, "backends");
  say(pool_lines_, "pools");
  say(service_lines_, "services");
}

}  // namespace sluice::ctrl
