#!/bin/sh
# Does each test exist that HACKING names in "Attacks and their tests"? They are
# written file::name, the file below tests/: a function of pytest, a test of Check,
# a vector; a file alone stands for all that is in it.
# Usage: check-attacks.sh [directory with HACKING and tests/]
set -u

top=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$top" || exit 2
section=$(awk '/^Attacks and their tests$/ { on = 1; next } on && /^(----|====)/ && ++rules == 2 { exit } on' HACKING)

exists() {
	file=tests/${1%%::*}
	name=${1#*::}
	[ -f "$file" ] || return 1
	[ "$name" != "$1" ] || return 0
	case $file in
	*.py) grep -q "^def $name(" "$file" ;;
	*.c) grep -q "^START_TEST($name)" "$file" ;;
	*.smtp) grep -qx "== $name" "$file" ;;
	*) return 1 ;;
	esac
}

count=0 missing=0
for test in $(printf '%s\n' "$section" | grep -oE '(unit|integration|vectors|vectors-client|fuzz)/[A-Za-z0-9_]+\.(py|c|smtp)(::[A-Za-z0-9_]+)?'); do
	count=$((count + 1))
	exists "$test" && continue
	echo "HACKING names a test that is not there: $test"
	missing=$((missing + 1))
done
# Each row must lead somewhere.
rows=$(printf '%s\n' "$section" | awk '
	/^S[0-9]+ / { if (row && !tests) print row; row = $1; tests = 0 }
	/::|fuzz\// { tests++ }
	END { if (row && !tests) print row }')
for row in $rows; do
	echo "HACKING names no test for $row"
	missing=$((missing + 1))
done
echo "$count tests named, $missing missing"
[ "$count" -gt 0 ] && [ "$missing" -eq 0 ]
