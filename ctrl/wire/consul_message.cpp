#include "ctrl/wire/consul_message.h"

#include <algorithm>

#include "common/decimal.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// Maintenance is a critical check too.
ConsulState state_of(const json& checks) {
  ConsulState worst = ConsulState::kPassing;
  if (!checks.is_array()) return worst;
  for (const json& check : checks) {
    const std::string_view status = text_in(member(check, "Status"));
    ConsulState state = ConsulState::kCritical;
    if (status == "passing") state = ConsulState::kPassing;
    if (status == "warning") state = ConsulState::kWarning;
    worst = std::max(worst, state);
  }
  return worst;
}

std::optional<int64_t> number_or_none(const json& value) {
  return value.is_number_integer() ? integer_in(value) : std::nullopt;
}

ConsulInstance instance_of(const json& entry) {
  const json& service = member(entry, "Service");
  ConsulInstance instance;
  instance.id = text_in(member(service, "ID"));
  instance.address = text_in(member(service, "Address"));
  if (instance.address.empty()) instance.address = text_in(member(member(entry, "Node"), "Address"));
  instance.port = number_or_none(member(service, "Port"));
  const json& weights = member(service, "Weights");
  instance.passing_weight = number_or_none(member(weights, "Passing"));
  instance.warning_weight = number_or_none(member(weights, "Warning"));
  instance.state = state_of(member(entry, "Checks"));
  return instance;
}

}  // namespace

Result<std::vector<ConsulInstance>> read_consul_health(std::string_view body) {
  const auto answer = parse_bounded_json(body);
  if (!answer) return tl::unexpected(answer.error());
  if (!answer->is_array()) return fail("it is no list");
  std::vector<ConsulInstance> instances;
  for (const json& entry : *answer) {
    if (!member(entry, "Service").is_object()) return fail("an entry without a service");
    instances.push_back(instance_of(entry));
  }
  return instances;
}

uint64_t next_consul_index(uint64_t asked, std::string_view answered) {
  const auto index = parse_decimal(answered);
  if (!index || *index < asked) return 0;
  return std::max<uint64_t>(*index, 1);
}

}  // namespace sluice::ctrl
