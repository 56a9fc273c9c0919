#include "ctrl/http/http_message.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>

namespace sluice::ctrl {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using beast::string_view;

/// Keeps what the server answers by.
class RequestHead::Parser : public http::basic_parser<true> {
 public:
  http::verb method = http::verb::unknown;
  std::string target;
  bool is_1_1 = false;
  size_t hosts = 0;

 private:
  void on_request_impl(http::verb verb, string_view, string_view wanted, int version, error_code&) override {
    method = verb;
    target.assign(wanted.data(), wanted.size());
    is_1_1 = version >= 11;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field name, string_view, string_view, error_code&) override {
    if (name == http::field::host) ++hosts;
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view text, error_code&) override { return text.size(); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view text, error_code&) override { return text.size(); }
  void on_finish_impl(error_code&) override {}
};

RequestHead::RequestHead(unsigned most_head_bytes) : parser_(std::make_unique<Parser>()) {
  parser_->header_limit(most_head_bytes);
}
RequestHead::~RequestHead() = default;

RequestHead::State RequestHead::read(std::string& text) {
  if (text.empty()) return State::kUnfinished;
  error_code error;
  const size_t used = parser_->put(boost::asio::buffer(text), error);
  text.erase(0, used);
  if (error == http::error::need_more) return State::kUnfinished;
  if (error == http::error::header_limit) return State::kTooLarge;
  if (error) return State::kMalformed;
  return parser_->is_header_done() ? State::kRead : State::kUnfinished;
}

std::string_view RequestHead::target() const {
  return parser_->target;
}
bool RequestHead::is_get() const {
  return parser_->method == http::verb::get;
}
bool RequestHead::is_head() const {
  return parser_->method == http::verb::head;
}
size_t RequestHead::hosts() const {
  return parser_->hosts;
}
bool RequestHead::is_1_1() const {
  return parser_->is_1_1;
}
bool RequestHead::goes_on() const {
  return parser_->keep_alive() && parser_->is_done();
}

std::string head_text(const HttpHead& head) {
  std::string text = head.is_1_1 ? "HTTP/1.1 " : "HTTP/1.0 ";
  const string_view reason = http::obsolete_reason(http::int_to_status(head.status));
  text.append(std::to_string(head.status)).append(" ").append(reason.data(), reason.size()).append("\r\n");
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  add("Content-Type", head.content_type);
  add("Cache-Control", head.cache_control);
  if (head.status == 405) add("Allow", "GET, HEAD");
  if (head.keep_alive != head.is_1_1) add("Connection", head.keep_alive ? "keep-alive" : "close");
  if (head.content_length) add("Content-Length", std::to_string(*head.content_length));
  if (head.is_chunked) add("Transfer-Encoding", "chunked");
  return text.append("\r\n");
}

std::string chunk_size_line(size_t bytes) {
  std::array<char, 16> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), bytes, 16).ptr;
  return std::string(digits.data(), end).append("\r\n");
}

}  // namespace sluice::ctrl
