// Fragments of a known packet, cut, ordered, repeated and falsified as the input says. Whatever
// comes out whole must be what was cut, unless the input falsified something; bounds hold at any
// time. IPv6 fragments may have extension headers in front.
#include "netstack/reassembly.hpp"

#include <set>

#include "tests/support/tcp_client.hpp"

using namespace culvert;

namespace {

// Puts destination options in front of the fragment header: `count` headers of 8 to 16 bytes.
void add_options(test::ByteVector& packet, unsigned count) {
  for (unsigned k = 0; k < count; ++k) {
    test::ByteVector options(8u + (k & 1) * 8u);
    options[0] = packet[6];
    options[1] = std::byte(k & 1);
    options[2] = std::byte{1}, options[3] = std::byte(options.size() - 4);
    packet.insert(packet.begin() + 40, options.begin(), options.end());
    packet[6] = std::byte{60};
  }
  base::store_be16(&packet[4], std::uint16_t(packet.size() - 40));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const netstack::Reassembly::Limits limits{8, 40000, 60000};
  netstack::Reassembly reassembly(limits);
  const bool v4 = data[0] & 1;
  const test::ByteVector whole = test::pattern(3000);
  std::set<std::pair<base::IpAddress, std::uint32_t>> bent;  // datagrams that were falsified
  base::Time now{std::chrono::hours(1)};
  for (std::size_t i = 1; i + 4 < size; i += 5) {
    base::IpHeaderSpec spec;
    const auto client = test::ip(v4 ? "10.8.0.2" : "fd08::2");
    const auto other = test::ip(v4 ? "10.8.0.3" : "fd08::3");
    spec.source = data[i] & 0x40 ? other : client;
    spec.destination = test::ip(v4 ? "198.51.100.7" : "2001:db8::7");
    spec.protocol = 17;
    const std::size_t offset = data[i + 1] * 8u % 3000;
    const std::size_t length = std::min<std::size_t>(data[i + 2] * 8u + 8, 3000 - offset);
    const bool more = offset + length < 3000 || (data[i] & 0x20);
    spec.fragment = base::FragmentInfo{data[i + 3] % 16u, std::uint16_t(offset), more};
    spec.id = std::uint16_t(spec.fragment->id);
    test::ByteVector upper(whole.begin() + std::ptrdiff_t(offset),
                           whole.begin() + std::ptrdiff_t(offset + length));
    const bool falsified = data[i] & 0x80;
    if (falsified && !upper.empty()) {
      upper[data[i + 4] % upper.size()] ^= std::byte{1};
      bent.emplace(spec.source, spec.fragment->id);
    }
    auto packet = test::build_packet(spec, upper);
    if (!v4) add_options(packet, data[i] & 7u);
    const auto view = base::IpView::parse(packet);
    if (!view || !view->fragment) continue;
    if (reassembly.add(*view, now) == netstack::Reassembly::Outcome::complete) {
      const auto result = base::IpView::parse(reassembly.packet());
      if (!result || result->fragment || result->protocol != 17) __builtin_trap();
      if (result->payload.size() != whole.size()) __builtin_trap();
      if (!bent.contains({spec.source, spec.fragment->id}) &&
          !std::equal(whole.begin(), whole.end(), result->payload.begin()))
        __builtin_trap();
    }
    if (reassembly.bytes() > limits.bytes || reassembly.datagrams() > 16) __builtin_trap();
    if (data[i + 4] == 0xff) {
      now += std::chrono::seconds(data[i + 3]);
      reassembly.expire(now, [](base::Bytes) {});
    }
  }
  reassembly.expire(base::never, [](base::Bytes) {});
  if (reassembly.bytes() != 0 || reassembly.datagrams() != 0) __builtin_trap();
  return 0;
}
