"""The performance suite works: each kind of turn is taken once, for a moment. Nothing here asserts a time."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "perf" / "suite"))

import bench  # noqa: E402
import connections  # noqa: E402
import flow_log  # noqa: E402
import growth  # noqa: E402
import idle  # noqa: E402
import instructions  # noqa: E402
import large_source  # noqa: E402
import ledger  # noqa: E402
import limits  # noqa: E402
import memif  # noqa: E402
import operation  # noqa: E402
import pipeline  # noqa: E402
import remote  # noqa: E402
import sets  # noqa: E402
import slow_backend  # noqa: E402
import sources  # noqa: E402
import tunnels  # noqa: E402
import units  # noqa: E402
from af_xdp import needs_af_xdp  # noqa: E402
from measure import Measurement, Wish, row_from_json  # noqa: E402
from processes import ROOT  # noqa: E402
from registries import missing  # noqa: E402


pytestmark = pytest.mark.alone


@pytest.fixture
def moment(tmp_path):
    return Wish(tmp_path, rounds=1, seconds=0.02)


def check(rows, count):
    """So many rows, each with a figure, and with one of the peer where there is a peer."""
    rows = list(rows)
    assert len(rows) == count
    for row in rows:
        assert row.error == "" and row.figure is not None, row
        assert bool(row.peer) == (row.peer_figure is not None), row
        assert row_from_json(row.as_json()) == row
        assert "/tmp" not in row.command and str(ROOT) not in row.command  # it is committed
    return rows


@pytest.mark.parametrize("forward", pipeline.FORWARDS)
def test_the_worker_forwards_a_capture_beside_testpmd(forward, moment):
    check(pipeline.rows(pipeline.Case(forward), moment), 1)


def test_datagrams_are_measured_beside_small_frames_of_tcp(moment):
    check(pipeline.rows(pipeline.Case(protocol="udp"), moment), 2)


@pytest.mark.parametrize("rules", limits.REFUSALS)
def test_a_worker_that_refuses_a_capture_is_measured_beside_testpmd_that_receives_it(rules, moment):
    check(limits.dropping(rules, pipeline.Case(clients="many"), moment), 1)


@needs_af_xdp
def test_backends_that_are_slow_or_refuse_are_measured(moment):
    check(slow_backend.rows(moment), 2)


@needs_af_xdp
def test_a_set_that_is_replaced_is_measured(moment):
    check(sets.rows(1000, moment), 2)


def test_packets_come_back_over_memif_from_the_worker_and_from_l3fwd(moment):
    check(memif.rows("full-nat", moment), 1)


@needs_af_xdp
def test_connections_go_through_the_gateway_both_proxies_and_the_kernel(moment):
    rows = check(connections.rows(moment), 9)
    assert {row.peer for row in rows} == {"HAProxy (TCP)", "nginx (stream)", "nft DNAT"}


@needs_af_xdp
def test_datagrams_go_through_an_adaptive_and_a_polling_gateway(moment):
    check(idle.rows(moment), 5)


def test_a_change_among_services_and_the_room_for_flows_are_measured(moment):
    check(growth.of_a_change(10, moment), 4)
    check(growth.of_flows(1 << 16, moment), 1)


@needs_af_xdp
def test_a_put_into_etcd_and_a_large_source_are_measured(moment):
    if not missing("etcd", "etcdctl"):
        check(sources.of_one_change(moment), 1)
        check(sources.of_a_change_among_many(3, 4, moment), 2)
    check(large_source.rows(3, 4, moment), 6)


def test_tunnels_are_measured_beside_ipsec_mb(moment):
    check(tunnels.beside_ipsec_mb(moment), 3)
    check(tunnels.on_two_workers(moment), 2)


def test_keys_of_a_tunnel_change_under_load_and_nothing_is_lost(moment):
    _, lost, late = check(tunnels.new_keys(moment), 3)
    assert lost.ours == late.ours == [0]


def test_programs_are_run_and_their_figures_read(moment):
    check(units.plain("lb_bench", "^(flow_hash|service_find/1)$", moment), 2)


def test_the_ledger_is_measured_end_to_end_and_its_journal_beside_a_plain_writer(moment):
    check(ledger.ingress(moment), 12)
    check(ledger.journal(moment), 1)


def test_every_measurement_has_a_name_of_its_own(moment):
    names = [each.full_name for suite in bench.SUITES for each in suite.measurements(moment)]
    assert len(names) == len(set(names)) > 30


def test_what_breaks_down_is_a_failed_row_and_stops_nothing(capsys):
    def breaks():
        raise RuntimeError("no such device")
        yield  # pylint: disable=unreachable

    found = {}
    bench.measure([Measurement("a", "one", breaks), Measurement("a", "two", lambda: [])], found)
    assert [row.error for row in found["a/one"]] == ["no such device"]
    assert found["a/two"] == []
    assert "a: one" in capsys.readouterr().out


def test_what_seeing_costs_is_measured(moment):
    _, lost, missing_ones = check(flow_log.of_a_flow_log(2000, moment), 3)
    assert lost.ours == missing_ones.ours == [0]
    check(operation.of_a_capture(moment), 2)
    check(operation.of_metrics(3, 4, moment), 3)
    check(operation.of_drops(moment), 4)
    check(operation.off_filter(moment), 2)


def test_requests_from_afar_are_measured_beside_packets(moment):
    rows = check(remote.rows(moment), 4)
    assert rows[-1].ours == [0], "packets were dropped"


def test_instructions_and_cache_lines_of_a_known_packet_are_counted(moment):
    assert set(instructions.recorded()) == set(instructions.KINDS)
    counts, lines = check(instructions.rows("dnat, IPv4", moment), 2)
    assert counts.figure > 50 and lines.figure > 3  # its buffer's, its frame's, its flow's
