// How much of each service's table a change of configuration moves. Pure.
#pragma once

#include <map>
#include <string>

#include "ctrl/intent/model.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

/// What was compiled, and what of.
struct Compilation {
  const Model& model;
  const dataplane::Tables& tables;
};

/// The fraction of a table's slots that have another backend, by endpoint, in the table that follows it.
double moved_fraction(const lb::PoolTable& then, const dataplane::Tables& before, const lb::PoolTable& now,
                      const dataplane::Tables& after);

/// By service of `after` whose table is another: the fraction of its slots that have another backend, by
/// endpoint. A service is compared with the one of its name, or else with the one that had its first address
/// and port; a new one is absent.
std::map<std::string, double> disruption(const Compilation& before, const Compilation& after);

}  // namespace sluice::ctrl
