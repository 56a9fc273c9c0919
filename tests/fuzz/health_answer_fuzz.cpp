// What checked backends answer, over HTTP/1, DNS, gRPC and TCP itself: no answer may be read beyond its
// bytes, none makes the gateway keep more than it should, and HTTP does not depend on how its bytes are cut.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ctrl/health/tcp_client.h"
#include "ctrl/wire/check_packet.h"
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

/// The input is a peer's packets, the size of each in front of it.
void talk_to_tcp(std::span<const uint8_t> bytes, bool is_v4) {
  CheckEnds ends{.own = IpAddress::parse(is_v4 ? "192.0.2.1" : "2001:db8::1").value(),
                 .own_port = 40000,
                 .peer = IpAddress::parse(is_v4 ? "192.0.2.2" : "2001:db8::2").value(),
                 .peer_port = 80};
  std::array<uint8_t, 1500> room;
  TcpClient client(7, 1220, [&](const TcpSegment& segment) {
    require(segment.payload.size() <= 536 && segment.window <= TcpClient::kMostUnread);
    require(write_tcp(room, ends, segment) != 0);
  });
  TcpClient::Clock::time_point now{};
  client.open(now);
  while (bytes.size() > 1) {
    const auto packet = bytes.subspan(1, std::min<size_t>(bytes[0], bytes.size() - 1));
    bytes = bytes.subspan(1 + packet.size());
    (void)destination_port_of(packet);
    (void)read_udp(packet, ends);
    if (const auto segment = read_tcp(packet, ends)) client.receive(*segment, now);
    now += TcpClient::kFirstWait;
    client.on_time(now);
    if (client.state() == TcpClient::State::kOpen) client.write(packet, now);
    if (client.read(room) == room.size()) (void)client.has_ended();
  }
  client.abort();
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
  for (const bool is_v4 : {true, false}) talk_to_tcp({data, size}, is_v4);
  return 0;
}
