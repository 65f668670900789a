#!/bin/bash
# What compilers and checkers find in src/ without running it: gcc -fanalyzer,
# clang-tidy and cppcheck. Clean but for the findings listed here, each with the
# reason why it is none; a listed one that no longer comes is told, so that the
# list does not outlive its reasons. Takes some minutes.
# Usage: check-static.sh [source tree]
set -uo pipefail

top=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
cd "$top" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0
read -ra libraries < <(pkg-config --cflags libevent_core libevent_openssl libssl libconfig libidn2)
flags=(-std=gnu11 -D_GNU_SOURCE -DSYSCONFDIR='"/etc"' -Isrc "-I$work" "${libraries[@]}")
echo '#define PACKAGE_VERSION "0"' >"$work/config.h" # all that configure has to tell here
mapfile -t sources < <(find src -name '*.c' | LC_ALL=C sort)

# Findings in one file each, "file finding", and why they are none.
known=(
	# The queue was found not empty under the lock; the analyzer does not follow the list through its links.
	"src/net/pool.c -Wanalyzer-null-dereference"
	"src/backend/relay_pool.c -Wanalyzer-null-dereference"
	# Reached through its first member from here on, and freed through its ops.
	"src/policy/domains.c -Wanalyzer-malloc-leak"
	"src/policy/rates.c -Wanalyzer-malloc-leak"
	"src/policy/recipient_maps.c -Wanalyzer-malloc-leak"
	"src/policy/senders.c -Wanalyzer-malloc-leak"
	"src/backend/null.c -Wanalyzer-malloc-leak"
	"src/backend/pipe.c -Wanalyzer-malloc-leak"
	# The process between it and execve() makes system calls only, see the comment there.
	"src/net/child_spawn.c clang-analyzer-security.insecureAPI.vfork"
	"src/net/child_spawn.c clang-analyzer-unix.Vfork"
	# A reference is held meanwhile; the analyzer loses count of them.
	"src/net/child.c clang-analyzer-unix.Malloc"
	# Kept in an array that hangs on what the caller handed in, and freed with it.
	"src/net/tls_certificate.c -Wanalyzer-malloc-leak"
	# A greeting is the setup's, and freed with it.
	"src/front/setup.c -Wanalyzer-malloc-leak"
	# The session's, and freed with it.
	"src/front/session_auth.c -Wanalyzer-malloc-leak"
	# Of the empty literal that stands for no input nothing can be used, so nothing is wiped.
	"src/net/conn.c -Wanalyzer-write-to-string-literal"
	# PAM frees what it was answered, and free_responses() what it never was.
	"src/auth/pam.c -Wanalyzer-malloc-leak"
	# What is returned is the source's; cppcheck takes it for the count that the source filled in.
	"src/auth/auth.c returnDanglingLifetime"
	# Each is off its list when it is freed; as with the pool.
	"src/policy/client_table.c clang-analyzer-unix.Malloc"
	"src/base/list.h clang-analyzer-unix.Malloc"
)

# Groups of checks, and those of them we do without.
tidy_checks=(
	'-*'
	'clang-analyzer-*'
	'bugprone-*'
	'performance-*'
	'portability-*'
	# Asks for memcpy_s() of C11's Annex K, which no C library here has.
	-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
	# Taste: parameters of one type next to each other.
	-bugprone-easily-swappable-parameters
	# -Wconversion holds base and proto; elsewhere it is libevent's short that events are told in.
	-bugprone-narrowing-conversions
	# Products of constants and of sizes far below 2^31.
	-bugprone-implicit-widening-of-multiplication-result
	# Spans are not strings and have no NUL.
	-bugprone-not-null-terminated-result
	# _GNU_SOURCE.
	-bugprone-reserved-identifier
	# Arrays of pointers are what it suspects.
	-bugprone-sizeof-expression
	# A chain of ifs follows the order of a grammar, so two of its branches may be the same.
	-bugprone-branch-clone
	# struct iovec has no const, so its pointers are made by way of uintptr_t.
	-performance-no-int-to-ptr
)

# judge NAME: the findings of a tool, as "file finding" behind the whole line, against the known ones.
judge() {
	local name=$1 line key bad=0
	: >"$work/$name.known"
	while IFS= read -r line; do
		key=$(sed -E 's/^([^:]+):.*\[([^],]+)[^]]*\]$/\1 \2/' <<<"$line")
		if printf '%s\n' "${known[@]}" | grep -qxF -- "$key"; then
			echo "$key" >>"$work/$name.known"
		else
			echo "$line"
			bad=$((bad + 1))
		fi
	done < <(sort -u)
	echo "$name: $bad findings, $(sort -u "$work/$name.known" | wc -l) known ones"
	((bad == 0)) || failed=1
}

run_each() {
	printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" "$@"
}

for tool in gcc clang-tidy cppcheck; do
	command -v $tool >/dev/null || { echo "there is no $tool"; exit 2; }
done

run_each gcc "${flags[@]}" -O1 -fanalyzer -fno-diagnostics-show-caret -fdiagnostics-path-format=none \
	-o /dev/null -c >"$work/gcc" 2>&1 || failed=1
judge gcc < <(grep -E ': (warning|error): ' "$work/gcc")

IFS=,
run_each clang-tidy --quiet --checks="${tidy_checks[*]}" --extra-arg-before=-std=gnu11 \
	"${flags[@]/#/--extra-arg=}" >"$work/tidy" 2>"$work/tidy.noise"
unset IFS
judge clang-tidy < <(grep -E ': (warning|error): ' "$work/tidy" | sed "s|^$top/||")

cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr -D_GNU_SOURCE -D__linux__ -Isrc \
	--template='{file}:{line}: warning: {message} [{id}]' -j "$(nproc)" src >"$work/cppcheck" 2>&1 || failed=1
judge cppcheck <"$work/cppcheck"

for entry in "${known[@]}"; do
	grep -qxF -- "$entry" "$work"/*.known || echo "no longer found, take it off the list: $entry"
done
exit $failed
