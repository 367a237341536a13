# What the parts of ./rookery share: messages, places, settings, the user the farm runs as.
#
#	step "build" build_all		# prints the label, runs, prints ✓ and the time
#	port=$(setting whatsapp.port)

VERSION_PG=15
PGBIN=/usr/lib/postgresql/$VERSION_PG/bin
STEP=
STEP_LOG=
exec 3>&2
umask 022 # the farm's user reads what root makes

# die SENTENCE: what went wrong, in one clear sentence, whatever the output is redirected to.
die()
{
	[ -z "$STEP" ] || printf '✗\n' >&3
	printf 'rookery: %s\n' "$*" >&3
	exit 1
}

note()
{
	printf '%s\n' "$*"
}

is_root()
{
	[ "$(id -u)" = 0 ]
}

# ---- steps -----------------------------------------------------------------------------------

# Seconds with one decimal since $1, a value of EPOCHREALTIME.
elapsed()
{
	local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
	printf '%d.%d s' $((us / 1000000)) $((us / 100000 % 10))
}

free_megabytes()
{
	df -Pm "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

need_space() # DIRECTORY MEGABYTES
{
	local free
	free=$(free_megabytes "$1")
	[ -z "$free" ] || [ "$free" -ge "$2" ] ||
		die "the disk under $1 is full: $free MB are free and $2 MB are needed."
}

# step LABEL COMMAND …: the output is shown only when the command fails.
step()
{
	local started=$EPOCHREALTIME
	STEP=$1
	shift
	printf '  %-40s ' "$STEP"
	STEP_LOG=${STEP_LOG:-$(mktemp /tmp/rookery-step.XXXXXX)} || die "no file can be made in /tmp: is the disk full?"
	if "$@" >"$STEP_LOG" 2>&1; then
		printf '✓ %s\n' "$(elapsed "$started")"
		STEP=
		return
	fi
	printf '✗\n' >&3
	tail -n 25 "$STEP_LOG" | sed 's/^/    /' >&3
	local failed=$STEP
	STEP=
	for place in /tmp "$BUILD" "$RUN"; do
		[ ! -d "$place" ] || need_space "$place" 20
	done
	die "the step \"$failed\" failed; its last lines are above."
}

end_steps()
{
	[ -z "$STEP_LOG" ] || rm -f "$STEP_LOG"
}
trap end_steps EXIT

# wait_for SECONDS COMMAND …: until the command succeeds.
wait_for()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# ---- places ------------------------------------------------------------------------------------

# Root never runs the farm itself: a system user does, and everything under RUN belongs to it.
exec_as_user()
{
	! is_root || exec setpriv --reuid="$FARM_USER" --regid="$(id -g "$FARM_USER")" --init-groups ${CAPS-} -- "$@"
	exec "$@"
}

# What the relay may have for realtime scheduling (relay.realtime), where root itself has it, and what takes it away.
RELAY_CAPS='--inh-caps=+sys_nice --ambient-caps=+sys_nice'
NO_CAPS='--inh-caps=-all --ambient-caps=-all'

as_user()
{
	(exec_as_user "$@")
}

ensure_user()
{
	is_root || return 0
	getent passwd "$FARM_USER" >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir /nonexistent \
			--shell /usr/sbin/nologin "$FARM_USER" ||
		die "the system user $FARM_USER cannot be made; set ROOKERY_USER to an existing one."
}

# Set FARM_USER, BUILD and RUN.  The user must reach all of them; a checkout in a home directory that is
# closed to others is built and run under /var/lib/rookery instead, each checkout in a folder of its own.
find_places()
{
	local state=$ROOT away
	away=/var/lib/rookery/$(cksum <<<"$ROOT" | cut -d' ' -f1)
	FARM_USER=$(id -un)
	if is_root; then
		FARM_USER=${ROOKERY_USER:-rookery}
		ensure_user
		if ! as_user test -r "$ROOT/Makefile.am"; then
			state=$away
			STATE_NOTE="The user $FARM_USER cannot reach $ROOT, so the farm lives in $state."
		fi
	fi
	BUILD=$(realpath -ms "${ROOKERY_BUILD:-$state/build}")
	RUN=$(realpath -ms "${ROOKERY_RUN:-$state/run}")
	[ ${#RUN} -le $LONGEST_RUN ] || [ -n "${ROOKERY_RUN:-}" ] || RUN=$(short_run "${away##*/}")
	CTL=$BUILD/bin/rk-ctl
	export ROOKERY_RUN=$RUN ROOKERY_CONF=${ROOKERY_CONF:-$RUN/rookery.conf}
}

# Where the run directory is when the checkout's path is too long for the unix sockets below it.
LONGEST_RUN=50
short_run() # NUMBER OF THE CHECKOUT
{
	is_root && echo "/var/lib/rookery/$1/run" || echo "$(realpath -ms "${HOME:-/tmp}")/.rookery/$1"
}

check_run_length()
{
	[ ${#RUN} -le $LONGEST_RUN ] ||
		die "the run directory $RUN has a path too long for unix sockets; set ROOKERY_RUN to a shorter one."
}

# Variables that name settings were saved by "up": later commands see them unless the caller sets others.
load_saved()
{
	local name value
	[ -r "$RUN/env" ] || return 0
	if [ -z "${ROOKERY_BUILD:-}" ] && [ -r "$RUN/build" ]; then
		BUILD=$(cat "$RUN/build")
		CTL=$BUILD/bin/rk-ctl
	fi
	while IFS='=' read -r name value; do
		name=${name#export }
		[ -n "${!name+set}" ] || eval "export $name=$value"
	done <"$RUN/env"
}

# One setting's value, as the programs read it.
setting()
{
	"$CTL" config "$1" || die "the settings cannot be read; see the line above."
}

need_farm()
{
	[ -x "$CTL" ] && [ -d "$RUN/service" ] || die "there is no farm in $RUN; start it with ./rookery up."
}

# Only one command at a time may change the farm.
lock_run()
{
	exec 9>"$RUN/lock" || die "the run directory $RUN is not writable for $(id -un)."
	flock -w 300 9 || die "another ./rookery is at work in $RUN."
}
