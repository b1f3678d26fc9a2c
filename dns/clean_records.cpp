// What clean_answer() keeps, put into the caller's buffer.
#include "base/headers.hpp"
#include "dns/answer_cleaner.hpp"
#include "dns/rdata.hpp"

namespace culvert::dns {
namespace {

using base::store_be16;
using base::store_be32;

constexpr std::size_t max_pointer = 0x3fff;

bool is_binding(std::uint16_t type) noexcept {
  return type == type::svcb || type == type::https;
}

}  // namespace

void AnswerCleaner::add(const Name& owner, const Seen& seen) noexcept {
  Record record;
  record.type = seen.type;
  record.ttl = seen.ttl;
  record.rdata_offset = seen.rdata_at;
  record.rdata = answer_.subspan(seen.rdata_at, seen.rdata_size);
  add(Section::answer, owner, record);
}

// An owner is the end of the chain, or above it, or else written out.
std::size_t AnswerCleaner::put_owner(const Name& owner) noexcept {
  std::byte* const p = buffer_.data() + size_;
  if (!owner.is_root() && now_.name.is_within(owner)) {
    const std::size_t at = now_.at + (now_.name.size() - owner.size());
    if (at <= max_pointer) {
      store_be16(p, static_cast<std::uint16_t>(0xc000u | at));
      return 2;
    }
  }
  std::memcpy(p, owner.wire().data(), owner.size());
  return owner.size();
}

void AnswerCleaner::add(Section section, const Name& owner, const Record& record) noexcept {
  // One that is malformed counts as not there (RFC 9460 section 2.2).
  if (is_binding(record.type) && !read_service_binding(record.rdata)) return;
  if (out_.records == max_answer_records) {
    out_.fault = Fault::too_many;
    return;
  }
  // Room for the owner as a whole; read_rdata() needs two names more at most.
  if (buffer_.size() - size_ < owner.size() + 10u + record.rdata.size()) {
    out_.fault = Fault::too_large;
    return;
  }
  std::byte* const fixed = buffer_.data() + size_ + put_owner(owner);
  const base::MutableBytes room = buffer_.subspan(std::size_t(fixed + 10 - buffer_.data()));
  // A CNAME of our own making lies in no message.
  const bool made = record.rdata_offset == 0;
  const std::optional<base::Bytes> rdata =
      made ? std::optional(record.rdata) : read_rdata(reader_, record, room);
  if (!rdata || rdata->size() > room.size()) {
    const bool tight = room.size() < record.rdata.size() + 2 * Name::max_size;
    out_.fault = tight ? Fault::too_large : Fault::malformed;
    return;
  }
  if (rdata->data() != room.data() && !rdata->empty())
    std::memmove(room.data(), rdata->data(), rdata->size());
  store_be16(fixed, record.type);
  store_be16(fixed + 2, ask_.class_);
  store_be32(fixed + 4, record.ttl);
  store_be16(fixed + 8, static_cast<std::uint16_t>(rdata->size()));
  note(record, room.first(rdata->size()), std::size_t(fixed + 4 - buffer_.data()));
  size_ = std::size_t(room.data() - buffer_.data()) + rdata->size();
  ++counts_[std::size_t(section)];
}

// What the resolver wants to know of a record that was kept.
void AnswerCleaner::note(const Record& record, base::Bytes rdata, std::size_t at) noexcept {
  std::uint32_t ttl = record.ttl;
  if (record.type == type::soa && out_.negative && rdata.size() >= 4)
    ttl = std::min(ttl, base::load_be32(rdata.data() + rdata.size() - 4));
  out_.ttl = out_.records == 0 ? ttl : std::min(out_.ttl, ttl);
  out_.ttl_at[out_.records++] = static_cast<std::uint16_t>(at);
  if (record.type == type::cname) out_.has_targets = true;
  if (!is_binding(record.type)) return;
  out_.has_bindings = true;
  out_.has_targets = true;
}

}  // namespace culvert::dns
