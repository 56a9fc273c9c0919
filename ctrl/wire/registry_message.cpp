#include "ctrl/wire/registry_message.h"

#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kMostSeconds = 315'576'000'000;  // as google.protobuf.Duration has it

/// A google.protobuf.Duration of at least 0, in whole milliseconds; nothing where it is none.
std::optional<milliseconds> read_duration(std::string_view message) {
  ProtobufReader reader(message);
  int64_t seconds = 0, nanoseconds = 0;
  while (const auto field = reader.next()) {
    if (field->is_integer(1)) seconds = static_cast<int64_t>(field->integer);
    if (field->is_integer(2)) nanoseconds = static_cast<int64_t>(field->integer);
  }
  if (reader.is_faulty() || seconds < 0 || seconds > kMostSeconds || nanoseconds < 0 ||
      nanoseconds > 999'999'999) {
    return std::nullopt;
  }
  return milliseconds(seconds * 1000 + nanoseconds / 1'000'000);
}

std::string write_duration(milliseconds time) {
  ProtobufWriter message;
  message.integer(1, static_cast<uint64_t>(time.count() / 1000));
  message.integer(2, static_cast<uint64_t>(time.count() % 1000 * 1'000'000));
  return message.take();
}

/// An entry of a map of texts.
bool read_entry(std::string_view message, std::map<std::string, std::string>& entries) {
  ProtobufReader reader(message);
  std::string_view key, value;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) key = field->bytes;
    if (field->is_bytes(2)) value = field->bytes;
  }
  entries.insert_or_assign(std::string(key), std::string(value));
  return !reader.is_faulty();
}

std::string write_key(const InstanceKey& key) {
  ProtobufWriter message;
  message.text(1, key.service);
  message.text(2, key.instance);
  return message.take();
}

uint32_t narrow(uint64_t value) {
  return static_cast<uint32_t>(value);  // as Protocol Buffers reads a uint32
}

}  // namespace

Result<ServiceInstance> read_service_instance(std::string_view message) {
  ProtobufReader reader(message);
  ServiceInstance instance;
  bool is_faulty = false;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) instance.key.service = field->bytes;
    if (field->is_bytes(2)) instance.key.instance = field->bytes;
    if (field->is_bytes(3)) instance.address = field->bytes;
    if (field->is_integer(4)) instance.port = narrow(field->integer);
    if (field->is_integer(5)) instance.weight = narrow(field->integer);
    if (field->is_bytes(6)) is_faulty |= !read_entry(field->bytes, instance.metadata);
    if (!field->is_bytes(7)) continue;
    const auto ttl = read_duration(field->bytes);
    if (!ttl) return fail("ttl: is no duration");
    instance.ttl = *ttl;
  }
  if (reader.is_faulty() || is_faulty) return fail("the message cannot be read");
  return instance;
}

Result<std::string> read_registry_request(std::string_view message) {
  ProtobufReader reader(message);
  std::string text;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) text = field->bytes;
  }
  if (reader.is_faulty()) return fail("the message cannot be read");
  return text;
}

std::string write_service_instance(const ServiceInstance& instance) {
  ProtobufWriter message;
  message.text(1, instance.key.service);
  message.text(2, instance.key.instance);
  message.text(3, instance.address);
  message.integer(4, instance.port);
  message.present_integer(5, instance.weight);
  for (const auto& [key, value] : instance.metadata) {
    ProtobufWriter entry;
    entry.text(1, key);
    entry.text(2, value);
    message.message(6, entry.take());
  }
  message.message(7, write_duration(instance.ttl));
  return message.take();
}

std::string write_lease(std::string_view id, milliseconds ttl) {
  ProtobufWriter message;
  message.text(1, id);
  message.message(2, write_duration(ttl));
  return message.take();
}

std::string write_list_response(uint64_t index, const ServiceInstances& instances) {
  ProtobufWriter message;
  message.integer(1, index);
  for (const auto& instance : instances) message.message(2, write_service_instance(*instance));
  return message.take();
}

std::string write_watch_response(const WatchUpdate& update) {
  ProtobufWriter message;
  message.integer(1, update.index);
  message.integer(2, update.whole ? 1 : 0);
  for (const auto& instance : update.instances) message.message(3, write_service_instance(*instance));
  for (const InstanceKey& key : update.gone) message.message(4, write_key(key));
  message.integer(5, update.more ? 1 : 0);
  return message.take();
}

}  // namespace sluice::ctrl
