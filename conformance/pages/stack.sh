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
# shellcheck disable=SC2016 # the inner shell fills it in
exec "$here/../with-stack.sh" "$headgate" -- sh -c 'walk=$1 && shift && exec node "$walk" "$DEV_JSON" "$@"' sh "$here/walk.mjs" "$@"
