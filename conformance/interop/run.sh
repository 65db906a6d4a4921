#!/bin/sh
# Walks a running stack with a client that shares no code with it:
#   run.sh DEV_JSON [--only NAME] [--nonces on|off] [--approve 'COMMAND...']
set -eu
here=$(cd "$(dirname "$0")" && pwd)
npm ci --prefix "$here" --no-audit --no-fund --silent
exec node "$here/interop.mjs" "$@"
