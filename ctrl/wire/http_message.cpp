#include "ctrl/wire/http_message.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <span>

#include "crypto/secret.h"
#include "ctrl/wire/trace_context.h"

namespace sluice::ctrl {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using beast::string_view;

const string_view kTraceparentField(kTraceparent.data(), kTraceparent.size());

/// Keeps what the server answers by.
class RequestHead::Parser : public http::basic_parser<true> {
 public:
  http::verb method = http::verb::unknown;
  std::string method_text;
  std::string target;
  bool is_1_1 = false;
  size_t hosts = 0;
  std::string accepted_encodings;  ///< all fields of the name, as one list
  std::string host, origin;
  std::string authorization;
  size_t authorizations = 0;
  std::string traceparent;
  bool waits_for_continue = false;
  std::string* body = nullptr;  ///< where the body goes, while it is read

 private:
  void on_request_impl(http::verb verb, string_view name, string_view wanted, int version,
                       error_code&) override {
    method = verb;
    method_text.assign(name.data(), name.size());
    target.assign(wanted.data(), wanted.size());
    is_1_1 = version >= 11;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field name, string_view written, string_view value, error_code&) override {
    const auto keep = [value](std::string& into) { into.assign(value.data(), value.size()); };
    if (name == http::field::host) {
      ++hosts;
      keep(host);
    } else if (name == http::field::authorization) {
      ++authorizations;
      keep(authorization);
    } else if (name == http::field::origin) {
      keep(origin);
    } else if (name == http::field::accept_encoding) {
      accepted_encodings.append(accepted_encodings.empty() ? "" : ",").append(value.data(), value.size());
    } else if (name == http::field::unknown && beast::iequals(written, kTraceparentField)) {
      traceparent.append(traceparent.empty() ? "" : ",").append(value.data(), value.size());
    } else if (name == http::field::expect) {
      waits_for_continue = beast::iequals(value, "100-continue");
    }
  }
  size_t take(string_view text) {
    if (body) body->append(text.data(), text.size());
    return text.size();
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view text, error_code&) override { return take(text); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view text, error_code&) override { return take(text); }
  void on_finish_impl(error_code&) override {}
};

namespace {

std::span<uint8_t> bytes_in(std::string& text) {
  return {reinterpret_cast<uint8_t*>(text.data()), text.size()};
}

std::string_view stripped(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Whether parameters of an encoding, `;q=0.5`, let it be used: all but a quality of nought do.
bool has_quality(std::string_view parameters) {
  const std::string_view quality = stripped(parameters);
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
    const std::string_view coding = stripped(member.substr(0, semicolon));
    const bool is_usable = has_quality(member.substr(std::min(semicolon + 1, member.size())));
    if (beast::iequals({coding.data(), coding.size()}, "gzip")) return is_usable;
    if (coding == "*") all = is_usable;
  }
  return all;
}

}  // namespace

RequestHead::RequestHead(unsigned most_head_bytes, uint64_t most_body_bytes)
    : parser_(std::make_unique<Parser>()) {
  parser_->header_limit(most_head_bytes);
  if (most_body_bytes > 0) parser_->body_limit(most_body_bytes);
}
RequestHead::~RequestHead() {
  crypto::erase(bytes_in(parser_->authorization));
}

RequestHead::State RequestHead::read(std::string& text) {
  if (text.empty()) return State::kUnfinished;
  error_code error;
  const size_t used = parser_->put(boost::asio::buffer(text), error);
  crypto::erase(bytes_in(text).first(used));  // there may be a token in it
  text.erase(0, used);
  if (error == http::error::need_more) return State::kUnfinished;
  if (error == http::error::header_limit) return State::kTooLarge;
  if (error == http::error::body_limit) return State::kBodyTooLarge;
  if (error) return State::kMalformed;
  return parser_->is_header_done() ? State::kRead : State::kUnfinished;
}

RequestHead::State RequestHead::read_body(std::string& text, std::string& body) {
  parser_->body = &body;
  while (!parser_->is_done()) {
    if (text.empty()) return State::kUnfinished;
    error_code error;
    const size_t used = parser_->put(boost::asio::buffer(text), error);
    text.erase(0, used);
    if (error == http::error::need_more) return State::kUnfinished;
    if (error == http::error::body_limit) return State::kBodyTooLarge;
    if (error) return State::kMalformed;
    if (used == 0) return State::kUnfinished;
  }
  return State::kRead;
}

std::string_view RequestHead::method() const {
  return parser_->method_text;
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
bool RequestHead::is_post() const {
  return parser_->method == http::verb::post;
}
std::string_view RequestHead::authorization() const {
  return parser_->authorization;
}
std::string_view RequestHead::traceparent() const {
  return parser_->traceparent;
}
size_t RequestHead::authorizations() const {
  return parser_->authorizations;
}
std::string_view RequestHead::host() const {
  return parser_->host;
}
std::string_view RequestHead::origin() const {
  return parser_->origin;
}
bool RequestHead::waits_for_continue() const {
  return parser_->waits_for_continue;
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
  if (head.status == 405 && head.fields.empty()) add("Allow", "GET, HEAD");
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
