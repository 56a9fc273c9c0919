// Begins coroutines. Apart, since whoever includes Asio's own co_spawn() compiles for two seconds more.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <exception>
#include <functional>

namespace sluice::ctrl {

/// Begins a coroutine that nobody waits for; what it throws is lost.
void spawn(const boost::asio::any_io_executor& executor, boost::asio::awaitable<void> task);
/// `done` is called at its end, with what it has thrown, else null.
void spawn(const boost::asio::any_io_executor& executor, boost::asio::awaitable<void> task,
           std::function<void(std::exception_ptr)> done);

}  // namespace sluice::ctrl
