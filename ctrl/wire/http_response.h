// What an HTTP/1 server answers, read from the bytes of its connection as they come. Pure; bounded in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sluice::ctrl {

/// The final answer: interim ones (1xx but 101, RFC 9110 15.2) are passed over.
class HttpResponse {
 public:
  static constexpr size_t kMostHeaderBytes = 16384;   ///< of one answer's header
  static constexpr size_t kMostInterimBytes = 65536;  ///< of all that comes before the final answer
  static constexpr size_t kMostBodyBytes = 65536;     ///< what is kept of the body; the rest is not read

  /// What is wanted of the body: nothing, its first bytes, or all of it, piece by piece.
  enum class Body : uint8_t { kUnread, kBeginning, kPieces };

  enum class Progress { kNeedsMore, kDone, kFaulty };

  /// Without `wants_body` the answer is done with its header.
  explicit HttpResponse(bool wants_body) : HttpResponse(wants_body ? Body::kBeginning : Body::kUnread) {}
  explicit HttpResponse(Body wanted);
  ~HttpResponse();

  /// Not after kDone or kFaulty.
  Progress put(std::string_view bytes);
  /// The connection has ended: a body without a length is then whole.
  Progress end();

  bool has_header() const;  ///< of the final answer
  unsigned status() const;  ///< when it has the header
  /// A field of the header by its name in lower case; empty where there is none. Of several the first.
  std::string_view field(std::string_view name) const;
  std::string_view body() const;                       ///< when done: its first bytes
  std::string take_piece();                            ///< of the body: what has come since the last time
  const std::string& fault() const { return fault_; }  ///< when faulty, for people

 private:
  class Parser;
  Progress step();
  Progress faulty(std::string reason);

  Body wanted_;
  size_t interim_bytes_ = 0;
  std::string pending_;
  std::string fault_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace sluice::ctrl
