#include "base/headers.hpp"

#include <random>
#include <vector>

#include "base/checksum.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::base;

namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (int v : values) out.push_back(std::byte(v));
  return out;
}

std::vector<std::byte> packet_with(const IpHeaderSpec& spec, std::vector<std::byte> payload) {
  std::array<std::byte, max_ip_header> header;
  const std::size_t n = build_ip_header(spec, payload.size(), header);
  std::vector<std::byte> out(header.begin(), header.begin() + std::ptrdiff_t(n));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

const IpHeaderSpec v4_spec{*IpAddress::parse("10.8.0.2"), *IpAddress::parse("192.0.2.1"), 17, 63, 0x20,
                           77, true, {}};
const IpHeaderSpec v6_spec{*IpAddress::parse("fd08::2"), *IpAddress::parse("2001:db8::1"), 17, 63, 0xb8,
                           0, true, {}};

}  // namespace

TEST_CASE("the checksum is that of RFC 1071's example") {
  CHECK(checksum_finish(checksum_add(bytes_of({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}))) ==
        std::uint16_t(~0xddf2));
}

TEST_CASE("the checksum equals the plain sum for every length and alignment") {
  std::mt19937 random(1);
  std::vector<std::byte> data(300);
  for (auto& b : data) b = std::byte(random());
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; size + start <= data.size(); ++size) {
      std::uint32_t plain = 0;
      for (std::size_t i = 0; i < size; ++i)
        plain += std::to_integer<unsigned>(data[start + i]) << (i % 2 == 0 ? 8 : 0);
      while (plain >> 16) plain = (plain & 0xffff) + (plain >> 16);
      REQUIRE(checksum_finish(checksum_add(Bytes(data).subspan(start, size))) ==
              std::uint16_t(~plain));
    }
  }
}

TEST_CASE("headers are read back as they were built") {
  for (const IpHeaderSpec& spec : {v4_spec, v6_spec}) {
    const auto packet = packet_with(spec, bytes_of({1, 2, 3, 4, 5, 6, 7, 8}));
    const auto view = IpView::parse(packet);
    REQUIRE(view);
    CHECK(view->source == spec.source);
    CHECK(view->destination == spec.destination);
    CHECK(view->protocol == 17);
    CHECK(view->ttl == 63);
    CHECK(view->tos == spec.tos);
    CHECK(view->dont_fragment);
    CHECK_FALSE(view->fragment);
    CHECK(view->payload.size() == 8);
    CHECK(destination_of(Pieces(packet)) == spec.destination);
  }
}

TEST_CASE("fragments carry their place in both versions") {
  for (IpHeaderSpec spec : {v4_spec, v6_spec}) {
    spec.dont_fragment = spec.source.is_v6();
    spec.fragment = FragmentInfo{0x1234, 1480, true};
    const auto packet = packet_with(spec, std::vector<std::byte>(16));
    const auto view = IpView::parse(packet);
    REQUIRE(view);
    REQUIRE(view->fragment);
    CHECK(view->fragment->id == 0x1234);
    CHECK(view->fragment->offset == 1480);
    CHECK(view->fragment->more);
    CHECK(view->payload.size() == 16);
    CHECK(view->protocol == 17);
  }
}

TEST_CASE("a header cut anywhere is refused, never read past its end") {
  for (const IpHeaderSpec& spec : {v4_spec, v6_spec}) {
    const auto whole = packet_with(spec, std::vector<std::byte>(24));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::vector<std::byte> cut(whole.begin(), whole.begin() + std::ptrdiff_t(size));
      CHECK_FALSE(IpView::parse(cut));
    }
  }
}

TEST_CASE("what follows the stated length is cut off") {
  auto packet = packet_with(v4_spec, std::vector<std::byte>(10));
  packet.resize(packet.size() + 100);
  CHECK(IpView::parse(packet)->payload.size() == 10);
}

TEST_CASE("an IPv4 header with a wrong checksum is refused") {
  auto packet = packet_with(v4_spec, std::vector<std::byte>(10));
  packet[8] = std::byte{1};
  CHECK_FALSE(IpView::parse(packet));
}

TEST_CASE("IPv4 source routing is refused, a record-route option is not") {
  const auto with_option = [](int kind) {
    auto packet = packet_with(v4_spec, std::vector<std::byte>(12));
    const auto option = bytes_of({kind, 7, 4, 0, 0, 0, 0, 0});
    packet.insert(packet.begin() + 20, option.begin(), option.end());
    packet[0] = std::byte{0x47};
    store_be16(packet.data() + 2, std::uint16_t(packet.size()));
    store_be16(packet.data() + 10, 0);
    store_be16(packet.data() + 10, checksum_finish(checksum_add(Bytes(packet).first(28))));
    return IpView::parse(packet).has_value();
  };
  CHECK(with_option(7));
  CHECK_FALSE(with_option(131));
  CHECK_FALSE(with_option(137));
}

TEST_CASE("IPv6 extension headers are walked, loops and routing are not") {
  const auto with_chain = [](std::vector<std::byte> chain, int first) {
    chain.resize(chain.size() + 8);
    auto packet = packet_with(v6_spec, chain);
    packet[6] = std::byte(first);
    return IpView::parse(packet);
  };
  const auto options = with_chain(bytes_of({17, 0, 1, 4, 0, 0, 0, 0}), 60);
  REQUIRE(options);
  CHECK(options->protocol == 17);
  CHECK(options->payload.size() == 8);
  CHECK_FALSE(with_chain(bytes_of({17, 0, 0, 1, 0, 0, 0, 0}), 43));        // segments left
  CHECK_FALSE(with_chain(bytes_of({17, 200, 1, 4, 0, 0, 0, 0}), 60));      // longer than the packet
  CHECK_FALSE(with_chain(bytes_of({0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}), 60));
  std::vector<std::byte> endless;
  for (int i = 0; i < 20; ++i) {
    const auto one = bytes_of({60, 0, 1, 4, 0, 0, 0, 0});
    endless.insert(endless.end(), one.begin(), one.end());
  }
  CHECK_FALSE(with_chain(endless, 60));
}

TEST_CASE("UDP is checked by length and checksum") {
  const auto udp = [](const IpHeaderSpec& spec, std::uint16_t length, bool sum) {
    auto datagram = bytes_of({0x30, 0x39, 0, 53, 0, 0, 0, 0, 'h', 'i'});
    store_be16(datagram.data() + 4, length);
    if (sum) {
      const auto pseudo = pseudo_header_sum(spec.source, spec.destination, 17, length);
      store_be16(datagram.data() + 6,
                 checksum_finish(checksum_add(Bytes(datagram).first(std::min<std::size_t>(length, 10)),
                                              pseudo)));
    }
    const auto packet = packet_with(spec, datagram);
    const auto view = UdpView::parse(*IpView::parse(packet));
    return view && view->source_port == 12345 && view->destination_port == 53;
  };
  CHECK(udp(v4_spec, 10, true));
  CHECK(udp(v6_spec, 10, true));
  CHECK(udp(v4_spec, 10, false));        // IPv4 may leave it out
  CHECK_FALSE(udp(v6_spec, 10, false));  // IPv6 may not
  CHECK_FALSE(udp(v4_spec, 11, true));
  CHECK_FALSE(udp(v4_spec, 7, true));
}
