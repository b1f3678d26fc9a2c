// Crypto-key routing (paper, section 2): which peer a prefix belongs to, by longest match, for IPv4
// and IPv6. A binary trie with its one-way stretches compressed, so a lookup visits at most one
// node per distinct prefix on the path; nodes lie in one array and find() neither allocates nor
// follows anything else. Each owner's prefixes are linked, so that a peer is removed without a
// walk.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/ip.hpp"

namespace culvert::wg {

class Peer;

class AllowedIps {
  static constexpr std::uint32_t none = UINT32_MAX;

 public:
  static constexpr std::size_t default_max_prefixes = 262'144;

  // One a peer; names it here and heads the list of its prefixes. Empty again before it is
  // destroyed.
  class Owner {
   public:
    explicit Owner(Peer* peer = nullptr) noexcept : peer_(peer) {}
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    Peer* peer() const noexcept { return peer_; }
    std::size_t prefixes() const noexcept { return count_; }

   private:
    friend class AllowedIps;
    Peer* peer_;
    std::uint32_t first_ = none;
    std::size_t count_ = 0;
  };

  explicit AllowedIps(std::size_t max_prefixes = default_max_prefixes)
      : max_prefixes_(max_prefixes) {}

  // A prefix that another owner holds moves to this one. False if the table is full.
  bool insert(const base::Prefix& prefix, Owner& owner);
  // False if `owner` does not hold it.
  bool remove(const base::Prefix& prefix, Owner& owner) noexcept;
  void remove_all(Owner& owner) noexcept;

  Owner* find(const base::IpAddress& address) const noexcept;
  std::vector<base::Prefix> prefixes_of(const Owner& owner) const;

  std::size_t size() const noexcept { return size_; }
  std::size_t free_prefixes() const noexcept { return max_prefixes_ - size_; }
  // Changes whenever an answer of find() may have changed.
  std::uint64_t generation() const noexcept { return generation_; }

 private:
  // An address as a number, its first bit the highest of `high`.
  struct Bits {
    std::uint64_t high = 0, low = 0;
    static Bits of(const base::IpAddress& address) noexcept;
    unsigned bit(unsigned at) const noexcept;
    unsigned common(const Bits& other) const noexcept;  // leading bits that are equal, up to 128
  };
  struct Node {
    Bits bits;
    std::array<std::uint32_t, 2> child{none, none};
    Owner* owner = nullptr;                      // none: only a fork
    std::uint32_t previous = none, next = none;  // of the same owner
    std::uint8_t length = 0;
    bool v6 = false;
  };
  // Where a walk along a prefix ended: the node (or none), and the links that lead to it.
  struct Place {
    std::uint32_t* link;
    std::uint32_t* parent_link;
  };

  Place locate(const Bits& bits, unsigned length, bool v6) noexcept;
  std::uint32_t new_node(const Bits& bits, unsigned length, bool v6);
  void join_above(std::uint32_t* link, const Bits& bits, unsigned length, bool v6,
                  std::uint32_t& added);
  void give(std::uint32_t node, Owner& owner) noexcept;
  void take(std::uint32_t node) noexcept;
  void prune(const Place& place) noexcept;
  void erase(std::uint32_t node) noexcept;

  std::size_t max_prefixes_;
  std::size_t size_ = 0;
  std::uint64_t generation_ = 0;
  std::array<std::uint32_t, 2> roots_{none, none};  // IPv4, IPv6
  std::vector<Node> nodes_;
  std::uint32_t free_ = none;  // linked by `next`
};

}  // namespace culvert::wg
