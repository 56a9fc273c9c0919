#include "ctrl/store/awaited_reply.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sluice::ctrl {

namespace asio = boost::asio;

asio::awaitable<void> resumption(std::function<void(std::function<void()>)> start) {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(
      [&](auto waiting) {
        auto resume = std::make_shared<decltype(waiting)>(std::move(waiting));
        start([resume, executor] { asio::post(executor, [resume] { (*resume)(); }); });
      },
      asio::use_awaitable);
}

}  // namespace sluice::ctrl
