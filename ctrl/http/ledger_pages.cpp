#include "ctrl/http/ledger_pages.h"

#include <optional>
#include <string>
#include <utility>

#include "common/decimal.h"
#include "ctrl/log/log_line.h"
#include "ctrl/store/ledger_answers.h"
#include "ledger/log_reader.h"
#include "ledger/tile_path.h"

namespace sluice::ctrl {
namespace {

constexpr const char* kBytes = "application/octet-stream";
constexpr const char* kJson = "application/json";
constexpr const char* kForEver = "public, max-age=31536000, immutable";

HttpAnswer not_found() {
  return {404, kPlainText, "not found\n"};
}

HttpAnswer unreadable(const Error& error) {
  log_error({"the log cannot be read: ", error.message});
  return {500, kPlainText, "the log cannot be read\n"};
}

/// A page of something that never changes once it is there.
Result<HttpAnswer> page_of(const char* content_type, Result<std::optional<std::string>> found) {
  if (!found) return tl::unexpected(found.error());
  if (!*found) return not_found();
  return HttpAnswer{200, content_type, std::move(**found), kForEver};
}

Result<HttpAnswer> checkpoint_page(ledger::LogReader& log) {
  auto note = log.checkpoint();
  if (!note) return tl::unexpected(note.error());
  return HttpAnswer{200, kPlainText, std::move(*note)};
}

Result<HttpAnswer> tile_page(ledger::LogReader& log, const ledger::TilePath& tile) {
  return page_of(kBytes, log.tile(tile));
}

Result<HttpAnswer> block_page(ledger::LogReader& log, uint64_t number) {
  const auto block = log.block(number);
  if (!block) return tl::unexpected(block.error());
  if (!*block) return not_found();
  return page_of(kJson, block_object(**block).dump() + "\n");
}

Result<HttpAnswer> proof_page(ledger::LogReader& log, uint64_t index) {
  auto proof = log.proof(index);
  if (!proof) return tl::unexpected(proof.error());
  if (!*proof) return not_found();
  return HttpAnswer{200, kPlainText, std::move(**proof)};  // another one under the next checkpoint
}

/// `<txid>`, or `<profile>/<txid>` where payloads of several profiles may have that id.
std::optional<dataplane::LocateRequest> wanted_proof(std::string_view path) {
  dataplane::LocateRequest wanted;
  if (const size_t slash = path.find('/'); slash != std::string_view::npos) {
    const auto profile = ledger::profile_named(path.substr(0, slash));
    if (!profile) return std::nullopt;
    wanted.profile = *profile;
    path.remove_prefix(slash + 1);
  }
  const auto txid = digest_of(path);
  if (!txid) return std::nullopt;
  wanted.txid = *txid;
  return wanted;
}

}  // namespace

void LedgerPages::answer(std::string_view path, const HttpServer::Reply& reply) {
  if (!reader_) return reply(not_found());
  const auto below = [&](std::string_view folder) { return path.substr(folder.size()); };
  if (path == "checkpoint") return read(checkpoint_page, reply);
  if (path.starts_with("tile/")) {
    const auto tile = ledger::TilePath::parse(below("tile/"));
    if (tile) return read([tile](ledger::LogReader& log) { return tile_page(log, *tile); }, reply);
  } else if (path.starts_with("block/")) {
    const auto number = parse_decimal(below("block/"));
    if (number) return read([number](ledger::LogReader& log) { return block_page(log, *number); }, reply);
  } else if (path.starts_with("proof/")) {
    if (const auto wanted = wanted_proof(below("proof/"))) return prove(*wanted, reply);
  }
  reply(not_found());
}

void LedgerPages::prove(const dataplane::LocateRequest& wanted, const HttpServer::Reply& reply) {
  gateway_.locate(wanted, [this, reply](const Outcome<std::optional<uint64_t>>& index) {
    if (!index) return reply({503, kPlainText, index.error().message + "\n"});
    if (!*index) return reply(not_found());
    read([at = **index](ledger::LogReader& log) { return proof_page(log, at); }, reply);
  });
}

void LedgerPages::read(Page page, const HttpServer::Reply& reply) {
  const auto done = [reply](Result<HttpAnswer> answer) {
    reply(answer ? std::move(*answer) : unreadable(answer.error()));
  };
  if (!reader_->read(std::move(page), done)) reply({503, kPlainText, "too much of the log is being read\n"});
}

}  // namespace sluice::ctrl
