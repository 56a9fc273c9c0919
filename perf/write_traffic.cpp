// Writes a capture of the pipeline benchmarks' traffic: write_traffic FILE FLOWS tcp|udp 4|6 small|imix
// few|many.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "perf/traffic.h"

namespace {

/// The classic libpcap format: microseconds, Ethernet.
constexpr std::array<uint32_t, 6> kFileHeader = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};

bool write_frames(const char* path, const sluice::perf::Traffic& traffic) {
  std::FILE* const file = std::fopen(path, "wb");
  if (file == nullptr) return false;
  bool written = std::fwrite(kFileHeader.data(), sizeof kFileHeader, 1, file) == 1;
  for (const uint32_t flow : sluice::perf::shuffled_flows(traffic)) {
    const auto frame = sluice::perf::make_frame(traffic, flow);
    const auto size = static_cast<uint32_t>(frame.size());
    const std::array<uint32_t, 4> header = {0, 0, size, size};
    written = written && std::fwrite(header.data(), sizeof header, 1, file) == 1 &&
              std::fwrite(frame.data(), size, 1, file) == 1;
  }
  return std::fclose(file) == 0 && written;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: write_traffic FILE FLOWS tcp|udp 4|6 small|imix few|many\n");
    return 2;
  }
  sluice::perf::Traffic traffic;
  traffic.flows = static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10));
  traffic.protocol = std::string_view(argv[3]) == "udp" ? sluice::IpProtocol::kUdp : sluice::IpProtocol::kTcp;
  traffic.v6 = std::string_view(argv[4]) == "6";
  traffic.imix = std::string_view(argv[5]) == "imix";
  traffic.many_clients = std::string_view(argv[6]) == "many";
  if (write_frames(argv[1], traffic)) return 0;
  std::perror(argv[1]);
  return 1;
}
