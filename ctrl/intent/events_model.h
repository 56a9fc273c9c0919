// `events` of the configuration: who is told of what happens, besides those that ask for it. Values.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/intent/source_model.h"

namespace sluice::ctrl {

struct NatsModel {
  std::vector<std::string> servers;  ///< `nats://HOST:PORT` or `tls://...`, one at least: tried in turn
  std::string subject = "sluice.{gateway}.{kind}";  ///< with the placeholders `{gateway}` and `{kind}`
  // By what the server knows us: one of the three at most. Files: absolute, or `credential:NAME`.
  std::string user, password_file;
  std::string token_file;
  std::string nkey_file;  ///< of a user's seed
  SourceTlsModel tls;
  /// Whether nothing is said without TLS: one server that is to have it speaks for all.
  bool needs_tls() const {
    return tls.enabled ||
           std::ranges::any_of(servers, [](const auto& server) { return server.starts_with("tls://"); });
  }
  bool operator==(const NatsModel&) const = default;
};

struct EventsModel {
  std::optional<NatsModel> nats;
  bool operator==(const EventsModel&) const = default;
};

}  // namespace sluice::ctrl
