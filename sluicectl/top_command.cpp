#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "sluicectl/session.h"
#include "sluicectl/top.h"

namespace sluice::sluicectl {
namespace {

using Clock = std::chrono::steady_clock;

struct TopArguments {
  double interval = 1;
  uint64_t count = 0;  ///< 0: for ever
};

Attempt<TopReading> read(Session& session) {
  TopReading reading;
  for (const auto& [method, into] :
       {std::pair("stats.get", &reading.stats), std::pair("service.list", &reading.services),
        std::pair("backend.list", &reading.backends), std::pair("drops.get", &reading.drops)}) {
    auto result = session.call(method, nlohmann::json::object());
    if (!result) return tl::unexpected(result.error());
    *into = std::move(*result);
  }
  reading.seconds = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  return reading;
}

size_t screen_lines() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row - 1u : 24u;
}

void show(const TopReading& before, const TopReading& now) {
  if (::isatty(STDOUT_FILENO) == 1) {
    constexpr auto kHomeAndClear = "\x1b[H\x1b[J";
    std::printf("%s%s", kHomeAndClear, render_top(before, now, screen_lines()).c_str());
  } else {
    std::fputs(render_top_line(before, now).c_str(), stdout);
  }
  std::fflush(stdout);
}

void run(Session& session, const TopArguments& arguments) {
  auto before = read(session);
  for (uint64_t shown = 0; before && (arguments.count == 0 || shown < arguments.count); ++shown) {
    std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval));
    auto now = read(session);
    if (now) show(*before, *now);
    before = std::move(now);
  }
  if (!before) session.report(before.error());
}

}  // namespace

void add_top_command(Command app, Session& session) {
  auto arguments = std::make_shared<TopArguments>();
  auto top = app.add("top",
                     "Show rates, and the backends, first those that are not active; a line each "
                     "where output is no terminal");
  top.option("--interval", arguments->interval, "seconds between two views")
      .within(0.1, 3600.0)
      .show_default();
  top.option("--count", arguments->count, "end after this many views");
  top.run([&session, arguments] { run(session, *arguments); });
}

}  // namespace sluice::sluicectl
