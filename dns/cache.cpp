#include "dns/cache.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/headers.hpp"

namespace culvert::dns {
namespace {

constexpr std::size_t first_buckets = 256;
constexpr std::size_t heap_overhead = 16;  // of one allocation, about
constexpr std::size_t most_of_all = 8;     // one answer may take an eighth of the cache

}  // namespace

AnswerImage CacheEntry::image() const noexcept {
  AnswerImage image;
  image.wire = {wire(), wire_size_};
  image.ttls = {reinterpret_cast<const std::uint16_t*>(this + 1), records_};
  image.lifetime = lifetime_;
  image.rcode = rcode_;
  image.error = error_;
  image.failure = failure_;
  image.negative = negative_;
  image.authentic = authentic_;
  image.bindings = bindings_;
  return image;
}

std::uint32_t CacheEntry::elapsed(base::Time now) const noexcept {
  if (now <= stored_) return 0;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - stored_).count();
  return std::uint32_t(std::min<std::int64_t>(seconds, 0x7fffffff));
}

bool CacheEntry::is(const CacheKey& key) const noexcept {
  const base::Bytes name = key.name.wire();
  const std::byte* const question = wire() + header_size;
  return set_ == key.set && dnssec_ok_ == key.dnssec_ok &&
         checking_disabled_ == key.checking_disabled &&
         wire_size_ >= header_size + name.size() + 4 &&
         std::memcmp(question, name.data(), name.size()) == 0 &&
         base::load_be16(question + name.size()) == key.type &&
         base::load_be16(question + name.size() + 2) == key.class_;
}

Cache::Cache(std::size_t bytes, base::Random& random)
    : key_{random.u64(), random.u64()},
      limit_(bytes),
      mask_(first_buckets - 1),
      buckets_(first_buckets) {
  bytes_ = first_buckets * sizeof(CacheEntry*);
}

Cache::~Cache() {
  clear();
}

std::uint64_t Cache::hash_of(const CacheKey& key) const noexcept {
  base::SipKey keyed = key_;
  keyed.k0 ^= std::uint64_t(key.type) << 48 | std::uint64_t(key.class_) << 32 | key.set;
  keyed.k1 ^= (key.dnssec_ok ? 1u : 0u) | (key.checking_disabled ? 2u : 0u);
  return base::siphash(keyed, key.name.wire());
}

std::size_t Cache::cost_of(std::size_t records, std::size_t wire) noexcept {
  return (sizeof(CacheEntry) + 2 * records + wire + 15) / 16 * 16 + heap_overhead;
}

CacheEntry* Cache::find(const CacheKey& key) noexcept {
  const std::uint64_t hash = hash_of(key);
  for (CacheEntry* entry = *place_of(hash); entry != nullptr; entry = entry->next_) {
    if (entry->hash_ != hash || !entry->is(key)) continue;
    if (entry != newest_) unlink(*entry), link(*entry);
    return entry;
  }
  return nullptr;
}

CacheEntry* Cache::store(const CacheKey& key, const AnswerImage& image, base::Time now) {
  std::uint8_t failures = 0;
  if (CacheEntry* const old = find(key)) {
    if (image.failure) failures = old->failures;
    remove(*old);
  }
  const std::size_t cost = cost_of(image.ttls.size(), image.wire.size());
  if (cost > limit_ / most_of_all) return nullptr;
  if (entries_ >= buckets_.size()) grow();
  shrink_to(limit_ - cost);

  void* const memory =
      ::operator new(sizeof(CacheEntry) + 2 * image.ttls.size() + image.wire.size());
  CacheEntry& entry = *new (memory) CacheEntry;
  entry.hash_ = hash_of(key);
  entry.stored_ = now;
  entry.lifetime_ = image.lifetime;
  entry.set_ = key.set;
  entry.rcode_ = image.rcode;
  entry.error_ = image.error;
  entry.records_ = std::uint16_t(image.ttls.size());
  entry.wire_size_ = std::uint16_t(image.wire.size());
  entry.failure_ = image.failure;
  entry.negative_ = image.negative;
  entry.authentic_ = image.authentic;
  entry.bindings_ = image.bindings;
  entry.dnssec_ok_ = key.dnssec_ok;
  entry.checking_disabled_ = key.checking_disabled;
  entry.failures = failures;
  if (!image.ttls.empty())
    std::memcpy(static_cast<void*>(&entry + 1), image.ttls.data(), 2 * image.ttls.size());
  std::memcpy(entry.wire(), image.wire.data(), image.wire.size());

  CacheEntry** const place = place_of(entry.hash_);
  entry.next_ = *place;
  *place = &entry;
  link(entry);
  ++entries_;
  bytes_ += cost;
  return &entry;
}

void Cache::clear() noexcept {
  while (oldest_ != nullptr) remove(*oldest_);
}

void Cache::set_bytes(std::size_t bytes) noexcept {
  limit_ = bytes;
  shrink_to(limit_);
}

void Cache::shrink_to(std::size_t bytes) noexcept {
  while (oldest_ != nullptr && bytes_ > bytes) remove(*oldest_);
}

void Cache::link(CacheEntry& entry) noexcept {
  entry.newer_ = nullptr;
  entry.older_ = newest_;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = &entry;
  newest_ = &entry;
}

void Cache::unlink(CacheEntry& entry) noexcept {
  (entry.newer_ != nullptr ? entry.newer_->older_ : newest_) = entry.older_;
  (entry.older_ != nullptr ? entry.older_->newer_ : oldest_) = entry.newer_;
}

void Cache::remove(CacheEntry& entry) noexcept {
  CacheEntry** at = place_of(entry.hash_);
  while (*at != &entry) at = &(*at)->next_;
  *at = entry.next_;
  unlink(entry);
  --entries_;
  bytes_ -= cost_of(entry.records_, entry.wire_size_);
  entry.~CacheEntry();
  ::operator delete(&entry);
}

void Cache::grow() {
  std::vector<CacheEntry*> old(2 * buckets_.size());
  old.swap(buckets_);
  mask_ = buckets_.size() - 1;
  bytes_ += old.size() * sizeof(CacheEntry*);
  for (CacheEntry* entry : old)
    while (entry != nullptr) {
      CacheEntry* const next = entry->next_;
      CacheEntry** const place = place_of(entry->hash_);
      entry->next_ = *place;
      *place = entry;
      entry = next;
    }
}

}  // namespace culvert::dns
