#include "ctrl/wire/http_response.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

namespace sluice::ctrl {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using beast::string_view;

/// Keeps the status and the first bytes of the body.
class HttpResponse::Parser : public http::basic_parser<false> {
 public:
  Parser() {
    header_limit(kMostHeaderBytes);
    body_limit(std::numeric_limits<uint64_t>::max());  // it is not read to its end; none would be 0
  }
  unsigned status = 0;
  std::string body;
  bool is_interim() const { return status / 100 == 1 && status != 101; }

 private:
  size_t keep(string_view text) {
    body.append(text.data(), std::min(text.size(), kMostBodyBytes - std::min(body.size(), kMostBodyBytes)));
    return text.size();
  }
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code& error) override {
    status = static_cast<unsigned>(code);
    error = {};
  }
  void on_field_impl(http::field, string_view, string_view, error_code& error) override { error = {}; }
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
};

HttpResponse::HttpResponse(bool wants_body) : wants_body_(wants_body), parser_(std::make_unique<Parser>()) {}
HttpResponse::~HttpResponse() = default;

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
    parser_ = std::make_unique<Parser>();
    return Progress::kNeedsMore;
  }
  const bool done = !wants_body_ || parser_->is_done() || parser_->body.size() >= kMostBodyBytes;
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
