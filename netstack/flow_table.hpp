// FlowTable: what netstack knows of a TCP 4-tuple, by one keyed hash: a connection, a connection in
// TIME_WAIT, or a SYN that waits for its answer. Entries are owned elsewhere and link themselves
// in; a lookup costs the same with ten flows and with fifty thousand.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip.hpp"

namespace culvert::netstack {

struct FlowEntry {
  enum class Kind : std::uint8_t { connection, time_wait, parked };

  FlowEntry(Kind k, const base::FlowKey& flow) noexcept
      : key(flow), hash(base::FlowKeyHash{}(flow)), kind(k) {}

  base::FlowKey key;
  std::size_t hash;
  FlowEntry* next = nullptr;
  Kind kind;
  bool listed = false;
};

class FlowTable {
 public:
  FlowTable() : buckets_(1024) {}

  FlowEntry* find(const base::FlowKey& key) const noexcept {
    const std::size_t hash = base::FlowKeyHash{}(key);
    for (FlowEntry* e = buckets_[hash & (buckets_.size() - 1)]; e; e = e->next)
      if (e->hash == hash && e->key == key) return e;
    return nullptr;
  }

  // `entry` must not be in the table, nor another one of its key.
  void insert(FlowEntry& entry) noexcept {
    if (size_ >= buckets_.size()) grow();
    FlowEntry*& head = buckets_[entry.hash & (buckets_.size() - 1)];
    entry.next = head, head = &entry;
    entry.listed = true;
    ++size_;
  }

  void remove(FlowEntry& entry) noexcept {
    if (!entry.listed) return;
    FlowEntry** at = &buckets_[entry.hash & (buckets_.size() - 1)];
    while (*at != &entry) at = &(*at)->next;
    *at = entry.next;
    entry.next = nullptr, entry.listed = false;
    --size_;
  }

  std::size_t size() const noexcept { return size_; }

 private:
  void grow() noexcept {
    std::vector<FlowEntry*> larger(buckets_.size() * 2);
    for (FlowEntry* entry : buckets_) {
      while (entry) {
        FlowEntry* following = entry->next;
        FlowEntry*& head = larger[entry->hash & (larger.size() - 1)];
        entry->next = head, head = entry;
        entry = following;
      }
    }
    buckets_.swap(larger);
  }

  std::vector<FlowEntry*> buckets_;  // a power of two
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
