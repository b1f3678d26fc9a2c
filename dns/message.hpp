// Reading DNS messages (RFC 1035 section 4, RFC 6891), from anyone: nothing outside the message is
// read, names are at most 255 octets, pointers lead strictly backwards, the work is linear in the
// message's size (RFC 9267). No heap. Integers are in host byte order.
#pragma once

#include <cstdint>
#include <optional>

#include "base/pieces.hpp"
#include "dns/name.hpp"
#include "dns/types.hpp"

namespace culvert::dns {

inline constexpr std::size_t header_size = 12;
inline constexpr std::size_t max_message = 65535;

struct Header {
  std::uint16_t id = 0;
  bool response = false, authoritative = false, truncated = false, recursion_desired = false,
       recursion_available = false, authentic_data = false, checking_disabled = false;
  std::uint8_t opcode = 0;
  std::uint8_t rcode = 0;  // the low four bits
  std::uint16_t questions = 0, answers = 0, authorities = 0, additionals = 0;
};

struct Question {
  Name name;              // lower-cased
  base::Bytes name_sent;  // in the message, in the sender's case, uncompressed
  std::uint16_t type = 0, class_ = 0;
};

// The OPT record (RFC 6891).
struct Edns {
  std::uint16_t payload = 512;
  std::uint8_t extended_rcode = 0, version = 0;
  bool dnssec_ok = false;
  base::Bytes options;  // as they came; well formed
};

struct Query {
  Header header;
  Question question;
  std::optional<Edns> edns;
};

// What a query's message is worth.
enum class QueryFault : std::uint8_t {
  none,
  silent,     // no query at all: shorter than a header, or a response; nothing is said
  malformed,  // FORMERR: QDCOUNT other than 1 (RFC 9619), garbage, trailing octets, two OPT
  opcode,     // NOTIMP
  version,    // BADVERS: an EDNS version that is not 0
};
// `out` is filled as far as the message went: with `malformed` the header only, and the question if
// `out.question.name_sent` is not empty. Views point into `message`.
QueryFault read_query(base::Bytes message, Query& out) noexcept;

struct Record {
  enum class Section : std::uint8_t { answer, authority, additional };
  Section section = Section::answer;
  Name owner;
  std::uint16_t type = 0, class_ = 0;
  std::uint32_t ttl = 0;       // top bit set: 0 (RFC 2181 section 8), but of OPT as it stands there
  std::size_t ttl_offset = 0;  // in the message
  std::size_t rdata_offset = 0;
  base::Bytes rdata;
};

// Walks a whole message. Ask header(), question(), then next() until it says no; then failed()
// tells the end from a malformed message. OPT is walked like any record.
class MessageReader {
 public:
  explicit MessageReader(base::Bytes message) noexcept;  // a message that is none has failed()

  base::Bytes message() const noexcept { return message_; }
  const Header& header() const noexcept { return header_; }
  bool question(Question& out) noexcept;  // once for each of header().questions
  bool next(Record& out) noexcept;
  bool failed() const noexcept { return failed_; }
  // All sections read, no octet left over.
  bool at_end() const noexcept;

  // A name that may be compressed, at `offset` of the message, such as in the RDATA of a CNAME.
  // `end`: behind its octets there. False: malformed, or it goes beyond `limit`.
  bool read_name(std::size_t offset, std::size_t limit, Name& out,
                 std::size_t* end = nullptr) const noexcept;

 private:
  base::Bytes message_;
  Header header_;
  std::size_t at_ = 0;
  unsigned section_ = 0, left_ = 0;
  bool failed_ = false;
};

// Of OPT: the options one after another; well-formedness was checked by read_query().
struct Option {
  std::uint16_t code = 0;
  base::Bytes data;
};
bool next_option(base::Bytes& rest, Option& out) noexcept;
// The OPT record of a message that was walked; none if `record` is another, or malformed.
std::optional<Edns> read_edns(const Record& record) noexcept;

// SVCB and HTTPS (RFC 9460 section 2.2).
struct ServiceBinding {
  std::uint16_t priority = 0;  // 0 = alias
  Name target;                 // never compressed; the root means the owner
  base::Bytes parameters;
};
namespace svc_param {
inline constexpr std::uint16_t ipv4hint = 4, ech = 5, ipv6hint = 6;
}
// None if it is malformed: keys that do not ascend, a length beyond the end, hints that are no
// addresses.
std::optional<ServiceBinding> read_service_binding(base::Bytes rdata) noexcept;
bool next_parameter(base::Bytes& rest, Option& out) noexcept;

}  // namespace culvert::dns
