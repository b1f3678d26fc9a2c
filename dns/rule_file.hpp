// The file of a RuleTable: written by RuleBuilder, mapped by RuleTable. In the byte order of the
// machine; a file of another order or version is refused as any other that is not understood.
//
//   RuleFileHeader
//   slots      8 of 64 bits a bucket: 48 bits of fingerprint, 16 of the number of a rule set; 0 is
//              free. A domain lies in its home bucket or, where that is full, in one of the next
//              ones; where a bucket has a free slot the search ends. Only domains that rules are
//              about have one, so that a table is as large as its rules are many, whatever they are.
//   filter     RuleFilter: words of 64 bits
//   sets       RuleSetEntry: what its rules say of the domain itself, and of names below it
//   said       RuleTable::Said, distinct; the first says nothing
//   attached   indices of complex rules, as the sets point to them
//   side       SideEntry by slot: sets whose number has more than 16 bits
//   complex    octets; complex_at says where each begins, and the end
//   patterns   PatternEntry: complex rules that have a pattern
//   ranges4/6  where the next address range begins and what is said of it, by address
//   lists      their names: 16 bits of length and the octets
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/pieces.hpp"
#include "dns/name_path.hpp"
#include "dns/rule_table.hpp"

namespace culvert::dns {

inline constexpr std::uint64_t rule_file_magic = 0x6c62742d656c7572;  // "rule-tbl"
inline constexpr std::uint32_t rule_file_version = 2;

inline constexpr unsigned slots_of_bucket = 8;
inline constexpr unsigned set_bits = 16;
inline constexpr std::uint64_t set_in_side = (1u << set_bits) - 1;  // the side table has it
inline constexpr unsigned max_spill = 64;  // buckets from its home that a domain may lie
inline constexpr std::size_t max_rules = std::size_t{1} << 26;
inline constexpr std::size_t max_complex_rules = 100'000;
inline constexpr std::size_t max_patterns = 10'000;

enum class RuleSection : unsigned {
  slots,
  filter,
  sets,
  said,
  attached,
  side,
  complex,
  complex_at,
  patterns,
  ranges4,
  ranges6,
  lists,
  count_
};
inline constexpr std::size_t rule_sections = std::size_t(RuleSection::count_);

struct RuleFileHeader {
  std::uint64_t magic = rule_file_magic;
  std::uint32_t version = rule_file_version;
  std::uint32_t root_set = 0;  // of the root, which has no slot
  std::uint64_t file_size = 0;
  std::uint64_t generation = 0;
  std::uint64_t rules = 0;
  NameKey key{};
  std::uint64_t homes = 0;  // buckets that are a home; behind them is room for what spills over
  struct Section {
    std::uint64_t offset, size;  // octets
  };
  std::array<Section, rule_sections> sections{};
  std::array<std::uint64_t, 2> depths{};  // a bit for each number of labels that slots' domains have
  std::uint64_t bulk_size = 0;            // octets of slots and filter, right behind the header
  std::uint64_t bulk_checksum = 0;        // XXH3 of them
  std::uint64_t rest_checksum = 0;        // of the other sections, as they lie in the file
  std::uint64_t header_checksum = 0;  // of what is before it

  Section& of(RuleSection section) noexcept { return sections[std::size_t(section)]; }
  const Section& of(RuleSection section) const noexcept { return sections[std::size_t(section)]; }
};

// Every section begins at a multiple of it.
inline constexpr std::size_t section_alignment = 64;
static_assert(sizeof(RuleFileHeader) % section_alignment == 0);

struct RuleSetEntry {
  struct Face {
    std::uint32_t said;            // index; 0 = nothing
    std::uint32_t first, complex;  // of `attached`: where, and how many
  };
  Face at, below;  // the domain itself; the names below it
};

struct SideEntry {
  std::uint32_t slot, set;
};

struct PatternEntry {
  std::uint32_t complex;  // index
  std::uint32_t group;    // patterns of one group are one automaton
};

// An address belongs to the last range that does not begin above it.
struct Range4 {
  std::uint32_t from;  // host order
  std::uint32_t said;
};
struct Range6 {
  std::array<std::byte, 16> from;
  std::uint32_t said;
};

// The bucket that a hash has its home in.
inline std::uint64_t home_bucket(std::uint32_t home, std::uint64_t homes) noexcept {
  return home * homes >> 32;
}

std::uint64_t checksum_of_header(const RuleFileHeader& header) noexcept;
// Writes the checksums that fit what is there into the header of a whole file, if its sections lie
// within it; false otherwise.
bool seal_rule_file(base::MutableBytes file) noexcept;
// Whether they fit. `bulk`: that of slots and filter as well.
bool is_sealed(base::Bytes file, bool bulk) noexcept;

}  // namespace culvert::dns
