// Waits for timers. Apart, since an Asio operation that a coroutine awaits takes most of a second to compile.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sluice::ctrl {

/// Returns when `timer` expires, or its wait is cancelled: false then. The timer must live until then. To be
/// awaited in a statement of its own: GCC 12 miscompiles co_await in the condition of a loop.
boost::asio::awaitable<bool> expiry(boost::asio::steady_timer& timer);

/// The same, after so long from now.
boost::asio::awaitable<bool> pause(boost::asio::steady_timer& timer,
                                   boost::asio::steady_timer::duration time);

}  // namespace sluice::ctrl
