// One call of a method that changes something, from before it is made to its outcome: told on the log, and in
// the audit. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ctrl/access/audit.h"
#include "ctrl/rpc/method.h"

namespace sluice::ctrl {

class SpanQueue;

/// Where calls that change something are told of, refused ones too.
struct CallAudit {
  Audit* audit = nullptr;                     ///< null: on the log alone, for people
  std::function<uint64_t()> generation = {};  ///< of the configuration, on any thread
  SpanQueue* spans = nullptr;                 ///< of requests that are to be traced; null: none is
};

/// Borrows the method and the audit.
class ChangingCall {
 public:
  /// `before`: its subject before the call.
  ChangingCall(const Method& method, Peer peer, const CallAudit& audit, Subject before);

  /// `after`: how its subject is now. `kind`: of what refuses it.
  void end(const std::string& after, const Answer& answer, std::string_view kind) const;

 private:
  std::optional<uint64_t> generation() const;
  std::string words_for(const std::string& after, const Answer& answer) const;

  const Method& method_;
  Peer peer_;
  const CallAudit& audit_;
  Subject before_;
  std::optional<uint64_t> generation_;
};

}  // namespace sluice::ctrl
