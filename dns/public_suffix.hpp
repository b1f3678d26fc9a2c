// PublicSuffixes: is a domain a top-level domain or a registry's public suffix ("co.uk"), so that a
// rule for all below it would be about a country's names? By the system's list if it has one, else
// by the one that is built into libpsl. Of both only the registries' section (ICANN DOMAINS): the
// private section has names of one owner ("duckdns.org", "s3.amazonaws.com") that lists block on
// purpose.
#pragma once

#include "dns/name.hpp"

namespace culvert::dns {

class PublicSuffixFile;

class PublicSuffixes {
 public:
  PublicSuffixes();
  // The root and every name of one label are, but for those that no one can register: "lan",
  // "internal", "local"...
  bool contains(const Name& domain) const noexcept;
  // Is the last label a top-level domain that exists?
  static bool is_below_known_tld(const Name& domain) noexcept;

 private:
  const PublicSuffixFile* file_;
};

}  // namespace culvert::dns
