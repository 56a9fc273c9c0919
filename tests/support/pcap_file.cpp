#include "tests/support/pcap_file.h"

#include <fstream>

namespace sluice::test {
namespace {

struct FileHeader {
  uint32_t magic = 0xa1b2c3d4;
  uint16_t major = 2;
  uint16_t minor = 4;
  int32_t zone = 0;
  uint32_t accuracy = 0;
  uint32_t longest = 65535;
  uint32_t link = 1;
};

struct RecordHeader {
  uint32_t seconds = 0;
  uint32_t microseconds = 0;
  uint32_t captured = 0;
  uint32_t length = 0;
};

}  // namespace

void write_pcap(const std::string& path, const std::vector<Bytes>& frames) {
  std::ofstream file(path, std::ios::binary);
  const FileHeader header;
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
  for (const Bytes& frame : frames) {
    const auto size = static_cast<uint32_t>(frame.size());
    const RecordHeader record{0, 0, size, size};
    file.write(reinterpret_cast<const char*>(&record), sizeof record);
    file.write(reinterpret_cast<const char*>(frame.data()), size);
  }
}

std::vector<Bytes> read_pcap(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  FileHeader header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  std::vector<Bytes> frames;
  RecordHeader record;
  while (file.read(reinterpret_cast<char*>(&record), sizeof record)) {
    Bytes frame(record.captured);
    if (!file.read(reinterpret_cast<char*>(frame.data()), record.captured)) break;
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace sluice::test
