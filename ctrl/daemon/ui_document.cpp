#include "ctrl/daemon/ui_document.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "common/drop_reason_help.h"
#include "crypto/encoding.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/observed/backend_statuses.h"
#include "ctrl/rpc/methods/backend_row.h"
#include "ctrl/rpc/methods/words.h"
#include "ledger/log_reader.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// The less it serves, the earlier it comes.
unsigned place_of(lb::BackendState state) {
  switch (state) {
    case lb::BackendState::kDown:
    case lb::BackendState::kRemoved:
      return 0;
    case lb::BackendState::kMaintenance:
      return 1;
    case lb::BackendState::kDraining:
      return 2;
    case lb::BackendState::kActive:
      return 3;
  }
  return 0;
}

unsigned place_of(const PoolAvailability& pool) {
  if (pool.available == 0) return 0;
  return pool.available < pool.listed ? 1 : 2;
}

struct NamedPool {
  std::string name;
  PoolAvailability availability;
};

std::vector<NamedPool> pools_by_trouble(const Gateway& gateway) {
  std::vector<NamedPool> pools;
  const auto model = gateway.model();
  for (const auto& [name, ignored] : model->pools) pools.push_back({name, gateway.availability(name)});
  std::ranges::stable_sort(pools, {}, [](const NamedPool& pool) { return place_of(pool.availability); });
  return pools;
}

}  // namespace

json ui_pool(const std::string& name, const PoolAvailability& availability,
             const std::vector<BackendRow>& rows, size_t most) {
  json states = json::object();
  std::vector<const BackendRow*> order;
  for (const BackendRow& row : rows) {
    order.push_back(&row);
    json& number = states[word_for(row.state)];
    number = number.is_null() ? 1 : number.get<uint64_t>() + 1;
  }
  std::ranges::stable_sort(order, {}, [](const BackendRow* row) { return place_of(row->state); });
  const size_t listed = std::min(most, order.size());
  json backends = json::array();
  for (const BackendRow* row : std::span(order).first(listed)) {
    json object = backend_row_object(*row);
    object.erase("pool");  // said above them all
    object["packets"] = row->totals.packets;
    object["flows"] = row->totals.flows;
    backends.push_back(std::move(object));
  }
  return {{"pool", name},
          {"listed", rows.size()},
          {"available", std::min(availability.available, rows.size())},
          {"states", std::move(states)},
          {"backends", std::move(backends)},
          {"omitted", rows.size() - listed}};
}

json ui_pools(const Gateway& gateway, const UiBounds& bounds) {
  const std::vector<NamedPool> pools = pools_by_trouble(gateway);
  std::vector<json> rows;
  size_t left = bounds.backends;
  for (const NamedPool& pool : std::span(pools).first(std::min(pools.size(), bounds.pools))) {
    const auto backends = gateway.backends(pool.name);
    if (!backends) continue;  // removed meanwhile
    const auto is_away = [](const BackendRow& row) { return row.state != lb::BackendState::kActive; };
    const auto away = static_cast<size_t>(std::ranges::count_if(*backends, is_away));
    const size_t most =
        std::max(std::min(bounds.backends_of_pool, left), std::min(bounds.backends_always, away));
    rows.push_back(ui_pool(pool.name, pool.availability, *backends, most));
    left -= std::min(left, rows.back()["backends"].size());
  }
  std::ranges::sort(rows, {}, [](const json& row) { return row["pool"].get_ref<const std::string&>(); });
  const size_t omitted = pools.size() - std::min(pools.size(), bounds.pools);
  return {{"rows", std::move(rows)}, {"omitted", omitted}};
}

json ui_services(json list, const Gateway& gateway, size_t most) {
  uint64_t flows = 0;
  uint64_t active_flows = 0;
  if (!list.is_array()) list = json::array();
  for (const json& row : list) {
    flows += row.value("flows", uint64_t{0});
    active_flows += row.value("active_flows", uint64_t{0});
  }
  const size_t all = list.size();
  if (all > most) {
    auto& rows = list.get_ref<json::array_t&>();
    const auto is_in_trouble = [&](const json& row) {
      const auto& pools = row["pools"].get_ref<const json::array_t&>();
      return std::ranges::any_of(pools, [&](const json& pool) {
        return gateway.availability(pool.get_ref<const std::string&>()).available == 0;
      });
    };
    std::stable_partition(rows.begin(), rows.end(), is_in_trouble);
    rows.resize(most);
  }
  return {{"rows", std::move(list)},
          {"omitted", all > most ? all - most : 0},
          {"flows", flows},
          {"active_flows", active_flows}};
}

json ui_drops(const std::array<uint64_t, dataplane::kDropReasons>& dropped, const Spells& spells) {
  json rows = json::array();
  for (size_t i = 0; i < dropped.size(); ++i) {
    const std::string_view reason = dataplane::kDropReasonNames[i];
    json row = {{"reason", reason}, {"count", dropped[i]}, {"since", nullptr}, {"last", nullptr}};
    if (const auto spell = spells.last_of(reason)) {
      row["since"] = unix_seconds(spell->since);
      row["last"] = unix_seconds(spell->last);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

json ui_history(const TrafficHistory& history, double time) {
  const auto series = [&](double TrafficHistory::Sample::*field) {
    json values = json::array();
    for (const auto& sample : history.samples()) values.push_back(std::round(sample.*field * 10) / 10);
    return values;
  };
  return {{"time", time},
          {"interval", TrafficHistory::kInterval.count()},
          {"received", series(&TrafficHistory::Sample::received)},
          {"transmitted", series(&TrafficHistory::Sample::transmitted)},
          {"dropped", series(&TrafficHistory::Sample::dropped)}};
}

json ui_drop_words() {
  json words = json::array();
  for (const DropReasonHelp& help : kDropReasonHelp) {
    words.push_back({{"reason", help.reason}, {"meaning", help.meaning}, {"remedy", help.remedy}});
  }
  return words;
}

json ui_log(ledger::LogReader& log, uint64_t blocks) {
  json found = {{"last_block", nullptr}, {"checkpoint", nullptr}};
  if (const auto note = log.checkpoint()) {
    if (const auto checkpoint = ledger::Checkpoint::parse(*note)) {
      found["checkpoint"] = {{"size", checkpoint->size}, {"root", crypto::to_base64(checkpoint->root)}};
    }
  }
  // Which blocks a checkpoint covers, only asking for one tells; and those that it does not are the newest.
  std::optional<ledger::BlockView> newest;
  uint64_t beyond = blocks;  // the first that is known not to be covered
  const auto look = [&](uint64_t number) {
    auto block = log.block(number);
    if (block && *block) {
      newest = std::move(**block);
    } else {
      beyond = number;
    }
  };
  for (uint64_t step = 1; !newest && beyond > 0; step *= 2) look(beyond - std::min(step, beyond));
  while (newest && newest->number + 1 < beyond) look(newest->number + (beyond - newest->number) / 2);
  if (newest) {
    found["last_block"] = {{"number", newest->number},
                           {"time", newest->metadata.time_ns},
                           {"first_index", newest->metadata.first_index},
                           {"transactions", newest->leaf_hashes.size()},
                           {"hash", crypto::to_hex(newest->hash)}};
  }
  return found;
}

}  // namespace sluice::ctrl
