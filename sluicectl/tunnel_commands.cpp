#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "sluicectl/session.h"

namespace sluice::sluicectl {

using nlohmann::json;

namespace {

/// What is to be called with: JSON, read from where nobody else sees it, for arguments of a command are
/// everybody's. Null: it cannot be read.
json read_keys(const std::string& file) {
  std::ifstream opened;
  if (file != "-") opened.open(file);
  std::istream& from = file == "-" ? std::cin : opened;
  const std::string text{std::istreambuf_iterator<char>(from), {}};
  json keys = json::parse(text, nullptr, false);
  return keys.is_object() ? keys : json();
}

}  // namespace

void add_tunnel_commands(Command app, Session& session) {
  auto tunnel = app.add_noun("tunnel", "Look at ESP tunnels and give them keys");
  auto list = tunnel.add("list", "Show every tunnel, how it fares and what it has dropped");
  list.run([&session] {
    session.show("tunnel.list", json::object(),
                 {"tunnel", "local", "remote", "state", "since", "packets_in", "packets_out", "dropped"});
  });
  auto rekey = tunnel.add("rekey", "Give a tunnel new keys");
  auto name = std::make_shared<std::string>();
  auto keys = std::make_shared<std::string>();
  auto overlap = std::make_shared<std::string>();
  rekey.option("TUNNEL", *name, "the tunnel's name").required();
  rekey
      .option(
          "KEYS", *keys,
          "a JSON file with \"in\" and \"out\" as tunnel.rekey takes them; - reads them from standard input")
      .required();
  rekey.option("--overlap", *overlap, "how long the old inbound key counts, such as 60s");
  rekey.run([&session, name, keys, overlap] {
    json params = read_keys(*keys);
    if (params.is_null()) {
      return session.report(ExitCode::kUsage, *keys + " holds no JSON object with \"in\" and \"out\"");
    }
    params["tunnel"] = *name;
    if (!overlap->empty()) params["overlap"] = *overlap;
    session.show("tunnel.rekey", params);
  });
}

}  // namespace sluice::sluicectl
