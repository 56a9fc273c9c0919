#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "crypto/encoding.h"
#include "sluicectl/interrupts.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct CaptureArguments {
  std::string file, at, port, service, reason, filter;
  uint64_t packets = 0, bytes = 0, seconds = 0, snaplen = 0;  ///< 0: as the gateway has it
};

/// Where the capture goes: a file, or the standard output.
class Output {
 public:
  enum class Written : uint8_t { kAll, kStopped, kFailed };

  explicit Output(const std::string& file)
      : descriptor_(file == "-" ? STDOUT_FILENO
                                : ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    struct stat is {};
    if (::fstat(descriptor_, &is) == 0 && S_ISREG(is.st_mode)) at_once_ = SIZE_MAX;
  }
  ~Output() {
    if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
  }
  Output(const Output&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  /// kStopped: somebody interrupts while nothing is taken, or reads no more. kFailed: errno says why.
  Written write(std::span<const uint8_t> bytes, const Interrupts& interrupts) const {
    while (!bytes.empty()) {
      std::array<pollfd, 2> waiting = {{{descriptor_, POLLOUT, 0}, {interrupts.descriptor(), POLLIN, 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return Written::kFailed;
      if (waiting[0].revents == 0) {
        if (waiting[1].revents != 0) return Written::kStopped;
        continue;
      }
      const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), at_once_));
      if (written < 0 && errno == EPIPE) return Written::kStopped;
      if (written < 0 && errno != EINTR && errno != EAGAIN) return Written::kFailed;
      if (written > 0) bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return Written::kAll;
  }

 private:
  int descriptor_;
  size_t at_once_ = PIPE_BUF;  ///< bytes: so many a pipe that is ready takes without making its writer wait
};

json params_of(const CaptureArguments& arguments) {
  const bool is_of_drops = !arguments.reason.empty() && arguments.at.empty();
  json params = {{"at", is_of_drops ? "drop" : arguments.at.empty() ? "rx" : arguments.at}};
  for (const auto& [name, value] :
       {std::pair("port", &arguments.port), std::pair("service", &arguments.service),
        std::pair("reason", &arguments.reason), std::pair("filter", &arguments.filter)}) {
    if (!value->empty()) params[name] = *value;
  }
  for (const auto& [name, value] :
       {std::pair("packets", arguments.packets), std::pair("bytes", arguments.bytes),
        std::pair("seconds", arguments.seconds), std::pair("snaplen", arguments.snaplen)}) {
    if (value != 0) params[name] = value;
  }
  return params;
}

void show_end(const Session& session, const json& end, bool output_is_taken) {
  const json result = {{"capture", end["capture"]}, {"packets", end["packets"]}, {"lost", end["lost"]}};
  std::FILE* const stream = output_is_taken || session.output() == Format::kTable ? stderr : stdout;
  if (session.output() == Format::kTable) {
    std::fprintf(stream, "%s packets captured, %s lost\n", result["packets"].dump().c_str(),
                 result["lost"].dump().c_str());
  } else {
    std::fputs(render(result, session.output(), {}).c_str(), stream);
  }
}

/// One capture from its start to its end.
class Run {
 public:
  Run(Session& session, Client& client, const CaptureArguments& arguments, const Output& output)
      : session_(session), client_(client), arguments_(arguments), output_(output) {}

  void operator()() {
    const auto started = client_.call("capture.start", params_of(arguments_));
    if (!started) return session_.report(started.error());
    number_ = (*started)["capture"];
    piece_begin_ =
        R"({"jsonrpc":"2.0","method":"capture","params":{"capture":)" + number_.dump() + R"(,"data":")";
    constexpr uint64_t kSeconds = 60;
    end_ = Clock::now() + std::chrono::seconds(arguments_.seconds != 0 ? arguments_.seconds : kSeconds);
    while (!is_over_) {
      const auto message =
          client_.receive_line(std::max(end_, Clock::now()) + patience(), interrupts_.descriptor());
      if (!message) return session_.report(message.error());
      if (*message) {
        take(**message);
      } else {
        interrupt();
      }
    }
  }

 private:
  std::chrono::milliseconds patience() const {
    return std::chrono::milliseconds(static_cast<int64_t>(session_.timeout_seconds * 1000));
  }

  /// A piece of the file is most of what comes, and is not parsed where it is written as the gateway does.
  void take(std::string_view line) {
    constexpr std::string_view kPieceEnd = R"("}})";
    if (line.starts_with(piece_begin_) && line.ends_with(kPieceEnd)) {
      line.remove_prefix(piece_begin_.size());
      line.remove_suffix(kPieceEnd.size());
      return write(line);
    }
    const json message = json::parse(line, nullptr, false);
    if (!message.is_object()) return fail("what the gateway says is not JSON-RPC");
    if (message.value("method", "") != "capture" || message["params"]["capture"] != number_) return;
    const json& params = message["params"];
    if (params.contains("done")) {
      is_over_ = true;
      return show_end(session_, params, arguments_.file == "-");
    }
    write(params["data"].get_ref<const std::string&>());
  }

  void write(std::string_view data) {
    const auto piece = crypto::from_base64(data);
    if (!piece) return fail("the gateway sends what is no base64");
    switch (output_.write(*piece, interrupts_)) {
      case Output::Written::kAll:
        return;
      case Output::Written::kStopped:
        is_over_ = true;
        return;
      case Output::Written::kFailed:
        return fail("cannot write " + arguments_.file + ": " + std::strerror(errno));
    }
  }

  /// Asks for the end, and takes what is still to come; the second time it waits for nothing.
  void interrupt() {
    interrupts_.take();
    is_over_ = is_stopping_ || !client_.request("capture.stop", {{"capture", number_}});
    is_stopping_ = true;
    end_ = Clock::now();
  }

  void fail(const std::string& why) {
    is_over_ = true;
    session_.report(ExitCode::kRefused, why);
  }

  Session& session_;
  Client& client_;
  const CaptureArguments& arguments_;
  const Output& output_;
  Interrupts interrupts_;
  json number_;
  std::string piece_begin_;  ///< what a line of this capture begins with
  Clock::time_point end_;
  bool is_stopping_ = false, is_over_ = false;
};

void run(Session& session, const CaptureArguments& arguments) {
  const auto client = session.client();
  if (!client) return session.report(client.error());
  const Output output(arguments.file);
  if (!output.is_open()) {
    return session.report(ExitCode::kRefused, "cannot write " + arguments.file + ": " + std::strerror(errno));
  }
  Run(session, **client, arguments, output)();
}

}  // namespace

void add_capture_command(Command app, Session& session) {
  auto arguments = std::make_shared<CaptureArguments>();
  auto capture =
      app.add("capture", "Copy packets into a pcapng file while it runs, until Ctrl-C or a limit ends it");
  capture.option("-w,--write", arguments->file, "the file, or - for the standard output")
      .of_type("FILE|-")
      .required();
  capture
      .option("--at", arguments->at,
              "where: as they are received (rx, unless given), sent (tx) or dropped (drop)")
      .one_of({"rx", "tx", "drop"});
  capture.option("--port", arguments->port, "only received at this port, or sent by it");
  capture.option("--service", arguments->service, "only of this service's flows");
  capture.option("--reason", arguments->reason,
                 "only dropped for this reason; --at drop goes without saying");
  capture.option("-f,--filter", arguments->filter, "only what this expression of pcap-filter(7) matches");
  capture.option("-c,--count", arguments->packets, "end after so many packets; 10000 unless given")
      .above_zero();
  capture.option("--bytes", arguments->bytes, "end after so many bytes of the file").above_zero();
  capture.option("--seconds", arguments->seconds, "end after so long; 60 unless given").above_zero();
  capture.option("-s,--snaplen", arguments->snaplen, "bytes of each packet; all unless given").above_zero();
  capture.run([&session, arguments] { run(session, *arguments); });
}

}  // namespace sluice::sluicectl
