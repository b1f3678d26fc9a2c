// Cache: the answers of one worker, in a bounded number of bytes; who was not asked for longest
// goes first. An entry is one allocation: what is needed to answer, the message and where its TTLs
// are. A hit uses no heap. Called by the resolver, with the time as it sees it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "base/siphash.hpp"
#include "base/time.hpp"
#include "dns/answer_image.hpp"

namespace culvert::dns {

// What an answer depends on. `set`: which upstreams were asked.
struct CacheKey {
  Name name;
  std::uint16_t type = 0, class_ = class_::in;
  std::uint32_t set = 0;
  bool dnssec_ok = false, checking_disabled = false;

  friend bool operator==(const CacheKey&, const CacheKey&) = default;
};

class CacheEntry {
 public:
  AnswerImage image() const noexcept;
  base::Time stored() const noexcept { return stored_; }
  base::Time expires() const noexcept { return stored_ + std::chrono::seconds(lifetime_); }
  bool failure() const noexcept { return failure_; }
  bool fresh(base::Time now) const noexcept { return now < expires(); }
  std::uint32_t elapsed(base::Time now) const noexcept;  // seconds since it was stored

  // How often it was given since it was stored.
  std::uint16_t hits = 0;
  // Failures in a row of who was asked for it anew, and until when it is not asked again.
  std::uint8_t failures = 0;
  base::Time retry_at{};
  // Clients for whom inspection let it pass unchanged, by a stamp that stands for the client, its
  // policy and the rules (Resolver::Impl); 0 = nobody.
  std::array<std::uint64_t, 2> passed{};

 private:
  friend class Cache;
  CacheEntry() = default;

  bool is(const CacheKey& key) const noexcept;
  std::byte* wire() noexcept { return reinterpret_cast<std::byte*>(this + 1) + 2u * records_; }
  const std::byte* wire() const noexcept {
    return reinterpret_cast<const std::byte*>(this + 1) + 2u * records_;
  }

  CacheEntry* next_ = nullptr;  // of its bucket
  CacheEntry *newer_ = nullptr, *older_ = nullptr;
  std::uint64_t hash_ = 0;
  base::Time stored_{};
  std::uint32_t lifetime_ = 0, set_ = 0;
  std::uint16_t rcode_ = 0, error_ = 0, records_ = 0, wire_size_ = 0;
  bool failure_ : 1 = false, negative_ : 1 = false, authentic_ : 1 = false, bindings_ : 1 = false;
  bool dnssec_ok_ : 1 = false, checking_disabled_ : 1 = false;
  // Behind it: the offsets of the TTLs, then the message. The name, type and class are its
  // question.
};

class Cache {
 public:
  Cache(std::size_t bytes, base::Random& random);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // Fresh or not; null = none. Pointers to entries are good until the next store() or clear().
  CacheEntry* find(const CacheKey& key) noexcept;
  // In place of what was there; what `failures` the old one counted is kept. Null: larger than a
  // share of the cache that one answer may take.
  CacheEntry* store(const CacheKey& key, const AnswerImage& image, base::Time now);

  void clear() noexcept;
  void set_bytes(std::size_t bytes) noexcept;
  std::size_t entries() const noexcept { return entries_; }
  std::size_t bytes() const noexcept { return bytes_; }  // allocated, the buckets included

 private:
  std::uint64_t hash_of(const CacheKey& key) const noexcept;
  CacheEntry** place_of(std::uint64_t hash) noexcept { return &buckets_[hash & mask_]; }
  void link(CacheEntry& entry) noexcept;    // as the newest
  void unlink(CacheEntry& entry) noexcept;  // from the order
  void remove(CacheEntry& entry) noexcept;  // from everywhere
  void shrink_to(std::size_t bytes) noexcept;
  void grow();
  static std::size_t cost_of(std::size_t records, std::size_t wire) noexcept;

  base::SipKey key_;
  std::size_t limit_, bytes_ = 0, entries_ = 0, mask_ = 0;
  std::vector<CacheEntry*> buckets_;
  CacheEntry *newest_ = nullptr, *oldest_ = nullptr;
};

}  // namespace culvert::dns
