# Debian and npm packages: one list, installed when something of it is missing.

PACKAGES_BUILD="gcc g++ make autoconf automake pkg-config libpq-dev libhiredis-dev libfcgi-dev libyaml-dev
	libpcre2-dev libjwt-dev libssl-dev libsodium-dev libjansson-dev libqrencode-dev libpng-dev
	libcurl4-openssl-dev zlib1g-dev libxeddsa-dev libphonenumber-dev libcmocka-dev"
PACKAGES_RUN="postgresql-15 redis-server lighttpd runit procps curl python3 python3-websockets python3-nacl"
PACKAGES_APACHE="apache2-bin"
PACKAGES_TEST="python3-pytest python3-redis python3-psycopg2 python3-requests python3-jsonschema
	python3-yaml python3-hypothesis python3-aiosmtpd python3-wsproto python3-cryptography zbar-tools coturn
	postgresql-15-plpgsql-check"
PACKAGES_BENCH="wrk gnuplot-nox golang-go golang-github-gin-gonic-gin-dev golang-github-jackc-pgx-v4-dev
	golang-github-golang-jwt-jwt-dev golang-github-gomodule-redigo-dev golang-github-gorilla-websocket-dev
	nginx-core libnginx-mod-nchan"

missing_packages()
{
	local have
	have=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' | tr '\n' ' ') "
	for p in "$@"; do
		case $have in
		*" $p "*) ;;
		*) echo "$p" ;;
		esac
	done
}

as_admin()
{
	if is_root; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		return 127
	fi
}

# The system's own services of these packages stay off: the farm starts servers of its own.  A policy
# keeps them from starting now, "disable" from starting at the next boot.
install_packages()
{
	local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/rookery.conf made= bad=0

	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | as_admin tee $policy >/dev/null && as_admin chmod 755 $policy && made=1
	fi
	as_admin mkdir -p "${cluster%/*}" && echo 'create_main_cluster = false' | as_admin tee $cluster >/dev/null
	as_admin env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y \
		--no-install-recommends "$@" || bad=1
	as_admin rm -f $cluster
	[ -z "$made" ] || as_admin rm -f $policy
	if [ -d /run/systemd/system ]; then
		for p in "$@"; do
			case $p in
			lighttpd | redis-server | coturn | postgresql-15) as_admin systemctl disable --now "${p%-15}" ;;
			nginx-core) as_admin systemctl disable --now nginx ;;
			esac
		done
	fi
	return $bad
}

# need_packages NAME …: nothing happens, quickly, when all are there.
need_packages()
{
	local missing
	command -v dpkg-query >/dev/null || die "this is not a Debian system; Rookery is built and run on Debian 12."
	missing=$(missing_packages "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	is_root || command -v sudo >/dev/null ||
		die "these packages are missing and neither root nor sudo is at hand: $missing"
	# shellcheck disable=SC2086
	install_packages $missing && return
	as_admin apt-get update
	# shellcheck disable=SC2086
	install_packages $missing && return
	tail -n 5 "${STEP_LOG:-/dev/null}" >&3
	die "these packages are missing and cannot be installed (is there a network?): $missing"
}

need_for_up() # PACKAGE …
{
	# shellcheck disable=SC2046,SC2086
	need_packages $PACKAGES_BUILD $PACKAGES_RUN "$@" $(command -v npm >/dev/null || echo nodejs npm)
}
