#include "ctrl/registry/registry_http.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/decimal.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/registry/registry_json.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kUsualWait{30'000};
constexpr milliseconds kLongestWait{600'000};

Result<void> read_query(std::string_view query, RegistryTarget& target) {
  for (const std::string_view parameter : parts_of(query, '&')) {
    if (parameter.empty()) continue;
    const size_t mark = std::min(parameter.find('='), parameter.size());
    const std::string_view name = parameter.substr(0, mark);
    const std::string_view value = parameter.substr(std::min(mark + 1, parameter.size()));
    if (name == "index") {
      target.index = parse_decimal(value);
      if (!target.index) return fail("index: is no number");
    } else if (name == "wait") {
      const auto wait = parse_duration(value);
      if (!wait) return fail("wait: " + wait.error().message);
      target.wait = std::min(*wait, kLongestWait);
    } else {
      return fail("there is no parameter of that name: wait and index");
    }
  }
  if (target.index && target.wait.count() == 0) target.wait = kUsualWait;
  return {};
}

unsigned http_status(GrpcStatus status) {
  switch (status) {  // as google.rpc.Code maps them
    case GrpcStatus::kOk:
      return 200;
    case GrpcStatus::kInvalidArgument:
      return 400;
    case GrpcStatus::kUnauthenticated:
      return 401;
    case GrpcStatus::kNotFound:
      return 404;
    case GrpcStatus::kResourceExhausted:
      return 429;
    case GrpcStatus::kUnimplemented:
      return 501;
    case GrpcStatus::kUnavailable:
      return 503;
    case GrpcStatus::kCancelled:
    case GrpcStatus::kUnknown:
    case GrpcStatus::kInternal:
      return 500;
  }
  return 500;
}

RegistryHttpAnswer refusing_answer(GrpcStatus status, std::string message) {
  return answer_refusal({status, std::move(message)});
}

RegistryHttpAnswer answer_lease(const Registered<GrantedLease>& lease) {
  if (!lease) return answer_refusal(lease.error());
  return {200, lease_json(lease->id, lease->ttl)};
}

RegistryHttpAnswer not_allowed(std::string allow) {
  RegistryHttpAnswer answer{405, error_json("UNIMPLEMENTED", "the method is one of " + allow)};
  answer.allow = std::move(allow);
  return answer;
}

RegistryHttpAnswer put(RegistryParts& parts, const RegistryTarget& target, const std::string& body) {
  auto instance = read_service_instance_json(body);
  if (!instance) return refusing_answer(GrpcStatus::kInvalidArgument, instance.error().message);
  const auto agrees = [](const std::string& said, const std::string& named) {
    return said.empty() || said == named;
  };
  if (!agrees(instance->key.service, target.service)) {
    return refusing_answer(GrpcStatus::kInvalidArgument, "service: is not that of the path");
  }
  if (!agrees(instance->key.instance, target.instance)) {
    return refusing_answer(GrpcStatus::kInvalidArgument, "instance: is not that of the path");
  }
  instance->key = {target.service, target.instance};
  return answer_lease(parts.registry->put(std::move(*instance)));
}

RegistryHttpOutcome list(const RegistryParts& parts, const RegistryTarget& target) {
  const uint64_t index = parts.table.index_of(target.service);
  if (!target.index || index != *target.index) return {answer_list(parts, target.service)};
  if (!RegistryWatcher::has_room(parts)) {
    return {refusing_answer(GrpcStatus::kResourceExhausted, "too many wait already")};
  }
  return {{}, RegistryWait{target.service, index, target.wait}};
}

}  // namespace

Result<std::optional<RegistryTarget>> parse_registry_target(std::string_view target) {
  const size_t mark = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, mark);
  if (path.ends_with('/')) path.remove_suffix(1);
  const auto parts = parts_of(path, '/');  // the first is empty
  const bool is_known =
      parts.size() >= 3 && parts[1] == "v1" && parts[2] == "services" &&
      (parts.size() <= 4 || (parts.size() <= 7 && parts.size() != 5 && parts[4] == "instances")) &&
      (parts.size() < 7 || parts[6] == "renew");
  if (!is_known) return std::nullopt;
  RegistryTarget read;
  const auto name = [&](size_t at, std::string& into) -> bool {
    if (parts.size() <= at) return true;
    const auto decoded = percent_decoded(parts[at]);
    if (!decoded || !is_registry_name(*decoded)) return false;
    into = *decoded;
    return true;
  };
  if (!name(3, read.service)) return fail("service: is not 1 to 253 bytes of visible ASCII");
  if (!name(5, read.instance)) return fail("instance: is not 1 to 253 bytes of visible ASCII");
  read.renews = parts.size() == 7;
  if (auto query = read_query(target.substr(std::min(mark + 1, target.size())), read); !query) {
    return tl::unexpected(query.error());
  }
  return read;
}

RegistryHttpAnswer answer_refusal(const RegistryRefusal& refusal) {
  return {http_status(refusal.status),
          error_json(name_of_grpc_status(static_cast<unsigned>(refusal.status)), refusal.message)};
}

RegistryHttpAnswer answer_list(const RegistryParts& parts, const std::string& service) {
  const LeaseTable::View view = parts.table.list(service);
  return {200, list_json(view.index, view.instances), view.index};
}

RegistryHttpOutcome answer_http(RegistryParts& parts, const RegistryHttpRequest& request) {
  const auto target = parse_registry_target(request.target);
  if (!target) return {refusing_answer(GrpcStatus::kInvalidArgument, target.error().message)};
  if (!*target) return {refusing_answer(GrpcStatus::kNotFound, "there is nothing of that name")};
  const RegistryTarget& wanted = **target;
  const InstanceKey key{wanted.service, wanted.instance};
  if (wanted.instance.empty()) {
    if (request.method != "GET") return {not_allowed("GET")};
    return list(parts, wanted);
  }
  if (wanted.renews) {
    if (request.method != "POST") return {not_allowed("POST")};
    return {answer_lease(parts.registry->renew(key))};
  }
  if (request.method == "PUT") return {put(parts, wanted, request.body)};
  if (request.method != "DELETE") return {not_allowed("PUT, DELETE")};
  const auto removed = parts.registry->remove(key);
  if (!removed) return {answer_refusal(removed.error())};
  return {{200, "{}\n"}};
}

}  // namespace sluice::ctrl
