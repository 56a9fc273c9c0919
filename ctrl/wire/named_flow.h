// A flow record with names and the wall clock, as those that write it somewhere are given it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/address.h"
#include "lb/flow_record.h"

namespace sluice::ctrl {

/// Borrowed for the time of a call.
struct NamedFlow {
  const lb::FlowRecord& record;
  uint64_t begin_ns;  ///< since 1970
  uint64_t end_ns;
  const std::string& service;
  const std::string& pool;
  IpAddress backend;
  uint16_t backend_port;  ///< where the pool gives none, the one that the client sends to
};

/// Who is told of flows. All calls come from the one thread that reads records.
class FlowListener {
 public:
  virtual ~FlowListener() = default;
  /// What has not ended is not to be counted as told or lost.
  virtual void take(const NamedFlow& flow) = 0;
  /// Some have been taken, or nothing has come for some milliseconds: write what waits.
  virtual void pause() = 0;
  /// Nothing more will come: write what waits, within so long, and count what is lost.
  virtual void finish(std::chrono::milliseconds patience) = 0;
};

}  // namespace sluice::ctrl
