// The memory of one worker's streams of one inspection: a fixed number of places of one size, whose memory is
// not touched before they are used. The states that Hyperscan keeps of streams, which every scan reads and
// writes, lie together; the streams' bytes, which are read where a client sends them again, lie apart.
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
  /// `places`: how many streams there can be at once. Each has `state_bytes`, a multiple of 8, for
  /// Hyperscan's state, and `stream_bytes` for its bytes. An error: there is no memory.
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

  /// Takes a place: its state, not zeroed, or null where all places are taken.
  uint8_t* take() {
    if (free_ != kNone) {
      uint8_t* const place = at(free_);
      free_ = load<uint32_t>(place);
      return place;
    }
    return touched_ < places_ ? at(touched_++) : nullptr;
  }
  /// Gives back a place that take() has returned.
  void give_back(uint8_t* state) {
    store(state, free_);
    free_ = place_of(state);
  }
  /// Room for the bytes of the stream whose state this is.
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
  uint32_t touched_ = 0;   ///< the first place that was never taken
  uint32_t free_ = kNone;  ///< the place given back last; its state begins with the number of the one before
};

}  // namespace sluice::dataplane
