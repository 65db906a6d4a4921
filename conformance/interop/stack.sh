#!/bin/sh
# Starts a throw-away development stack, walks it with run.sh, and does the
# same with a stack that demands DPoP nonces:
#   stack.sh HEADGATE
set -eu
headgate=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pid=
finish() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" || :; }
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# walk MODE [FLAG...]
walk() {
	mode=$1
	shift
	echo "nonces $mode"
	"$headgate" dev --home "$work/$mode" --port-base 0 --ephemeral "$@" >"$work/$mode.log" 2>&1 &
	pid=$!
	waited=0
	until [ -f "$work/$mode/dev.json" ]; do
		kill -0 "$pid" 2>/dev/null || { cat "$work/$mode.log" >&2; exit 1; }
		waited=$((waited + 1))
		[ "$waited" -lt 600 ] || { echo 'the stack did not start in two minutes' >&2; exit 1; }
		sleep 0.2
	done
	status=0
	"$here/run.sh" "$work/$mode/dev.json" --nonces "$mode" --approve "$headgate recipient approve --yes --home $work/$mode" || status=1
	kill "$pid"
	wait "$pid" || :
	pid=
	[ "$status" = 0 ] || failed=1
}

failed=0
walk off
walk on --dpop-nonces
exit "$failed"
