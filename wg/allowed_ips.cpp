#include "wg/allowed_ips.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"
#include "base/headers.hpp"

namespace culvert::wg {

AllowedIps::Bits AllowedIps::Bits::of(const base::IpAddress& address) noexcept {
  std::array<std::byte, 16> full{};
  const auto bytes = address.bytes();
  std::copy(bytes.begin(), bytes.end(), full.begin());
  const auto word = [&](std::size_t at) {
    return std::uint64_t(base::load_be32(&full[at])) << 32 | base::load_be32(&full[at + 4]);
  };
  return {word(0), word(8)};
}

unsigned AllowedIps::Bits::bit(unsigned at) const noexcept {
  return at < 64 ? unsigned(high >> (63 - at)) & 1 : unsigned(low >> (127 - at)) & 1;
}

unsigned AllowedIps::Bits::common(const Bits& other) const noexcept {
  if (high != other.high) return unsigned(std::countl_zero(high ^ other.high));
  return 64 + unsigned(std::countl_zero(low ^ other.low));
}

AllowedIps::Owner* AllowedIps::find(const base::IpAddress& address) const noexcept {
  if (!address) return nullptr;
  const Bits bits = Bits::of(address);
  const unsigned width = address.bits();
  Owner* best = nullptr;
  std::uint32_t at = roots_[address.is_v6()];
  while (at != none) {
    const Node& node = nodes_[at];
    if (bits.common(node.bits) < node.length) break;
    if (node.owner) best = node.owner;
    if (node.length == width) break;
    at = node.child[bits.bit(node.length)];
  }
  return best;
}

// Follows `bits` down to the first node that is not a shorter prefix of it.
AllowedIps::Place AllowedIps::locate(const Bits& bits, unsigned length, bool v6) noexcept {
  Place place{&roots_[v6], nullptr};
  while (*place.link != none) {
    Node& node = nodes_[*place.link];
    if (node.length >= length || bits.common(node.bits) < node.length) break;
    place = {&node.child[bits.bit(node.length)], place.link};
  }
  return place;
}

std::uint32_t AllowedIps::new_node(const Bits& bits, unsigned length, bool v6) {
  BASE_ASSERT(free_ != none);
  const std::uint32_t index = free_;
  free_ = nodes_[index].next;
  nodes_[index] = Node{};
  nodes_[index].bits = bits;
  nodes_[index].length = std::uint8_t(length);
  nodes_[index].v6 = v6;
  return index;
}

bool AllowedIps::insert(const base::Prefix& prefix, Owner& owner) {
  if (!prefix.address()) return false;
  // Two nodes are the most that one prefix adds; links into nodes_ must not move while it does.
  while (free_ == none || nodes_[free_].next == none) {
    const auto index = std::uint32_t(nodes_.size());
    nodes_.emplace_back().next = free_;
    free_ = index;
  }
  const Bits bits = Bits::of(prefix.address());
  const bool v6 = prefix.address().is_v6();
  const Place place = locate(bits, prefix.length(), v6);
  std::uint32_t at = *place.link;
  const bool there = at != none && nodes_[at].length == prefix.length() &&
                     bits.common(nodes_[at].bits) >= prefix.length();
  const bool held = there && nodes_[at].owner;
  if (!held && size_ >= max_prefixes_) return false;
  if (held) take(at);
  if (!there) join_above(place.link, bits, prefix.length(), v6, at);
  give(at, owner);
  return true;
}

// Puts a new node at `link`, above what is there or beside it under a fork.
void AllowedIps::join_above(std::uint32_t* link, const Bits& bits, unsigned length, bool v6,
                            std::uint32_t& added) {
  const std::uint32_t below = *link;
  added = new_node(bits, length, v6);
  if (below == none) {
    *link = added;
    return;
  }
  const unsigned common =
      std::min({bits.common(nodes_[below].bits), length, unsigned(nodes_[below].length)});
  if (common == length) {
    nodes_[added].child[nodes_[below].bits.bit(length)] = below;
    *link = added;
    return;
  }
  const std::uint32_t fork = new_node(bits, common, v6);
  nodes_[fork].child[bits.bit(common)] = added;
  nodes_[fork].child[nodes_[below].bits.bit(common)] = below;
  *link = fork;
}

void AllowedIps::give(std::uint32_t node, Owner& owner) noexcept {
  Node& n = nodes_[node];
  n.owner = &owner;
  n.previous = none;
  n.next = owner.first_;
  if (owner.first_ != none) nodes_[owner.first_].previous = node;
  owner.first_ = node;
  ++owner.count_, ++size_, ++generation_;
}

void AllowedIps::take(std::uint32_t node) noexcept {
  Node& n = nodes_[node];
  if (n.previous != none)
    nodes_[n.previous].next = n.next;
  else
    n.owner->first_ = n.next;
  if (n.next != none) nodes_[n.next].previous = n.previous;
  --n.owner->count_, --size_, ++generation_;
  n.owner = nullptr;
}

bool AllowedIps::remove(const base::Prefix& prefix, Owner& owner) noexcept {
  if (!prefix.address()) return false;
  const Bits bits = Bits::of(prefix.address());
  const Place place = locate(bits, prefix.length(), prefix.address().is_v6());
  const std::uint32_t at = *place.link;
  if (at == none || nodes_[at].length != prefix.length() || nodes_[at].owner != &owner ||
      bits.common(nodes_[at].bits) < prefix.length())
    return false;
  erase(at);
  return true;
}

void AllowedIps::remove_all(Owner& owner) noexcept {
  while (owner.first_ != none) erase(owner.first_);
}

void AllowedIps::erase(std::uint32_t node) noexcept {
  const Place place = locate(nodes_[node].bits, nodes_[node].length, nodes_[node].v6);
  BASE_ASSERT(*place.link == node);
  take(node);
  prune(place);
}

// Removes a node without an owner, and its parent if that was a fork for it alone.
void AllowedIps::prune(const Place& place) noexcept {
  const std::uint32_t at = *place.link;
  const auto& child = nodes_[at].child;
  if (nodes_[at].owner || (child[0] != none && child[1] != none)) return;
  *place.link = child[0] != none ? child[0] : child[1];
  nodes_[at].next = free_;
  free_ = at;
  if (place.parent_link) prune({place.parent_link, nullptr});
}

std::vector<base::Prefix> AllowedIps::prefixes_of(const Owner& owner) const {
  std::vector<base::Prefix> found;
  for (std::uint32_t at = owner.first_; at != none; at = nodes_[at].next) {
    const Node& n = nodes_[at];
    std::array<std::byte, 16> bytes{};
    for (unsigned i = 0; i < 8; ++i) {
      bytes[i] = std::byte(n.bits.high >> (56 - 8 * i) & 0xff);
      bytes[i + 8] = std::byte(n.bits.low >> (56 - 8 * i) & 0xff);
    }
    const std::span all(bytes);
    found.emplace_back(n.v6 ? base::IpAddress::v6(all) : base::IpAddress::v4(all.first<4>()),
                       n.length);
  }
  return found;
}

}  // namespace culvert::wg
