#!/bin/sh
# Replaces the files of Swagger UI by those of a version of the npm package
# swagger-ui-dist, if the package is the one that was asked for.
set -eu
[ $# -eq 2 ] || { echo 'usage: renew.sh VERSION sha512-BASE64' >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "swagger-ui-dist@$1" >/dev/null
got="sha512-$(openssl dgst -sha512 -binary swagger-ui-dist-*.tgz | base64 | tr -d '\n')"
[ "$got" = "$2" ] || { echo "renew.sh: integrity is $got" >&2; exit 1; }
tar -xzf swagger-ui-dist-*.tgz
cd package
sha256sum swagger-ui-bundle.js swagger-ui.css >"$here/SHA256SUMS"
for f in swagger-ui-bundle.js swagger-ui.css; do gzip -9 -n -c "$f" >"$here/$f.gz"; done
cp LICENSE NOTICE swagger-ui-bundle.js.LICENSE.txt "$here/"
chmod 644 "$here"/*.gz "$here/LICENSE" "$here/NOTICE" "$here"/*.txt "$here/SHA256SUMS"
