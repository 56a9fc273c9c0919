#include "ctrl/rpc/request_json.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// Makes the value of what the parser finds. The library's own parser with a callback does so too, but looks
/// through all elements of an array at the end of each object in it: 100,000 services took it half a minute.
class DocumentBuilder final : public nlohmann::json_sax<json> {
 public:
  explicit DocumentBuilder(std::string& twice) : twice_(twice) {}
  json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON has none
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t, const std::string&, const json::exception&) override { return false; }

  bool key(string_t& name) override {
    const auto [member, is_new] = open_.back()->get_ref<json::object_t&>().try_emplace(std::move(name));
    if (!is_new && twice_.empty()) twice_ = member->first;
    member_ = &member->second;
    return true;
  }

 private:
  /// Where the next value belongs: of an object, the member whose name came last.
  json& place() {
    if (open_.empty()) return root_;
    json& outer = *open_.back();
    return outer.is_array() ? outer.get_ref<json::array_t&>().emplace_back() : *member_;
  }
  bool put(json value) {
    place() = std::move(value);
    return true;
  }
  /// Elements of an array stay where they are while one of them is open: nothing is added behind it before
  /// it is closed.
  bool open(json value) {
    json& at = place();
    at = std::move(value);
    open_.push_back(&at);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string& twice_;
  json root_;
  std::vector<json*> open_;  ///< objects and arrays, the outermost first
  json* member_ = nullptr;
};

}  // namespace

json parse_noting_duplicates(std::string_view text, std::string& twice) {
  DocumentBuilder builder(twice);
  return json::sax_parse(text, &builder) ? builder.take() : json(json::value_t::discarded);
}

}  // namespace sluice::ctrl
