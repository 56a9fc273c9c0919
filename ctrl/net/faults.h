// Why something could not be had over the network, as exceptions: what() is for people, one line, without
// secrets.
#pragma once

#include <stdexcept>
#include <string>

namespace sluice::ctrl {

/// What a peer did, or failed to do.
class PeerFault : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What this host could not do, so that nothing is known of the peer.
class HostFault : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The words of an errno, beginning in lower case: "connection refused".
std::string text_of_error(int error);

}  // namespace sluice::ctrl
