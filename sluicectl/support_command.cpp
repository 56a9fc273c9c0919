#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>

#include "common/descriptor.h"
#include "sluicectl/doctor.h"
#include "sluicectl/secrets.h"
#include "sluicectl/tar_archive.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct Asked {
  const char* file;
  const char* method;
  json params = json::object();
};

/// What the gateway is asked for. Packets are not among it: their bytes are other people's.
std::vector<Asked> questions() {
  return {{"system.info.json", "system.info"},
          {"system.topology.json", "system.topology"},
          {"config.json", "config.get"},
          {"config.history.json", "config.history"},
          {"changes.json", "change.list"},
          {"services.json", "service.list"},
          {"backends.json", "backend.list"},
          {"sources.json", "source.list"},
          {"neighbors.json", "neighbor.list"},
          {"stats.json", "stats.get"},
          {"drops.json", "drops.get"},
          {"ledger.json", "ledger.status"},
          {"drops.recent.json", "drops.recent", {{"limit", 500}}}};
}

constexpr const char* kHostFiles[] = {"/proc/cpuinfo",   "/proc/meminfo", "/proc/interrupts",
                                      "/proc/net/dev",   "/proc/loadavg", "/proc/version",
                                      "/etc/os-release", "/proc/modules", "/proc/sys/vm/nr_hugepages"};
constexpr size_t kMostOfAFile = size_t{1} << 20;

constexpr const char* kReadMe =
    "What `sluicectl support-bundle` found, for a bug report.\n\n"
    "gateway/  what the gateway answers on its control socket; NAME.error where it does not\n"
    "host/     what the kernel says of this machine\n"
    "doctor.json  what `sluicectl doctor` says\n\n"
    "Left out: hash_key, passwords, tokens, headers, what `file:` refers to, and the bytes of packets.\n"
    "Addresses and names are in it. The log is not: journalctl -u sluiced\n";

/// Of packets that were dropped, all but themselves.
json without_bytes(json drops) {
  if (!drops.is_array()) return drops;
  for (json& drop : drops) {
    if (drop.is_object()) drop.erase("bytes");
  }
  return drops;
}

std::string begin_of(const char* file) {
  std::ifstream stream(file);
  std::string text(kMostOfAFile, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

void add_gateway(TarArchive& archive, Session& session) {
  for (const auto& [file, method, params] : questions()) {
    const std::string name = std::string("sluice-support/gateway/") + file;
    const auto answer = session.call(method, params);
    if (answer) {
      archive.add(name, render_json(without_secrets(without_bytes(*answer))));
    } else {
      archive.add(name + ".error", answer.error().message + "\n");
    }
  }
}

void add_host(TarArchive& archive) {
  for (const char* const file : kHostFiles) {
    std::string name(file + 1);
    for (char& byte : name) byte = byte == '/' ? '.' : byte;
    archive.add("sluice-support/host/" + name + ".txt", begin_of(file));
  }
  utsname host{};
  if (::uname(&host) == 0) {
    archive.add("sluice-support/host/uname.txt",
                std::string(host.sysname) + " " + host.release + " " + host.machine + "\n");
  }
}

/// Empty, or what is wrong. Nobody else may read it, whoever made the file that it replaces.
std::string write(const std::string& file, const std::string& bytes) {
  ::unlink(file.c_str());
  Descriptor made(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!made.is_open()) return std::strerror(errno);
  if (const int error = write_all(made.number(), bytes); error != 0) return std::strerror(error);
  return ::close(made.release()) == 0 ? std::string() : std::strerror(errno);
}

void run(Session& session, const std::string& file) {
  TarArchive archive(std::time(nullptr));
  archive.add("sluice-support/README.txt", kReadMe);
  archive.add("sluice-support/doctor.json", render_json(checks_object(diagnose(session))));
  add_gateway(archive, session);
  add_host(archive);
  const auto packed = archive.gzipped();
  if (!packed) return session.report(ExitCode::kRefused, packed.error().message);
  if (const std::string wrong = write(file, *packed); !wrong.empty()) {
    return session.report(ExitCode::kRefused, "cannot write " + file + ": " + wrong);
  }
  std::fprintf(stderr, "%s: %zu bytes; look through it before you send it\n", file.c_str(), packed->size());
}

}  // namespace

void add_support_command(Command app, Session& session) {
  auto file = std::make_shared<std::string>();
  auto bundle = app.add("support-bundle",
                        "Write what a bug report needs into a gzipped tar archive that only you can read, "
                        "without secrets; works without a gateway too");
  bundle.option("FILE", *file, "such as sluice-support.tar.gz; one that is there is replaced").required();
  bundle.run([&session, file] { run(session, *file); });
}

}  // namespace sluice::sluicectl
