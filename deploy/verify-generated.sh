#!/bin/sh
# Runs `make generate` and fails if that changes a file: then what is generated
# is older than what it is generated from. It compares files before and after,
# not with the last commit, so that it works in the middle of a change too.
set -eu
cd "$(dirname "$0")/.."

sums() {
	find . -type f ! -path './.git/*' ! -path './.cache/*' ! -path './.headgate/*' ! -path './bin/*' \
		-exec cksum {} + | sort -k 3
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sums >"$work/before"
make generate
sums >"$work/after"
if ! diff "$work/before" "$work/after" >"$work/diff"; then
	echo 'verify: generated files were not up to date; they are now:' >&2
	sed -n 's/^[<>] [0-9]* [0-9]* /  /p' "$work/diff" | sort -u >&2
	exit 1
fi
