// An xDS control plane for tests: Envoy's own go-control-plane with its snapshot cache, fed by lines on standard input.
// A line is a JSON object: {"clusters": {name: {"priorities": [[{"weight": n, "endpoints": [{"address", "port", "weight",
// "health"}]}]]}}, "listeners": {name: {"address", "port", "clusters": {name: weight}}}, "targets": [name]}.
// The node "grpc" is a client of gRPC, which asks for targets by name and not for listeners: each leads to the cluster of
// its name, of the same snapshot.
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
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
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
	Targets   []string
}

const grpcNode, otherNodes = "grpc", "others"

// All nodes but the one are served the same.
type byNode struct{}

func (byNode) ID(node *core.Node) string {
	if node.GetId() == grpcNode {
		return grpcNode
	}
	return otherNodes
}

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

// What a client of gRPC finds a cluster by.
func targetOf(name string) (*listener.Listener, error) {
	filter, err := anypb.New(&router.Router{})
	if err != nil {
		return nil, err
	}
	manager, err := anypb.New(&hcm.HttpConnectionManager{
		HttpFilters: []*hcm.HttpFilter{{
			Name:       "envoy.filters.http.router",
			ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: filter},
		}},
		RouteSpecifier: &hcm.HttpConnectionManager_RouteConfig{RouteConfig: &route.RouteConfiguration{
			Name: name,
			VirtualHosts: []*route.VirtualHost{{
				Name:    name,
				Domains: []string{"*"},
				Routes: []*route.Route{{
					Match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: ""}},
					Action: &route.Route_Route{Route: &route.RouteAction{
						ClusterSpecifier: &route.RouteAction_Cluster{Cluster: name},
					}},
				}},
			}},
		}},
	})
	return &listener.Listener{Name: name, ApiListener: &listener.ApiListener{ApiListener: manager}}, err
}

type listenersByNode map[string][]types.Resource

func listenersOf(said lineJSON) (listenersByNode, error) {
	made := listenersByNode{}
	for name, one := range said.Listeners {
		listener, err := listenerOf(name, one)
		if err != nil {
			return nil, err
		}
		made[otherNodes] = append(made[otherNodes], listener)
	}
	for _, name := range said.Targets {
		listener, err := targetOf(name)
		if err != nil {
			return nil, err
		}
		made[grpcNode] = append(made[grpcNode], listener)
	}
	return made, nil
}

// The same clusters and endpoints for every node, and the listeners of each.
func setSnapshots(snapshots cache.SnapshotCache, version string, said lineJSON) error {
	listeners, err := listenersOf(said)
	if err != nil {
		return err
	}
	for _, node := range []string{otherNodes, grpcNode} {
		resources := map[resource.Type][]types.Resource{resource.ListenerType: listeners[node]}
		for name, one := range said.Clusters {
			resources[resource.ClusterType] = append(resources[resource.ClusterType], clusterOf(name))
			resources[resource.EndpointType] = append(resources[resource.EndpointType], assignmentOf(name, one))
		}
		snapshot, err := cache.NewSnapshot(version, resources)
		if err != nil {
			return err
		}
		if err := snapshots.SetSnapshot(context.Background(), node, snapshot); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:18000", "ADDRESS:PORT")
	flag.Parse()
	snapshots := cache.NewSnapshotCache(true, byNode{}, nil)
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
		err := json.Unmarshal(lines.Bytes(), &said)
		if err == nil {
			err = setSnapshots(snapshots, fmt.Sprint(version), said)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(version)
	}
}
