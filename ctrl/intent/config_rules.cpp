#include "ctrl/intent/config_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/file_reference.h"
#include "ctrl/intent/set_file.h"
#include "lb/rate.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr std::string_view kSet = "set:";

Result<AccessEntry> parse_access_entry(std::string_view text) {
  if (text.starts_with(kSet)) {
    auto name = parse_name(text.substr(kSet.size()));
    if (!name) return tl::unexpected(name.error());
    return AccessEntry{std::move(*name)};
  }
  const auto prefix = parse_network(text);
  if (!prefix) return tl::unexpected(prefix.error());
  return AccessEntry{"", *prefix};
}

void decode_list(const Cursor& list, std::vector<AccessEntry>& target) {
  list.each([&](const Cursor& text, size_t) {
    AccessEntry entry;
    if (text.parse(parse_access_entry, entry)) target.push_back(std::move(entry));
  });
}

/// A burst that is left out is what comes in a second.
std::optional<RateModel> decode_rate(const Cursor& from) {
  if (!from) return std::nullopt;
  const Cursor value = from.member("rate");
  if (!value) return std::nullopt;
  RateModel rate{value.value().get<double>(), 0};
  if (rate.rate <= 0) {
    value.fault("must be above 0");
    return std::nullopt;
  }
  rate.burst = static_cast<uint64_t>(std::max(1.0, std::ceil(rate.rate)));
  from.read("burst", rate.burst);
  if (static_cast<double>(rate.burst) / rate.rate > lb::Rate::kLongestFillSeconds) {
    from.member("burst").fault("takes more than " + rate_text(lb::Rate::kLongestFillSeconds) +
                               " s to come again at that rate");
    return std::nullopt;
  }
  return rate;
}

template <typename T>
void read_optional(const Cursor& parent, const char* key, std::optional<T>& target) {
  if (const Cursor child = parent.member(key)) target = child.value().get<T>();
}

json encode_rate(const RateModel& rate) {
  const bool is_whole = rate.rate == std::floor(rate.rate);
  return {{"rate", is_whole ? json(static_cast<uint64_t>(rate.rate)) : json(rate.rate)},
          {"burst", rate.burst}};
}

/// Lists refer to sets by name.
void check_references(const Cursor& list, const std::set<std::string_view>& names) {
  list.each([&](const Cursor& text, size_t) {
    const std::string& entry = text.value().get_ref<const std::string&>();
    if (!entry.starts_with(kSet)) return;
    const std::string name = entry.substr(kSet.size());
    if (!names.contains(name)) text.fault("there is no set named \"" + name + "\"");
  });
}

SetModel without_file(SetModel set) {
  set.file.clear();
  return set;
}

}  // namespace

void decode_sets(const Cursor& sets, Draft& draft) {
  sets.each([&](const Cursor& from, size_t index) {
    SetModel set;
    from.parse("name", parse_name, set.name);
    from.member("addresses").each([&](const Cursor& text, size_t) {
      Prefix prefix;
      if (text.parse(parse_network, prefix)) set.addresses.push_back(prefix);
    });
    from.parse("file", parse_public_file, set.file);
    draft.sets.push_back({std::move(set), index});
  });
}

AccessModel decode_access(const Cursor& access) {
  AccessModel model;
  decode_list(access.member("allow"), model.allow);
  decode_list(access.member("deny"), model.deny);
  return model;
}

LimitsModel decode_limits_of_service(const Cursor& limits) {
  LimitsModel model;
  model.new_flows = decode_rate(limits.member("new_flows"));
  model.packets = decode_rate(limits.member("packets"));
  read_optional(limits, "flows", model.flows);
  const Cursor from = limits.member("per_source");
  if (!from) return model;
  PerSourceModel per_source;
  per_source.new_flows = decode_rate(from.member("new_flows"));
  per_source.packets = decode_rate(from.member("packets"));
  read_optional(from, "flows", per_source.flows);
  from.read("prefix4", per_source.prefix4);
  from.read("prefix6", per_source.prefix6);
  from.read("remembered", per_source.remembered);
  model.per_source = per_source;
  return model;
}

PoolLimitsModel decode_limits_of_pool(const Cursor& limits) {
  PoolLimitsModel model;
  read_optional(limits, "flows_per_backend", model.flows_per_backend);
  return model;
}

void check_sets(const Cursor& root, Draft& draft, Cursor::Faults& faults) {
  std::set<std::string_view> names;
  size_t prefixes = 0;
  root.member("sets").each([&](const Cursor& from, size_t index) {
    const auto entry = std::ranges::find(draft.sets, index, &Listed<SetModel>::index);
    if (entry == draft.sets.end()) return;
    SetModel& set = entry->value;
    if (!set.name.empty() && !names.insert(set.name).second) {
      from.member("name").fault("there is a set named \"" + set.name + "\" already");
    }
    if (faults.within(from.pointer() + "/") || prefixes > kMostInSets) return;
    auto content = draft.reads_files ? read_set(set) : read_set(without_file(set));
    if (content) {
      set.content = std::move(*content);
      prefixes += set.content->size();
      if (prefixes > kMostInSets) {
        from.fault("is one too many: all sets together have at most " + std::to_string(kMostInSets) +
                   " prefixes");
      }
    } else {
      from.member("file").fault(content.error().message);
    }
  });
  root.member("services").each([&](const Cursor& service, size_t) {
    const Cursor access = service.member("access");
    check_references(access.member("allow"), names);
    check_references(access.member("deny"), names);
  });
}

std::string rate_text(double per_second) {
  std::array<char, 64> text;
  const auto [end, code] =
      std::to_chars(text.data(), text.data() + text.size(), per_second, std::chars_format::fixed);
  return code == std::errc{} ? std::string(text.data(), end) : std::to_string(per_second);
}

std::string access_text(const AccessEntry& entry) {
  return entry.set.empty() ? entry.prefix.to_string() : std::string(kSet) + entry.set;
}

json encode_set(const SetModel& set) {
  json addresses = json::array();
  for (const Prefix& prefix : set.addresses) addresses.push_back(prefix.to_string());
  json object{{"name", set.name}, {"addresses", std::move(addresses)}};
  if (!set.file.empty()) object["file"] = "file:" + set.file;
  return object;
}

json encode_access(const AccessModel& access) {
  const auto encode = [](const std::vector<AccessEntry>& list) {
    json entries = json::array();
    for (const AccessEntry& entry : list) entries.push_back(access_text(entry));
    return entries;
  };
  return {{"allow", encode(access.allow)}, {"deny", encode(access.deny)}};
}

json encode_limits(const LimitsModel& limits) {
  json object = json::object();
  if (limits.new_flows) object["new_flows"] = encode_rate(*limits.new_flows);
  if (limits.packets) object["packets"] = encode_rate(*limits.packets);
  if (limits.flows) object["flows"] = *limits.flows;
  if (!limits.per_source) return object;
  const PerSourceModel& from = *limits.per_source;
  json per_source{{"prefix4", from.prefix4}, {"prefix6", from.prefix6}, {"remembered", from.remembered}};
  if (from.new_flows) per_source["new_flows"] = encode_rate(*from.new_flows);
  if (from.packets) per_source["packets"] = encode_rate(*from.packets);
  if (from.flows) per_source["flows"] = *from.flows;
  object["per_source"] = std::move(per_source);
  return object;
}

json encode_limits(const PoolLimitsModel& limits) {
  json object = json::object();
  if (limits.flows_per_backend) object["flows_per_backend"] = *limits.flows_per_backend;
  return object;
}

}  // namespace sluice::ctrl
