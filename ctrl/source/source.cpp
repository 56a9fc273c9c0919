#include "ctrl/source/source.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <random>

namespace sluice::ctrl {

namespace asio = boost::asio;

void Source::spawn(asio::awaitable<void> task) {
  // The completion handler lies in the coroutine's frame, and holds this source as long.
  asio::co_spawn(io_, std::move(task), [self = shared_from_this()](std::exception_ptr failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      spdlog::error("a task of a source has failed: {}", error.what());
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
