// How answers leave to clients behind one next hop, worked out once and kept: by which port, under which
// Ethernet header (docs/decisions/0050). A reply's entry has the number of its way. One worker's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/address.h"
#include "common/bytes.h"
#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

/// One cache line.
struct alignas(64) ClientWay {
  uint32_t number = 0;      ///< 0: nobody's
  uint32_t version = 0;     ///< of Neighbors, for which the header holds
  uint64_t generation = 0;  ///< of Tables, whose routes lead there
  IpAddress next_hop{};     ///< of the clients' family
  uint16_t most_ip_bytes = 0;
  LinkHeader link{};
};
static_assert(sizeof(ClientWay) == 64);

/// A direct-mapped cache of few places. A number stands for one next hop under one generation of Tables, and
/// is not given again before 2^26 others of its place; a place changes hands once in a version at most. So no
/// flow lives to meet its number again with another meaning.
class ClientWays {
 public:
  static constexpr size_t kPlaces = 64;

  /// The way of that number, or null where it does not hold for that version.
  const ClientWay* find(uint32_t number, uint32_t version) const {
    const ClientWay& way = ways_[number % kPlaces];
    return way.number == number && way.version == version ? &way : nullptr;
  }
  /// Keeps a way, whose number is not known yet, unless another has its place for this version. Returns its
  /// number, or 0.
  uint32_t keep(const ClientWay& way) {
    const size_t place = place_of(way);
    ClientWay& kept = ways_[place];
    const bool is_same =
        kept.generation == way.generation && kept.next_hop == way.next_hop && kept.link.port == way.link.port;
    if (!is_same && kept.version == way.version) return 0;
    const uint32_t number = is_same && kept.number != 0 ? kept.number : next_number(place);
    kept = way;
    kept.number = number;
    return number;
  }

 private:
  static size_t place_of(const ClientWay& way) {
    const uint64_t word = load<uint64_t>(way.next_hop.bytes().data()) * 31 +
                          load<uint64_t>(way.next_hop.bytes().data() + 8) + way.link.port;
    return word * 0x9e3779b97f4a7c15 >> 58;
  }
  /// Of that place, and not 0.
  uint32_t next_number(size_t place) {
    turn_ = turn_ + 1 < UINT32_MAX / kPlaces ? turn_ + 1 : 1;
    return turn_ * uint32_t{kPlaces} + static_cast<uint32_t>(place);
  }

  std::array<ClientWay, kPlaces> ways_{};
  uint32_t turn_ = 0;
};

}  // namespace sluice::dataplane
