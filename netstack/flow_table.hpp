// FlowTable: what netstack knows of a TCP 4-tuple, by one keyed hash: a connection, a connection in
// TIME_WAIT, or a SYN that waits for its answer. Entries are owned elsewhere and link themselves
// in; a lookup costs the same with ten flows and with fifty thousand.
//
// Open addressing with linear probing, the full hash beside the pointer: a lookup reads one cache
// line of the table and no entry but the right one. What an idle flow costs is 32 bytes at most.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

#include "base/ip.hpp"

namespace culvert::netstack {

// `from` may be nothing.
inline void prefetch(const void* from, std::size_t size) noexcept {
  if (!from) return;
  constexpr std::size_t line = 64;
  for (std::size_t at = 0; at < size; at += line)
    __builtin_prefetch(static_cast<const char*>(from) + at);
}

struct FlowEntry {
  enum class Kind : std::uint8_t { connection, time_wait, parked };

  FlowEntry(Kind k, const base::FlowKey& flow) noexcept
      : key(flow), hash(base::FlowKeyHash{}(flow)), kind(k) {}

  base::FlowKey key;
  std::size_t hash;
  Kind kind;
  bool listed = false;
};

class FlowTable {
 public:
  FlowTable() : slots_(new Slot[smallest]), mask_(smallest - 1) {}

  FlowEntry* find(const base::FlowKey& key, std::size_t hash) const noexcept {
    for (std::size_t at = hash & mask_; slots_[at].entry; at = (at + 1) & mask_)
      if (slots_[at].hash == hash && slots_[at].entry->key == key) return slots_[at].entry;
    return nullptr;
  }
  FlowEntry* find(const base::FlowKey& key) const noexcept {
    return find(key, base::FlowKeyHash{}(key));
  }

  // Towards a lookup that is to come: the place in the table, then what is probably found there,
  // without touching it.
  void prefetch(std::size_t hash) const noexcept { __builtin_prefetch(&slots_[hash & mask_]); }
  FlowEntry* candidate(std::size_t hash) const noexcept {
    for (std::size_t at = hash & mask_; slots_[at].entry; at = (at + 1) & mask_)
      if (slots_[at].hash == hash) return slots_[at].entry;
    return nullptr;
  }

  // Makes room for one more; false if there is no memory. An entry that takes the place of a
  // removed one needs no room.
  bool reserve() noexcept {
    const std::size_t slots = mask_ + 1;
    return size_ < slots / 2 || grow() || size_ < slots / 8 * 7;
  }

  // `entry` must not be in the table, nor another one of its key; reserve() has said yes.
  void insert(FlowEntry& entry) noexcept {
    place({entry.hash, &entry});
    entry.listed = true;
    ++size_;
  }

  void remove(FlowEntry& entry) noexcept {
    if (!entry.listed) return;
    entry.listed = false;
    --size_;
    std::size_t hole = entry.hash & mask_;
    while (slots_[hole].entry != &entry) hole = (hole + 1) & mask_;
    // What follows moves up unless that would put it before its own place.
    for (std::size_t at = (hole + 1) & mask_; slots_[at].entry; at = (at + 1) & mask_) {
      const std::size_t wanted = slots_[at].hash & mask_;
      if (((at - wanted) & mask_) < ((at - hole) & mask_)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
  }

  std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::size_t smallest = 1024;  // a power of two, as every size
  struct Slot {
    std::size_t hash = 0;
    FlowEntry* entry = nullptr;
  };

  void place(Slot slot) noexcept {
    std::size_t at = slot.hash & mask_;
    while (slots_[at].entry) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  bool grow() noexcept {
    const std::size_t before = mask_ + 1;
    std::unique_ptr<Slot[]> old(new (std::nothrow) Slot[before * 2]);
    if (!old) return false;
    old.swap(slots_);
    mask_ = before * 2 - 1;
    for (std::size_t i = 0; i < before; ++i)
      if (old[i].entry) place(old[i]);
    return true;
  }

  std::unique_ptr<Slot[]> slots_;
  std::size_t mask_;
  std::size_t size_ = 0;
};

// A place in a circular list; an entry of a list knows its owner.
struct Link {
  Link* previous = this;
  Link* next = this;
  void* owner = nullptr;

  Link() = default;
  explicit Link(void* of) noexcept : owner(of) {}
  ~Link() { unlink(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool linked() const noexcept { return next != this; }
  void unlink() noexcept {
    previous->next = next, next->previous = previous;
    previous = next = this;
  }
  // On the head of a list: adds at the end, unless the entry is in a list already.
  void append(Link& entry) noexcept {
    if (entry.linked()) return;
    entry.previous = previous, entry.next = this;
    previous->next = &entry, previous = &entry;
  }
};

}  // namespace culvert::netstack
