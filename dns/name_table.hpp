// NameTable: a fixed set of names that come with the program, found by their wire form. Built when
// the program starts; a look-up costs one hash of the name and no heap.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dns/name.hpp"

namespace culvert::dns {

class NameTable {
 public:
  // Dotted names. `labels`: only so many of each, from the right; 0 = all.
  explicit NameTable(std::span<const std::string_view> names, unsigned labels = 0);

  // The place of a name among those given, the first if it was given twice; -1 = not there. `wire`
  // is a name's wire form, or what follows one of its labels.
  int find(base::Bytes wire) const noexcept;

 private:
  struct Entry {
    std::uint32_t at = 0;   // in wire_
    std::uint8_t size = 0;  // 0 = empty
    std::int32_t index = -1;
  };
  std::vector<Entry> entries_;  // open addressing, a power of two, at most half full
  std::vector<std::byte> wire_;
};

}  // namespace culvert::dns
