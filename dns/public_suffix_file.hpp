// The public suffix list as Debian's package `publicsuffix` installs it: hashed, ten times as fast
// as libpsl, which a list of millions of rules needs. Where the file is missing libpsl answers.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "dns/name_table.hpp"

namespace culvert::dns {

class PublicSuffixFile {
 public:
  // `text` in the format of publicsuffix.org: rules, "*." rules, "!" exceptions, "//" comments.
  // What follows the mark of its private section is not read.
  explicit PublicSuffixFile(std::string_view text);
  // The system's; null if there is none, or it is no list. Read once.
  static const PublicSuffixFile* system();

  bool contains(const Name& domain) const noexcept;  // of ASCII labels that are no A-labels

 private:
  struct Rules {
    std::vector<std::string_view> plain, wildcards, exceptions;
  };
  static Rules read(std::string_view text);
  explicit PublicSuffixFile(const Rules& rules);

  std::size_t size_;
  NameTable plain_, wildcards_, exceptions_;
};

}  // namespace culvert::dns
