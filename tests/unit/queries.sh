#!/usr/bin/env bash
# Every query of every app prepares against the migrated schema and gives the documented fields: a
# cluster of its own is made, migrated, asked and removed.
set -uo pipefail
PGBIN=/usr/lib/postgresql/15/bin
[ -x $PGBIN/initdb ] || exit 77
dir=$(mktemp -d /tmp/rk-queries.XXXXXX) || exit 1

# What scripts/migrate.sh asks of its surroundings.
die()
{
	printf 'queries: %s\n' "$*" >&2
	exit 1
}

setting()
{
	case $1 in
	db.host) echo "$dir" ;;
	db.port) echo 5432 ;;
	*) echo rookery ;;
	esac
}

# PostgreSQL does not run as root.
as_other()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
	else
		"$@"
	fi
}

end()
{
	(cd / && as_other $PGBIN/pg_ctl -D "$dir/pg" -m immediate -w stop >/dev/null 2>&1)
	rm -rf "$dir"
}
trap end EXIT

[ "$(id -u)" != 0 ] || chown nobody "$dir"
cd / || exit 1
as_other $PGBIN/initdb -D "$dir/pg" -U rookery --auth=trust --locale=C.UTF-8 -E UTF8 --no-sync >"$dir.log" 2>&1 &&
	as_other $PGBIN/pg_ctl -D "$dir/pg" -w -l "$dir/server.log" start \
		-o "-c listen_addresses= -c unix_socket_directories=$dir -c fsync=off" >>"$dir.log" 2>&1 || {
	cat "$dir.log"
	rm -f "$dir.log"
	exit 1
}
rm -f "$dir.log"
export PGHOST=$dir PGUSER=rookery PGDATABASE=rookery
$PGBIN/createdb rookery || exit 1
ROOT=$SOURCE RUN=$dir
. "$SOURCE/scripts/migrate.sh"
migrate_all >"$dir.log" || {
	cat "$dir.log"
	rm -f "$dir.log"
	exit 1
}
rm -f "$dir.log"

export ROOKERY_CONF=/dev/null ROOKERY_RUN=$dir ROOKERY_DB_HOST=$dir ROOKERY_DB_USER=rookery ROOKERY_DB_NAME=rookery
bad=0 n=0
while read -r program; do
	"$BUILD/$program" --check || bad=1
	n=$((n + 1))
done < <(grep -xE 'bin/rk-(jobs|.*-.*)' "$BUILD/gen/programs")
echo "$n programs asked"
exit $bad
