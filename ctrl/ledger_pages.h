// The log over HTTP: checkpoint, tiles and entry bundles as C2SP tlog-tiles has them, blocks and proofs. What
// is not there, beyond the checkpoint, or not in canonical form is 404. Control thread.
#pragma once

#include <string_view>

#include "ctrl/gateway.h"
#include "ctrl/http_server.h"

namespace sluice::ctrl {

/// Answers `path`, which is what follows `/ledger/`. Reads as much of the disk as a tile's entries or a block
/// need; a proof first asks the ledger where its transaction lies. `gateway` outlives the answer.
void answer_ledger_page(Gateway& gateway, std::string_view path, const HttpServer::Reply& reply);

}  // namespace sluice::ctrl
