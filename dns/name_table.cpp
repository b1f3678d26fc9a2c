#include "dns/name_table.hpp"

#include <bit>
#include <cstring>

#include "base/assert.hpp"

namespace culvert::dns {
namespace {

// Eight octets at a time. The table is small and known: who picks names that meet in one place
// gains a few comparisons.
std::uint32_t hash_of(base::Bytes wire) noexcept {
  std::uint64_t hash = wire.size(), word = 0;
  const auto absorb = [&] {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  for (; wire.size() >= sizeof(word); wire = wire.subspan(sizeof(word))) {
    std::memcpy(&word, wire.data(), sizeof(word));
    absorb();
  }
  word = 0;
  for (const std::byte octet : wire) word = word << 8 | std::to_integer<std::uint64_t>(octet);
  absorb();
  return static_cast<std::uint32_t>(hash);
}

base::Bytes last_labels(const Name& name, unsigned labels) noexcept {
  base::Bytes wire = name.wire();
  for (unsigned more = name.labels(); labels != 0 && more > labels; --more)
    wire = wire.subspan(1 + std::to_integer<std::size_t>(wire[0]));
  return wire;
}

}  // namespace

NameTable::NameTable(std::span<const std::string_view> names, unsigned labels)
    : entries_(std::bit_ceil(names.size() * 2 + 1)) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto name = Name::parse(names[i]);
    BASE_ASSERT(name);
    const base::Bytes wire = last_labels(*name, labels);
    if (find(wire) >= 0) continue;
    std::size_t at = hash_of(wire) & (entries_.size() - 1);
    while (entries_[at].size != 0) at = (at + 1) & (entries_.size() - 1);
    entries_[at] = {static_cast<std::uint32_t>(wire_.size()),
                    static_cast<std::uint8_t>(wire.size()), static_cast<std::int32_t>(i)};
    wire_.insert(wire_.end(), wire.begin(), wire.end());
  }
}

int NameTable::find(base::Bytes wire) const noexcept {
  const std::size_t mask = entries_.size() - 1;
  for (std::size_t at = hash_of(wire) & mask; entries_[at].size != 0; at = (at + 1) & mask) {
    const Entry& entry = entries_[at];
    if (entry.size == wire.size() &&
        std::memcmp(wire_.data() + entry.at, wire.data(), wire.size()) == 0)
      return entry.index;
  }
  return -1;
}

}  // namespace culvert::dns
