// The values of a configuration that fits the schema, section by section, before they are compared with
// each other. Control thread.
#pragma once

#include <string>
#include <vector>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// An entry of a list, and where it stood: its index is part of JSON Pointers. Entries that cannot be read
/// are left out.
template <typename T>
struct Listed {
  T value;
  size_t index;
};

/// A pool; backends that could not be read are not among its backends, so their indexes are kept apart.
struct PoolDraft {
  PoolModel pool;
  std::vector<size_t> backend_index;  ///< of each of pool.backends
};

struct ServiceDraft {
  ServiceModel service;
  bool matches = false;  ///< address, port and protocol are readable
};

/// An own address of a port; its index is that among the port's addresses.
struct PortAddress {
  size_t port;
  Prefix address;
};

struct Draft {
  Model model;  ///< routes, neighbors, snat, sources, sets, pools, services and ingress are empty
  std::vector<Listed<PortAddress>> port_addresses;
  std::vector<Listed<PoolDraft>> pools;
  std::vector<Listed<ServiceDraft>> services;
  std::vector<Listed<RouteModel>> routes;
  std::vector<Listed<NeighborModel>> neighbors;
  std::vector<Listed<IpAddress>> snat;
  std::vector<Listed<IngressModel>> ingress;
  std::vector<Listed<SourceModel>> sources;
  std::vector<Listed<SetModel>> sets;
  std::vector<Listed<InspectionModel>> inspections;
  bool reads_files = true;  ///< of sets and inspections
};

/// Reads all that is readable; what is not becomes a fault.
Draft decode(const Cursor& root);

}  // namespace sluice::ctrl
