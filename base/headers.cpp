#include "base/headers.hpp"

#include "base/checksum.hpp"

namespace culvert::base {

namespace {

constexpr unsigned u(std::byte b) noexcept { return std::to_integer<unsigned>(b); }

enum : std::uint8_t {
  next_hop_by_hop = 0,
  next_routing = 43,
  next_fragment = 44,
  next_destination = 60,
};

// IPv4 options that would let the sender choose the route (RFC 791, RFC 7126): refused.
bool has_source_route(Bytes options) noexcept {
  for (std::size_t i = 0; i < options.size();) {
    const unsigned kind = u(options[i]);
    if (kind == 0) return false;
    if (kind == 1) {
      ++i;
      continue;
    }
    if (kind == 131 || kind == 137) return true;
    if (i + 1 >= options.size() || u(options[i + 1]) < 2) return true;  // cannot be walked
    i += u(options[i + 1]);
  }
  return false;
}

std::optional<IpView> parse_v4(Bytes packet) noexcept {
  if (packet.size() < 20) return std::nullopt;
  const std::byte* p = packet.data();
  const std::size_t header = (u(p[0]) & 0xf) * 4;
  const std::size_t total = load_be16(p + 2);
  if (header < 20 || total < header || total > packet.size()) return std::nullopt;
  if (checksum_finish(checksum_add(packet.first(header))) != 0) return std::nullopt;
  if (has_source_route(packet.subspan(20, header - 20))) return std::nullopt;

  IpView view;
  view.source = IpAddress::v4(std::span<const std::byte, 4>(p + 12, 4));
  view.destination = IpAddress::v4(std::span<const std::byte, 4>(p + 16, 4));
  view.protocol = std::uint8_t(p[9]);
  view.ttl = std::uint8_t(p[8]);
  view.tos = std::uint8_t(p[1]);
  const unsigned fragment = load_be16(p + 6);
  view.dont_fragment = (fragment & 0x4000) != 0;
  if ((fragment & 0x3fff) != 0)
    view.fragment = FragmentInfo{load_be16(p + 4), std::uint16_t((fragment & 0x1fff) * 8),
                                 (fragment & 0x2000) != 0};
  view.header_size = header;
  view.packet = packet.first(total);
  view.payload = view.packet.subspan(header);
  return view;
}

// Walks the extension headers (RFC 8200 section 4) from `view.protocol` on; false = refuse.
bool walk_extensions(IpView& view) noexcept {
  constexpr int max_headers = 8;
  constexpr std::size_t max_bytes = 256;
  for (int i = 0; i <= max_headers; ++i) {
    const Bytes rest = view.packet.subspan(view.header_size);
    switch (view.protocol) {
      case next_hop_by_hop:
        if (i != 0) return false;  // only right behind the fixed header
        [[fallthrough]];
      case next_destination:
      case next_routing: {
        if (rest.size() < 8) return false;
        const std::size_t size = (u(rest[1]) + 1) * 8;
        if (size > rest.size() || view.header_size + size > 40 + max_bytes) return false;
        if (view.protocol == next_routing && u(rest[3]) != 0) return false;
        view.protocol = std::uint8_t(rest[0]);
        view.header_size += size;
        break;
      }
      case next_fragment: {
        if (rest.size() < 8 || view.fragment) return false;
        view.unfragmentable = view.header_size;
        const unsigned field = load_be16(rest.data() + 2);
        view.fragment = FragmentInfo{load_be32(rest.data() + 4), std::uint16_t(field & 0xfff8),
                                     (field & 1) != 0};
        view.protocol = std::uint8_t(rest[0]);
        view.header_size += 8;
        // What follows the first part of a later fragment is payload, not a header.
        if (view.fragment->offset != 0) return true;
        break;
      }
      default:
        return true;
    }
  }
  return false;
}

std::optional<IpView> parse_v6(Bytes packet) noexcept {
  if (packet.size() < 40) return std::nullopt;
  const std::byte* p = packet.data();
  const std::size_t total = 40u + load_be16(p + 4);
  if (total > packet.size()) return std::nullopt;
  IpView view;
  view.source = IpAddress::v6(std::span<const std::byte, 16>(p + 8, 16));
  view.destination = IpAddress::v6(std::span<const std::byte, 16>(p + 24, 16));
  view.protocol = std::uint8_t(p[6]);
  view.ttl = std::uint8_t(p[7]);
  view.tos = std::uint8_t((u(p[0]) << 4 | u(p[1]) >> 4) & 0xff);
  view.dont_fragment = true;
  view.header_size = 40;
  view.packet = packet.first(total);
  if (!walk_extensions(view)) return std::nullopt;
  view.payload = view.packet.subspan(view.header_size);
  return view;
}

}  // namespace

std::optional<IpView> IpView::parse(Bytes packet) noexcept {
  if (packet.empty()) return std::nullopt;
  switch (u(packet[0]) >> 4) {
    case 4: return parse_v4(packet);
    case 6: return parse_v6(packet);
    default: return std::nullopt;
  }
}

std::optional<IpAddress> destination_of(const Pieces& packet) noexcept {
  std::array<std::byte, 40> head;
  Bytes bytes = packet.count() > 0 ? packet[0] : Bytes{};
  if (bytes.size() < head.size()) bytes = Bytes(head).first(packet.copy_to(head));
  if (bytes.size() < 20) return std::nullopt;
  switch (u(bytes[0]) >> 4) {
    case 4: return IpAddress::v4(bytes.subspan<16, 4>());
    case 6:
      if (bytes.size() < 40) return std::nullopt;
      return IpAddress::v6(bytes.subspan<24, 16>());
    default: return std::nullopt;
  }
}

std::optional<UdpView> UdpView::parse(const IpView& ip, bool verify) noexcept {
  const Bytes from = ip.payload;
  if (from.size() < 8) return std::nullopt;
  const std::size_t length = load_be16(from.data() + 4);
  if (length < 8 || length > from.size()) return std::nullopt;
  UdpView view;
  view.source_port = load_be16(from.data());
  view.destination_port = load_be16(from.data() + 2);
  view.has_checksum = load_be16(from.data() + 6) != 0;
  view.payload = from.subspan(8, length - 8);
  if (!view.has_checksum) {
    if (ip.source.is_v6()) return std::nullopt;  // RFC 8200 section 8.1
    return view;
  }
  if (verify) {
    const auto pseudo = pseudo_header_sum(ip.source, ip.destination, 17, std::uint32_t(length));
    if (checksum_finish(checksum_add(from.first(length), pseudo)) != 0) return std::nullopt;
  }
  return view;
}

std::optional<TcpView> TcpView::parse(const IpView& ip) noexcept {
  const Bytes from = ip.payload;
  if (from.size() < 20) return std::nullopt;
  const std::byte* p = from.data();
  const std::size_t header = (u(p[12]) >> 4) * 4;
  if (header < 20 || header > from.size()) return std::nullopt;
  TcpView view;
  view.source_port = load_be16(p);
  view.destination_port = load_be16(p + 2);
  view.sequence = load_be32(p + 4);
  view.acknowledgement = load_be32(p + 8);
  view.flags = std::uint8_t(u(p[13]) & 0x3f);
  view.window = load_be16(p + 14);
  view.options = from.subspan(20, header - 20);
  view.payload = from.subspan(header);
  return view;
}

std::optional<IcmpView> IcmpView::parse(const IpView& ip) noexcept {
  const Bytes from = ip.payload;
  if (from.size() < 8) return std::nullopt;
  std::uint64_t sum = 0;
  if (ip.source.is_v6())
    sum = pseudo_header_sum(ip.source, ip.destination, 58, std::uint32_t(from.size()));
  if (checksum_finish(checksum_add(from, sum)) != 0) return std::nullopt;
  IcmpView view;
  view.type = std::uint8_t(from[0]);
  view.code = std::uint8_t(from[1]);
  view.rest = load_be32(from.data() + 4);
  view.payload = from.subspan(8);
  return view;
}

namespace {

std::size_t build_v4(const IpHeaderSpec& spec, std::size_t payload_size, std::byte* p) noexcept {
  p[0] = std::byte{0x45};
  p[1] = std::byte(spec.tos);
  store_be16(p + 2, std::uint16_t(20 + payload_size));
  store_be16(p + 4, spec.fragment ? std::uint16_t(spec.fragment->id) : spec.id);
  unsigned field = spec.dont_fragment ? 0x4000u : 0u;
  if (spec.fragment) field |= spec.fragment->offset / 8u | (spec.fragment->more ? 0x2000u : 0u);
  store_be16(p + 6, std::uint16_t(field));
  p[8] = std::byte(spec.ttl);
  p[9] = std::byte(spec.protocol);
  store_be16(p + 10, 0);
  std::memcpy(p + 12, spec.source.bytes().data(), 4);
  std::memcpy(p + 16, spec.destination.bytes().data(), 4);
  store_be16(p + 10, checksum_finish(checksum_add({p, 20})));
  return 20;
}

std::size_t build_v6(const IpHeaderSpec& spec, std::size_t payload_size, std::byte* p) noexcept {
  const std::size_t extension = spec.fragment ? 8 : 0;
  p[0] = std::byte(0x60 | spec.tos >> 4);
  p[1] = std::byte((spec.tos & 0xf) << 4);
  store_be16(p + 2, 0);
  store_be16(p + 4, std::uint16_t(payload_size + extension));
  p[6] = std::byte(spec.fragment ? std::uint8_t(next_fragment) : spec.protocol);
  p[7] = std::byte(spec.ttl);
  std::memcpy(p + 8, spec.source.bytes().data(), 16);
  std::memcpy(p + 24, spec.destination.bytes().data(), 16);
  if (spec.fragment) {
    p[40] = std::byte(spec.protocol);
    p[41] = std::byte{0};
    store_be16(p + 42, std::uint16_t(spec.fragment->offset | (spec.fragment->more ? 1u : 0u)));
    store_be32(p + 44, spec.fragment->id);
  }
  return 40 + extension;
}

}  // namespace

std::size_t build_ip_header(const IpHeaderSpec& spec, std::size_t payload_size,
                            std::span<std::byte, max_ip_header> out) noexcept {
  return spec.source.is_v4() ? build_v4(spec, payload_size, out.data())
                             : build_v6(spec, payload_size, out.data());
}

}  // namespace culvert::base
