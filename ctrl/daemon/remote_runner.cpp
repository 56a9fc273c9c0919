#include "ctrl/daemon/remote_runner.h"

#include "ctrl/access/audit.h"
#include "ctrl/intent/model.h"
#include "ctrl/log/log_line.h"
#include "ctrl/remote/remote_server.h"

namespace sluice::ctrl {

RemoteRunner::RemoteRunner(boost::asio::io_context& io, JsonRpc& rpc, Audit& audit, SpanQueue& spans,
                           Monitored& monitored)
    : io_(io), rpc_(rpc), audit_(audit), spans_(spans), monitored_(monitored) {}
RemoteRunner::~RemoteRunner() = default;

Result<void> RemoteRunner::start(const Model& model) {
  audited_ = model.audit;
  asked_ = model.remote;
  if (auto opened = open(model); !opened) return opened;
  show();
  return {};
}

Result<void> RemoteRunner::open(const Model& model) {
  const RemoteModel* const wanted = model.remote ? &*model.remote : nullptr;
  if (server_) return server_->follow(wanted);
  if (!wanted) return {};
  auto server = RemoteServer::start(*wanted, {io_, rpc_, audit_, &spans_, monitoring_site(monitored_)});
  if (!server) return tl::unexpected(server.error());
  server_ = std::move(*server);
  return {};
}

void RemoteRunner::follow(const Model& model) {
  if (model.audit != audited_) {
    const auto followed = audit_.follow(model.audit);
    if (!followed) log_error({followed.error().message, "; calls are recorded where they were before"});
    audited_ = model.audit;
  }
  if (model.remote != asked_) {
    asked_ = model.remote;
    if (const auto opened = open(model); !opened) {
      log_error({opened.error().message});
    } else if (model.remote) {
      log_info({"remote: control from afar is at ", model.remote->listen});
    } else {
      log_info({"remote: control from afar has ended"});
    }
  }
  show();
}

void RemoteRunner::show() {
  monitored_.remote = server_ && server_->model() ? server_.get() : nullptr;
  monitored_.audit = audit_.has_file() ? &audit_ : nullptr;
}

void RemoteRunner::stop() {
  if (server_) server_->stop();
}

}  // namespace sluice::ctrl
