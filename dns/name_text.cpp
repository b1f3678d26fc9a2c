#include "dns/name_text.hpp"

#include <algorithm>

namespace culvert::dns {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_label(std::string_view label, bool slash) noexcept {
  return !label.empty() && label.size() <= Name::max_label &&
         std::all_of(label.begin(), label.end(), [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' ||
                  c == '_' || (slash && c == '/');
         });
}

}  // namespace

std::string_view write_plain(const Name& name, NameText& out) noexcept {
  const base::Bytes wire = name.wire();
  std::size_t size = 0;
  for (std::size_t at = 0; wire[at] != std::byte{0};) {
    const auto length = std::to_integer<std::size_t>(wire[at++]);
    if (size != 0) out[size++] = '.';
    for (std::size_t i = 0; i < length; ++i, ++at) {
      const auto c = std::to_integer<unsigned char>(wire[at]);
      if (c <= ' ' || c >= 0x7f || c == '.' || c == '\\') return {};
      out[size++] = static_cast<char>(c);
    }
  }
  out[size] = '\0';
  return {out.data(), size};
}

bool looks_like_domain(std::string_view text) noexcept {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > Name::max_size - 2) return false;
  const bool reverse = text.ends_with(".arpa");
  std::string_view last;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    last = text.substr(begin, end - begin);
    if (!is_label(last, reverse)) return false;
    begin = end + 1;
  }
  return !std::all_of(last.begin(), last.end(), is_digit);
}

}  // namespace culvert::dns
