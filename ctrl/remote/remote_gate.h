// Who may speak with remote control: everybody who is known and has a role, until they have failed too often.
// The thread of remote control.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/access/audit.h"
#include "ctrl/access/authenticator.h"
#include "ctrl/access/failure_limiter.h"
#include "ctrl/access/remote_counts.h"
#include "ctrl/http/http_gate.h"
#include "ctrl/intent/remote_model.h"
#include "ctrl/store/span_queue.h"

namespace sluice::ctrl {

class RemoteGate : public HttpGate {
 public:
  /// All but the first two outlive it; `spans` may be null.
  RemoteGate(Authenticator authenticator, std::vector<RoleRule> roles, RemoteCounts& counts, Audit& audit,
             SpanQueue* spans);

  std::shared_ptr<SSL_CTX> tls() override;
  std::unique_ptr<HttpVisit> visit(std::string address) override;
  /// Looks whether files have changed.
  void look();

 private:
  class Visit;
  std::optional<Role> role_of(const Identity& identity) const;
  void count(RemoteFault fault);

  Authenticator authenticator_;
  std::vector<RoleRule> roles_;
  RemoteCounts& counts_;
  Audit& audit_;
  SpanQueue* spans_;
  FailureLimiter limiter_;
};

}  // namespace sluice::ctrl
