# ./rookery seed: fills the farm's database with people, conversations and messages (docs/seed.md).

seed_usage()
{
	cat <<'END'
./rookery seed [--users N] [--messages N] [--seed N] [--until TIME] [--among-people]

Fills the farm's database with people who never lived, their devices, contacts, groups and messages.

  --users N         how many people, 20 to 1000000 (100000)
  --messages N      how many messages, 1000 to 100000000 (5000000); a fifth is in one conversation
  --seed N          another number gives other people, the same number the same ones (1)
  --until TIME      when the last message was sent (an hour ago); with the same TIME all rows are the same
  --among-people    also when the farm has accounts of real people

It happens whole or not at all, and once in a database.  The apps wait while it lasts.  The people have the telephone
numbers +8835100 and eight digits; sign in as one with its number, deviceId seed-1 and the code of ./rookery otp.
END
}

# number OPTION VALUE LEAST MOST
seed_number()
{
	[[ $2 =~ ^[0-9]{1,9}$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] ||
		die "$1 is a number from $3 to $4."
}

# Nobody's farm is filled by mistake.
seed_may()
{
	local seeded people
	IFS='|' read -r seeded people < <(psql_quiet -c "SELECT EXISTS (SELECT FROM account WHERE phone LIKE '+8835100%'),
		(SELECT count(*) FROM (SELECT FROM account LIMIT 1000) a)") && [ -n "$people" ] ||
		die "the database $PGDATABASE does not answer; see ./rookery status."
	[ "$seeded" = f ] || die "the database $PGDATABASE was seeded before."
	[ "$people" = 0 ] || [ -n "$1" ] ||
		die "the database $PGDATABASE has accounts of people; to put invented ones beside them say --among-people."
}

# Whom to sign in as.
seed_report()
{
	psql_quiet -F ' ' -c "
		SELECT '  ' || rpad(who, 44), phone, 'device', (SELECT fingerprint FROM device d
			WHERE d.account_id = a.id AND d.revoked_at IS NULL ORDER BY created_at LIMIT 1)
		FROM (VALUES ('in most conversations', (SELECT account_id FROM member GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)),
			('owns the largest conversation', (SELECT m.account_id FROM member m WHERE m.role = 'owner' AND m.conversation_id =
				(SELECT c.id FROM conversation c WHERE c.direct_low IS NULL ORDER BY c.last_seq DESC LIMIT 1))),
			('owns the group with most members', (SELECT owner_id FROM conversation_profile ORDER BY member_count DESC LIMIT 1)))
			AS w (who, id)
		JOIN account a ON a.id = w.id"
}

seed()
{
	local users=100000 messages=5000000 seed=1 until='' among=''
	while [ $# -gt 0 ]; do
		case $1 in
		--users | --messages | --seed | --until)
			[ $# -gt 1 ] || die "$1 needs a value; see ./rookery seed --help."
			local "${1#--}=$2"
			shift
			;;
		--among-people) among=1 ;;
		--help | -h)
			seed_usage
			return
			;;
		*) die "seed does not know $1; see ./rookery seed --help." ;;
		esac
		shift
	done
	seed_number --users "$users" 20 1000000
	seed_number --messages "$messages" 1000 100000000
	seed_number --seed "$seed" 0 1000000
	need_farm
	export_pg
	seed_may "$among"
	until=$(psql_quiet -v until="$until" <<<"SELECT coalesce(nullif(:'until', '')::timestamptz,
		date_trunc('minute', now()) - interval '1 hour')" 2>/dev/null) || die "--until is a time, as 2026-01-31T12:00:00Z."
	need_space "$RUN" $((messages / 500 + users / 50 + 100))
	step "$users people, $messages messages" psql_quiet -v users="$users" -v messages="$messages" -v seed="$seed" \
		-v until="$until" -f "$ROOT/tools/seed/seed.sql"
	seed_report
}
