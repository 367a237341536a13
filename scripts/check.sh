# ./rookery test: a build of its own that holds replies against their contracts, unit tests, then the
# tests over a farm that they start and take down themselves.

test()
{
	local httpd=lighttpd sanitize= args=() configure=--enable-reply-check failed=0
	while [ $# -gt 0 ]; do
		case $1 in
		--httpd)
			[ $# -gt 1 ] || die "--httpd needs a name: lighttpd or apache."
			httpd=$2
			shift
			;;
		--sanitize) sanitize=1 ;;
		*) args+=("$1") ;;
		esac
		shift
	done
}
