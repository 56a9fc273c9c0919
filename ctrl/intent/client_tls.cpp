#include "ctrl/intent/client_tls.h"

#include <nlohmann/json.hpp>
#include <string>

#include "ctrl/intent/file_reference.h"

namespace sluice::ctrl {

void decode_client_tls(const Cursor& tls, SourceTlsModel& model) {
  if (!tls) return;
  model.enabled = true;
  tls.parse("ca", parse_public_file, model.ca);
  tls.parse("certificate", parse_public_file, model.certificate);
  tls.parse("key", parse_secret_file, model.key);
  tls.read("server_name", model.server_name);
  if (model.certificate.empty() != model.key.empty() && !tls.spoilt("certificate") && !tls.spoilt("key")) {
    tls.fault("\"certificate\" and \"key\" belong together");
  }
}

nlohmann::json encode_client_tls(const SourceTlsModel& model) {
  nlohmann::json tls = nlohmann::json::object();
  if (!model.ca.empty()) tls["ca"] = "file:" + model.ca;
  if (!model.certificate.empty()) tls["certificate"] = "file:" + model.certificate;
  if (!model.key.empty()) tls["key"] = secret_reference(model.key);
  if (!model.server_name.empty()) tls["server_name"] = model.server_name;
  return tls;
}

}  // namespace sluice::ctrl
