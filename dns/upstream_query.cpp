#include "dns/upstream_query.hpp"

#include <algorithm>
#include <cstring>

#include "dns/message_writer.hpp"

namespace culvert::dns {
namespace {

std::uint8_t octet(base::Bytes bytes, std::size_t at) {
  return std::uint8_t(bytes[at]);
}
std::uint16_t word(base::Bytes bytes, std::size_t at) {
  return std::uint16_t(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

bool is_letter(std::byte c) {
  const auto lower = std::uint8_t(c) | 0x20;
  return lower >= 'a' && lower <= 'z';
}

bool equal_but_case(base::Bytes a, base::Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](std::byte x, std::byte y) {
    return x == y || ((x ^ y) == std::byte{0x20} && is_letter(x));
  });
}

constexpr std::size_t id_at = 0, flags_at = 2, counts_at = 4;

}  // namespace

void BufferedRandom::fill(base::MutableBytes out) noexcept {
  while (!out.empty()) {
    if (used_ == buffer_.size()) source_.fill(buffer_), used_ = 0;
    const std::size_t n = std::min(out.size(), buffer_.size() - used_);
    std::memcpy(out.data(), buffer_.data() + used_, n);
    std::memset(buffer_.data() + used_, 0, n);
    used_ += n, out = out.subspan(n);
  }
}

void set_name(SentQuestion& sent, const Name& name, bool mix_case, base::Random& random) noexcept {
  const base::Bytes wire = name.wire();
  std::memcpy(sent.name.data(), wire.data(), wire.size());
  sent.name_size = std::uint8_t(wire.size());
  sent.mixed_case = mix_case;
  if (!mix_case) return;
  std::array<std::byte, (Name::max_size + 7) / 8> bits;
  random.fill(std::span(bits).first((wire.size() + 7) / 8));
  // Lengths of labels are below 64 and so no letters.
  for (std::size_t i = 0; i < wire.size(); ++i)
    if (is_letter(sent.name[i]) && (std::to_integer<unsigned>(bits[i / 8]) >> (i % 8) & 1u) != 0)
      sent.name[i] ^= std::byte{0x20};
}

std::size_t write(base::MutableBytes out, const SentQuestion& sent,
                  const QueryFlags& flags) noexcept {
  const std::size_t size = write_query(out, sent.id, sent.wire_name(), sent.type, sent.class_,
                                       flags.dnssec_ok, flags.checking_disabled, flags.pad);
  out[3] |= std::byte{0x20};  // AD: we understand it (RFC 6840 section 5.7)
  if (flags.edns) return size;
  // OPT is the last record and the only additional one.
  out[10] = out[11] = std::byte{0};
  return header_size + sent.name_size + 4;
}

Fit fit(base::Bytes reply, const SentQuestion& sent, bool edns) noexcept {
  if (reply.size() < header_size || word(reply, id_at) != sent.id) return Fit::no;
  const std::uint8_t first = octet(reply, flags_at), code = octet(reply, flags_at + 1) & 0x0f;
  if ((first & 0xf8) != 0x80) return Fit::no;  // QR set, opcode QUERY
  const std::uint16_t questions = word(reply, counts_at);
  // Such a server may leave the question out: it could not read what it was sent.
  if (questions == 0 && code == rcode::formerr && edns && reply.size() == header_size)
    return Fit::refused_opt;
  const std::size_t end = header_size + sent.name_size;
  if (questions != 1 || reply.size() < end + 4) return Fit::no;
  if (word(reply, end) != sent.type || word(reply, end + 2) != sent.class_) return Fit::no;
  const base::Bytes name = reply.subspan(header_size, sent.name_size);
  if (!std::equal(name.begin(), name.end(), sent.wire_name().begin())) {
    if (!equal_but_case(name, sent.wire_name())) return Fit::no;
    if (sent.mixed_case) return Fit::case_broken;
  }
  if (code == rcode::formerr && edns) return Fit::refused_opt;
  return (first & 0x02) != 0 ? Fit::truncated : Fit::yes;
}

}  // namespace culvert::dns
