#!/bin/sh
# Sizes of functions and files, by universal-ctags. Prints the figures and fails
# on the caps: a function 80 lines, main() 60, a .c file 700, a header 200.
# The aims are softer: half of the functions up to 14 lines, nine in ten up to 40.
# Usage: check-sizes.sh [source directory]
set -eu

src=${1:-$(dirname "$0")/../../src}
[ -d "$src" ] || { echo "check-sizes: no directory $src" >&2; exit 2; }
ctags --version 2>/dev/null | grep -q Universal || { echo "check-sizes: universal-ctags is needed" >&2; exit 2; }

status=0
complain() {
	echo "$*"
	status=1
}

functions=$(mktemp)
trap 'rm -f "$functions"' EXIT
find "$src" -name '*.[ch]' | sort |
	xargs ctags -x --language-force=C --kinds-C=f --fields=+ne --_xformat='%N %{line} %{end} %F' -o - |
	awk '{ print $3 - $2 + 1, $1, $4 ":" $2 }' | sort -n >"$functions"
[ -s "$functions" ] || { echo "check-sizes: no functions found in $src" >&2; exit 2; }

long=$(awk '$1 > 80 || ($2 == "main" && $1 > 60) { print $3 ": " $2 "() has " $1 " lines" }' "$functions")
[ -z "$long" ] || complain "$long"

for file in $(find "$src" -name '*.[ch]' | sort); do
	lines=$(wc -l <"$file")
	case $file in
	*.c) cap=700 ;;
	*) cap=200 ;;
	esac
	[ "$lines" -le "$cap" ] || complain "$file: $lines lines, more than $cap"
done

awk '
{ size[NR] = $1 }
function at(part) { i = int(NR * part + 0.999999); return size[i < 1 ? 1 : i] }
END {
	printf "functions: %d; lines p50 %d, p75 %d, p90 %d, p99 %d, longest %d\n",
		NR, at(.5), at(.75), at(.9), at(.99), size[NR]
	if (at(.5) > 14 || at(.9) > 40)
		print "over the aim of p50 <= 14 and p90 <= 40"
}' "$functions"
find "$src" -name '*.c' -exec wc -l {} + | awk '$2 != "total" { print $1 }' | sort -n | awk '
{ size[NR] = $1; sum += $1 }
END { printf "files: %d .c, %d lines; median %d, longest %d\n", NR, sum, size[int((NR + 1) / 2)], size[NR] }'
exit $status
