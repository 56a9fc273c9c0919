// What the control thread does again and again: the gateway's ticks, the workers' heartbeat, maintenance,
// sources.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>

#include "ctrl/daemon/heartbeat.h"
#include "ctrl/ledger/ledger_room.h"
#include "ctrl/ledger/ledger_watch.h"

namespace sluice::ctrl {

class ControlThreads;
class Gateway;
class PacketCaptures;
class SourceRunner;
class UiState;

class Rounds {
 public:
  explicit Rounds(boost::asio::io_context& io) : io_(io) {}

  /// All that the rounds go by. It outlives the loop.
  struct Of {
    Gateway& gateway;
    PacketCaptures& captures;
    SourceRunner& sources;
    UiState& ui;
    ControlThreads& threads;
    std::function<void()> stop;  ///< asked for where the ledger has failed, or nothing comes any more
  };
  /// They end with the loop; what they throw leaves its run(). `patience`: stop once no packet has come for
  /// so long.
  void begin(Of of, std::optional<std::chrono::duration<double>> patience);

  const Heartbeat& heartbeat() const { return heartbeat_; }
  const LedgerRoom& ledger_room() const { return ledger_room_; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{5};
  static constexpr std::chrono::milliseconds kBeat{500};
  static constexpr std::chrono::milliseconds kMaintenance{50};
  static constexpr std::chrono::milliseconds kSourceMaintenance{250};
  static constexpr std::chrono::seconds kWorkerPatience{5};

  static void pass_on(std::exception_ptr failure);
  void watch_ledger();
  void tell_stalled();
  boost::asio::awaitable<void> tick();
  boost::asio::awaitable<void> beat();
  boost::asio::awaitable<void> maintain();
  boost::asio::awaitable<void> mind_sources();
  boost::asio::awaitable<void> watch_idle(std::chrono::duration<double> patience);

  boost::asio::io_context& io_;
  boost::asio::steady_timer tick_timer_{io_}, beat_timer_{io_}, idle_timer_{io_}, maintenance_timer_{io_},
      source_timer_{io_};
  std::optional<Of> of_;
  Heartbeat heartbeat_{kWorkerPatience};
  LedgerRoom ledger_room_;
  LedgerWatch ledger_watch_;
  std::atomic<bool> is_maintaining_ = false;
  std::atomic<bool> is_minding_tunnels_ = false;
};

}  // namespace sluice::ctrl
