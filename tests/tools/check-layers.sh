#!/bin/sh
# Who may include whom. A layer includes itself and those to its left:
#   base <- idn <- proto, conf, net <- auth, policy, spool, backend <- front <- main.c
# Siblings never see each other, except that policy and backend may see spool.
# idn is for those who compare domains: conf, policy, backend, front. proto and net do without.
# proto is pure, libidn2 stays in idn, libgsasl and crypt(3) in auth, libconfig in conf, OpenSSL in net, libevent in net and main.c.
# Usage: check-layers.sh [source directory]; a line per violation, exit 1.
set -eu

src=${1:-$(dirname "$0")/../../src}
[ -d "$src" ] || { echo "check-layers: no directory $src" >&2; exit 2; }

find "$src" -name '*.[ch]' | sort | xargs awk -v src="$src/" '
BEGIN {
	low = " base "
	middle = " base proto conf net "
	may["idn"] = low "idn "
	may["base"] = low
	may["proto"] = low "proto "
	may["conf"] = low "idn conf "
	may["net"] = low "net "
	may["auth"] = middle "auth "
	may["spool"] = middle "spool "
	may["policy"] = middle "idn spool policy "
	may["backend"] = middle "idn spool backend "
	may["front"] = middle "idn auth policy spool backend front "
	may["main.c"] = may["front"]
	may["passwd.c"] = middle "auth "
}
function complain(text) {
	print FILENAME ":" FNR ": " text
	bad++
}
FNR == 1 {
	folder = substr(FILENAME, length(src) + 1)
	sub(/\/.*/, "", folder)
	files++
	if (!(folder in may))
		complain("a folder without a place among the layers: " folder)
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	if (part[2] == "config.h")
		next
	if (part[2] !~ /^[a-z0-9_]+\/[a-z0-9_]+\.h$/) {
		complain("not of the form \"folder/file.h\": " part[2])
		next
	}
	target = part[2]
	sub(/\/.*/, "", target)
	if (index(may[folder], " " target " ") == 0)
		complain(folder " must not include " part[2])
	seen++
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	header = $0
	sub(/^[^<]*</, "", header)
	sub(/>.*/, "", header)
	world = "^(time|stdio|unistd|pthread|sys/socket|sys/time|fcntl|netdb|netinet/.*|arpa/.*)\\.h$"
	if (folder == "proto" && header ~ world)
		complain("proto must not include <" header ">")
	if (header ~ /^(event\.h|event2\/)/ && folder != "net" && folder != "main.c")
		complain("libevent belongs to net; only main.c, for its signals, sees it too")
	if (header ~ /^openssl\// && folder != "net")
		complain("OpenSSL belongs to net")
	if (header == "idn2.h" && folder != "idn")
		complain("libidn2 belongs to idn")
	if (header ~ /^(gsasl|crypt)\.h$/ && folder != "auth")
		complain("libgsasl and crypt(3) belong to auth")
	if (header == "libconfig.h" && folder != "conf")
		complain("libconfig belongs to conf")
}
END {
	if (files == 0 || seen == 0) {
		print "check-layers: nothing was checked in " src
		exit 2
	}
	if (bad)
		exit 1
	print "layers: " files " files, " seen " includes, all as they should be"
}'
