#include "ctrl/resolve/disruption.h"

#include <algorithm>
#include <span>

#include "lb/pool_steering.h"

namespace sluice::ctrl {
namespace {

using dataplane::Tables;
using lb::PoolSteering;

/// What packets to a service's first address and port meet; null: nothing.
const lb::Service* service_at(const Tables& tables, const ServiceModel& service) {
  const lb::ServiceId id = tables.service_table->find(service.address.address,
                                                      Be16::from_host(service.first_port), service.protocol);
  return id == lb::kNoService ? nullptr : &(*tables.services)[id];
}

const lb::Service* service_before(const Compilation& before, const ServiceModel& service) {
  const auto same_name = before.model.services.find(service.name);
  return service_at(before.tables, same_name == before.model.services.end() ? service : *same_name->second);
}

/// A service as one with routes and splits.
class Steered {
 public:
  Steered(const lb::Service& service, bool v4)
      : steering_(service.steering), only_({{index_of(service), 1}}) {
    if (steering_ != nullptr) {
      ranges_ = steering_->ranges(v4);
    } else {
      everybody_.first = v4 ? IpAddress::v4({}) : IpAddress();
      ranges_ = {&everybody_, 1};
    }
  }
  Steered(const Steered&) = delete;

  std::span<const PoolSteering::Range> ranges() const { return ranges_; }
  const lb::PoolSplit& split_of(const PoolSteering::Range& range) const {
    return steering_ != nullptr ? steering_->split_of(range.route) : only_;
  }

 private:
  static uint32_t index_of(const lb::Service& service) { return service.pool->index(); }

  const PoolSteering* const steering_;
  const lb::PoolSplit only_;
  PoolSteering::Range everybody_;
  std::span<const PoolSteering::Range> ranges_;
};

/// Where an address lies among all of its family, from 0 to 1.
double place_of(const IpAddress& address) {
  double place = 0;
  for (size_t i = 16; i-- > (address.is_v4() ? 12u : 0u);) place = (place + address.bytes()[i]) / 256;
  return place;
}

}  // namespace

double moved_fraction(const lb::PoolTable& then, const Tables& before, const lb::PoolTable& now,
                      const Tables& after) {
  // A table of another size maps every flow anew.
  if (then.slots().size() != now.slots().size()) return 1;
  if (now.slots().empty()) return 0;
  size_t moved = 0;
  for (size_t slot = 0; slot < now.slots().size(); ++slot) {
    const lb::BackendId old_id = then.slots()[slot], new_id = now.slots()[slot];
    if (old_id == new_id) continue;
    const lb::Backend& old_backend = (*before.backends)[old_id];
    const lb::Backend& new_backend = (*after.backends)[new_id];
    moved += old_backend.address != new_backend.address || old_backend.port != new_backend.port;
  }
  return static_cast<double>(moved) / static_cast<double>(now.slots().size());
}

double Disruption::between(const lb::PoolTable* then, const lb::PoolTable* now) {
  if (then == now) return 0;
  const auto [place, is_new] = known_.emplace(std::pair(then, now), 0.0);
  if (is_new) place->second = moved_fraction(*then, before_, *now, after_);
  return place->second;
}

/// Both cut the same range of hashes into shares: where they overlap, flows go from one pool to the other.
/// Ends are multiplied by the other's sum, so that they are whole numbers.
double Disruption::between(const lb::PoolSplit& then, const lb::PoolSplit& now) {
  double moved = 0;
  uint64_t begin = 0;
  for (uint32_t i = 0, j = 0; i < then.shares().size() && j < now.shares().size();) {
    const uint64_t then_end = then.end_of(i) * now.total(), now_end = now.end_of(j) * then.total();
    const uint64_t end = std::min(then_end, now_end);
    if (end > begin) {
      moved += static_cast<double>(end - begin) *
               between(before_.pools[then.at(i).pool].get(), after_.pools[now.at(j).pool].get());
    }
    begin = end;
    i += then_end == end;
    j += now_end == end;
  }
  return moved / static_cast<double>(then.total() * now.total());
}

std::optional<double> Disruption::between(const lb::Service& then, const lb::Service& now, bool v4) {
  if (then.steering == nullptr && now.steering == nullptr) {
    if (then.pool == now.pool) return std::nullopt;
    return between(then.pool, now.pool);
  }
  if (then.steering == now.steering) {
    const auto is_same = [&](uint32_t pool) { return before_.pools[pool] == after_.pools[pool]; };
    if (std::ranges::all_of(now.steering->pools(), is_same)) return std::nullopt;
  }
  const Steered old(then, v4), present(now, v4);
  double moved = 0;
  for (size_t i = 0, j = 0; i < old.ranges().size() && j < present.ranges().size();) {
    const auto& old_range = old.ranges()[i];
    const auto& range = present.ranges()[j];
    const auto end_of = [](std::span<const PoolSteering::Range> ranges, size_t at) {
      return at + 1 < ranges.size() ? place_of(ranges[at + 1].first) : 1.0;
    };
    const double begin = std::max(place_of(old_range.first), place_of(range.first));
    const double old_end = end_of(old.ranges(), i), end = end_of(present.ranges(), j);
    const double overlap = std::min(old_end, end) - begin;
    if (overlap > 0) moved += overlap * between(old.split_of(old_range), present.split_of(range));
    i += old_end <= end;
    j += end <= old_end;
  }
  return moved;
}

std::map<std::string, double> disruption(const Compilation& before, const Compilation& after) {
  std::map<std::string, double> result;
  Disruption disruption(before.tables, after.tables);
  for (const auto& [name, service] : after.model.services) {
    const lb::Service* const then = service_before(before, *service);
    const lb::Service* const now = service_at(after.tables, *service);
    if (!then || !now) continue;
    const auto fraction = disruption.between(*then, *now, service->address.address.is_v4());
    if (fraction) result.emplace(name, *fraction);
  }
  return result;
}

}  // namespace sluice::ctrl
