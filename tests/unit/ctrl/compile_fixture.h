// Compiles one configuration after another, for the tests of what comes out of it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/compile.h"
#include "tests/support/naive_maglev.h"
#include "tests/unit/ctrl/observed_world.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/web_backend.h"

namespace sluice::ctrl {

inline IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

/// Takes one step after another, as the Gateway does.
class Compile : public testing::Test {
 protected:
  Compile() {
    ports_[0] = {"edge", *MacAddress::parse("02:00:00:00:00:01"), 1500, "net_null", true, ""};
    ports_[1] = {"core", *MacAddress::parse("02:00:00:00:00:02"), 1400, "net_null", true, ""};
    step(test::sample_config());
  }

  Compiled step(const nlohmann::json& config) {
    auto parsed = parse_config(config);
    EXPECT_TRUE(parsed) << config;
    Model next = std::move(*parsed);
    if (model_) share_unchanged(*model_, next);
    return take(std::make_shared<const Model>(std::move(next)), {}, {});
  }
  Compiled touch(const std::string& pool) { return take(model_, {pool}, {}); }
  Compiled flush(const BackendKey& key) { return take(model_, {}, {key}); }

  Compiled take(std::shared_ptr<const Model> next, const std::set<std::string>& touched,
                std::vector<BackendKey> flushed) {
    auto effective = test::effective(next, status_, touched, effective_.get());
    auto result = compile(
        {*effective, ports_, ++generation_, effective_.get(), tables_.get(), std::move(flushed)}, ids_);
    EXPECT_TRUE(result);
    ids_.commit();
    model_ = std::move(next);
    effective_ = std::move(effective);
    before_ = tables_;
    tables_ = result->tables;
    return *result;
  }

  const lb::Service& service(const std::string& name) const {
    return (*tables_->services)[*ids_.find_service(identity_of(*model_->services.at(name)))];
  }
  lb::BackendId id(const BackendKey& key) const { return ids_.find_backend(key).value_or(lb::kNoBackend); }
  /// How many pool tables are those of before.
  size_t shared_pool_tables() const {
    size_t shared = 0;
    for (size_t i = 0; i < tables_->pools.size(); ++i) shared += tables_->pools[i] == before_->pools[i];
    return shared;
  }
  const lb::Backend& backend(const BackendKey& key) const { return (*tables_->backends)[id(key)]; }

  /// What the table of pool web ought to be over some of its backends.
  std::vector<lb::BackendId> expected_web(const std::vector<std::pair<int, uint32_t>>& eligible) const {
    std::vector<lb::WeightedEndpoint> endpoints;
    for (const auto& [number, weight] : eligible) {
      endpoints.push_back(
          {{web(number).address, Be16::from_host(8080), IpProtocol::kTcp}, weight, id(web(number))});
    }
    return test::naive_maglev(endpoints, 1021, *model_->hash_key);
  }
  std::vector<lb::BackendId> web_slots() const {
    const auto slots = service("web").pool->slots();
    return {slots.begin(), slots.end()};
  }

  /// The generation that brought an announced address; 0: it is not announced.
  uint64_t since(const char* address) const {
    for (const auto& announcement : *tables_->announcements) {
      if (announcement.address == ip(address)) return announcement.since;
    }
    return 0;
  }
  bool is_announced(const char* address) const { return since(address) != 0; }

  IdRegistry ids_;
  std::map<BackendKey, BackendStatus> status_;
  std::vector<dataplane::PortInfo> ports_{2};
  uint64_t generation_ = 0;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Effective> effective_;
  std::shared_ptr<const dataplane::Tables> tables_, before_;
};

}  // namespace sluice::ctrl
