-- Clients that submit ledger transactions to perf/trex/gateway-ledger.yaml, no two of them alike: 96 random bits.
--   pktgen ... -- -P -m "[1:2].0" -f perf/pktgen/ledger.lua
-- The environment chooses: FRAMING (raw, coap), SIZE (bytes of a frame with FCS), GATEWAY_MAC, SECONDS, RATE.

local PORTS = { raw = 9000, coap = 5683 }
local PORT = "0"
local RANDOM = ("X"):rep(32)
local UDP_CHECKSUM, PAYLOAD = 40, 42 -- from the frame's first byte

local function wish(name, default)
  return os.getenv(name) or default
end

local framing = wish("FRAMING", "raw")
local size = tonumber(wish("SIZE", "302")) -- a transaction of 256 bytes, raw
local destination = assert(PORTS[framing], "FRAMING is raw or coap")

for field, bounds in pairs({
  dst_ip = { "203.0.113.60", "203.0.113.60", "0.0.0.0" },
  src_ip = { "198.19.0.1", "198.19.3.232", "0.0.0.1" },
  dst_port = { destination, destination, 0 },
  src_port = { 1024, 2032, 1 },
  pkt_size = { size, size, 0 },
}) do
  pktgen.range[field](PORT, "start", bounds[1])
  pktgen.range[field](PORT, "inc", bounds[3])
  pktgen.range[field](PORT, "min", bounds[1])
  pktgen.range[field](PORT, "max", bounds[2])
end
pktgen.range.dst_mac(PORT, "start", wish("GATEWAY_MAC", "02:00:00:00:00:01"))
pktgen.range.ip_proto(PORT, "udp")
pktgen.set_range(PORT, "on")

-- Pktgen does not make the checksum anew for random bits: zero says that there is none (RFC 768).
local masks = { { UDP_CHECKSUM, ("0"):rep(16) } }
local body = PAYLOAD
if framing == "coap" then
  -- RFC 7252: version 1, NON, no token; POST; a random message id; Uri-Path "tx"; the payload marker.
  table.insert(masks, { PAYLOAD, "0101000000000010" .. ("X"):rep(16) })
  table.insert(masks, { PAYLOAD + 4, "10110010011101000111100011111111" })
  body = PAYLOAD + 8
end
for word = 0, 2 do
  table.insert(masks, { body + 4 * word, RANDOM })
end
for index, mask in ipairs(masks) do
  pktgen.rnd(PORT, index - 1, mask[1], mask[2])
end
pktgen.random(PORT, "on")
pktgen.set(PORT, "rate", tonumber(wish("RATE", "100")))

pktgen.start(PORT)
pktgen.delay(1000 * tonumber(wish("SECONDS", "10")))
pktgen.stop(PORT)
