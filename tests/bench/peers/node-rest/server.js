// node-rest: the operations that are measured (send, list, sync) as a Node server would have them, over the same schema and
// functions, the same Redis and the same tokens as the farm it is measured beside.  Two processes share the port; the settings are
// those of go-rest/main.go.
import cluster from 'node:cluster';
import Fastify from 'fastify';

import { admission } from './admit.js';
import { openStore } from './store.js';
import { Refusal } from './refusal.js';
import { redis, setting } from './settings.js';

const WORKERS = 2;
const BODY_MAX = 256 * 1024;
const FORMATTED_MAX = 65536;
const UUID = { type: 'string', format: 'uuid' };

const draft = {
	type: 'object',
	required: ['ciphertext'],
	properties: {
		clientMessageId: { type: 'string', minLength: 1, maxLength: 128 },
		ciphertext: { type: 'string', minLength: 1 },
		senderDeviceId: UUID,
		sentAt: { type: 'string', format: 'date-time' },
		ciphertextFormat: { type: 'string', minLength: 1, maxLength: 64 },
		formatting: {
			type: 'object',
			properties: {
				textLength: { type: 'integer', minimum: 0, maximum: 65536 },
				entities: {
					type: 'array',
					maxItems: 1000,
					items: {
						type: 'object',
						required: ['type', 'offset', 'length'],
						properties: {
							type: { enum: ['bold', 'italic', 'strikethrough', 'underline', 'code',
								'monospace', 'quote', 'list', 'link', 'spoiler'] },
							offset: { type: 'integer' },
							length: { type: 'integer' },
							url: { type: 'string', maxLength: 2048 },
						},
					},
				},
			},
		},
	},
};

const sent = {
	type: 'object',
	properties: {
		id: { type: 'string' }, messageId: { type: 'string' }, conversationId: { type: 'string' },
		chatId: { type: 'string' }, type: { type: 'string' }, status: { type: 'string' },
		serverTimestamp: { type: 'string' }, seq: { type: 'integer' },
	},
};

const pages = {
	type: 'object',
	required: ['page', 'pageSize'],
	properties: {
		page: { type: 'string', pattern: '^([1-9][0-9]{0,7}|100000000)$' },
		pageSize: { type: 'string', pattern: '^([1-9][0-9]?|100)$' },
		cursor: { type: 'string', maxLength: 200 },
	},
};

const inConversation = { type: 'object', properties: { id: UUID } };

function checkFormatting(formatting) {
	const end = formatting?.textLength ?? FORMATTED_MAX;

	formatting?.entities?.forEach(({ offset, length }, i) => {
		if (offset < 0 || length < 1 || offset > end || length > end - offset)
			throw new Refusal(422, `formatting.entities[${i}]`, 'lies outside the text');
	});
}

// What a message carries beside the fixed fields.
function extras({ sentAt, ciphertextFormat, formatting }) {
	return sentAt === undefined && ciphertextFormat === undefined && formatting === undefined
		? null : { sentAt: sentAt && new Date(sentAt).toISOString(), ciphertextFormat, formatting };
}

function answerError(error, request, reply) {
	const problem = { type: 'about:blank', status: error.statusCode ?? 500, detail: error.message };
	const first = error.validation?.[0];

	if (first) {
		problem.field = first.params.missingProperty
			?? first.instancePath.slice(1).replace(/\/(\d+)/g, '[$1]').replaceAll('/', '.');
		if (problem.field === 'id')
			problem.field = 'conversationId';
	}
	Object.assign(problem, error.extra);
	problem.title = String(problem.status);
	if (problem.status >= 500) {
		console.error(error);
		delete problem.detail;
	}
	reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

async function serve() {
	const app = Fastify({
		bodyLimit: BODY_MAX,
		ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
	});
	const store = openStore(), messageMax = Number(setting('MESSAGE_MAX')), keep = setting('STREAM_KEEP');
	const admit = { messages: admission('messages'), sync: admission('sync') };

	app.setErrorHandler(answerError);
	app.decorateRequest('who', null);

	app.post('/api/v1/conversations/:id/messages', {
		onRequest: admit.messages,
		schema: { params: inConversation, body: draft, response: { 201: sent } },
	}, async (request, reply) => {
		const { body, who } = request, conversationId = request.params.id;

		if (body.senderDeviceId !== undefined && body.senderDeviceId !== who.did)
			throw new Refusal(403, 'senderDeviceId', 'is not the device that sends');
		checkFormatting(body.formatting);
		if (Buffer.byteLength(body.ciphertext) > messageMax)
			throw new Refusal(413, 'ciphertext', 'is too large');
		const meta = extras(body);
		const m = await store.insert(who, conversationId, body, meta);
		const payload = JSON.stringify({
			messageId: m.id, conversationId, seq: m.seq, senderId: who.sub, senderDeviceId: who.did, type: 'text',
			ciphertext: body.ciphertext, clientMessageId: body.clientMessageId, createdAt: m.createdAt, version: 1,
			...meta,
		});
		const event = ['rt', 'MAXLEN', '~', keep, '*', 'id', m.id, 't', 'message.new', 'c', conversationId,
			'v', m.memberVersion, 's', m.seq, 'not', who.did, 'j', payload];

		if (m.recipients)
			event.push('to', m.recipients);
		// Not waited for: the row is committed, and an event that is lost here, the sweeper adds.
		redis.xadd(...event).catch((error) => console.error(error));
		reply.code(201);
		return {
			id: m.id, messageId: m.id, conversationId, chatId: conversationId, type: 'text', status: 'queued',
			serverTimestamp: m.createdAt, seq: m.seq,
		};
	});

	app.get('/api/v1/conversations/:id/messages', {
		onRequest: admit.sync,
		schema: { params: inConversation, querystring: pages },
	}, async (request) => {
		const page = Number(request.query.page), pageSize = Number(request.query.pageSize);
		const { items, total } = await store.history(request.who.sub, request.params.id, pageSize, (page - 1) * pageSize);

		return { items, page, pageSize, total };
	});

	app.get('/api/v1/messages/sync', {
		onRequest: admit.sync,
		schema: { querystring: pages },
	}, async (request) => {
		const page = Number(request.query.page), pageSize = Number(request.query.pageSize);

		return store.changes(request.who.sub, request.query.cursor, pageSize, (page - 1) * pageSize);
	});

	await app.listen({ host: '127.0.0.1', port: Number(setting('PORT')) });
}

if (cluster.isPrimary) {
	for (let i = 0; i < WORKERS; i++)
		cluster.fork();
	cluster.on('exit', () => process.exit(1));
	process.on('SIGTERM', () => process.exit(0)); // the workers go with the channel to here
} else {
	await serve();
}
