#!/bin/sh
# Puts lwIP's pinned source archive into a cache and unpacks it.
#
#   get_lwip.sh DESTINATION         obtain and unpack
#   get_lwip.sh --check TREE        only check a source tree
#
# Afterwards DESTINATION/src/core/tcp.c exists. The sources are tried in this order: the cache
# ($CULVERT_CACHE, default ~/.cache/culvert), the Debian source package by the mirror that this
# machine's apt already uses, upstream's release archive. Debian's archive is checked against its SHA-256 before
# it is unpacked, and whatever the way, every file that is compiled or included is checked against
# lwip-2.2.1.sha256. Works as root and as an ordinary user: apt gets
# lists, cache and sources of its own and changes nothing of the system's.
set -eu

cmake=${CMAKE_COMMAND:-cmake}
check_only=
[ "$1" != --check ] || { check_only=1; shift; }
destination=$1
cache=${CULVERT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/culvert}

debian_name=lwip_2.2.1+dfsg1.orig.tar.xz
debian_sum=83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1
# Upstream's archive holds documentation that Debian's leaves out; the compiled files are the same.
upstream_name=lwip-2.2.1.zip
upstream_url=https://download.savannah.nongnu.org/releases/lwip/$upstream_name

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache" 2>/dev/null || cache=$work

say() { echo "lwIP: $*" >&2; }

# Every file of the release that is compiled or included, whichever way it came.
sums=$(cd "$(dirname "$0")" && pwd)/lwip-2.2.1.sha256

has_sum() { # FILE SUM
  [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

pinned() { # TREE; names the files that differ
  (cd "$1" && sha256sum --quiet -c "$sums" >&2)
}

if [ -n "$check_only" ]; then
  pinned "$destination" || { say "$destination does not hold the pinned files of 2.2.1"; exit 1; }
  exit 0
fi

# The mirror that apt uses on a Debian machine: the first http(s) URI of a sources file that ends in
# /debian. Both layouts are read: *.sources (Debian 12 and later) and one-line *.list.
debian_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
    2>/dev/null | grep -v '^[[:space:]]*#' | grep -oE 'https?://[^ ]*/debian/?( |$)' |
    head -n 1 | tr -d ' '
}

from_apt() {
  command -v apt-get >/dev/null 2>&1 || { say "no apt-get here"; return 1; }
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || { say "apt has no Debian mirror configured (Ubuntu?)"; return 1; }
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/dl"
  {
    echo "Types: deb-src"
    echo "URIs: $mirror"
    echo "Suites: trixie"  # Debian 13; an older or newer Debian reads its source packages as well
    echo "Components: main"
    [ ! -f $keyring ] || echo "Signed-By: $keyring"
  } >"$work/lwip.sources"
  set -- -qq -o "Dir::Etc::sourcelist=$work/lwip.sources" -o Dir::Etc::sourceparts=/dev/null \
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=
  say "asking $mirror for the Debian source package"
  apt-get "$@" update >&2 || { say "apt-get update failed"; return 1; }
  (cd "$work/dl" && apt-get "$@" source --download-only lwip >&2) ||
    { say "apt-get source lwip failed"; return 1; }
  has_sum "$work/dl/$debian_name" $debian_sum ||
    { say "$debian_name is missing or has a wrong checksum"; return 1; }
  cp "$work/dl/$debian_name" "$cache/$debian_name.$$"
  mv "$cache/$debian_name.$$" "$cache/$debian_name"
}

from_upstream() {
  say "asking $upstream_url"
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --max-time 120 -o "$work/$upstream_name" "$upstream_url"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 120 -O "$work/$upstream_name" "$upstream_url"
  else
    say "neither curl nor wget here"
    return 1
  fi || { say "the download failed"; return 1; }
  mkdir -p "$work/unzip"
  (cd "$work/unzip" && "$cmake" -E tar xf "$work/$upstream_name") || return 1
  pinned "$work/unzip/lwip-2.2.1" ||
    { say "$upstream_name does not hold the pinned files"; return 1; }
  (cd "$work/unzip" && "$cmake" -E tar cJf "$work/up.tar.xz" lwip-2.2.1) || return 1
  cp "$work/up.tar.xz" "$cache/lwip-2.2.1-upstream.tar.xz"
}

archive=
if has_sum "$cache/$debian_name" $debian_sum; then
  archive=$cache/$debian_name
elif [ -f "$cache/lwip-2.2.1-upstream.tar.xz" ]; then
  archive=$cache/lwip-2.2.1-upstream.tar.xz
elif from_apt; then
  archive=$cache/$debian_name
elif from_upstream; then
  archive=$cache/lwip-2.2.1-upstream.tar.xz
else
  say "could not be obtained. Give a source tree of lwIP 2.2.1 with -DLWIP_DIR=DIR, or put"
  say "$debian_name into $cache"
  exit 1
fi

# By CMake's own tar: the system's needs an xz beside it, which a minimal installation lacks.
mkdir -p "$work/unpacked"
(cd "$work/unpacked" && "$cmake" -E tar xf "$archive") || { say "$archive does not unpack"; exit 1; }
set -- "$work/unpacked"/*/
tree=${1%/}
pinned "$tree" || { say "$archive does not hold the pinned files"; exit 1; }
rm -rf "$destination"
mkdir -p "$(dirname "$destination")"
mv "$tree" "$destination"
say "unpacked from $archive"
