// NamePath: the domains that a name lies in, itself among them, as keyed hashes: what a question is
// looked up by in the rule table, in a policy's names and in all else that says something of a domain
// and what is below it. Made once for a question, by one walk over its name.
//
// The hash goes label by label from the right. 128 bits: 64 choose a place, 64 tell domains apart.
// Not a cryptographic hash: the key is drawn for each rule table and is never shown, and what a
// collision would give (one name blocked) is not worth more.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dns/name.hpp"

namespace culvert::dns {

struct NameKey {
  std::array<std::uint64_t, 4> words;
  friend bool operator==(const NameKey&, const NameKey&) = default;
};

struct DomainHash {
  std::uint64_t place, print;

  // The 32 bits that places are counted by, and the fingerprint: 48 bits, never 0.
  std::uint32_t home() const noexcept { return static_cast<std::uint32_t>(place >> 32); }
  std::uint64_t fingerprint() const noexcept {
    const std::uint64_t bits = print >> 16;
    return bits + (bits == 0);
  }
};

namespace name_path {

__extension__ using Wide = unsigned __int128;

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = Wide(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// As many octets of ones as are taken, from the place 16 - count on.
inline constexpr auto taken = [] {
  std::array<std::uint8_t, 32> octets{};
  std::fill_n(octets.begin(), 16, std::uint8_t{0xff});
  return octets;
}();

inline DomainHash mix(const NameKey& key, DomainHash at, const Name::Words& words) noexcept {
  return {fold(at.place ^ words[0], words[1] ^ key.words[2]),
          fold(at.print ^ words[1], words[0] ^ key.words[3])};
}

}  // namespace name_path

inline DomainHash hash_of_root(const NameKey& key) noexcept {
  return {key.words[0], key.words[1]};
}

class NamePath {
 public:
  // The name is to outlive the path.
  NamePath(const NameKey& key, const Name& name) noexcept : name_(name) {
    const base::Bytes wire = name.wire();
    for (std::size_t at = 0; wire[at] != std::byte{0}; at += std::size_t(wire[at]) + 1)
      starts_[labels_++] = static_cast<std::uint8_t>(at);
    DomainHash hash = hash_of_root(key);
    hashes_[0] = hash;
    std::size_t end = wire.size() - 1;
    for (unsigned depth = 1; depth <= labels_; ++depth) {
      const std::size_t start = starts_[labels_ - depth];
      hash = hash_below(key, hash, start, end - start);
      hashes_[depth] = hash;
      end = start;
    }
  }

  const Name& name() const noexcept { return name_; }
  unsigned labels() const noexcept { return labels_; }
  // Of the domain of so many labels, from the right; 0 = the root.
  const DomainHash& operator[](unsigned labels) const noexcept { return hashes_[labels]; }
  const DomainHash& whole() const noexcept { return hashes_[labels_]; }
  // Its wire form.
  base::Bytes domain(unsigned labels) const noexcept {
    const base::Bytes wire = name_.wire();
    return wire.subspan(labels == 0 ? wire.size() - 1 : starts_[labels_ - labels]);
  }

 private:
  // A label with its length octet, 2 to 64 octets: in steps of 16, with zeros behind the last. No
  // branch depends on the length of a label that has at most 15 octets, as nearly all have.
  DomainHash hash_below(const NameKey& key, DomainHash hash, std::size_t at,
                        std::size_t size) const noexcept {
    for (; size > 16; at += 16, size -= 16) hash = name_path::mix(key, hash, name_.words_at(at));
    Name::Words words = name_.words_at(at), mask;
    std::memcpy(mask.data(), name_path::taken.data() + (16 - size), sizeof(mask));
    words[0] &= mask[0];
    words[1] &= mask[1];
    return name_path::mix(key, hash, words);
  }

  const Name& name_;
  unsigned labels_ = 0;
  std::array<std::uint8_t, Name::max_labels> starts_;  // from the left
  std::array<DomainHash, Name::max_labels + 1> hashes_;
};

}  // namespace culvert::dns
