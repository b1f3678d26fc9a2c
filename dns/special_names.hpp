// The names that are answered here because nobody outside can know them, or should be asked:
// special by RFC 6761 and its successors. For LocalZone.
#pragma once

#include <span>
#include <string_view>

namespace culvert::dns {

// Domains that are ours with all below them; they hold nothing but special_records.
std::span<const std::string_view> special_zones() noexcept;

struct SpecialRecord {
  std::string_view name;  // "*." in front: and all names below
  std::string_view type, value;
};
std::span<const SpecialRecord> special_records() noexcept;

}  // namespace culvert::dns
