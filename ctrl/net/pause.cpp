#include "ctrl/net/pause.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sluice::ctrl {

using boost::asio::awaitable;
using boost::asio::steady_timer;

awaitable<bool> expiry(steady_timer& timer) {
  boost::system::error_code error;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
  co_return !error;
}

awaitable<bool> pause(steady_timer& timer, steady_timer::duration time) {
  timer.expires_after(time);
  const bool is_over = co_await expiry(timer);
  co_return is_over;
}

}  // namespace sluice::ctrl
