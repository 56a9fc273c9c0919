#include "ctrl/net/spawn.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

namespace sluice::ctrl {

void spawn(const boost::asio::any_io_executor& executor, boost::asio::awaitable<void> task) {
  boost::asio::co_spawn(executor, std::move(task), boost::asio::detached);
}

void spawn(const boost::asio::any_io_executor& executor, boost::asio::awaitable<void> task,
           std::function<void(std::exception_ptr)> done) {
  boost::asio::co_spawn(executor, std::move(task), std::move(done));
}

}  // namespace sluice::ctrl
