// Reading of messages. Every index is checked against the message before it is used (RFC 9267).
#include "base/headers.hpp"
#include "dns/message.hpp"
#include "dns/name_walk.hpp"

namespace culvert::dns {
namespace {

using base::load_be16;
using base::load_be32;

constexpr std::size_t fixed_size = 10;  // type, class, TTL, RDLENGTH

bool bit(std::byte flags, unsigned mask) noexcept {
  return (std::to_integer<unsigned>(flags) & mask) != 0;
}

Header read_header(base::Bytes message) noexcept {
  const std::byte* const p = message.data();
  Header header;
  header.id = load_be16(p);
  header.response = bit(p[2], 0x80);
  header.opcode = std::to_integer<std::uint8_t>(p[2] >> 3 & std::byte{0x0f});
  header.authoritative = bit(p[2], 0x04);
  header.truncated = bit(p[2], 0x02);
  header.recursion_desired = bit(p[2], 0x01);
  header.recursion_available = bit(p[3], 0x80);
  header.authentic_data = bit(p[3], 0x20);
  header.checking_disabled = bit(p[3], 0x10);
  header.rcode = std::to_integer<std::uint8_t>(p[3] & std::byte{0x0f});
  header.questions = load_be16(p + 4);
  header.answers = load_be16(p + 6);
  header.authorities = load_be16(p + 8);
  header.additionals = load_be16(p + 10);
  return header;
}

// A compressed name has no place in a question: there is nothing before it to point to.
bool read_question(base::Bytes message, std::size_t& at, Question& out) noexcept {
  const base::Bytes rest = message.subspan(at);
  const std::size_t size = Name::read(rest, out.name);
  if (size == 0 || rest.size() < size + 4) return false;
  out.name_sent = rest.first(size);
  out.type = load_be16(rest.data() + size);
  out.class_ = load_be16(rest.data() + size + 2);
  at += size + 4;
  return true;
}

bool read_name_at(base::Bytes message, std::size_t offset, std::size_t limit, Name& out,
                  std::size_t* end) noexcept {
  out.clear();
  return walk_name(message, offset, limit, end,
                   [&](base::Bytes labels) { return out.append_labels(labels); });
}

// Reads one record's owner, fixed part and RDATA, whatever its section.
bool read_record(base::Bytes message, std::size_t& at, Record& out) noexcept {
  std::size_t end = 0;
  if (at < message.size() && message[at] == std::byte{0}) {  // of every OPT
    out.owner.clear();
    end = at + 1;
  } else if (!read_name_at(message, at, message.size(), out.owner, &end)) {
    return false;
  }
  if (message.size() - end < fixed_size) return false;
  const std::byte* const fixed = message.data() + end;
  const std::size_t length = load_be16(fixed + 8);
  if (message.size() - end - fixed_size < length) return false;
  out.type = load_be16(fixed);
  out.class_ = load_be16(fixed + 2);
  out.ttl = load_be32(fixed + 4);
  if (out.type != type::opt && out.ttl > 0x7fffffff) out.ttl = 0;
  out.ttl_offset = end + 4;
  out.rdata_offset = end + fixed_size;
  out.rdata = message.subspan(out.rdata_offset, length);
  at = out.rdata_offset + length;
  return true;
}

// The records behind a query's question: of interest is the one OPT (RFC 6891 section 6.1.1).
QueryFault read_query_records(base::Bytes message, std::size_t at, Query& out) noexcept {
  const Header& header = out.header;
  const unsigned before = unsigned(header.answers) + header.authorities;
  const unsigned all = before + header.additionals;
  Record record;
  for (unsigned i = 0; i < all; ++i) {
    if (!read_record(message, at, record)) return QueryFault::malformed;
    if (record.type != type::opt) continue;
    record.section = i < before ? Record::Section::answer : Record::Section::additional;
    if (out.edns) return QueryFault::malformed;
    out.edns = read_edns(record);
    if (!out.edns) return QueryFault::malformed;
  }
  if (at != message.size()) return QueryFault::malformed;
  return out.edns && out.edns->version != 0 ? QueryFault::version : QueryFault::none;
}

}  // namespace

QueryFault read_query(base::Bytes message, Query& out) noexcept {
  out.header = Header();
  out.question.name.clear();
  out.question.name_sent = {};
  out.question.type = out.question.class_ = 0;
  out.edns.reset();
  if (message.size() < header_size) return QueryFault::silent;
  out.header = read_header(message);
  if (out.header.response) return QueryFault::silent;
  if (out.header.opcode != 0) return QueryFault::opcode;
  if (out.header.questions != 1 || message.size() > max_message) return QueryFault::malformed;
  std::size_t at = header_size;
  if (!read_question(message, at, out.question)) return QueryFault::malformed;
  const QueryFault fault = read_query_records(message, at, out);
  if (fault == QueryFault::malformed) out.edns.reset();
  return fault;
}

// --- MessageReader ---

MessageReader::MessageReader(base::Bytes message) noexcept : message_(message) {
  if (message.size() < header_size || message.size() > max_message) {
    failed_ = true;
    return;
  }
  header_ = read_header(message);
  at_ = header_size;
  left_ = header_.questions;
}

bool MessageReader::question(Question& out) noexcept {
  if (failed_ || section_ != 0 || left_ == 0) return false;
  failed_ = !read_question(message_, at_, out);
  if (!failed_) --left_;
  return !failed_;
}

bool MessageReader::next(Record& out) noexcept {
  Question skipped;
  while (section_ == 0 && left_ != 0)
    if (!question(skipped)) return false;
  const unsigned counts[] = {0, header_.answers, header_.authorities, header_.additionals};
  while (left_ == 0) {
    if (section_ == 3 || failed_) return false;
    left_ = counts[++section_];
  }
  if (failed_ || !read_record(message_, at_, out)) {
    failed_ = true;
    return false;
  }
  out.section = static_cast<Record::Section>(section_ - 1);
  --left_;
  return true;
}

bool MessageReader::at_end() const noexcept {
  unsigned left = left_;
  if (section_ < 1) left += header_.answers;
  if (section_ < 2) left += header_.authorities;
  if (section_ < 3) left += header_.additionals;
  return !failed_ && left == 0 && at_ == message_.size();
}

bool MessageReader::read_name(std::size_t offset, std::size_t limit, Name& out,
                              std::size_t* end) const noexcept {
  return read_name_at(message_, offset, limit, out, end);
}

}  // namespace culvert::dns
