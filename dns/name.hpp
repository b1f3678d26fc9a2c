// Name: a domain name (RFC 1035 section 3.1) in uncompressed wire form, lower-cased (RFC 4343):
// what names are compared, hashed and looked up by. A value of at most 255 octets; no heap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/pieces.hpp"

namespace culvert::dns {

class Name {
 public:
  static constexpr std::size_t max_size = 255;  // octets, the root's included
  static constexpr std::size_t max_label = 63;
  static constexpr std::size_t max_labels = 127;

  Name() noexcept { wire_[0] = std::byte{0}; }  // the root

  // Presentation form, with or without the last dot; \DDD and \X as in RFC 1035 section 5.1.
  // ASCII only: names in other scripts are to be given in their A-label form.
  static std::optional<Name> parse(std::string_view text);
  // From uncompressed wire form; none if it is not exactly one name.
  static std::optional<Name> from_wire(base::Bytes wire) noexcept;
  // Reads the uncompressed name that `from` begins with; how many octets it took, 0 = it is none.
  static std::size_t read(base::Bytes from, Name& out) noexcept;

  base::Bytes wire() const noexcept { return {wire_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  bool is_root() const noexcept { return size_ == 1; }
  unsigned labels() const noexcept;  // without the root's

  void clear() noexcept { size_ = 1, wire_[0] = std::byte{0}; }  // to the root
  // Appends a label; false (and unchanged) if it does not fit. Octets are lower-cased.
  bool append(base::Bytes label) noexcept;
  // Appends labels in wire form, without a root's behind them, that the caller knows to be well
  // formed.
  bool append_labels(base::Bytes labels) noexcept;
  // This name without its first label; the root's is the root.
  Name parent() const noexcept;
  bool is_within(const Name& domain) const noexcept;  // equal or below

  // Sixteen octets of the wire form from `at` on, for hashing; what lies behind its end means
  // nothing.
  using Words = std::array<std::uint64_t, 2>;
  Words words_at(std::size_t at) const noexcept {
    Words words{};
    if (at + sizeof(words) <= max_size) [[likely]]
      std::memcpy(words.data(), wire_.data() + at, sizeof(words));
    else
      std::memcpy(words.data(), wire_.data() + at, max_size - at);
    return words;
  }

  std::string to_string() const;  // "example.com", "." for the root; escaped as parse() reads it

  friend bool operator==(const Name& a, const Name& b) noexcept {
    return a.size_ == b.size_ && std::memcmp(a.wire_.data(), b.wire_.data(), a.size_) == 0;
  }

 private:
  std::uint8_t size_ = 1;
  std::array<std::byte, max_size> wire_;  // only the first size_ octets mean anything
};

// SipHash under a key drawn once per process: clients choose the names.
struct NameHash {
  std::size_t operator()(const Name& name) const noexcept;
};

// For address.in-addr.arpa and ip6.arpa (RFC 1035 section 3.5, RFC 3596 section 2.5).
Name reverse_name(const base::Bytes address);  // 4 or 16 octets
std::size_t parse_reverse(const Name& name,
                          base::MutableBytes address);  // 4, 16, or 0 = it is none

}  // namespace culvert::dns
