// Publishes events to a NATS server, one after the other as they come, for as long as it lives; where the
// server is away, it tries again, and what does not fit meanwhile is lost and counted. Control thread;
// nothing blocks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "ctrl/intent/events_model.h"
#include "ctrl/store/event_hub.h"

namespace sluice::ctrl {

struct Model;

class NatsPublisher {
 public:
  static constexpr size_t kMostWaiting = 4096;  ///< events, the oldest of which give way

  /// Borrows `io` and `hub`.
  NatsPublisher(boost::asio::io_context& io, EventHub& hub, const NatsModel& model,
                const std::string& gateway);
  ~NatsPublisher();
  NatsPublisher(const NatsPublisher&) = delete;

  /// Has `publisher` be what a configuration asks for: made, made anew, or null.
  static void follow(std::unique_ptr<NatsPublisher>& publisher, boost::asio::io_context& io, EventHub& hub,
                     const Model& model);

 private:
  struct State;
  std::shared_ptr<State> state_;
  EventHub& hub_;
  const NatsModel model_;
  uint64_t number_ = 0;  ///< as a listener; 0: it is none
};

/// What a subject of the configuration becomes for one kind of event.
std::string nats_subject(const std::string& pattern, const std::string& gateway, EventKind kind);

}  // namespace sluice::ctrl
