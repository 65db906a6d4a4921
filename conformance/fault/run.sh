#!/bin/sh
# Builds the programs and breaks things under them. SEED=n repeats a plan,
# FAULT=nightly takes an hour. Seeds that once failed run first.
set -eu
cd "$(dirname "$0")/../.."
out=.cache/fault
GO=${GO:-go} TAGS=${TAGS:--tags nomsgpack}
mkdir -p "$out"
if [ -n "${MUTANTS:-}" ]; then
	# The product with all faults in it, each switched on in its turn.
	$GO run ./conformance/broken/build -o "$out/broken" ./cmd/authzd ./cmd/gatewayd ./cmd/headgate
	$GO build -o "$out/" ./conformance/fault
	exec "$out/fault" -mutants -bin "$out/broken" -seed "${SEED:-0}" -report "$out/mutants.json" -apps 12 -people 36 -steady 40 -rate 40 "$@"
fi
# shellcheck disable=SC2086 # TAGS are words
$GO build $TAGS -o "$out/" ./cmd/authzd ./cmd/gatewayd ./cmd/headgate ./conformance/fault
case ${FAULT:-} in
nightly) set -- -rounds 5 -hold 12s -gap 8s -people 120 -apps 20 -rate 100 -restarts 8 -requests 10000 -stops 200 "$@" ;;
'') ;;
*) echo "make fault: FAULT is nightly or nothing" >&2; exit 1 ;;
esac
exec "$out/fault" -bin "$out" -seed "${SEED:-0}" -report "$out/report.json" "$@"
