// A WebSocket server as a user of ws would write it well: no compression, one buffer for all receivers, a bound on what a
// slow client may leave unread.  What is published in the Redis stream "bench" goes to one user ("to") or to everybody of
// a group ("group"), and is kept for those who come back.
import { createServer } from 'node:http';
import Redis from 'ioredis';
import { WebSocketServer } from 'ws';

import { Hub } from './hub.js';
import { verify } from './tokens.js';

const AUTH_TIME = 10000, PING_TIME = 25000, UNREAD_MOST = 1 << 20, MESSAGE_MOST = 65536;

export function setting(name) {
	const value = process.env[`PEER_${name}`];

	if (!value)
		throw new Error(`PEER_${name} is not set`);
	return value;
}

const redis = new Redis(setting('REDIS'), { enableAutoPipelining: true });
const reader = new Redis(setting('REDIS'));
const hub = new Hub();

function send(ws, data) {
	if (ws.bufferedAmount > UNREAD_MOST)
		ws.terminate();
	else
		ws.send(data, { binary: false });
}

async function signIn(ws, group, text) {
	const said = JSON.parse(text);
	const who = said.type === 'auth' && verify(said.token);

	if (!who || await redis.exists(`rev:${who.sid}`)) {
		ws.close(4401, 'token');
		return;
	}
	hub.join(ws, who.sub, group, said.resume, send);
	ws.on('close', () => hub.leave(ws));
}

const server = createServer((request, response) => response.writeHead(404).end());
const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: MESSAGE_MOST, skipUTF8Validation: false });

sockets.on('connection', (ws, request) => {
	const group = new URL(request.url, 'http://localhost').searchParams.get('group');
	const late = setTimeout(() => ws.close(4401, 'no token in time'), AUTH_TIME);

	ws.alive = true;
	ws.on('pong', () => { ws.alive = true; });
	ws.on('error', () => ws.terminate());
	ws.once('message', (text) => {
		clearTimeout(late);
		signIn(ws, group, text).catch(() => ws.close(4400, 'auth is expected'));
	});
	ws.once('close', () => clearTimeout(late));
});

setInterval(() => {
	for (const ws of sockets.clients) {
		if (!ws.alive) {
			ws.terminate();
			continue;
		}
		ws.alive = false;
		ws.ping();
	}
}, PING_TIME);

async function tail() {
	for (let at = '$'; ;) {
		const [[, entries]] = await reader.xread('COUNT', 1000, 'BLOCK', 0, 'STREAMS', 'bench', at);

		for (const [id, fields] of entries) {
			const entry = {};

			for (let i = 0; i < fields.length; i += 2)
				entry[fields[i]] = fields[i + 1];
			hub.publish(entry.to ?? entry.group, id, entry.j, send);
			at = id;
		}
	}
}

tail();
server.listen({ host: '127.0.0.1', port: setting('PORT'), backlog: 4096 });
