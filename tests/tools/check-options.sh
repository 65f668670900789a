#!/bin/sh
# Do the option table, the sample file and the manual tell the same? Every key
# stands in etc/smtpfrontd.conf; with each "#key = value;" taken in, the file is
# still good and, but for the greeting, gives what it gave without: so each of
# them shows the default. With each "# key = value;", which is an example, it
# is still good. The manual has an entry for each key and for no other,
# and its examples, and those for people who come from mailfront, are good
# configurations.
# BUILD names the build directory (where options_man and the manual are), srcdir the source tree.
set -eu

top=${srcdir:-$(dirname "$0")/../..}
build=${BUILD:-.}
tool=$build/options_man
sample=$top/etc/smtpfrontd.conf
page=$build/man/smtpfrontd.conf.5
mailfront=$top/man/smtpfrontd-mailfront.7
for file in "$tool" "$sample" "$page" "$mailfront"; do
	[ -e "$file" ] || { echo "check-options: no $file" >&2; exit 2; }
done

status=0
complain() {
	echo "check-options: $*"
	status=1
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$tool" --list >"$dir/list"
[ -s "$dir/list" ] || { echo "check-options: the option table is empty" >&2; exit 2; }
cut -d' ' -f2 "$dir/list" | sort -u >"$dir/keys"

# The sample file.
sed 's/^\([ 	]*\)#\([a-z_0-9]* *=\)/\1\2/' "$sample" >"$dir/all.conf"
sed 's/^\([ 	]*\)# \([a-z_0-9]* = .*;\)$/\1\2/' "$dir/all.conf" >"$dir/files.conf"
cmp -s "$dir/files.conf" "$dir/all.conf" && complain "$sample has no examples of files to take in"
cmp -s "$sample" "$dir/all.conf" && complain "$sample has no keys to take in"
while read -r key; do
	grep -qE "^[ 	]*(# )?(tls_certificates = \( )?(\{ *|.*; )?$key *=" "$dir/all.conf" || complain "$key is not in $sample"
done <"$dir/keys"
while read -r scope key default; do
	case $scope:$default in
	*:-) ;;
	global:* | session:*) grep -qE "^#$key *=" "$sample" ||
		complain "$key has a default, so \"#$key = ...\" must stand in $sample" ;;
	esac
done <"$dir/list"
for file in "$sample" "$dir/all.conf" "$dir/files.conf" "$top/etc/smtpfrontd-minimal.conf"; do
	"$tool" --dump "$file" >"$dir/dump" 2>"$dir/error" || complain "$file: $(cat "$dir/error")"
	grep -v 'smtpgreeting = ' "$dir/dump" >"$dir/$(basename "$file").dump"
done
diff "$dir/smtpfrontd.conf.dump" "$dir/all.conf.dump" ||
	complain "$sample shows other defaults than those that hold (<)"

# The manual.
sed -n 's/^\.It Ic \([a-z_0-9]*\)$/\1/p' "$page" | sort -u >"$dir/manual"
diff "$dir/keys" "$dir/manual" || complain "$page has other keys (>) than the option table (<)"
grep -q '^\.\\" example$' "$mailfront" || complain "$mailfront has no examples"
awk -v dir="$dir" '
/^\.\\" example$/ { wanted = 1; next }
wanted && /^\.Bd / { wanted = 0; file = dir "/example" ++count ".conf"; next }
/^\.Ed$/ { file = "" }
file { gsub(/\\e/, "\\"); print >file }' "$page" "$mailfront"
[ -e "$dir/example1.conf" ] || complain "$page has no examples"
for file in "$dir"/example*.conf; do
	"$tool" --dump "$file" >/dev/null 2>"$dir/error" || complain "an example of the manual: $(cat "$dir/error")"
done

[ $status != 0 ] || echo "options: $(wc -l <"$dir/keys") keys, each in the sample file and in the manual"
exit $status
