#include "proxy/portal_dns.hpp"

#include <algorithm>

#include "base/headers.hpp"

namespace culvert::proxy {
namespace {

using base::Bytes;

constexpr std::size_t header_size = 12, longest_name = 255, longest_label = 63;
constexpr std::uint16_t type_a = 1, type_aaaa = 28, class_in = 1;
constexpr std::uint32_t time_to_live = 5;  // seconds: the stop may end any moment

// Bits of the second word of a header.
constexpr std::uint16_t is_response = 0x8000, opcode = 0x7800, recursion_desired = 0x0100,
                        recursion_available = 0x0080;
enum : std::uint16_t { no_error = 0, format_error = 1, not_implemented = 4 };

// The length of the question behind the header, 0 if it is none. A question is the first name of a
// message, so that it cannot point anywhere.
std::size_t question_size(Bytes query) noexcept {
  std::size_t at = header_size;
  while (at < query.size()) {
    const auto label = std::to_integer<std::size_t>(query[at]);
    at += 1 + label;
    if (label > longest_label || at - header_size > longest_name) return 0;
    if (label == 0) return at + 4 <= query.size() ? at + 4 - header_size : 0;
  }
  return 0;
}

}  // namespace

Bytes DnsNotice::answer(Bytes query) noexcept {
  if (query.size() < header_size) return {};
  const std::uint16_t flags = base::load_be16(&query[2]);
  if (flags & is_response) return {};
  const std::size_t question = question_size(query);
  const bool understood = question > 0 && base::load_be16(&query[4]) == 1;
  const std::uint16_t code = flags & opcode ? not_implemented
                             : understood   ? no_error
                                            : format_error;
  std::fill_n(out_.begin(), header_size, std::byte{0});
  std::copy_n(query.begin(), 2, out_.begin());
  base::store_be16(&out_[2], std::uint16_t(is_response | (flags & (opcode | recursion_desired)) |
                                           recursion_available | code));
  if (code != no_error) return Bytes(out_).first(header_size);

  std::size_t size = header_size + question;
  std::copy_n(query.begin() + header_size, question, out_.begin() + header_size);
  base::store_be16(&out_[4], 1);
  const std::uint16_t type = base::load_be16(&out_[size - 4]);
  const bool in = base::load_be16(&out_[size - 2]) == class_in;
  const base::IpAddress address = !in                 ? base::IpAddress{}
                                  : type == type_a    ? address4_
                                  : type == type_aaaa ? address6_
                                                      : base::IpAddress{};
  if (!address) return Bytes(out_).first(size);
  base::store_be16(&out_[6], 1);
  std::byte* record = &out_[size];
  base::store_be16(record, 0xc000 | header_size);  // the name: as asked (section 4.1.4)
  base::store_be16(record + 2, type);
  base::store_be16(record + 4, class_in);
  base::store_be32(record + 6, time_to_live);
  base::store_be16(record + 10, std::uint16_t(address.bytes().size()));
  std::copy(address.bytes().begin(), address.bytes().end(), record + 12);
  size += 12 + address.bytes().size();
  return Bytes(out_).first(size);
}

}  // namespace culvert::proxy
