#!/bin/bash
# Build smtpfrontd and try it: a demo mailbox, a user, a certificate made on the
# spot, a daemon on 127.0.0.1 in the foreground, with STARTTLS on port 2525, SMTPS
# on port 2465 and submission on port 2587, and lines to send it mail with. Ctrl-C
# ends it.
#   contrib/quickstart.sh           run the demo
#   contrib/quickstart.sh --check   take free ports, send a message each in plain text, by
#                                   STARTTLS, by SMTPS and by submission, show what arrived
# SMTPFRONTD_DEMO names the demo's directory (./demo), SMTPFRONTD_PORT,
# SMTPFRONTD_SMTPS_PORT and SMTPFRONTD_SUBMISSION_PORT the ports (2525, 2465, 2587),
# SMTPFRONTD_BUILD the build directory (build-quickstart in the source tree).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${SMTPFRONTD_BUILD:-$top/build-quickstart}
port=${SMTPFRONTD_PORT:-2525}
smtps_port=${SMTPFRONTD_SMTPS_PORT:-2465}
submission_port=${SMTPFRONTD_SUBMISSION_PORT:-2587}
user=demo@example.org password=demo # of the demo, on 127.0.0.1
packages=(gcc libc6-dev make autoconf automake pkg-config libevent-dev libssl-dev libconfig-dev libidn2-dev
	libgsasl-dev libcrypt-dev openssl)

say() { printf '%s\n' "$*"; }
die() {
	printf 'quickstart: %s\n' "$*" >&2
	exit 1
}

usage() {
	sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

is_installed() {
	local status
	status=$(dpkg-query -W -f='${db:Status-Status} ' "$1" 2>/dev/null) || return 1
	[[ " $status" == *" installed "* ]]
}

install_packages() {
	local missing=() package as_root=()

	command -v dpkg-query >/dev/null || return 0 # not Debian: configure tells what is missing
	for package in "${packages[@]}"; do
		is_installed "$package" || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	if ((EUID != 0)); then
		command -v sudo >/dev/null ||
			die "these packages are missing, and I am neither root nor is there sudo: ${missing[*]}"
		as_root=(sudo)
	fi
	say "Installing ${missing[*]}"
	"${as_root[@]}" apt-get update -qq
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build_daemon() {
	[[ ! -e $top/config.status ]] ||
		die "the source tree itself is configured; run 'make distclean' in it, or build there yourself"
	mkdir -p "$build"
	build=$(cd "$build" && pwd)
	{
		if [[ ! -x $top/configure || $top/configure.ac -nt $top/configure ||
			$top/Makefile.am -nt $top/Makefile.in ]]; then
			(cd "$top" && autoreconf -fi)
		fi
		[[ -e $build/Makefile ]] || (cd "$build" && "$top/configure")
		make -C "$build" -j"$(nproc)" smtpfrontd smtpfrontd-passwd
	} >"$build/quickstart.log" 2>&1 || {
		tail -n 40 "$build/quickstart.log" >&2
		die "the build failed; its whole log is $build/quickstart.log"
	}
}

# quoted PATH [plain]: it as the value of a string in the configuration. In a
# backend's path "%" means itself only when it stands twice.
quoted() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	[[ ${2:-} == plain ]] || text=${text//%/%%}
	printf '%s' "$text"
}

# make_certificate DIRECTORY: one that signs itself, unless there is one for another day.
make_certificate() {
	if [[ -r $1/key.pem ]] && openssl x509 -in "$1/cert.pem" -noout -checkend 86400 >/dev/null 2>&1; then
		return
	fi
	(umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj /CN=demo.example.org -addext subjectAltName=DNS:demo.example.org,DNS:localhost,IP:127.0.0.1 \
		-keyout "$1/key.pem" -out "$1/cert.pem" 2>"$1/openssl.log") || {
		cat "$1/openssl.log" >&2
		die "openssl could not make a certificate"
	}
	rm -f "$1/openssl.log"
}

# write_demo DIRECTORY LISTEN LISTEN_SMTPS LISTEN_SUBMISSION: a mailbox, a user, a certificate, and a
# configuration for them.
write_demo() {
	mkdir -p "$1/mail/example.org/demo"
	make_certificate "$1"
	printf '%s\n' "$password" | "$build/smtpfrontd-passwd" -c "$1/passwd" "$user" >/dev/null
	cat >"$1/smtpfrontd.conf" <<-CONF
		hostname   = "demo.example.org";
		domains    = ( "example.org" );
		postmaster = "demo@example.org";
		listeners  = ( { listen = "$2"; },
		               { listen = "$3"; tls_immediate = true; },
		               { listen = "$4"; require_auth = true; } );
		auth       = ( { type = "file"; path = "$(quoted "$1" plain)/passwd"; } );
		tls_certfile = "$(quoted "$1" plain)/cert.pem";
		tls_keyfile  = "$(quoted "$1" plain)/key.pem";
		max_sessions            = 1000;
		max_sessions_per_client = 1000;
		backends   = { inbox = { type = "maildir"; path = "$(quoted "$1")/mail/%d/%n"; }; };
		routes     = ( { domain = "example.org"; backend = "inbox"; } );
	CONF
}

run_demo() {
	local demo=${SMTPFRONTD_DEMO:-demo}

	mkdir -p "$demo"
	demo=$(cd "$demo" && pwd)
	write_demo "$demo" "127.0.0.1:$port" "127.0.0.1:$smtps_port" "127.0.0.1:$submission_port"
	"$build/smtpfrontd" -t -c "$demo/smtpfrontd.conf" >/dev/null
	cat <<-TEXT

		The daemon runs here with $demo/smtpfrontd.conf until Ctrl-C.
		Send it mail from another window with swaks, smtp-source, or curl:

		  swaks --server 127.0.0.1:$port --from you@example.net --to demo@example.org
		  swaks --server 127.0.0.1:$port --from you@example.net --to demo@example.org --tls
		  swaks --server 127.0.0.1:$smtps_port --from you@example.net --to demo@example.org --tlsc
		  swaks --server 127.0.0.1:$submission_port --from $user --to demo@example.org --tls \\
		      --auth --auth-user $user --auth-password $password
		  smtp-source -s 50 -m 1000 -f you@example.net -t demo@example.org 127.0.0.1:$port
		  printf 'Subject: hello\r\n\r\nIt works.\r\n' | curl -sS -T - smtp://127.0.0.1:$port/demo \\
		      --mail-from you@example.net --mail-rcpt demo@example.org

		--tls is STARTTLS, --tlsc TLS from the first byte; swaks needs libnet-ssleay-perl for
		them. The certificate is cert.pem in the same directory, and nobody else vouches for it.

		Each message becomes a file in $demo/mail/example.org/demo/new

	TEXT
	exec "$build/smtpfrontd" -c "$demo/smtpfrontd.conf"
}

# expect CODE [LINE]: send the line, if any; the reply must have this code.
expect() {
	local line

	if (($# > 1)); then
		printf '%s\r\n' "$2" >&"$smtp"
	fi
	while IFS= read -r -t 20 -u "$smtp" line; do
		say "  < ${line%$'\r'}"
		[[ $line == "$1"* ]] || die "the daemon did not answer $1"
		[[ $line == ???-* ]] || return 0
	done
	die "the daemon did not answer in time"
}

send_message() {
	exec {smtp}<>"/dev/tcp/127.0.0.1/$1"
	expect 220
	expect 250 "EHLO client.example.net"
	expect 250 "MAIL FROM:<you@example.net>"
	expect 250 "RCPT TO:<demo@example.org>"
	expect 354 "DATA"
	expect 250 $'From: you@example.net\r\nTo: demo@example.org\r\nSubject: hello\r\n\r\nIt works.\r\n.'
	expect 221 "QUIT"
	exec {smtp}>&-
}

# send_over_tls AUTH PORT [s_client option...]: the same over TLS, whose certificate must be ours, behind the
# command AUTH, if it is not empty.
# s_client takes "R" and "Q" for itself at the begin of a line.
send_over_tls() {
	local replies login=$1 sender=you@example.net

	shift
	[[ -z $login ]] || sender=$user
	replies=$(printf '%s\n' "EHLO client.example.net" ${login:+"$login"} "MAIL FROM:<$sender>" \
		"rcpt TO:<demo@example.org>" DATA "From: you@example.net" "To: demo@example.org" "Subject: hello" "" "It works over TLS." . quit |
		timeout 20 openssl s_client -connect "127.0.0.1:$1" "${@:2}" -CAfile "$demo/cert.pem" \
			-verify_return_error -verify_ip 127.0.0.1 -crlf -quiet 2>&1) || {
		say "$replies" >&2
		die "openssl could not talk TLS with the daemon"
	}
	say "$replies" | tr -d '\r' | sed -n 's/^[2-5][0-9][0-9][ -]/  < &/p'
	[[ $replies == *"250 2.0.0 Message accepted"* ]] || die "the daemon did not accept the message over TLS"
}

# wait_ready: read the daemon's log until it is ready; sets the ports.
wait_ready() {
	local line ports=()

	while IFS= read -r -t 20 -u "${DAEMON[0]}" line; do
		say "  $line"
		[[ $line =~ \ listening\ .*addr=127\.0\.0\.1:([0-9]+) ]] && ports+=("${BASH_REMATCH[1]}")
		[[ $line == *" - ready"* ]] || continue
		port=${ports[0]} smtps_port=${ports[1]} submission_port=${ports[2]}
		return 0
	done
	die "the daemon did not start"
}

end_check() {
	[[ -z ${daemon_pid:-} ]] || kill "$daemon_pid" 2>/dev/null || true
	rm -rf "$demo"
}

run_check() {
	local files status=0

	demo=$(mktemp -d)
	trap end_check EXIT
	write_demo "$demo" "127.0.0.1:0" "127.0.0.1:0" "127.0.0.1:0"
	coproc DAEMON { exec "$build/smtpfrontd" -c "$demo/smtpfrontd.conf" 2>&1; }
	daemon_pid=$DAEMON_PID
	wait_ready
	send_message "$port"
	files=("$demo"/mail/example.org/demo/new/*)
	[[ ${#files[@]} == 1 && -f ${files[0]} ]] || die "the message was accepted, and is not in the Maildir"
	say "" "The file that arrived, ${files[0]}:"
	sed 's/^/  | /' "${files[0]}"
	grep -q '^It works\.$' "${files[0]}" || die "the file does not hold the message"
	say "" "The same by STARTTLS, by SMTPS, and by submission, as the user $user:"
	send_over_tls "" "$port" -starttls smtp
	send_over_tls "" "$smtps_port"
	send_over_tls "AUTH PLAIN $(printf '\0%s\0%s' "$user" "$password" | base64)" "$submission_port" -starttls smtp
	mapfile -t files < <(grep -l ' with ESMTPS id ' "$demo"/mail/example.org/demo/new/*)
	((${#files[@]} == 2)) || die "the messages were accepted over TLS, and are not in the Maildir"
	grep -lq ' with ESMTPSA id ' "$demo"/mail/example.org/demo/new/* ||
		die "the submitted message was accepted, and is not in the Maildir"
	sed -n '/^Received:/,/^\tfor /s/^/  | /p' "${files[0]}"
	kill "$daemon_pid"
	wait "$daemon_pid" || status=$?
	daemon_pid=
	((status == 0)) || die "the daemon ended with status $status"
	say "All is well."
}

mode=run_demo
case ${1:-} in
"") ;;
--check) mode=run_check ;;
--help | -h)
	usage
	exit 0
	;;
*)
	usage >&2
	exit 64
	;;
esac
(($# <= 1)) || { usage >&2; exit 64; }

install_packages
say "Building in $build"
build_daemon
"$mode"
