// Configurations compiled one after another under a real balancer, without threads and packets.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/compile.h"
#include "lb/balancer.h"
#include "tests/unit/ctrl/observed_world.h"

namespace sluice::ctrl {

class CompiledFlows {
 public:
  /// Compiles a configuration, for commit() to take.
  void apply(const nlohmann::json& config) {
    auto parsed = parse_config(config);
    ASSERT_TRUE(parsed) << (parsed ? "" : parsed.error().message) << config.dump(2);
    if (model_) share_unchanged(*model_, *parsed);
    auto next = std::make_shared<const Model>(std::move(*parsed));
    auto effective = test::effective(next, {}, {}, effective_.get());
    auto result = compile({.effective = *effective,
                           .ports = ports_,
                           .generation = ++generation_,
                           .before = effective_.get(),
                           .previous = tables_.get()},
                          ids_);
    ASSERT_TRUE(result);
    disruption_ = result->disruption;
    candidate_ = result->tables;
    next_ = std::move(next);
    next_effective_ = std::move(effective);
  }
  /// By name of service, how many flows would end: as the gateway counts them. None at the first time.
  std::map<std::string, unsigned> losses() {
    std::map<std::string, unsigned> counted;
    if (!tables_) return counted;
    for (const lb::FlowEntry& entry : entries_) {
      const auto id = balancer_.losing_service(tables_->view(), candidate_->view(), entry, 0);
      if (id != lb::kNoService) ++counted[ids_.last_service_at(id).name];
    }
    return counted;
  }
  /// Of the last apply().
  const std::map<std::string, double>& disruption() const { return disruption_; }
  void commit() {
    ids_.commit();
    model_ = std::exchange(next_, nullptr);
    effective_ = std::exchange(next_effective_, nullptr);
    tables_ = std::exchange(candidate_, nullptr);
  }
  void collect() {
    ids_.collect([&](auto id) { return services_[id].active_flows.read() == 0; },
                 [&](auto id) { return backends_[id].active_flows.read() == 0; });
  }
  lb::Decision send(const FlowKey& key, uint8_t flags = TcpHeader::kAck) {
    return balancer_.balance(tables_->view(), key, balancer_.flows().hash(key), {flags, 64}, 0);
  }
  void expire() { balancer_.expire(tables_->view(), 0, static_cast<unsigned>(entries_.size())); }
  lb::FlowTable& flows() { return balancer_.flows(); }
  const dataplane::Tables& tables() const { return *tables_; }
  /// The pool of a backend.
  std::string pool_of(lb::BackendId id) const { return ids_.backend_at(id)->pool; }
  /// The gauges of numbers that are not in use any more.
  uint64_t active_of_retired() const {
    uint64_t active = 0;
    for (uint32_t id = 0; id < services_.size(); ++id) {
      if (!ids_.service_at(id)) active += services_[id].active_flows.read();
      if (!ids_.backend_at(id)) active += backends_[id].active_flows.read();
    }
    return active;
  }

 private:
  std::vector<dataplane::PortInfo> ports_{{"edge", {}, 1500, "net_null", true, ""},
                                          {"core", {}, 1500, "net_null", true, ""}};
  IdRegistry ids_;
  uint64_t generation_ = 0;
  std::shared_ptr<const Model> model_, next_;
  std::shared_ptr<const Effective> effective_, next_effective_;
  std::shared_ptr<const dataplane::Tables> tables_, candidate_;
  std::map<std::string, double> disruption_;
  std::vector<lb::FlowEntry> entries_{1024};
  std::vector<lb::Addresses6> addresses6_{entries_.size()};
  std::vector<lb::FlowTable::Bucket> buckets_{lb::FlowTable::buckets_for(1024)};
  std::vector<lb::TargetCounters> services_{512}, backends_{512};
  std::vector<uint32_t> cursors_ = std::vector<uint32_t>(512);
  std::vector<lb::AnswerCounters> answers_{512};
  lb::Balancer balancer_{{entries_, addresses6_, buckets_, services_, backends_, cursors_, answers_}, {}, 1};
};

}  // namespace sluice::ctrl
