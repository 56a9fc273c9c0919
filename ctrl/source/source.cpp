#include "ctrl/source/source.h"

#include <algorithm>
#include <exception>
#include <random>

#include "ctrl/log/log_line.h"
#include "ctrl/net/spawn.h"

namespace sluice::ctrl {

namespace asio = boost::asio;

void Source::spawn(asio::awaitable<void> task) {
  // The completion handler lies in the coroutine's frame, and holds this source as long.
  ctrl::spawn(io_.get_executor(), std::move(task), [self = shared_from_this()](std::exception_ptr failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log_error({"a task of a source has failed: ", error.what()});
    }
  });
}

std::chrono::milliseconds Backoff::next() {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto longest = std::exchange(step_, std::min(2 * step_, kLongest));
  return std::chrono::milliseconds(std::uniform_int_distribution<std::chrono::milliseconds::rep>(
      longest.count() / 2, longest.count())(random));
}

}  // namespace sluice::ctrl
