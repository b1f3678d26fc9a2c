#include "dns/name_text.hpp"

namespace culvert::dns {

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

}  // namespace culvert::dns
