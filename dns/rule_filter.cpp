#include "dns/rule_filter.hpp"

#include <new>

namespace culvert::dns {
namespace {

constexpr std::uint64_t most_bits = 12;  // of each; half as many at least

}  // namespace

RuleFilterBuilder::RuleFilterBuilder()
    : words_(static_cast<std::uint64_t*>(std::calloc(most_words, sizeof(std::uint64_t)))) {
  if (!words_) throw std::bad_alloc();
}

std::span<const std::uint64_t> RuleFilterBuilder::finish() noexcept {
  for (const Coming& each : std::exchange(coming_, {})) put(each);
  std::uint64_t words = most_words;
  while (words > 1 && words * 64 >= known_ * most_bits) words /= 2;
  // The first bits of a hash choose the word: those that become one lie side by side.
  const std::uint64_t together = most_words / words;
  for (std::uint64_t i = 0; i < words; ++i) {
    std::uint64_t bits = 0;
    for (std::uint64_t j = 0; j < together; ++j) bits |= words_[i * together + j];
    words_[i] = bits;
  }
  return {words_.get(), words};
}

}  // namespace culvert::dns
