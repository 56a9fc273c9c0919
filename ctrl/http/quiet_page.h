// `GET /backend/POOL/ADDRESS/PORT/quiet?until=gone&timeout=30s`: what a preStop hook waits for. Control loop.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "ctrl/http/http_server.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

/// What such a path asks for. `path`: what follows `/backend/`, its query with it.
struct QuietRequest {
  BackendKey key;
  bool until_gone = false;
  std::chrono::milliseconds timeout{30'000};
};
/// An Error says which part is wrong; nothing: the path is another one.
Result<std::optional<QuietRequest>> parse_quiet_path(std::string_view path);

/// 200 when it is so, 504 with the same body when the time is over, 404 where there never was such a backend.
void answer_quiet_page(Gateway& gateway, ControlThreads& threads, std::string_view path,
                       const HttpServer::Reply& reply);

}  // namespace sluice::ctrl
