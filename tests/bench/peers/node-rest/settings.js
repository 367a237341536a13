// Settings (PEER_…), and the connection to Redis: one a process, whose commands go out together.
import Redis from 'ioredis';

export function setting(name) {
	const value = process.env[`PEER_${name}`];

	if (!value)
		throw new Error(`PEER_${name} is not set`);
	return value;
}

export const redis = new Redis({ path: setting('REDIS'), enableAutoPipelining: true });
