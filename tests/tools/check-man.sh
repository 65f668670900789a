#!/bin/sh
# Are the manual pages clean? mandoc must say nothing about them, except that
# it does not know the pages they refer to, which depends on the machine.
# BUILD names the build directory, where the pages are.
set -eu

build=${BUILD:-.}
top=${srcdir:-$(dirname "$0")/../..}
command -v mandoc >/dev/null || { echo "check-man: mandoc is needed" >&2; exit 2; }

status=0
for page in "$build/man/smtpfrontd.8" "$build/man/smtpfrontd.conf.5" "$top/man/smtpfrontd-passwd.1" \
	"$top/man/smtpfrontd-mailfront.7" "$top/man/smtpfrontd-tutorial.7"; do
	[ -s "$page" ] || { echo "check-man: no $page" >&2; exit 2; }
	found=$(mandoc -T lint "$page" 2>/dev/null | grep -v 'STYLE: referenced manual not found' || true)
	[ -z "$found" ] || { echo "$found"; status=1; }
	if grep -n '@[A-Za-z_]*@' "$page"; then
		echo "check-man: $page: something was not filled in"
		status=1
	fi
done
[ $status != 0 ] || echo "manual: clean"
exit $status
