-- wrk script: GETs drawn from a file of "path<TAB>token" lines.
--
--	wrk -t2 -c32 -d10s -s read.lua http://127.0.0.1:8080 -- TARGETS HOST
--
-- The last line of output is JSON, as send.lua has it.

function init(args)
	requests = {}
	for line in io.lines(args[1]) do
		local path, token = line:match("([^\t]+)\t([^\t]+)")
		table.insert(requests, string.format(
			"GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, args[2], token))
	end
end

function request()
	return requests[math.random(#requests)]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'\n{"created":%d,"refused":%d,"errors":%d,"seconds":%.6f,"p50":%d,"p99":%d,"max":%d}\n',
		summary.requests - e.status, e.status, e.connect + e.read + e.write + e.timeout,
		summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max))
end
