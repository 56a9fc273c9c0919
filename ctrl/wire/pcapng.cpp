#include "ctrl/wire/pcapng.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace sluice::ctrl::pcapng {
namespace {

constexpr uint32_t kSection = 0x0a0d0d0a, kInterface = 1, kPacket = 6;
constexpr uint16_t kEnd = 0, kComment = 1;
constexpr uint16_t kApplication = 4;          // of a section
constexpr uint16_t kName = 2, kTimeUnit = 9;  // of an interface
constexpr uint16_t kEthernet = 1;             // LINKTYPE_ETHERNET
constexpr size_t kMostOption = 65'000;        // of an option, whose length has 16 bits

/// Appends to a file while it lives; then the length that the block began without is there, twice.
class Block {
 public:
  Block(std::string& file, uint32_t type) : file_(file), begin_(file.size()) {
    number(type);
    number<uint32_t>(0);
  }
  ~Block() {
    const auto length = static_cast<uint32_t>(file_.size() + sizeof(uint32_t) - begin_);
    number(length);
    std::memcpy(file_.data() + begin_ + sizeof(uint32_t), &length, sizeof length);
  }
  Block(const Block&) = delete;

  template <typename T>
  void number(T value) {
    static_assert(std::endian::native == std::endian::little);
    file_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  /// Bytes, and zeros up to the next multiple of four.
  void padded(std::string_view bytes) {
    file_ += bytes;
    file_.append((4 - bytes.size() % 4) % 4, '\0');
  }
  void option(uint16_t code, std::string_view value) {
    value = value.substr(0, kMostOption);
    number(code);
    number(static_cast<uint16_t>(value.size()));
    padded(value);
  }

 private:
  std::string& file_;
  size_t begin_;
};

}  // namespace

void add_section(std::string& file, std::string_view application) {
  Block block(file, kSection);
  block.number<uint32_t>(0x1a2b3c4d);  // tells the byte order
  block.number<uint16_t>(1);           // version 1.0
  block.number<uint16_t>(0);
  block.number<uint64_t>(UINT64_MAX);  // a section of unknown length
  block.option(kApplication, application);
  block.option(kEnd, {});
}

void add_interface(std::string& file, std::string_view name, uint32_t snaplen) {
  Block block(file, kInterface);
  block.number(kEthernet);
  block.number<uint16_t>(0);
  block.number(snaplen);
  block.option(kName, name);
  block.option(kTimeUnit, "\x09");  // 10^-9 s
  block.option(kEnd, {});
}

void add_packet(std::string& file, const Packet& packet) {
  Block block(file, kPacket);
  block.number(packet.interface);
  block.number(static_cast<uint32_t>(packet.time_ns >> 32));
  block.number(static_cast<uint32_t>(packet.time_ns));
  block.number(static_cast<uint32_t>(packet.bytes.size()));
  block.number(std::max(packet.length, static_cast<uint32_t>(packet.bytes.size())));
  block.padded({reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size()});
  if (packet.comment.empty()) return;
  block.option(kComment, packet.comment);
  block.option(kEnd, {});
}

}  // namespace sluice::ctrl::pcapng
