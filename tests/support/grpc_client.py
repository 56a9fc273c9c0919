"""gRPC's own xDS client, its C++ core by way of the binding for Python, as a second reader of a control plane: to which
endpoints it would send calls. Its channels are made to connect; nobody has to listen at an endpoint for that."""

import contextlib
import json
import os
import re
import time
import urllib.parse
from typing import Dict, Iterator, Optional, Sequence

NODE = "grpc"


class GrpcClient:
    """One channel for each of `targets`, `xds:///TARGET`. They stay, so that the control plane's answers reach a
    client that knows the ones before.

    Which endpoints a channel has comes from gRPC's channelz. A channel keeps localities that it has lost for a while,
    in case that they come again; therefore a second one by the same stream, made anew as often as somebody looks for
    something, is what is looked at."""

    PATIENCE = 0.3  # seconds in which a channel has been through all priorities

    def __init__(self, control_plane: int, targets: Sequence[str]):
        server = {
            "server_uri": f"127.0.0.1:{control_plane}",
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
        os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = json.dumps({"xds_servers": [server], "node": {"id": NODE}})
        os.environ["GRPC_VERBOSITY"] = "NONE"  # a cluster that is not there is no news
        os.environ["no_proxy"] = "*"
        import grpc  # pylint: disable=import-outside-toplevel
        from grpc._cython import cygrpc  # pylint: disable=import-outside-toplevel

        self.version = grpc.__version__
        self._grpc, self._core = grpc, cygrpc
        self.targets = list(targets)
        self._kept = self._open()
        self._looked_at: Optional[Dict[str, object]] = None

    def _open(self) -> Dict[str, object]:
        options = [("grpc.enable_channelz", 1), ("grpc.use_local_subchannel_pool", 1)]
        channels = {name: self._grpc.insecure_channel(f"xds:///{name}", options) for name in self.targets}
        for channel in channels.values():
            channel.subscribe(lambda state: None, try_to_connect=True)
        return channels

    def _look_anew(self) -> None:
        for channel in (self._looked_at or {}).values():
            channel.close()
        self._first = self._last_id() + 1
        self._opened = time.monotonic()
        self._looked_at = self._open()

    def endpoints(self) -> Dict[str, set]:
        """By target: "ADDRESS PORT" of all endpoints."""
        if self._looked_at is None or time.monotonic() > self._opened + self.PATIENCE:
            self._look_anew()
        found: Dict[str, set] = {name: set() for name in self.targets}
        for channel in self._channels(self._first):
            name = channel["data"].get("target", "").removeprefix("xds:///")
            for reference in channel.get("subchannelRef", []):
                with contextlib.suppress(ValueError, KeyError):  # it has just gone
                    text = self._core.channelz_get_subchannel(int(reference["subchannelId"]))
                    found[name].add(_place(json.loads(text)["subchannel"]["data"]["target"]))
        return found

    def _channels(self, first: int) -> Iterator[dict]:
        while True:
            answer = json.loads(self._core.channelz_get_top_channels(first))
            for channel in answer.get("channel", []):
                if channel["data"].get("target", "").startswith("xds:///"):
                    yield channel
            if answer.get("end", False) or not answer.get("channel"):
                return
            first = int(answer["channel"][-1]["ref"]["channelId"]) + 1

    def _last_id(self) -> int:
        return max((int(channel["ref"]["channelId"]) for channel in self._channels(0)), default=0)

    def close(self) -> None:
        """Of the channels; the library stays as long as the process."""
        for channels in (self._kept, self._looked_at or {}):
            for channel in channels.values():
                channel.close()


def _place(uri: str) -> str:
    """ "ADDRESS PORT" of "ipv4:192.0.2.1:80" or "ipv6:[2001:db8::1]:80"."""
    found = re.fullmatch(r"ipv[46]:\[?([0-9a-fA-F:.]+?)\]?:(\d+)", urllib.parse.unquote(uri))
    if not found:
        raise ValueError(f"no endpoint: {uri}")
    return f"{found[1]} {found[2]}"
