#include "ctrl/intent/config_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "ctrl/intent/yaml_reader.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kLargestFile = size_t{64} << 20;

std::string place(const std::string& path, const FilePosition& position) {
  return path + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
}

}  // namespace

std::vector<std::string> ConfigFile::describe(const std::vector<Fault>& faults) const {
  struct Line {
    FilePosition position;
    std::string text;
  };
  std::vector<Line> lines;
  for (const Fault& fault : faults) {
    std::string pointer = fault.pointer;
    auto found = positions.find(pointer);
    while (found == positions.end() && !pointer.empty()) {
      pointer.resize(pointer.rfind('/'));
      found = positions.find(pointer);
    }
    const FilePosition position = found == positions.end() ? FilePosition{} : found->second;
    const std::string where = fault.pointer.empty() ? "the whole document" : fault.pointer;
    lines.push_back({position, place(path, position) + fault.message + " (" + where + ")"});
  }
  for (const DuplicateKey& key : duplicates) {
    lines.push_back(
        {key.position, place(path, key.position) + "this key is there twice (" + key.pointer + ")"});
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tie(a.position.line, a.position.column) < std::tie(b.position.line, b.position.column);
  });
  std::vector<std::string> described;
  for (Line& line : lines) described.push_back(std::move(line.text));
  return described;
}

Result<ConfigFile> read_config_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(path + ": " + std::strerror(errno));
  std::string text;
  char block[65536];
  while (file.read(block, sizeof block) || file.gcount() > 0) {
    text.append(block, static_cast<size_t>(file.gcount()));
    if (text.size() > kLargestFile) break;  // parse_config_text() says so
  }
  if (file.bad()) return fail(path + ": cannot be read: " + std::strerror(errno));
  return parse_config_text(path, text);
}

Result<ConfigFile> parse_config_text(const std::string& path, const std::string& text) {
  if (text.size() > kLargestFile) return fail(path + ": is larger than 64 MiB");
  YamlDocument document = read_yaml(text);
  if (document.error) return fail(place(path, document.error->position) + document.error->message);
  return ConfigFile{path, std::move(document.value), std::move(document.positions),
                    std::move(document.duplicates)};
}

}  // namespace sluice::ctrl
