-- Stands in for Pktgen's Lua interface: prints each call as a line of words. What only Pktgen would refuse is not found.
local function named(name)
  return function(...)
    local words = { name }
    for _, value in ipairs({ ... }) do
      table.insert(words, tostring(value))
    end
    print(table.concat(words, " "))
  end
end

pktgen = { range = {} }
for _, name in ipairs({ "set_range", "set", "rnd", "random", "start", "delay", "stop" }) do
  pktgen[name] = named(name)
end
for _, name in ipairs({ "dst_mac", "ip_proto", "dst_ip", "src_ip", "dst_port", "src_port", "pkt_size" }) do
  pktgen.range[name] = named("range " .. name)
end
