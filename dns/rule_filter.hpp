// RuleFilter: tells most domains apart from those that have rules, in a small part of the table's
// octets. A Bloom filter with one word of 64 bits for each domain, which is asked two things: does a
// domain of two labels have rules, or lie above one that has; does a domain of two labels or more
// have rules itself. A no is sure, of the other answers some per cent are wrong.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>

#include "dns/name_path.hpp"

namespace culvert::dns {

namespace rule_filter {

inline constexpr unsigned least_labels = 2;  // of the domains in it

inline std::uint64_t word_of(const DomainHash& domain, std::uint64_t words) noexcept {
  return domain.home() * words >> 32;
}

// Four bits of the word.
inline std::uint64_t bits_by(std::uint64_t hash) noexcept {
  const auto bit = [&](unsigned shift) { return std::uint64_t{1} << (hash >> shift & 63); };
  return bit(0) | bit(6) | bit(12) | bit(18);
}
// By bits of the hash that neither the word nor a slot goes by.
inline std::uint64_t bits_at_or_below(const DomainHash& domain) noexcept {
  return bits_by(domain.place);
}
inline std::uint64_t bits_at(const DomainHash& domain) noexcept {
  return bits_by(domain.print << 8 | (domain.place >> 24 & 0xff));
}

}  // namespace rule_filter

// The filter of a table that is being built: large, and made smaller once it is known how much
// it is to know.
class RuleFilterBuilder {
 public:
  RuleFilterBuilder();

  // A domain that has rules.
  void add(const NamePath& path) noexcept {
    if (path.labels() < rule_filter::least_labels) return;
    const DomainHash& top = path[rule_filter::least_labels];
    put(top, rule_filter::bits_at_or_below(top));
    put(path.whole(), rule_filter::bits_at(path.whole()));
  }
  // With 6 to 12 bits for each of what it is to know. Once; nothing is added afterwards.
  std::span<const std::uint64_t> finish() noexcept;

 private:
  // 8 MiB, of which only what is used is ever had: for 5 million rules. Where there are more it tells
  // fewer domains apart.
  static constexpr std::uint64_t most_words = std::uint64_t{1} << 20;
  struct Free {
    void operator()(std::uint64_t* words) const noexcept { std::free(words); }
  };
  // A word that is on its way from memory.
  struct Coming {
    std::uint64_t* word = nullptr;
    std::uint64_t bits = 0;
  };
  void put(const DomainHash& domain, std::uint64_t bits) noexcept {
    Coming& place = coming_[next_++ % coming_.size()];
    const Coming oldest =
        std::exchange(place, {&words_[rule_filter::word_of(domain, most_words)], bits});
    __builtin_prefetch(place.word, 1);
    put(oldest);
  }
  void put(const Coming& coming) noexcept {
    if (coming.word == nullptr || (*coming.word & coming.bits) == coming.bits) return;
    *coming.word |= coming.bits;
    ++known_;
  }

  std::unique_ptr<std::uint64_t[], Free> words_;
  std::array<Coming, 16> coming_{};
  std::size_t next_ = 0;
  std::uint64_t known_ = 0;
};

}  // namespace culvert::dns
