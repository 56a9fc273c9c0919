#include "ctrl/store/ledger_reader.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "ledger/file_system.h"
#include "ledger/log_reader.h"

namespace sluice::ctrl {

struct LedgerReader::Parts {
  explicit Parts(boost::asio::io_context& io) : control(io) {}

  boost::asio::io_context& control;
  size_t waiting = 0;
  ledger::PosixFileSystem files;
  std::optional<ledger::LogReader> log;  // the reading thread's, once it is open
  boost::asio::thread_pool thread{1};    // last, so that it has ended before what it reads through goes
};

LedgerReader::LedgerReader(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LedgerReader::~LedgerReader() = default;

Result<std::unique_ptr<LedgerReader>> LedgerReader::open(boost::asio::io_context& control,
                                                         const std::string& directory) {
  auto parts = std::make_unique<Parts>(control);
  auto log = ledger::LogReader::open(parts->files, directory);
  if (!log) return tl::unexpected(log.error());
  parts->log = std::move(*log);
  return std::unique_ptr<LedgerReader>(new LedgerReader(std::move(parts)));
}

bool LedgerReader::run(std::function<void(ledger::LogReader&)> find, std::function<void()> done) {
  Parts& parts = *parts_;
  if (parts.waiting >= kMostAtOnce) return false;
  ++parts.waiting;
  boost::asio::post(parts.thread, [&parts, find = std::move(find), done = std::move(done)]() mutable {
    find(*parts.log);
    boost::asio::post(parts.control, [&parts, done = std::move(done)] {
      --parts.waiting;
      done();
    });
  });
  return true;
}

}  // namespace sluice::ctrl
