#include "dns/name_set.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace culvert::dns {

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
  entry.at = static_cast<std::uint32_t>(octets_.size());
  entry.size = static_cast<std::uint8_t>(name.size());
  entry.labels = static_cast<std::uint8_t>(name.labels());
  octets_.insert(octets_.end(), name.wire().begin(), name.wire().end());
  deepest_ = std::max<unsigned>(deepest_, entry.labels);
  entries_.push_back(entry);
}

void NameSet::build(const NameKey& key) {
  const std::vector<Entry> all = std::exchange(entries_, {});
  slots_.assign(std::bit_ceil(all.size() * 2 + 1), 0);
  Name name;
  for (Entry each : all) {
    Name::read(wire_of(each), name);
    each.hash = NamePath(key, name).whole().place;
    const std::size_t slot = slot_of(each.hash, wire_of(each));
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
std::size_t NameSet::slot_of(std::uint64_t hash, base::Bytes domain) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == hash && entry.size == domain.size() &&
        std::memcmp(octets_.data() + entry.at, domain.data(), domain.size()) == 0)
      break;
  }
  return slot;
}

NameSet::Found NameSet::find(const NamePath& path, Bits wanted) const noexcept {
  Found found;
  if (entries_.empty()) return found;
  for (unsigned labels = 0; labels <= std::min(path.labels(), deepest_); ++labels) {
    const std::uint64_t hash = path[labels].place;
    if (slots_[hash & (slots_.size() - 1)] == 0) continue;
    const std::uint32_t place = slots_[slot_of(hash, path.domain(labels))];
    if (place == 0) continue;
    const Entry& entry = entries_[place - 1];
    const Bits said = (labels == path.labels() ? entry.itself | entry.below : entry.below) & wanted;
    found.bits |= said;
    const auto longest = static_cast<std::uint8_t>(labels);
    if (said & allow) found.allow_labels = longest;
    if (said & block) found.block_labels = longest;
    if (said & schedules) found.schedule_labels = longest;
  }
  return found;
}

}  // namespace culvert::dns
