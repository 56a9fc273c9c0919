// A gateway from afar, over HTTPS: remote control's `POST /rpc`, and its events. Blocks.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "sluicectl/client.h"

namespace sluice::sluicectl {

struct RemoteAccess {
  std::string url;               ///< https://HOST:PORT
  std::string ca;                ///< file; empty: the system's authorities
  std::string certificate, key;  ///< files of a client certificate; empty: none
  std::string token;             ///< `file:PATH`; empty: none
};

/// Reads what it needs, but does not connect yet: each call does. A server that is not trusted gets nothing,
/// least of all the token. `timeout` is for each call as a whole.
Attempt<std::unique_ptr<Client>> connect_from_afar(const RemoteAccess& access,
                                                   std::chrono::milliseconds timeout);

}  // namespace sluice::sluicectl
