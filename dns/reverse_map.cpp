#include "dns/reverse_map.hpp"

#include <algorithm>

namespace culvert::dns {
namespace {

base::Bytes bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text));
}

bool is_under_arpa(const Name& name) noexcept {
  constexpr char arpa[] = "\4arpa";
  const base::Bytes wire = name.wire();
  return wire.size() > sizeof arpa &&
         std::memcmp(wire.data() + wire.size() - sizeof arpa, arpa, sizeof arpa) == 0;
}

// The addresses that a reverse name stands for, be it whole or of leading parts: 10.0.0.0/8 of
// "10.in-addr.arpa". None if it is no such name.
std::optional<base::Prefix> reverse_prefix(const Name& name) noexcept {
  static const Name tree4 = *Name::parse("in-addr.arpa"), tree6 = *Name::parse("ip6.arpa");
  const bool v4 = name.is_within(tree4);
  const unsigned parts = v4 ? 4 : 32, tree_labels = 2, labels = name.labels();
  if ((!v4 && !name.is_within(tree6)) || labels > parts + tree_labels) return std::nullopt;
  Name padded;
  for (unsigned i = labels; i < parts + tree_labels; ++i)
    if (!padded.append(bytes_of("0"))) return std::nullopt;
  if (!padded.append_labels(name.wire().first(name.size() - 1))) return std::nullopt;
  std::array<std::byte, 16> address{};
  const std::size_t size = parse_reverse(padded, address);
  if (size == 0) return std::nullopt;
  const auto whole =
      v4 ? base::IpAddress::v4(std::span(address).first<4>()) : base::IpAddress::v6(address);
  return base::Prefix(whole, (labels - tree_labels) * (v4 ? 8 : 4));
}

}  // namespace

void ReverseMap::add(const base::IpAddress& address, const Name& name, std::uint32_t ttl) {
  static const base::IpAddress loopback6 = *base::IpAddress::parse("::1");
  if (address.is_unspecified() || address == loopback6 || address.v4_word() >> 24 == 127) return;
  pointers_[address].push_back({name, ttl});
}

void ReverseMap::remove(const base::IpAddress& address, const Name& name) {
  const auto place = pointers_.find(address);
  if (place == pointers_.end()) return;
  Pointers& pointers = place->second;
  const auto same = [&](const Pointer& pointer) { return pointer.name == name; };
  const auto found = std::find_if(pointers.begin(), pointers.end(), same);
  if (found != pointers.end()) pointers.erase(found);
  if (pointers.empty()) pointers_.erase(place);
}

ReverseMap::Found ReverseMap::find(const Name& reverse_name) const noexcept {
  Found found;
  if (pointers_.empty() || !is_under_arpa(reverse_name)) return found;
  const auto prefix = reverse_prefix(reverse_name);
  if (!prefix) return found;
  const auto first = pointers_.lower_bound(prefix->address());
  found.exists = first != pointers_.end() && prefix->contains(first->first);
  if (found.exists && prefix->length() == prefix->address().bits()) found.pointers = &first->second;
  return found;
}

}  // namespace culvert::dns
