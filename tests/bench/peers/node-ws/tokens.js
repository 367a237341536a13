// Access tokens: ES256, by the public keys of a directory (token-KID.pub in PEM).  Verified ones are remembered.
import { readdirSync, readFileSync } from 'node:fs';
import { createVerifier } from 'fast-jwt';

const directory = process.env.PEER_KEYS;
const known = new Map();

for (const name of readdirSync(directory)) {
	const kid = /^token-([0-9a-f]{20})\.pub$/.exec(name)?.[1];

	if (kid)
		known.set(kid, createVerifier({
			key: readFileSync(`${directory}/${name}`), algorithms: ['ES256'], cache: 65536,
			allowedIss: 'rookery', requiredClaims: ['exp', 'sub', 'sid', 'did'],
		}));
}

// The claims, or null.
export function verify(token) {
	try {
		const { kid } = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url'));

		return known.get(kid)(token);
	} catch {
		return null;
	}
}
