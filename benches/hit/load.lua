-- What wrk asks, and what it tells at the end.
--
-- wrk -s load.lua URL -- KEYS DEPTH [ETAG]: requests with the keys of the file
-- KEYS, one after the other, DEPTH of them in one write; with If-None-Match where
-- there is an ETAG. All requests are made beforehand: to rotate over keys costs
-- as little as to repeat one.

local writes, next_write = {}, 0

local function common_divisor(a, b)
   while b > 0 do
      a, b = b, a % b
   end
   return a
end

function init(args)
   local requests = {}
   local depth = tonumber(args[2])
   for key in io.lines(args[1]) do
      local headers = {
         ["Host"] = wrk.headers["Host"],
         ["Authorization"] = "Bearer " .. key,
         ["If-None-Match"] = args[3],
      }
      requests[#requests + 1] = wrk.format("GET", "/balance", headers)
   end
   -- So many writes that each key has its turn as often as any other.
   for write = 1, #requests / common_divisor(#requests, depth) do
      local parts = {}
      for part = 1, depth do
         parts[part] = requests[((write - 1) * depth + part - 1) % #requests + 1]
      end
      writes[write] = table.concat(parts)
   end
end

function request()
   next_write = next_write % #writes + 1
   return writes[next_write]
end

-- The figures of one run, for load.py: times are in microseconds.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      "RESULT %d %d %d %d %d %d %d %d %d %d %d %d\n",
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
      errors.status, errors.connect, errors.read, errors.write, errors.timeout
   ))
end
