-- Clients asking one VIP of perf/trex/gateway-vip.yaml: 64-byte frames, as many flows as
-- Pktgen has buffers (24,576): it prepares one packet for each, and sends those round and round.
--   pktgen ... -- -P -m "[1:2].0" -f perf/pktgen/vip.lua
-- The environment chooses: FORWARD (full-nat, dnat, direct, ipip, gue), PROTOCOL (udp, tcp),
-- GATEWAY_MAC, SECONDS and RATE (per cent of the line).

local VIPS = {
  ["full-nat"] = "203.0.113.10", dnat = "203.0.113.20", direct = "203.0.113.30",
  ipip = "203.0.113.40", gue = "203.0.113.50",
}
local PORT = "0"

local function wish(name, default)
  return os.getenv(name) or default
end

local function swept(field, first, last, step)
  local range = pktgen.range[field]
  range(PORT, "start", first)
  range(PORT, "inc", step)
  range(PORT, "min", first)
  range(PORT, "max", last)
end

local vip = assert(VIPS[wish("FORWARD", "dnat")], "FORWARD is none of the modes")
pktgen.range.dst_mac(PORT, "start", wish("GATEWAY_MAC", "02:00:00:00:00:01"))
pktgen.range.ip_proto(PORT, wish("PROTOCOL", "udp"))
swept("dst_ip", vip, vip, "0.0.0.0")
swept("dst_port", 80, 80, 0)
swept("pkt_size", 64, 64, 0)
-- 1,000 addresses and 1,009 ports, each moving with every frame: they share no factor, so all pairs come.
swept("src_ip", "198.19.0.1", "198.19.3.232", "0.0.0.1")
swept("src_port", 1024, 2032, 1)
pktgen.set_range(PORT, "on")
pktgen.set(PORT, "rate", tonumber(wish("RATE", "100")))

pktgen.start(PORT)
pktgen.delay(1000 * tonumber(wish("SECONDS", "10")))
pktgen.stop(PORT)
