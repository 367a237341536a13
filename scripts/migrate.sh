# Migrations: each file of sql/ once, in the order of the names, in a transaction of its own.

export_pg()
{
	PGHOST=$(setting db.host) PGPORT=$(setting db.port) PGUSER=$(setting db.user) PGDATABASE=$(setting db.name)
	export PGHOST PGPORT PGUSER PGDATABASE
}

psql_quiet()
{
	"$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 "$@"
}

# The lock is taken first and the list read under it, so two commands at once apply a file once.
migrate_file() # FILE CHECKSUM
{
	local name errors
	name=$(basename "$1" .sql)
	errors=$(mktemp) || return 1
	{
		printf "SELECT pg_advisory_xact_lock(hashtext('schema_migration'));\n"
		printf "SELECT NOT EXISTS (SELECT FROM schema_migration WHERE name = '%s') AS wanted \\\\gset\n\\\\if :wanted\n" "$name"
		cat "$1"
		printf "\nINSERT INTO schema_migration (name, checksum) VALUES ('%s', '%s');\n\\\\endif\n" "$name" "$2"
	} | psql_quiet --single-transaction -f - >/dev/null 2>"$errors" || {
		sed "s|psql:<stdin>|$1 (two lines lower)|" "$errors"
		rm -f "$errors"
		return 1
	}
	rm -f "$errors"
}

migrate_all()
{
	local file name sum known
	export_pg
	known=$(psql_quiet -c "SET client_min_messages = warning" -c "CREATE TABLE IF NOT EXISTS schema_migration (
		name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())" \
		-c "SELECT name, checksum FROM schema_migration") || return 1
	while read -r sum file; do
		name=${file##*/}
		name=${name%.sql}
		sum=${sum:0:16}
		case $'\n'$known$'\n' in
		*$'\n'"$name|$sum"$'\n'*) continue ;;
		*$'\n'"$name|"*)
			die "sql/$name.sql was changed after it had been applied; put the change into a new file (or remove $RUN/pg and all it holds)."
			;;
		esac
		migrate_file "$file" "$sum" || return 1
		echo "applied $name"
	done < <(sha256sum "$ROOT"/sql/*.sql)
	# A database restored from a dump carries change marks of another cluster.
	psql_quiet -c "SELECT sync_rebase()" >/dev/null
}
