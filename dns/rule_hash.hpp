// The keyed hash of the rule table: of a domain label by label from the right, so that one walk
// over a name gives the hash of every domain it lies in. 128 bits: 64 choose the place, 64 the
// fingerprint. Used by the builder and by look-ups.
//
// Not a cryptographic hash: the key is drawn for each table and is never shown, and what a
// collision would give (one name blocked) is not worth more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dns/name.hpp"

namespace culvert::dns {

struct RuleKey {
  std::array<std::uint64_t, 4> words;
};

struct DomainHash {
  std::uint64_t place, print;

  // The 32 bits that buckets are counted by, and the fingerprint: 48 bits, never 0.
  std::uint32_t home() const noexcept { return static_cast<std::uint32_t>(place >> 32); }
  std::uint64_t fingerprint() const noexcept {
    const std::uint64_t bits = print >> 16;
    return bits + (bits == 0);
  }
};

namespace rule_hash {

__extension__ using Wide = unsigned __int128;

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = Wide(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
std::uint64_t load(const std::byte* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// A label with its length octet is 2 to 64 octets; two words stand for up to 16 of them.
struct Words {
  std::uint64_t first, second;
};
inline Words words_of(const std::byte* at, std::size_t size) noexcept {
  if (size >= 8) return {load<std::uint64_t>(at), load<std::uint64_t>(at + size - 8)};
  if (size >= 4) return {load<std::uint32_t>(at), load<std::uint32_t>(at + size - 4)};
  return {load<std::uint8_t>(at) | load<std::uint8_t>(at + 1) << 8,
          load<std::uint8_t>(at + size - 1)};
}

}  // namespace rule_hash

inline DomainHash hash_of_root(const RuleKey& key) noexcept {
  return {key.words[0], key.words[1]};
}

// `label` points to the length octet; size is at least 2 and includes it.
inline DomainHash hash_below(const RuleKey& key, DomainHash parent, const std::byte* label,
                             std::size_t size) noexcept {
  using namespace rule_hash;
  const auto mix = [&](Words words) {
    parent = {fold(parent.place ^ words.first, words.second ^ key.words[2]),
              fold(parent.print ^ words.second, words.first ^ key.words[3])};
  };
  const std::byte* const end = label + size;
  if (size > 16) [[unlikely]] {
    for (; end - label > 16; label += 16) mix(words_of(label, 16));
    label = end - 16, size = 16;  // the last of a long label, with octets that were before it
  }
  mix(words_of(label, size));
  return parent;
}

// Where the labels of a name begin, from the left; the root's is not counted.
class LabelStarts {
 public:
  explicit LabelStarts(base::Bytes wire) noexcept {
    for (std::size_t at = 0;
         at < wire.size() && wire[at] != std::byte{0} && count_ < starts_.size();
         at += std::size_t(wire[at]) + 1)
      starts_[count_++] = static_cast<std::uint8_t>(at);
  }
  unsigned count() const noexcept { return count_; }
  std::size_t operator[](unsigned i) const noexcept { return starts_[i]; }

 private:
  unsigned count_ = 0;
  std::array<std::uint8_t, Name::max_labels> starts_;
};

inline DomainHash hash_of(const RuleKey& key, const Name& name) noexcept {
  const base::Bytes wire = name.wire();
  const LabelStarts starts(wire);
  DomainHash hash = hash_of_root(key);
  std::size_t end = wire.size() - 1;
  for (unsigned i = starts.count(); i-- > 0; end = starts[i])
    hash = hash_below(key, hash, wire.data() + starts[i], end - starts[i]);
  return hash;
}

}  // namespace culvert::dns
