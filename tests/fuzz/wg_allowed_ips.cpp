// The routing trie against a list of prefixes that is searched from end to end.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "wg/allowed_ips.hpp"

using namespace culvert;

namespace {

constexpr std::size_t owner_count = 4, capacity = 24;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Pair {
  ~Pair() {
    for (auto& owner : owners) table.remove_all(owner);
    require(table.size() == 0);
  }
  void insert(const base::Prefix& prefix, std::size_t owner) {
    const bool fits = model.contains(prefix) || model.size() < capacity;
    require(table.insert(prefix, owners[owner]) == fits);
    if (fits) model[prefix] = owner;
  }
  void remove(const base::Prefix& prefix, std::size_t owner) {
    const auto at = model.find(prefix);
    const bool held = at != model.end() && at->second == owner;
    require(table.remove(prefix, owners[owner]) == held);
    if (held) model.erase(at);
  }
  void remove_all(std::size_t owner) {
    table.remove_all(owners[owner]);
    std::erase_if(model, [owner](const auto& entry) { return entry.second == owner; });
  }
  void find(const base::IpAddress& address) const {
    const wg::AllowedIps::Owner* best = nullptr;
    unsigned length = 0;
    for (const auto& [prefix, owner] : model)
      if (prefix.contains(address) && (!best || prefix.length() >= length))
        best = &owners[owner], length = prefix.length();
    require(table.find(address) == best);
  }
  void compare() const {
    require(table.size() == model.size() && table.free_prefixes() == capacity - model.size());
    for (std::size_t i = 0; i < owner_count; ++i) {
      auto held = table.prefixes_of(owners[i]);
      require(held.size() == owners[i].prefixes());
      std::sort(held.begin(), held.end());
      auto at = held.begin();
      for (const auto& [prefix, owner] : model)
        if (owner == i) require(at != held.end() && *at++ == prefix);
      require(at == held.end());
    }
  }

  wg::AllowedIps table{capacity};
  std::array<wg::AllowedIps::Owner, owner_count> owners;
  std::map<base::Prefix, std::size_t> model;
};

// Few distinct bits, far apart, so that prefixes often share a path.
base::IpAddress address_of(bool v6, unsigned bits) {
  std::array<std::byte, 16> bytes{};
  const std::array<std::size_t, 4> at =
      v6 ? std::array<std::size_t, 4>{0, 7, 8, 15} : std::array<std::size_t, 4>{0, 1, 2, 3};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[at[i]] = std::byte((bits >> (4 * i) & 3) | (bits >> (4 * i + 2) & 3) << 6);
  }
  const std::span all(bytes);
  return v6 ? base::IpAddress::v6(all) : base::IpAddress::v4(all.first<4>());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Pair pair;
  for (std::size_t at = 0; at + 4 <= size && at < 2'000; at += 4) {
    const auto address = address_of(data[at] & 1, data[at + 1] * 256u + data[at + 2]);
    const base::Prefix prefix(address, data[at + 3] % (address.bits() + 1));
    const std::size_t owner = data[at] >> 1 & 3;
    switch (data[at] >> 3 & 7) {
      case 0:
        pair.remove_all(owner);
        break;
      case 1:
      case 2:
        pair.remove(prefix, owner);
        break;
      case 3:
        break;
      default:
        pair.insert(prefix, owner);
        break;
    }
    pair.find(address);
    for (const auto& [held, unused] : pair.model) pair.find(held.address());
    pair.compare();
  }
  return 0;
}
