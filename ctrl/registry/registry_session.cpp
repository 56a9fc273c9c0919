#include "ctrl/registry/registry_session.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace sluice::ctrl {

struct RegistryWatcher::State {
  std::function<void()> changed;
  std::atomic<bool> is_due = false;  ///< a call is on its way; many changes make one
  bool is_over = false;
};

RegistryWatcher::RegistryWatcher(RegistryParts& parts, const std::string& service,
                                 std::function<void()> changed)
    : parts_(parts), state_(std::make_shared<State>()) {
  state_->changed = std::move(changed);
  ++parts_.watchers;
  listener_ = parts_.table.listen(service, [&io = parts_.io, state = state_] {
    if (state->is_due.exchange(true)) return;
    boost::asio::post(io, [state] {
      state->is_due = false;
      if (!state->is_over) state->changed();
    });
  });
}

RegistryWatcher::~RegistryWatcher() {
  parts_.table.unlisten(listener_);
  state_->is_over = true;
  --parts_.watchers;
}

}  // namespace sluice::ctrl
