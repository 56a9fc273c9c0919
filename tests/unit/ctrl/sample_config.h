// A configuration with a little of everything, to be bent by tests.
#pragma once

#include <nlohmann/json.hpp>

namespace sluice::test {

inline nlohmann::json sample_config() {
  return nlohmann::json::parse(R"({
    "gateway": {"workers": [0], "hash_key": "000102030405060708090a0b0c0d0e0f"},
    "ports": [
      {"name": "edge", "device": "net_null0", "addresses": ["192.0.2.1/24", "2001:db8:0:1::1/64"]},
      {"name": "core", "device": "net_null1", "addresses": ["198.51.100.1/24", "2001:db8:0:2::1/64"], "vlan": 100}
    ],
    "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.254"}],
    "neighbors": [{"address": "198.51.100.11", "mac": "02:00:00:00:00:11"}],
    "snat": ["198.51.100.1", "2001:db8:0:2::1"],
    "encap": {"source": "192.0.2.1", "source6": "2001:db8:0:1::1"},
    "pools": [
      {"name": "web", "table_size": 1021, "backends": [
        {"address": "198.51.100.11", "port": 8080},
        {"address": "198.51.100.12", "port": 8080, "weight": 2},
        {"address": "198.51.100.13", "port": 8080}]},
      {"name": "mixed", "table_size": 251, "backends": [
        {"address": "203.0.113.99"}, {"address": "2001:db8:0:2::11"}]},
      {"name": "spare", "table_size": 101, "backends": []}
    ],
    "services": [
      {"name": "web", "address": "203.0.113.10", "port": 80, "pool": "web"},
      {"name": "tunnel", "address": "203.0.113.11", "port": "any", "protocol": "udp", "forward": "ipip",
       "pool": "mixed"}
    ]
  })");
}

}  // namespace sluice::test
