#include "ctrl/source/name_stage.h"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace sluice::ctrl {

namespace asio = boost::asio;

NameStage::~NameStage() {
  const std::lock_guard lock(way_back_->mutex);
  way_back_->io = nullptr;
}

void NameStage::take(SubscriptionId id, Snapshot snapshot) {
  Subscription subscription;
  for (const Instance& instance : snapshot.instances) {
    if (!instance.name.empty()) subscription.names.insert(instance.name);
  }
  if (subscription.names.empty()) {
    forget(id);
    return sink_(id, std::move(snapshot));
  }
  subscription.snapshot = std::move(snapshot);
  subscription.deadline = Clock::now() + kPatience;
  Subscription& known = subscriptions_[id] = std::move(subscription);
  for (const std::string& name : known.names) {
    if (!names_.contains(name) && names_.size() >= kMostNames) continue;
    Name& entry = names_[name];
    if (!entry.is_known) ask(name, entry);
  }
  if (is_complete(known)) hand_on(id, known);
  wait();
}

void NameStage::forget(SubscriptionId id) {
  if (subscriptions_.erase(id) == 0) return;
  std::erase_if(names_, [this](const auto& entry) {
    return std::ranges::none_of(subscriptions_,
                                [&](const auto& other) { return other.second.names.contains(entry.first); });
  });
}

void NameStage::ask(const std::string& name, Name& known) {
  if (known.is_asked) return;
  known.is_asked = true;
  known.due = Clock::now() + kUnanswered;
  resolve_(name, [weak = weak_from_this(), way_back = way_back_, name](NameResolver::Answer answer) {
    const std::lock_guard lock(way_back->mutex);
    if (way_back->io == nullptr) return;
    asio::post(*way_back->io, [weak, name, answer = std::move(answer)]() mutable {
      if (const auto stage = weak.lock()) stage->answered(name, std::move(answer));
    });
  });
}

void NameStage::answered(const std::string& name, NameResolver::Answer answer) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  Name& known = found->second;
  known.is_asked = false;
  known.error = std::move(answer.error);
  known.due = Clock::now() + std::max<Clock::duration>(answer.ttl, kSoonest);
  std::ranges::sort(answer.addresses);
  const bool differs = !known.is_known || (answer.is_authoritative && answer.addresses != known.addresses);
  known.is_known = true;
  if (answer.is_authoritative) known.addresses = std::move(answer.addresses);
  if (!differs) return;
  for (auto& [id, subscription] : subscriptions_) {
    if (subscription.names.contains(name) && is_complete(subscription)) hand_on(id, subscription);
  }
}

bool NameStage::is_complete(const Subscription& subscription) const {
  return std::ranges::all_of(subscription.names, [&](const std::string& name) {
    const auto found = names_.find(name);
    return found == names_.end() || found->second.is_known;
  });
}

Snapshot NameStage::resolved(const Subscription& subscription) const {
  Snapshot result = subscription.snapshot;
  result.instances.clear();
  for (const Instance& instance : subscription.snapshot.instances) {
    if (instance.name.empty()) {
      result.instances.push_back(instance);
      continue;
    }
    const auto found = names_.find(instance.name);
    const bool has_address = found != names_.end() && !found->second.addresses.empty();
    if (!has_address) {
      ++result.unreadable;
      if (result.unreadable_entries.size() < Snapshot::kMostNamed) {
        const std::string why = found == names_.end() ? "too many names" : found->second.error;
        result.unreadable_entries.push_back(instance.name + ": " + (why.empty() ? "has no address" : why));
      }
      continue;
    }
    for (const IpAddress& address : found->second.addresses) {
      result.instances.push_back(instance);
      result.instances.back().address = address;
      result.instances.back().name.clear();
    }
  }
  return result;
}

void NameStage::hand_on(SubscriptionId id, Subscription& subscription) {
  sink_(id, resolved(subscription));
  subscription.is_handed_on = true;
  subscription.snapshot.repaired = 0;  // that is told
}

void NameStage::tick() {
  const auto now = Clock::now();
  for (auto& [name, known] : names_) {
    if (now < known.due) continue;
    if (std::exchange(known.is_asked, false)) {
      known.is_known = true;
      known.error = "the resolver does not answer";
    }
    ask(name, known);
  }
  for (auto& [id, subscription] : subscriptions_) {
    if (!subscription.is_handed_on && now >= subscription.deadline) hand_on(id, subscription);
  }
  wait();
}

void NameStage::wait() {
  if (is_waiting_ || subscriptions_.empty()) return;
  is_waiting_ = true;
  timer_.expires_after(std::chrono::milliseconds(500));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto stage = weak.lock();
    if (error || !stage) return;
    stage->is_waiting_ = false;
    stage->tick();
  });
}

namespace {

NameResolver::Answer look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  NameResolver::Answer answer;
  // EAI_NODATA is glibc's: the name is there, without addresses.
  answer.is_authoritative = code == 0 || code == EAI_NONAME || code == EAI_NODATA;
  if (code != 0) answer.error = ::gai_strerror(code);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      const auto* const at = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
      answer.addresses.push_back(IpAddress::v4(Be32::from_network(at->sin_addr.s_addr)));
    } else if (one->ai_family == AF_INET6) {
      const auto* const at = reinterpret_cast<const sockaddr_in6*>(one->ai_addr);
      answer.addresses.push_back(IpAddress::v6(at->sin6_addr.s6_addr));
    }
  }
  if (found != nullptr) ::freeaddrinfo(found);
  std::ranges::sort(answer.addresses);
  answer.addresses.erase(std::unique(answer.addresses.begin(), answer.addresses.end()),
                         answer.addresses.end());
  return answer;
}

class SystemLookups {
 public:
  void add(std::string name, std::function<void(NameResolver::Answer)> answer) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(std::move(name), std::move(answer));
    if (threads_ < kThreads && threads_ < waiting_.size()) {
      ++threads_;
      std::thread([this] { run(); }).detach();
    }
    has_work_.notify_one();
  }

 private:
  static constexpr size_t kThreads = 4;

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      has_work_.wait(lock, [this] { return !waiting_.empty(); });
      auto [name, answer] = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      answer(look_up(name));
      answer = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::pair<std::string, std::function<void(NameResolver::Answer)>>> waiting_;
  size_t threads_ = 0;
};

}  // namespace

void resolve_by_system(const std::string& name, std::function<void(NameResolver::Answer)> answer) {
  // Never destroyed: its threads may be in a lookup when the process ends.
  static auto* const lookups = new SystemLookups();
  lookups->add(name, std::move(answer));
}

}  // namespace sluice::ctrl
