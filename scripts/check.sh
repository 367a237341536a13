# ./rookery test: a build of its own whose apps hold each reply against its contract, the unit tests, then
# the tests over farms that they start and take down themselves.

# Tests that name no folder run over all that need a farm.
names_a_path()
{
	local arg
	for arg in "$@"; do
		[ ! -e "$ROOT/${arg%%::*}" ] || return 0
	done
	return 1
}

# Whatever a test left running is stopped; the farms' directories stay only when something failed.
tidy_farms() # DIRECTORY FAILED
{
	local service run
	for service in "$1"/*/service; do
		[ -d "$service" ] || continue
		run=${service%/service}
		[ -z "$(RUN=$run supervised)" ] || ROOKERY_RUN=$run "$ROOT/rookery" down >/dev/null
	done
	if [ "$2" = 0 ]; then
		rm -rf "$1"
	else
		note "the farms' logs are kept in $1/*/log"
	fi
}

# What the sanitizers wrote into the services' logs.
sanitizer_faults()
{
	grep -rhE -A 12 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$1"/*/log 2>/dev/null | head -n 60
}

# A farm of its own shall know nothing of the one that this command would look after.
forget_places()
{
	local name
	for name in $(compgen -e ROOKERY_ | grep -vxE 'ROOKERY_(USER|TEST_.*)'); do
		unset "$name"
	done
}

run_pytest() # ARGUMENTS …
{
	local bad=0 place
	place=$(mktemp -d /tmp/rk.XXXXXX) && chmod 755 "$place" || die "no directory can be made in /tmp: is the disk full?"
	trap 'tidy_farms "$place" 1; exit 130' INT TERM
	names_a_path "$@" || set -- "$@" tests/api tests/conformance tests/fault
	(
		forget_places
		export ROOKERY_BUILD=$BUILD ROOKERY_CONFIGURE=$flags ROOKERY_TEST_HTTPD=$HTTPD ROOKERY_TEST_KEEP=1
		export TMPDIR=$place
		cd "$ROOT" && exec /usr/bin/python3 -m pytest -p no:cacheprovider "$@" 3>&-
	) || bad=1
	if sanitizer_faults "$place" | grep .; then
		note "FAILED: the sanitizers found the faults above"
		bad=1
	fi
	tidy_farms "$place" $bad
	trap - INT TERM
	return $bad
}

test()
{
	local sanitize='' args=() bad=0 flags=--enable-reply-check
	HTTPD=lighttpd
	while [ $# -gt 0 ]; do
		case $1 in
		--httpd)
			[ $# -gt 1 ] || die "--httpd needs a name: lighttpd or apache."
			HTTPD=$2
			shift
			;;
		--sanitize) sanitize=1 ;;
		*) args+=("$1") ;;
		esac
		shift
	done
	find_places
	BUILD=$BUILD/test${sanitize:+-sanitize}
	flags="$flags${sanitize:+ --enable-sanitizers}"
	# shellcheck disable=SC2086
	step "Debian packages" need_for_up $PACKAGES_TEST
	# shellcheck disable=SC2086
	step "build for tests" build_all $flags
	step "reference pages" build_web
	tell_web
	if [ -n "$sanitize" ]; then
		export ASAN_OPTIONS=detect_stack_use_after_return=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
	fi
	make -C "$BUILD" -s -j"$(nproc)" check VERBOSE=1 3>&- || bad=1
	run_pytest "${args[@]}" || bad=1
	[ $bad = 0 ] || exit 1
}
