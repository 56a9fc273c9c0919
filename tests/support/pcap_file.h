// Capture files (the classic libpcap format, microseconds, Ethernet) as tests write and read them.
#pragma once

#include <string>
#include <vector>

#include "tests/support/packet_builder.h"

namespace sluice::test {

void write_pcap(const std::string& path, const std::vector<Bytes>& frames);
/// Empty where the file cannot be read or is cut short before its first frame.
std::vector<Bytes> read_pcap(const std::string& path);

}  // namespace sluice::test
