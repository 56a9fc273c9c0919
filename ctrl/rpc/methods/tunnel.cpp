#include <string>
#include <utility>

#include "ctrl/intent/config_tunnels.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"
#include "ctrl/tunnel/tunnel_states.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json direction_object(const std::optional<TunnelRow::Direction>& direction) {
  if (!direction) return nullptr;
  return {{"spi", direction->spi},
          {"sequence", direction->sequence},
          {"expires", unix_seconds(direction->expires)}};
}

json tunnel_object(const TunnelRow& row) {
  json dropped = json::object();
  for (size_t i = 0; i < row.dropped.size(); ++i) {
    dropped[std::string(dataplane::kTunnelDropNames[i])] = row.dropped[i];
  }
  return {{"tunnel", row.tunnel},
          {"local", row.local.to_string()},
          {"remote", row.remote.to_string()},
          {"state", std::string(word_for(row.state))},
          {"since", unix_seconds(row.since)},
          {"in", direction_object(row.in)},
          {"out", direction_object(row.out)},
          {"packets_in", row.packets_in},
          {"packets_out", row.packets_out},
          {"dropped", std::move(dropped)}};
}

void list_tunnels(MethodContext& context, const Call&, Reply reply) {
  json rows = json::array();
  for (const TunnelRow& row : context.gateway.tunnels()) rows.push_back(tunnel_object(row));
  reply(std::move(rows));
}

/// `in` or `out` of tunnel.rekey. A key is named in no fault.
class DirectionReader {
 public:
  DirectionReader(const json& params, const char* name, std::vector<Fault>& faults)
      : object_(params[name]), name_(name), faults_(faults) {
    for (const auto& [key, value] : object_.items()) {
      const bool is_known =
          key == "spi" || key == "algorithm" || key == "key" || key == "esn" || key == "replay_window";
      if (!is_known) fault(key.c_str(), "is unknown here");
    }
  }

  std::optional<AssociationKeys> read() {
    const auto spi = number("spi", kFirstSpi, UINT32_MAX);
    if (!spi && !object_.contains("spi")) fault("spi", "is missing");
    const auto window = number("replay_window", kLeastReplayWindow, kMostReplayWindow);
    auto key = read_key();
    const bool esn = read_esn();
    if (!spi || !key || !faults_.empty()) return std::nullopt;
    return AssociationKeys{static_cast<uint32_t>(*spi), std::move(*key), esn,
                           static_cast<uint32_t>(window.value_or(kReplayWindow))};
  }

 private:
  void fault(const char* field, std::string message) {
    faults_.push_back({std::string("/") + name_ + "/" + field, std::move(message)});
  }

  std::optional<uint64_t> number(const char* field, uint64_t least, uint64_t most) {
    const auto found = object_.find(field);
    if (found == object_.end()) return std::nullopt;
    if (found->is_number_unsigned() && found->get<uint64_t>() >= least && found->get<uint64_t>() <= most) {
      return found->get<uint64_t>();
    }
    fault(field, "must be a number from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }

  bool read_esn() {
    const auto found = object_.find("esn");
    if (found == object_.end()) return false;
    if (!found->is_boolean()) fault("esn", "must be true or false");
    return found->is_boolean() && found->get<bool>();
  }

  std::optional<EspKey> read_key() {
    const auto word = object_.find("algorithm");
    const auto algorithm = word != object_.end() && word->is_string()
                               ? esp_algorithm_of(word->get_ref<const std::string&>())
                               : std::nullopt;
    if (!algorithm) fault("algorithm", "must be aes-128-gcm or aes-256-gcm");
    const auto text = object_.find("key");
    if (text == object_.end() || !text->is_string()) {
      fault("key", "must be a key in hexadecimal digits");
      return std::nullopt;
    }
    if (!algorithm) return std::nullopt;
    auto key = EspKey::from_hex(*algorithm, text->get_ref<const std::string&>());
    if (key) return std::move(*key);
    fault("key", key.error().message);
    return std::nullopt;
  }

  const json& object_;
  const char* const name_;
  std::vector<Fault>& faults_;
};

void rekey(MethodContext& context, const Call& call, Reply reply) {
  if (call.peer.pid == 0) {
    return reply(refuse(Refusal::Kind::kForbidden, "keys are taken over the control socket alone",
                        "call tunnel.rekey on the gateway's own host"));
  }
  std::vector<Fault> faults;
  auto in = DirectionReader(call.params, "in", faults).read();
  auto out = DirectionReader(call.params, "out", faults).read();
  std::chrono::milliseconds overlap{60'000};
  if (call.params.contains("overlap")) {
    const auto parsed = parse_duration(call.params["overlap"].get_ref<const std::string&>());
    if (parsed) {
      overlap = *parsed;
    } else {
      faults.push_back({"/overlap", parsed.error().message});
    }
  }
  if (!faults.empty() || !in || !out) {
    return reply(tl::unexpected(
        Refusal{Refusal::Kind::kInvalid, "the new keys cannot be used", {}, std::move(faults)}));
  }
  const auto name = call.params["tunnel"].get<std::string>();
  auto done = context.gateway.rekey_tunnel({name, std::move(*in), std::move(*out), overlap});
  if (!done) return reply(tl::unexpected(std::move(done.error())));
  for (const TunnelRow& row : context.gateway.tunnels()) {
    if (row.tunnel == name) return reply(tunnel_object(row));
  }
  reply(json::object());
}

Subject subject_tunnel(const MethodContext& context, const json& params) {
  const auto& name = params["tunnel"].get_ref<const std::string&>();
  for (const TunnelRow& row : context.gateway.tunnels()) {
    if (row.tunnel != name) continue;
    const auto spi = [](const auto& direction) {
      return direction ? std::to_string(direction->spi) : std::string("none");
    };
    return {"tunnel " + name, "SPI in " + spi(row.in) + ", out " + spi(row.out)};
  }
  return {"tunnel " + name, ""};
}

}  // namespace

std::vector<Method> tunnel_methods() {
  return {
      {"tunnel.list",
       Role::kView,
       "Every ESP tunnel: how it fares, what it receives and sends by, and what it has dropped.",
       "a list of `{tunnel, local, remote, state, since, in: {spi, sequence, expires}, out: {...}, "
       "packets_in, "
       "packets_out, dropped: {reason: count}}`; `state` is `up`, `no_keys`, `exhausted` or `held`; `in` and "
       "`out` are null without keys; times in Unix seconds, `expires` null for static keys",
       {},
       list_tunnels},
      {"tunnel.rekey",
       Role::kAdmin,
       "Gives a tunnel new keys. The new outbound one counts at once; what comes with the old inbound one is "
       "taken for `overlap` more. On the control socket alone. A restart begins from the configured keys.",
       "the tunnel as in `tunnel.list`",
       {{"tunnel", ParamType::kString, true, "its name"},
        {"in", ParamType::kObject, true,
         "`{spi, algorithm, key, esn, replay_window}`: `key` is key and salt in hexadecimal digits, "
         "`algorithm` `aes-128-gcm` or `aes-256-gcm`"},
        {"out", ParamType::kObject, true, "likewise, of what is sent"},
        {"overlap", ParamType::kString, false,
         "how long the old inbound key counts; `60s` if it is left out"}},
       rekey,
       Where::kChanges,
       subject_tunnel},
  };
}

}  // namespace sluice::ctrl
