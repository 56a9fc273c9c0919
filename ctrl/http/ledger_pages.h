// The log over HTTP: checkpoint, tiles and entry bundles as C2SP tlog-tiles has them, blocks and proofs. What
// is not there, beyond the checkpoint, or not in canonical form is 404. The disk is read by LedgerReader.
#pragma once

#include <functional>
#include <string_view>

#include "ctrl/http/http_server.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/ledger_reader.h"

namespace sluice::ctrl {

/// Functions are for the control thread.
class LedgerPages {
 public:
  /// Borrows both; null where the gateway has no ledger.
  LedgerPages(Gateway& gateway, LedgerReader* reader) : gateway_(gateway), reader_(reader) {}

  /// Answers `path`, which is what follows `/ledger/`. Reads as much of the disk as a tile's entries or a
  /// block need; a proof first asks the ledger where its transaction lies.
  void answer(std::string_view path, const HttpServer::Reply& reply);

 private:
  /// Runs on the reading thread.
  using Page = std::function<Result<HttpAnswer>(ledger::LogReader&)>;

  void prove(const dataplane::LocateRequest& wanted, const HttpServer::Reply& reply);
  void read(Page page, const HttpServer::Reply& reply);

  Gateway& gateway_;
  LedgerReader* reader_;
};

}  // namespace sluice::ctrl
