#include "ctrl/wire/http_response.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>
#include <utility>
#include <vector>

namespace sluice::ctrl {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using beast::string_view;

/// Keeps the status, the header's fields, and so much of the body.
class HttpResponse::Parser : public http::basic_parser<false> {
 public:
  explicit Parser(size_t most_body) : most_body_(most_body) {
    header_limit(kMostHeaderBytes);
    body_limit(std::numeric_limits<uint64_t>::max());  // it is not read to its end; none would be 0
  }
  unsigned status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
  bool is_interim() const { return status / 100 == 1 && status != 101; }

 private:
  size_t keep(string_view text) {
    body.append(text.data(), std::min(text.size(), most_body_ - std::min(body.size(), most_body_)));
    return text.size();
  }
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code& error) override {
    status = static_cast<unsigned>(code);
    error = {};
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code& error) override {
    error = {};
    std::string lower(name.data(), name.size());
    for (char& byte : lower) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
    fields.emplace_back(std::move(lower), std::string(value.data(), value.size()));
  }
  void on_header_impl(error_code& error) override { error = {}; }
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code& error) override { error = {}; }
  size_t on_body_impl(string_view text, error_code& error) override {
    error = {};
    return keep(text);
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code& error) override { error = {}; }
  size_t on_chunk_body_impl(uint64_t, string_view text, error_code& error) override {
    error = {};
    return keep(text);
  }
  void on_finish_impl(error_code& error) override { error = {}; }

  size_t most_body_;
};

namespace {

size_t most_body(HttpResponse::Body wanted) {
  return wanted == HttpResponse::Body::kPieces ? std::numeric_limits<size_t>::max()
                                               : HttpResponse::kMostBodyBytes;
}

}  // namespace

HttpResponse::HttpResponse(Body wanted)
    : wanted_(wanted), parser_(std::make_unique<Parser>(most_body(wanted))) {}
HttpResponse::~HttpResponse() = default;

bool HttpResponse::has_header() const {
  return parser_->is_header_done() && !parser_->is_interim();
}
std::string_view HttpResponse::field(std::string_view name) const {
  const auto found = std::ranges::find(parser_->fields, name, [](const auto& field) { return field.first; });
  return found == parser_->fields.end() ? std::string_view() : found->second;
}
std::string HttpResponse::take_piece() {
  return std::exchange(parser_->body, {});
}
unsigned HttpResponse::status() const {
  return parser_->status;
}
std::string_view HttpResponse::body() const {
  return parser_->body;
}

HttpResponse::Progress HttpResponse::faulty(std::string reason) {
  fault_ = std::move(reason);
  return Progress::kFaulty;
}

HttpResponse::Progress HttpResponse::put(std::string_view bytes) {
  pending_.append(bytes);
  for (;;) {
    const size_t before = pending_.size();
    const Progress progress = step();
    if (progress != Progress::kNeedsMore || pending_.empty() || pending_.size() == before) return progress;
  }
}

/// Parses what is there once.
HttpResponse::Progress HttpResponse::step() {
  error_code error;
  const size_t taken = parser_->put(boost::asio::buffer(pending_), error);
  pending_.erase(0, taken);
  if (error == http::error::need_more) {
    // Without this a parser that finds no end of line would let the text grow.
    if (pending_.size() > kMostHeaderBytes) return faulty("header is too long");
    return Progress::kNeedsMore;
  }
  if (error) return faulty("answer is not HTTP: " + error.message());
  if (!parser_->is_header_done()) return Progress::kNeedsMore;
  if (parser_->is_interim()) {
    interim_bytes_ += std::max<size_t>(taken, 1);
    if (interim_bytes_ > kMostInterimBytes) return faulty("too many interim answers");
    parser_ = std::make_unique<Parser>(most_body(wanted_));
    return Progress::kNeedsMore;
  }
  const bool is_enough = wanted_ == Body::kBeginning && parser_->body.size() >= kMostBodyBytes;
  const bool done = wanted_ == Body::kUnread || parser_->is_done() || is_enough;
  return done ? Progress::kDone : Progress::kNeedsMore;
}

HttpResponse::Progress HttpResponse::end() {
  if (!parser_->is_header_done() || parser_->is_interim()) return faulty("closed before it answered");
  error_code error;
  parser_->put_eof(error);
  if (error) return faulty("closed before its answer was whole");
  return Progress::kDone;
}

}  // namespace sluice::ctrl
