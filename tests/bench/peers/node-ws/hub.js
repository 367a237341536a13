// Who is there, and what was said lately.
const KEPT = 64;

class Channel {
	clients = new Set();
	history = [];
	cut = false; // the history does not reach back to the beginning

	add(entry) {
		if (this.history.length === KEPT) {
			this.history.shift();
			this.cut = true;
		}
		this.history.push(entry);
	}
}

function parse(id) {
	const parts = /^(\d+)-(\d+)$/.exec(id ?? '');

	return parts && { ms: Number(parts[1]), n: Number(parts[2]) };
}

function after(a, b) {
	return a.ms > b.ms || (a.ms === b.ms && a.n > b.n);
}

export class Hub {
	channels = new Map();
	last = '0-0';

	channel(name) {
		let channel = this.channels.get(name);

		if (!channel)
			this.channels.set(name, channel = new Channel());
		return channel;
	}

	// What was missed of the channels, in order; null when that is not known any more.
	missed(from, channels) {
		const found = [];

		for (const channel of channels) {
			if (channel.cut && after(channel.history[0], from))
				return null;
			found.push(...channel.history.filter((entry) => after(entry, from)));
		}
		return found.sort((a, b) => a.ms - b.ms || a.n - b.n);
	}

	join(ws, user, group, resume, send) {
		const from = parse(resume);

		ws.channels = [user, group].filter(Boolean).map((name) => this.channel(name));
		const found = from && this.missed(from, ws.channels);

		send(ws, `{"type":"ready","data":{"recovered":${Boolean(found)},"cursor":"${this.last}"}}`);
		for (const entry of found ?? [])
			send(ws, entry.data);
		for (const channel of ws.channels)
			channel.clients.add(ws);
	}

	leave(ws) {
		for (const channel of ws.channels)
			channel.clients.delete(ws);
	}

	publish(name, id, data, send) {
		const channel = this.channel(name);
		const entry = { ...parse(id), data: Buffer.from(`{"type":"message.new","cursor":"${id}","data":${data}}`) };

		channel.add(entry);
		this.last = id;
		for (const ws of channel.clients)
			send(ws, entry.data);
	}
}
