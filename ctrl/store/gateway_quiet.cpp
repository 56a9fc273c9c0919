// Whoever takes a backend away wants to know when it can get no new flow, and when its last one has ended.
#include <algorithm>
#include <map>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

void Gateway::await_quiet(const BackendKey& key, bool until_gone, std::chrono::milliseconds timeout,
                          QuietReply reply) {
  Parts& parts = *parts_;
  Outcome<QuietAnswer> answer;
  {
    const std::lock_guard lock(parts.state);
    const bool is_known = parts.ids.find_backend(key) || parts.departed.contains(key);
    if (!is_known) {
      answer =
          refuse(Refusal::Kind::kNotFound, "there is no backend " + endpoint_text(key.address, key.port) +
                                               " in pool \"" + key.pool + "\", and never was");
    } else {
      const QuietAnswer now = parts.quiet_now(key, parts.flows_of_retired());
      if (!(until_gone ? now.gone : now.quiet) && timeout.count() > 0) {
        if (parts.quiet_waits.size() < kMostQuietWaits && !parts.is_stopping) {
          parts.quiet_waits.push_back({key, until_gone, parts.time->steady() + timeout, std::move(reply)});
          return;
        }
        answer = refuse(Refusal::Kind::kUnavailable, "too many wait for backends already", "try again");
      } else {
        answer = now;
      }
    }
  }
  reply(std::move(answer));
}

void Gateway::answer_quiet() {
  Parts& parts = *parts_;
  std::vector<std::pair<QuietReply, QuietAnswer>> answers;
  {
    const std::lock_guard lock(parts.state);
    if (parts.quiet_waits.empty()) return;
    const auto retired = parts.flows_of_retired();
    const auto now = parts.time->steady();
    std::erase_if(parts.quiet_waits, [&](QuietWait& wait) {
      const QuietAnswer answer = parts.quiet_now(wait.key, retired);
      if (!(wait.until_gone ? answer.gone : answer.quiet) && now < wait.deadline) return false;
      answers.emplace_back(std::move(wait.reply), answer);
      return true;
    });
  }
  for (auto& [reply, answer] : answers) reply(answer);
}

std::map<BackendKey, uint64_t> Gateway::Parts::flows_of_retired() const {
  std::map<BackendKey, uint64_t> flows;
  for (const lb::BackendId id : ids.retired_backends()) {
    flows[ids.retired_backend(id)] += count_backend(id).active_flows;
  }
  return flows;
}

QuietAnswer Gateway::Parts::quiet_now(const BackendKey& key,
                                      const std::map<BackendKey, uint64_t>& retired) const {
  QuietAnswer answer{.generation = tables->generation};
  bool takes_flows = false;
  if (const auto id = ids.find_backend(key)) {
    const lb::Backend& backend = (*tables->backends)[*id];
    takes_flows = backend.weight > 0 && (backend.state == lb::BackendState::kActive ||
                                         (backend.state == lb::BackendState::kDown && backend.keeps_flows));
    answer.active_flows = count_backend(*id).active_flows;
  }
  if (const auto former = retired.find(key); former != retired.end()) answer.active_flows += former->second;
  // A worker that has not come to these tables yet may still begin a flow by those before.
  answer.quiet = !takes_flows && is_settled();
  answer.gone = answer.quiet && answer.active_flows == 0;
  return answer;
}

void Gateway::Parts::give_up_quiet() {
  std::vector<QuietWait> waits;
  {
    const std::lock_guard lock(state);
    waits.swap(quiet_waits);
  }
  for (QuietWait& wait : waits) wait.reply(refuse(Refusal::Kind::kUnavailable, "sluiced is stopping"));
}

}  // namespace sluice::ctrl
