// A function that answers by calling back, as something that a coroutine can await. Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace sluice::ctrl {

/// Calls `start(resume)` and waits until `resume` has been called, once, on any thread. The coroutine is
/// posted, also where that is at once: it must not be resumed before it sleeps.
boost::asio::awaitable<void> resumption(std::function<void(std::function<void()>)> start);

/// Calls `start(reply)` and waits for what is handed to `reply`, which is to be called once, on any thread.
template <typename T, typename Start>
boost::asio::awaitable<T> awaited_reply(Start start) {
  const auto value = std::make_shared<std::optional<T>>();
  const std::function<void(std::function<void()>)> begin = [&start, &value](std::function<void()> resume) {
    start([value, resume = std::move(resume)](T replied) {
      value->emplace(std::move(replied));
      resume();
    });
  };
  co_await resumption(begin);
  co_return std::move(**value);
}

}  // namespace sluice::ctrl
