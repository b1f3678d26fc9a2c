#include "dns/public_suffix.hpp"

#include <libpsl.h>

#include <algorithm>
#include <cstring>
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

// Has more than one label, and none that stands for another script?
bool is_plain_ascii(const Name& domain) noexcept {
  const base::Bytes wire = domain.wire();
  unsigned labels = 0;
  for (std::size_t at = 0; wire[at] != std::byte{0}; ++labels) {
    const base::Bytes label = wire.subspan(at + 1, std::to_integer<std::size_t>(wire[at]));
    if (label.size() >= 4 && std::memcmp(label.data(), "xn--", 4) == 0) return false;
    at += 1 + label.size();
  }
  return labels > 1;
}

}  // namespace

PublicSuffixes::PublicSuffixes() : file_(PublicSuffixFile::system()) {}

bool PublicSuffixes::contains(const Name& domain) const noexcept {
  if (domain.is_root()) return true;
  // The file has other scripts as they are written, lists have them as A-labels.
  if (file_ != nullptr && is_plain_ascii(domain)) return file_->contains(domain);
  NameText text;
  const std::string_view name = write_plain(domain, text);
  if (name.empty()) return false;
  if (name.find('.') == std::string_view::npos)
    return std::find(std::begin(private_labels), std::end(private_labels), name) ==
           std::end(private_labels);
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
