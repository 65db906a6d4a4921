#!/bin/sh
# Starts a throw-away development stack and looks at its pages:
#   stack.sh HEADGATE PICTURES [LANGUAGE...]
set -eu
headgate=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
CHROMIUM=$("$here/browser.sh")
export CHROMIUM
npm ci --prefix "$here" --no-audit --no-fund --silent
node --test "$here/rules.test.mjs"

work=$(mktemp -d)
pid=
finish() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" || :; }
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
"$headgate" dev --home "$work/home" --port-base 0 --ephemeral >"$work/log" 2>&1 &
pid=$!
waited=0
until [ -f "$work/home/dev.json" ]; do
	kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
	waited=$((waited + 1))
	[ "$waited" -lt 900 ] || { echo 'the stack did not start in three minutes' >&2; exit 1; }
	sleep 0.2
done
node "$here/walk.mjs" "$work/home/dev.json" "$@"
