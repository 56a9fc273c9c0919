// The memory of one worker's streams of one inspection: places of one size, so many and no more, none of them
// touched before it is used. What Hyperscan keeps of streams, which every scan reads and writes, lies
// together; the streams' bytes, which are read where a client says something again, lie apart.
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
  /// A place has so many bytes of state, a multiple of 8, and so many of a stream.
  static Result<StreamArena> create(size_t state_bytes, size_t stream_bytes, uint32_t places) {
    auto states = MappedArray<uint8_t>::create(state_bytes * places, -1, false);
    if (!states) return tl::unexpected(states.error());
    auto streams = MappedArray<uint8_t>::create(stream_bytes * places, -1, false);
    if (!streams) return tl::unexpected(streams.error());
    StreamArena arena;
    arena.states_ = std::move(*states);
    arena.streams_ = std::move(*streams);
    arena.state_bytes_ = state_bytes;
    arena.stream_bytes_ = stream_bytes;
    arena.places_ = places;
    return arena;
  }

  /// The state of a place; null: all are taken.
  uint8_t* take() {
    if (free_ != kNone) {
      uint8_t* const place = at(free_);
      free_ = load<uint32_t>(place);
      return place;
    }
    return touched_ < places_ ? at(touched_++) : nullptr;
  }
  void give_back(uint8_t* state) {
    store(state, free_);
    free_ = place_of(state);
  }
  /// The stream's bytes of the place that has this state.
  uint8_t* stream_of(const uint8_t* state) const {
    return streams_.elements().data() + place_of(state) * stream_bytes_;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint8_t* at(uint32_t place) const { return states_.elements().data() + place * state_bytes_; }
  uint32_t place_of(const uint8_t* state) const {
    return static_cast<uint32_t>(static_cast<size_t>(state - states_.elements().data()) / state_bytes_);
  }

  MappedArray<uint8_t> states_, streams_;
  size_t state_bytes_ = 1;
  size_t stream_bytes_ = 1;
  uint32_t places_ = 0;
  uint32_t touched_ = 0;   ///< those before it have been used
  uint32_t free_ = kNone;  ///< the last given back; each has the next one's number
};

}  // namespace sluice::dataplane
