// The methods of the control socket, one file for each noun, as tables. Each says on which thread it is
// called.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "ctrl/rpc/method.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/ledger_reader.h"
#include "ctrl/store/packet_captures.h"

namespace sluice::ctrl {

/// What the daemon knows of itself besides the gateway.
struct DaemonFacts {
  std::string version;
  std::string config_file;
  std::chrono::system_clock::time_point started;
};

/// What methods work on. Lives as long as the control server.
struct MethodContext {
  Gateway& gateway;
  const DaemonFacts& facts;
  std::vector<Method> methods;  ///< for system.methods
  ControlThreads& threads;
  LedgerReader* ledger_reader;  ///< null where there is no ledger
  PacketCaptures& captures;
  std::function<void(std::function<void()>)> on_loop;  ///< calls something on the control thread
};

std::vector<Method> system_methods();
std::vector<Method> config_methods();
std::vector<Method> service_methods();
std::vector<Method> backend_methods();
std::vector<Method> capture_methods();
std::vector<Method> change_methods();
std::vector<Method> source_methods();
std::vector<Method> drop_methods();
std::vector<Method> event_methods();
std::vector<Method> flow_methods();
std::vector<Method> inspection_methods();
std::vector<Method> ledger_methods();
std::vector<Method> log_methods();
std::vector<Method> trace_methods();
std::vector<Method> tunnel_methods();
std::vector<Method> stats_methods();
std::vector<Method> neighbor_methods();

/// All of them, in the order of their names.
std::vector<Method> all_methods();

}  // namespace sluice::ctrl
