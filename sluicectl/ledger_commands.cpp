#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "common/decimal.h"
#include "crypto/encoding.h"
#include "ledger/transaction.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct LedgerArguments {
  std::string file;
  std::string profile = "opaque";
  std::string transaction;  ///< a txid or an index
  std::string number;       ///< of a block
};

/// The bytes of a file that can be one transaction.
Attempt<std::vector<uint8_t>> read_payload(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> bytes(ledger::kMostPayload + 1);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (in.gcount() <= 0)
    return tl::unexpected(Failure{ExitCode::kRefused, path + ": cannot be read, or is empty"});
  bytes.resize(static_cast<size_t>(in.gcount()));
  if (bytes.size() > ledger::kMostPayload) {
    return tl::unexpected(Failure{ExitCode::kRefused, path + ": a transaction has at most " +
                                                          std::to_string(ledger::kMostPayload) + " bytes"});
  }
  return bytes;
}

void submit(Session& session, const LedgerArguments& arguments) {
  const auto payload = read_payload(arguments.file);
  if (!payload) return session.report(payload.error());
  session.show("ledger.submit", {{"profile", arguments.profile}, {"payload", crypto::to_base64(*payload)}});
}

/// Prints the text that a method answers as it is: checkpoints and proofs are signed to the byte.
void show_text(Session& session, const std::string& method, const json& params) {
  const auto result = session.call(method, params);
  if (!result) return session.report(result.error());
  std::fputs(result->get_ref<const std::string&>().c_str(), stdout);
}

/// A block is for programs: JSON, unless YAML was asked for.
void show_block(Session& session, const std::string& number) {
  const auto result = session.call("ledger.block", {{"number", *parse_decimal(number)}});
  if (!result) return session.report(result.error());
  const std::string text = session.output() == Format::kYaml ? render_yaml(*result) : render_json(*result);
  std::fputs(text.c_str(), stdout);
}

void prove(Session& session, const LedgerArguments& arguments, bool has_profile) {
  json params;
  if (const auto index = parse_decimal(arguments.transaction)) {
    params["index"] = *index;
  } else {
    params["txid"] = arguments.transaction;
  }
  if (has_profile) params["profile"] = arguments.profile;
  show_text(session, "ledger.proof", params);
}

std::vector<std::string> profiles() {
  return {ledger::profile_names().begin(), ledger::profile_names().end()};
}

constexpr size_t kTxidDigits = 64;
constexpr uint64_t kMostNumber = INT64_MAX;  // what the control socket takes

/// Why the text is no number; empty: it is one.
std::string complaint_of_number(const std::string& text) {
  const auto number = parse_decimal(text);
  return number && *number <= kMostNumber ? "" : text + " is no number from 0 to 9223372036854775807";
}
std::string complaint_of_transaction(const std::string& text) {
  const bool is_txid =
      text.size() == kTxidDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (is_txid || complaint_of_number(text).empty()) return "";
  return text + " is neither a txid, 64 lower-case hex digits, nor the index of a leaf";
}

}  // namespace

void add_ledger_commands(Command app, Session& session) {
  auto arguments = std::make_shared<LedgerArguments>();
  auto ledger = app.add_noun("ledger", "Submit transactions, read and verify the log");
  ledger.add("status", "Show how far the log reaches, and what became of transactions").run([&session] {
    session.show("ledger.status", json::object());
  });
  auto submitting =
      ledger.add("submit", "Put a file's bytes into the log as one transaction; show the receipt");
  submitting.option("FILE", arguments->file, "the transaction, 1 to 65535 bytes").required();
  submitting.option("--profile", arguments->profile, "what it is").one_of(profiles()).show_default();
  submitting.run([&session, arguments] { submit(session, *arguments); });
  auto block = ledger.add("block", "Show a block as JSON");
  block.option("NUMBER", arguments->number, "from 0").required().check(complaint_of_number);
  block.run([&session, arguments] { show_block(session, arguments->number); });
  auto proof = ledger.add("proof", "Print the proof that a transaction is in the log (C2SP tlog-proof)");
  proof.option("TRANSACTION", arguments->transaction, "its txid, or the index of its leaf")
      .required()
      .check(complaint_of_transaction);
  auto profile =
      proof
          .option("--profile", arguments->profile,
                  "of that txid, where several transactions have it; else bitcoin where there is one")
          .one_of(profiles());
  proof.run([&session, arguments, profile] { prove(session, *arguments, profile.is_given()); });
  ledger.add("checkpoint", "Print the released checkpoint (C2SP signed note)").run([&session] {
    show_text(session, "ledger.checkpoint", json::object());
  });
  add_ledger_file_commands(ledger, session);
}

}  // namespace sluice::sluicectl
