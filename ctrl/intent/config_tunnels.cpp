#include "ctrl/intent/config_tunnels.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/file_reference.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/intent/tunnel_networks.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Faults = Cursor::Faults;

std::string at(size_t tunnel, const std::string& field) {
  return "/tunnels/" + std::to_string(tunnel) + field;
}

std::string in_quotes(const std::string& name) {
  return "\"" + name + "\"";
}

std::optional<StaticKeysModel> decode_keys(const Cursor& keys) {
  if (!keys || !keys.value().is_object()) return std::nullopt;
  StaticKeysModel model;
  keys.read("spi_in", model.spi_in);
  keys.read("spi_out", model.spi_out);
  if (const Cursor word = keys.member("algorithm")) {
    model.algorithm = *esp_algorithm_of(word.value().get_ref<const std::string&>());
  }
  std::string ignored;
  if (keys.parse("in", parse_secret_file, ignored)) keys.read("in", model.in);
  if (keys.parse("out", parse_secret_file, ignored)) keys.read("out", model.out);
  keys.read("esn", model.esn);
  keys.read("replay_window", model.replay_window);
  return model;
}

class TunnelChecks {
 public:
  TunnelChecks(const Draft& draft, Faults& faults) : draft_(draft), faults_(faults) {
    for (const auto& [entry, index] : draft.port_addresses) own_.insert(entry.address.address);
  }

  void check(const TunnelModel& tunnel, size_t index) {
    if (!tunnel.name.empty() && !names_.insert(tunnel.name).second) {
      fault(index, "/name", "there is a tunnel named " + in_quotes(tunnel.name) + " already");
    }
    check_ends(tunnel, index);
    for (size_t i = 0; i < tunnel.networks.size(); ++i) {
      const auto [known, is_new] = networks_.emplace(tunnel.networks[i], tunnel.name);
      if (is_new) continue;
      fault(
          index, "/networks/" + std::to_string(i),
          tunnel.networks[i].to_string() +
              (known->second == tunnel.name ? " is listed twice"
                                            : " leads into tunnel " + in_quotes(known->second) + " already"));
    }
    if (tunnel.keys) check_keys(tunnel, *tunnel.keys, index);
  }

 private:
  void fault(size_t index, const std::string& field, std::string message) {
    faults_.add(at(index, field), std::move(message));
  }

  void check_ends(const TunnelModel& tunnel, size_t index) {
    const IpAddress none;
    if (tunnel.local != none && !own_.contains(tunnel.local)) {
      fault(index, "/local", tunnel.local.to_string() + " is no address of a port");
    }
    if (tunnel.remote == none) return;
    if (own_.contains(tunnel.remote)) {
      fault(index, "/remote", tunnel.remote.to_string() + " is an address of a port itself");
    } else if (tunnel.local != none && tunnel.local.is_v4() != tunnel.remote.is_v4()) {
      fault(index, "/remote", "must be an address of the family of \"local\"");
    }
  }

  void check_keys(const TunnelModel& tunnel, const StaticKeysModel& keys, size_t index) {
    if (keys.spi_in != 0) {
      const auto [known, is_new] = spis_in_.emplace(keys.spi_in, tunnel.name);
      if (!is_new) {
        fault(index, "/keys/spi_in",
              std::to_string(keys.spi_in) + " is what tunnel " + in_quotes(known->second) +
                  " receives by already");
      }
    }
    if (!keys.in.empty() && keys.in == keys.out) {
      fault(index, "/keys/out", "must be another key than that of \"in\"");
    } else if (!keys.out.empty()) {
      const auto [known, is_new] = keys_out_.emplace(keys.out, tunnel.name);
      if (!is_new)
        fault(index, "/keys/out", "tunnel " + in_quotes(known->second) + " sends with this key already");
    }
  }

  const Draft& draft_;
  Faults& faults_;
  std::set<IpAddress> own_;
  std::set<std::string> names_;
  std::map<Prefix, std::string> networks_;
  std::map<uint32_t, std::string> spis_in_;
  std::map<std::string, std::string> keys_out_;
};

/// What is forwarded as it is goes to a neighbor, and no tunnel leads to one.
void check_direct(const Draft& draft, Faults& faults) {
  const TunnelNetworks networks(draft.model.tunnels);
  for (const auto& [entry, index] : draft.services) {
    if (entry.service.forward != lb::ForwardMode::kDirect) continue;
    const auto used = all_pools_of(entry.service);
    for (const auto& pool : draft.pools) {
      if (std::ranges::find(used, pool.value.pool.name) == used.end()) continue;
      for (const BackendModel& backend : pool.value.pool.backends) {
        const auto tunnel = networks.leading_to(backend.address);
        if (!tunnel) continue;
        faults.add("/services/" + std::to_string(index) + "/forward",
                   "direct reaches only neighbors: " + backend.address.to_string() + " of pool " +
                       in_quotes(pool.value.pool.name) + " is behind tunnel " +
                       in_quotes(draft.model.tunnels[*tunnel].name));
        break;
      }
    }
  }
}

}  // namespace

std::optional<EspAlgorithm> esp_algorithm_of(std::string_view word) {
  if (word == "aes-128-gcm") return EspAlgorithm::kAes128Gcm;
  if (word == "aes-256-gcm") return EspAlgorithm::kAes256Gcm;
  return std::nullopt;
}

const char* word_for(EspAlgorithm algorithm) {
  return algorithm == EspAlgorithm::kAes128Gcm ? "aes-128-gcm" : "aes-256-gcm";
}

void decode_tunnels(const Cursor& tunnels, Draft& draft) {
  tunnels.each([&](const Cursor& entry, size_t index) {
    // A tunnel's index stays that of the document, whatever is wrong with others.
    draft.model.tunnels.resize(index + 1);
    TunnelModel& tunnel = draft.model.tunnels.back();
    entry.parse("name", parse_name, tunnel.name);
    entry.parse("local", parse_host_address, tunnel.local);
    entry.parse("remote", parse_host_address, tunnel.remote);
    entry.member("networks").each([&](const Cursor& text, size_t) {
      Prefix network;
      if (text.parse(parse_network, network)) tunnel.networks.push_back(network);
    });
    tunnel.keys = decode_keys(entry.member("keys"));
    entry.read("udp", tunnel.udp);
  });
}

void check_tunnels(const Draft& draft, Faults& faults) {
  const std::vector<TunnelModel>& tunnels = draft.model.tunnels;
  if (tunnels.empty()) return;
  TunnelChecks checks(draft, faults);
  size_t networks = 0;
  for (size_t i = 0; i < tunnels.size(); ++i) {
    checks.check(tunnels[i], i);
    networks += tunnels[i].networks.size();
  }
  if (networks > kMostTunnelNetworks) {
    faults.add("/tunnels", "more than " + std::to_string(kMostTunnelNetworks) + " networks in all");
  }
  check_direct(draft, faults);
}

json encode_tunnel(const TunnelModel& tunnel) {
  json networks = json::array();
  for (const Prefix& network : tunnel.networks) networks.push_back(network.to_string());
  json object{{"name", tunnel.name},
              {"local", tunnel.local.to_string()},
              {"remote", tunnel.remote.to_string()},
              {"networks", std::move(networks)},
              {"keys", "kernel"},
              {"udp", tunnel.udp}};
  if (const auto& keys = tunnel.keys) {
    object["keys"] = {{"spi_in", keys->spi_in},
                      {"spi_out", keys->spi_out},
                      {"algorithm", word_for(keys->algorithm)},
                      {"in", keys->in},
                      {"out", keys->out},
                      {"esn", keys->esn},
                      {"replay_window", keys->replay_window}};
  }
  return object;
}

}  // namespace sluice::ctrl
