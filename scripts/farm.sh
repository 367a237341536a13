# Starting, stopping and restarting what runs, and waiting until it is ready.

at()
{
	echo "$RUN/service/$1"
}

supervisor_alive()
{
	local pid
	pid=$(cat "$RUN/runsvdir.pid" 2>/dev/null) && [ -n "$pid" ] &&
		[ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" = "runsvdir -P $RUN/service " ]
}

start_supervisor()
{
	local name CAPS=
	if ! supervisor_alive; then
		# A clean environment, no terminal, no lock: the farm outlives the command that started it.
		# shellcheck disable=SC2086
		! is_root || ! setpriv $RELAY_CAPS true 2>/dev/null || CAPS=$RELAY_CAPS
		exec_as_user env -i PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin HOME="$RUN" \
			LANG=C.UTF-8 setsid sh -c 'echo $$ >"$0/runsvdir.pid"; exec runsvdir -P "$0/service"' "$RUN" \
			</dev/null >>"$RUN/log/runsvdir.log" 2>&1 3>&- 9>&- &
		disown
	fi
	# shellcheck disable=SC2046
	wait_for 12 sv status $(services | sed "s|^|$RUN/service/|") && return
	for name in $(services); do
		sv status "$(at "$name")" || die "runit does not take up the service $name."
	done
}

STARTED= # by this command
start() # NAME …: all at once
{
	local name places=()
	[ $# -gt 0 ] || return 0
	for name in "$@"; do
		runs "$name" && continue
		STARTED="$STARTED $name"
		places+=("$(at "$name")")
	done
	[ ${#places[@]} -gt 0 ] || return 0
	# "sv -w" would look only every 0.42 seconds.
	sv up "${places[@]}" >/dev/null
	wait_for 10 all_run "${places[@]}"
	for name in $STARTED; do
		runs "$name" || die "the service $name does not start; see ./rookery logs $name."
		touch "$(at "$name")/since"
	done
}

all_run() # PLACE …
{
	local states
	states=$(sv status "$@" 2>&1)
	! grep -qv '^run:' <<<"$states"
}

# renew NAME …: start services, or start them anew when their commands or own settings are others than before.
renew()
{
	local name places=()
	for name in "$@"; do
		case " $CHANGED " in
		*" $name "*) ;;
		*) continue ;;
		esac
		runs "$name" || continue
		STARTED="$STARTED $name"
		places+=("$(at "$name")")
	done
	[ ${#places[@]} = 0 ] || sv -w 60 restart "${places[@]}"
	start "$@"
	for name in "${places[@]}"; do
		touch "$name/since"
	done
}

runs()
{
	case $(sv status "$(at "$1")" 2>/dev/null) in
	run:*) return 0 ;;
	esac
	return 1
}

service_pid()
{
	cat "$(at "$1")/supervise/pid"
}

# ---- PostgreSQL and Redis ------------------------------------------------------------------------

make_cluster()
{
	[ ! -f "$RUN/pg/PG_VERSION" ] || return 0
	as_user "$PGBIN/initdb" -D "$RUN/pg" -U "$(setting db.user)" --auth=trust --locale=C.UTF-8 -E UTF8 --data-checksums
}

# The socket directory is closed to others, which is the authentication.  Statements and the values in
# error details may hold what people wrote, so neither is logged.
write_pg_conf()
{
	local most
	most=$(($(apps | wc -l) * $(setting workers.max) * 2 + 50)) # old and new workers while an app restarts
	put "$RUN/pg/postgresql.auto.conf" postgres <<-END
		listen_addresses = ''
		port = $(setting db.port)
		unix_socket_directories = '$RUN/pg-socket'
		unix_socket_permissions = 0700
		max_connections = $((most / 100 * 100 + 100))
		shared_buffers = 256MB
		max_wal_size = 2GB
		random_page_cost = 1.1
		jit = off
		timezone = 'UTC'
		log_timezone = 'UTC'
		log_statement = none
		log_min_error_statement = panic
		log_error_verbosity = terse
		log_checkpoints = off
	END
}

start_postgres()
{
	make_cluster || return 1
	as_user test -O "$RUN/pg" || die "the cluster $RUN/pg belongs to another user than $FARM_USER."
	export_pg
	write_pg_conf && { ! is_root || chown "$FARM_USER:" "$RUN/pg/postgresql.auto.conf"; }
	renew postgres
	wait_for 60 "$PGBIN/pg_isready" -d postgres -q || {
		tail -n 5 "$RUN/log/postgres.log"
		return 1
	}
	[ -n "$("$PGBIN/psql" -d postgres -XAtc "select 1 from pg_database where datname = '$PGDATABASE'")" ] ||
		"$PGBIN/createdb" "$PGDATABASE"
}

redis_answers()
{
	[ "$(redis-cli -s "$(setting redis.socket)" ping)" = PONG ]
}

start_redis()
{
	renew redis
	wait_for 60 redis_answers || {
		tail -n 5 "$RUN/log/redis.log"
		return 1
	}
}

# ---- apps, relay, jobs, web server ---------------------------------------------------------------

# Ready: every app's master is the supervised process and has a worker; the relay listens.
apps_ready()
{
	# shellcheck disable=SC2046
	"$CTL" ready $(apps)
}

relay_ready()
{
	[ -z "$(daemons | grep -x wsrelay)" ] || [ -S "$RUN/ws/whatsapp.sock" ]
}

start_apps()
{
	# shellcheck disable=SC2046
	renew $(apps) $(daemons)
	wait_for 60 apps_ready || {
		apps_ready
		return 1
	}
	wait_for 30 relay_ready || die "the relay does not listen; see ./rookery logs wsrelay."
}

url() # SURFACE
{
	local host
	host=$(reachable "$(setting http.bind)")
	case $host in
	*:*) host="[$host]" ;;
	esac
	echo "http://$host:$(setting "$1.port")"
}

httpd_answers()
{
	local surface
	for surface in $(surfaces); do
		curl -s -o /dev/null -m 5 "$(url "$surface")/" || return 1
	done
}

start_httpd()
{
	renew httpd
	case " $STARTED # $CHANGED " in
	*" httpd "*"#"*) ;;
	*" httpd.conf "*) restart_one httpd ;;
	esac
	wait_for 20 httpd_answers || {
		tail -n 10 "$RUN/log/httpd.log"
		return 1
	}
}

all_ready()
{
	local surface
	for surface in $(surfaces); do
		curl -sf -o /dev/null -m 5 "$(url "$surface")/readyz" || return 1
	done
}

wait_until_ready()
{
	local surface
	wait_for 60 all_ready && return
	for surface in $(surfaces); do
		echo "$surface: $(curl -s -m 5 "$(url "$surface")/readyz")"
	done
	return 1
}

# ---- restart -----------------------------------------------------------------------------------

# A graceful restart: the master replaces itself and starts new workers before the old ones finish.
restart_app()
{
	local before
	before=$("$CTL" generation "$1") && sv hup "$(at "$1")" >/dev/null || return 1
	wait_for 60 newer_generation "$1" "$before" ||
		die "the app $1 did not come back in 60 seconds; see ./rookery logs $1."
}

# Counters begin anew when the list of operations is another, so both numbers must differ.
newer_generation() # APP "STARTED GENERATION"
{
	local now
	now=$("$CTL" generation "$1") && [ "${now% *}" != "${2% *}" ] && [ "${now#* }" != "${2#* }" ] &&
		"$CTL" ready "$1"
}

# The relay hands its connections over to the binary that is there now; what it says of itself tells how
# that ended.
relay_says() # NAME
{
	curl -s -m 5 --unix-socket "$RUN/ws/whatsapp.sock" http://relay/status | sed -n "s/^$1 //p"
}

restart_relay()
{
	local before failures
	before=$(relay_says generation)
	failures=$(relay_says failures)
	if [ -z "$before" ]; then # it hangs, or is too old to hand over: clients come back with their cursors
		sv -w 60 restart "$(at wsrelay)" && wait_for 30 relay_ready
		return
	fi
	sv hup "$(at wsrelay)" >/dev/null || return 1
	wait_for 120 handed_over "$before" "$failures" || die "the relay did not hand over in two minutes; see ./rookery logs wsrelay."
	[ "$(relay_says failures)" = "$failures" ] ||
		die "the relay could not hand over, and the old one goes on: $(relay_says failure)"
}

handed_over() # GENERATION FAILURES
{
	local generation failures
	generation=$(relay_says generation) && failures=$(relay_says failures) &&
		[ -n "$generation" ] && [ -n "$failures" ] && [ "$generation $failures" != "$1 $2" ]
}

# A web server that reads a faulty file at its restart is gone.
check_httpd_conf()
{
	local server=${HTTPD:-$(setting http.server)} why program
	program=/usr/sbin/$server
	why=$("${program/%apache/apache2}" -t -f "$RUN/httpd/$server.conf" 2>&1) ||
		die "the web server would not start again: $(printf '%s' "$why" | tail -n 2 | tr '\n' ' ')"
}

restart_one()
{
	runs "$1" || {
		start "$1"
		return
	}
	case $1 in
	httpd)
		check_httpd_conf
		sv 1 "$(at httpd)" >/dev/null
		wait_for 20 httpd_answers || die "the web server does not answer after its restart."
		;;
	postgres)
		sv -w 60 restart "$(at postgres)" && export_pg && wait_for 60 "$PGBIN/pg_isready" -q
		;;
	redis)
		sv -w 60 restart "$(at redis)" && wait_for 60 redis_answers
		;;
	wsrelay)
		restart_relay
		;;
	jobs)
		sv -w 60 restart "$(at jobs)"
		;;
	*)
		restart_app "$1"
		;;
	esac >/dev/null || die "the service $1 does not restart; see ./rookery logs $1."
	touch "$(at "$1")/since"
}

# After a build or with other settings: what runs an older program, or with other files, starts anew.
restart_changed()
{
	local name all=
	[ "$("$CTL" config | cksum)" = "$(cat "$RUN/config.sum" 2>/dev/null)" ] || all=1
	for name in $(services); do
		case " $STARTED " in
		*" $name "*) continue ;;
		esac
		case $name in
		postgres | redis | httpd) continue ;;
		esac
		[ -z "$all" ] && [ ! "$BUILD/bin/rk-$name" -nt "$(at "$name")/since" ] || restart_one "$name"
	done
	"$CTL" config | cksum >"$RUN/config.sum"
}

# ---- stop --------------------------------------------------------------------------------------

is_down()
{
	case $(sv status "$(at "$1")" 2>/dev/null) in
	run:* | finish:*) return 1 ;;
	esac
}

# All are told at once, then waited for.  Nothing is told twice: a web server takes a second signal for
# impatience.
stop() # NAME …
{
	local name patience
	patience=$(($("$CTL" config --number workers.drain) + 10))
	for name in "$@"; do
		is_down "$name" || grep -q 'want down' "$(at "$name")/supervise/stat" || sv down "$(at "$name")" >/dev/null
	done
	for name in "$@"; do
		wait_for $patience is_down "$name" || sv force-stop "$(at "$name")" >/dev/null
	done
}

supervised()
{
	local dir
	for dir in "$RUN"/service/*/; do
		[ ! -p "$dir/supervise/ok" ] || basename "$dir"
	done
}

stop_all()
{
	local name names
	names=$(supervised)
	[ ! -d "$(at wsrelay)" ] || sv down "$(at httpd)" "$(at wsrelay)" >/dev/null # sockets end with the relay
	wait_for "$("$CTL" config --number workers.drain)" is_down httpd || : # what is still asked then ends with its app
	# shellcheck disable=SC2046
	stop $(printf '%s\n' "$names" | grep -vxE 'httpd|postgres|redis')
	stop httpd redis postgres
	pkill -KILL -f "^/usr/sbin/(lighttpd -D|apache2 -DFOREGROUND) -f $RUN/httpd/" # workers whose master was killed
	! supervisor_alive || kill -HUP "$(cat "$RUN/runsvdir.pid")"
	for name in $names; do
		sv exit "$(at "$name")" >/dev/null 2>&1
		wait_for 10 unsupervised "$name" || die "the supervisor of $name does not end."
	done
	rm -f "$RUN/runsvdir.pid"
}

# runsv holds a lock on supervise/lock for as long as it lives.
unsupervised()
{
	[ ! -e "$(at "$1")/supervise/lock" ] || flock -n "$(at "$1")/supervise/lock" true
}
