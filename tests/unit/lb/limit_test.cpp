// Limits that workers keep together: in every window of t seconds at most rate * t + burst, and as much as
// may be where more is offered, whoever of the workers sees it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "lb/shared_bucket.h"
#include "lb/source_hashes.h"
#include "lb/source_rules.h"

namespace sluice::lb {
namespace {

/// Whether what was admitted at those times (in ns, in order) keeps to a rate in every window. In integers,
/// so exactly; `rate` is whole.
bool keeps_to(const std::vector<uint64_t>& admitted, uint64_t rate, uint64_t burst) {
  // It is enough to look at windows that begin and end with something admitted. One that begins at `from`
  // has room for rate * t + burst: the least room left over all beginnings is carried along.
  using Wide = __int128;
  constexpr Wide kSecond = 1'000'000'000;
  Wide least_begin = 0;
  for (size_t i = 0; i < admitted.size(); ++i) {
    const Wide begin = Wide{i} * kSecond - Wide{admitted[i]} * rate;
    least_begin = i == 0 ? begin : std::min(least_begin, begin);
    const Wide used = Wide{i + 1} * kSecond - Wide{admitted[i]} * rate - least_begin;
    if (used > Wide{burst} * kSecond) return false;
  }
  return true;
}

struct Scenario {
  uint64_t rate = *rc::gen::element<uint64_t>(3, 100, 1'000, 33'333, 1'000'000);
  uint64_t burst = *rc::gen::element<uint64_t>(1, 2, 7, 50, 200, 5'000, 100'000);
  unsigned workers = *rc::gen::inRange(1u, 4u);
  bool on_one = *rc::gen::arbitrary<bool>();
  /// So many times of the rate are offered.
  unsigned overload = *rc::gen::inRange(1u, 5u);
};

RC_GTEST_PROP(SharedBucket, KeepsToItsRateInEveryWindow, ()) {
  const Scenario is;
  SharedBucket bucket(Rate::of(static_cast<double>(is.rate), is.burst), is.workers);
  const uint64_t mean_gap = std::max<uint64_t>(1'000'000'000 / (is.rate * is.overload), 1);
  std::vector<uint64_t> admitted;
  uint64_t now = 5'000'000'000;
  uint64_t random = *rc::gen::arbitrary<uint64_t>();
  for (unsigned i = 0; i < 20'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    now += random >> 33 & 1 ? 0 : mean_gap * 2;
    if ((random >> 40 & 0xfff) == 0) now += mean_gap * 1000;  // a pause, in which the bucket fills up
    const unsigned worker = is.on_one ? is.workers - 1 : static_cast<unsigned>((random >> 52) % is.workers);
    const uint32_t together = (random >> 36 & 3) == 0 ? 8 : 1;
    if (together > 1 && bucket.has_leased(worker, now, together)) {
      bucket.spend(worker, now, together);
      admitted.insert(admitted.end(), together, now);
    } else if (bucket.take(worker, now)) {
      admitted.push_back(now);
    }
  }
  RC_ASSERT(keeps_to(admitted, is.rate, is.burst));
}

RC_GTEST_PROP(SharedBucket, AdmitsAllOfItsRateWhereMoreIsOffered, ()) {
  const Scenario is;
  const unsigned overload = is.overload + 1;
  SharedBucket bucket(Rate::of(static_cast<double>(is.rate), is.burst), is.workers);
  const uint64_t gap = std::max<uint64_t>(1'000'000'000 / (is.rate * overload), 1);
  std::vector<uint64_t> admitted;
  const uint64_t begin = 5'000'000'000, packets = 20'000;
  // What one bucket that everybody asks lets through: less than the rate where it holds less than comes at
  // once.
  double tokens = static_cast<double>(is.burst), naive = 0;
  for (uint64_t i = 0; i < packets; ++i) {
    const uint64_t now = begin + i * gap;
    const unsigned worker = is.on_one ? 0 : static_cast<unsigned>(i * 7 / 3 % is.workers);
    if (bucket.take(worker, now)) admitted.push_back(now);
    if (tokens >= 1) {
      tokens -= 1;
      naive += 1;
    }
    tokens = std::min(static_cast<double>(is.burst), tokens + static_cast<double>(is.rate * gap) / 1e9);
  }
  RC_ASSERT(keeps_to(admitted, is.rate, is.burst));
  const double seconds = static_cast<double>(packets * gap) / 1e9;
  const double due = std::min(static_cast<double>(packets), static_cast<double>(is.rate) * seconds);
  RC_ASSERT(static_cast<double>(admitted.size()) >= 0.98 * std::min(due, naive));
}

TEST(SharedBucket, GivesAllOfItsBurstToOneWorker) {
  for (const uint64_t burst : {1u, 5u, 48u, 200u, 100'000u}) {
    SharedBucket bucket(Rate::of(0.001, burst), 3);
    uint64_t admitted = 0;
    for (uint64_t i = 0; i < burst + 1000; ++i) admitted += bucket.take(i % 3 == 0 ? 0 : 1, 1'000);
    EXPECT_EQ(admitted, burst);
  }
}

TEST(SharedBucket, GivesAllOfItsBurstEightAtATimeAndTheRestOneByOne) {
  SharedBucket bucket(Rate::of(0.001, 1'003), 1);
  uint64_t admitted = 0;
  while (bucket.has_leased(0, 1'000, 8)) {
    bucket.spend(0, 1'000, 8);
    admitted += 8;
  }
  EXPECT_EQ(admitted, 1'000u);
  while (bucket.take(0, 1'000)) ++admitted;
  EXPECT_EQ(admitted, 1'003u);
}

TEST(SharedBucket, LetsWhatIdleWorkersHoldCountForItsFilling) {
  constexpr uint64_t kSecond = 1'000'000'000;
  SharedBucket bucket(Rate::of(1000, 1000), 2);
  EXPECT_TRUE(bucket.take(0, kSecond));  // and leases more, which it keeps
  uint64_t admitted = 0;
  while (bucket.take(1, 100 * kSecond)) ++admitted;
  while (bucket.take(0, 100 * kSecond)) ++admitted;
  EXPECT_LE(admitted, 1000u);
  EXPECT_GE(admitted, 930u);
}

RC_GTEST_PROP(SourceRate, KeepsEachSourceToTheRate, ()) {
  const Scenario is;
  const auto table = std::make_shared<SourceTable>(*rc::gen::element(1u, 4u, 1000u));
  const SourceRate rate(Rate::of(static_cast<double>(is.rate), is.burst), table);
  constexpr uint64_t kSources = 12;
  std::vector<std::vector<uint64_t>> admitted(kSources);
  uint64_t random = *rc::gen::arbitrary<uint64_t>(), now = 1'000'000'000;
  const uint64_t gap = std::max<uint64_t>(1'000'000'000 / (is.rate * is.overload), 1);
  for (unsigned i = 0; i < 3'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    now += (random >> 20) % (2 * gap);
    const uint64_t source = (random >> 50) % kSources;
    const uint64_t wanted = 1 + (random >> 40) % 3;
    const SourceRate::Taken taken = rate.take_some(source * 0x9e3779b97f4a7c15, now, wanted);
    RC_ASSERT(taken.tokens <= wanted);
    const uint64_t unused = taken.tokens > 1 && (random >> 60 & 1) != 0 ? 1 : 0;
    if (unused != 0) rate.give_back(source * 0x9e3779b97f4a7c15, taken, unused);
    admitted[source].insert(admitted[source].end(), taken.tokens - unused, now);
  }
  for (const auto& of_source : admitted) RC_ASSERT(keeps_to(of_source, is.rate, is.burst));
}

/// Flows of a few sources: some send all the time, others now and then, and what belongs to none takes of the
/// same buckets.
class LeasingFlows {
 public:
  static constexpr uint64_t kSources = 3, kFlowsOfEach = 4;

  LeasingFlows(const Scenario& is, uint64_t random)
      : is_(is),
        rate_(Rate::of(static_cast<double>(is.rate), is.burst), std::make_shared<SourceTable>(1000)),
        random_(random),
        admitted_(kSources) {}

  void step() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const uint64_t gap = std::max<uint64_t>(1'000'000'000 / (is_.rate * is_.overload * kSources), 1);
    now_ns += (random_ >> 20) % (2 * gap);
    if ((random_ >> 30 & 0x7ff) == 0) now_ns += gap * ((random_ >> 41) % 5'000);  // all buckets fill up
    // A flow sends many packets in a row, and then another one.
    if ((random_ >> 52 & 0xff) == 0) talker_ = (random_ >> 60) % kFlowsOfEach;
    const uint64_t source = (random_ >> 50) % kSources, hash = source * 0x9e3779b97f4a7c15 + 1;
    offered_[source] += 1;
    const uint64_t way = random_ >> 17 & 15;
    if (way == 0 && ask_together(source, hash)) return;
    bool passes = false;
    if (way < 3) {
      const SourceRate::Taken taken = rate_.take_some(hash, now_ns, 1 + (random_ >> 40) % 3);
      if (taken.tokens > 1) rate_.give_back(hash, taken, taken.tokens - 1);
      passes = taken.tokens != 0;
    } else {
      passes = rate_.take(flows_[source][talker_], now_ns, since_tick, [&] { return hash; });
    }
    if (passes) admitted_[source].push_back(now_ns);
  }
  /// Packets of some flows, of which a flow may have two. False: they take tokens in advance, or have some.
  bool ask_together(uint64_t source, uint64_t hash) {
    std::vector<FlowEntry*> flows;
    for (uint64_t i = 0; i < 2 + (random_ >> 36) % 7; ++i) {
      flows.push_back(&flows_[source][(random_ >> 5 * i) % kFlowsOfEach]);
    }
    const auto asks_singly = [&](const FlowEntry* flow) {
      return !rate_.may_spend(*flow, now_ns, since_tick) && rate_.takes_singly(*flow);
    };
    if (!std::ranges::all_of(flows, asks_singly)) return false;
    const size_t taken = rate_.take_singly(flows, now_ns, hash);
    RC_ASSERT(taken <= flows.size());
    admitted_[source].insert(admitted_[source].end(), taken, now_ns);
    return true;
  }
  const std::vector<std::vector<uint64_t>>& admitted() const { return admitted_; }
  uint64_t offered(uint64_t source) const { return offered_[source]; }

  uint64_t now_ns = 1'000'000'000;
  uint32_t since_tick = 0;

 private:
  const Scenario& is_;
  SourceRate rate_;
  uint64_t random_, talker_ = 0;
  FlowEntry flows_[kSources][kFlowsOfEach] = {};
  uint64_t offered_[kSources] = {};
  std::vector<std::vector<uint64_t>> admitted_;
};

RC_GTEST_PROP(SourceRate, KeepsFlowsThatTakeInAdvanceToTheirSourcesRate, ()) {
  const Scenario is;
  LeasingFlows flows(is, *rc::gen::arbitrary<uint64_t>());
  for (unsigned i = 0; i < 20'000; ++i) flows.step();
  for (const auto& of_source : flows.admitted()) RC_ASSERT(keeps_to(of_source, is.rate, is.burst));
}

/// Without pauses all of the rate is offered in every part of the time, and what flows take in vain is less
/// than a sixtieth.
RC_GTEST_PROP(SourceRate, AdmitsItsRateWhereFlowsTakeInAdvance, ()) {
  const uint64_t rate_each = *rc::gen::element<uint64_t>(1'000, 33'333, 1'000'000);
  const uint64_t burst = *rc::gen::element<uint64_t>(7, 200, 5'000, 100'000);
  const SourceRate rate(Rate::of(static_cast<double>(rate_each), burst), std::make_shared<SourceTable>(10));
  FlowEntry flows[4] = {};
  const uint64_t begin = 1'000'000'000, gap = 1'000'000'000 / (rate_each * 2),
                 stretch = *rc::gen::inRange(5u, 500u);
  uint64_t admitted = 0, packets = 50'000;
  for (uint64_t i = 0; i < packets; ++i) {
    // One after the other they send for a while, and forget what they have left.
    FlowEntry& flow = flows[i / stretch % std::size(flows)];
    admitted += rate.take(flow, begin + i * gap, 0, [] { return uint64_t{77}; });
  }
  const double due = static_cast<double>(rate_each) * static_cast<double>(packets * gap) / 1e9;
  RC_ASSERT(static_cast<double>(admitted) >= 0.98 * due);
}

TEST(SourceRate, GivesSeveralFlowsTogetherAllThatIsLeft) {
  const SourceRate rate(Rate::of(0.001, 11), std::make_shared<SourceTable>(10));
  FlowEntry one, other;
  const std::vector<FlowEntry*> flows = {&one, &other, &one, &one, &other, &other, &one, &one};
  EXPECT_EQ(rate.take_singly(flows, 1'000, 77), 8u);
  EXPECT_EQ(one.lease.used, 5u);
  EXPECT_EQ(other.lease.used, 3u);
  EXPECT_EQ(rate.take_singly(flows, 1'000, 77), 3u);
  EXPECT_EQ(one.lease.used + other.lease.used, 11u);
  EXPECT_EQ(rate.take_singly(flows, 1'000, 77), 0u);
  EXPECT_EQ(rate.take_singly(flows, 1'000, 78), 8u);  // another source
}

TEST(SourceRate, TellsWhichFlowsTakeNoneInAdvance) {
  const SourceRate rate(Rate::of(100'000, 100'000), std::make_shared<SourceTable>(10));
  FlowEntry flow;
  uint64_t now_ns = 1'000'000'000;
  for (unsigned used = 0; used < PacketLease::kUsedForEach; ++used) {
    ASSERT_TRUE(rate.takes_singly(flow)) << used;
    ASSERT_TRUE(rate.take(flow, now_ns, 0, [] { return uint64_t{77}; }));
  }
  EXPECT_FALSE(rate.takes_singly(flow));
  ASSERT_TRUE(rate.take(flow, now_ns, 0, [] { return uint64_t{77}; }));  // and one in advance
  EXPECT_TRUE(rate.spend(flow, now_ns, 0));
  EXPECT_FALSE(rate.spend(flow, now_ns, 0));
}

TEST(SourceRate, ForgetsWhatFlowsTookInAdvanceOfOtherLimits) {
  const SourceRate rate(Rate::of(100'000, 100'000), std::make_shared<SourceTable>(10));
  FlowEntry flow;
  const auto hash = [] { return uint64_t{77}; };
  uint64_t now_ns = 1'000'000'000;
  while (!rate.may_spend(flow, now_ns, 0)) ASSERT_TRUE(rate.take(flow, now_ns += 1'000, 0, hash));
  EXPECT_FALSE(rate.may_spend(flow, now_ns, PacketLease::tick(now_ns)));
  EXPECT_FALSE(rate.may_spend(flow, now_ns + 62'500'000, 0));  // a sixteenth of a second is long over, too
  EXPECT_TRUE(rate.may_spend(flow, now_ns + 60'000'000, 0));
}

TEST(SourceHashes, AreThoseOfTheRulesThatAreAsked) {
  const SourceRules all[] = {{.key = {1, 2}}, {.prefix4 = 24, .prefix6 = 48, .key = {3, 4}}};
  SourceHashes hashes;
  uint64_t random = 1;
  for (int i = 0; i < 10'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    std::array<uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
    bytes[7] = static_cast<uint8_t>(random >> 40 & 7);
    bytes[15] = static_cast<uint8_t>(random >> 50 & 7);
    const bool is_v4 = random >> 63 != 0;
    const IpAddress client = is_v4 ? IpAddress::v4(Be32::from_host(static_cast<uint32_t>(random >> 33 & 63)))
                                   : IpAddress::v6(bytes.data());
    const SourceRules& rules = all[random >> 62 & 1];
    ASSERT_EQ(hashes.of(rules, client), rules.hash(client)) << client.to_string();
  }
}

TEST(SourceHashes, AreForgottenWithTheRules) {
  SourceHashes hashes;
  SourceRules rules{.key = {1, 2}};
  const IpAddress client = IpAddress::v4(Be32::from_host(1));
  hashes.of(rules, client);
  rules.key = {3, 4};  // others, at the same place
  hashes.forget();
  EXPECT_EQ(hashes.of(rules, client), rules.hash(client));
}

TEST(SourceRate, TellsSourcesApartAsLongAsThereIsRoom) {
  constexpr uint32_t kSources = 10'000;
  const auto table = std::make_shared<SourceTable>(kSources);
  const SourceRate rate(Rate::of(0.001, 1), table);
  uint64_t random = 1, admitted = 0;
  for (uint32_t i = 0; i < kSources; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const uint64_t source = random ^ random >> 29;
    admitted += rate.take(source, 1'000);
    EXPECT_EQ(rate.take(source, 1'000), 0u);
  }
  EXPECT_EQ(admitted, kSources);
}

TEST(SourceRate, LimitsSourcesTogetherWhereThereIsNoRoom) {
  const auto table = std::make_shared<SourceTable>(1);
  const SourceRate rate(Rate::of(0.001, 1), table);
  uint64_t admitted = 0;
  for (uint64_t source = 1; source <= 100'000; ++source) {
    admitted += rate.take(source * 0x9e3779b97f4a7c15, 1'000);
  }
  EXPECT_LE(admitted, 8u);  // seven of their own, and one that all others share
  EXPECT_GE(admitted, 7u);
}

TEST(SourceRate, ForgetsASourceOnceItsBucketIsFull) {
  const auto table = std::make_shared<SourceTable>(1);
  const SourceRate rate(Rate::of(1000, 1), table);
  uint64_t admitted = 0;
  for (uint64_t i = 1; i <= 1000; ++i) admitted += rate.take(i * 0x9e3779b97f4a7c15, i * 10'000'000);
  EXPECT_EQ(admitted, 1000u);
}

TEST(SourceFlows, CountsEachSourceAndNeverMoreThanItMayHave) {
  const auto table = std::make_shared<SourceTable>(100);
  const SourceFlows flows(3, table, 5);
  std::vector<uint8_t> marks;
  for (int i = 0; i < 3; ++i) marks.push_back(flows.begin(77).value());
  EXPECT_FALSE(flows.begin(77).has_value());
  EXPECT_TRUE(flows.begin(78).has_value());
  EXPECT_FALSE(flows.has_room(77));
  flows.end(77, marks.back());
  EXPECT_TRUE(flows.has_room(77));
  EXPECT_TRUE(flows.begin(77).has_value());
  EXPECT_FALSE(flows.begin(77).has_value());
  flows.end(77, 0);       // of a flow that nobody counted
  flows.end(77, 6 << 1);  // of one that another table did
  EXPECT_FALSE(flows.has_room(77));
}

RC_GTEST_PROP(SourceFlows, NeverLetsASourceHaveMoreThanItMay, ()) {
  const auto table = std::make_shared<SourceTable>(*rc::gen::element(1u, 100u));
  const uint32_t most = *rc::gen::inRange(1u, 5u);
  const SourceFlows flows(most, table, 1);
  constexpr uint64_t kSources = 30;
  std::vector<std::vector<uint8_t>> live(kSources);
  uint64_t random = *rc::gen::arbitrary<uint64_t>();
  for (unsigned i = 0; i < 3'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const uint64_t source = (random >> 50) % kSources, hash = source * 0x9e3779b97f4a7c15;
    if ((random >> 40 & 3) == 0 && !live[source].empty()) {
      flows.end(hash, live[source].back());
      live[source].pop_back();
    } else if (const auto mark = flows.begin(hash)) {
      live[source].push_back(*mark);
    }
    RC_ASSERT(live[source].size() <= most);
  }
  for (uint64_t source = 0; source < kSources; ++source) {
    for (const uint8_t mark : live[source]) flows.end(source * 0x9e3779b97f4a7c15, mark);
  }
  for (uint64_t source = 0; source < kSources; ++source) {  // nothing has been lost, or counted twice
    for (uint32_t i = 0; i < most; ++i) {
      const auto mark = flows.begin(source * 0x9e3779b97f4a7c15);
      RC_ASSERT(mark.has_value());
      live[source].assign(1, *mark);
    }
    for (uint32_t i = 0; i < most; ++i) flows.end(source * 0x9e3779b97f4a7c15, live[source].front());
  }
}

}  // namespace
}  // namespace sluice::lb
