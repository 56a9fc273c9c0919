// A place in a configuration that the schema has been over: reads what is right there, passes over what the
// schema found fault with, and knows its JSON Pointer. Control thread; a Cursor refers to its parent, which
// must outlive it.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ctrl/intent/fault.h"
#include "ctrl/intent/json_schema.h"

namespace sluice::ctrl {

class Cursor {
 public:
  /// What all cursors of one document share: the faults so far; new ones are added.
  class Faults {
   public:
    explicit Faults(std::vector<Fault> found) : list_(std::move(found)) {
      for (const Fault& fault : list_) pointers_.insert(fault.pointer);
    }
    bool at(const std::string& pointer) const { return pointers_.contains(pointer); }
    /// Whether anything inside of that section is faulty.
    bool within(std::string_view section) const {
      return std::any_of(list_.begin(), list_.end(),
                         [&](const Fault& fault) { return fault.pointer.starts_with(section); });
    }
    bool none() const { return list_.empty(); }
    void add(std::string pointer, std::string message) {
      if (list_.size() >= kMostFaults || !pointers_.insert(pointer).second) return;
      list_.push_back({std::move(pointer), std::move(message)});
    }
    std::vector<Fault> take() { return std::move(list_); }

   private:
    std::vector<Fault> list_;
    std::unordered_set<std::string> pointers_;
  };

  Cursor(const nlohmann::json& document, Faults& faults) : value_(&document), faults_(&faults) {
    if (faults.at("")) value_ = nullptr;
  }

  /// Whether something is there that the schema accepts.
  explicit operator bool() const { return value_ != nullptr; }
  const nlohmann::json& value() const { return *value_; }

  /// The member of that name; empty where there is none, or a faulty one.
  Cursor member(std::string_view key) const {
    Cursor child(this, key, 0);
    if (value_ && value_->is_object()) {
      const auto& members = value_->get_ref<const nlohmann::json::object_t&>();
      if (const auto found = members.find(key); found != members.end()) child.place(found->second);
    }
    return child;
  }

  /// Whether the member of that name is there, but faulty.
  bool spoilt(std::string_view key) const {
    return value_ && value_->is_object() && !member(key) &&
           value_->get_ref<const nlohmann::json::object_t&>().contains(key);
  }

  /// Calls visit(Cursor, index) for every element of a list that is not faulty itself.
  template <typename Visit>
  void each(Visit&& visit) const {
    if (!value_ || !value_->is_array()) return;
    for (size_t i = 0; i < value_->size(); ++i) {
      Cursor child(this, {}, i);
      child.place((*value_)[i]);
      if (child) visit(child, i);
    }
  }

  /// Copies the member of that name where there is one.
  template <typename T>
  void read(std::string_view key, T& target) const {
    if (const Cursor child = member(key)) target = child.value().get<T>();
  }

  /// The same for a list, without its faulty elements.
  template <typename T>
  void read(std::string_view key, std::vector<T>& target) const {
    const Cursor list = member(key);
    if (!list) return;
    target.clear();
    list.each([&](const Cursor& element, size_t) { target.push_back(element.value().get<T>()); });
  }

  /// The text here, parsed: false, and a fault, where `parse` refuses it.
  template <typename Parse, typename T>
  bool parse(Parse&& parse, T& target) const {
    if (!value_) return false;
    auto result = parse(value_->get_ref<const std::string&>());
    if (!result) {
      fault(result.error().message);
      return false;
    }
    target = std::move(*result);
    return true;
  }
  template <typename Parse, typename T>
  bool parse(std::string_view key, Parse&& function, T& target) const {
    return member(key).parse(function, target);
  }

  void fault(std::string message) const { faults_->add(pointer(), std::move(message)); }

  std::string pointer() const {
    if (!parent_) return "";
    return parent_->pointer() + "/" + (key_.empty() ? std::to_string(index_) : escape_pointer_token(key_));
  }

 private:
  Cursor(const Cursor* parent, std::string_view key, size_t index)
      : parent_(parent), key_(key), index_(index), faults_(parent->faults_) {}
  void place(const nlohmann::json& value) {
    if (faults_->none() || !faults_->at(pointer())) value_ = &value;
  }

  const nlohmann::json* value_ = nullptr;
  const Cursor* parent_ = nullptr;
  std::string_view key_;
  size_t index_ = 0;
  Faults* faults_;
};

}  // namespace sluice::ctrl
