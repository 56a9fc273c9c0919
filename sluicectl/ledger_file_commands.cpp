#include <cstdio>
#include <memory>

#include "crypto/sha256.h"
#include "sluicectl/ledger_files.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct LedgerFileArguments {
  std::string name, file, directory, target, verifier_key;
  std::string engine = "auto";
};

void make(Session& session, const LedgerFileArguments& arguments) {
  const auto verifier = make_key(arguments.name, arguments.file);
  if (!verifier) return session.report(ExitCode::kRefused, verifier.error().message);
  std::printf("%s\n", verifier->c_str());
}

void verify(Session& session, const LedgerFileArguments& arguments) {
  const auto result = verify_directory(arguments.directory, arguments.verifier_key, arguments.engine);
  if (!result) return session.report(ExitCode::kRefused, result.error().message);
  if (!*result) return session.report(ExitCode::kRefused, result->error().to_string());
  const ledger::VerifyReport& report = **result;
  session.print(json{{"transactions", report.tree_size},
                     {"blocks", report.blocks},
                     {"checkpoint_size", report.checkpoint_size},
                     {"root", report.root},
                     {"valid", true}});
}

void write_tree(Session& session, const LedgerFileArguments& arguments) {
  const auto files = export_directory(arguments.directory, arguments.target);
  if (!files) return session.report(ExitCode::kRefused, files.error().message);
  session.print(json{{"files", *files}});
}

std::vector<std::string> engine_names() {
  std::vector<std::string> names{"auto"};
  for (const auto engine : crypto::kSha256Engines) names.emplace_back(name_of(engine));
  return names;
}

}  // namespace

void add_ledger_file_commands(Command ledger, Session& session) {
  auto arguments = std::make_shared<LedgerFileArguments>();
  auto keygen = ledger.add("keygen", "Make a signing key; print its verifier key. Needs no gateway");
  keygen.option("--name", arguments->name, "the key's name: ledger.origin").required();
  keygen.option("--out", arguments->file, "the file to make, mode 0600; there must be none").required();
  keygen.run([&session, arguments] { make(session, *arguments); });
  const auto with_directory = [&](const char* name, const char* help) {
    auto command = ledger.add(name, help);
    command.option("DIRECTORY", arguments->directory, "the ledger's directory").required();
    return command;
  };
  auto verifying = with_directory("verify",
                                  "Check every hash, root, header, signature and byte of a log; print file: "
                                  "byte place: fault for the first "
                                  "fault, and exit 1. Needs no gateway");
  verifying.option("--vkey", arguments->verifier_key,
                   "the key that must have signed the checkpoint; else the log's own");
  verifying
      .option("--sha256", arguments->engine, "the engine that hashes; openssl shares no code with Sluice")
      .one_of(engine_names())
      .show_default();
  verifying.run([&session, arguments] { verify(session, *arguments); });
  auto exporting = with_directory("export", "Write the log as a static tlog-tiles tree; needs no gateway");
  exporting.option("TARGET", arguments->target, "a directory that is empty, or is made").required();
  exporting.run([&session, arguments] { write_tree(session, *arguments); });
}

}  // namespace sluice::sluicectl
