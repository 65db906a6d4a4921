#!/bin/sh
# Prints the path of a Chromium that can be started, and makes sure that there
# are Node 20 or later with npm, and letters for Chinese. What is installed is
# used; the rest comes from apt-get, as root or through sudo without a
# password. It says on stderr what it does.
#
# exit: 0 all of it is there; 3 not, and the message says what is missing
set -eu

say() { printf 'pages: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
browser() {
	for name in ${CHROMIUM:-} chromium chromium-browser google-chrome-stable google-chrome; do
		if have "$name"; then command -v "$name"; return; fi
	done
}
node_fits() { have node && have npm && node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; }
chinese() { have fc-list && [ -n "$(fc-list :lang=zh-cn family)" ]; }

packages=
[ -n "$(browser)" ] || packages="$packages chromium"
chinese || packages="$packages fontconfig fonts-wqy-microhei"
node_fits || packages="$packages nodejs npm"
if [ -n "$packages" ] && have apt-get; then
	as_root=
	if [ "$(id -u)" != 0 ]; then
		as_root='sudo -n'
		have sudo && sudo -n true 2>/dev/null || as_root=none
	fi
	if [ "$as_root" != none ]; then
		say "installing$packages with apt-get"
		$as_root apt-get -o DPkg::Lock::Timeout=300 -q update >&2 || say 'apt-get update failed; trying with the lists that are there'
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q install -y --no-install-recommends $packages >&2 || say 'apt-get could not install everything'
	fi
fi

status=0
[ -n "$(browser)" ] || { say 'there is no Chromium: install it, or set CHROMIUM to its path'; status=3; }
chinese || { say 'there is no font with Chinese letters: install fonts-wqy-microhei or fonts-noto-cjk'; status=3; }
node_fits || { say 'there is no Node 20 or later with npm'; status=3; }
[ "$status" = 0 ] || exit "$status"
browser
