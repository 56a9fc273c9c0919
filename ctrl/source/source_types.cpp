#include "ctrl/source/source_types.h"

#include <vector>

#include "ctrl/source/consul_source.h"
#include "ctrl/source/dns_source.h"
#include "ctrl/source/etcd_source.h"
#include "ctrl/source/file_source.h"
#include "ctrl/source/kubernetes_source.h"
#include "ctrl/source/registry_source.h"
#include "ctrl/source/xds_source.h"
#include "ctrl/source/zookeeper_source.h"

namespace sluice::ctrl {

std::span<const SourceType> source_types() {
  static const std::vector<SourceType> kTypes = {
      {"consul", make_consul_source},
      {"dns", make_dns_source},
      {"etcd", make_etcd_source},
      {"file", make_file_source},
      {"kubernetes", make_kubernetes_source},
      {"registry", make_registry_source},
      {"xds", make_xds_source},
      {"zookeeper", make_zookeeper_source},
  };
  return kTypes;
}

}  // namespace sluice::ctrl
