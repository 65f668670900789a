#!/bin/sh
# Unpack the test clients that must never be installed, because their package
# would become this machine's mail server: postfix, for smtp-source. They live
# in a private cache; prints its path. Needs the network only the first time.
set -eu

home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$home/.cache}/smtpfrontd-tests
root=$cache/postfix

if [ -x "$root/usr/sbin/smtp-source" ]; then
	echo "$root"
	exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

download() {
	# As root apt hands the download to the user _apt, who must be able to write there.
	chmod 755 "$work"
	(cd "$work" && apt-get -o APT::Sandbox::User=root download -q postfix) >"$work/log" 2>&1
}

if ! download; then
	if [ "$(id -u)" = 0 ]; then
		apt-get update -q >&2
	fi
	if ! download; then
		cat "$work/log" >&2
		echo "fetch-peers: cannot download the package postfix (to unpack it, not to install it)" >&2
		exit 1
	fi
fi
dpkg -x "$work"/postfix_*.deb "$work/postfix"
# Another run may have been faster; then its result is as good.
mv -T "$work/postfix" "$root" 2>/dev/null || [ -x "$root/usr/sbin/smtp-source" ]

if LD_LIBRARY_PATH="$root/usr/lib/postfix" ldd "$root/usr/sbin/smtp-source" | grep 'not found' >&2; then
	echo "fetch-peers: smtp-source lacks the libraries above" >&2
	exit 1
fi
echo "$root"
