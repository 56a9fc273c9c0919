// Requests as HTTP servers read them, and the heads of their answers (RFC 9112). Pure. The only file of
// servers that knows Beast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::ctrl {

/// The head of one request, byte by byte as it comes, and its body where somebody wants that.
class RequestHead {
 public:
  explicit RequestHead(unsigned most_head_bytes, uint64_t most_body_bytes = 0);
  ~RequestHead();
  RequestHead(const RequestHead&) = delete;
  RequestHead& operator=(const RequestHead&) = delete;

  enum class State : uint8_t {
    kUnfinished,
    kRead,
    kTooLarge,      ///< its head is
    kBodyTooLarge,  ///< or it says so of its body
    kMalformed,
  };
  /// Takes what it can use of `text`, which begins where the last call left off, off its front.
  State read(std::string& text);

  /// Once the head is kRead: goes on with the body, of which it appends what has come to `body`. kRead: that
  /// is all of it.
  State read_body(std::string& text, std::string& body);

  // Of one that is kRead.
  std::string_view method() const;  ///< as it was sent
  std::string_view target() const;
  bool is_post() const;
  /// The field `Authorization`; empty where it has none.
  std::string_view authorization() const;
  size_t authorizations() const;  ///< fields of that name
  /// The field of that name; of several all of them, so that it is none that is valid.
  std::string_view traceparent() const;
  std::string_view host() const;
  std::string_view origin() const;
  /// The peer sends the body once it is told to (RFC 9110, 10.1.1).
  bool waits_for_continue() const;
  bool is_get() const;
  bool is_head() const;
  size_t hosts() const;  ///< fields `Host`
  bool is_1_1() const;
  bool accepts_gzip() const;  ///< as RFC 9110, 12.5.3 has it
  /// Whether the peer may send another one on its connection: that and nothing else comes next.
  bool goes_on() const;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

struct HttpField {
  std::string_view name;
  std::string value;
};
/// What tells a peer to send the body.
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

struct HttpHead {
  bool is_1_1 = true;
  unsigned status = 200;
  std::string_view content_type;
  std::string_view cache_control;
  bool keep_alive = false;
  std::optional<size_t> content_length = {};
  bool is_chunked = false;
  std::string_view content_encoding = {};  ///< empty: none
  std::vector<HttpField> fields = {};      ///< further ones, as they are
};
/// With the empty line that ends it.
std::string head_text(const HttpHead& head);

/// What goes before a chunk of so many bytes; an empty line goes after it. After the last one: kLastChunk.
std::string chunk_size_line(size_t bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace sluice::ctrl
