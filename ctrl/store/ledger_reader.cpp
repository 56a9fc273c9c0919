#include "ctrl/store/ledger_reader.h"

namespace sluice::ctrl {

Result<std::unique_ptr<LedgerReader>> LedgerReader::open(boost::asio::io_context& control,
                                                         const std::string& directory) {
  std::unique_ptr<LedgerReader> reader(new LedgerReader(control));
  auto log = ledger::LogReader::open(reader->files_, directory);
  if (!log) return tl::unexpected(log.error());
  reader->log_ = std::move(*log);
  return reader;
}

}  // namespace sluice::ctrl
