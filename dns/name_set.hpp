// NameSet: names with what is said of each, itself and all below it: the exceptions and blocks of a
// policy, the names of schedules, the domains of routes. A few, or a hundred thousand. Built once,
// then immutable; find() uses no heap and walks a name only as deep as the longest domain it holds.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dns/name_path.hpp"

namespace culvert::dns {

class NameSet {
 public:
  // What may be said of a name. Schedules have a bit each, from `schedule0` on.
  using Bits = std::uint64_t;
  static constexpr Bits allow = 1, block = 2, schedule0 = 1ull << 8, schedules = ~0ull << 8;

  // "name" is the name and all below it, "=name" the name alone. False (and unchanged): it is none.
  bool add(std::string_view text, Bits bits);
  void add(const Name& name, bool exact, Bits bits);
  // After the last add(), before the first find(), and again for another key.
  void build(const NameKey& key);

  // What reaches a name, and the labels of the longest domain that says each of them.
  struct Found {
    Bits bits = 0;
    std::uint8_t allow_labels = 0, block_labels = 0, schedule_labels = 0;
  };
  // By a path under the key it was built with. Bits that are not `wanted` count as not said.
  Found find(const NamePath& path, Bits wanted = ~Bits(0)) const noexcept;
  bool contains(const NamePath& path) const noexcept { return find(path).bits != 0; }
  bool empty() const noexcept { return entries_.empty(); }

 private:
  struct Entry {
    Bits itself = 0, below = 0;  // `below` reaches the name itself as well
    std::uint64_t hash = 0;
    std::uint32_t at = 0;  // of its wire form in octets_
    std::uint8_t size = 0, labels = 0;
  };
  base::Bytes wire_of(const Entry& entry) const noexcept {
    return base::Bytes(octets_).subspan(entry.at, entry.size);
  }
  std::size_t slot_of(std::uint64_t hash, base::Bytes domain) const noexcept;

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // open addressing: place in entries_ + 1; 0 = free
  std::vector<std::byte> octets_;
  unsigned deepest_ = 0;  // labels of the longest domain
};

}  // namespace culvert::dns
