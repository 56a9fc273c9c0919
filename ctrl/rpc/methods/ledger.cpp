#include <utility>

#include "crypto/encoding.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/store/ledger_answers.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

tl::unexpected<Refusal> no_ledger() {
  return refuse(Refusal::Kind::kNotFound, "this gateway has no ledger");
}

tl::unexpected<Refusal> unreadable(const Error& error) {
  return refuse(Refusal::Kind::kUnavailable, "the log cannot be read: " + error.message);
}

tl::unexpected<Refusal> wrong_parameter(std::string_view param, std::string message) {
  Refusal refusal{Refusal::Kind::kInvalid, "the parameters are wrong", "", {}};
  refusal.faults.push_back({"/" + std::string(param), std::move(message)});
  return tl::unexpected(std::move(refusal));
}

void status(MethodContext& context, const Call&, Reply reply) {
  const auto* ledger = context.gateway.ledger();
  if (!ledger) return reply(no_ledger());
  const auto applied = context.gateway.model();
  const LedgerModel& model = *applied->ledger;
  const dataplane::LedgerReach reach = ledger->reach();
  const auto failure = ledger->failure();
  reply(json{{"origin", model.origin},
             {"directory", model.directory},
             {"sha256_engine", ledger->engine()},
             {"blocks", reach.blocks},
             {"tree_size", reach.tree_size},
             {"checkpoint_size", reach.checkpoint_size},
             {"disk_full", reach.is_full},
             {"disk_stalled", reach.is_stalled},
             {"failure", failure ? json(failure->message) : json(nullptr)},
             {"transactions", totals_object(*ledger)}});
}

/// Why a transaction got no receipt.
Refusal refusal_of(ledger::Outcome outcome) {
  Refusal refusal{Refusal::Kind::kUnavailable, "not stored: " + std::string(name_of(outcome)), "", {}};
  if (outcome == ledger::Outcome::kRefusedMalformed) {
    refusal.kind = Refusal::Kind::kInvalid;
    refusal.hint = "the payload is no transaction of that profile";
  } else {
    refusal.hint = "try again later";
  }
  return refusal;
}

void submit(MethodContext& context, const Call& call, Reply reply) {
  const auto profile = ledger::profile_named(call.params["profile"].get_ref<const std::string&>());
  if (!profile) return reply(wrong_parameter("profile", profile.error().message));
  auto payload = crypto::from_base64(call.params["payload"].get_ref<const std::string&>());
  if (!payload) return reply(wrong_parameter("payload", "is no base64 (RFC 4648, 4, with padding)"));
  if (payload->empty() || payload->size() > ledger::kMostPayload) {
    return reply(
        wrong_parameter("payload", "must be 1 to " + std::to_string(ledger::kMostPayload) + " bytes"));
  }
  context.gateway.submit(*profile, std::move(*payload), [reply](const Outcome<ledger::Answer>& answer) {
    if (!answer) return reply(tl::unexpected(answer.error()));
    if (!has_receipt(answer->outcome)) return reply(tl::unexpected(refusal_of(answer->outcome)));
    reply(receipt_object(answer->receipt));
  });
}

/// Answers with what find(log) returns, an Answer.
template <typename Find>
void answer_from_log(MethodContext& context, const Reply& reply, Find find) {
  if (!context.ledger_reader) return reply(no_ledger());
  const auto done = [reply](Answer answer) { reply(std::move(answer)); };
  if (context.ledger_reader->read(std::move(find), done)) return;
  reply(refuse(Refusal::Kind::kUnavailable, "too much of the log is being read already", "try again"));
}

Answer block_of(ledger::LogReader& log, uint64_t number) {
  const auto found = log.block(number);
  if (!found) return unreadable(found.error());
  if (*found) return block_object(**found);
  return refuse(Refusal::Kind::kNotFound,
                "the released checkpoint covers no block " + std::to_string(number));
}

void block(MethodContext& context, const Call& call, Reply reply) {
  const auto number = call.params["number"].get<uint64_t>();
  answer_from_log(context, reply, [number](ledger::LogReader& log) { return block_of(log, number); });
}

Answer proof_of(ledger::LogReader& log, uint64_t index) {
  auto proof = log.proof(index);
  if (!proof) return unreadable(proof.error());
  if (!*proof) {
    return refuse(Refusal::Kind::kNotFound,
                  "the released checkpoint does not cover index " + std::to_string(index),
                  "the next one comes within ledger.checkpoint_interval");
  }
  return json(std::move(**proof));
}

void proof(MethodContext& context, const Call& call, Reply reply) {
  if (!context.ledger_reader) return reply(no_ledger());
  const bool has_index = call.params.contains("index");
  if (has_index == call.params.contains("txid"))
    return reply(wrong_parameter("txid", "give one of txid and index"));
  if (has_index && call.params.contains("profile"))
    return reply(wrong_parameter("profile", "goes with txid: an index names one transaction"));
  const auto answer_with = [&context, reply](uint64_t index) {
    answer_from_log(context, reply, [index](ledger::LogReader& log) { return proof_of(log, index); });
  };
  if (has_index) return answer_with(call.params["index"].get<uint64_t>());
  const auto txid = digest_of(call.params["txid"].get_ref<const std::string&>());
  if (!txid) return reply(wrong_parameter("txid", "must be 64 lower-case hex digits"));
  dataplane::LocateRequest wanted{.txid = *txid};
  if (call.params.contains("profile"))
    wanted.profile = *ledger::profile_named(call.params["profile"].get_ref<const std::string&>());
  context.gateway.locate(wanted, [answer_with, reply](const Outcome<std::optional<uint64_t>>& index) {
    if (!index) return reply(tl::unexpected(index.error()));
    if (*index) return answer_with(**index);
    reply(refuse(Refusal::Kind::kNotFound, "the ledger remembers no such transaction",
                 "of one older than ledger.dedupe_window, ask by its index"));
  });
}

void checkpoint(MethodContext& context, const Call&, Reply reply) {
  answer_from_log(context, reply, [](ledger::LogReader& log) -> Answer {
    auto note = log.checkpoint();
    if (!note) return unreadable(note.error());
    return json(std::move(*note));
  });
}

Subject submitted(const MethodContext&, const json& params) {
  return {"a transaction, profile " + params["profile"].get<std::string>(), ""};
}

}  // namespace

std::vector<Method> ledger_methods() {
  const std::vector<std::string_view> profiles(ledger::profile_names().begin(),
                                               ledger::profile_names().end());
  return {
      {"ledger.status",
       Role::kView,
       "How far the log reaches and what became of the transactions of this run.",
       "`{origin, directory, sha256_engine, blocks, tree_size, checkpoint_size, disk_full, disk_stalled, "
       "failure, transactions: {received, outcome: count}}`; blocks and tree_size are durable, "
       "checkpoint_size is "
       "what "
       "the released checkpoint covers",
       {},
       status,
       Where::kLoop},
      {"ledger.submit",
       Role::kOperate,
       "Puts one transaction into the log and waits until it is durable.",
       "the receipt, `{txid, index, leaf_hash, block, tree_size}`; hashes in hex, in the order that SHA-256 "
       "gives them",
       {{"profile", ParamType::kString, true, "what the payload is", 0, 0, profiles},
        {"payload", ParamType::kString, true, "the transaction, 1 to 65535 bytes in base64"}},
       submit,
       Where::kLoop,
       submitted},
      {"ledger.block",
       Role::kView,
       "A block that the released checkpoint covers.",
       "`{number, time, first_index, tree_size, root, previous_hash, data_hash, hash, leaf_hashes, header, "
       "metadata}`; hashes in hex, header and metadata in base64, time in Unix nanoseconds",
       {{"number", ParamType::kInteger, true, "its number, from 0"}},
       block,
       Where::kLoop},
      {"ledger.proof",
       Role::kView,
       "The proof that a transaction is in the log, under the released checkpoint.",
       "a C2SP tlog-proof, as a string",
       {{"txid", ParamType::kString, false, "its id, 64 hex digits; while the dedupe window remembers it"},
        {"index", ParamType::kInteger, false, "or the index of its leaf"},
        {"profile", ParamType::kString, false,
         "the profile that gave it the txid; left out: bitcoin, and opaque where there is none of bitcoin", 0,
         0, profiles}},
       proof,
       Where::kLoop},
      {"ledger.checkpoint",
       Role::kView,
       "The released checkpoint.",
       "a C2SP signed note, as a string",
       {},
       checkpoint,
       Where::kLoop},
  };
}

}  // namespace sluice::ctrl
