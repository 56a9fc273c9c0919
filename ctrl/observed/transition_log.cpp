#include "ctrl/observed/transition_log.h"

#include <spdlog/spdlog.h>

#include <map>
#include <string>
#include <string_view>

#include "ctrl/intent/config_values.h"

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
      fmt::format("pool={} address={} port={}", key.pool, key.address.to_string(), key.port);
  if (change.from != change.to) {
    const auto level = change.to == lb::BackendState::kDown ? spdlog::level::warn : spdlog::level::info;
    spdlog::log(level, "backend is {1}: {2} from={0} to={1} reason=\"{3}\"", word_for(change.from),
                word_for(change.to), who, change.reason);
  } else if (!change.is_checked) {
    spdlog::warn("backend cannot be checked: {} state={} reason=\"{}\"", who, word_for(change.to),
                 change.reason);
  } else {
    spdlog::info("backend is checked again: {} state={} reason=\"{}\"", who, word_for(change.to),
                 change.reason);
  }
}

void TransitionLog::write(const PoolTransition& change, const PoolModel& pool, Time now) {
  if (lost_its_last(change) && pool_lines_.take(now)) {
    spdlog::error("pool has nobody left: pool={} backends={} fail_open={}", pool.name, change.now.listed,
                  pool.fail_open);
  } else if (has_somebody_again(change) && pool_lines_.take(now)) {
    spdlog::info("pool is back: pool={} backends={} available={}", pool.name, change.now.listed,
                 change.now.available);
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
    const auto found = is_lost.find(service->pool);
    if (found == is_lost.end() || !service_lines_.take(now)) continue;
    const std::string what =
        fmt::format("service={} address={} port={} protocol={} pool={}", name, service->address.to_string(),
                    port_text(*service), word_for(service->protocol), service->pool);
    if (found->second) {
      spdlog::error("service has nobody left: {}", what);
    } else {
      spdlog::info("service is back: {}", what);
    }
  }
}

void TransitionLog::tick(Time now) {
  const auto say = [now](LineBudget& lines, std::string_view of) {
    if (const uint64_t left_out = lines.left_out(now)) {
      spdlog::warn("{} more lines about {} were left out: see backend.list and /readyz?verbose", left_out,
                   of);
    }
  };
  say(backend_lines_, "backends");
  say(pool_lines_, "pools");
  say(service_lines_, "services");
}

}  // namespace sluice::ctrl
