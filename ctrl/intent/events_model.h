// `events` of the configuration: who is told of what happens, besides those that ask for it. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sluice::ctrl {

struct NatsModel {
  std::vector<std::string> servers;                 ///< `nats://HOST:PORT`, one at least: tried in turn
  std::string subject = "sluice.{gateway}.{kind}";  ///< with the placeholders `{gateway}` and `{kind}`
  bool operator==(const NatsModel&) const = default;
};

struct EventsModel {
  std::optional<NatsModel> nats;
  bool operator==(const EventsModel&) const = default;
};

}  // namespace sluice::ctrl
