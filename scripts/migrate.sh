# Migrations (docs/schema.md): each file of sql/tables/ once, in the order of the names, in a transaction of its own; then the
# files of sql/functions/ that have changed, all in one.

# Databases made before there were these two folders have 45 numbered migrations on record.  One that has them all is what
# the files of tables/ up to this one make.
BEFORE_LAST=192-empty-pages
BEFORE_COUNT=45
BEFORE_IS=tables/011-calls

export_pg()
{
	PGHOST=$(setting db.host) PGPORT=$(setting db.port) PGUSER=$(setting db.user) PGDATABASE=$(setting db.name)
	export PGHOST PGPORT PGUSER PGDATABASE
}

psql_quiet()
{
	PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning" "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 "$@"
}

# What is on record, NAME|CHECKSUM a line.  Under the lock, for two at once cannot both make the table.
recorded()
{
	psql_quiet -c "DO 'BEGIN PERFORM pg_advisory_xact_lock(hashtext(''schema_migration'')); END';
		CREATE TABLE IF NOT EXISTS schema_migration (
			name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
		SELECT name, checksum FROM schema_migration"
}

# The lock is taken first and the list read under it, so two commands at once apply a file once.  A file may drop what files
# of functions/ made, so all of those are applied after it.
migrate_table() # NAME CHECKSUM
{
	psql_quiet --single-transaction -f - 2>&1 >/dev/null <<-EOF || return 1
		SELECT pg_advisory_xact_lock(hashtext('schema_migration'));
		SELECT NOT EXISTS (SELECT FROM schema_migration WHERE name = '$1') AS wanted \gset
		\if :wanted
		\i '$ROOT/sql/$1.sql'
		DELETE FROM schema_migration WHERE name LIKE 'functions/%';
		INSERT INTO schema_migration (name, checksum) VALUES ('$1', '$2');
		\endif
	EOF
	echo "applied $1"
}

# Bodies are not looked at here, so that functions may stand in any order; a test does that (tests/unit/test_sql_files.py).
migrate_functions() # NAME|CHECKSUM …
{
	local entry files=() rows=
	for entry in "$@"; do
		files+=(-f "$ROOT/sql/${entry%|*}.sql")
		rows+="${rows:+, }('${entry%|*}', '${entry#*|}')"
	done
	psql_quiet --single-transaction -c "SET LOCAL check_function_bodies = off" \
		-c "SELECT pg_advisory_xact_lock(hashtext('schema_migration'))" "${files[@]}" \
		-c "INSERT INTO schema_migration AS m (name, checksum) VALUES $rows
			ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()" 2>&1 >/dev/null || return 1
	for entry in "$@"; do
		echo "applied ${entry%|*}"
	done
}

# The tables of a database from before are as they should be; its functions are applied as everywhere.
take_over() # RECORDED SUMS
{
	local sum file rows=
	[[ $'\n'$1 = *$'\n'"$BEFORE_LAST|"* ]] && [ "$(grep -vc / <<<"$1")" = $BEFORE_COUNT ] ||
		die "the database was made by an older Rookery and lacks migrations up to $BEFORE_LAST, which are not here any more;" \
			"apply them with the version before this one first (docs/schema.md, Older databases). Nothing was changed."
	while read -r sum file; do
		[[ ${file%.sql} > $BEFORE_IS ]] || rows+="${rows:+, }('${file%.sql}', '${sum:0:16}')"
	done < <(grep tables/ <<<"$2")
	psql_quiet --single-transaction -c "SELECT pg_advisory_xact_lock(hashtext('schema_migration'))" \
		-c "DELETE FROM schema_migration WHERE name NOT LIKE '%/%'" \
		-c "INSERT INTO schema_migration (name, checksum) VALUES $rows ON CONFLICT DO NOTHING" >/dev/null || return 1
	echo "taken over: the $BEFORE_COUNT migrations of before stand as tables/ up to ${BEFORE_IS#*/}"
}

migrate_all()
{
	local sum sums file name known changed=()
	export_pg
	known=$(recorded) || return 1
	sums=$(cd "$ROOT/sql" && sha256sum tables/*.sql functions/*.sql) || return 1
	[ -n "$known" ] || echo "a new database"
	if [[ $'\n'$known =~ $'\n'[^/|]+\| ]]; then
		take_over "$known" "$sums" && known=$(recorded) || return 1
	fi
	while read -r sum file; do
		name=${file%.sql} sum=${sum:0:16}
		[[ $'\n'$known$'\n' != *$'\n'"$name|$sum"$'\n'* ]] || continue
		if [[ $name = functions/* ]]; then
			changed+=("$name|$sum")
		elif [[ $'\n'$known = *$'\n'"$name|"* ]]; then
			die "sql/$file was changed after it had been applied; put the change into a new file (or remove $RUN/pg and all it holds)."
		else
			migrate_table "$name" "$sum" || return 1
			known=${known//functions\//forgotten } # all of them are applied again
		fi
	done <<<"$sums"
	[ ${#changed[@]} = 0 ] || migrate_functions "${changed[@]}" || return 1
	# A database restored from a dump carries change marks of another cluster.
	psql_quiet -c "SELECT sync_rebase()" >/dev/null
}

# After the step: what it applied.  That a new database has everything is no news.
tell_migrations()
{
	if [ -s "$STEP_LOG" ] && [ "$(head -n 1 "$STEP_LOG")" != "a new database" ]; then
		sed 's/^/    /' "$STEP_LOG"
	fi
}
