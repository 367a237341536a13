// PostgreSQL: statements are named, so each is prepared once a connection.
import { randomBytes } from 'node:crypto';
import pg from 'pg';

import { Refusal } from './refusal.js';

const POOL = 8; // connections a process

const INSERT = `SELECT status, message_id, seq, member_version, created_at, recipients, problem
FROM message_send(ARRAY[$1::uuid], ARRAY[$2::uuid], ARRAY[$3::uuid], ARRAY[$4::uuid], NULL, ARRAY[$5::text], ARRAY['text'],
	ARRAY[$6::text], ARRAY[$7::jsonb])`;
const HISTORY = `SELECT * FROM conversation_page($1::uuid, $2::uuid, NULL, NULL, $3::bigint, $4::bigint, NULL)`;
const CHANGES = `SELECT * FROM message_changes_page($1::uuid, $2::text, NULL, $3::integer, $4::integer, NULL)`;

// A UUIDv7: 48 bits of milliseconds, then randomness.
function newId() {
	const b = randomBytes(16);

	b.writeUIntBE(Date.now(), 0, 6);
	b[6] = b[6] & 0x0f | 0x70;
	b[8] = b[8] & 0x3f | 0x80;
	const hex = b.toString('hex');
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

// Functions of the schema refuse with SQLSTATE RKnnn: an HTTP status, the field as the hint.
function refused(error) {
	throw error.code?.startsWith('RK')
		? new Refusal(Number(error.code.slice(2)), error.hint, error.message) : error;
}

function view(row) {
	return {
		messageId: row.id, conversationId: row.conversation_id, seq: Number(row.seq), senderId: row.sender_id,
		senderDeviceId: row.sender_device_id ?? undefined, type: row.kind, ciphertext: row.body ?? undefined,
		clientMessageId: row.client_id ?? undefined, createdAt: row.created_at,
		quotedMessageId: row.reply_to_id ?? undefined, expiresAt: row.expires_at ?? undefined,
		ttlSeconds: row.ttl_seconds ?? undefined, version: row.version, editedAt: row.edited_at ?? undefined,
		deletedAt: row.deleted_at ?? undefined, reactionCount: row.reaction_count || undefined, ...(row.meta && JSON.parse(row.meta)),
	};
}

export function openStore() {
	const pool = new pg.Pool({ max: POOL, options: '-c timezone=UTC' }); // PGHOST and so on say where
	const query = (name, text, values) => pool.query({ name, text, values });

	return {
		async insert(who, conversationId, { clientMessageId, ciphertext }, meta) {
			const id = newId();
			const { rows: [row] } = await query('insert', INSERT,
				[id, who.sub, who.did, conversationId, clientMessageId, ciphertext, meta && JSON.stringify(meta)]);

			if (row.status)
				throw new Refusal(row.status, row.problem, 'was refused',
					row.message_id && { messageId: row.message_id });
			return { id, seq: Number(row.seq), createdAt: row.created_at.toISOString(),
				memberVersion: row.member_version, recipients: row.recipients };
		},

		// A page of a conversation, newest first.  An empty one is a row with the total alone.
		async history(account, conversationId, limit, offset) {
			const { rows } = await query('history', HISTORY, [account, conversationId, limit, offset]).catch(refused);

			return { items: rows.filter((row) => row.id).map(view), total: Number(rows[0].total) };
		},

		// A page of changes.  When there are more, one too many comes; the last row has the cursor of the end.
		async changes(account, cursor, limit, offset) {
			const { rows } = await query('changes', CHANGES, [account, cursor, limit, offset]).catch(refused);
			const end = rows.pop(), hasMore = rows.length > limit;

			return { nextCursor: hasMore ? rows[limit - 1].cursor : end.cursor, hasMore, messages: rows.slice(0, limit).map(view) };
		},
	};
}
