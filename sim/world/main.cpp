// simulate-seeds: worlds, one after the other, each in a process of its own. `./dev simulate` runs it.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <string>

#include "ctrl/log/log.h"
#include "sim/core/scratch_directory.h"
#include "sim/disk/ledger_life.h"
#include "sim/world/scenario.h"
#include "sim/world/world.h"

namespace sluice::sim {
namespace {

struct CommandLine {
  uint64_t seeds = 100, first = 0, seed = 0, jobs = 1;
  double minutes = 0;
  bool has_seed = false, is_fresh = false, is_verbose = false, is_typical = false;
  std::string directory = ".";
};

struct Tally {
  uint64_t worlds = 0, frames = 0;
  double virtual_seconds = 0;
  std::vector<uint64_t> failed;
};

constexpr unsigned kLongestWorld = 300;  ///< seconds of wall time, until a world counts as hung

std::string capture_path(const CommandLine& line, uint64_t seed) {
  return line.directory + "/seed-" + std::to_string(seed) + ".pcap";
}

void print(const Trace& trace) {
  for (const std::string& said : trace.lines()) std::printf("%s\n", said.c_str());
}

/// What a world keeps on disk is in a directory of its own, in memory where that can be. It outlives the
/// world's process, which may crash.
std::string make_directory() {
  std::string directory =
      ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path().string();
  directory += "/sluice-world-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("no directory for a world");
  return directory;
}

void live_ledger(uint64_t seed, Trace& trace) {
  const ScratchDirectory directory;
  LedgerLife(seed, directory.path(), trace).live();
}

/// In a process of its own: one line that says how it went.
int live(const CommandLine& line, uint64_t seed) {
  ::alarm(kLongestWorld);
  ctrl::open_log({.level = "error"}, ctrl::LogTarget::kStderr);
  const Scenario scenario = line.is_typical ? typical_scenario(seed) : draw_scenario(seed);
  std::optional<World> world;
  Trace ledger_trace;
  std::string what;
  WorldSummary summary;
  try {
    live_ledger(seed, ledger_trace);
    world.emplace(scenario);
    summary = world->run();
  } catch (const Violation& violation) {
    what = violation.what;
  }
  if (line.is_verbose || !what.empty()) print(ledger_trace);
  if (world && (line.is_verbose || !what.empty())) print(world->trace());
  if (!what.empty()) {
    if (world) world->trace().write_capture(capture_path(line, seed));
    std::printf("FAILED seed %" PRIu64 ": %s\n  %s\n", seed, what.c_str(), scenario.to_string().c_str());
    std::fflush(stdout);
    ::_exit(1);
  }
  std::printf("ok seed %" PRIu64 " hash %016" PRIx64 " virtual %.3f frames %" PRIu64
              " done %u aborted %u reset %u gave_up %u\n",
              seed, world->trace().hash() ^ ledger_trace.hash(), static_cast<double>(summary.lasted) / 1e9,
              summary.frames, summary.done, summary.aborted, summary.reset, summary.gave_up);
  std::fflush(stdout);
  ::_exit(0);
}

struct Running {
  uint64_t seed;
  int output;
  std::string directory;
};

std::string read_all(int from) {
  std::string text;
  std::array<char, 4096> part;
  for (ssize_t count; (count = ::read(from, part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<size_t>(count));
  }
  ::close(from);
  return text;
}

Running begin(const CommandLine& line, uint64_t seed, std::map<pid_t, Running>& running) {
  // A file and no pipe: a world that fails says much, and nobody reads before it has ended.
  std::FILE* const file = std::tmpfile();
  const int output = ::dup(::fileno(file));
  std::fclose(file);
  std::fflush(stdout);
  const std::string directory = make_directory();
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("TMPDIR", directory.c_str(), 1);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    live(line, seed);
  }
  if (child < 0) throw std::runtime_error("no process for a world");
  return running[child] = {seed, output, directory};
}

void end(const CommandLine& line, const Running& ended, int status, Tally& tally) {
  ::lseek(ended.output, 0, SEEK_SET);
  const std::string text = read_all(ended.output);
  std::error_code ignored;
  std::filesystem::remove_all(ended.directory, ignored);
  ++tally.worlds;
  double seconds = 0;
  uint64_t frames = 0;
  const size_t virtual_at = text.rfind(" virtual ");
  if (virtual_at != std::string::npos) {
    std::sscanf(text.c_str() + virtual_at, " virtual %lf frames %" SCNu64, &seconds, &frames);
  }
  tally.virtual_seconds += seconds;
  tally.frames += frames;
  const bool has_failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  if (has_failed || line.has_seed || line.is_verbose) std::fputs(text.c_str(), stdout);
  if (!has_failed) return;
  tally.failed.push_back(ended.seed);
  if (WIFSIGNALED(status)) {
    const bool has_hung = WTERMSIG(status) == SIGALRM;
    std::printf("FAILED seed %" PRIu64 ": it %s\n", ended.seed, has_hung ? "does not end" : "crashed");
  }
  std::printf("  again, alone: ./dev simulate --seed %" PRIu64 "\n", ended.seed);
}

int run(const CommandLine& line) {
  const auto began = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  uint64_t next = line.has_seed   ? line.seed
                  : line.is_fresh ? std::random_device{}() * uint64_t{100'000}
                                  : line.first;
  const uint64_t first = next;
  const uint64_t count = line.has_seed ? 1 : line.seeds;
  const auto goes_on = [&] {
    return line.minutes > 0 && !line.has_seed ? seconds() < line.minutes * 60 : next - first < count;
  };
  std::map<pid_t, Running> running;
  Tally tally;
  while (goes_on() || !running.empty()) {
    while (running.size() < line.jobs && goes_on()) begin(line, next++, running);
    int status = 0;
    const pid_t ended = ::wait(&status);
    const auto found = running.find(ended);
    if (found == running.end()) continue;
    end(line, found->second, status, tally);
    running.erase(found);
  }
  std::printf("%" PRIu64 " worlds from seed %" PRIu64 ", %.0f s of virtual time in %.1f s, %" PRIu64
              " frames; failed: %zu\n",
              tally.worlds, first, tally.virtual_seconds, seconds(), tally.frames, tally.failed.size());
  for (const uint64_t seed : tally.failed) std::printf("  seed %" PRIu64 "\n", seed);
  return tally.failed.empty() ? 0 : 1;
}

int main(int argc, char** argv) {
  CLI::App app("Simulated worlds: seeds decide all of them.");
  CommandLine line;
  app.add_option("--seeds", line.seeds, "how many")->capture_default_str();
  app.add_option("--first", line.first, "the first of them")->capture_default_str();
  auto* const seed = app.add_option("--seed", line.seed, "this one alone, with its log");
  app.add_option("--minutes", line.minutes, "for so long, instead of a number");
  app.add_flag("--fresh", line.is_fresh, "seeds that nobody has tried");
  app.add_option("--jobs", line.jobs, "worlds at a time")->capture_default_str()->check(CLI::Range(1, 64));
  app.add_flag("--typical", line.is_typical, "3 gateways, 20 hosts, 1,000 connections, a minute");
  app.add_flag("--verbose", line.is_verbose, "the log of every world");
  app.add_option("--captures", line.directory, "where the wires of failed ones go")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  line.has_seed = seed->count() > 0;
  line.is_verbose = line.is_verbose || line.has_seed;
  return run(line);
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  return sluice::sim::main(argc, argv);
}
