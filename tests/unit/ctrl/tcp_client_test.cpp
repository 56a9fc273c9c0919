// The rules are RFC 9293's and RFC 5961's; real stacks are the other side in
// tests/e2e/service_checks_test.py.
#include "ctrl/health/tcp_client.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "ctrl/net/byte_stream.h"

namespace sluice::ctrl {
namespace {

constexpr uint8_t kSyn = TcpHeader::kSyn, kAck = TcpHeader::kAck, kFin = TcpHeader::kFin,
                  kRst = TcpHeader::kRst;
constexpr uint8_t kPush = 0x08;
constexpr uint32_t kOurs = 0xffffff00;  ///< wraps soon
constexpr uint32_t kTheirs = 0xfffffff0;

class Tcp : public testing::Test {
 protected:
  struct Sent {
    TcpSegment head;
    std::string payload;
  };
  Tcp()
      : client_(kOurs, 1220, [this](const TcpSegment& segment) {
          sent_.push_back({segment, std::string(segment.payload.begin(), segment.payload.end())});
          sent_.back().head.payload = {};
        }) {}

  void give(uint32_t sequence, uint32_t acknowledgment, uint8_t flags, std::string_view payload = "",
            uint16_t window = 60000) {
    client_.receive({.sequence = sequence,
                     .acknowledgment = acknowledgment,
                     .flags = flags,
                     .window = window,
                     .most_payload = (flags & kSyn) != 0 ? uint16_t{1460} : uint16_t{0},
                     .payload = bytes_of(payload)},
                    now_);
  }
  void open() {
    client_.open(now_);
    give(kTheirs, kOurs + 1, kSyn | kAck);
    ASSERT_EQ(client_.state(), TcpClient::State::kOpen);
    sent_.clear();
  }
  std::string read() {
    std::array<uint8_t, 65536> room;
    return {reinterpret_cast<const char*>(room.data()), client_.read(room)};
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    client_.on_time(now_);
  }

  TcpClient::Clock::time_point now_{};
  std::vector<Sent> sent_;
  TcpClient client_;
};

TEST_F(Tcp, OpensInThreeSegments) {
  client_.open(now_);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].head.flags, kSyn);
  EXPECT_EQ(sent_[0].head.sequence, kOurs);
  EXPECT_EQ(sent_[0].head.most_payload, 1220);
  EXPECT_EQ(client_.due(), now_ + TcpClient::kFirstWait);
  give(kTheirs, kOurs + 1, kSyn | kAck);
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[1].head.flags, kAck);
  EXPECT_EQ(sent_[1].head.sequence, kOurs + 1);
  EXPECT_EQ(sent_[1].head.acknowledgment, kTheirs + 1);
  EXPECT_EQ(client_.state(), TcpClient::State::kOpen);
  EXPECT_FALSE(client_.due());
}

TEST_F(Tcp, SendsWhatIsLostAgainEachTimeLater) {
  client_.open(now_);
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 5; ++i) {
    waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(*client_.due() - now_));
    pass(waits.back());
  }
  using std::chrono::milliseconds;
  EXPECT_EQ(waits, (std::vector{milliseconds(200), milliseconds(400), milliseconds(800), milliseconds(1600),
                                milliseconds(1600)}));
  EXPECT_EQ(sent_.size(), 6u);
  for (const Sent& each : sent_) EXPECT_EQ(each.head.flags, kSyn);
}

TEST_F(Tcp, IsRefusedByAResetThatAcknowledgesIt) {
  client_.open(now_);
  give(0, 0, kRst);
  give(0, kOurs, kRst | kAck);
  EXPECT_EQ(client_.state(), TcpClient::State::kOpening);
  give(0, kOurs + 1, kRst | kAck);
  EXPECT_EQ(client_.state(), TcpClient::State::kRefused);
  EXPECT_FALSE(client_.due());
}

TEST_F(Tcp, MakesThePeerForgetAnOlderConnection) {
  client_.open(now_);
  give(77, 12345, kAck);  // the challenge of one that has state for our port
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[1].head.flags, kRst);
  EXPECT_EQ(sent_[1].head.sequence, 12345u);
  EXPECT_EQ(client_.state(), TcpClient::State::kOpening);
}

TEST_F(Tcp, TakesWhatComesInOrderAndAsksForTheRestAgain) {
  open();
  give(kTheirs + 6, kOurs + 1, kAck, "world");  // a gap before it
  EXPECT_EQ(sent_.back().head.acknowledgment, kTheirs + 1);
  give(kTheirs + 1, kOurs + 1, kAck, "hello");
  EXPECT_EQ(sent_.back().head.acknowledgment, kTheirs + 6);
  give(kTheirs + 3, kOurs + 1, kAck, "lloworld");  // half of it known
  EXPECT_EQ(sent_.back().head.acknowledgment, kTheirs + 11);
  give(kTheirs + 1, kOurs + 1, kAck, "hello");  // all of it
  EXPECT_EQ(sent_.back().head.acknowledgment, kTheirs + 11);
  EXPECT_EQ(read(), "helloworld");
  EXPECT_FALSE(client_.has_ended());
  give(kTheirs + 11, kOurs + 1, kAck | kFin, "!");
  EXPECT_EQ(sent_.back().head.acknowledgment, kTheirs + 13);
  EXPECT_FALSE(client_.has_ended());
  EXPECT_EQ(read(), "!");
  EXPECT_TRUE(client_.has_ended());
}

TEST_F(Tcp, AnEndBehindAGapIsNone) {
  open();
  give(kTheirs + 6, kOurs + 1, kAck | kFin, "world");
  EXPECT_EQ(sent_.back().head.acknowledgment, kTheirs + 1);
  EXPECT_FALSE(client_.has_ended());
}

TEST_F(Tcp, TellsThePeerOfRoomThatItDidNotKnowOf) {
  open();
  const std::string piece(1024, 'x');
  uint32_t at = kTheirs + 1;
  for (size_t taken = 0; taken < TcpClient::kMostUnread; taken += piece.size()) {
    give(at, kOurs + 1, kAck, piece);
    at += 1024;
  }
  EXPECT_EQ(sent_.back().head.window, 0);
  give(at, kOurs + 1, kAck, piece);  // beyond it
  EXPECT_EQ(sent_.back().head.acknowledgment, at);
  const size_t before = sent_.size();
  EXPECT_EQ(read().size(), TcpClient::kMostUnread);
  ASSERT_EQ(sent_.size(), before + 1);
  EXPECT_EQ(sent_.back().head.window, TcpClient::kMostUnread);
}

TEST_F(Tcp, CutsWhatItSendsAndKeepsToThePeersWindow) {
  open();
  give(kTheirs + 1, kOurs + 1, kAck, "", 600);
  const std::string text(1000, 'y');
  client_.write(bytes_of(text), now_);
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[0].payload.size(), 536u);
  EXPECT_EQ(sent_[0].head.flags, kAck | kPush);
  EXPECT_EQ(sent_[1].payload.size(), 64u);
  EXPECT_EQ(sent_[1].head.sequence, kOurs + 1 + 536);
  give(kTheirs + 1, kOurs + 1 + 600, kAck, "", 0);
  EXPECT_EQ(sent_.size(), 2u);
  pass(TcpClient::kFirstWait);  // one byte asks whether there is room
  ASSERT_EQ(sent_.size(), 3u);
  EXPECT_EQ(sent_[2].payload.size(), 1u);
  give(kTheirs + 1, kOurs + 1 + 601, kAck, "", 60000);
  ASSERT_EQ(sent_.size(), 4u);
  EXPECT_EQ(sent_[3].payload.size(), 399u);
  EXPECT_EQ(sent_[3].head.sequence, kOurs + 1 + 601);
  pass(TcpClient::kFirstWait);
  ASSERT_EQ(sent_.size(), 5u);
  EXPECT_EQ(sent_[4].payload.size(), 399u);
  give(kTheirs + 1, kOurs + 1 + 1000, kAck);
  EXPECT_FALSE(client_.due());
}

TEST_F(Tcp, OnlyTheExactResetEndsIt) {
  open();
  give(kTheirs + 100, 0, kRst);
  EXPECT_EQ(sent_.size(), 1u);  // RFC 5961, 3.2: a challenge
  give(kTheirs, 0, kRst);
  give(kTheirs + 1, kOurs + 1, kSyn);
  EXPECT_EQ(sent_.size(), 2u);  // RFC 5961, 4.2: to the SYN
  EXPECT_EQ(client_.state(), TcpClient::State::kOpen);
  give(kTheirs + 1, 0, kRst);
  EXPECT_EQ(client_.state(), TcpClient::State::kReset);
}

TEST_F(Tcp, AnswersARepeatedSynAckAndWhatAcknowledgesTooMuch) {
  open();
  give(kTheirs, kOurs + 1, kSyn | kAck);
  give(kTheirs + 1, kOurs + 2, kAck, "x");
  ASSERT_EQ(sent_.size(), 2u);
  for (const Sent& each : sent_) {
    EXPECT_EQ(each.head.flags, kAck);
    EXPECT_EQ(each.head.acknowledgment, kTheirs + 1);
  }
  EXPECT_EQ(read(), "");
}

TEST_F(Tcp, LeavesWithAResetThatThePeerBelieves) {
  open();
  client_.write(bytes_of("bye"), now_);
  client_.abort();
  EXPECT_EQ(sent_.back().head.flags, kRst | kAck);
  EXPECT_EQ(sent_.back().head.sequence, kOurs + 4);
  EXPECT_FALSE(client_.due());
  const size_t before = sent_.size();
  give(kTheirs + 1, kOurs + 4, kAck, "late");
  EXPECT_EQ(sent_.size(), before);
}

}  // namespace
}  // namespace sluice::ctrl
