#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

struct SimulateArguments {
  std::string config, against, until, neighbors;
  std::vector<std::string> in, out;
};

/// The program that simulates, which links the data plane: of this program's own build or installation.
std::string find_program() {
  std::error_code unreadable;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  for (const char* place : {"../sim/sluice-simulate", "../libexec/sluice/sluice-simulate"}) {
    const auto program = own.parent_path() / place;
    // Unreadable, it would be looked for from the working directory.
    if (!unreadable && ::access(program.c_str(), X_OK) == 0) return program;
  }
  return SLUICE_LIBEXEC "/sluice-simulate";
}

std::vector<std::string> words_for(const SimulateArguments& arguments, const std::string& format) {
  std::vector<std::string> words{find_program(), "--config", arguments.config, "--output", format};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  for (const std::string& file : arguments.in) add("--in", file);
  for (const std::string& file : arguments.out) add("--out", file);
  add("--until", arguments.until);
  add("--against", arguments.against);
  add("--neighbors", arguments.neighbors);
  return words;
}

void simulate(Session& session, const SimulateArguments& arguments) {
  std::vector<std::string> words = words_for(arguments, session.format);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  session.report(ExitCode::kRefused, words.front() + ": " + std::strerror(errno));
}

}  // namespace

void add_simulate_command(Command app, Session& session) {
  auto arguments = std::make_shared<SimulateArguments>();
  auto command =
      app.add("simulate",
              "Say what a configuration would do with captured traffic, by the data plane's own code: "
              "where each flow goes, what is dropped and why, counters. Needs no gateway and no "
              "privilege");
  command
      .option("--config", arguments->config,
              "the configuration; devices, CPUs and EAL arguments count for nothing")
      .of_type("FILE")
      .required();
  command
      .option(
          "--in", arguments->in,
          "what arrives, at the times at which it was captured: pcap or pcapng, - for standard input; once "
          "for each port. Without a port: the only port's, or of several, to whose MAC addresses the frames "
          "are sent")
      .of_type("[PORT=]FILE")
      .required();
  command
      .option("--out", arguments->out,
              "write what leaves there, a pcap with virtual times; without a port: by all of them")
      .of_type("[PORT=]FILE");
  command
      .option("--until", arguments->until,
              "go on until then, from the first frame: 500ms, 10m; else for a second after the last one")
      .of_type("DURATION");
  command
      .option("--against", arguments->against,
              "another configuration: list the flows that would go elsewhere with it, and exit 8 if there "
              "are any")
      .of_type("FILE");
  command
      .option(
          "--neighbors", arguments->neighbors,
          "whether who the gateway asks for by ARP or NDP answers besides those in the captures: assumed, "
          "captured (nobody), or auto: on ports without a capture, and on an only port")
      .one_of({"auto", "assumed", "captured"});
  command.run([&session, arguments] { simulate(session, *arguments); });
}

}  // namespace sluice::sluicectl
