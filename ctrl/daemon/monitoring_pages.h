// The pages of the HTTP server, besides the log: metrics, health, readiness, version. Control thread.
#pragma once

#include <vector>

#include "ctrl/http/http_server.h"

namespace sluice::ctrl {

class ControlSteps;
class ControlThreads;
class Gateway;
class HealthChecks;
class Heartbeat;
class LedgerPages;
class LedgerRoom;
class Audit;
class RegistryServer;
class RemoteServer;
class SourceRunner;
class UiState;
struct DaemonFacts;
struct ReadyCondition;

/// What the pages tell of. The server opens its port before there is a gateway: pointers are set before the
/// first request is read.
struct Monitored {
  const DaemonFacts& facts;
  const ControlSteps& steps;
  const Heartbeat& heartbeat;
  const LedgerRoom& ledger_room;
  const bool& is_leaving;
  ControlThreads& threads;
  boost::asio::io_context& io;
  Gateway* gateway = nullptr;
  LedgerPages* ledger_pages = nullptr;
  const HealthChecks* health = nullptr;
  const SourceRunner* sources = nullptr;
  const RegistryServer* registry = nullptr;  ///< null: there is none
  const RemoteServer* remote = nullptr;      ///< likewise
  const Audit* audit = nullptr;              ///< null: it has no file
  UiState* ui = nullptr;
};

/// What /readyz goes by.
std::vector<ReadyCondition> ready_conditions(const Monitored& of);

/// Borrows its argument.
HttpServer::Site monitoring_site(const Monitored& of);

}  // namespace sluice::ctrl
