#!/bin/sh
# Builds the release archives: for each target one
#     build/kcptun-OS-ARCH-VERSION.tar.gz   holding client_OS_ARCH and server_OS_ARCH
# and build/SHA256SUMS over every archive in that folder.
#
#     ./build-release.sh [VERSION]
#     ./build-release.sh --list             print the targets, build nothing
#
# From the environment:
#     VERSION            default: the day of the last commit, YYYYMMDD in UTC
#     TARGETS            default: all of them; a subset such as "linux/amd64 linux/arm/7"
#     TAGS               build tags, comma separated, such as noqpp,nopprof
#     OUT                output folder, default build; a relative one starts at this script's folder
#     SOURCE_DATE_EPOCH  time of the files inside, default: the time of the last commit
#     TAR                the tar to use, default tar; GNU tar and bsdtar are known
#
# The same source, version, tags, Go release and tar give the same bytes, wherever and whenever it runs.
set -eu

ALL='darwin/amd64 darwin/arm64
freebsd/amd64
linux/386 linux/amd64
linux/arm/5 linux/arm/6 linux/arm/7 linux/arm64
linux/loong64 linux/mips linux/mipsle linux/riscv64
windows/386 windows/amd64 windows/arm64'

die() {
	echo "build-release: $*" >&2
	exit 1
}

# known TARGET: is it in the list above?
known() {
	for k in $ALL; do
		[ "$k" = "$1" ] && return 0
	done
	return 1
}

# sha256 FILE...: "hash  name" lines.
sha256() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum "$@"
	else
		shasum -a 256 "$@"
	fi
}

# stamp EPOCH: the form that touch -t takes. GNU date and BSD date spell the question differently.
stamp() {
	date -u -d "@$1" +%Y%m%d%H%M.%S 2>/dev/null || date -u -r "$1" +%Y%m%d%H%M.%S
}

# pack ARCHIVE FILE...: the files are of the working directory, and already carry their time and mode.
# ustar has no room for extended attributes, access times or a long owner name: nothing of this machine gets in.
pack() {
	archive=$1
	shift
	case $("$TAR" --version 2>/dev/null) in
	*'GNU tar'*) set -- --owner=0 --group=0 --numeric-owner "$@" ;;
	*) set -- --uid 0 --gid 0 --uname '' --gname '' "$@" ;;
	esac
	# Two steps and not a pipe: in a pipe, tar's failure would go unseen.
	# COPYFILE_DISABLE keeps macOS from adding a ._ file beside each one.
	COPYFILE_DISABLE=1 "$TAR" --format ustar -cf "$tmp/archive.tar" "$@"
	gzip -9 -n -c "$tmp/archive.tar" >"$archive"
	rm "$tmp/archive.tar"
}

# build TARGET
build() {
	GOOS=${1%%/*}
	rest=${1#*/}
	GOARCH=${rest%%/*}
	variant=${rest#"$GOARCH"}
	variant=${variant#/}
	GOARM=${variant:-7} # without meaning, and ignored, unless GOARCH is arm
	export GOOS GOARCH GOARM
	arch=$GOARCH$variant
	exe=
	[ "$GOOS" != windows ] || exe=.exe

	mkdir "$tmp/files"
	for name in client server; do
		ldflags="-s -w -X main.VERSION=$VERSION -buildid="
		if [ "$GOOS" = darwin ]; then
			# The linker makes a Mach-O's UUID of the build id, which we clear; macOS tells programs
			# apart by it when it grants access to the local network. So it gets one, always the same.
			uuid=$(printf '%s' "$name $arch $VERSION" >"$tmp/uuid" && sha256 "$tmp/uuid" | cut -c 1-32)
			ldflags="$ldflags -B 0x$uuid"
		fi
		go build -trimpath -buildvcs=false -tags "$TAGS" -ldflags "$ldflags" \
			-o "$tmp/files/${name}_${GOOS}_$arch$exe" "./$name"
	done
	chmod 0755 "$tmp"/files/*
	TZ=UTC0 touch -t "$(stamp "$SOURCE_DATE_EPOCH")" "$tmp"/files/*

	file="kcptun-$GOOS-$arch-$VERSION.tar.gz"
	(cd "$tmp/files" && pack "$tmp/$file" "client_${GOOS}_$arch$exe" "server_${GOOS}_$arch$exe")
	rm -r "$tmp/files"
	# Only whole archives are ever seen in the output folder.
	mv "$tmp/$file" "$OUT/$file"
	echo "$file"
}

case ${1:-} in
--list)
	for t in $ALL; do echo "$t"; done
	exit 0
	;;
-*) die "unknown option $1; see the head of the script" ;;
esac
[ $# -le 1 ] || die "one argument at most, the version"

unset CDPATH # cd would print the folder it found there
cd -- "$(dirname -- "$0")"

TAGS=${TAGS:-}
TAR=${TAR:-tar}
OUT=${OUT:-build}
TARGETS=${TARGETS:-$ALL}
for t in $TARGETS; do
	known "$t" || die "unknown target $t; the targets are: $(echo "$ALL" | tr '\n' ' ')"
done
for tool in go gzip "$TAR"; do
	command -v "$tool" >/dev/null 2>&1 || die "$tool not found"
done

# Without git or commits, as in an unpacked source archive: 1980, which every unpacking tool can show.
[ -n "${SOURCE_DATE_EPOCH:-}" ] || SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=
case $SOURCE_DATE_EPOCH in
*[!0-9]*) die "SOURCE_DATE_EPOCH '$SOURCE_DATE_EPOCH': want seconds since 1970" ;;
esac
VERSION=${1:-${VERSION:-}}
if [ -z "$VERSION" ]; then
	[ -n "$SOURCE_DATE_EPOCH" ] || die "no commit to take a version from; give one: $0 VERSION"
	VERSION=$(stamp "$SOURCE_DATE_EPOCH" | cut -c 1-8)
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800}
# It becomes part of file names and of a linker flag.
case $VERSION in
*[!0-9A-Za-z._-]*) die "version '$VERSION': only letters, digits, dot, underscore and hyphen" ;;
esac

# What the caller's settings could change in the output is set here.
export CGO_ENABLED=0 GOEXPERIMENT=
export GO386=sse2 GOAMD64=v1 GOARM64=v8.0 GOMIPS=softfloat GORISCV64=rva20u64
LC_ALL=C
export LC_ALL
umask 022

tmp=
trap '[ -z "$tmp" ] || rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM # dash does not run the EXIT trap on a signal by itself

mkdir -p "$OUT"
OUT=$(cd -- "$OUT" && pwd)
tmp=$(mktemp -d "$OUT/.tmp.XXXXXX") # beside the archives, so that mv is a rename

# One target after the other: go build uses every core by itself. The old sums go first, so that a run
# that fails leaves no list that looks complete.
rm -f "$OUT/SHA256SUMS"
for t in $TARGETS; do
	build "$t"
done

(cd "$OUT" && sha256 kcptun-*.tar.gz) >"$tmp/SHA256SUMS"
mv "$tmp/SHA256SUMS" "$OUT/SHA256SUMS"
echo "$OUT/SHA256SUMS"
