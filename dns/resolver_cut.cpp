// Names below one that does not exist (RFC 8020).
//
// Only a denial that the upstream has validated cuts: AD over an authenticated connection. There are
// servers that deny a name of which only names below exist; none of them signs that. It has to be
// about the very name that was asked upstream, without a chain. It is kept a second time, under a
// type that no question has, since it holds for all types.
#include <cstring>

#include "base/headers.hpp"
#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

constexpr std::uint16_t any_type = 0;

bool can_cut(const CacheKey& key) noexcept {
  return key.class_ == class_::in && !key.dnssec_ok && !key.checking_disabled &&
         !key.name.is_root();
}

// Nothing in its answer section.
bool is_plain_denial(const AnswerImage& image) noexcept {
  if (image.rcode != rcode::nxdomain || !image.authentic || image.lifetime == 0) return false;
  MessageReader reader(image.wire);
  Record record;
  return reader.next(record) && record.section != Record::Section::answer;
}

}  // namespace

void Resolver::Impl::note_denial(const CacheKey& key, const AnswerImage& image, base::Time now) {
  if (!can_cut(key) || !is_plain_denial(image)) return;
  CacheKey denied = key;
  denied.type = any_type;
  // The cache knows an entry by the question in its message.
  std::memcpy(copy_.get(), image.wire.data(), image.wire.size());
  base::store_be16(copy_.get() + header_size + key.name.size(), any_type);
  AnswerImage whole = image;
  whole.wire = {copy_.get(), image.wire.size()};
  cache_.store(denied, whole, now);
}

CacheEntry* Resolver::Impl::find_denial(const CacheKey& key, base::Time now) noexcept {
  if (!can_cut(key)) return nullptr;
  CacheKey denied = key;
  denied.type = any_type;
  for (; !denied.name.is_root(); denied.name = denied.name.parent())
    if (CacheEntry* const entry = cache_.find(denied); entry != nullptr && entry->fresh(now))
      return entry;
  return nullptr;
}

void Resolver::Impl::give_denial(const Call& call, const Job& job, const CacheEntry& entry) {
  parts_.counters.cached.add();
  AnswerWriter writer(out(), room_of(call), call.query);
  ImageUse use;
  use.elapsed = entry.elapsed(call.now);
  const AnswerImage image = entry.image();
  append_records(writer, copy_image({copy_.get(), max_message}, image, use));
  writer.set_rcode(rcode::nxdomain);
  send(call, writer.finish(), {QueryRecord::How::cached, job.verdict, 0});
}

}  // namespace culvert::dns
