// Who is admitted: token, revocation, rate limit.
import { readdirSync, readFileSync } from 'node:fs';
import { createVerifier } from 'fast-jwt';

import { Refusal } from './refusal.js';
import { redis, setting } from './settings.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// The public keys of a directory: token-KID.pub in PEM.  Verified tokens are remembered.
function verifiers(directory) {
	const known = new Map();

	for (const name of readdirSync(directory)) {
		const kid = /^token-([0-9a-f]{20})\.pub$/.exec(name)?.[1];

		if (kid)
			known.set(kid, createVerifier({
				key: readFileSync(`${directory}/${name}`), algorithms: ['ES256'], cache: 8192,
				allowedIss: 'rookery', requiredClaims: ['exp', 'sub', 'sid', 'did'],
			}));
	}
	return known;
}

const known = verifiers(setting('KEYS'));

function verify(header) {
	if (!header?.startsWith('Bearer '))
		throw new Refusal(401, null, 'no token');
	try {
		const token = header.slice(7);
		const { kid } = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url'));
		const claims = known.get(kid)(token);

		if ([claims.sub, claims.sid, claims.did].every((id) => UUID.test(id)))
			return claims;
	} catch {
		// Whatever is wrong with it: the answer is the same.
	}
	throw new Refusal(401, null, 'the access token is invalid or has expired');
}

// The hook of the operations of a rate class.
export function admission(name) {
	const [count, window] = setting(`LIMIT_${name.toUpperCase()}`).split('/').map(Number);

	return async (request, reply) => {
		const who = verify(request.headers.authorization);
		const now = Math.floor(Date.now() / 1000), reset = window - now % window;
		const key = `rl:${name}:${who.sub}:${Math.floor(now / window)}`;
		const [revoked, used] = await Promise.all([
			redis.exists(`rev:${who.sid}`), redis.incr(key), redis.expire(key, window + 1)]);

		if (revoked)
			throw new Refusal(401, null, 'the session has ended');
		reply.header('RateLimit-Limit', count);
		reply.header('RateLimit-Remaining', Math.max(0, count - used));
		reply.header('RateLimit-Reset', reset);
		if (used > count) {
			reply.header('Retry-After', reset);
			throw new Refusal(429, null, 'too many requests');
		}
		request.who = who;
	};
}
