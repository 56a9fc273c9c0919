// Reads the log on a thread of its own, one question after the other: a disk that is slow holds up who reads
// the log, and nothing else. Control thread, but for what says otherwise.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "common/result.h"

namespace boost::asio {
class io_context;
}
namespace sluice::ledger {
class LogReader;
}

namespace sluice::ctrl {

class LedgerReader {
 public:
  static constexpr size_t kMostAtOnce = 256;

  /// Borrows `control`. Fails where the directory is no log.
  static Result<std::unique_ptr<LedgerReader>> open(boost::asio::io_context& control,
                                                    const std::string& directory);
  ~LedgerReader();

  /// Calls find(log) on the reading thread and done(what it returned) on the control thread. False: too many
  /// wait already, and neither will be called.
  template <typename Find, typename Done>
  bool read(Find find, Done done) {
    using Found = std::invoke_result_t<Find&, ledger::LogReader&>;
    const auto found = std::make_shared<std::optional<Found>>();
    return run([find = std::move(find), found](ledger::LogReader& log) mutable { found->emplace(find(log)); },
               [done = std::move(done), found]() mutable { done(std::move(**found)); });
  }

 private:
  struct Parts;

  explicit LedgerReader(std::unique_ptr<Parts> parts);
  bool run(std::function<void(ledger::LogReader&)> find, std::function<void()> done);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::ctrl
