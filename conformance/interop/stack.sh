#!/bin/sh
# Starts a throw-away development stack, walks it with run.sh, and does the
# same with a stack that demands DPoP nonces:
#   stack.sh HEADGATE
set -eu
headgate=$1
here=$(cd "$(dirname "$0")" && pwd)

# walk MODE [DEV-FLAG...]
walk() {
	mode=$1
	shift
	echo "nonces $mode"
	# shellcheck disable=SC2016 # the inner shell fills them in
	"$here/../with-stack.sh" "$headgate" "$@" -- sh -c \
		'exec "$1/run.sh" "$DEV_JSON" --nonces "$2" --approve "$3 recipient approve --yes --home $DEV_HOME"' sh "$here" "$mode" "$headgate" || failed=1
}

failed=0
walk off
walk on --dpop-nonces
exit "$failed"
