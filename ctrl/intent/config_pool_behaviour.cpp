#include "ctrl/intent/config_pool_behaviour.h"

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

void read_duration(const Cursor& parent, const char* key, milliseconds shortest, milliseconds& target) {
  const Cursor text = parent.member(key);
  milliseconds duration{};
  if (!text.parse(parse_duration, duration)) return;
  if (duration < shortest) return text.fault("must be at least " + format_duration(shortest));
  target = duration;
}

}  // namespace

void decode_pool_behaviour(const Cursor& pool, PoolModel& target) {
  if (const Cursor panic = pool.member("panic")) target.panic = panic.value().get<double>();
  read_duration(pool, "slow_start", milliseconds(0), target.slow_start);
}

void encode_pool_behaviour(const PoolModel& pool, json& object) {
  if (pool.panic) object["panic"] = *pool.panic;
  if (pool.slow_start.count() > 0) object["slow_start"] = format_duration(pool.slow_start);
}

}  // namespace sluice::ctrl
