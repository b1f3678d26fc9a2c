// Is it a public resolver that speaks DNS over TLS, HTTPS or QUIC?
#include <algorithm>
#include <array>
#include <vector>

#include "base/assert.hpp"
#include "dns/filter.hpp"
#include "dns/known_resolver_list.hpp"
#include "dns/name_table.hpp"

namespace culvert::dns {
namespace {

constexpr unsigned least_labels = 2, most_labels = 7;

struct Table {
  Table() : names(known_resolver_names()), ends(known_resolver_names(), least_labels) {
    for (const std::string_view text : known_resolver_addresses()) {
      const auto address = base::IpAddress::parse(text);
      BASE_ASSERT(address);
      addresses.push_back(*address);
    }
    std::sort(addresses.begin(), addresses.end());
    for (const std::string_view text : known_resolver_ranges()) {
      const auto prefix = base::Prefix::parse(text);
      BASE_ASSERT(prefix);
      prefixes.push_back(*prefix);
    }
  }

  NameTable names;
  NameTable ends;  // their last two labels: one look-up tells most names apart
  std::vector<base::IpAddress> addresses;  // sorted
  std::vector<base::Prefix> prefixes;
};

const Table table;  // when the program starts

}  // namespace

bool is_known_resolver(const base::IpAddress& address) noexcept {
  if (std::binary_search(table.addresses.begin(), table.addresses.end(), address)) return true;
  return std::any_of(table.prefixes.begin(), table.prefixes.end(),
                     [&](const base::Prefix& prefix) { return prefix.contains(address); });
}

bool is_known_resolver(const Name& name) noexcept {
  // Where the last labels begin: a ring of as many as the longest name of the table has.
  std::array<std::uint8_t, most_labels> starts{};
  const base::Bytes wire = name.wire();
  unsigned labels = 0;
  for (std::size_t at = 0; wire[at] != std::byte{0};
       at += 1 + std::to_integer<std::size_t>(wire[at]))
    starts[labels++ % most_labels] = static_cast<std::uint8_t>(at);
  if (labels < least_labels) return false;
  const auto last = [&](unsigned count) {
    return wire.subspan(starts[(labels - count) % most_labels]);
  };
  if (table.ends.find(last(least_labels)) < 0) return false;
  for (unsigned count = least_labels; count <= std::min(labels, most_labels); ++count)
    if (table.names.find(last(count)) >= 0) return true;
  return false;
}

}  // namespace culvert::dns
