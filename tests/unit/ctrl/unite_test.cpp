#include "ctrl/observed/unite.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>

namespace sluice::ctrl {
namespace {

HostPort member_place(int number) {
  return {*IpAddress::parse("198.51.100." + std::to_string(number)), 8080};
}

Instance instance(int number, uint32_t weight, bool takes_new_flows) {
  return {.address = member_place(number).address,
          .port = 8080,
          .weight = weight,
          .takes_new_flows = takes_new_flows};
}

std::set<int> some_numbers() {
  const auto drawn = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 12));
  return {drawn.begin(), drawn.end()};
}

/// What a pool has, by the rules of interface.md section 8 ("Entries"), said one by one.
struct Naive {
  uint32_t weight;
  bool is_from_file;
  bool drains;
};
std::map<HostPort, Naive> naive_union(const std::vector<BackendModel>& file,
                                      const std::vector<Instance>& instances, const Withdrawn& withdrawn) {
  std::map<HostPort, Naive> members;
  for (const auto& [at, weight] : withdrawn) members[at] = {weight, false, true};
  std::set<HostPort> named;
  for (const Instance& one : instances) {
    const HostPort at{one.address, one.port};
    if (named.insert(at).second) members[at] = {0, false, true};
    members[at].weight = std::max(members[at].weight, one.weight);
    if (one.takes_new_flows) members[at].drains = false;
  }
  for (const BackendModel& one : file) members[{one.address, one.port}] = {one.weight, true, false};
  return members;
}

TEST(Unite, IsTheUnionThatTheRulesSay) {
  EXPECT_TRUE(rc::check([] {
    std::vector<BackendModel> file;
    for (const int number : some_numbers()) {
      file.push_back({member_place(number).address, 8080, *rc::gen::inRange<uint32_t>(0, 4)});
    }
    std::vector<Instance> instances;
    for (const int number : *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 12))) {
      instances.push_back(instance(number, *rc::gen::inRange<uint32_t>(0, 4), *rc::gen::arbitrary<bool>()));
    }
    const auto folded = fold(instances);
    std::set<HostPort> present;
    for (const Discovered& one : folded) present.insert(one.at);
    RC_ASSERT(present.size() == folded.size());
    Withdrawn withdrawn;  // nobody who is present is withdrawn
    for (const int number : *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 12))) {
      if (!present.contains(member_place(number))) withdrawn.emplace(member_place(number), 3);
    }
    const auto expected = naive_union(file, instances, withdrawn);
    const MemberList list = unite(file, folded, withdrawn, nullptr).list;
    RC_ASSERT(list.members.size() == expected.size());
    size_t present_members = 0;
    for (const Member& member : list.members) {
      const auto found = expected.find(member.at);
      RC_ASSERT(found != expected.end());
      RC_ASSERT(member.weight == found->second.weight);
      RC_ASSERT(member.table_weight == member.weight);
      RC_ASSERT(member.is_from_file == found->second.is_from_file);
      RC_ASSERT((member.offer != Offer::kTakesFlows) == found->second.drains);
      present_members += !found->second.drains;
    }
    RC_ASSERT(list.present == present_members);
    const auto of_source = std::ranges::find(list.members, false, &Member::is_from_file);
    RC_ASSERT(std::is_sorted(of_source, list.members.end(),
                             [](const Member& a, const Member& b) { return a.at < b.at; }));
  }));
}

TEST(Unite, TheOrderOfEntriesChangesNothing) {
  EXPECT_TRUE(rc::check([] {
    std::vector<Instance> instances;
    for (const int number : *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 6))) {
      instances.push_back(instance(number, *rc::gen::inRange<uint32_t>(0, 9), *rc::gen::arbitrary<bool>()));
    }
    auto other = instances;
    std::ranges::reverse(other);
    RC_ASSERT(fold(instances) == fold(other));
  }));
}

TEST(Unite, LeavesOutWhatTheRulesRefuse) {
  const auto rule = [](const IpAddress& address) {
    return address == member_place(2).address ? std::string("not here") : std::string();
  };
  const United united = unite({}, fold({instance(1, 1, true), instance(2, 1, true)}), {}, rule);
  ASSERT_EQ(united.list.members.size(), 1u);
  EXPECT_EQ(united.list.present, 1u);
  EXPECT_EQ(united.left_out, std::vector<std::string>{"198.51.100.2:8080: not here"});
}

TEST(Unite, SharesBecomeWeightsOfTheTable) {
  std::vector<Instance> instances = {instance(1, 1, true), instance(2, 1, true), instance(3, 1, true)};
  instances[0].share = 0.5;
  instances[1].share = 0.25;
  instances[2].share = 0;
  const MemberList list = unite({}, fold(instances), {}, nullptr).list;
  ASSERT_EQ(list.members.size(), 3u);
  EXPECT_EQ(list.members[0].table_weight, 65535u);
  EXPECT_NEAR(list.members[1].table_weight, 32768, 1);
  EXPECT_EQ(list.members[2].table_weight, 0u);
  EXPECT_EQ(list.members[0].weight, 1u);
}

TEST(Loss, CountsWhoWouldNoLongerTakeFlows) {
  EXPECT_TRUE(rc::check([] {
    std::vector<BackendModel> file;
    for (const int number : some_numbers()) {
      file.push_back({member_place(number).address, 8080, 1});
    }
    const auto entries = [] {
      std::vector<Instance> instances;
      for (const int number : some_numbers()) {
        instances.push_back(instance(number, 1, *rc::gen::arbitrary<bool>()));
      }
      return fold(instances);
    };
    const auto now = entries(), next = entries();
    const auto takers = [&](const std::vector<Discovered>& of) {
      std::set<HostPort> places;
      for (const BackendModel& one : file) places.insert({one.address, one.port});
      for (const Discovered& one : of) {
        if (one.takes_new_flows) places.insert(one.at);
      }
      return places;
    };
    size_t gone = 0;
    const auto after = takers(next);
    for (const HostPort& at : takers(now)) gone += !after.contains(at);
    const Loss counted = loss(file, now, next);
    RC_ASSERT(counted.present == takers(now).size());
    RC_ASSERT(counted.taken_away == gone);
  }));
}

}  // namespace
}  // namespace sluice::ctrl
