#!/bin/sh
# Runs a command beside a throw-away development stack, with the path of its
# dev.json in DEV_JSON and its state folder in DEV_HOME:
#   with-stack.sh HEADGATE [DEV-FLAG...] -- COMMAND [ARG...]
# exit: that of the command; 1 when the stack does not start
set -eu
headgate=$1
shift
work=$(mktemp -d)
pid=
finish() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" || :; }
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

flags=
while [ "$1" != -- ]; do
	flags="$flags $1"
	shift
done
shift
DEV_HOME=$work/home DEV_JSON=$work/home/dev.json
export DEV_HOME DEV_JSON
# shellcheck disable=SC2086 # flags are words
"$headgate" dev --home "$DEV_HOME" --port-base 0 --ephemeral $flags >"$work/log" 2>&1 &
pid=$!
waited=0
until [ -f "$DEV_JSON" ]; do
	kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
	waited=$((waited + 1))
	[ "$waited" -lt 900 ] || { echo 'the stack did not start in three minutes' >&2; exit 1; }
	sleep 0.2
done
status=0
"$@" || status=$?
exit "$status"
