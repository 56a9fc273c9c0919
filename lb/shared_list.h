// Immutable objects by number, in a list that is cheap to copy and to change by a little: entries lie in
// blocks, and copies share the blocks that neither changed. One thread at a time changes a list; copies are
// independent.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::lb {

template <typename Object>
class SharedList {
 public:
  using Value = std::shared_ptr<const Object>;
  static constexpr size_t kInBlock = 128;

  size_t size() const { return size_; }
  const Value& operator[](size_t index) const { return (*blocks_[index / kInBlock])[index % kInBlock]; }

  /// Appends null entries until there are `size`; a longer list stays as it is.
  void grow(size_t size) {
    if (size <= size_) return;
    while (blocks_.size() * kInBlock < size) blocks_.push_back(std::make_shared<Block>());
    size_ = size;
  }
  void set(size_t index, Value value) { own(index / kInBlock)[index % kInBlock] = std::move(value); }
  void push_back(Value value) {
    grow(size_ + 1);
    set(size_ - 1, std::move(value));
  }

 private:
  using Block = std::array<Value, kInBlock>;

  /// The block of that number, copied before if another list shares it.
  Block& own(size_t number) {
    auto& block = blocks_[number];
    if (block.use_count() > 1) block = std::make_shared<Block>(*block);
    return *block;
  }

  std::vector<std::shared_ptr<Block>> blocks_;
  size_t size_ = 0;
};

}  // namespace sluice::lb
