#include "ctrl/net/http_exchange.h"

#include <array>

namespace sluice::ctrl {

using boost::asio::awaitable;
using std::chrono::milliseconds;

awaitable<void> HttpExchange::ask(std::string_view request, milliseconds patience) {
  stream_->expires_after(patience);
  co_await stream_->write(bytes_of(request));
  while (!response_.has_header()) co_await read_more();
}

awaitable<void> HttpExchange::read_more() {
  std::array<uint8_t, 16384> bytes;
  const size_t got = co_await stream_->read_some(bytes);
  const auto progress = got == 0 ? response_.end() : response_.put(text_of(std::span(bytes).first(got)));
  if (progress == HttpResponse::Progress::kFaulty) throw PeerFault(response_.fault());
  is_done_ = progress == HttpResponse::Progress::kDone;
}

awaitable<std::string> HttpExchange::next_piece() {
  std::string piece = response_.take_piece();
  while (piece.empty() && !is_done_) {
    co_await read_more();
    piece = response_.take_piece();
  }
  co_return piece;
}

awaitable<std::string> HttpExchange::read_some(milliseconds patience) {
  stream_->expires_after(patience);
  std::string piece = co_await next_piece();
  co_return piece;
}

awaitable<std::string> HttpExchange::read_rest(size_t most, milliseconds patience) {
  stream_->expires_after(patience);
  std::string body;
  for (;;) {
    const std::string piece = co_await next_piece();
    if (piece.empty()) co_return body;
    body += piece;
    if (body.size() > most) throw PeerFault("an answer of more than " + std::to_string(most) + " bytes");
  }
}

}  // namespace sluice::ctrl
