#include "lb/flow_hash.h"

namespace sluice::lb {
namespace {

/// SplitMix64: one seed into several keys.
uint64_t next_key(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

}  // namespace

FlowHash::FlowHash(uint64_t seed) {
  for (uint32_t& key : keys_) key = static_cast<uint32_t>(next_key(seed));
  v4_constant_ = uint64_t{keys_[0]} * keys_[1] + uint64_t{keys_[4]} * keys_[5];
  mapped_source_ = IpAddress::kMappedMark + keys_[2];
  mapped_destination_ = IpAddress::kMappedMark + keys_[6];
}

}  // namespace sluice::lb
