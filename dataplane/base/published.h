// How the control thread hands an immutable object to the workers and learns when its predecessor may
// be freed: one pointer, one version, a quiescent-state grace period (QSBR; McKenney 2004).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace sluice::dataplane {

/// T is const once published. publish(), reclaim() and seen_by_all() belong to the control thread; each
/// Reader belongs to one worker. A worker holds the object of its last refresh() until its next one and
/// no reference to any older one: that call is its quiescent state.
template <typename T>
class Published {
 public:
  class alignas(64) Reader {
   public:
    /// The newest object. Call it between bursts, never while a packet still points into the last one.
    const T* refresh() {
      const Entry* entry = owner_->current_.load(std::memory_order_acquire);
      if (entry->version != seen_.load(std::memory_order_relaxed)) {
        seen_.store(entry->version, std::memory_order_release);  // all reads of the old one happened before
      }
      return entry->object.get();
    }

   private:
    friend class Published;
    Published* owner_ = nullptr;
    std::atomic<uint64_t> seen_{0};
  };

  /// `readers` workers, each of which must call refresh() again and again for memory to be freed.
  Published(std::shared_ptr<const T> first, size_t readers) : readers_(readers) {
    for (Reader& reader : readers_) reader.owner_ = this;
    publish(std::move(first));
  }

  Reader& reader(size_t index) { return readers_[index]; }

  /// Makes `object` what workers see from their next refresh() on.
  void publish(std::shared_ptr<const T> object) {
    entries_.push_back(std::make_unique<Entry>(Entry{std::move(object), ++version_}));
    current_.store(entries_.back().get(), std::memory_order_release);
  }
  /// Frees what no worker can hold any more. Call it from the control tick.
  void reclaim() {
    const uint64_t oldest = oldest_seen();
    while (entries_.size() > 1 && entries_.front()->version < oldest) entries_.pop_front();
  }
  /// Whether every worker works with the newest object.
  bool seen_by_all() const { return oldest_seen() == version_; }
  /// The number of the newest object, and of that which a worker has taken.
  uint64_t version() const { return version_; }
  uint64_t seen_by(size_t index) const { return readers_[index].seen_.load(std::memory_order_acquire); }
  /// The newest object, for the control thread.
  const T& current() const { return *entries_.back()->object; }
  /// How many objects wait to be freed.
  size_t retired() const { return entries_.size() - 1; }

 private:
  struct Entry {
    std::shared_ptr<const T> object;
    uint64_t version;
  };
  uint64_t oldest_seen() const {
    uint64_t oldest = version_;
    for (const Reader& reader : readers_) {
      const uint64_t seen = reader.seen_.load(std::memory_order_acquire);
      if (seen < oldest) oldest = seen;
    }
    return oldest;
  }

  uint64_t version_ = 0;
  std::deque<std::unique_ptr<Entry>> entries_;
  std::atomic<const Entry*> current_{nullptr};
  std::vector<Reader> readers_;
};

}  // namespace sluice::dataplane
