#!/bin/sh
# run.sh HEADGATE: run the prover against oidc-provider, and compare what fails
# with expected.txt, which says of each case why that is right.
set -eu
headgate=$(realpath "$1")
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund
dir=$(mktemp -d)
node provider.mjs "$dir" 2>"$dir/log" &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$dir"' EXIT
tries=0
until [ -f "$dir/target.json" ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { cat "$dir/log" >&2; exit 1; }
	sleep 0.1
done
"$headgate" conformance run --target "$dir/target.json" --json "$dir/report.json" >"$dir/out" 2>&1 || true
[ -f "$dir/report.json" ] || { cat "$dir/out" >&2; exit 1; }
node -e '
	const report = JSON.parse(require("fs").readFileSync(process.argv[1]));
	for (const r of report.results) if (r.status === "failed" || r.status === "not-run") console.log(r.id);
' "$dir/report.json" | sort >"$dir/failed"
grep -v '^#' expected.txt | cut -d' ' -f1 | sort >"$dir/expected"
tail -n 3 "$dir/out"
diff "$dir/expected" "$dir/failed" && echo 'what fails is what is expected to'
