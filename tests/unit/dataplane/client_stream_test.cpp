// A client's segments in any order, cut anyhow, repeated, overlapping, contradicting each other: what passes
// in order is what a receiver gets. The receivers are naive twins that keep a map of bytes; one takes the
// first byte at a place, the other the last one, and they must not be told apart.
#include "dataplane/inspect/client_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

using Place = ClientStream::Place;
using Bytes = std::vector<uint8_t>;

struct Sent {
  uint32_t offset;
  Bytes bytes;
  bool has_fin = false;
};

/// A TCP receiver that keeps bytes by place, as far as there is no gap before them; an end where a FIN says
/// so.
class NaiveReceiver {
 public:
  explicit NaiveReceiver(bool prefers_newer) : prefers_newer_(prefers_newer) {}
  void get(const Sent& segment) {
    for (size_t i = 0; i < segment.bytes.size(); ++i) {
      const auto place = segment.offset + static_cast<uint32_t>(i);
      if (place < delivered_) continue;  // it has been read
      const bool is_new = !bytes_.contains(place);
      if (is_new || prefers_newer_) bytes_[place] = segment.bytes[i];
    }
    if (segment.has_fin) ends_.push_back(segment.offset + static_cast<uint32_t>(segment.bytes.size()));
    while (bytes_.contains(delivered_) && !is_ended()) text_.push_back(bytes_[delivered_++]);
  }
  bool is_ended() const { return std::ranges::find(ends_, delivered_) != ends_.end(); }
  const Bytes& text() const { return text_; }

 private:
  bool prefers_newer_;
  std::map<uint32_t, uint8_t> bytes_;
  std::vector<uint32_t> ends_;
  uint32_t delivered_ = 0;
  Bytes text_;
};

/// What a gateway does with segments, without packets: a held one is known by its number.
class Line {
 public:
  Line(uint32_t first, size_t limit) : first_(first), room_(limit) { stream_.begin(first, room_); }

  Place send(const Sent& segment) {
    all_.push_back(segment);
    Sent& kept = all_.back();
    const StreamSegment as_sent{first_ + kept.offset, kept.bytes, kept.has_fin};
    const Place place = stream_.place(as_sent, held_);
    if (place == Place::kPasses) pass(kept);
    if (place == Place::kProbe) {
      kept.bytes[0] = stream_.byte_at(as_sent.sequence);
      pass(kept);
    }
    if (place == Place::kNext) {
      scan_and_pass(kept, as_sent);
      for (HeldSegments::Index next; (next = stream_.next_held(held_)) != HeldSegments::kNone;) {
        const StreamSegment waiting = stream_.segment_of(held_[next]);
        const Sent& of = *reinterpret_cast<Sent*>(stream_.release(held_, next));
        scan_and_pass(of, waiting);
      }
    }
    if (place == Place::kEarly) {
      stream_.hold(as_sent, held_, {.packet = reinterpret_cast<rte_mbuf*>(&kept)});
    }
    return place;
  }
  void give_up(HeldSegments::Index index) { stream_.release(held_, index); }

  ClientStream& stream() { return stream_; }
  HeldSegments& held() { return held_; }
  const Bytes& scanned() const { return scanned_; }
  const NaiveReceiver& first_wins() const { return first_wins_; }
  const NaiveReceiver& last_wins() const { return last_wins_; }

 private:
  void scan_and_pass(const Sent& sent, const StreamSegment& segment) {
    const auto bytes = stream_.new_bytes(segment);
    scanned_.insert(scanned_.end(), bytes.begin(), bytes.end());
    stream_.pass(segment);
    pass(sent);
  }
  void pass(const Sent& segment) {
    first_wins_.get(segment);
    last_wins_.get(segment);
  }

  uint32_t first_;
  Bytes room_;
  std::deque<Sent> all_;
  ClientStream stream_;
  HeldSegments held_;
  Bytes scanned_;
  NaiveReceiver first_wins_{false}, last_wins_{true};
};

Bytes bytes(std::string_view text) {
  return {text.begin(), text.end()};
}
std::string text(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST(ClientStream, PassesWhatComesInOrder) {
  Line line(1000, 100);
  EXPECT_EQ(line.send({0, bytes("hello ")}), Place::kNext);
  EXPECT_EQ(line.send({6, bytes("world"), true}), Place::kNext);
  EXPECT_EQ(text(line.scanned()), "hello world");
  EXPECT_TRUE(line.stream().is_ended());
  EXPECT_TRUE(line.stream().is_complete());
  EXPECT_FALSE(line.stream().is_acknowledged(1011));
  EXPECT_TRUE(line.stream().is_acknowledged(1012));
}

TEST(ClientStream, HoldsWhatComesEarlyUntilTheGapFills) {
  Line line(0xfffffffc, 100);  // sequence numbers wrap
  EXPECT_EQ(line.send({4, bytes("efgh")}), Place::kEarly);
  EXPECT_EQ(line.send({8, bytes("ij")}), Place::kEarly);
  EXPECT_EQ(line.send({5, bytes("fg")}), Place::kHeldAlready);
  EXPECT_EQ(text(line.scanned()), "");
  EXPECT_EQ(line.send({0, bytes("abcd")}), Place::kNext);
  EXPECT_EQ(text(line.scanned()), "abcdefghij");
  EXPECT_EQ(line.stream().held_count(), 0u);
  EXPECT_EQ(line.stream().next_sequence(), 0xfffffffc + 10);
}

TEST(ClientStream, KeepsTheFirstBytesAtAPlace) {
  Line line(7, 100);
  line.send({0, bytes("abcd")});
  EXPECT_EQ(line.send({0, bytes("abcd")}), Place::kPasses);  // again
  EXPECT_EQ(line.send({2, bytes("cdef")}), Place::kNext);    // and more of it
  EXPECT_EQ(line.send({2, bytes("cXef")}), Place::kContradicts);
  EXPECT_EQ(line.send({10, bytes("klmn")}), Place::kEarly);
  EXPECT_EQ(line.send({12, bytes("XYop")}), Place::kContradicts);  // held ones included
  EXPECT_EQ(line.send({6, bytes("ghijkZ")}), Place::kContradicts);
  EXPECT_EQ(line.send({6, bytes("ghijkl")}), Place::kNext);
  EXPECT_EQ(text(line.scanned()), "abcdefghijklmn");
}

TEST(ClientStream, HasOneEnd) {
  Line line(7, 100);
  line.send({0, bytes("abcd")});
  EXPECT_EQ(line.send({6, bytes("gh"), true}), Place::kEarly);
  EXPECT_EQ(line.send({8, bytes("ij")}), Place::kContradicts);  // behind a FIN that is held
  EXPECT_EQ(line.send({4, bytes("ef"), true}), Place::kContradicts);
  EXPECT_EQ(line.send({4, bytes("ef")}), Place::kNext);
  EXPECT_TRUE(line.stream().is_ended());
  EXPECT_EQ(line.send({8, bytes("")}), Place::kPasses);
  EXPECT_EQ(line.send({8, bytes(""), true}), Place::kPasses);  // the FIN again
  EXPECT_EQ(line.send({8, bytes("x")}), Place::kContradicts);
}

TEST(ClientStream, ForgetsAnEndThatIsGivenUp) {
  Line line(7, 100);
  line.send({6, bytes("gh"), true});
  line.give_up(line.stream().first_held());
  EXPECT_EQ(line.send({0, bytes("abcdefghij")}), Place::kNext);
  EXPECT_FALSE(line.stream().is_ended());
}

TEST(ClientStream, LooksAtTheFirstBytesAlone) {
  Line line(7, 4);
  EXPECT_EQ(line.send({9, bytes("jkl")}), Place::kPasses);  // behind them, whatever came before
  EXPECT_EQ(line.send({2, bytes("cdef")}), Place::kEarly);
  EXPECT_EQ(line.send({0, bytes("ab")}), Place::kNext);
  EXPECT_EQ(text(line.scanned()), "abcd");
  EXPECT_TRUE(line.stream().is_complete());
  EXPECT_EQ(line.send({3, bytes("dXX")}), Place::kPasses);
  EXPECT_EQ(line.send({2, bytes("Xd")}), Place::kContradicts);
  EXPECT_FALSE(line.stream().is_acknowledged(7 + 3));
  EXPECT_TRUE(line.stream().is_acknowledged(7 + 4));
}

TEST(ClientStream, MakesAnOldByteWhatItWas) {
  Line line(7, 100);
  line.send({0, bytes("abcd")});
  EXPECT_EQ(line.send({3, Bytes{0}}), Place::kProbe);  // a keepalive with a byte of garbage
  EXPECT_EQ(text(line.last_wins().text()), "abcd");
  EXPECT_EQ(line.send({2, Bytes{0}}), Place::kContradicts);
}

TEST(ClientStream, PassesWhatIsBeforeTheFirstByte) {
  Line line(7, 100);
  EXPECT_EQ(line.send({UINT32_MAX, Bytes{0}}), Place::kPasses);  // a keepalive before anything was sent
  EXPECT_EQ(line.send({0, bytes(""), true}), Place::kNext);
  EXPECT_TRUE(line.stream().is_ended());
}

/// One random stream: segments of a text, some cut, doubled, shuffled, and some that lie.
TEST(ClientStream, ScansWhatAReceiverGetsHoweverItIsCut) {
  constexpr unsigned kStreams = 10'000;
  std::mt19937 random(20261128);
  const auto below = [&](uint32_t end) {
    return std::uniform_int_distribution<uint32_t>(0, end - 1)(random);
  };
  unsigned whole = 0, contradicted = 0;
  for (unsigned number = 0; number < kStreams; ++number) {
    const uint32_t size = 1 + below(120);
    Bytes truth(size);
    for (uint8_t& byte : truth) byte = static_cast<uint8_t>('a' + below(3));
    std::vector<Sent> segments;
    for (uint32_t at = 0; at < size;) {
      const uint32_t length = std::min(1 + below(20), size - at);
      segments.push_back({at, Bytes(truth.begin() + at, truth.begin() + at + length), at + length == size});
      at += length;
    }
    for (unsigned again = below(6); again > 0; --again) {  // other cuts of the same, and lies
      const uint32_t at = below(size), length = std::min(1 + below(30), size - at);
      Sent segment{at, Bytes(truth.begin() + at, truth.begin() + at + length)};
      if (below(2) == 0) segment.bytes[below(length)] ^= 1;
      segment.has_fin = below(8) == 0;
      segments.push_back(segment);
    }
    if (below(4) != 0) std::shuffle(segments.begin(), segments.end(), random);
    const size_t limit = 1 + below(200);
    Line line(random(), limit);
    const auto looked_at = [&](const Bytes& all) {
      return std::string(all.begin(), all.begin() + static_cast<long>(std::min(all.size(), limit)));
    };
    for (unsigned round = 0; round < 2; ++round) {  // all of it is sent again, as TCP does
      for (const Sent& segment : segments) {
        contradicted += line.send(segment) == Place::kContradicts;
        ASSERT_EQ(looked_at(line.first_wins().text()), text(line.scanned())) << number;
        ASSERT_EQ(looked_at(line.last_wins().text()), text(line.scanned())) << number;
      }
    }
    whole += line.scanned().size() == size;
  }
  EXPECT_GT(whole, kStreams / 10);
  EXPECT_GT(contradicted, kStreams / 10);
}

}  // namespace
}  // namespace sluice::dataplane
