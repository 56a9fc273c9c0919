// Reads the log on a thread of its own, one question after the other: a disk that is slow holds up who reads
// the log, and nothing else. Control thread, but for what says otherwise.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/result.h"
#include "ledger/file_system.h"
#include "ledger/log_reader.h"

namespace sluice::ctrl {

class LedgerReader {
 public:
  static constexpr size_t kMostAtOnce = 256;

  /// Borrows `control`. Fails where the directory is no log.
  static Result<std::unique_ptr<LedgerReader>> open(boost::asio::io_context& control,
                                                    const std::string& directory);

  /// Calls find(log) on the reading thread and done(what it returned) on the control thread. False: too many
  /// wait already, and neither will be called.
  template <typename Find, typename Done>
  bool read(Find find, Done done) {
    if (waiting_ >= kMostAtOnce) return false;
    ++waiting_;
    boost::asio::post(thread_, [this, find = std::move(find), done = std::move(done)]() mutable {
      boost::asio::post(control_, [this, done = std::move(done), found = find(*log_)]() mutable {
        --waiting_;
        done(std::move(found));
      });
    });
    return true;
  }

 private:
  explicit LedgerReader(boost::asio::io_context& control) : control_(control) {}

  boost::asio::io_context& control_;
  size_t waiting_ = 0;
  ledger::PosixFileSystem files_;
  std::optional<ledger::LogReader> log_;  // the reading thread's, once it is open
  boost::asio::thread_pool thread_{1};    // last, so that it has ended before what it reads through goes
};

}  // namespace sluice::ctrl
