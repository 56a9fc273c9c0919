"""Health checks of backends behind an ESP tunnel."""

from processes import eventually
from sites import Sites


def test_checks_by_the_kernel_go_through_the_tunnel():
    sites = Sites(checks=True)
    try:
        def state():
            row = sites.left.call("backend.list")[0]
            return row["state"], row["reason"]

        eventually(lambda: state() == ("active", "HTTP status 200"), "the check passes")
        sites.server.kill()
        eventually(lambda: state()[0] == "down", "the check fails")
        assert sites.right.call("tunnel.list")[0]["packets_in"] > 0
    finally:
        sites.close()
