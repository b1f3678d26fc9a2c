// AnswerImage: an upstream's answer in the form in which clients get it: header, question, the
// records that belong to it, and where their TTLs are. A hit of the cache is one copy in which ID,
// flags, the question's case and the TTLs are put right, and OPT behind it.
//
// Made from a clean answer (inspection.hpp) or from nothing (a failure); stored by the cache,
// written by the resolver.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "dns/inspection.hpp"
#include "dns/message.hpp"

namespace culvert::dns {

struct AnswerImage {
  static constexpr std::uint16_t no_error = 0xffff;

  base::Bytes wire;                     // without OPT; names in RDATA are not compressed
  std::span<const std::uint16_t> ttls;  // where the TTL of each record is
  std::uint32_t lifetime = 0;           // seconds; 0 = not to be kept
  std::uint16_t rcode = 0;
  std::uint16_t error = no_error;  // EDE
  bool failure = false;            // the upstreams could not answer
  bool negative = false;           // NXDOMAIN or NODATA
  bool authentic = false;          // AD may be told
  bool bindings = false;           // has SVCB or HTTPS records
};

struct TtlClamps {
  std::uint32_t min = 0, max = 86400, max_negative = 3600;
};
// Puts the TTLs in `wire`, where `clean` lies, between the clamps. An answer that says how long it
// holds has a lifetime.
AnswerImage make_image(base::MutableBytes wire, const CleanAnswer& clean,
                       const TtlClamps& clamps) noexcept;

// A message without records, in `out` (at least 512 octets).
AnswerImage make_failure(base::MutableBytes out, const Name& name, std::uint16_t type,
                         std::uint16_t class_, std::uint16_t rcode, std::uint16_t error) noexcept;

// How an image is given to a client.
struct ImageUse {
  std::uint32_t elapsed = 0;  // seconds since it was made
  std::uint32_t ttl = 0;      // not 0: of every record, instead
  bool authentic = false;     // set AD
  const Policy* tailor = nullptr;
  std::uint16_t error = AnswerImage::no_error;
  std::string_view error_text;
};
// Into `out`, at most `room` octets: what does not fit is TC and the question alone.
base::Bytes write_image(base::MutableBytes out, std::size_t room, const Query& query,
                        const AnswerImage& image, const ImageUse& use) noexcept;
// Only the image, with its TTLs put right.
base::MutableBytes copy_image(base::MutableBytes out, const AnswerImage& image,
                              const ImageUse& use) noexcept;

}  // namespace culvert::dns
