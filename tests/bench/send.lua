-- wrk script: each request sends a message with a fresh clientMessageId into a conversation drawn from a file.
--
--	wrk -t2 -c32 -d10s -s send.lua http://127.0.0.1:8080 -- TARGETS HOST
--
-- TARGETS has a line "path<TAB>token" for each conversation.  The last line of output is JSON: what was created, what
-- was refused, connection errors, seconds and latencies in microseconds.  Requests are put together from prepared
-- parts, for the driver shares the processors with what it measures.

local threads = {}

function setup(thread)
	table.insert(threads, thread)
	thread:set("number", #threads)
end

function init(args)
	local cipher = string.rep("Q2lwaGVydGV4dCBv", 16)
	tail = string.format('","ciphertext":"%s","messageType":"text"}', cipher)
	local length = #'{"clientMessageId":"' + 36 + #tail
	heads, sent = {}, 0
	for line in io.lines(args[1]) do
		local path, token = line:match("([^\t]+)\t([^\t]+)")
		table.insert(heads, string.format(
			"POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n" ..
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"clientMessageId\":\"",
			path, args[2], token, length))
	end
	local seed = io.open("/dev/urandom", "rb")
	local a, b, c, d, e, f = seed:read(6):byte(1, 6)
	seed:close()
	math.randomseed(((a * 256 + b) * 256 + c) * 256 + d)
	run = string.format("%02x%02x%02x%02x-%02x%02x-4%03x-8000", a, b, c, d, e, f, number)
end

function request()
	sent = sent + 1
	return heads[math.random(#heads)] .. string.format("%s-%012x", run, sent) .. tail
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'\n{"created":%d,"refused":%d,"errors":%d,"seconds":%.6f,"p50":%d,"p99":%d,"max":%d}\n',
		summary.requests - e.status, e.status, e.connect + e.read + e.write + e.timeout,
		summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max))
end
