#include "dns/answer_image.hpp"

#include <algorithm>
#include <cstring>

#include "base/headers.hpp"

namespace culvert::dns {
namespace {

using base::load_be32;
using base::store_be16;
using base::store_be32;

constexpr std::size_t opt_size = 11, max_error_text = 200;
constexpr std::uint16_t our_payload = 1232;  // RFC 9715

// OPT behind the message (RFC 6891 section 6.1.2), DO as it was asked (RFC 3225).
std::size_t put_opt(std::byte* out, const Query& query, std::uint16_t rcode, std::uint16_t error,
                    std::string_view text) noexcept {
  std::memset(out, 0, opt_size);
  store_be16(out + 1, type::opt);
  store_be16(out + 3, our_payload);
  out[5] = std::byte(rcode >> 4 & 0xff);
  if (query.edns->dnssec_ok) out[7] = std::byte{0x80};
  if (error == AnswerImage::no_error) return opt_size;
  store_be16(out + 9, std::uint16_t(6 + text.size()));
  store_be16(out + 11, option::ede);
  store_be16(out + 13, std::uint16_t(2 + text.size()));
  store_be16(out + 15, error);
  if (!text.empty()) std::memcpy(out + 17, text.data(), text.size());
  return opt_size + 6 + text.size();
}

void put_head(std::byte* out, const Query& query, unsigned rcode, unsigned more_flags) noexcept {
  const Header& asked = query.header;
  store_be16(out, asked.id);
  out[2] = std::byte(0x80 | (asked.recursion_desired ? 0x01 : 0) | more_flags >> 8);
  out[3] =
      std::byte(0x80 | (asked.checking_disabled ? 0x10 : 0) | (more_flags & 0xff) | (rcode & 0x0f));
  const base::Bytes name = query.question.name_sent;
  std::memcpy(out + header_size, name.data(), name.size());
}

constexpr unsigned flag_tc = 0x0200, flag_ad = 0x0020;

}  // namespace

AnswerImage make_image(base::MutableBytes wire, const CleanAnswer& clean,
                       const TtlClamps& clamps) noexcept {
  AnswerImage image;
  image.wire = wire;
  image.ttls = {clean.ttl_at.data(), clean.records};
  image.rcode = clean.rcode;
  if (clean.has_error) image.error = clean.error;
  image.failure = clean.rcode != rcode::noerror && clean.rcode != rcode::nxdomain;
  image.negative = clean.negative;
  image.bindings = clean.has_bindings;
  std::uint32_t most = clamps.max;
  // RFC 2308 section 5: nobody behind us may keep a negative answer for longer than the SOA's
  // MINIMUM says, counted from when it was given.
  if (clean.negative) most = std::min({most, clamps.max_negative, std::max(clean.ttl, clamps.min)});
  const std::uint32_t least = std::min(clamps.min, most);
  for (const std::uint16_t at : image.ttls) {
    std::byte* const ttl = wire.data() + at;
    store_be32(ttl, std::clamp(load_be32(ttl), least, most));
  }
  // RFC 2308 section 5: a negative answer without an SOA does not say how long it holds.
  if (!image.failure && clean.records != 0 && (!clean.negative || clean.has_soa))
    image.lifetime = std::clamp(clean.ttl, least, most);
  return image;
}

AnswerImage make_failure(base::MutableBytes out, const Name& name, std::uint16_t type,
                         std::uint16_t class_, std::uint16_t rcode, std::uint16_t error) noexcept {
  const base::Bytes wire = name.wire();
  std::memset(out.data(), 0, header_size);
  store_be16(out.data() + 4, 1);
  std::memcpy(out.data() + header_size, wire.data(), wire.size());
  const std::size_t end = header_size + wire.size();
  store_be16(out.data() + end, type);
  store_be16(out.data() + end + 2, class_);
  AnswerImage image;
  image.wire = out.first(end + 4);
  image.rcode = rcode;
  image.error = error;
  image.failure = true;
  return image;
}

base::MutableBytes copy_image(base::MutableBytes out, const AnswerImage& image,
                              const ImageUse& use) noexcept {
  std::memcpy(out.data(), image.wire.data(), image.wire.size());
  for (const std::uint16_t at : image.ttls) {
    const std::uint32_t ttl = load_be32(out.data() + at);
    store_be32(out.data() + at, use.ttl != 0 ? use.ttl : ttl - std::min(ttl, use.elapsed));
  }
  return out.first(image.wire.size());
}

base::Bytes write_image(base::MutableBytes out, std::size_t room, const Query& query,
                        const AnswerImage& image, const ImageUse& use) noexcept {
  // An RCODE above 15 has its upper bits in OPT.
  const std::uint16_t rcode =
      image.rcode > 15 && !query.edns ? std::uint16_t(rcode::servfail) : image.rcode;
  const std::string_view text = use.error_text.substr(0, max_error_text);
  const std::size_t tail =
      !query.edns ? 0 : opt_size + (use.error == AnswerImage::no_error ? 0 : 6 + text.size());
  std::size_t size = copy_image(out, image, use).size();
  put_head(out.data(), query, rcode, use.authentic ? flag_ad : 0);
  if (use.tailor != nullptr && image.bindings) size = tailor_answer(out.first(size), *use.tailor);
  if (size + tail > room) {
    size = header_size + query.question.name_sent.size() + 4;
    put_head(out.data(), query, rcode, flag_tc);
    std::memset(out.data() + 6, 0, 6);
  }
  if (query.edns) {
    store_be16(out.data() + 10, 1);
    size += put_opt(out.data() + size, query, rcode, use.error, text);
  }
  return out.first(size);
}

}  // namespace culvert::dns
