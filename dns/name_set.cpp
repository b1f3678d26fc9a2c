#include "dns/name_set.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace culvert::dns {
namespace {

constexpr std::uint64_t hash_start = 0x9e3779b97f4a7c15;

// Of a label and what hashing the labels right of it gave. The names of the set are the operator's
// and no question adds one, so a key would defend nothing.
std::uint64_t hash_label(std::uint64_t hash, base::Bytes label) noexcept {
  const auto absorb = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  };
  std::size_t at = 0;
  std::uint64_t word = 0;
  for (; at + 8 <= label.size(); at += 8) {
    std::memcpy(&word, label.data() + at, 8);
    absorb(word);
  }
  word = label.size();
  for (; at < label.size(); ++at) word = word << 8 | std::to_integer<std::uint64_t>(label[at]);
  absorb(word);
  return hash;
}

// Where each label of a name begins; returns how many there are, the root's not among them.
unsigned label_starts(const Name& name, std::array<std::uint8_t, Name::max_labels>& out) noexcept {
  const base::Bytes wire = name.wire();
  unsigned count = 0;
  for (std::size_t at = 0; wire[at] != std::byte{0};
       at += 1 + std::to_integer<std::size_t>(wire[at]))
    out[count++] = static_cast<std::uint8_t>(at);
  return count;
}

std::uint32_t hash_name(const Name& name) noexcept {
  std::array<std::uint8_t, Name::max_labels> starts;
  std::uint64_t hash = hash_start;
  for (unsigned left = label_starts(name, starts); left > 0; --left) {
    const base::Bytes from = name.wire().subspan(starts[left - 1]);
    hash = hash_label(hash, from.subspan(1, std::to_integer<std::size_t>(from[0])));
  }
  return static_cast<std::uint32_t>(hash);
}

}  // namespace

bool NameSet::add(std::string_view text, Bits bits) {
  const bool exact = text.starts_with('=');
  if (exact) text.remove_prefix(1);
  const std::optional<Name> name = Name::parse(text);
  if (name) add(*name, exact, bits);
  return name.has_value();
}

void NameSet::add(const Name& name, bool exact, Bits bits) {
  Entry entry;
  (exact ? entry.itself : entry.below) = bits;
  entry.hash = hash_name(name);
  entry.at = static_cast<std::uint32_t>(octets_.size());
  entry.size = static_cast<std::uint8_t>(name.size());
  entry.labels = static_cast<std::uint8_t>(name.labels());
  octets_.insert(octets_.end(), name.wire().begin(), name.wire().end());
  deepest_ = std::max<unsigned>(deepest_, entry.labels);
  entries_.push_back(entry);
}

void NameSet::build() {
  const std::vector<Entry> all = std::move(entries_);
  entries_.clear();
  slots_.assign(std::bit_ceil(all.size() * 2 + 1), 0);
  for (const Entry& each : all) {
    const std::size_t slot = slot_of(each.hash, base::Bytes(octets_).subspan(each.at, each.size));
    if (slots_[slot] == 0) {
      entries_.push_back(each);
      slots_[slot] = static_cast<std::uint32_t>(entries_.size());
      continue;
    }
    Entry& known = entries_[slots_[slot] - 1];
    known.itself |= each.itself;
    known.below |= each.below;
  }
}

// Where that domain is, or would be.
std::size_t NameSet::slot_of(std::uint32_t hash, base::Bytes suffix) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == hash && entry.size == suffix.size() &&
        std::memcmp(octets_.data() + entry.at, suffix.data(), suffix.size()) == 0)
      break;
  }
  return slot;
}

NameSet::Found NameSet::find(const Name& name, Bits wanted) const noexcept {
  Found found;
  if (entries_.empty()) return found;
  std::array<std::uint8_t, Name::max_labels> starts;
  const unsigned count = label_starts(name, starts);
  const base::Bytes wire = name.wire();
  std::uint64_t hash = hash_start;
  for (unsigned labels = 0; labels <= count && labels <= deepest_; ++labels) {
    const std::size_t at = labels == 0 ? wire.size() - 1 : starts[count - labels];
    const base::Bytes suffix = wire.subspan(at);
    if (labels > 0)
      hash = hash_label(hash, suffix.subspan(1, std::to_integer<std::size_t>(suffix[0])));
    const std::uint32_t place = slots_[slot_of(static_cast<std::uint32_t>(hash), suffix)];
    if (place == 0) continue;
    const Entry& entry = entries_[place - 1];
    const Bits said = (labels == count ? entry.itself | entry.below : entry.below) & wanted;
    found.bits |= said;
    const auto longest = static_cast<std::uint8_t>(labels);
    if (said & allow) found.allow_labels = longest;
    if (said & block) found.block_labels = longest;
    if (said & schedules) found.schedule_labels = longest;
  }
  return found;
}

}  // namespace culvert::dns
