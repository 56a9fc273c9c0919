#include "sluicectl/render.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "ctrl/intent/yaml_writer.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct Cell {
  std::string text;
  bool is_number = false;
};
using Row = std::vector<Cell>;

std::string endpoint(const json& backend) {
  const auto address = backend.value("address", "");
  const auto host = address.find(':') == std::string::npos ? address : "[" + address + "]";
  return host + ":" + std::to_string(backend.value("port", 0));
}

Cell cell(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return {"-"};
    case json::value_t::string:
      return {value.get<std::string>()};
    case json::value_t::number_float: {
      std::array<char, 32> text;
      std::snprintf(text.data(), text.size(), "%.4g", value.get<double>());
      return {text.data(), true};
    }
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
      return {value.dump(), true};
    case json::value_t::object:
      if (value.contains("pool") && value.contains("address")) {
        return {value["pool"].get<std::string>() + " " + endpoint(value)};
      }
      return {value.dump()};
    case json::value_t::array: {
      std::string text;
      for (const auto& item : value) text += (text.empty() ? "" : " ") + cell(item).text;
      return {text.empty() ? "-" : text};
    }
    default:
      return {value.dump()};
  }
}

std::vector<std::string_view> all_columns(const json& rows) {
  std::vector<std::string_view> columns;
  if (rows.empty() || !rows.front().is_object()) return columns;
  for (const auto& [name, value] : rows.front().items()) columns.push_back(name);
  return columns;
}

std::string aligned(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].text.size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].text.size(), ' ');
      line += (i == 0 ? "" : "  ") + (row[i].is_number ? space + row[i].text : row[i].text + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string upper(std::string_view name) {
  std::string text(name);
  for (char& letter : text) {
    letter = letter == '_' ? ' ' : letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 32) : letter;
  }
  return text;
}

std::string list_table(const json& list, std::vector<std::string_view> columns) {
  if (columns.empty()) columns = all_columns(list);
  std::vector<Row> rows(1);
  for (const auto name : columns) {
    const bool is_number =
        !list.empty() && list.front().contains(name) && list.front()[std::string(name)].is_number();
    rows[0].push_back({upper(name), is_number});
  }
  for (const auto& item : list) {
    Row row;
    for (const auto name : columns) row.push_back(cell(item.value(std::string(name), json(nullptr))));
    rows.push_back(std::move(row));
  }
  return aligned(rows);
}

bool is_list_of_objects(const json& value) {
  return value.is_array() && !value.empty() && value.front().is_object();
}

std::string object_table(const json& object) {
  std::vector<Row> rows;
  std::string lists;
  for (const auto& [name, value] : object.items()) {
    if (is_list_of_objects(value)) {
      lists += "\n" + upper(name) + "\n" + list_table(value, {});
    } else if (value.is_object() && !value.empty() && !value.contains("pool")) {
      lists += "\n" + upper(name) + "\n" + object_table(value);
    } else {
      rows.push_back({{name, false}, cell(value)});
    }
  }
  return aligned(rows) + lists;
}

}  // namespace

std::string render_table(const json& result, const std::vector<std::string_view>& columns) {
  if (result.is_array()) return list_table(result, columns);
  if (result.is_object()) return object_table(result);
  return cell(result).text + "\n";
}

std::string render_json(const json& result) {
  return result.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string render_yaml(const json& result) {
  return ctrl::yaml_text(result);
}

std::string render(const json& result, Format format, const std::vector<std::string_view>& columns) {
  switch (format) {
    case Format::kTable:
      return render_table(result, columns);
    case Format::kJson:
      return render_json(result);
    case Format::kYaml:
      return render_yaml(result);
  }
  return "";
}

}  // namespace sluice::sluicectl
