# Building: configure when needed, then make, which knows what is newer.

# configure arguments of a build are kept beside it, so that a changed wish configures anew.
build_configure()
{
	local wish="--sysconfdir=/etc --localstatedir=/var --prefix=/usr $*"

	(
		flock 7 # two builds of one checkout
		[ -f "$ROOT/configure" ] && [ ! "$ROOT/configure.ac" -nt "$ROOT/configure" ] ||
			(cd "$ROOT" && autoreconf -i)
	) 7<"$ROOT/configure.ac" || return 1
	[ ! -f "$BUILD/Makefile" ] || [ "$(cat "$BUILD/.wish" 2>/dev/null)" != "$ROOT $wish" ] || return 0
	# Objects of another checkout or of other flags may be newer than the files here and yet not theirs.
	rm -rf "${BUILD:?}/obj" "$BUILD/gen" "$BUILD/bin" "$BUILD/check" "$BUILD/librookery.a"
	# shellcheck disable=SC2086
	(cd "$BUILD" && "$ROOT/configure" -q $wish) || return 1
	echo "$ROOT $wish" >"$BUILD/.wish"
}

build_all() # configure arguments
{
	mkdir -p "$BUILD" || die "the build directory $BUILD cannot be made."
	need_space "$BUILD" 300
	(
		flock 8
		build_configure "$@" && make -C "$BUILD" -s -j"$(nproc)"
	) 8>"$BUILD/.lock"
}

# Packages of the reference page: web/package-lock.json says which, the build tree holds them.  Without a
# network everything but that page works, so a failure is told and no more.
WEB_NOTE=
build_web()
{
	local from=$ROOT/web into=$BUILD/npm
	if [ ! -d "$into/node_modules" ] || ! cmp -s "$from/package-lock.json" "$into/package-lock.json"; then
		mkdir -p "$into" && cp "$from/package.json" "$from/package-lock.json" "$into/" || return 1
		(cd "$into" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
			--fetch-retries=1 --fetch-retry-mintimeout=1000) || {
			rm -f "$into/package-lock.json"
			WEB_NOTE="The npm packages of the reference pages cannot be fetched ($(npm_code)): /docs/ stays blank."
		}
	fi
	make -C "$BUILD" -s web-files
}

npm_code()
{
	sed -n 's/^npm err[!or]* code //Ip' "${STEP_LOG:-/dev/null}" | tail -n 1
}

tell_web()
{
	[ -z "$WEB_NOTE" ] || note "$WEB_NOTE"
}
