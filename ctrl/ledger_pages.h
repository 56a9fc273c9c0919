// The log over HTTP: checkpoint, tiles and entry bundles as C2SP tlog-tiles has them, blocks and proofs. What
// is not there, beyond the checkpoint, or not in canonical form is 404. A thread of its own reads them, one
// after the other: a disk that is slow holds up who reads the log, and nothing else on the control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "ctrl/gateway.h"
#include "ctrl/http_server.h"
#include "ledger/log_reader.h"

namespace sluice::ctrl {

/// Functions are for the control thread. No more is read or waits than the HTTP server has connections.
class LedgerPages {
 public:
  /// Borrows both. Fails where the gateway's log cannot be opened.
  static Result<std::unique_ptr<LedgerPages>> open(boost::asio::io_context& control, Gateway& gateway);

  /// Answers `path`, which is what follows `/ledger/`. Reads as much of the disk as a tile's entries or a
  /// block need; a proof first asks the ledger where its transaction lies.
  void answer(std::string_view path, const HttpServer::Reply& reply);

 private:
  /// Runs on the reading thread.
  using Page = std::function<Result<HttpAnswer>(ledger::LogReader&)>;

  LedgerPages(boost::asio::io_context& control, Gateway& gateway) : control_(control), gateway_(gateway) {}

  void prove(const dataplane::LocateRequest& wanted, const HttpServer::Reply& reply);
  void read(Page page, const HttpServer::Reply& reply);

  boost::asio::io_context& control_;
  Gateway& gateway_;
  ledger::PosixFileSystem files_;
  std::optional<ledger::LogReader> log_;  // the reading thread's, once it is open
  boost::asio::thread_pool reader_{1};    // last, so that it has ended before what it reads through goes
};

}  // namespace sluice::ctrl
