#include "ctrl/net/deadline.h"

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cctype>
#include <string>
#include <utility>

namespace sluice::ctrl {

struct Deadline::State {
  explicit State(boost::asio::io_context& io) : timer(io) {}
  void close() {
    if (const auto once = std::exchange(close_socket, nullptr)) once();
  }
  boost::asio::steady_timer timer;
  std::function<void()> close_socket;
  std::chrono::milliseconds time{};
  bool is_over = false;
  bool is_stopped = false;
};

Deadline::Deadline(boost::asio::io_context& io, StopSignal& stop, std::function<void()> close)
    : state_(std::make_shared<State>(io)), stop_(stop, [state = state_.get()] {
        state->is_stopped = true;
        state->close();
      }) {
  state_->close_socket = std::move(close);
  if (state_->is_stopped) state_->close();
}

Deadline::~Deadline() {
  state_->close_socket = nullptr;
  state_->timer.cancel();
}

void Deadline::expires_after(std::chrono::milliseconds time) {
  state_->time = time;
  state_->timer.expires_after(time);
  state_->timer.async_wait([state = state_](const boost::system::error_code& error) {
    // One that was renewed just as it ended is not over.
    if (error || state->timer.expiry() > std::chrono::steady_clock::now()) return;
    state->is_over = true;
    state->close();
  });
}

void Deadline::check() const {
  if (state_->is_over || state_->is_stopped) fail(boost::asio::error::operation_aborted);
}

void Deadline::fail(const boost::system::error_code& error) const {
  if (state_->is_over) throw PeerFault("no answer within " + std::to_string(state_->time.count()) + " ms");
  if (state_->is_stopped) throw PeerFault("stopped");
  if (error == boost::asio::error::eof) throw PeerFault("the connection was closed");
  std::string text = error.message();
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  throw PeerFault(text);
}

}  // namespace sluice::ctrl
