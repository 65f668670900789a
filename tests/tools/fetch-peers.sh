#!/bin/sh
# fetch-peers.sh [postfix|dovecot|exim|haproxy|fail2ban]: unpack a server, or what
# the tests need of it, that must never be installed, because its package would
# become this machine's mail server, or begin to serve. It lives in a private
# cache; prints the path of its root.
# Without an argument it is postfix. Libraries that it needs and that are not
# installed here are unpacked beside it. Needs the network only the first time.
set -eu

peer=${1:-postfix}
case $peer in
postfix) packages=postfix program=usr/sbin/smtp-source own_libraries=usr/lib/postfix ;;
dovecot) packages='dovecot-core dovecot-lmtpd' program=usr/sbin/dovecot own_libraries=usr/lib/dovecot ;;
exim) packages='exim4-daemon-light exim4-base' program=usr/sbin/exim4 own_libraries= ;;
haproxy) packages='haproxy libopentracing1' program=usr/sbin/haproxy own_libraries= ;;
fail2ban) packages=fail2ban program=usr/bin/fail2ban-regex own_libraries= ;;
*)
	echo "fetch-peers: no peer is called $peer" >&2
	exit 2
	;;
esac

home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$home/.cache}/smtpfrontd-tests
root=$cache/$peer

if [ -x "$root/$program" ]; then
	echo "$root"
	exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# As root apt hands the download to the user _apt, who must be able to write there.
chmod 755 "$work"

# Libraries that these packages need, as far as they are not installed.
missing_libraries() {
	# shellcheck disable=SC2086 # one word per package
	apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances $packages | sed -n 's/^ *Depends: \(lib[^ <>]*\)$/\1/p' | sort -u |
		while read -r library; do
			dpkg-query -W -f='${db:Status-Status}\n' "$library" 2>/dev/null | grep -q '^installed$' ||
				echo "$library"
		done
}

download() {
	# shellcheck disable=SC2046,SC2086 # one word per package
	(cd "$work" && apt-get -o APT::Sandbox::User=root download -q $packages $(missing_libraries)) \
		>"$work/log" 2>&1
}

if ! download; then
	if [ "$(id -u)" = 0 ]; then
		apt-get update -q >&2
	fi
	if ! download; then
		cat "$work/log" >&2
		echo "fetch-peers: cannot download $packages (to unpack, not to install)" >&2
		exit 1
	fi
fi
for package in "$work"/*.deb; do
	dpkg -x "$package" "$work/root"
done
# Another run may have been faster; then its result is as good.
mv -T "$work/root" "$root" 2>/dev/null || [ -x "$root/$program" ]

libraries=$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
if LD_LIBRARY_PATH="${own_libraries:+$root/$own_libraries:}$libraries" ldd "$root/$program" | grep 'not found' >&2; then
	echo "fetch-peers: $program lacks the libraries above" >&2
	exit 1
fi
echo "$root"
