// What checked backends answer, over HTTP/1, DNS and gRPC: no answer may be read beyond its bytes, none makes
// the gateway keep more than it should, and HTTP does not depend on how its bytes are cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ctrl/wire/dns_message.h"
#include "ctrl/wire/grpc_health_message.h"
#include "ctrl/wire/http_response.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

struct Ending {
  HttpResponse::Progress progress;
  unsigned status;
  bool operator==(const Ending&) const = default;
};

Ending read_http(std::string_view bytes, size_t piece, bool wants_body) {
  HttpResponse answer(wants_body);
  auto progress = HttpResponse::Progress::kNeedsMore;
  for (size_t at = 0; at < bytes.size() && progress == HttpResponse::Progress::kNeedsMore; at += piece) {
    progress = answer.put(bytes.substr(at, piece));
  }
  if (progress == HttpResponse::Progress::kNeedsMore) progress = answer.end();
  require(answer.body().size() <= HttpResponse::kMostBodyBytes);
  if (progress != HttpResponse::Progress::kDone) return {progress, 0};
  require(answer.status() / 100 != 1 || answer.status() == 101);
  return {progress, answer.status()};
}

void check_dns(std::span<const uint8_t> bytes) {
  const auto query = dns_query(0x6162, "cdefg").value();
  if (const auto rcode = rcode_of_answer(bytes, query)) {
    require(*rcode < 16 && bytes.size() >= 12 && bytes[0] == query[0] && bytes[1] == query[1]);
  }
  const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto asked = dns_query(1, name)) require(asked->size() <= 12 + 255 + 4);
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size < 2000) {
    for (const bool wants_body : {false, true}) {
      require(read_http(text, size + 1, wants_body) == read_http(text, 1, wants_body));
    }
  } else {
    read_http(text, 4096, true);
  }
  check_dns({data, size});
  (void)grpc_health_response({data, size});
  return 0;
}
