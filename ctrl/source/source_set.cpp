#include "ctrl/source/source_set.h"

#include <pthread.h>
#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "ctrl/log/log_line.h"
#include "ctrl/source/name_stage.h"
#include "ctrl/source/source.h"
#include "ctrl/source/source_types.h"

namespace sluice::ctrl {

namespace asio = boost::asio;

namespace {

const SourceType* type_named(const std::string& name) {
  const auto types = source_types();
  const auto found = std::ranges::find(types, name, &SourceType::name);
  return found == types.end() ? nullptr : &*found;
}

}  // namespace

/// One source, its thread, and the stage that resolves names.
class SourceSet::Runner : public SourceSink {
 public:
  Runner(SourceModel model, Receiver receive, NameStage::Resolve resolve, LeaseTable* registered)
      : model_(std::move(model)), receive_(std::move(receive)) {
    names_ = std::make_shared<NameStage>(
        *io_, [this](SubscriptionId id, Snapshot snapshot) { pass_on(id, std::move(snapshot)); },
        std::move(resolve));
    asio::post(*io_, [this, registered] {
      const SourceType* const type = type_named(model_.type);
      if (type != nullptr) source_ = type->make(model_, {*io_, *this, registered});
    });
    thread_ = std::thread([this] { run(); });
  }

  ~Runner() override {
    io_->stop();
    thread_.join();
    // Coroutines that hold the source are destroyed with the context, and the source with the last of them.
    source_.reset();
    names_.reset();
    work_.reset();
    io_.reset();
  }

  const SourceModel& model() const { return model_; }

  void subscribe(SubscriptionId id, const std::string& pool, std::shared_ptr<const DiscoverModel> asked) {
    asio::post(*io_, [this, id, pool, asked = std::move(asked)] {
      pools_[id] = {pool, asked};
      if (source_) {
        source_->subscribe(id, *asked);
      } else {
        lost(id, "this build has no sources of type " + model_.type);
      }
    });
  }
  void subscribe_services(SubscriptionId id) {
    asio::post(*io_, [this, id] {
      pools_[id] = {};
      source_ ? source_->subscribe_services(id)
              : lost(id, "this build has no sources of type " + model_.type);
    });
  }
  void unsubscribe(SubscriptionId id) {
    asio::post(*io_, [this, id] {
      if (pools_.erase(id) == 0) return;
      if (source_) source_->unsubscribe(id);
      names_->forget(id);
    });
  }
  void resolve(const std::string& name, std::function<void(NameResolver::Answer)> answer) {
    asio::post(*io_, [this, name, answer = std::move(answer)] {
      NameResolver* const resolver = source_ ? source_->resolver() : nullptr;
      if (resolver) return resolver->resolve(name, answer);
      answer({.error = "source " + model_.name + " looks up no names"});
    });
  }

  void deliver(SubscriptionId id, Snapshot snapshot) override {
    if (pools_.contains(id)) names_->take(id, std::move(snapshot));
  }
  void confirm(SubscriptionId id) override { say(id, SourceWord::Kind::kConfirmed); }
  void lost(SubscriptionId id, const std::string& reason) override {
    SourceWord word{.kind = SourceWord::Kind::kLost};
    word.reason = reason;
    say(id, std::move(word));
  }

 private:
  struct Pool {
    std::string name;
    std::shared_ptr<const DiscoverModel> asked;  ///< null: it is about services, and there is no pool
  };

  void run() {
    ::pthread_setname_np(::pthread_self(), ("src-" + model_.name).substr(0, 15).c_str());
    for (;;) {
      try {
        io_->run();
        return;
      } catch (const std::exception& error) {  // a source's fault is not to end the others
        log_error({"source ", model_.name, " has failed and goes on: ", error.what()});
      }
    }
  }

  void pass_on(SubscriptionId id, Snapshot snapshot) {
    SourceWord word{.kind = SourceWord::Kind::kDelivered};
    word.entries = fold(snapshot.instances);
    word.services = std::move(snapshot.services);
    word.unreadable = snapshot.unreadable;
    word.unreadable_entries = std::move(snapshot.unreadable_entries);
    word.repaired = snapshot.repaired;
    say(id, std::move(word));
  }
  void say(SubscriptionId id, SourceWord::Kind kind) { say(id, SourceWord{.kind = kind}); }
  void say(SubscriptionId id, SourceWord word) {
    const auto pool = pools_.find(id);
    if (pool == pools_.end()) return;
    word.pool = pool->second.name;
    word.asked = pool->second.asked;
    if (!word.asked) word.services_of = model_.name;
    word.seen = Moment::now();
    receive_(std::move(word));
  }

  const SourceModel model_;
  const Receiver receive_;
  std::unique_ptr<asio::io_context> io_ = std::make_unique<asio::io_context>(1);
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{io_->get_executor()};
  // What follows belongs to the thread.
  std::shared_ptr<NameStage> names_;
  std::shared_ptr<Source> source_;
  std::map<SubscriptionId, Pool> pools_;
  std::thread thread_;
};

/// Who is there to look names up. What is in it lives as long as the lock is held.
struct SourceSet::Runners {
  std::mutex mutex;
  std::map<std::string, Runner*> by_name;

  void resolve(const std::string& resolver, const std::string& name,
               std::function<void(NameResolver::Answer)> answer) {
    const std::lock_guard lock(mutex);
    const auto found = by_name.find(resolver);
    if (found != by_name.end()) return found->second->resolve(name, std::move(answer));
    answer({.error = "there is no source " + resolver});
  }
};

SourceSet::SourceSet(Receiver receive, LeaseTable* registered)
    : receive_(std::move(receive)), registered_(registered), known_(std::make_shared<Runners>()) {}
SourceSet::~SourceSet() {
  const std::lock_guard lock(known_->mutex);
  known_->by_name.clear();
}

void SourceSet::unsubscribe(const Subscribed& subscribed) {
  const auto runner = runners_.find(subscribed.source);
  if (runner != runners_.end()) runner->second->unsubscribe(subscribed.id);
}

void SourceSet::subscribe(const PoolModel& pool) {
  const auto runner = runners_.find(pool.discover->source);
  if (runner == runners_.end()) return;
  const Subscribed subscribed{pool.discover->source, std::make_shared<const DiscoverModel>(*pool.discover),
                              next_id_++};
  runner->second->subscribe(subscribed.id, pool.name, subscribed.asked);
  subscribed_.insert_or_assign(pool.name, subscribed);
}

void SourceSet::follow_services(const std::string& source) {
  if (services_ && services_->source == source) return;
  if (services_) unsubscribe(*services_);
  services_.reset();
  const auto runner = runners_.find(source);
  if (runner == runners_.end()) return;
  services_.emplace(Subscribed{source, nullptr, next_id_++});
  runner->second->subscribe_services(services_->id);
}

void SourceSet::follow(const Model& model) {
  const auto wanted = [&](const std::string& name) {
    const auto found = std::ranges::find(model.sources, name, &SourceModel::name);
    return found == model.sources.end() ? nullptr : &*found;
  };
  std::erase_if(runners_, [&](const auto& entry) {
    const SourceModel* const source = wanted(entry.first);
    if (source != nullptr && *source == entry.second->model()) return false;
    if (services_ && services_->source == entry.first) services_.reset();  // it ends with its source
    const std::lock_guard lock(known_->mutex);
    known_->by_name.erase(entry.first);
    return true;
  });
  std::erase_if(subscribed_, [&](const auto& entry) {
    const auto pool = model.pools.find(entry.first);
    const bool stays = pool != model.pools.end() && pool->second->discover &&
                       *pool->second->discover == *entry.second.asked &&
                       runners_.contains(entry.second.source);
    if (!stays) unsubscribe(entry.second);
    return !stays;
  });
  for (const SourceModel& source : model.sources) {
    if (runners_.contains(source.name)) continue;
    NameStage::Resolve resolve = resolve_by_system;
    if (!source.resolver.empty()) {
      resolve = [known = known_, resolver = source.resolver](const std::string& name, auto answer) {
        known->resolve(resolver, name, std::move(answer));
      };
    }
    const auto& runner =
        runners_
            .emplace(source.name, std::make_unique<Runner>(source, receive_, std::move(resolve), registered_))
            .first->second;
    const std::lock_guard lock(known_->mutex);
    known_->by_name.emplace(source.name, runner.get());
  }
  follow_services(model.services_from);
  if (model.sources.empty()) return;
  for (const auto& [name, pool] : model.pools) {
    if (pool->discover && !subscribed_.contains(name)) subscribe(*pool);
  }
}

}  // namespace sluice::ctrl
