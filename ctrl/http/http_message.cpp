#include "ctrl/http/http_message.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
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
  std::string accepted_encodings;  ///< all fields of the name, as one list

 private:
  void on_request_impl(http::verb verb, string_view, string_view wanted, int version, error_code&) override {
    method = verb;
    target.assign(wanted.data(), wanted.size());
    is_1_1 = version >= 11;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field name, string_view, string_view value, error_code&) override {
    if (name == http::field::host) ++hosts;
    if (name == http::field::accept_encoding) {
      accepted_encodings.append(accepted_encodings.empty() ? "" : ",").append(value.data(), value.size());
    }
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view text, error_code&) override { return text.size(); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view text, error_code&) override { return text.size(); }
  void on_finish_impl(error_code&) override {}
};

namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Whether parameters of an encoding, `;q=0.5`, let it be used: all but a quality of nought do.
bool has_quality(std::string_view parameters) {
  const std::string_view quality = trimmed(parameters);
  if (quality.size() < 3 || (quality[0] | 0x20) != 'q' || quality[1] != '=') return true;
  return quality.find_first_not_of("0.", 2) != std::string_view::npos;
}

/// Of the list in a field `Accept-Encoding`: what names gzip decides before what names all.
bool is_gzip_accepted(std::string_view list) {
  bool all = false;
  while (!list.empty()) {
    const std::string_view member = list.substr(0, list.find(','));
    list.remove_prefix(std::min(member.size() + 1, list.size()));
    const size_t semicolon = std::min(member.find(';'), member.size());
    const std::string_view coding = trimmed(member.substr(0, semicolon));
    const bool is_usable = has_quality(member.substr(std::min(semicolon + 1, member.size())));
    if (beast::iequals({coding.data(), coding.size()}, "gzip")) return is_usable;
    if (coding == "*") all = is_usable;
  }
  return all;
}

}  // namespace

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
bool RequestHead::accepts_gzip() const {
  return is_gzip_accepted(parser_->accepted_encodings);
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
  if (!head.content_encoding.empty()) add("Content-Encoding", head.content_encoding);
  for (const HttpField& field : head.fields) add(field.name, field.value);
  return text.append("\r\n");
}

std::string chunk_size_line(size_t bytes) {
  std::array<char, 16> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), bytes, 16).ptr;
  return std::string(digits.data(), end).append("\r\n");
}

}  // namespace sluice::ctrl
