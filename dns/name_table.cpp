#include "dns/name_table.hpp"

#include <bit>
#include <cstring>

#include "base/assert.hpp"

namespace culvert::dns {
namespace {

// FNV-1a with a final mix. The table is small and known: who picks names that meet in one place
// gains a few comparisons.
std::uint32_t hash_of(base::Bytes wire) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte b : wire) hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
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
