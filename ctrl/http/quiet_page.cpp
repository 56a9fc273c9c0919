#include "ctrl/http/quiet_page.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "ctrl/intent/config_values.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

Result<void> parse_query(std::string_view query, QuietRequest& request) {
  for (const std::string_view parameter : parts_of(query, '&')) {
    if (parameter.empty()) continue;
    const size_t equals = parameter.find('=');
    const std::string_view name = parameter.substr(0, equals);
    const auto value = equals == std::string_view::npos ? "" : percent_decoded(parameter.substr(equals + 1));
    if (name == "until" && (value == "gone" || value == "quiet")) {
      request.until_gone = value == "gone";
    } else if (name == "timeout" && value) {
      const auto timeout = parse_duration(*value);
      if (!timeout) return fail("timeout: " + timeout.error().message);
      request.timeout = *timeout;
    } else {
      return fail("the query may have until=gone and timeout=30s");
    }
  }
  return {};
}

HttpAnswer answer_of(const Outcome<QuietAnswer>& outcome, bool until_gone) {
  if (!outcome) {
    return {outcome.error().kind == Refusal::Kind::kNotFound ? 404u : 503u, kPlainText,
            outcome.error().message + "\n"};
  }
  const nlohmann::json body = {{"quiet", outcome->quiet},
                               {"generation", outcome->generation},
                               {"active_flows", outcome->active_flows},
                               {"gone", outcome->gone}};
  const bool is_so = until_gone ? outcome->gone : outcome->quiet;
  return {is_so ? 200u : 504u, "application/json", body.dump() + "\n"};
}

}  // namespace

Result<std::optional<QuietRequest>> parse_quiet_path(std::string_view path) {
  const size_t mark = path.find('?');
  const auto parts = parts_of(path.substr(0, mark), '/');
  if (parts.size() != 4 || parts[3] != "quiet") return std::nullopt;
  QuietRequest request;
  const auto pool = percent_decoded(parts[0]);
  auto host = percent_decoded(parts[1]);
  if (!pool || !host) return fail("a % is followed by two hexadecimal digits");
  if (host->starts_with('[') && host->ends_with(']')) host = host->substr(1, host->size() - 2);
  const auto address = IpAddress::parse(*host);
  if (!address) return fail(address.error().message);
  const auto [end, code] =
      std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), request.key.port);
  if (code != std::errc{} || end != parts[2].data() + parts[2].size()) return fail("the port is 0 to 65535");
  request.key.pool = *pool;
  request.key.address = *address;
  if (mark != std::string_view::npos) {
    if (auto read = parse_query(path.substr(mark + 1), request); !read) return tl::unexpected(read.error());
  }
  return request;
}

void answer_quiet_page(Gateway& gateway, ControlThreads& threads, std::string_view path,
                       const HttpServer::Reply& reply) {
  const auto wanted = parse_quiet_path(path);
  if (!wanted) return reply({400, kPlainText, wanted.error().message + "\n"});
  if (!*wanted) return reply({404, kPlainText, "not found\n"});
  threads.answer([&gateway, request = **wanted, reply] {
    gateway.await_quiet(request.key, request.until_gone, request.timeout,
                        [reply, until_gone = request.until_gone](const Outcome<QuietAnswer>& outcome) {
                          reply(answer_of(outcome, until_gone));
                        });
  });
}

}  // namespace sluice::ctrl
