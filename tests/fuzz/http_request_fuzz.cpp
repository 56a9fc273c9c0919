// What strangers send to the HTTP servers, head and body: in whatever pieces it comes, it is read alike, and
// no more is taken than may be.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ctrl/wire/http_message.h"

namespace sluice::ctrl {
namespace {

constexpr unsigned kMostHeadBytes = 8192;
constexpr uint64_t kMostBodyBytes = 1000;

void require(bool promise) {
  if (!promise) std::abort();
}

struct Reading {
  RequestHead::State head = RequestHead::State::kUnfinished, body = RequestHead::State::kUnfinished;
  std::string text;  ///< of what was read, in words
  bool operator==(const Reading&) const = default;
};

Reading read(std::string_view stream, size_t piece) {
  Reading reading;
  RequestHead request(kMostHeadBytes, kMostBodyBytes);
  std::string unread, body;
  const auto is_open = [](RequestHead::State state) { return state == RequestHead::State::kUnfinished; };
  for (size_t at = 0; at <= stream.size(); at += piece) {
    unread += stream.substr(at, piece);
    if (is_open(reading.head)) reading.head = request.read(unread);
    if (reading.head != RequestHead::State::kRead) continue;
    if (is_open(reading.body)) reading.body = request.read_body(unread, body);
  }
  if (reading.head != RequestHead::State::kRead) return reading;
  require(body.size() <= kMostBodyBytes + 1);
  for (const std::string_view part : {request.target(), request.authorization(), request.host(),
                                      request.origin(), std::string_view(body)}) {
    reading.text.append(part).append("|");
  }
  reading.text += std::to_string(request.hosts()) + std::to_string(request.authorizations());
  return reading;
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  if (size > 20'000) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const Reading whole = read(stream, size + 1);
  const Reading pieces = read(stream, 1);
  // A head that is no good may be found out about before it has all come.
  if (whole.head == RequestHead::State::kRead) require(whole == pieces);
  return 0;
}
