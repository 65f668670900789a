#!/bin/bash
# All tests. Installs what they need (Debian; as root or with sudo), builds with
# sanitizers outside the source tree, and runs unit tests, tools and the
# integration tests against the real binary. The last line counts them all.
#   tests/run.sh          every kind of test at small counts, up to 10 minutes on 2 cores
#   tests/run.sh --long   full counts, distcheck, clang, ThreadSanitizer, valgrind, fuzzing; within 80 minutes
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$top/build-logs
jobs=$(nproc)
fuzz_seconds=${FUZZ_SECONDS:-60}
passed=0 failed=0 skipped=0
long=

packages=(gcc libc6-dev make autoconf automake pkg-config xz-utils libevent-dev libssl-dev libconfig-dev libidn2-dev
	libgsasl-dev libcrypt-dev libpam0g-dev gsasl nmap
	check universal-ctags shellcheck mandoc python3 python3-pytest python3-pytest-xdist python3-prometheus-client
	netcat-openbsd curl swaks libnet-ssleay-perl msmtp s-nail mutt
	git-email libmailtools-perl libio-socket-ssl-perl libauthen-sasl-perl libnet-smtp-ssl-perl iproute2 systemd ca-certificates openssl gnutls-bin testssl.sh
	sslscan
	libicu72 libdb5.3 libnsl2) # the last three: smtp-source, see tests/tools/fetch-peers.sh
long_packages=(clang clang-tidy cppcheck libclang-rt-14-dev llvm valgrind)

say() { printf '%s\n' "$*"; }
die() {
	printf 'tests/run.sh: %s\n' "$*" >&2
	exit 2
}

# --- packages -------------------------------------------------------------

is_installed() {
	local status
	status=$(dpkg-query -W -f='${db:Status-Status} ' "$1" 2>/dev/null) || return 1
	[[ " $status" == *" installed "* ]]
}

# None of what we install may become this machine's mail server.
refuse_mail_servers() {
	local new

	new=$("$@" -s | awk '$1 == "Inst" { print $2 }') || return 1
	# shellcheck disable=SC2086 # one word per package
	[[ -z $new ]] || ! apt-cache show $new | grep -qE '^Provides:.*\bmail-transport-agent\b'
}

install_packages() {
	local missing=() package as_root=() install

	command -v dpkg-query >/dev/null || { say "Not Debian: taking what is there."; return; }
	for package in "$@"; do
		is_installed "$package" || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	if ((EUID != 0)); then
		command -v sudo >/dev/null || die "packages are missing, and there is no sudo: ${missing[*]}"
		as_root=(sudo)
	fi
	say "Installing ${missing[*]}"
	"${as_root[@]}" apt-get update -qq || die "apt-get update failed"
	install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
		"${missing[@]}")
	refuse_mail_servers "${install[@]}" || die "installing these would bring a mail server: ${missing[*]}"
	"${install[@]}" >"$logs/apt.log" 2>&1 || { tail -n 20 "$logs/apt.log"; die "apt-get install failed"; }
}

# --- steps ----------------------------------------------------------------

# quietly NAME COMMAND...: run with the output in a log, shown if it fails. Counts nothing.
quietly() {
	local name=$1 log=$logs/$1.log begin=$SECONDS
	shift
	if "$@" >"$log" 2>&1 </dev/null; then
		say "ok      $name ($((SECONDS - begin)) s)"
		return 0
	fi
	say "FAILED  $name ($((SECONDS - begin)) s); the end of $log:"
	tail -n 120 "$log" | sed 's/^/  | /'
	return 1
}

# step NAME COMMAND...: one test.
step() {
	if quietly "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		return 1
	fi
}

# build NAME [configure argument...]: configure and make outside the source tree.
build() {
	local dir=$top/build-$1
	shift
	mkdir -p "$dir"
	if [[ ! -e $dir/config.status || $(cat "$dir/.configured" 2>/dev/null) != "$*" ]]; then
		(cd "$dir" && "$top/configure" --quiet "$@") || return 1
		echo "$*" >"$dir/.configured"
	fi
	make -C "$dir" -j"$jobs"
}

# The logs of programs that use Check tell how many tests there were; others are one test each.
count_check() {
	find "$1" -name '*.trs' -print0 | xargs -0 awk '
	function finish(    log_file, line, part, checks, bad) {
		if (!result)
			return
		log_file = name
		sub(/\.trs$/, ".log", log_file)
		checks = bad = 0
		while ((getline line < log_file) > 0)
			if (line ~ /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
				split(line, part, /[^0-9]+/)
				checks += part[2]
				bad += part[3] + part[4]
			}
		close(log_file)
		if (result == "SKIP")
			skipped++
		else if (result == "PASS")
			passed += checks ? checks : 1
		else {
			passed += checks - bad
			failed += bad ? bad : 1
		}
	}
	FNR == 1 { finish(); name = FILENAME; result = "" }
	/^:test-result:/ { result = $2 }
	END { finish(); print passed + 0, failed + 0, skipped + 0 }'
}

# check NAME [make variable...]: make check in build-NAME.
check() {
	local name=$1 ok=0 p=0 f=0 s=0
	shift
	find "$top/build-$name" -name '*.trs' -delete
	quietly "check-$name" timeout 1500 make -C "$top/build-$name" -k -j"$jobs" check VERBOSE=1 "$@" || ok=1
	read -r p f s < <(count_check "$top/build-$name")
	say "        $p passed, $f failed, $s skipped"
	((p + f > 0)) || { say "        no test ran"; f=1; }
	((ok == 0 || f > 0)) || f=1 # it failed in another way
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# integration BUILD SECONDS [pytest argument...]: tests against the binary in build-BUILD.
integration() {
	local build=$1 seconds=$2 report=$logs/integration-$1.xml p=0 f=0 s=0
	shift 2
	(($#)) || set -- tests/integration
	rm -f "$report"
	(cd "$top" && SMTPFRONTD=$top/build-$build/smtpfrontd PYTHONDONTWRITEBYTECODE=1 LONG=${LONG-$long} \
		timeout -s INT -k 30 "$seconds" /usr/bin/python3 -m pytest -p no:cacheprovider -n $((jobs * 2)) -q -rfEs \
		--durations=5 --maxfail=25 --tb=short --junitxml="$report" "$@" </dev/null)
	read -r p f s < <(/usr/bin/python3 - "$report" <<-'PYTHON'
		import sys
		import xml.etree.ElementTree as tree
		try:
		    suites = list(tree.parse(sys.argv[1]).iter("testsuite"))
		except (OSError, tree.ParseError):
		    suites = []
		total, bad, skipped = (sum(int(s.get(k, 0)) for s in suites for k in keys.split())
		                       for keys in ("tests", "failures errors", "skipped"))
		print(max(total - bad - skipped, 0), bad if total else 1, skipped)
	PYTHON
	)
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

tools() {
	local script peer
	for script in "$top"/tests/tools/check-*.sh; do
		[[ -n $long || $script != */check-static.sh ]] || continue
		step "$(basename "$script" .sh)" env BUILD="$top/build-asan" SMTPFRONTD="$top/build-asan/smtpfrontd" \
			"$script"
	done
	step shellcheck shellcheck -S warning "$top"/tests/run.sh "$top"/tests/tools/*.sh "$top"/contrib/*.sh \
		"$top"/.ci/run
	for peer in postfix dovecot exim; do # a failure shows in the tests that need it
		quietly "fetch-$peer" "$top/tests/tools/fetch-peers.sh" "$peer"
	done
}

# --- the long run ---------------------------------------------------------

# What valgrind 3.19 does not know of the kernel, and we need; see there.
build_pidfd_lend() {
	local lend=$top/build-plain/pidfd-lend
	gcc -O1 -Wall -Wextra -Werror -o "$lend" "$top/tests/tools/pidfd-lend.c" &&
		gcc -O1 -Wall -Wextra -Werror -shared -fPIC -DPIDFD_LENDER="\"$lend\"" -o "$lend.so" \
			"$top/tests/tools/pidfd-lend.c"
}

# valgrind_program PROGRAM: all of what it has written is shown at once, since several run.
valgrind_program() {
	local log status
	log=$(LD_PRELOAD=$top/build-plain/pidfd-lend.so timeout 1500 \
		valgrind -q --error-exitcode=9 --leak-check=no "$1" 2>&1)
	status=$?
	printf '== %s: %s\n%s\n' "$(basename "$1")" "$status" "$log"
	return $status
}

# Check forks a child for each test; one with an error in it ends with 9 and so fails. Left out is the
# exploration, which would take an hour: check_session_laws and check_vectors run the same code.
valgrind_programs() {
	local program programs=()

	for program in "$top"/build-plain/tests/unit/check_*; do
		[[ -x $program && -f $program && $program != *.* && $program != *_explore ]] || continue
		programs+=("$program")
	done
	export -f valgrind_program
	(
		cd "$top/build-plain" || exit
		export top srcdir=$top CK_TIMEOUT_MULTIPLIER=40 UNIT_IN_VALGRIND=1
		printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'valgrind_program "$1"' -
	)
}

# The sessions, the disk and the ways out under memcheck, which the sanitizers do not replace: uninitialised memory.
integration_valgrind() {
	local tests=(smtp smuggling maildir logging auth proxy) name
	for name in "${!tests[@]}"; do
		tests[name]=tests/integration/test_${tests[name]}.py
	done
	SMTPFRONTD_WRAPPER="env LD_PRELOAD=$top/build-plain/pidfd-lend.so
		valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
		--errors-for-leak-kinds=definite" \
		SMTPFRONTD_TEST_DEADLINE=120 LONG='' integration plain 1200 "${tests[@]}"
}

# The unit programs that have worker threads in them; to the others ThreadSanitizer is time only.
check_tsan() {
	local program threaded=()

	quietly programs-tsan make -C "$top/build-tsan" -j"$jobs" check TESTS= # what does not build fails again below
	for program in "$top"/build-tsan/tests/unit/check_*; do
		[[ -x $program && -f $program && $program != *.* ]] || continue
		! nm "$program" | grep ' T pool_submit$' >/dev/null || threaded+=("tests/unit/$(basename "$program")")
	done
	check tsan TESTS="${threaded[*]}"
}

# All but what needs no daemon, or builds one of its own.
integration_tsan() {
	SMTPFRONTD_TEST_DEADLINE=60 LONG='' integration tsan 1500 tests/integration \
		--ignore=tests/integration/test_quickstart.py --ignore=tests/integration/test_tools.py \
		--ignore=tests/integration/test_tls_priority.py
}

# fuzz_target TARGET: search for a while, from its corpus on.
fuzz_target() {
	local name=${1##*/} corpus arguments
	corpus=$top/build-fuzz/corpus/$name
	mkdir -p "$corpus"
	arguments=(-max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
		-artifact_prefix="$logs/$name-")
	[[ ! -f $top/tests/fuzz/${name#fuzz_}.dict ]] || arguments+=(-dict="$top/tests/fuzz/${name#fuzz_}.dict")
	arguments+=("$corpus")
	[[ ! -d $top/tests/fuzz/corpus/${name#fuzz_} ]] || arguments+=("$top/tests/fuzz/corpus/${name#fuzz_}")
	timeout $((fuzz_seconds + 120)) "$1" "${arguments[@]}"
}

# Each target has the same time, so they go in groups, one for each core.
fuzz() {
	local target pids=()
	for target in "$top"/build-fuzz/tests/fuzz/fuzz_*; do
		[[ -x $target && -f $target && $target != *.* ]] || continue
		quietly "${target##*/}" fuzz_target "$target" &
		pids+=($!)
		((${#pids[@]} == jobs)) || continue
		count_ended "${pids[@]}"
		pids=()
	done
	count_ended "${pids[@]}"
}

# count_ended PID...: each of them is one test.
count_ended() {
	local pid
	for pid; do
		if wait "$pid"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
}

long_run() {
	# Hardening and optimisation bring warnings of their own.
	step build-plain build plain --enable-werror && {
		check plain
		step pidfd-lend build_pidfd_lend
		step valgrind valgrind_programs
		integration_valgrind
		step distcheck make -C "$top/build-plain" distcheck DISTCHECK_CONFIGURE_FLAGS=--enable-werror
	}
	step build-clang build clang CC=clang CFLAGS="-O1 -g" --enable-werror && check clang
	step build-tsan build tsan CC=gcc CFLAGS="-O1 -g" --enable-tsan --enable-werror && {
		check_tsan
		integration_tsan
	}
	step build-fuzz build fuzz CC=clang CFLAGS="-O1 -g" --enable-fuzz --enable-asan --enable-ubsan && fuzz
}

# --------------------------------------------------------------------------

case ${1:-} in
"") ;;
--long) long=1 ;;
*) die "usage: tests/run.sh [--long]" ;;
esac

mkdir -p "$logs"
export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-5} # sanitizers are slow
install_packages "${packages[@]}"
[[ -z $long ]] || install_packages "${long_packages[@]}"
[[ ! -e $top/config.status ]] || die "the source tree itself is configured; run 'make distclean' in it first"
if [[ ! -x $top/configure || $top/configure.ac -nt $top/configure || $top/Makefile.am -nt $top/Makefile.in ]]; then
	step autoreconf autoreconf -fi "$top" || die "autoreconf failed"
fi

if step build-asan build asan CC=gcc CFLAGS="-O1 -g" --enable-asan --enable-ubsan --enable-werror; then
	check asan
	tools
	integration asan $((long ? 2400 : 560))
fi
[[ -z $long ]] || long_run

((skipped == 0)) || say "$skipped skipped"
say "$passed passed, $failed failed"
((failed == 0))
