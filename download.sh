#!/bin/sh
# Fetches the kcptun archive for this system, checks its SHA-256 and unpacks client_OS_ARCH and server_OS_ARCH.
# Made for
#     curl -fsSL https://…/download.sh | KCPTUN_URL=https://… sh
# so it reads nothing from its input and takes what it needs from the environment:
#     KCPTUN_URL      folder that holds the archives and SHA256SUMS
#     KCPTUN_VERSION  default: the newest that SHA256SUMS lists for this system
#     KCPTUN_DIR      where the two files go, default: the current folder
#     KCPTUN_OS, KCPTUN_ARCH  instead of what uname says, such as linux and arm5
#
# The sums come from the same folder as the archives: they catch a broken download, not a folder in the
# wrong hands. For that, use https.

# Whoever publishes releases puts the address of their folder here.
DEFAULT_URL=

set -eu

die() {
	echo "download: $*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# get URL FILE
get() {
	if have curl; then
		curl -fsSL -o "$2" "$1"
	elif have wget; then
		wget -q -O "$2" "$1"
	elif have fetch; then
		fetch -q -o "$2" "$1"
	else
		die "neither curl, wget nor fetch found"
	fi
}

# digest FILE: the bare hex digits of its SHA-256. Not named sha256: have would then find this function.
digest() {
	if have sha256sum; then
		sha256sum <"$1" | cut -d ' ' -f 1
	elif have shasum; then
		shasum -a 256 <"$1" | cut -d ' ' -f 1
	elif have sha256; then
		sha256 -q "$1"
	elif have openssl; then
		openssl dgst -sha256 <"$1" | sed 's/.* //'
	else
		die "neither sha256sum, shasum, sha256 nor openssl found: cannot check the download"
	fi
}

detect_os() {
	case $(uname -s) in
	Linux) echo linux ;;
	Darwin) echo darwin ;;
	FreeBSD) echo freebsd ;;
	MINGW* | MSYS* | CYGWIN*) echo windows ;;
	*) die "no release for the system $(uname -s); set KCPTUN_OS to choose one yourself" ;;
	esac
}

# mips_arch: uname says mips for both byte orders. Byte 5 of an ELF file, here the shell's, tells: 1 is
# little endian, 2 is big. dd and tr are on the smallest routers, od often is not.
mips_arch() {
	case $(dd if=/bin/sh bs=1 skip=5 count=1 2>/dev/null | tr '\001\002' 'LB') in
	L) echo mipsle ;;
	B) echo mips ;;
	*) die "cannot tell this machine's byte order; set KCPTUN_ARCH to mips or mipsle" ;;
	esac
}

detect_arch() {
	case $(uname -m) in
	x86_64 | amd64) echo amd64 ;;
	i[3-6]86 | x86) echo 386 ;;
	aarch64 | arm64) echo arm64 ;;
	armv5*) echo arm5 ;;
	armv6*) echo arm6 ;;
	armv7* | armv8l) echo arm7 ;; # armv8l: a 32-bit program on a 64-bit kernel asked
	mipsel | mipsle) echo mipsle ;;
	mips) mips_arch ;;
	loongarch64 | loong64) echo loong64 ;;
	riscv64) echo riscv64 ;;
	*) die "no release for the processor $(uname -m); set KCPTUN_ARCH to choose one yourself" ;;
	esac
}

# newest: of the versions on its input, one a line, the highest, number by number: 1.10 is above 1.9, and
# so is 20260101 above 20251124.
newest() {
	awk '
	function higher(a, b,   x, y, n, m, i) {
		n = split(a, x, /[^0-9]+/); m = split(b, y, /[^0-9]+/)
		for (i = 1; i <= n || i <= m; i++)
			if (x[i] + 0 != y[i] + 0) return x[i] + 0 > y[i] + 0
		return 0
	}
	NR == 1 || higher($0, best) { best = $0 }
	END { print best }'
}

# A function, called on the last line: a script cut off on its way here must not run half.
main() {
	url=${KCPTUN_URL:-$DEFAULT_URL}
	[ -n "$url" ] || die "set KCPTUN_URL to the address of the folder that holds the archives and SHA256SUMS"
	url=${url%/}
	dir=${KCPTUN_DIR:-.}
	os=${KCPTUN_OS:-$(detect_os)}
	arch=${KCPTUN_ARCH:-$(detect_arch)}
	exe=
	[ "$os" != windows ] || exe=.exe
	client=client_${os}_$arch$exe
	server=server_${os}_$arch$exe

	# What is unfinished lives in these two folders, and goes with them however this ends.
	tmp='' new=''
	trap '[ -z "$tmp" ] || rm -rf "$tmp"; [ -z "$new" ] || rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM # not every shell runs the EXIT trap on a signal by itself
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/kcptun.XXXXXX") || die "cannot make a temporary folder"

	get "$url/SHA256SUMS" "$tmp/sums" || die "cannot get $url/SHA256SUMS"
	# "hash version" for each archive of this system. A star before the name marks binary mode.
	awk -v head="kcptun-$os-$arch-" -v tail=.tar.gz '
	{ sub(/\r$/, ""); name = $2; sub(/^\*/, "", name); rest = length(name) - length(head) - length(tail) }
	NF == 2 && rest > 0 && name !~ /\// && index(name, head) == 1 && substr(name, length(head) + rest + 1) == tail {
		print tolower($1), substr(name, length(head) + 1, rest)
	}' "$tmp/sums" >"$tmp/mine"
	[ -s "$tmp/mine" ] || die "$url/SHA256SUMS lists no archive for $os $arch"

	versions=$(cut -d ' ' -f 2 "$tmp/mine")
	version=${KCPTUN_VERSION:-$(echo "$versions" | newest)}
	want=$(awk -v version="$version" '$2 "" == version "" { print $1; exit }' "$tmp/mine")
	[ -n "$want" ] || die "$url/SHA256SUMS lists no version $version for $os $arch; it has: $(echo "$versions" | tr '\n' ' ')"

	archive=kcptun-$os-$arch-$version.tar.gz
	get "$url/$archive" "$tmp/tgz" || die "cannot get $url/$archive"
	got=$(digest "$tmp/tgz")
	[ "$got" = "$want" ] || die "$archive is broken: its SHA-256 is $got, SHA256SUMS says $want; nothing installed"

	# Unpacked beside their final place, so that each mv is a rename: it replaces even a running program.
	gzip -dc "$tmp/tgz" >"$tmp/tar" || die "cannot unpack $archive"
	mkdir -p "$dir" || die "cannot make the folder $dir"
	new=$(mktemp -d "$dir/.kcptun.XXXXXX") || die "cannot write to the folder $dir"
	tar -xof "$tmp/tar" -C "$new" "$client" "$server" || die "cannot unpack $archive"
	chmod 0755 "$new/$client" "$new/$server"
	mv -f "$new/$client" "$new/$server" "$dir/" || die "cannot write to the folder $dir"
	echo "kcptun $version: $dir/$client $dir/$server"
}

main
