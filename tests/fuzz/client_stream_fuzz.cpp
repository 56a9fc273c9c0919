// Segments of a client that does what it likes: what passes in order is what a receiver gets, whichever copy
// of a byte it prefers, and no more is held than may be.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <vector>

#include "dataplane/inspect/client_stream.h"

namespace sluice::dataplane {
namespace {

constexpr size_t kLimit = 64;
constexpr size_t kPlaces = 256;

void require(bool promise) {
  if (!promise) std::abort();
}

/// What has come to the receiver at each place: no two bytes may differ before the limit.
struct Receiver {
  std::array<std::optional<uint8_t>, kPlaces> bytes;
  void get(uint32_t offset, std::span<const uint8_t> payload) {
    for (size_t i = 0; i < payload.size(); ++i) {
      const size_t place = offset + i;
      if (place >= kLimit) return;
      require(!bytes[place] || *bytes[place] == payload[i]);
      bytes[place] = payload[i];
    }
  }
};

/// Each segment is three bytes of header and its payload: offset, size, flags.
void check(std::span<const uint8_t> input) {
  std::vector<uint8_t> room(kLimit);
  ClientStream stream;
  stream.begin(0xffffffe0, room);
  HeldSegments held;
  Receiver receiver;
  std::deque<std::vector<uint8_t>> payloads;
  std::vector<uint8_t> scanned;
  const auto pass = [&](const StreamSegment& segment) {
    const auto bytes = stream.new_bytes(segment);
    scanned.insert(scanned.end(), bytes.begin(), bytes.end());
    stream.pass(segment);
    receiver.get(segment.sequence - 0xffffffe0, segment.payload);
  };
  while (input.size() >= 3) {
    const uint32_t offset = input[0] % 100;
    const size_t size = std::min<size_t>(input[1] % 40, input.size() - 3);
    const bool has_fin = (input[2] & 1) != 0;
    payloads.emplace_back(input.begin() + 3, input.begin() + 3 + static_cast<long>(size));
    input = input.subspan(3 + size);
    const StreamSegment segment{0xffffffe0 + offset, payloads.back(), has_fin};
    switch (stream.place(segment, held)) {
      case ClientStream::Place::kPasses:
        receiver.get(offset, segment.payload);
        break;
      case ClientStream::Place::kNext:
        pass(segment);
        for (HeldSegments::Index next; (next = stream.next_held(held)) != HeldSegments::kNone;) {
          const StreamSegment waiting = stream.segment_of(held[next]);
          stream.release(held, next);
          pass(waiting);
        }
        break;
      case ClientStream::Place::kEarly:
        if (stream.held_count() == HeldSegments::kMostOfStream) stream.release(held, held.oldest());
        stream.hold(segment, held, {});
        break;
      case ClientStream::Place::kProbe:
        require(segment.payload.size() == 1 && stream.byte_at(segment.sequence) != segment.payload[0]);
        break;
      case ClientStream::Place::kHeldAlready:
      case ClientStream::Place::kContradicts:
        break;
    }
    require(scanned.size() == stream.passed() && stream.passed() <= kLimit);
  }
  for (size_t i = 0; i < scanned.size(); ++i) require(receiver.bytes[i] == scanned[i]);
  while (stream.first_held() != HeldSegments::kNone) stream.release(held, stream.first_held());
  require(stream.held_count() == 0 && held.oldest() == HeldSegments::kNone);
}

}  // namespace
}  // namespace sluice::dataplane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::dataplane::check({data, size});
  return 0;
}
