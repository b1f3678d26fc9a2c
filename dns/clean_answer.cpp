// clean_answer(): of an upstream's message what belongs to the question. The records are indexed
// once, by a keyed hash of their owner, so that following the chain costs no second reading.
#include <algorithm>

#include "base/headers.hpp"
#include "dns/answer_cleaner.hpp"

namespace culvert::dns {
namespace {

using base::store_be16;
using Fault = CleanAnswer::Fault;
using Section = Record::Section;

bool is_dnssec(std::uint16_t type) noexcept {
  return type == type::rrsig || type == type::nsec || type == type::nsec3;
}

// Which type a signature is of (RFC 4034 section 3.1).
std::uint16_t covered(base::Bytes rrsig) noexcept {
  return rrsig.size() < 18 ? std::uint16_t{0} : base::load_be16(rrsig.data());
}

}  // namespace

void AnswerCleaner::run() noexcept {
  out_.fault = check_question();
  if (!ok()) return;
  begin();
  if (!out_.truncated) {
    out_.fault = index();
    const bool has_records = out_.rcode == rcode::noerror || out_.rcode == rcode::nxdomain;
    if (ok() && has_records) out_.fault = follow();
    if (ok() && has_records) {
      out_.negative = !found_ || out_.rcode == rcode::nxdomain;
      add_authority();
    }
  }
  if (!ok()) return;
  buffer_[3] |= std::byte(out_.rcode & 0x0f);
  for (std::size_t i = 0; i < 3; ++i) store_be16(buffer_.data() + 6 + 2 * i, counts_[i]);
  out_.message = base::Bytes(buffer_).first(size_);
}

Fault AnswerCleaner::check_question() noexcept {
  const Header& header = reader_.header();
  if (reader_.failed() || !header.response || header.opcode != 0) return Fault::malformed;
  Question question;
  if (header.questions != 1) return Fault::other_question;
  if (!reader_.question(question)) return Fault::malformed;
  const bool same =
      question.name == ask_.name && question.type == ask_.type && question.class_ == ask_.class_;
  return same ? Fault::none : Fault::other_question;
}

void AnswerCleaner::begin() noexcept {
  const Header& header = reader_.header();
  std::byte* const p = buffer_.data();
  std::memset(p, 0, header_size);
  p[2] = std::byte{0x80};
  p[3] = ask_.authenticated && header.authentic_data ? std::byte{0xa0} : std::byte{0x80};
  store_be16(p + 4, 1);
  const base::Bytes name = ask_.name.wire();
  std::memcpy(p + header_size, name.data(), name.size());
  size_ = header_size + name.size();
  store_be16(p + size_, ask_.type);
  store_be16(p + size_ + 2, ask_.class_);
  size_ += 4;
  now_ = {ask_.name, header_size};
  out_.rcode = header.rcode;
  out_.truncated = header.truncated;
}

// Reads all of the message, so that nothing of one that is malformed anywhere is believed.
Fault AnswerCleaner::index() noexcept {
  Record record;
  std::size_t authorities = 0;
  while (reader_.next(record)) {
    if (record.section == Section::additional) {
      if (record.type == type::opt) take_edns(record);
      continue;
    }
    if (record.section == Section::authority) {
      if (++authorities > max_answer_records) return Fault::too_many;
      continue;
    }
    if (record.class_ != ask_.class_) continue;
    if (seen_count_ == seen_.size()) return Fault::too_many;
    const std::uint64_t owner = NameHash{}(record.owner);
    if (record.type == type::dname) {
      if (dname_count_ == dnames_.size()) return Fault::too_many;
      dnames_[dname_count_++] = owner;
    }
    seen_[seen_count_++] = {owner, record.ttl, record.type,
                            static_cast<std::uint16_t>(record.rdata_offset),
                            static_cast<std::uint16_t>(record.rdata.size())};
  }
  return reader_.at_end() ? Fault::none : Fault::malformed;
}

void AnswerCleaner::take_edns(const Record& record) noexcept {
  const std::optional<Edns> edns = read_edns(record);
  if (!edns) return;
  out_.rcode = static_cast<std::uint16_t>((edns->extended_rcode << 4) | (out_.rcode & 0x0f));
  Option option;
  for (base::Bytes rest = edns->options; !out_.has_error && next_option(rest, option);) {
    if (option.code != option::ede || option.data.size() < 2) continue;
    out_.has_error = true;
    out_.error = base::load_be16(option.data.data());
  }
}

Fault AnswerCleaner::follow() noexcept {
  std::array<std::uint64_t, max_chain + 1> been;
  for (std::size_t steps = 0;; ++steps) {
    const std::uint64_t owner = NameHash{}(now_.name);
    const auto end = been.begin() + std::ptrdiff_t(steps);
    if (std::find(been.begin(), end, owner) != end) return Fault::loop;
    Made made;
    if (dname_count_ != 0) out_.fault = add_dname(made);
    if (!ok() || add_asked(owner) || !ok()) return out_.fault;
    if (steps == max_chain)
      return dname_count_ != 0 || find(owner, type::cname) ? Fault::loop : Fault::none;
    been[steps] = owner;
    bool more = false;
    const Fault fault = step(owner, made, more);
    if (fault != Fault::none || !more) return fault;
  }
}

// The records asked for, if they are of this owner.
bool AnswerCleaner::add_asked(std::uint64_t owner) noexcept {
  const bool any = ask_.type == type::any;
  for (std::size_t i = 0; i < seen_count_ && ok(); ++i) {
    const Seen& each = seen_[i];
    if (each.owner != owner || !(any || each.type == ask_.type)) continue;
    if (any && is_dnssec(each.type) && !ask_.dnssec_ok) continue;
    const std::uint16_t before = out_.records;
    add(now_.name, each);
    found_ |= out_.records != before;
  }
  if (found_ && !any) add_signatures(owner, ask_.type, now_);
  return found_;
}

// One CNAME further, its own or that of a DNAME above it (RFC 6672 section 3.1).
Fault AnswerCleaner::step(std::uint64_t owner, const Made& made, bool& more) noexcept {
  const Seen* const cname = find(owner, type::cname);
  if (!cname && made.target.is_root()) return Fault::none;
  const Written was = now_;
  Name target = made.target;
  if (cname) {
    add(was.name, *cname);
    if (!ok()) return out_.fault;
    const std::size_t limit = std::size_t(cname->rdata_at) + cname->rdata_size;
    if (!reader_.read_name(cname->rdata_at, limit, target)) return Fault::malformed;
  } else {
    Record record;
    record.type = type::cname;
    record.ttl = made.ttl;
    record.rdata = target.wire();
    add(Section::answer, was.name, record);
    if (!ok()) return out_.fault;
  }
  out_.has_targets = true;
  found_ = ask_.type == type::cname;  // it was asked for itself
  now_ = {target, size_ - target.size()};
  add_signatures(owner, type::cname, was);
  more = !found_;
  return out_.fault;
}

// The DNAME of the longest domain above the chain's end, and where it leads.
Fault AnswerCleaner::add_dname(Made& out) noexcept {
  for (Name above = now_.name; !above.is_root();) {
    above = above.parent();
    const std::uint64_t owner = NameHash{}(above);
    const Seen* const dname = has_dname(owner) ? find(owner, type::dname) : nullptr;
    if (!dname) continue;
    add(above, *dname);
    const std::size_t limit = std::size_t(dname->rdata_at) + dname->rdata_size;
    Name to;
    if (!ok()) return out_.fault;
    if (!reader_.read_name(dname->rdata_at, limit, to)) return Fault::malformed;
    const std::size_t own = now_.name.size() - above.size();
    Name made;
    if (!made.append_labels(now_.name.wire().first(own)) ||
        !made.append_labels(to.wire().first(to.size() - 1u)))
      return Fault::malformed;  // RFC 6672 section 2.2 has YXDOMAIN for that
    out = {made, dname->ttl};
    add_signatures(owner, type::dname, {above, now_.at + own});
    return out_.fault;
  }
  return Fault::none;
}

const AnswerCleaner::Seen* AnswerCleaner::find(std::uint64_t owner,
                                               std::uint16_t type) const noexcept {
  const auto end = seen_.begin() + std::ptrdiff_t(seen_count_);
  const auto at = std::find_if(seen_.begin(), end, [&](const Seen& each) {
    return each.type == type && each.owner == owner;
  });
  return at == end ? nullptr : &*at;
}

// A name may have more than a hundred domains above it: most are told apart here.
bool AnswerCleaner::has_dname(std::uint64_t owner) const noexcept {
  const auto end = dnames_.begin() + std::ptrdiff_t(dname_count_);
  return std::find(dnames_.begin(), end, owner) != end;
}

void AnswerCleaner::add_signatures(std::uint64_t owner, std::uint16_t type,
                                   const Written& at) noexcept {
  if (!ask_.dnssec_ok || type == type::rrsig) return;
  for (std::size_t i = 0; i < seen_count_ && ok(); ++i) {
    const Seen& each = seen_[i];
    if (each.type != type::rrsig || each.owner != owner) continue;
    const base::Bytes rdata = answer_.subspan(each.rdata_at, each.rdata_size);
    if (covered(rdata) != type) continue;
    add(at.name, each);
    Name signer;
    if (Name::read(rdata.subspan(18), signer) != 0) add_zone(signer);
  }
}

void AnswerCleaner::add_zone(const Name& zone) noexcept {
  const auto end = zones_.begin() + std::ptrdiff_t(zone_count_);
  if (zone_count_ < zones_.size() && std::find(zones_.begin(), end, zone) == end)
    zones_[zone_count_++] = zone;
}

// Is a record of the authority section worth keeping?
bool AnswerCleaner::wants(const Record& record) const noexcept {
  if (record.class_ != ask_.class_) return false;
  const bool refers_up = record.type == type::ns && record.owner.is_root();
  if (record.type == type::soa || record.type == type::ns)
    return out_.negative && !refers_up && now_.name.is_within(record.owner);
  if (!ask_.dnssec_ok || !is_dnssec(record.type)) return false;
  // What signs a delegation proves nothing of the answer.
  if (record.type == type::rrsig && covered(record.rdata) == type::ns && !out_.negative)
    return false;
  const auto end = zones_.begin() + std::ptrdiff_t(zone_count_);
  return std::any_of(zones_.begin(), end,
                     [&](const Name& zone) { return record.owner.is_within(zone); });
}

void AnswerCleaner::add_authority() noexcept {
  if (reader_.header().authorities == 0) return;
  Record record;
  // The zone that denies is known by its SOA, wherever that stands among the others.
  for (const bool soa : {true, false}) {
    MessageReader reader(answer_);
    while (ok() && reader.next(record)) {
      if (record.section != Section::authority || (record.type == type::soa) != soa) continue;
      if (!wants(record) || (soa && out_.has_soa)) continue;
      add(Section::authority, record.owner, record);
      if (!soa || !ok()) continue;
      out_.has_soa = true;
      add_zone(record.owner);
    }
  }
}

void clean_answer(base::Bytes answer, const CleanAsk& ask, base::MutableBytes buffer,
                  CleanAnswer& out) noexcept {
  out.fault = Fault::none;
  out.message = {};
  out.rcode = out.error = out.records = 0;
  out.truncated = out.negative = out.has_soa = out.has_bindings = out.has_targets = false;
  out.has_error = false;
  out.ttl = 0;
  AnswerCleaner(answer, ask, buffer, out).run();
}

}  // namespace culvert::dns
