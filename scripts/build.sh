# Building: configure when needed, then make, which knows what is newer.

# configure arguments of a build are kept beside it, so that a changed wish configures anew.
build_configure()
{
	local wish="--sysconfdir=/etc --localstatedir=/var --prefix=/usr $*"

	if [ ! -f "$ROOT/configure" ] || [ "$ROOT/configure.ac" -nt "$ROOT/configure" ]; then
		(cd "$ROOT" && autoreconf -i) || return 1
	fi
	mkdir -p "$BUILD" || die "the build directory $BUILD cannot be made."
	[ ! -f "$BUILD/Makefile" ] || [ "$(cat "$BUILD/.wish" 2>/dev/null)" != "$ROOT $wish" ] || return 0
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

# Packages of the reference page: web/package-lock.json says which, the build tree holds them.
build_web()
{
	local from=$ROOT/web into=$BUILD/npm
	[ -f "$from/package-lock.json" ] || return 0
	if [ ! -d "$into/node_modules" ] || ! cmp -s "$from/package-lock.json" "$into/package-lock.json"; then
		mkdir -p "$into" && cp "$from/package.json" "$from/package-lock.json" "$into/" || return 1
		(cd "$into" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund) || {
			rm -f "$into/package-lock.json"
			die "the npm packages of the reference page cannot be installed (is there a network?)."
		}
	fi
	make -C "$BUILD" -s web-files
}
