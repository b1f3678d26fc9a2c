#include "dns/address_ranges.hpp"

#include <algorithm>
#include <optional>

namespace culvert::dns {
namespace {

std::array<std::byte, 4> octets_of(std::uint32_t address) noexcept {
  return {std::byte(address >> 24), std::byte(address >> 16 & 0xff), std::byte(address >> 8 & 0xff),
          std::byte(address & 0xff)};
}
std::uint32_t number_of(const std::array<std::byte, 4>& octets) noexcept {
  std::uint32_t number = 0;
  for (const std::byte each : octets) number = number << 8 | std::uint32_t(each);
  return number;
}

// The first address behind a prefix; none at the end of all.
template <std::size_t Size>
std::optional<std::array<std::byte, Size>> behind(std::array<std::byte, Size> from,
                                                  unsigned length) noexcept {
  unsigned carry = length == 0 ? 0 : 1u << (7 - (length - 1) % 8);
  if (length == 0) return std::nullopt;
  for (std::size_t i = (length - 1) / 8 + 1; i-- > 0;) {
    const unsigned sum = unsigned(from[i]) + carry;
    from[i] = std::byte(sum & 0xff);
    carry = sum >> 8;
    if (carry == 0) return from;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> end_of(std::uint32_t from, unsigned length) noexcept {
  const auto end = behind(octets_of(from), length);
  return end ? std::optional(number_of(*end)) : std::nullopt;
}
std::optional<std::array<std::byte, 16>> end_of(const std::array<std::byte, 16>& from,
                                                unsigned length) noexcept {
  return behind(from, length);
}

void say(RuleTable::Said& said, std::uint16_t list, RuleAction action) noexcept {
  for (ListMask& how : said.how) how.reset(list);
  said.block.set(list, action != RuleAction::allow);
  said.allow.set(list, action == RuleAction::allow);
  said.set_action(list, action);
}

template <class Entry, class Range>
class Sweep {
 public:
  using Address = decltype(Entry::from);
  explicit Sweep(SaidTable& table) : table_(table) {}

  std::vector<Range> run(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      close_until(entry.from);
      RuleTable::Said said = open_.empty() ? RuleTable::Said{} : open_.back().said;
      say(said, entry.list, entry.action);
      open_.push_back({end_of(entry.from, entry.length), said});
      emit(entry.from);
    }
    close_until(std::nullopt);
    return std::move(ranges_);
  }

 private:
  struct Open {
    std::optional<Address> end;  // none: reaches to the last address
    RuleTable::Said said;        // here: of this prefix and all around it
  };

  // Leaves the prefixes that end at or before `at`; all of them if there is none.
  void close_until(const std::optional<Address>& at) {
    while (!open_.empty() && (!at || (open_.back().end && *open_.back().end <= *at))) {
      const std::optional<Address> end = open_.back().end;
      open_.pop_back();
      if (end) emit(*end);
    }
  }

  void emit(const Address& from) {
    const std::uint32_t number =
        table_.number(open_.empty() ? RuleTable::Said{} : open_.back().said);
    if (!ranges_.empty() && ranges_.back().from == from) ranges_.pop_back();
    if ((ranges_.empty() ? 0 : ranges_.back().said) != number) ranges_.push_back({from, number});
  }

  SaidTable& table_;
  std::vector<Open> open_;
  std::vector<Range> ranges_;
};

template <class Entry>
std::size_t sort_distinct(std::vector<Entry>& entries) {
  std::ranges::sort(entries);
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  std::size_t prefixes = 0;
  for (std::size_t i = 0; i < entries.size(); ++i)
    prefixes +=
        entries[i].action != RuleAction::rewrite &&
        (i == 0 || entries[i].from != entries[i - 1].from ||
         entries[i].length != entries[i - 1].length || entries[i].action != entries[i - 1].action);
  return prefixes;
}

template <class Range, class Address>
std::uint32_t find_in(std::span<const Range> ranges, const Address& address) noexcept {
  const auto next = std::upper_bound(
      ranges.begin(), ranges.end(), address,
      [](const Address& wanted, const Range& range) { return wanted < range.from; });
  return next == ranges.begin() ? 0 : std::prev(next)->said;
}

}  // namespace

bool AddressRanges::add(std::uint16_t list, RuleAction action, const base::Prefix& prefix) {
  if (v4_.size() + v6_.size() >= max_prefixes) return false;
  const base::IpAddress& address = prefix.address();
  const auto length = static_cast<std::uint8_t>(prefix.length());
  if (address.is_v4()) v4_.push_back({address.v4_word(), length, action, list});
  if (address.is_v6()) {
    Entry6 entry{{}, length, action, list};
    std::ranges::copy(address.bytes(), entry.from.begin());
    v6_.push_back(entry);
  }
  return true;
}

AddressRanges::Built AddressRanges::build(SaidTable& said) {
  Built built;
  built.prefixes = sort_distinct(v4_) + sort_distinct(v6_);
  built.v4 = Sweep<Entry4, Range4>(said).run(v4_);
  built.v6 = Sweep<Entry6, Range6>(said).run(v6_);
  return built;
}

std::uint32_t find_range(std::span<const Range4> ranges, std::uint32_t address) noexcept {
  return find_in(ranges, address);
}

std::uint32_t find_range(std::span<const Range6> ranges,
                         std::span<const std::byte, 16> address) noexcept {
  std::array<std::byte, 16> wanted;
  std::ranges::copy(address, wanted.begin());
  return find_in(ranges, wanted);
}

}  // namespace culvert::dns
