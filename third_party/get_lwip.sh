#!/bin/sh
# Puts lwIP's pinned source archive into a cache and unpacks it.
#
#   get_lwip.sh DESTINATION
#
# Afterwards DESTINATION/src/core/tcp.c exists. The sources are tried in this order: the cache
# ($CULVERT_CACHE, default ~/.cache/culvert), the Debian source package by the mirror that this
# machine's apt already uses, upstream's release archive. Every archive is checked against its SHA-256
# before it is unpacked, the cached one as well. Works as root and as an ordinary user: apt gets
# lists, cache and sources of its own and changes nothing of the system's.
set -eu

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

# The compiled files of the release, whichever archive they came from.
files_sum=f3b6535fe355dfb9e3854ab7974cf4aef385df2ce03e8f11c1a31dbab68494f8
compiled_files='src/core/tcp.c src/core/tcp_in.c src/core/tcp_out.c src/core/pbuf.c src/core/mem.c
  src/core/memp.c src/core/ipv4/ip4_addr.c src/core/ipv6/ip6_addr.c'

has_sum() { # FILE SUM
  [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

compiled_files_match() { # TREE
  # shellcheck disable=SC2086
  [ "$(cd "$1" && cat $compiled_files 2>/dev/null | sha256sum | cut -d' ' -f1)" = "$files_sum" ]
}

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
  [ -n "$mirror" ] || { say "apt has no Debian mirror configured"; return 1; }
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/dl"
  {
    echo "Types: deb-src"
    echo "URIs: $mirror"
    echo "Suites: trixie"
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
  (cd "$work/unzip" && cmake -E tar xf "$work/$upstream_name") || return 1
  compiled_files_match "$work/unzip/lwip-2.2.1" ||
    { say "$upstream_name does not hold the pinned files"; return 1; }
  (cd "$work/unzip" && tar cJf "$work/up.tar.xz" lwip-2.2.1)
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

mkdir -p "$work/tree"
tar xf "$archive" -C "$work/tree" --strip-components=1
compiled_files_match "$work/tree" || { say "$archive does not hold the pinned files"; exit 1; }
rm -rf "$destination"
mkdir -p "$(dirname "$destination")"
mv "$work/tree" "$destination"
say "unpacked from $archive"
