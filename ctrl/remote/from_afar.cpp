#include "ctrl/remote/from_afar.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ctrl/net/spawn.h"
#include "ctrl/store/awaited_reply.h"

namespace sluice::ctrl {
namespace {

using AnswerStream = decltype(HttpAnswer::stream);

boost::asio::awaitable<void> hand_on(std::shared_ptr<AnswerStream> stream,
                                     std::function<void(std::optional<std::string>)> done) {
  std::optional<std::string> piece = co_await (*stream)();
  done(std::move(piece));
}

}  // namespace

HttpAnswer from_afar(HttpAnswer answer, boost::asio::io_context& control) {
  if (!answer.stream) return answer;
  const std::shared_ptr<AnswerStream> stream(
      new AnswerStream(std::move(answer.stream)), [&control](AnswerStream* ended) {
        boost::asio::post(control, [last = std::unique_ptr<AnswerStream>(ended)] {});
      });
  answer.stream = [stream, &control]() -> boost::asio::awaitable<std::optional<std::string>> {
    return awaited_reply<std::optional<std::string>>([stream, &control](const auto& done) {
      spawn(control.get_executor(), hand_on(stream, done), [done](std::exception_ptr failure) {
        if (failure) done(std::nullopt);
      });
    });
  };
  return answer;
}

}  // namespace sluice::ctrl
