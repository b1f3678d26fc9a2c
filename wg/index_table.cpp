#include "wg/index_table.hpp"

#include <utility>

#include "base/assert.hpp"

namespace culvert::wg {

std::size_t IndexTable::place_of(std::uint32_t index) const noexcept {
  std::size_t at = home(index);
  while (slots_[at].peer && slots_[at].index != index) at = (at + 1) & (slots_.size() - 1);
  return at;
}

const IndexTable::Entry* IndexTable::find(std::uint32_t index) const noexcept {
  const Entry& entry = slots_[place_of(index)];
  return entry.peer ? &entry : nullptr;
}

std::uint32_t IndexTable::allocate(Peer& peer) {
  if (size_ * 2 >= slots_.size()) grow();
  for (;;) {
    const std::uint32_t index = (random_.u32() & 0xffffff00u) | worker_;
    Entry& entry = slots_[place_of(index)];
    if (entry.peer) continue;
    entry = {index, &peer, nullptr};
    ++size_;
    return index;
  }
}

void IndexTable::set_session(std::uint32_t index, Session& session) noexcept {
  Entry& entry = slots_[place_of(index)];
  BASE_ASSERT(entry.peer);
  entry.session = &session;
}

void IndexTable::erase(std::uint32_t index) noexcept {
  std::size_t hole = place_of(index);
  if (!slots_[hole].peer) return;
  --size_;
  // Linear probing without tombstones: whatever was pushed past the hole moves back into it.
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hole + 1) & mask; slots_[at].peer; at = (at + 1) & mask) {
    const std::size_t wanted = home(slots_[at].index);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

void IndexTable::grow() {
  std::vector<Entry> old = std::exchange(slots_, std::vector<Entry>(slots_.size() * 2));
  for (const Entry& entry : old)
    if (entry.peer) slots_[place_of(entry.index)] = entry;
}

}  // namespace culvert::wg
