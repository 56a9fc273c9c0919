// `remote` and `audit`.
#include <gtest/gtest.h>

#include <algorithm>

#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/config_warnings.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Pointers = std::vector<std::string>;

// What interface.md, section 13, shows.
const json kRemote = json::parse(R"({
  "listen": "0.0.0.0:9443",
  "tls": {"certificate": "file:/tls.pem", "key": "file:/tls.key", "client_ca": "file:/clients.pem"},
  "roles": [{"subject": "CN=ops", "role": "operate"}, {"san": "spiffe://example.test/edge-admin", "role": "admin"}],
  "jwt": {"keys": "file:/jwks.json", "issuer": "https://id.example.test", "audience": "sluice", "role_claim": "role"}
})");

json with_remote(const json& remote) {
  json config = test::sample_config();
  config["remote"] = remote;
  return config;
}

json bent(const std::string& pointer, const json& value) {
  json remote = kRemote;
  remote[json::json_pointer(pointer)] = value;
  return with_remote(remote);
}

TEST(ConfigRemote, IsReadAndWritten) {
  json config = with_remote(kRemote);
  config["audit"] = {{"file", "/var/log/sluice/audit.jsonl"}};
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  ASSERT_TRUE(model->remote);
  EXPECT_EQ(model->remote->listen, "0.0.0.0:9443");
  EXPECT_EQ(model->remote->tls, (ServerTlsModel{"/tls.pem", "/tls.key", "/clients.pem"}));
  EXPECT_EQ(model->remote->roles,
            (std::vector<RoleRule>{{"CN=ops", "", Role::kOperate},
                                   {"", "spiffe://example.test/edge-admin", Role::kAdmin}}));
  EXPECT_EQ(model->remote->jwt, (TokenModel{"/jwks.json", "https://id.example.test", "sluice", "role"}));
  EXPECT_EQ(model->audit.file, "/var/log/sluice/audit.jsonl");
  const json written = to_json(*model);
  EXPECT_EQ(written["remote"], kRemote);
  EXPECT_EQ(written["audit"], config["audit"]);
  EXPECT_FALSE(to_json(*parse_config(test::sample_config())).contains("remote"));
}

TEST(ConfigRemote, ACredentialOfSystemdIsAKeyToo) {
  const auto model = parse_config(bent("/tls/key", "credential:remote.key"));
  ASSERT_TRUE(model);
  EXPECT_EQ(to_json(*model)["remote"]["tls"]["key"], "credential:remote.key");
  for (const char* wrong : {"credential:", "credential:a/b", "credential:..", "secret", "file:relative"}) {
    EXPECT_EQ(fault_pointers(bent("/tls/key", wrong)), Pointers{"/remote/tls/key"}) << wrong;
  }
}

TEST(ConfigRemote, FaultsNameTheirField) {
  EXPECT_EQ(fault_pointers(bent("/listen", "")), Pointers{"/remote/listen"});
  EXPECT_EQ(fault_pointers(bent("/listen", "localhost:1")), Pointers{"/remote/listen"});
  EXPECT_EQ(fault_pointers(bent("/roles/0/role", "root")), Pointers{"/remote/roles/0/role"});
  EXPECT_EQ(fault_pointers(bent("/roles/0", {{"role", "view"}})), Pointers{"/remote/roles/0"});
  EXPECT_EQ(fault_pointers(bent("/roles/0", {{"subject", "CN=a"}, {"san", "x:y"}, {"role", "view"}})),
            Pointers{"/remote/roles/0"});
  EXPECT_EQ(fault_pointers(bent("/unknown", 1)), Pointers{"/remote/unknown"});
  json remote = kRemote;
  remote.erase("tls");
  EXPECT_EQ(fault_pointers(with_remote(remote)), Pointers{"/remote/tls"});
  remote = kRemote;
  remote["tls"].erase("client_ca");
  EXPECT_EQ(fault_pointers(with_remote(remote)), Pointers{"/remote/roles"})
      << "nobody could be known to have them";
  json config = test::sample_config();
  config["audit"] = {{"file", "relative"}};
  EXPECT_EQ(fault_pointers(config), Pointers{"/audit/file"});
}

TEST(ConfigRemote, WhatIsHardlyMeantIsWarnedOf) {
  const auto warnings = [](const json& config) {
    Pointers pointers;
    for (const Fault& warning : warnings_of(*parse_config(config), config)) {
      if (warning.pointer.starts_with("/remote")) pointers.push_back(warning.pointer);
    }
    return pointers;
  };
  EXPECT_EQ(warnings(with_remote(kRemote)), Pointers{});
  EXPECT_EQ(warnings(bent("/jwt", {{"keys", "/jwks.json"}})), Pointers{"/remote/jwt"});
  json nobody = {{"listen", "0.0.0.0:9443"}, {"tls", {{"certificate", "/c"}, {"key", "file:/k"}}}};
  EXPECT_EQ(warnings(with_remote(nobody)), Pointers{"/remote"});
}

TEST(ConfigRemote, AChangeNeedsNoRestart) {
  const json before = to_json(*parse_config(test::sample_config()));
  const json after = to_json(*parse_config(with_remote(kRemote)));
  const auto changes = diff_configurations(before, after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].pointer, "/remote");
  EXPECT_FALSE(changes[0].needs_restart);
}

}  // namespace
}  // namespace sluice::ctrl
