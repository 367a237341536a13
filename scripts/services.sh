# The run directory: settings, keys, a runit service for everything that runs, the web server's files.

FARM_SERVERS="postgres redis"

# Names of the apps that were built ("whatsapp-devices"), and of everything that runs.
apps()
{
	sed -n 's|^bin/rk-\(.*-.*\)$|\1|p' "$BUILD/gen/programs"
}

daemons()
{
	sed -n 's|^bin/rk-\([^-]*\)$|\1|p' "$BUILD/gen/programs"
}

services()
{
	# shellcheck disable=SC2086
	printf '%s\n' $FARM_SERVERS $(apps) $(daemons) httpd
}

is_service()
{
	case $'\n'$(services)$'\n' in
	*$'\n'"$1"$'\n'*) return 0 ;;
	esac
	return 1
}

surfaces()
{
	apps | cut -d- -f1 | sort -u
}

# ---- directories and settings --------------------------------------------------------------------

# Settings given in the environment are saved, for the services and for later commands.
save_environment()
{
	local name value
	umask 077
	for name in $(compgen -e | grep -E '^(ROOKERY_|(A|UB|L)SAN_OPTIONS$)'); do
		case $name in
		ROOKERY_BUILD | ROOKERY_USER | ROOKERY_TEST* | ROOKERY_FARM) continue ;;
		esac
		value=${!name}
		printf "export %s='%s'\n" "$name" "${value//\'/\'\\\'\'}"
	done >"$RUN/env.new"
	umask 022
	mv "$RUN/env.new" "$RUN/env"
}

make_run_directory()
{
	local dir
	mkdir -p "$RUN" || die "the run directory $RUN cannot be made."
	need_space "$RUN" 300
	for dir in fcgi ws log service stats httpd tmp data; do
		mkdir -p "$RUN/$dir" || die "the run directory $RUN is not writable for $(id -un)."
	done
	for dir in pg pg-socket redis keys; do
		mkdir -p "$RUN/$dir" && chmod 700 "$RUN/$dir"
	done
	[ -f "$RUN/rookery.conf" ] || cp "$BUILD/rookery.conf" "$RUN/rookery.conf"
	save_environment
	echo "$BUILD" >"$RUN/build"
	give_away
	as_user test -w "$RUN/fcgi" ||
		die "the user $FARM_USER cannot reach $RUN; set ROOKERY_RUN to a place it can."
	"$CTL" config >/dev/null || die "the settings are wrong: $("$CTL" config 2>&1 >/dev/null | head -n 1)"
	as_user "$CTL" keys
}

give_away()
{
	! is_root || chown "$FARM_USER:" "$RUN" "$RUN"/*
}

# ---- runit -------------------------------------------------------------------------------------

# put FILE: standard input becomes FILE; its service is noted in CHANGED when it is another than before.
CHANGED=
put()
{
	local new old=
	IFS= read -rd '' new
	[ ! -f "$1" ] || IFS= read -rd '' old <"$1"
	[ "$new" != "$old" ] || return 0
	printf %s "$new" >"$1.new" && mv "$1.new" "$1"
	CHANGED="$CHANGED $2"
}

# service NAME COMMAND …: "down" keeps runsv from starting it before its turn.
VARIABLES=
service()
{
	local name=$1 dir=$RUN/service/$1 bare=
	shift
	[ "$name" = wsrelay ] || ! is_root || bare="setpriv $NO_CAPS "
	[ -d "$dir" ] || mkdir -p "$dir"
	[ -e "$dir/supervise/ok" ] || : >"$dir/down"
	put "$dir/run" "$name" <<-END
		#!/bin/sh
		$VARIABLES
		exec >>'$RUN/log/$name.log' 2>&1
		. '$RUN/env'
		cd '$RUN' && exec $bare$*
	END
}

# What "sv down" sends instead of TERM: the fast stop of PostgreSQL, the graceful one of a web server.  The
# running program is asked for its name, as the next one may be another server.
stop_gracefully()
{
	local dir=$RUN/service/$1/control
	mkdir -p "$dir"
	cat >"$dir/t" <<-'END'
		#!/bin/sh
		pid=$(cat supervise/pid)
		case $(cat /proc/$pid/comm) in
		postgres | lighttpd) exec kill -INT "$pid" ;;
		apache2) exec kill -WINCH "$pid" ;;
		esac
		exec kill -TERM "$pid"
	END
	chmod 755 "$dir/t"
}

# runit sends CONT after TERM.  A program that is just then stopped by its leak check (./rookery test --sanitize)
# never ends; apps wait for their workers first and are late enough, daemons are not.
unseen_leaks()
{
	[ -z "${ASAN_OPTIONS:-}" ] || echo 'env ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" '
}

write_services()
{
	local name
	CHANGED=
	service postgres "'$PGBIN/postgres' -D '$RUN/pg'"
	stop_gracefully postgres
	write_redis_conf
	service redis "redis-server '$RUN/redis/redis.conf'"
	# A graceful restart keeps the variables of the process; with others the service is another.
	VARIABLES="# variables: $(cksum <"$RUN/env")"
	for name in $(apps); do
		service "$name" "'$BUILD/bin/rk-$name'"
	done
	for name in $(daemons); do
		service "$name" "$(unseen_leaks)'$BUILD/bin/rk-$name'"
	done
	VARIABLES=
	write_httpd_conf
	# lighttpd restarts without a pause only when it was called by its path.
	if [ "$HTTPD" = apache ]; then
		web_server /usr/sbin/apache2 -DFOREGROUND "$RUN/httpd/apache.conf"
	else
		web_server /usr/sbin/lighttpd -D "$RUN/httpd/lighttpd.conf"
	fi
	stop_gracefully httpd
	chmod 755 "$RUN"/service/*/run
	drop_old_services
	! is_root || chown -R "$FARM_USER:" "$RUN/service"
}

# web_server PROGRAM FLAG FILE: in a session of its own, as both signal their whole process group, to which
# runsv would belong.  Workers whose master was killed still hold the ports: they go before a new master comes.
web_server()
{
	service httpd "sh -c \"pkill -KILL -f '^$1 $2 -f $3' ; exec setsid $1 $2 -f '$3'\""
}

drop_old_services()
{
	local dir names
	names=$'\n'$(services)$'\n'
	for dir in "$RUN"/service/*/; do
		dir=${dir%/}
		case $names in
		*$'\n'"${dir##*/}"$'\n'*) continue ;;
		esac
		[ ! -e "$dir/supervise/ok" ] || sv -w 30 exit "$dir"
		rm -rf "$dir"
	done
}

write_redis_conf()
{
	put "$RUN/redis/redis.conf" redis <<-END
		port 0
		unixsocket $(setting redis.socket)
		unixsocketperm 700
		dir $RUN/redis
		appendonly yes
		appendfsync everysec
		save ""
		maxmemory $(setting redis.memory)
		maxmemory-policy noeviction
	END
}

# ---- web servers -------------------------------------------------------------------------------

# fill FILE: a template of httpd-conf with its @WORDS@ replaced.
fill()
{
	local connections bind
	connections=$(setting http.connections)
	bind=$(setting http.bind)
	case $bind in
	*:*) bind="[$bind]" ;;
	esac
	sed -e "s|@RUN@|$RUN|g" -e "s|@WEB@|$BUILD/web|g" -e "s|@ROUTES@|$BUILD/gen|g" \
		-e "s|@BIND@|$bind|g" -e "s|@WORKERS@|$(setting http.workers)|g" \
		-e "s|@CONNECTIONS@|$connections|g" -e "s|@FILES@|$((connections * 2 + 64))|g" \
		-e "s|@SERVERS@|$(((connections + 63) / 64))|g" -e "s|@THREADS@|$(((connections + 63) / 64 * 64))|g" \
		-e "s|@UPLOAD_KB@|$((UPLOAD / 1024))|g" -e "s|@UPLOAD_BYTES@|$UPLOAD|g" \
		-e "s|@DRAIN@|$("$CTL" config --number workers.drain)|g" \
		-e "s|@SURFACE@|${2-}|g" -e "s|@PORT@|${3-}|g" "$ROOT/httpd-conf/$1"
}

# An address at which this machine reaches what listens on http.bind.
reachable() # ADDRESS
{
	case $1 in
	0.0.0.0 | '*') echo 127.0.0.1 ;;
	::) echo ::1 ;;
	*) echo "$1" ;;
	esac
}

write_httpd_conf()
{
	local surface server=$HTTPD
	UPLOAD=$("$CTL" config --number upload.max)
	put "$RUN/httpd/$server.conf" httpd.conf < <(
		fill "$server.conf"
		for surface in $(surfaces); do
			fill "$server-surface.conf" "$surface" "$(setting "$surface.port")"
		done
		echo "# routes: $(cat "$BUILD"/gen/routes-*."$server.conf" | cksum)" # with others the server reads all anew
	)
}

# Every port must be free, or be one that the running web server was told to listen on.  Whoever will listen
# tries it, so the answer is the system's.
check_ports()
{
	local surface port bind why ours=
	bind=$(setting http.bind)
	! runs httpd || ours=$(cat "$RUN/httpd/lighttpd.conf" "$RUN/httpd/apache.conf" 2>/dev/null)
	for surface in $(surfaces); do
		port=$(setting "$surface.port")
		case $ours in
		*"$bind:$port"[!0-9]* | *"[$bind]:$port"[!0-9]*) continue ;;
		esac
		why=$(as_user /usr/bin/python3 - "$bind" "$port" <"$ROOT/scripts/listens.py") && continue
		[ "$why" != "Address already in use" ] ||
			die "port $port is in use by another program; set ${surface}.port (ROOKERY_${surface^^}_PORT) to a free one."
		die "nothing can listen at $bind, port $port, for $surface: $why"
	done
}
