// Sends records of flows to a collector of IPFIX (RFC 7011), by UDP or TCP, without ever waiting for it: what
// it does not take in time is lost and counted, and said once. For the thread that reads records.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "ctrl/intent/flow_log_model.h"
#include "ctrl/telemetry/flow_tally.h"
#include "ctrl/wire/ipfix_message.h"
#include "ctrl/wire/named_flow.h"

namespace sluice::ctrl {

class IpfixExporter : public FlowListener {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kMostWaiting = 65'536;  ///< records, about 12 MiB
  static constexpr size_t kMostDatagram = 1400;   ///< bytes: fits every link on the way
  static constexpr size_t kMostMessage = 16'384;  ///< of TCP
  static constexpr std::chrono::seconds kBetweenTemplates{60};
  static constexpr std::chrono::milliseconds kBetweenAttempts{1000};
  static constexpr std::chrono::milliseconds kConnecting{5000};

  IpfixExporter(const FlowLogModel& model, FlowTally tally);
  ~IpfixExporter() override;
  IpfixExporter(const IpfixExporter&) = delete;
  IpfixExporter& operator=(const IpfixExporter&) = delete;

  void take(const NamedFlow& flow) override;
  void pause() override;
  void finish(std::chrono::milliseconds patience) override;

 private:
  struct Waiting {
    ipfix::DataRecord record;
    bool counts;  ///< it is of a flow that has ended
  };
  /// A message on its way out, or part of it.
  struct Outgoing {
    std::string bytes;
    size_t sent = 0;
    uint32_t records = 0;  ///< in it
    uint64_t counted = 0;  ///< of those, of flows that have ended
  };

  bool is_tcp() const { return model_.kind == FlowLogModel::Kind::kIpfixTcp; }
  void attempt(Clock::time_point now);
  std::string connect_once();
  bool is_connected(Clock::time_point now);
  void send_waiting(Clock::time_point now);
  bool make_next(Clock::time_point now);
  bool send_next();
  void disconnect(const std::string& why);
  void note_working();
  bool has_ended();

  const FlowLogModel model_;
  const std::string name_;  ///< for the log
  FlowTally tally_;
  std::deque<Waiting> waiting_;
  std::optional<Outgoing> outgoing_;
  int socket_ = -1;
  bool is_connecting_ = false;
  Clock::time_point attempted_{};
  std::optional<Clock::time_point> templates_sent_;  ///< on this connection
  uint32_t sequence_ = 0;                            ///< data records sent in this stream
  bool is_failing_ = false;
  bool is_unheard_said_ = false;
};

}  // namespace sluice::ctrl
