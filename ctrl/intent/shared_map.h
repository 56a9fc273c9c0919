// A map from names to immutable objects, in order of name, that is cheap to copy and to change by a little:
// entries lie in blocks, and copies share the blocks that neither changed. One thread at a time for each map;
// copies are independent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::ctrl {

template <typename Object>
class SharedMap {
 public:
  using Value = std::shared_ptr<const Object>;
  using Entry = std::pair<std::string, Value>;
  using Block = std::vector<Entry>;
  static constexpr size_t kMostInBlock = 128;

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    Iterator() = default;
    reference operator*() const { return (**block_)[index_]; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      if (++index_ == (*block_)->size()) skip_block();
      return *this;
    }
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

    /// Whether both begin a block, and that the same.
    bool begins_same_block(const Iterator& other) const {
      return index_ == 0 && other.index_ == 0 && *block_ == *other.block_;
    }
    void skip_block() {
      ++block_;
      index_ = 0;
    }

   private:
    friend class SharedMap;
    using Place = typename std::vector<std::shared_ptr<Block>>::const_iterator;
    Iterator(Place block, size_t index) : block_(block), index_(index) {}

    Place block_{};
    size_t index_ = 0;
  };

  Iterator begin() const { return {blocks_.begin(), 0}; }
  Iterator end() const { return {blocks_.end(), 0}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  Iterator find(std::string_view name) const {
    const Position position = position_of(name);
    return position.is_there ? Iterator(blocks_.begin() + position.block, position.index) : end();
  }
  bool contains(std::string_view name) const { return position_of(name).is_there; }
  /// Throws std::out_of_range where there is none of that name.
  const Value& at(std::string_view name) const {
    const Position position = position_of(name);
    if (!position.is_there) throw std::out_of_range("SharedMap::at: " + std::string(name));
    return (*blocks_[static_cast<size_t>(position.block)])[position.index].second;
  }

  /// Adds an entry, or gives that name another object.
  void set(std::string_view name, Value value) {
    Position position = position_of(name);
    if (blocks_.empty()) blocks_.push_back(std::make_shared<Block>());
    if (position.block == std::ssize(blocks_)) {  // after all that there are: at the end of the last one
      --position.block;
      position.index = blocks_.back()->size();
    }
    Block& block = own(position.block);
    if (position.is_there) {
      block[position.index].second = std::move(value);
      return;
    }
    block.emplace(block.begin() + static_cast<std::ptrdiff_t>(position.index), name, std::move(value));
    ++size_;
    if (block.size() > kMostInBlock) split(position.block);
  }
  void erase(std::string_view name) {
    const Position position = position_of(name);
    if (!position.is_there) return;
    Block& block = own(position.block);
    block.erase(block.begin() + static_cast<std::ptrdiff_t>(position.index));
    if (block.empty()) blocks_.erase(blocks_.begin() + position.block);
    --size_;
  }
  void clear() {
    blocks_.clear();
    size_ = 0;
  }

  bool operator==(const SharedMap& other) const {
    if (size_ != other.size_) return false;
    Iterator mine = begin();
    for (Iterator theirs = other.begin(); theirs != other.end();) {
      if (mine.begins_same_block(theirs)) {
        mine.skip_block();
        theirs.skip_block();
      } else if (*mine != *theirs) {
        return false;
      } else {
        ++mine;
        ++theirs;
      }
    }
    return true;
  }

 private:
  struct Position {
    std::ptrdiff_t block;
    size_t index;
    bool is_there;
  };

  /// Where that name is, or would be put.
  Position position_of(std::string_view name) const {
    const auto block = std::partition_point(blocks_.begin(), blocks_.end(), [&](const auto& candidate) {
      return std::string_view(candidate->back().first) < name;
    });
    if (block == blocks_.end()) return {std::ssize(blocks_), 0, false};
    const auto entry = std::partition_point((*block)->begin(), (*block)->end(), [&](const Entry& candidate) {
      return std::string_view(candidate.first) < name;
    });
    return {block - blocks_.begin(), static_cast<size_t>(entry - (*block)->begin()), entry->first == name};
  }

  /// That block, for this map alone.
  Block& own(std::ptrdiff_t number) {
    auto& block = blocks_[static_cast<size_t>(number)];
    if (block.use_count() > 1) block = std::make_shared<Block>(*block);
    return *block;
  }

  void split(std::ptrdiff_t number) {
    Block& block = *blocks_[static_cast<size_t>(number)];
    const auto middle = block.begin() + static_cast<std::ptrdiff_t>(block.size() / 2);
    auto rest =
        std::make_shared<Block>(std::make_move_iterator(middle), std::make_move_iterator(block.end()));
    block.erase(middle, block.end());
    blocks_.insert(blocks_.begin() + number + 1, std::move(rest));
  }

  std::vector<std::shared_ptr<Block>> blocks_;  ///< none of them empty
  size_t size_ = 0;
};

}  // namespace sluice::ctrl
