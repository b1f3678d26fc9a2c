#include "dns/public_suffix.hpp"

#include <libpsl.h>

#include <algorithm>
#include <string_view>

#include "dns/name_text.hpp"
#include "dns/public_suffix_file.hpp"

namespace culvert::dns {
namespace {

// RFC 6761, 6762, 7686, 8375 and what networks at home are called; nobody can have a name there
// for everybody to see.
constexpr std::string_view private_labels[] = {"corp",      "example", "home",  "internal",
                                               "invalid",   "lan",     "local", "localdomain",
                                               "localhost", "onion",   "test"};

bool is_suffix(const char* text) noexcept {
  return psl_is_public_suffix2(psl_builtin(), text, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
}

}  // namespace

PublicSuffixes::PublicSuffixes() : file_(PublicSuffixFile::system()) {}

bool PublicSuffixes::contains(const Name& domain) const noexcept {
  if (domain.is_root()) return true;
  NameText text;
  const std::string_view name = write_plain(domain, text);
  if (name.empty()) return false;
  if (name.find('.') == std::string_view::npos)
    return std::find(std::begin(private_labels), std::end(private_labels), name) ==
           std::end(private_labels);
  // The file has other scripts as they are written, lists have them as A-labels.
  if (file_ != nullptr && name.find("xn--") == std::string_view::npos)
    return file_->contains(domain);
  return is_suffix(text.data());
}

bool PublicSuffixes::is_below_known_tld(const Name& domain) noexcept {
  NameText text;
  const std::string_view name = write_plain(domain, text);
  if (name.empty()) return false;
  const std::size_t dot = name.rfind('.');
  return dot != std::string_view::npos && is_suffix(text.data() + dot + 1);
}

}  // namespace culvert::dns
