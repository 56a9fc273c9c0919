// What the page shows: `/ui/state`, one document of what methods of the control socket answer and of what is
// counted, made at most a few times a second however many ask; and `/ui/start`, which a page needs once.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/daemon/monitoring_pages.h"
#include "ctrl/http/http_server.h"
#include "ctrl/telemetry/spells.h"
#include "ctrl/telemetry/traffic_history.h"

namespace sluice::ctrl {

struct MethodContext;
struct TrafficTotals;

/// Functions are for the control thread. What takes its time is done on threads that answer.
class UiState {
 public:
  /// A document is handed out again until it is so old; and until four times as long as it took to make, so
  /// that a large configuration costs no more than a part of one thread.
  static constexpr std::chrono::milliseconds kFresh{400};

  /// Borrows both.
  UiState(const Monitored& of, MethodContext& methods);
  ~UiState();

  /// Looks at what a page that is opened later is to know. At least once a second.
  void observe();
  /// `path`: what follows `/ui/`.
  void answer(std::string_view path, const HttpServer::Reply& reply);

 private:
  struct Making;
  using Steady = std::chrono::steady_clock;

  HttpAnswer start_page() const;
  void state_page(const HttpServer::Reply& reply);
  /// Whether the document at hand may be handed out; with `mutex_` held.
  bool is_fresh(Steady::time_point now) const;
  void make();
  void ask_methods(const std::shared_ptr<Making>& making);
  void ask_log();
  /// On a thread that may wait.
  void finish(const std::shared_ptr<Making>& making);
  nlohmann::json counted();
  void see_conditions(const TrafficTotals& totals, Spells::Time now);
  void see_drops(const TrafficTotals& totals, Spells::Time now);

  const Monitored& of_;
  MethodContext& methods_;
  TrafficHistory history_;
  double history_time_ = 0;  ///< Unix seconds, of the last sample
  Spells conditions_{std::chrono::milliseconds(3000)};
  Spells drops_{std::chrono::seconds(10)};
  std::vector<uint64_t> dropped_;  ///< by reason, at the last look
  std::vector<uint64_t> missed_;   ///< by port, likewise

  std::unique_ptr<nlohmann::json> log_;  ///< the ledger's last block and checkpoint, as last read
  bool is_log_asked_ = false;

  std::mutex mutex_;  ///< of all below
  std::shared_ptr<const HttpAnswer> document_;
  Steady::time_point made_{};
  Steady::duration taken_{};
  bool is_making_ = false;
  std::vector<HttpServer::Reply> waiting_;
};

}  // namespace sluice::ctrl
