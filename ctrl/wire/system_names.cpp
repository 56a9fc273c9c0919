#include "ctrl/wire/system_names.h"

#include <algorithm>

#include "common/decimal.h"
#include "ctrl/wire/dns_answer.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kMostServers = 3, kMostDomains = 6;
constexpr unsigned kMostDots = 15;
constexpr std::string_view kBlank = " \t\r";

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(kBlank));
  text.remove_prefix(word.size());
  return word;
}

template <typename Take>
void for_each_line(std::string_view text, std::string_view comments, Take take) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    take(line.substr(0, line.find_first_of(comments)));
  }
}

void read_option(std::string_view option, ResolverSettings& settings) {
  constexpr std::string_view kDots = "ndots:";
  if (!option.starts_with(kDots)) return;
  const auto dots = parse_decimal(option.substr(kDots.size()));
  if (dots) settings.dots = static_cast<unsigned>(std::min<uint64_t>(*dots, kMostDots));
}

void read_line(std::string_view line, ResolverSettings& settings) {
  const std::string_view keyword = next_word(line);
  if (keyword == "nameserver") {
    const auto address = IpAddress::parse(next_word(line));
    if (address && settings.servers.size() < kMostServers) settings.servers.push_back(*address);
  } else if (keyword == "search" || keyword == "domain") {
    settings.search.clear();  // the last one counts
    for (auto word = next_word(line); !word.empty() && settings.search.size() < kMostDomains;
         word = next_word(line)) {
      const std::string domain = canonical_dns_name(word);
      if (domain != ".") settings.search.push_back(domain);
    }
  } else if (keyword == "options") {
    for (auto word = next_word(line); !word.empty(); word = next_word(line)) read_option(word, settings);
  }
}

}  // namespace

ResolverSettings read_resolver_settings(std::string_view resolv_conf) {
  ResolverSettings settings;
  for_each_line(resolv_conf, "#;", [&](std::string_view line) { read_line(line, settings); });
  if (settings.servers.empty()) settings.servers.push_back(IpAddress::parse("127.0.0.1").value());
  return settings;
}

std::vector<std::string> full_names(std::string_view name, const ResolverSettings& settings) {
  std::string full = canonical_dns_name(name);
  if (name.ends_with('.')) return {full};
  std::vector<std::string> names;
  for (const std::string& domain : settings.search) names.push_back(full + '.' + domain);
  const bool is_full_first = static_cast<unsigned>(std::ranges::count(full, '.')) >= settings.dots;
  names.insert(is_full_first ? names.begin() : names.end(), full);
  return names;
}

std::vector<IpAddress> addresses_in_hosts(std::string_view hosts, std::string_view name) {
  std::vector<IpAddress> addresses;
  const std::string wanted = canonical_dns_name(name);
  for_each_line(hosts, "#", [&](std::string_view line) {
    const auto address = IpAddress::parse(next_word(line));
    if (!address) return;
    for (auto word = next_word(line); !word.empty(); word = next_word(line)) {
      if (canonical_dns_name(word) != wanted) continue;
      addresses.push_back(*address);
      return;
    }
  });
  return addresses;
}

}  // namespace sluice::ctrl
