#!/bin/sh
# Builds the programs and breaks things under them. SEED=n repeats a plan,
# SEEDS="1 2 3" or SEEDS=1..10 runs one after the other, FAULT=nightly takes an
# hour and goes on where it was broken off, MUTANTS=1 breaks the product
# instead, OLD=REF has an older version run beside this one.
set -eu
cd "$(dirname "$0")/../.."
out=${OUT:-.cache/fault}
# shellcheck disable=SC2086,SC2089,SC2090 # TAGS are words
GO=${GO:-go} TAGS=${TAGS:--tags nomsgpack}
mkdir -p "$out/broken"
# The product with all faults in it, each switched on in its turn.
broken() {
	$GO run ./conformance/broken/build -o "$out/broken" ./cmd/authzd ./cmd/gatewayd ./cmd/headgate
	$GO build $TAGS -o "$out/broken/" ./cmd/internal/stock/fill
}
if [ -n "${MUTANTS:-}" ]; then
	broken
	$GO build -o "$out/" ./conformance/fault
	exec conformance/fault/packets.sh "$out/fault" -mutants -bin "$out/broken" -seed "${SEED:-0}" -report "$out/mutants.json" -apps 4 -people 12 -steady 30 -rate 40 -hold 3s -gap 1.7s "$@"
fi
if [ "${FAULT:-}" = nightly ]; then
	broken
	# The version before the newest migration.
	: "${OLD:=$(git rev-parse --verify --quiet "$(git log -1 --diff-filter=A --format=%H -- internal/postgres/migrations)^" || true)}"
	[ -n "$OLD" ] || echo 'make fault: no older version is in this clone: M1 takes OLD=REF' >&2
fi
$GO build $TAGS -o "$out/" ./cmd/authzd ./cmd/gatewayd ./cmd/headgate ./cmd/internal/stock/fill ./conformance/fault
if [ -n "${OLD:-}" ]; then
	[ -d "$out/old-source" ] || git worktree add --detach "$out/old-source" "$OLD"
	old=$(cd "$out" && pwd)/old
	(cd "$out/old-source" && git checkout --detach "$OLD" && $GO build $TAGS -o "$old/" ./cmd/authzd ./cmd/gatewayd)
	git worktree remove "$out/old-source"
	set -- -old "$out/old" "$@"
fi
case ${FAULT:-} in
nightly) set -- -nightly -broken "$out/broken" -people 24 -hold 3s -gap 1.7s "$@" ;;
'') ;;
*) echo "make fault: FAULT is nightly or nothing" >&2; exit 1 ;;
esac
if [ -z "${SEEDS:-}" ]; then
	exec conformance/fault/packets.sh "$out/fault" -bin "$out" -seed "${SEED:-0}" -report "$out/report.json" "$@"
fi
case $SEEDS in
*..*) seeds=$(seq "${SEEDS%%..*}" "${SEEDS##*..}") ;;
*) seeds=$SEEDS ;;
esac
# One that breaks a promise is kept in seeds.txt: it runs before every plan.
kept='' broken='' void=''
for seed in $seeds; do
	status=0
	conformance/fault/packets.sh "$out/fault" -bin "$out" -seed "$seed" -report "$out/report-$seed.json" -keep conformance/fault/seeds.txt "$@" || status=$?
	case $status in
	0) kept="$kept $seed" ;;
	3) void="$void $seed" ;;
	*) broken="$broken $seed" ;;
	esac
done
echo "seeds: every promise kept:${kept:- none}; broken:${broken:- none}; machine too slow to tell:${void:- none}"
if [ -n "$broken" ]; then exit 1; fi
if [ -n "$void" ]; then exit 3; fi
