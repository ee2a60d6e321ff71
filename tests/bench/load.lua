-- What wrk sends: paths in turn, a body whose NUMBER is new each time, a fresh key where one is needed.
-- Threads take the addresses of BENCH_TARGETS in turn, so that several processes are asked alike.
local threads = 0

function setup(thread)
  local hosts = {}
  for host, port in string.gmatch(os.getenv("BENCH_TARGETS"), "([^:,]+):(%d+)") do
    table.insert(hosts, wrk.lookup(host, port)[1])
  end
  thread.addr = hosts[threads % #hosts + 1]
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  -- Every run draws its own numbers: a key of an earlier run would be answered from what was kept for it.
  math.randomseed(tonumber(os.getenv("BENCH_SEED")) + number)
  run = string.format("%06x%06x", math.random(0, 0xffffff), math.random(0, 0xffffff))
  sent = 0
  method, body, keyed = os.getenv("BENCH_METHOD"), os.getenv("BENCH_BODY"), os.getenv("BENCH_KEYED") == "1"
  paths = {}
  for path in string.gmatch(os.getenv("BENCH_PATHS"), "%S+") do table.insert(paths, path) end
  wrk.headers["Authorization"] = os.getenv("BENCH_TOKEN")
  if body then wrk.headers["Content-Type"] = "application/json" end
end

function request()
  sent = sent + 1
  if keyed then wrk.headers["Idempotency-Key"] = run .. "-" .. sent end
  local filled = body and body:gsub("NUMBER", string.format("%08d", math.random(0, 99999999)), 1)
  return wrk.format(method, paths[sent % #paths + 1], nil, filled)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local told = '{"seconds": %f, "requests": %d, "refused": %d, "broken": %d, "p50": %f, "p95": %f, "p99": %f}\n'
  io.stderr:write(string.format(told, summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
