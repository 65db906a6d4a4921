#!/bin/sh
# run.sh HEADGATE [forms|chromium]: run the prover against oidc-provider, with
# the form-driving browser or a real one, and compare what fails with
# expected.txt, which says of each case why that is right. What does not apply
# in a real browser is not expected to fail there.
set -eu
export LC_ALL=C # for sort and comm
headgate=$(realpath "$1")
browser=${2:-forms}
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund
dir=$(mktemp -d)
node provider.mjs "$dir" "$browser" 2>"$dir/log" &
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
# ids STATUS... prints the cases that ended so.
ids() {
	node -e '
		const [file, ...statuses] = process.argv.slice(1);
		for (const r of JSON.parse(require("fs").readFileSync(file)).results) if (statuses.includes(r.status)) console.log(r.id);
	' "$dir/report.json" "$@" | sort
}
ids failed not-run >"$dir/failed"
ids not-applicable >"$dir/not-applicable"
grep -v '^#' expected.txt | cut -d' ' -f1 | sort | comm -23 - "$dir/not-applicable" >"$dir/expected"
tail -n 3 "$dir/out"
diff "$dir/expected" "$dir/failed" && echo "what fails is what is expected to: $(wc -l <"$dir/failed") cases"
