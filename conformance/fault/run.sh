#!/bin/sh
# Builds the programs and breaks things under them. SEED=n repeats a plan,
# FAULT=nightly takes an hour, MUTANTS=1 breaks the product instead, OLD=REF has
# an older version run beside this one.
set -eu
cd "$(dirname "$0")/../.."
out=.cache/fault
# shellcheck disable=SC2086,SC2089,SC2090 # TAGS are words
GO=${GO:-go} TAGS=${TAGS:--tags nomsgpack}
mkdir -p "$out"
if [ -n "${MUTANTS:-}" ]; then
	# The product with all faults in it, each switched on in its turn.
	$GO run ./conformance/broken/build -o "$out/broken" ./cmd/authzd ./cmd/gatewayd ./cmd/headgate
	$GO build -o "$out/" ./conformance/fault
	exec "$out/fault" -mutants -bin "$out/broken" -seed "${SEED:-0}" -report "$out/mutants.json" -apps 12 -people 36 -steady 40 -rate 40 "$@"
fi
$GO build $TAGS -o "$out/" ./cmd/authzd ./cmd/gatewayd ./cmd/headgate ./conformance/fault
if [ -n "${OLD:-}" ]; then
	[ -d "$out/old-source" ] || git worktree add --detach "$out/old-source" "$OLD"
	(cd "$out/old-source" && git checkout --detach "$OLD" && $GO build $TAGS -o ../old/ ./cmd/authzd ./cmd/gatewayd)
	git worktree remove "$out/old-source"
	set -- -old "$out/old" "$@"
fi
case ${FAULT:-} in
nightly) set -- -rounds 5 -hold 10s -gap 4s -people 120 -apps 20 -rate 100 -restarts 8 -requests 10000 -stops 200 "$@" ;;
'') ;;
*) echo "make fault: FAULT is nightly or nothing" >&2; exit 1 ;;
esac
exec "$out/fault" -bin "$out" -seed "${SEED:-0}" -report "$out/report.json" "$@"
