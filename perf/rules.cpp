#include "perf/rules.h"

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "lb/service_rules.h"

namespace sluice::perf {
namespace {

constexpr uint32_t kListed = 1u << 20;
constexpr uint32_t kFirst = 0x28000000;  // 40.0.0.0
constexpr uint32_t kApart = 16;
constexpr double kMost = 1e9;  ///< a second, and at once
/// Nothing comes again while anything is measured: a source that is admitted once is not admitted twice.
const lb::Rate kOneInElevenDays = lb::Rate::of(1e-6, 1);

/// An access list that denies 2^20 hosts, `behind` so many addresses behind the listed clients.
std::shared_ptr<const lb::AccessList> deny_many(uint32_t behind) {
  std::vector<Prefix> prefixes;
  for (uint32_t i = 0; i < kListed; ++i) {
    prefixes.push_back({IpAddress::v4(Be32::from_host(kFirst + i * kApart + behind)), 32});
  }
  std::vector<lb::AccessList::Part> parts = {{lb::PrefixSet::build(std::move(prefixes)), false, 0}};
  return std::make_shared<const lb::AccessList>(std::move(parts), true);
}

lb::Rate rate_of(double per_second) {
  return lb::Rate::of(per_second, static_cast<uint64_t>(per_second));
}

std::shared_ptr<lb::SharedBucket> bucket_of(double per_second) {
  return std::make_shared<lb::SharedBucket>(rate_of(per_second), 1);
}

lb::SourceRate source_rate_of(double per_second) {
  return {rate_of(per_second), std::make_shared<lb::SourceTable>(kListed)};
}

lb::ServiceRules rules_for(Rules rules) {
  lb::ServiceRules made;
  if (rules == Rules::kDenying) made.access = deny_many(0);
  if (rules == Rules::kLimiting) made.packets = bucket_of(1);
  if (rules == Rules::kLimitingEach) {
    made.per_source.emplace().packets.emplace(kOneInElevenDays, std::make_shared<lb::SourceTable>(kListed));
  }
  if (rules != Rules::kWide) return made;
  made.access = deny_many(1);
  made.new_flows = bucket_of(kMost);
  made.packets = bucket_of(kMost);
  made.most_flows = UINT32_MAX;
  lb::SourceRules& of_each = made.per_source.emplace();
  of_each.new_flows.emplace(source_rate_of(kMost));
  of_each.packets.emplace(source_rate_of(kMost));
  of_each.flows.emplace(UINT32_MAX, std::make_shared<lb::SourceTable>(kListed), uint8_t{1});
  return made;
}

}  // namespace

IpAddress listed_client(uint32_t number) {
  constexpr uint32_t kOdd = 0x9e3779b1;  // so that every number has its own
  return IpAddress::v4(Be32::from_host(kFirst + number * kOdd % kListed * kApart));
}

void give_rules(dataplane::Tables& tables, Rules rules) {
  if (rules == Rules::kNone) return;
  const auto made = std::make_shared<const lb::ServiceRules>(rules_for(rules));
  auto services = std::make_shared<std::vector<lb::Service>>(*tables.services);
  for (lb::Service& service : *services) service.rules = made.get();
  tables.rules = std::make_shared<const dataplane::RuleList>(services->size(), made);
  if (made->access) tables.access_generation = 1;
  if (made->most_flows != 0) {
    auto counted = std::make_shared<std::vector<lb::ServiceId>>(services->size());
    std::iota(counted->begin(), counted->end(), lb::ServiceId{0});
    tables.counted_services = std::move(counted);
  }
  tables.services = std::move(services);
}

}  // namespace sluice::perf
