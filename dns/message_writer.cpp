#include "dns/message_writer.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/headers.hpp"

namespace culvert::dns {
namespace {

using base::store_be16;
using base::store_be32;

constexpr std::size_t least_room = 512, fixed_size = 10, opt_size = 11, option_size = 4;
constexpr std::uint16_t own_payload = 1232;  // what passes everywhere unfragmented (RFC 9715)

unsigned octet(std::byte b) noexcept {
  return std::to_integer<unsigned>(b);
}

std::size_t put(std::byte* to, base::Bytes bytes) noexcept {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return bytes.size();
}

// The OPT record without options; the caller adds to its RDLENGTH, the last two octets.
std::size_t put_opt(std::byte* to, unsigned extended_rcode, bool dnssec_ok) noexcept {
  to[0] = std::byte{0};
  store_be16(to + 1, type::opt);
  store_be16(to + 3, own_payload);
  store_be32(to + 5, std::uint32_t(extended_rcode) << 24 | (dnssec_ok ? 0x8000u : 0u));
  store_be16(to + 9, 0);
  return opt_size;
}

// An owner as labels of its own and a pointer into the question behind them.
struct Compressed {
  std::size_t own = 0;      // octets of labels of its own
  std::size_t pointer = 0;  // 0 = none: the root's octet follows
};

// Both names are lower-case wire form, so equal tails that begin at a label in both are equal
// names.
Compressed compress(base::Bytes name, base::Bytes question) noexcept {
  if (name.size() == question.size() &&
      std::memcmp(name.data(), question.data(), name.size()) == 0 && name.size() > 1)
    return {0, header_size};
  std::size_t at = 0, in_question = 0;
  while (name.size() - at > 1) {
    const std::size_t left = name.size() - at;
    while (question.size() - in_question > left) in_question += 1 + octet(question[in_question]);
    if (question.size() - in_question == left &&
        std::memcmp(name.data() + at, question.data() + in_question, left) == 0)
      return {at, header_size + in_question};
    at += 1 + octet(name[at]);
  }
  return {at, 0};
}

std::size_t put_name(std::byte* to, base::Bytes name, const Compressed& form) noexcept {
  std::size_t size = put(to, name.first(form.own));
  if (form.pointer == 0) {
    to[size++] = std::byte{0};
  } else {
    store_be16(to + size, static_cast<std::uint16_t>(0xc000u | form.pointer));
    size += 2;
  }
  return size;
}

// The longest beginning of at most `most` octets that does not cut a character of UTF-8.
std::size_t cut_text(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return most;
}

}  // namespace

AnswerWriter::AnswerWriter(base::MutableBytes buffer, std::size_t room, const Query& query) noexcept
    : out_(buffer), room_(std::min({std::max(room, least_room), buffer.size(), max_message})) {
  BASE_ASSERT(buffer.size() >= least_room);
  query_.header = query.header;
  query_.edns = query.edns;
  std::byte* const p = out_.data();
  std::memset(p, 0, header_size);
  store_be16(p, query.header.id);
  p[2] = std::byte(0x80 | (query.header.opcode & 0x0fu) << 3 |
                   (query.header.recursion_desired ? 1u : 0u));
  p[3] = std::byte(0x80 | (query.header.checking_disabled ? 0x10u : 0u));
  size_ = header_size;
  if (!query.question.name_sent.empty()) {
    query_.question = query.question;
    store_be16(p + 4, 1);
    size_ += put(p + size_, query.question.name_sent);
    store_be16(p + size_, query.question.type);
    store_be16(p + size_ + 2, query.question.class_);
    size_ += 4;
  }
  question_end_ = size_;
}

void AnswerWriter::set_rcode(std::uint16_t rcode) noexcept {
  rcode_ = rcode > 15 && !query_.edns ? rcode::servfail : rcode;
}

void AnswerWriter::set_authoritative() noexcept {
  out_[2] |= std::byte{0x04};
}
void AnswerWriter::set_authentic() noexcept {
  out_[3] |= std::byte{0x20};
}

std::byte* AnswerWriter::begin_record(Section section, const Name& owner, std::size_t rdata_size,
                                      std::uint16_t type, std::uint32_t ttl) noexcept {
  const auto place = static_cast<std::size_t>(section);
  for (std::size_t later = place + 1; later < 3; ++later) BASE_ASSERT(counts_[later] == 0);
  if (truncated_) return nullptr;
  const Compressed form = compress(owner.wire(), query_.question.name.wire());
  const std::size_t needed = form.own + (form.pointer ? 2 : 1) + fixed_size + rdata_size;
  const std::size_t kept = size_ + (query_.edns ? opt_size : 0);
  if (rdata_size > max_message || needed > room_ - kept || counts_[place] == 0xffff) {
    truncated_ = true;
    return nullptr;
  }
  std::byte* p = out_.data() + size_;
  p += put_name(p, owner.wire(), form);
  store_be16(p, type);
  store_be16(p + 2, class_of_records());
  store_be32(p + 4, ttl);
  store_be16(p + 8, static_cast<std::uint16_t>(rdata_size));
  size_ += needed;
  ++counts_[place];
  return p + fixed_size;
}

// A question for ANY class is answered from IN.
std::uint16_t AnswerWriter::class_of_records() const noexcept {
  const std::uint16_t asked = query_.question.class_;
  return asked == 0 || asked == class_::any ? class_::in : asked;
}

void AnswerWriter::add(Section section, const Name& owner, std::uint16_t type, std::uint32_t ttl,
                       base::Bytes rdata) noexcept {
  if (std::byte* const to = begin_record(section, owner, rdata.size(), type, ttl)) put(to, rdata);
}

void AnswerWriter::add_address(const Name& owner, const base::IpAddress& address,
                               std::uint32_t ttl) noexcept {
  if (!address) return;
  add(Section::answer, owner, address.is_v4() ? type::a : type::aaaa, ttl, address.bytes());
}

// MNAME is the zone itself, as RFC 6303 section 3 has it; RNAME says that nobody is to be written
// to. The serial number means nothing: nobody transfers what is made up.
void AnswerWriter::add_soa(const Name& zone, std::uint32_t ttl, Section section) noexcept {
  constexpr char mailbox[] = "\6nobody\7invalid";  // the root's octet included
  const Compressed form = compress(zone.wire(), query_.question.name.wire());
  const std::size_t zone_size = form.own + (form.pointer ? 2 : 1);
  std::byte* p = begin_record(section, zone, zone_size + sizeof mailbox + 20, type::soa, ttl);
  if (p == nullptr) return;
  p += put_name(p, zone.wire(), form);
  p += put(p, std::as_bytes(std::span(mailbox)));
  for (const std::uint32_t value : {1u, 3600u, 1200u, 604800u, ttl}) {
    store_be32(p, value);
    p += 4;
  }
}

void AnswerWriter::set_error(std::uint16_t info_code, std::string_view text) noexcept {
  has_error_ = true;
  error_ = info_code;
  error_size_ = static_cast<std::uint8_t>(cut_text(text, sizeof error_text_));
  if (error_size_ != 0) std::memcpy(error_text_, text.data(), error_size_);
}

base::Bytes AnswerWriter::finish() noexcept {
  std::byte* const p = out_.data();
  if (truncated_) {
    p[2] |= std::byte{0x02};
    size_ = question_end_;
    std::memset(counts_, 0, sizeof counts_);
  }
  p[3] |= std::byte(rcode_ & 0x0f);
  if (query_.edns) finish_opt();
  for (std::size_t i = 0; i < 3; ++i) store_be16(p + 6 + 2 * i, counts_[i]);
  return base::Bytes(out_).first(size_);
}

// A reason that does not fit is shortened, then left out: it is worth no second question over TCP.
void AnswerWriter::finish_opt() noexcept {
  std::byte* const opt = out_.data() + size_;
  size_ += put_opt(opt, rcode_ >> 4, query_.edns->dnssec_ok);
  ++counts_[2];
  const std::size_t left = room_ - size_;
  if (!has_error_ || left < option_size + 2) return;
  const std::string_view text(error_text_, error_size_);
  const std::size_t cut = cut_text(text, left - option_size - 2);
  std::byte* const p = out_.data() + size_;
  store_be16(p, option::ede);
  store_be16(p + 2, static_cast<std::uint16_t>(2 + cut));
  store_be16(p + 4, error_);
  put(p + 6, std::as_bytes(std::span(text.substr(0, cut))));
  store_be16(opt + 9, static_cast<std::uint16_t>(option_size + 2 + cut));
  size_ += option_size + 2 + cut;
}

std::size_t udp_room(const Query& query, std::size_t most) noexcept {
  const std::size_t payload = query.edns ? query.edns->payload : least_room;
  return std::max(least_room, std::min(payload, most));
}

std::size_t write_query(base::MutableBytes out, std::uint16_t id, base::Bytes name,
                        std::uint16_t type, std::uint16_t class_, bool dnssec_ok,
                        bool checking_disabled, std::size_t pad) noexcept {
  BASE_ASSERT(out.size() >= least_room && name.size() <= Name::max_size);
  std::byte* const p = out.data();
  std::memset(p, 0, header_size);
  store_be16(p, id);
  p[2] = std::byte{0x01};  // RD
  p[3] = checking_disabled ? std::byte{0x10} : std::byte{0};
  store_be16(p + 4, 1);
  store_be16(p + 10, 1);
  std::size_t size = header_size;
  size += put(p + size, name);
  store_be16(p + size, type);
  store_be16(p + size + 2, class_);
  size += 4;
  std::byte* const opt = p + size;
  size += put_opt(opt, 0, dnssec_ok);
  if (pad == 0) return size;
  const std::size_t bare = size + option_size;
  const std::size_t padding = std::min((pad - bare % pad) % pad, out.size() - bare);
  store_be16(p + size, option::padding);
  store_be16(p + size + 2, static_cast<std::uint16_t>(padding));
  std::memset(p + bare, 0, padding);
  store_be16(opt + 9, static_cast<std::uint16_t>(option_size + padding));
  return bare + padding;
}

base::Bytes write_fault(base::MutableBytes out, const Query& query, QueryFault fault) noexcept {
  if (fault == QueryFault::silent || fault == QueryFault::none) return {};
  AnswerWriter writer(out, least_room, query);
  writer.set_rcode(fault == QueryFault::opcode    ? rcode::notimp
                   : fault == QueryFault::version ? rcode::badvers
                                                  : rcode::formerr);
  return writer.finish();
}

}  // namespace culvert::dns
