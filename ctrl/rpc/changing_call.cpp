#include "ctrl/rpc/changing_call.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ctrl/log/log_line.h"

namespace sluice::ctrl {
namespace {

/// At most so many of a list are told in a log line.
constexpr size_t kMostTold = 8;

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (size_t i = 0; i < std::min(words.size(), kMostTold); ++i) text += (i > 0 ? separator : "") + words[i];
  if (words.size() > kMostTold) text += " and " + std::to_string(words.size() - kMostTold) + " more";
  return text;
}

std::string reason_of(const Refusal& refusal) {
  std::vector<std::string> faults;
  for (const Fault& fault : refusal.faults) faults.push_back(fault.pointer + ": " + fault.message);
  return refusal.message + (faults.empty() ? "" : ": " + joined(faults, "; "));
}

}  // namespace

ChangingCall::ChangingCall(const Method& method, Peer peer, const CallAudit& audit, Subject before)
    : method_(method),
      peer_(std::move(peer)),
      audit_(audit),
      before_(std::move(before)),
      generation_(generation()) {}

void ChangingCall::end(const std::string& after, const Answer& answer, std::string_view kind) const {
  const std::string words = words_for(after, answer);
  if (!audit_.audit) return answer ? log_info({words}) : log_warning({words});
  audit_.audit->record({.peer = peer_,
                        .method = method_.name,
                        .object = before_.object,
                        .before = before_.state,
                        .after = after,
                        .generation_before = generation_,
                        .generation_after = generation(),
                        .result = answer ? "ok" : kind},
                       words);
}

std::optional<uint64_t> ChangingCall::generation() const {
  return audit_.generation ? std::optional(audit_.generation()) : std::nullopt;
}

std::string ChangingCall::words_for(const std::string& after, const Answer& answer) const {
  const std::string who = std::string(method_.name) + " by " + peer_.subject + " (" + place_of(peer_) + ")" +
                          (before_.object.empty() ? "" : " of " + before_.object);
  if (!answer) return who + ": refused: " + reason_of(answer.error());
  std::string what = before_.state.empty() ? "done" : before_.state + " -> " + after;
  const auto changed = answer->find("changed");
  if (changed != answer->end() && !changed->empty()) {
    what += ", changed " + joined(changed->get<std::vector<std::string>>(), ", ");
  }
  return who + ": " + what;
}

}  // namespace sluice::ctrl
