#include "ctrl/ledger_pages.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "ctrl/ledger_answers.h"
#include "ledger/tile_path.h"

namespace sluice::ctrl {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kBytes = "application/octet-stream";
constexpr const char* kJson = "application/json";
constexpr const char* kForEver = "public, max-age=31536000, immutable";

HttpAnswer not_found() {
  return {404, kText, "not found\n"};
}

HttpAnswer unreadable(const Error& error) {
  spdlog::error("the log cannot be read: {}", error.message);
  return {500, kText, "the log cannot be read\n"};
}

/// A page of something that never changes once it is there.
HttpAnswer page_of(const char* content_type, Result<std::optional<std::string>> found) {
  if (!found) return unreadable(found.error());
  if (!*found) return not_found();
  return {200, content_type, std::move(**found), kForEver};
}

/// A number as it is written in decimal, without leading zeros.
std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || std::to_string(number) != text) return std::nullopt;
  return number;
}

HttpAnswer checkpoint_page(ledger::LogReader& log) {
  auto note = log.checkpoint();
  if (!note) return unreadable(note.error());
  return {200, kText, std::move(*note)};
}

HttpAnswer tile_page(ledger::LogReader& log, std::string_view path) {
  const auto tile = ledger::TilePath::parse(path);
  return tile ? page_of(kBytes, log.tile(*tile)) : not_found();
}

HttpAnswer block_page(ledger::LogReader& log, std::string_view path) {
  const auto number = number_of(path);
  if (!number) return not_found();
  const auto block = log.block(*number);
  if (!block) return unreadable(block.error());
  if (!*block) return not_found();
  return page_of(kJson, block_object(**block).dump() + "\n");
}

void answer_proof(Gateway& gateway, std::string_view path, const HttpServer::Reply& reply) {
  const auto txid = digest_of(path);
  if (!txid) return reply(not_found());
  gateway.locate(*txid, [&log = *gateway.log(), reply](const Outcome<std::optional<uint64_t>>& index) {
    if (!index) return reply({503, kText, index.error().message + "\n"});
    if (!*index) return reply(not_found());
    auto proof = log.proof(**index);
    if (!proof) return reply(unreadable(proof.error()));
    if (!*proof) return reply(not_found());
    reply({200, kText, std::move(**proof)});  // another one under the next checkpoint
  });
}

}  // namespace

void answer_ledger_page(Gateway& gateway, std::string_view path, const HttpServer::Reply& reply) {
  ledger::LogReader* const log = gateway.log();
  if (!log) return reply(not_found());
  const auto below = [&](std::string_view folder) { return path.substr(folder.size()); };
  if (path == "checkpoint") return reply(checkpoint_page(*log));
  if (path.starts_with("tile/")) return reply(tile_page(*log, below("tile/")));
  if (path.starts_with("block/")) return reply(block_page(*log, below("block/")));
  if (path.starts_with("proof/")) return answer_proof(gateway, below("proof/"), reply);
  reply(not_found());
}

}  // namespace sluice::ctrl
