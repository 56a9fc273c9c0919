#include "ctrl/wire/grpc_health_message.h"

#include <array>

#include "ctrl/wire/grpc_message.h"
#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl {

std::string grpc_health_request(std::string_view service) {
  ProtobufWriter message;
  message.text(1, service);
  return grpc_framed(message.take());
}

std::optional<ServingStatus> grpc_health_response(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  GrpcMessages messages(text.size());
  messages.put(text);
  const auto message = messages.next();
  if (!message || messages.has_part()) return std::nullopt;
  ProtobufReader reader(*message);
  uint64_t status = 0;
  while (const auto field = reader.next()) {
    if (field->is_integer(1)) status = field->integer;
  }
  if (reader.is_faulty()) return std::nullopt;
  return status <= 3 ? static_cast<ServingStatus>(status) : ServingStatus::kUnknown;
}

const char* name_of(ServingStatus status) {
  constexpr std::array kNames = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return kNames[static_cast<size_t>(status)];
}

}  // namespace sluice::ctrl
