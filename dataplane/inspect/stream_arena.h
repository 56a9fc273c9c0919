// The memory of one worker's streams of one inspection: places of one size, so many and no more, none of them
// touched before it is used. What Hyperscan keeps of a stream lies at the front of its place, the stream's
// bytes behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "common/bytes.h"
#include "common/result.h"
#include "dataplane/base/mapped_array.h"

namespace sluice::dataplane {

class StreamArena {
 public:
  StreamArena() = default;
  static Result<StreamArena> create(size_t place_bytes, uint32_t places) {
    auto memory = MappedArray<uint8_t>::create(place_bytes * places, -1, false);
    if (!memory) return tl::unexpected(memory.error());
    StreamArena arena;
    arena.memory_ = std::move(*memory);
    arena.place_bytes_ = place_bytes;
    arena.places_ = places;
    return arena;
  }

  /// Null: all are taken.
  uint8_t* take() {
    if (free_ != kNone) {
      uint8_t* const place = at(free_);
      free_ = load<uint32_t>(place);
      return place;
    }
    return touched_ < places_ ? at(touched_++) : nullptr;
  }
  void give_back(uint8_t* place) {
    store(place, free_);
    free_ = static_cast<uint32_t>(static_cast<size_t>(place - memory_.elements().data()) / place_bytes_);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint8_t* at(uint32_t place) const { return memory_.elements().data() + place * place_bytes_; }

  MappedArray<uint8_t> memory_;
  size_t place_bytes_ = 1;
  uint32_t places_ = 0;
  uint32_t touched_ = 0;   ///< those before it have been used
  uint32_t free_ = kNone;  ///< the last given back; each has the next one's number
};

}  // namespace sluice::dataplane
