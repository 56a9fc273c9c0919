// An xDS control plane for tests: Envoy's own go-control-plane with its snapshot cache, fed by lines on standard input.
// A line is a JSON object: {"clusters": {name: {"priorities": [[{"weight": n, "endpoints": [{"address", "port", "weight",
// "health"}]}]]}}, "listeners": {name: {"address", "port", "clusters": {name: weight}}}}.
// It answers each line with the version of the snapshot that it has set.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type endpointJSON struct {
	Address string
	Port    uint32
	Weight  uint32
	Health  int32
}

type localityJSON struct {
	Weight    uint32
	Endpoints []endpointJSON
}

type clusterJSON struct {
	Priorities [][]localityJSON
}

type listenerJSON struct {
	Address  string
	Port     uint32
	Clusters map[string]uint32
}

type lineJSON struct {
	Clusters  map[string]clusterJSON
	Listeners map[string]listenerJSON
}

// Every node is served the same.
type anyNode struct{}

func (anyNode) ID(*core.Node) string { return "all" }

func clusterOf(name string) *cluster.Cluster {
	return &cluster.Cluster{
		Name:                 name,
		ConnectTimeout:       durationpb.New(time.Second),
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{EdsConfig: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
		}},
		CommonLbConfig: &cluster.Cluster_CommonLbConfig{
			LocalityConfigSpecifier: &cluster.Cluster_CommonLbConfig_LocalityWeightedLbConfig_{
				LocalityWeightedLbConfig: &cluster.Cluster_CommonLbConfig_LocalityWeightedLbConfig{},
			},
		},
	}
}

func assignmentOf(name string, said clusterJSON) *endpoint.ClusterLoadAssignment {
	made := &endpoint.ClusterLoadAssignment{ClusterName: name}
	for priority, localities := range said.Priorities {
		for number, locality := range localities {
			lb := &endpoint.LocalityLbEndpoints{
				Locality:            &core.Locality{Region: fmt.Sprintf("r%d", priority), Zone: fmt.Sprintf("z%d", number)},
				Priority:            uint32(priority),
				LoadBalancingWeight: wrapperspb.UInt32(locality.Weight),
			}
			for _, one := range locality.Endpoints {
				lb.LbEndpoints = append(lb.LbEndpoints, &endpoint.LbEndpoint{
					HealthStatus:        core.HealthStatus(one.Health),
					LoadBalancingWeight: wrapperspb.UInt32(one.Weight),
					HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: &core.Address{
						Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
							Address:       one.Address,
							PortSpecifier: &core.SocketAddress_PortValue{PortValue: one.Port},
						}}}}},
				})
			}
			made.Endpoints = append(made.Endpoints, lb)
		}
	}
	return made
}

// One cluster is named alone, several are weighted.
func listenerOf(name string, said listenerJSON) (*listener.Listener, error) {
	proxy := &tcpproxy.TcpProxy{StatPrefix: name}
	weighted := &tcpproxy.TcpProxy_WeightedCluster{}
	for cluster, weight := range said.Clusters {
		weighted.Clusters = append(weighted.Clusters, &tcpproxy.TcpProxy_WeightedCluster_ClusterWeight{Name: cluster, Weight: weight})
		proxy.ClusterSpecifier = &tcpproxy.TcpProxy_Cluster{Cluster: cluster}
	}
	if len(weighted.Clusters) > 1 {
		proxy.ClusterSpecifier = &tcpproxy.TcpProxy_WeightedClusters{WeightedClusters: weighted}
	}
	config, err := anypb.New(proxy)
	return &listener.Listener{
		Name: name,
		Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
			Address:       said.Address,
			PortSpecifier: &core.SocketAddress_PortValue{PortValue: said.Port},
		}}},
		FilterChains: []*listener.FilterChain{{Filters: []*listener.Filter{{
			Name:       "envoy.filters.network.tcp_proxy",
			ConfigType: &listener.Filter_TypedConfig{TypedConfig: config},
		}}}},
	}, err
}

func main() {
	listen := flag.String("listen", "127.0.0.1:18000", "ADDRESS:PORT")
	flag.Parse()
	snapshots := cache.NewSnapshotCache(true, anyNode{}, nil)
	served := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(served, server.NewServer(context.Background(), snapshots, nil))
	socket, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = served.Serve(socket) }()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for version := 1; lines.Scan(); version++ {
		said := lineJSON{}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		resources := map[resource.Type][]types.Resource{}
		for name, one := range said.Clusters {
			resources[resource.ClusterType] = append(resources[resource.ClusterType], clusterOf(name))
			resources[resource.EndpointType] = append(resources[resource.EndpointType], assignmentOf(name, one))
		}
		for name, one := range said.Listeners {
			made, err := listenerOf(name, one)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			resources[resource.ListenerType] = append(resources[resource.ListenerType], made)
		}
		snapshot, err := cache.NewSnapshot(fmt.Sprint(version), resources)
		if err == nil {
			err = snapshots.SetSnapshot(context.Background(), "all", snapshot)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(version)
	}
}
