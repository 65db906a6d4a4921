#!/bin/sh
# Builds the newest commit twice with `make build`, in two folders and with two
# build caches that never see each other, and compares what comes out: S1 of
# docs/invariants.md. The caches are kept: the first run compiles everything
# twice, each later one what has changed since, twice as well.
#
# $OUT/first/bin holds the programs then, with PROGRAM.modules beside each: the
# modules that it was built from, as it says itself (`go version -m`), and
# PROGRAM.sbom.json, which has to name all of them.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go} OUT=${OUT:-.cache/reproduce}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
commit=$(git rev-parse HEAD)
bad=0
fault() {
	echo "make reproduce: $*" >&2
	bad=1
}

if [ -n "$(git status --porcelain)" ]; then
	echo "make reproduce: only what is committed is built" >&2
fi
$GO mod verify

# The second folder has a longer name: a path that gets into a program shows.
first=$OUT/first second=$OUT/the-second-of-two
for folder in "$first" "$second"; do
	rm -rf "$folder"
	git clone -q . "$folder"
	git -C "$folder" checkout -q --detach "$commit"
	echo "building $commit in $folder"
	GOCACHE=$folder.cache GOFLAGS=-mod=readonly make -s -C "$folder" build GO="$GO"
done

if [ "$(ls "$first/bin")" != "$(ls "$second/bin")" ] || [ -z "$(ls "$first/bin")" ]; then
	fault "the two builds have other programs"
fi
for path in "$first"/bin/*; do # expanded before there are other files
	program=${path##*/}
	for folder in "$first" "$second"; do
		(cd "$folder/bin" && { sha256sum "$program" 2>/dev/null || shasum -a 256 "$program"; })
	done
	cmp "$path" "$second/bin/$program" >&2 || fault "$program is not the same"
	# Lines of three fields behind "dep": module, version, hash of its content.
	modules=$path.modules
	$GO version -m "$path" | awk '$1 == "dep" || $1 == "=>" { print $1, $2, $3, $4 }' >"$modules"
	[ -s "$modules" ] || fault "$program does not say what it was built from"
	sbom=$path.sbom.json
	"$first/bin/headgate" sbom "$path" >"$sbom"
	while read -r kind module version sum; do
		if [ "$kind" = '=>' ]; then
			fault "$program: a module is replaced by $module $version"
		elif [ -z "$sum" ] || ! grep -qxF "$module $version $sum" go.sum; then
			fault "$program: $module $version is not in go.sum"
		fi
		grep -qF "\"$sum\"" "$sbom" || fault "$program: $module $version is not in its bill of materials"
	done <"$modules"
done

# A module that its author took back is linked only where there is no other
# version to take: fosite needs this one.
known='github.com/dgraph-io/ristretto v1.0.0'
linked=$(awk '$1 == "dep" { print $2 }' "$first"/bin/*.modules | sort -u)
# Into a file of its own: who cannot be asked must not look like nothing found.
# shellcheck disable=SC2086 # one word each
$GO list -m -retracted -u -f '{{if .Retracted}}{{.Path}} {{.Version}}{{end}}' $linked >"$OUT/retracted"
while read -r module; do
	[ -z "$module" ] || [ "$module" = "$known" ] || fault "$module was taken back by its author"
done <"$OUT/retracted"
[ "$bad" = 0 ] || exit 1
echo "$commit: both builds are the same, from modules of go.sum, all in the bills of materials"
