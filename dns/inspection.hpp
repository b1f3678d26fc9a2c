// Inspection: what an upstream says, made safe and small, and judged for a client. The resolver
// calls, for an answer that came:
//
//   clean_answer()  once: what does not belong to the question is left out. The result goes into
//                   the cache: it is the same for all clients.
//   inspect()       for each client it is given to, from the cache as well: may this client have
//                   it? A block is then answered with write_block_answer().
//   tailor_answer() for each client, on the copy it is sent: `ech` and `ipv6hint` taken out of
//                   HTTPS and SVCB records where its policy says so.
//
// No heap, no throw; the work is linear in the answer's size whatever it holds.
#pragma once

#include <array>
#include <cstdint>

#include "base/pieces.hpp"
#include "dns/filter.hpp"
#include "dns/message.hpp"
#include "dns/message_writer.hpp"
#include "dns/settings.hpp"
#include "dns/verdict.hpp"

namespace culvert::dns {

inline constexpr std::size_t max_chain = 16;            // CNAMEs and DNAMEs that are followed
inline constexpr std::size_t max_answer_records = 512;  // looked at, and kept

// An answer that holds nothing but what was asked for.
struct CleanAnswer {
  enum class Fault : std::uint8_t {
    none,
    malformed,       // or no answer at all
    other_question,  // not to what was asked
    loop,            // its chain comes back to itself, or is longer than max_chain
    too_many,        // more than max_answer_records
    too_large,       // does not fit into the buffer
  };
  Fault fault = Fault::none;

  // In the caller's buffer: header (ID 0, QR and RA set, RD, CD and AD 0 or as told), the question
  // as it was given (lower case), records; no OPT. The owner of a record is compressed, never what
  // its RDATA holds: an RDATA may be taken out and put into another message.
  base::Bytes message;
  std::uint16_t rcode = 0;  // with the upper bits of OPT
  bool truncated = false;   // TC was set: ask over TCP
  // What the chain leads to does not exist, or not with this type.
  bool negative = false;
  bool has_soa = false;       // a negative answer without one may not be cached for long
  bool has_bindings = false;  // SVCB or HTTPS: tailor_answer() may have to do
  bool has_targets = false;   // a CNAME, DNAME or SVCB target: inspect() has names to judge
  // Seconds: the smallest of its records; of a negative one at most the SOA's MINIMUM too (RFC 2308
  // section 5). 0 where there is no record.
  std::uint32_t ttl = 0;
  // EDE of the upstream, e.g. why DNSSEC failed (RFC 8914).
  bool has_error = false;
  std::uint16_t error = 0;
  // Where in `message` the TTLs of its records are, each four octets.
  std::uint16_t records = 0;
  std::array<std::uint16_t, max_answer_records> ttl_at;

  bool ok() const noexcept { return fault == Fault::none; }
};

struct CleanAsk {
  const Name& name;
  std::uint16_t type = 0, class_ = class_::in;
  bool dnssec_ok = false;      // as the question went upstream: else DNSSEC records are left out
  bool authenticated = false;  // Upstreams::Reply::authenticated: AD is kept
};

// Keeps in the answer section the chain of CNAMEs and DNAMEs from the name asked, in order, and the
// records of the type asked at its end; in the authority section the SOA and NS of a negative
// answer (of the name's own zone or one above) and, with DO, what proves it. `buffer`: at least 512
// octets; what the RDATA's compression saved may be needed besides the answer's own size.
void clean_answer(base::Bytes answer, const CleanAsk& ask, base::MutableBytes buffer,
                  CleanAnswer& out) noexcept;

// Judges every name and address of a clean answer to `name`, which is the one asked or the one that
// lead() came to. `asked`: what Filter::of_question said of it: `allow` of the policy lets
// everything pass, an exception of a list takes back what lists say of what is behind it, and where
// it was a forward, private addresses pass. `silent`: lists that are not asked. Anything but a pass
// is for write_block_answer(), and has by_chain set; a rewrite among them leads to addresses.
Verdict inspect(Filter& filter, Client& client, const Name& name, std::uint16_t type,
                const Verdict& asked, base::Bytes clean, base::WallTime wall,
                const ListMask& silent = {});

// Takes `ech` (EchPolicy::strip) and `ipv6hint` (filter_aaaa) out of the SVCB and HTTPS records of
// a clean answer, in place; and if anything was taken, the signatures of those records and AD.
// Gives its new size. Call it before OPT is added and after TTLs were written: records move.
std::size_t tailor_answer(base::MutableBytes clean, const Policy& policy) noexcept;
// Does tailor_answer() ever do anything for that policy?
inline bool wants_tailoring(const Policy& policy) noexcept {
  return policy.ech == EchPolicy::strip || policy.filter_aaaa;
}

// Appends the records of a clean answer (answer, then authority) to an answer that is being
// written: behind the CNAME of a rewrite or of a local record.
void append_records(AnswerWriter& writer, base::Bytes clean) noexcept;

}  // namespace culvert::dns
