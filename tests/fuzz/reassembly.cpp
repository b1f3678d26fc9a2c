// Fragments of a known packet, cut, ordered, repeated and falsified as the input says. Whatever
// comes out whole must be what was cut, unless the input falsified something; bounds hold at any
// time.
#include "netstack/reassembly.hpp"
#include "tests/support/tcp_client.hpp"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const netstack::Reassembly::Limits limits{8, 40000, 60000};
  netstack::Reassembly reassembly(limits);
  const bool v4 = data[0] & 1;
  const test::ByteVector whole = test::pattern(3000);
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
    if (falsified && !upper.empty()) upper[data[i + 4] % upper.size()] ^= std::byte{1};
    const auto packet = test::build_packet(spec, upper);
    const auto view = base::IpView::parse(packet);
    if (!view || !view->fragment) continue;
    if (reassembly.add(*view, now) == netstack::Reassembly::Outcome::complete) {
      const auto result = base::IpView::parse(reassembly.packet());
      if (!result || result->fragment || result->payload.size() > 3000) __builtin_trap();
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
