// Filters of captures, on any frame: what they look at in lanes never reads beyond a frame, and rules out
// none that libpcap's own bpf_filter() lets through. The first byte chooses the expression.
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "dataplane/tables/packet_filter.h"

namespace sluice::dataplane {
namespace {

struct Judged {
  PacketFilter filter;
  bpf_program program;
};

const std::vector<Judged>& filters() {
  static const std::vector<Judged> kFilters = [] {
    std::vector<Judged> compiled;
    for (const char* const text :
         {"tcp port 9", "host 9.9.9.9", "ip6 and udp", "tcp[tcpflags] & tcp-syn != 0", "vlan 7 and tcp",
          "ip[2:2] - 20 > len * 2", "ether[0] & 1 = 0 and (ip[0:4] ^ 17) > 7", "icmp6 or arp", "greater 100",
          "port 9", "src net 9.9.0.0/16 and dst port 80"}) {
      auto filter = PacketFilter::compile(text);
      bpf_program program{};
      pcap_t* const handle = pcap_open_dead(DLT_EN10MB, 1 << 18);
      if (!filter || pcap_compile(handle, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) std::abort();
      pcap_close(handle);
      compiled.push_back({std::move(*filter), program});
    }
    return compiled;
  }();
  return kFilters;
}

}  // namespace
}  // namespace sluice::dataplane

/// LeakSanitizer's, where it is there: libpcap 1.10 keeps some hundred bytes of a few expressions that it
/// refuses.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libpcap.so";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::dataplane;
  if (size < 2) return 0;
  const auto& [filter, program] = filters()[data[0] % filters().size()];
  // The rest is as many frames as there are lanes, each in memory of its own, so that a sanitizer sees its
  // end.
  std::array<std::vector<uint8_t>, FilterLanes::kLanes> frames;
  const size_t each = std::max<size_t>(1, (size - 1) / FilterLanes::kLanes);
  FilterLanes lanes;
  lanes.shortest = SIZE_MAX;
  for (size_t i = 0; i < FilterLanes::kLanes; ++i) {
    const size_t begin = 1 + std::min(i * each, size - 1 - 1);
    frames[i].assign(data + begin, data + std::min(begin + each + i, size));
    lanes.frames[i] = frames[i].data();
    lanes.lengths[i] = static_cast<uint32_t>(frames[i].size());
    lanes.shortest = std::min(lanes.shortest, frames[i].size());
  }
  const uint32_t may = filter.may_match(lanes);
  for (size_t i = 0; i < FilterLanes::kLanes; ++i) {
    const bool matches =
        bpf_filter(program.bf_insns, frames[i].data(), lanes.lengths[i], lanes.lengths[i]) != 0;
    if (filter.matches(frames[i], lanes.lengths[i]) != matches) std::abort();
    if (matches && (may >> i & 1) == 0) std::abort();
  }
  return 0;
}
