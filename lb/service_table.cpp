#include "lb/service_table.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice::lb {
namespace {

/// Sixteen address bytes as two words, which masks and hashes like better.
struct Words {
  uint64_t first = 0;
  uint64_t second = 0;
  bool operator==(const Words&) const = default;
};

Words words(const IpAddress& address) {
  return {load<uint64_t>(address.bytes().data()), load<uint64_t>(address.bytes().data() + 8)};
}

/// Spreads what was configured, which no sender of packets chooses: needs no key. Both halves of the
/// product count, as neighbours differ in the last bytes of an address, the greatest bits of a word.
size_t spread(const Words& address, uint64_t rest) {
  const auto product = static_cast<unsigned __int128>(address.first ^ rest ^ 0x9e3779b97f4a7c15) *
                       (address.second ^ 0xbf58476d1ce4e5b9);
  return static_cast<size_t>(product ^ product >> 64);
}

/// A table at most half full, so that a search for what is not there ends soon: in a small one, at once.
template <typename Slot>
class OpenTable {
 public:
  explicit OpenTable(size_t entries) : slots_(std::bit_ceil(std::max(2 * entries + 1, kFewest))) {}

  /// The slot that holds `key`, or the free one where it would go.
  const Slot& at(const typename Slot::Key& key) const {
    size_t i = key.spread() & (slots_.size() - 1);
    while (slots_[i].is_used() && !(slots_[i].key == key)) i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }
  Slot& at(const typename Slot::Key& key) { return const_cast<Slot&>(std::as_const(*this).at(key)); }
  void prefetch(const typename Slot::Key& key) const {
    __builtin_prefetch(&slots_[key.spread() & (slots_.size() - 1)]);
  }

 private:
  static constexpr size_t kFewest = 64;
  std::vector<Slot> slots_;
};

struct alignas(32) ExactSlot {
  struct Key {
    Words address;
    Be16 port;
    IpProtocol protocol{};
    bool operator==(const Key&) const = default;
    size_t spread() const {
      return lb::spread(address, uint64_t{port.network()} << 8 | static_cast<uint8_t>(protocol));
    }
  };
  Key key;
  ServiceId service = kNoService;
  bool is_used() const { return service != kNoService; }
};

/// What is configured for one address block, whatever the port.
struct BlockSlot {
  struct Key {
    Words network;
    uint8_t bits = 0;  ///< of the 16-byte form: an IPv4 block has 96 more than its prefix length
    bool operator==(const Key&) const = default;
    size_t spread() const { return lb::spread(network, bits); }
  };
  Key key;
  bool used = false;
  uint32_t first_range = 0;  ///< its port ranges lie together
  uint32_t ranges = 0;
  bool is_used() const { return used; }
};

struct PortRange {
  IpProtocol protocol;
  uint16_t first;
  uint16_t last;
  ServiceId service;
};

/// A length that some blocks with port ranges have, as the mask that leads to them.
struct BlockLength {
  Words mask;
  uint8_t bits;
  BlockSlot::Key key(const Words& address) const {
    return {{address.first & mask.first, address.second & mask.second}, bits};
  }
};

constexpr uint8_t kHostBits = 128;

uint64_t mask_word(unsigned bits) {  // the first `bits` of eight bytes as they lie in memory
  return bits == 0 ? 0 : byte_swap(~uint64_t{0} << (64 - bits));
}

BlockLength block_length(uint8_t bits) {
  return {{mask_word(std::min<unsigned>(bits, 64)), mask_word(bits > 64 ? bits - 64u : 0)}, bits};
}

uint8_t bits_of(const Prefix& prefix) {
  return static_cast<uint8_t>(prefix.length + (prefix.address.is_v4() ? 96 : 0));
}

bool is_exact(const ServiceMatch& match) {
  return bits_of(match.address) == kHostBits && match.first_port == match.last_port;
}

}  // namespace

struct ServiceTable::Index {
  explicit Index(std::span<const ServiceMatch> matches) : exact(matches.size()), blocks(matches.size()) {}

  void add_range(const ServiceMatch& match);
  ServiceId find_range(const BlockSlot& block, uint16_t port, IpProtocol protocol) const;
  const std::vector<BlockLength>& lengths(const IpAddress& address) const {
    return address.is_v4() ? lengths_v4 : lengths_v6;
  }

  OpenTable<ExactSlot> exact;     ///< one address, one port
  OpenTable<BlockSlot> blocks;    ///< every address block, those of exact matches too
  std::vector<PortRange> ranges;  ///< by block, protocol and port
  std::vector<BlockLength> lengths_v4;
  std::vector<BlockLength> lengths_v6;
};

void ServiceTable::Index::add_range(const ServiceMatch& match) {
  const BlockLength length = block_length(bits_of(match.address));
  auto& known = match.address.address.is_v4() ? lengths_v4 : lengths_v6;
  if (std::none_of(known.begin(), known.end(), [&](const auto& k) { return k.bits == length.bits; })) {
    known.push_back(length);
  }
  BlockSlot& block = blocks.at(length.key(words(match.address.address)));
  if (block.ranges++ == 0) block.first_range = static_cast<uint32_t>(ranges.size());
  ranges.push_back({match.protocol, match.first_port, match.last_port, match.service});
}

ServiceId ServiceTable::Index::find_range(const BlockSlot& block, uint16_t port, IpProtocol protocol) const {
  const auto begin = ranges.begin() + block.first_range;
  const auto found = std::partition_point(begin, begin + block.ranges, [&](const PortRange& range) {
    return range.protocol != protocol ? range.protocol < protocol : range.last < port;
  });
  const bool hit = found != begin + block.ranges && found->protocol == protocol && found->first <= port;
  return hit ? found->service : kNoService;
}

ServiceTable::ServiceTable() = default;
ServiceTable::~ServiceTable() = default;

std::unique_ptr<const ServiceTable> ServiceTable::build(std::span<const ServiceMatch> matches) {
  std::vector<ServiceMatch> sorted(matches.begin(), matches.end());
  std::sort(sorted.begin(), sorted.end(), [](const ServiceMatch& a, const ServiceMatch& b) {
    return std::tie(a.address, a.protocol, a.first_port) < std::tie(b.address, b.protocol, b.first_port);
  });
  auto index = std::make_unique<Index>(matches);
  for (const auto& match : sorted) {
    const auto key = block_length(bits_of(match.address)).key(words(match.address.address));
    BlockSlot& block = index->blocks.at(key);
    block.key = key;
    block.used = true;
    if (is_exact(match)) {
      const ExactSlot::Key exact{key.network, Be16::from_host(match.first_port), match.protocol};
      index->exact.at(exact) = {exact, match.service};
    } else {
      index->add_range(match);
    }
  }
  std::unique_ptr<ServiceTable> table(new ServiceTable);
  table->index_ = std::move(index);
  return table;
}

ServiceId ServiceTable::find(const IpAddress& destination, Be16 port, IpProtocol protocol) const {
  const Words address = words(destination);
  const ServiceId exact = index_->exact.at({address, port, protocol}).service;
  if (exact != kNoService) return exact;
  for (const BlockLength& length : index_->lengths(destination)) {
    const BlockSlot& block = index_->blocks.at(length.key(address));
    const ServiceId service = index_->find_range(block, port.host(), protocol);
    if (service != kNoService) return service;
  }
  return kNoService;
}

bool ServiceTable::has_address(const IpAddress& address) const {
  const Words host = words(address);
  if (index_->blocks.at({host, kHostBits}).is_used()) return true;
  const auto& lengths = index_->lengths(address);
  return std::any_of(lengths.begin(), lengths.end(),
                     [&](const auto& length) { return index_->blocks.at(length.key(host)).is_used(); });
}

void ServiceTable::prefetch(const IpAddress& destination, Be16 port, IpProtocol protocol) const {
  index_->exact.prefetch({words(destination), port, protocol});
}

}  // namespace sluice::lb
