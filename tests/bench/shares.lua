-- Asks for many addresses in turn, as one kind of visitor. ENV: PATHS (a file, one a line), METHOD, AGENT.
local requests, at = {}, 0

function init()
  wrk.headers["User-Agent"] = os.getenv("AGENT")
  wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
  wrk.headers["Accept-Language"] = os.getenv("LANGUAGE")
  wrk.headers["Accept-Encoding"] = "gzip, deflate"
  for path in io.lines(os.getenv("PATHS")) do
    requests[#requests + 1] = wrk.format(os.getenv("METHOD"), path)
  end
  at = math.random(#requests)
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"answered": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d, "bytes": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout, summary.bytes))
end
