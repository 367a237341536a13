/* The list of all settings, and the file made from it: see conf_table.h. */
#include "conf_table.h"

#include <stddef.h>
#include "conf.h"

/* clang-format off */
#define GROUP(text) {text, SET_GROUP, 0, 0, 0, 0}
#define TEXT(name, dflt, about) {name, SET_TEXT, dflt, 0, 0, about}
#define CHOICE(name, dflt, words, about) {name, SET_CHOICE, dflt, words, 0, about}
#define COUNT(name, dflt, min, max, about) {name, SET_COUNT, dflt, min, max, about}
#define DURATION(name, dflt, min, max, about) {name, SET_DURATION, dflt, min, max, about}
#define SIZE(name, dflt, min, max, about) {name, SET_SIZE, dflt, min, max, about}
#define BOOL(name, dflt, about) {name, SET_BOOL, dflt, 0, 0, about}
#define LIMIT(name, dflt, about) {name, SET_LIMIT, dflt, 0, 0, about}
#define SECRET(name, about) {name, SET_SECRET, "", 0, 0, about}
#define PORT(name, dflt, about) COUNT(name, dflt, "1", "65535", about)

#ifndef ROOKERY_STATEDIR
#define ROOKERY_STATEDIR "/var/lib/rookery"
#endif

const struct setting conf_table[] = {
	GROUP("Where things are"),
	TEXT("run.dir", ROOKERY_STATEDIR, "Run directory: sockets, keys, logs, database ($ROOKERY_RUN)"),
	TEXT("data.dir", "RUN/data", "Files that outlive a request: media, exports"),

	GROUP("PostgreSQL"),
	TEXT("db.host", "RUN/pg-socket", "Socket directory or host name of PostgreSQL"),
	PORT("db.port", "5432", "Port; names the socket file when db.host is a directory"),
	TEXT("db.name", "rookery", "Database"),
	TEXT("db.user", "rookery", "Role"),
	SECRET("db.password", "Password of the role, when the server asks for one"),
	DURATION("db.idle", "30s", "1s", "1d", "Idle time after which a worker closes its connection"),
	DURATION("db.timeout", "15s", "1s", "1h", "A statement running longer is cancelled"),

	GROUP("Redis"),
	TEXT("redis.socket", "RUN/redis/redis.sock", "Unix socket of Redis"),
	DURATION("redis.timeout", "2s", "1s", "1m", "A command without an answer for so long has failed"),
	SIZE("redis.memory", "512m", "16m", NULL, "maxmemory of the private Redis"),

	GROUP("Web server"),
	CHOICE("http.server", "lighttpd", "lighttpd|apache", "Web server that ./rookery up starts"),
	TEXT("http.bind", "127.0.0.1", "Address that the ports below listen on"),
	PORT("whatsapp.port", "8080", "Port of the surface whatsapp"),
	PORT("sentinal.port", "8081", "Port of the surface sentinal"),
	PORT("gateway.port", "8082", "Port of the surface gateway"),
	PORT("chatcall.port", "8083", "Port of the surface chatcall"),
	PORT("intok.port", "3001", "Port of the surface intok"),
	COUNT("http.workers", "2", "1", "64", "Worker processes of lighttpd"),
	COUNT("http.connections", "8192", "64", "1000000", "Open connections the web server accepts"),

	GROUP("Apps"),
	COUNT("workers.max", "4", "1", "64", "Most worker processes of one app"),
	COUNT("workers.batch", "32", "1", "64", "Most waiting requests a worker takes in one batch"),
	DURATION("workers.idle", "30s", "1s", "1d", "A surplus worker without work for so long ends"),
	DURATION("workers.drain", "30s", "1s", "1h", "Time a worker has to finish when its app restarts or stops"),
	SIZE("body.max", "1m", "1k", "1g", "Largest request body of operations that name no limit"),
	SIZE("upload.max", "100m", "16m", "16g", "Largest raw or multipart request body"),
	TEXT("upload.dir", "RUN/tmp", "Where raw and multipart bodies are kept while they are read"),
	DURATION("idempotency.keep", "24h", "1m", "30d", "An answer is repeated for its Idempotency-Key so long"),

	GROUP("Sign-in"),
	DURATION("token.lifetime", "15m", "1m", "1d", "Lifetime of an access token"),
	DURATION("session.lifetime", "60d", "1h", "3650d", "A session ends when it was not refreshed for so long"),
	DURATION("sentinal.token_lifetime", "12h", "1m", "1d", "Lifetime of an access token on the surface sentinal"),
	DURATION("sentinal.session_lifetime", "14d", "1h", "3650d", "A session of the surface sentinal ends when it was not refreshed for so long"),
	DURATION("login.lifetime", "10m", "1m", "1d", "Time to answer the second step of a sign-in"),
	COUNT("pin.attempts", "5", "1", "100", "Wrong PINs before the account's second step is locked"),
	DURATION("pin.lock", "15m", "1s", "30d", "How long it is locked then"),
	DURATION("ticket.lifetime", "60s", "5s", "10m", "Lifetime of a WebSocket ticket, usable once"),

	GROUP("One-time codes"),
	COUNT("otp.digits", "6", "4", "9", "Digits of a code"),
	DURATION("otp.lifetime", "10m", "30s", "1d", "Lifetime of a code"),
	COUNT("otp.attempts", "5", "1", "100", "Wrong codes before the registration is closed"),
	DURATION("otp.resend", "60s", "0s", "1d", "Time between two codes of one registration"),
	COUNT("otp.sends", "5", "1", "100", "Most codes sent for one registration"),
	CHOICE("otp.provider", "dev", "dev|http", "dev: shown by ./rookery otp PHONE; http: posted to otp.url"),
	TEXT("otp.url", "", "Address of the provider (form-encoded POST)"),
	TEXT("otp.account", "", "User name at the provider (HTTP basic authentication)"),
	SECRET("otp.secret", "Password at the provider"),
	TEXT("otp.from", "", "Sender shown to the receiver"),
	DURATION("otp.timeout", "10s", "1s", "2m", "The provider has so long to answer"),

	GROUP("Request limits: count/seconds for each account, or address before sign-in; 0 is unlimited"),
	LIMIT("limit.general", "600/60", "Operations of no other class"),
	LIMIT("limit.auth", "20/60", "Sign-in, codes, PINs and refreshing"),
	LIMIT("limit.codes", "10/3600", "One-time codes sent to one phone number, whoever asks for them"),
	LIMIT("limit.messages", "3000/60", "Sending, editing and deleting messages"),
	LIMIT("limit.sync", "600/60", "Reading queues and histories"),
	LIMIT("limit.acks", "6000/60", "Acknowledging messages"),
	LIMIT("limit.reactions", "600/60", "Reactions"),
	LIMIT("limit.keys", "300/60", "Uploading and taking key material"),
	LIMIT("limit.contacts", "600/60", "Contacts and blocks"),
	LIMIT("limit.contact_sync", "60/3600", "Address books matched; each may hold contacts.max numbers"),
	LIMIT("limit.groups", "120/60", "Making and changing groups"),
	LIMIT("limit.invitations", "20/3600", "Invitations sent to people without an account"),
	LIMIT("limit.qr", "30/3600", "QR codes made"),
	LIMIT("limit.health", "0", "Health checks and metrics"),
	LIMIT("limit.presence", "2000/60", "People that an account begins to follow, in each relay process"),
	LIMIT("limit.typing", "120/60", "Typing of an account that is told to others, in each relay process"),
	LIMIT("limit.media", "120/60", "Uploads and downloads"),

	LIMIT("limit.sentinal.general", "100/60", "Surface sentinal: operations of no other class"),
	LIMIT("limit.sentinal.auth", "5/60", "Surface sentinal: registering, signing in and passwords"),
	LIMIT("limit.sentinal.messages", "30/60", "Surface sentinal: sending messages"),
	LIMIT("limit.sentinal.calls", "10/60", "Surface sentinal: beginning calls"),
	LIMIT("limit.sentinal.signals", "1200/60", "Surface sentinal: what devices in a call tell each other"),
	LIMIT("limit.sentinal.uploads", "600/60", "Surface sentinal: pieces of files, sent and fetched"),
	LIMIT("limit.sentinal.health", "0", "Surface sentinal: health checks"),

	GROUP("Messages, groups and queues"),
	SIZE("message.max", "64k", "1k", "16m", "Largest ciphertext of one message to one device"),
	DURATION("message.keep_deleted", "30d", "0s", "3650d", "Rows of deleted messages are kept so long"),
	COUNT("group.max", "1024", "2", "1024", "Members of a group"),
	COUNT("broadcast.max", "256", "1", "100000", "Receivers of a broadcast, as clients are told"),
	COUNT("forward.max", "20", "1", "1000", "Conversations one message is forwarded to at once"),
	COUNT("contacts.max", "20000", "1", "1000000", "Contacts of one account, and entries of an address book"),
	COUNT("device.max", "8", "1", "100", "Devices of one account"),
	COUNT("prekeys.max", "1000", "1", "100000", "One-time prekeys kept for one device"),
	COUNT("prekeys.low", "20", "0", "10000", "A device is told when fewer one-time prekeys are left"),
	COUNT("queue.max", "10000", "1", "1000000", "Messages in one offline queue"),
	DURATION("queue.keep", "30d", "1h", "3650d", "An undelivered message is kept so long"),
	DURATION("web.session.lifetime", "14d", "1h", "3650d", "A linked web client is signed out after so long"),
	SIZE("document.max", "2g", "1k", "16g", "Largest document"),
	SIZE("image.max", "16m", "1k", "1g", "Largest picture"),
	SIZE("video.max", "100m", "1k", "16g", "Largest video"),
	SIZE("audio.max", "16m", "1k", "1g", "Largest sound"),
	COUNT("upload.open", "32", "1", "100000", "Unfinished uploads of one account"),
	SIZE("upload.quota", "10g", "1m", NULL, "Bytes of one account's uploads, the announced ones counted"),
	DURATION("upload.keep", "1d", "1m", "365d", "An unfinished upload that nothing comes for has failed after so long"),
	DURATION("media.keep", "1d", "1h", "3650d", "An uploaded file that nothing names is kept so long"),
	DURATION("media.url_lifetime", "1h", "1s", "7d", "The address of a file's content can be used so long"),
	DURATION("status.lifetime", "24h", "1h", "30d", "A status is shown so long, as clients are told"),
	TEXT("qr.link", "rookery://contact/", "Beginning of the links in QR codes; a token follows"),
	DURATION("qr.validity", "1d", "1m", "3650d", "Validity of a QR code that names none"),
	DURATION("qr.max_validity", "30d", "1m", "3650d", "Longest validity of a QR code"),
	DURATION("invitation.lifetime", "30d", "1h", "3650d", "Validity of an invitation"),
	TEXT("invite.link", "rookery://invite/", "Beginning of the links that bring people into a group; a code follows"),
	TEXT("invitation.link", "", "Where people get the app: the last line of an invitation"),

	GROUP("Events"),
	COUNT("events.keep", "20000", "1000", "10000000", "Events a client can resume from, in PostgreSQL"),
	COUNT("events.stream_keep", "20000", "1000", "10000000", "Entries kept in the Redis stream"),

	GROUP("Relay (WebSocket)"),
	COUNT("relay.port", "0", "0", "65535", "Port the relay itself also listens on; 0 is none"),
	TEXT("relay.bind", "127.0.0.1", "Address of that port"),
	DURATION("relay.auth_timeout", "10s", "1s", "5m", "A connection has so long to name its account"),
	DURATION("relay.ping", "25s", "1s", "1h", "Time between pings"),
	DURATION("relay.idle", "75s", "2s", "1d", "A connection that shows no life for so long is closed"),
	SIZE("relay.log_bytes", "32m", "1m", "16g", "Encoded events the relay keeps for slow and resuming clients"),
	DURATION("relay.max_lag", "10s", "1s", "1h", "Age of a waiting event from which on clients are told that events are late, and the relay is not ready"),
	COUNT("relay.gap_ms", "5000", "0", "60000", "Milliseconds to wait for a missing sequence number"),
	TEXT("relay.origins", "", "Foreign Origin headers that are allowed, separated by blanks; the server's own always is"),
	BOOL("relay.deflate", "yes", "Compress what is sent to clients that offer permessage-deflate"),
	SIZE("relay.deflate_from", "1k", "1", "1m", "Smaller messages are sent to them as they are"),
	COUNT("relay.processes", "1", "1", "16", "Processes that share the connections; each keeps a log of relay.log_bytes"),
	BOOL("relay.realtime", "yes", "Deliver before other processes get their turn, where the system allows realtime scheduling; while busy for long it is an ordinary process"),
	COUNT("relay.max_connections", "20000", "1", "10000000", "Most connections, of all processes together"),
	COUNT("relay.max_per_account", "20", "1", "10000", "Most connections of one account; SURFACE.relay.max_per_account where a surface has its own"),
	COUNT("relay.new_per_account", "120", "0", "4000", "Most new connections of one account in a minute; 0 is unlimited; SURFACE.relay.new_per_account likewise"),
	COUNT("relay.max_per_address", "20000", "1", "1000000", "Most connections of one address, or of one IPv6 network of 64 bits"),
	COUNT("relay.accept_rate", "10000", "0", "1000000", "Most connections accepted in a second; 0 is unlimited"),
	COUNT("relay.drain_ms", "3000", "0", "600000", "Milliseconds over which connections are ended at a stop"),
	COUNT("relay.calls", "128", "1", "10000", "Most operations one relay process has under way for its clients; more wait"),
	COUNT("relay.calls_per_connection", "8", "1", "1000", "Most of them for one connection"),
	COUNT("relay.queue_window", "256", "1", "1000", "Most messages of a device's queue that are sent and not acknowledged"),
	COUNT("typing.members", "256", "2", "1024", "Largest conversation whose members are told who is typing"),
	DURATION("typing.expire", "6s", "1s", "1m", "Who has said nothing more for so long is not typing any more"),
	DURATION("presence.grace", "5s", "0s", "5m", "Who is back within that time was never offline"),
	DURATION("presence.expire", "30s", "3s", "10m", "Who was connected to a relay that died is offline after so long"),
	COUNT("presence.watch", "200", "1", "10000", "Most people whose presence a connection follows"),
	DURATION("relay.call_timeout", "15s", "1s", "10m", "An operation called for a client has so long to answer"),
	SIZE("relay.call_reply", "256k", "1k", "16m", "Largest answer of an operation over a socket"),

	COUNT("sentinal.relay.max_per_account", "10", "1", "10000", "Most connections of one account of the surface sentinal"),
	COUNT("sentinal.relay.new_per_account", "10", "0", "4000", "Most new connections of such an account in a minute; 0 is unlimited"),

	GROUP("Jobs"),
	DURATION("jobs.tick", "1s", "1s", "10s", "How often the jobs daemon looks for due work"),
	DURATION("jobs.sweep", "10s", "1s", "1h", "How far back the sweeper compares events with the stream"),
	COUNT("jobs.batch", "500", "1", "100000", "Rows one job changes in one transaction"),
	DURATION("jobs.expire", "60s", "1s", "1d", "How often rows that have had their time are removed"),
	DURATION("jobs.settle", "1h", "1s", "1d", "How often positions of devices that mostly send are moved up"),
	DURATION("jobs.keep_failed", "7d", "1h", "3650d", "Failed deliveries are kept so long"),

	GROUP("Calls"),
	DURATION("call.ring", "60s", "5s", "1h", "A call that nobody answers is missed after so long"),
	DURATION("call.idle", "12h", "10m", "30d", "A call ends when none of its participants gave a sign for so long"),
	COUNT("call.participants", "1024", "2", "1024", "Participants of one call"),
	DURATION("call.keep", "365d", "1d", "3650d", "Ended calls are kept so long"),
	DURATION("call.quality_keep", "30d", "1h", "3650d", "What devices measured in calls is kept so long"),
	TEXT("turn.uris", "", "STUN and TURN servers for clients, separated by blanks: turn:turn.example.org:3478?transport=udp; empty: no calls"),
	SECRET("turn.secret", "Secret shared with the TURN server (coturn: static-auth-secret)"),
	DURATION("turn.lifetime", "1h", "1m", "1d", "Lifetime of the credentials handed out"),

	GROUP("Mail"),
	TEXT("smtp.url", "", "smtp://HOST:PORT or smtps://HOST:PORT; empty sends no mail"),
	TEXT("smtp.user", "", "User name at the mail server"),
	SECRET("smtp.password", "Password at the mail server"),
	TEXT("smtp.from", "", "Sender address"),

	GROUP("Operation"),
	CHOICE("log.level", "info", "debug|info|warn|error", "Least important lines that are logged"),
	SECRET("operator.token", "Bearer token of the operator: metrics and operator pages from afar"),
};
const int conf_table_n = sizeof(conf_table) / sizeof(*conf_table);
/* clang-format on */

void
conf_template(FILE *out)
{
	fputs("# Settings of Rookery.  A line NAME = VALUE changes one; what is commented out is "
	      "the default.\n"
	      "# The environment comes first: db.name is overridden by ROOKERY_DB_NAME.  Durations "
	      "take s, m, h\n"
	      "# or d, sizes k, m or g; RUN/ at the start of a value stands for the run directory. "
	      " Secrets are\n"
	      "# files of mode 600 in RUN/keys, or environment variables.\n",
	    out);
	for (int i = 0; i < conf_table_n; i++) {
		const struct setting *set = &conf_table[i];

		if (set->type == SET_GROUP)
			fprintf(out, "\n# ---- %s\n\n", set->name);
		else if (set->type == SET_SECRET)
			fprintf(out, "# %s: file RUN/keys/%s\n\n", set->about, set->name);
		else
			fprintf(out, "# %s\n#%s = %s\n\n", set->about, set->name, set->dflt);
	}
}
