// A function that answers by calling back, as something that a coroutine can await. Control thread.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

namespace sluice::ctrl {

/// Calls `start(reply)` and waits for what is handed to `reply`, which is to be called once, on any thread.
/// The value is posted, also where it comes at once: a coroutine must not be resumed before it sleeps.
template <typename T, typename Start>
boost::asio::awaitable<T> awaited_reply(Start start) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(T)>(
      [&](auto waiting) {
        auto resume = std::make_shared<decltype(waiting)>(std::move(waiting));
        start([resume, executor](T value) {
          asio::post(executor, [resume, value = std::move(value)]() mutable { (*resume)(std::move(value)); });
        });
      },
      asio::use_awaitable);
}

}  // namespace sluice::ctrl
