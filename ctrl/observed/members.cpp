#include "ctrl/observed/members.h"

#include <algorithm>
#include <utility>

#include "ctrl/intent/model_changes.h"

namespace sluice::ctrl {
namespace {

const std::vector<Discovered> kNobody;
const Withdrawn kNoneWithdrawn;

AddressRule rule_for(const std::string& pool, const BackendRules* rules) {
  if (rules == nullptr) return nullptr;
  return [&pool, rules](const IpAddress& address) { return rules->objection(pool, address); };
}

/// Gives the pool that list unless it has the same.
void set_list(MemberLists& lists, const std::string& pool, MemberList list) {
  const auto known = lists.find(pool);
  if (known != lists.end() && *known->second == list) return;
  lists.set(pool, std::make_shared<const MemberList>(std::move(list)));
}

const SourceModel* find_source(const Model& model, const std::string& name) {
  const auto found = std::ranges::find(model.sources, name, &SourceModel::name);
  return found == model.sources.end() ? nullptr : &*found;
}

}  // namespace

const SourceModel* Members::source_of(const Model& model, const PoolModel& pool) {
  return pool.discover ? find_source(model, pool.discover->source) : nullptr;
}

Members::Prepared Members::prepare(const Model& before, const Model& next) const {
  Prepared prepared{lists_, next.sources.empty() ? nullptr : std::make_shared<const BackendRules>(next)};
  const auto set = [&](const PoolModel& pool) {
    const auto known = pool.discover ? pools_.find(pool.name) : pools_.end();
    const bool is_known = known != pools_.end();
    set_list(prepared.lists, pool.name,
             unite(pool.backends, is_known ? known->second.discovered.present() : kNobody,
                   is_known ? known->second.discovered.withdrawn() : kNoneWithdrawn,
                   rule_for(pool.name, prepared.rules.get()))
                 .list);
  };
  for_each_difference(before.pools, next.pools,
                      [&](const std::string& name, const PoolModel*, const PoolModel* now) {
                        now ? set(*now) : prepared.lists.erase(name);
                      });
  // Whom a pool can serve depends on services and ports too.
  for (const auto& [name, known] : pools_) {
    const auto pool = next.pools.find(name);
    if (pool != next.pools.end()) set(*pool->second);
  }
  return prepared;
}

void Members::follow(const Model& before, const Model& next, Prepared prepared, Moment now) {
  lists_ = std::move(prepared.lists);
  rules_ = std::move(prepared.rules);
  for_each_difference(before.pools, next.pools,
                      [&](const std::string& name, const PoolModel* old, const PoolModel* pool) {
                        if (!pool || !pool->discover) return void(pools_.erase(name));
                        const auto [known, is_new] = pools_.try_emplace(name, Pool{DiscoveredPool(now)});
                        if (!is_new && old && old->discover != pool->discover) {
                          known->second.discovered.restart(now);
                        }
                      });
  offers_.follow(next, now);
  std::erase_if(counts_, [&](const auto& entry) { return find_source(next, entry.first) == nullptr; });
  for (const SourceModel& source : next.sources) counts_.try_emplace(source.name);
}

void Members::unite_again(const PoolModel& pool, Pool& known) {
  United united = unite(pool.backends, known.discovered.present(), known.discovered.withdrawn(),
                        rule_for(pool.name, rules_.get()));
  set_list(lists_, pool.name, std::move(united.list));
  std::set<std::string> left_out(std::make_move_iterator(united.left_out.begin()),
                                 std::make_move_iterator(united.left_out.end()));
  for (const std::string& entry : left_out) {
    if (known.left_out.contains(entry)) continue;
    ++counts_[pool.discover->source].unreadable;
    log_.left_out(pool.discover->source, pool.name, entry, std::chrono::steady_clock::now());
  }
  known.left_out = std::move(left_out);
}

void Members::note_unreadable(const SourceWord& word, Pool& known) {
  SourceCounts& counts = counts_[word.asked->source];
  std::set<std::string> unread(word.unreadable_entries.begin(), word.unreadable_entries.end());
  for (const std::string& entry : unread) {
    if (known.unread.contains(entry)) continue;
    ++counts.unreadable;
    log_.left_out(word.asked->source, word.pool, entry, word.seen.steady);
  }
  const size_t unnamed = word.unreadable - std::min(word.unreadable, unread.size());
  counts.unreadable += unnamed - std::min(unnamed, known.unnamed);
  known.unnamed = unnamed;
  known.unread = std::move(unread);
}

void Members::note_left_out(const std::vector<std::string>& services, Moment now) {
  std::set<std::string> left_out;
  for (const std::string& service : services) {
    left_out.insert(service);
    if (services_left_out_.contains(service)) continue;
    ++counts_[offers_.source()].unreadable;
    log_.left_out(offers_.source(), "", service, now.steady);
  }
  services_left_out_ = std::move(left_out);
}

std::set<std::string> Members::answered() const {
  std::set<std::string> names;
  for (const auto& [name, known] : pools_) {
    if (known.discovered.has_answered()) names.insert(name);
  }
  return names;
}

void Members::note_services_state(SourceState before, Moment now) {
  const DiscoveredPool& standing = offers_.standing();
  if (standing.state() != before) note_state(offers_.source(), "", standing, now.steady);
}

bool Members::take_services(SourceWord word, const Model& model, Moment now) {
  const SourceModel* const source = find_source(model, word.services_of);
  if (source == nullptr || word.services_of != offers_.source()) return false;  // it comes too late
  SourceCounts& counts = counts_[source->name];
  const SourceState before = offers_.standing().state();
  counts.repaired += word.repaired;
  if (word.kind == SourceWord::Kind::kLost) {
    ++counts.errors;
    counts.last_error = word.reason;
  } else if (word.kind == SourceWord::Kind::kDelivered) {
    std::set<std::string> unread(word.unreadable_entries.begin(), word.unreadable_entries.end());
    for (const std::string& entry : unread) {
      if (unread_services_.contains(entry)) continue;
      ++counts.unreadable;
      log_.left_out(source->name, "", entry, word.seen.steady);
    }
    unread_services_ = std::move(unread);
  }
  const bool differs = offers_.take(word, *source, now);
  counts.updates += differs;
  note_services_state(before, now);
  return differs;
}

bool Members::take(SourceWord word, const Model& model, Moment now) {
  if (!word.services_of.empty()) return take_services(std::move(word), model, now);
  const auto pool = model.pools.find(word.pool);
  const auto known = pools_.find(word.pool);
  if (pool == model.pools.end() || known == pools_.end()) return false;
  if (!pool->second->discover || *pool->second->discover != *word.asked) return false;
  const SourceModel* const source = source_of(model, *pool->second);
  if (!source) return false;
  DiscoveredPool& discovered = known->second.discovered;
  SourceCounts& counts = counts_[source->name];
  const SourceState state_before = discovered.state();
  bool differs = false;
  switch (word.kind) {
    case SourceWord::Kind::kDelivered:
      counts.repaired += word.repaired;
      note_unreadable(word, known->second);
      differs = discovered.deliver(std::move(word.entries), pool->second->backends,
                                   policy_of(*source, *pool->second->discover), now);
      counts.updates += differs;
      break;
    case SourceWord::Kind::kConfirmed:
      differs = discovered.confirm(now);
      break;
    case SourceWord::Kind::kLost:
      ++counts.errors;
      counts.last_error = word.reason;
      discovered.lost(word.reason, now);
      break;
  }
  if (discovered.state() != state_before) note_state(source->name, word.pool, discovered, now.steady);
  if (differs) unite_again(*pool->second, known->second);
  return differs;
}

std::vector<std::string> Members::release(const std::string& source, const std::optional<std::string>& pool,
                                          const Model& model, Moment now) {
  std::vector<std::string> released;
  for (auto& [name, known] : pools_) {
    const PoolModel& of = *model.pools.at(name);
    const SourceModel* const from = source_of(model, of);
    if (!from || from->name != source || (pool && *pool != name)) continue;
    if (!known.discovered.release(policy_of(*from, *of.discover), now)) continue;
    note_state(source, name, known.discovered, now.steady);
    unite_again(of, known);
    released.push_back(name);
  }
  const SourceModel* const from = find_source(model, source);
  const SourceState before = offers_.standing().state();
  if (from && !pool && offers_.source() == source && offers_.release(*from, now)) {
    note_services_state(before, now);
  }
  return released;
}

std::vector<std::string> Members::expire(const Model& model, Moment now) {
  std::vector<std::string> different;
  for (auto& [name, known] : pools_) {
    const PoolModel& pool = *model.pools.at(name);
    const SourceModel* const source = source_of(model, pool);
    if (!source) continue;
    const SourceState before = known.discovered.state();
    const bool differs = known.discovered.expire(policy_of(*source, *pool.discover), now);
    if (known.discovered.state() != before || differs) {
      note_state(source->name, name, known.discovered, now.steady);
    }
    if (!differs) continue;
    unite_again(pool, known);
    different.push_back(name);
  }
  if (const SourceModel* const source = find_source(model, offers_.source())) {
    const SourceState before = offers_.standing().state();
    offers_.expire(*source, now);
    note_services_state(before, now);
  }
  log_.tick(now.steady);
  return different;
}

void Members::note_state(const std::string& source, const std::string& pool, const DiscoveredPool& now,
                         LineBudget::Time time) {
  log_.state(source, pool, now, time);
  if (transitions_.size() < kMostTransitions) {
    transitions_.push_back({source, pool, now.state(), now.reason()});
  }
}

std::vector<std::string> Members::draining() const {
  std::vector<std::string> names;
  for (const auto& [name, known] : pools_) {
    if (!known.discovered.withdrawn().empty()) names.push_back(name);
  }
  return names;
}

void Members::forget(const std::string& pool, const std::vector<HostPort>& gone, const Model& model) {
  const auto known = pools_.find(pool);
  if (known == pools_.end()) return;
  for (const HostPort& at : gone) known->second.discovered.forget(at);
  unite_again(*model.pools.at(pool), known->second);
}

std::vector<SourceRow> Members::rows(const Model& model) const {
  std::vector<SourceRow> rows;
  std::map<std::string_view, size_t> by_name;
  for (const SourceModel& source : model.sources) {
    by_name.emplace(source.name, rows.size());
    rows.push_back({.name = source.name, .type = source.type});
    if (const auto counts = counts_.find(source.name); counts != counts_.end())
      rows.back().counts = counts->second;
  }
  for (const auto& [name, known] : pools_) {
    const auto place = by_name.find(model.pools.at(name)->discover->source);
    if (place == by_name.end()) continue;
    SourceRow& row = rows[place->second];
    const DiscoveredPool& pool = known.discovered;
    const bool is_worst = row.pools.empty() || pool.state() > row.state;
    row.pools.push_back({name, pool.present().size(), pool.is_held()});
    row.last_success = std::max(row.last_success, pool.last_success());
    if (!is_worst) continue;
    row.state = pool.state();
    row.since = pool.since();
    row.reason = pool.reason();
  }
  const auto place = by_name.find(offers_.source());
  if (place == by_name.end()) return rows;
  SourceRow& row = rows[place->second];
  const DiscoveredPool& standing = offers_.standing();
  row.services = offers_.services().size();
  row.last_success = std::max(row.last_success, standing.last_success());
  if (!row.pools.empty() && standing.state() <= row.state) return rows;
  row.state = standing.state();
  row.since = standing.since();
  row.reason = standing.reason();
  return rows;
}

std::vector<std::string> Members::unanswered(const Model& model) const {
  std::set<std::string> names;
  for (const auto& [name, known] : pools_) {
    if (!known.discovered.last_success()) names.insert(model.pools.at(name)->discover->source);
  }
  if (!offers_.source().empty() && !offers_.standing().last_success()) names.insert(offers_.source());
  return {names.begin(), names.end()};
}

}  // namespace sluice::ctrl
