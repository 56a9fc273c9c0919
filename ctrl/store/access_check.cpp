#include "ctrl/store/access_check.h"

#include <boost/asio/io_context.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/access/audit.h"
#include "ctrl/access/authenticator.h"
#include "ctrl/intent/model.h"
#include "ctrl/net/acceptor.h"

namespace sluice::ctrl {
namespace {

std::string port_in(const std::string& listen) {
  return listen.substr(listen.rfind(':') + 1);
}

/// Binding an address shows whether it may be had. Where the port is the one that is bound already, only the
/// change itself can show it: that closes the one before it opens the other.
Result<void> check_listen(const RemoteModel* now, const RemoteModel& next) {
  if (now && port_in(now->listen) == port_in(next.listen)) return {};
  boost::asio::io_context io;
  const auto acceptor = open_acceptor(io, next.listen, "remote.listen");
  if (!acceptor) return fail(acceptor.error().message, "/remote/listen");
  return {};
}

}  // namespace

Outcome<void> check_access(const Model& now, const Model& next) {
  std::vector<Fault> faults;
  const auto note = [&faults](const auto& result) {
    if (!result) faults.push_back({result.error().pointer, result.error().message});
  };
  if (next.remote && next.remote != now.remote) {
    note(Authenticator::open(remote_settings(*next.remote)));
    note(check_listen(now.remote ? &*now.remote : nullptr, *next.remote));
  }
  if (next.audit != now.audit) note(Audit::check(next.audit));
  if (faults.empty()) return {};
  return tl::unexpected(Refusal{Refusal::Kind::kInvalid, "nothing was applied: " + faults.front().message,
                                "put right what is named, then apply again", std::move(faults)});
}

}  // namespace sluice::ctrl
