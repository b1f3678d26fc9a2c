// Any bytes as one inner packet. IPv4 header and transport checksums are made right first, so that
// what lies behind them is reached.
#include "tests/support/tcp_client.hpp"

using namespace culvert;

namespace {

void repair(test::ByteVector& packet) {
  if (packet.size() >= 20 && (packet[0] >> 4) == std::byte{4}) {
    const std::size_t header = (std::to_integer<std::size_t>(packet[0]) & 0xf) * 4;
    if (header < 20 || header > packet.size()) return;
    base::store_be16(&packet[10], 0);
    const base::Bytes whole = base::Bytes(packet).first(header);
    base::store_be16(&packet[10], base::checksum_finish(base::checksum_add(whole)));
  }
  const auto view = base::IpView::parse(packet);
  if (!view || view->fragment) return;
  const std::size_t at = view->header_size;
  const bool v4 = view->source.is_v4();
  const std::size_t field = view->protocol == 17 ? 6 : view->protocol == (v4 ? 1 : 58) ? 2 : 0;
  if (field == 0 || view->payload.size() < field + 2) return;
  base::store_be16(&packet[at + field], 0);
  const bool pseudo = view->protocol != 1;
  const auto sum = base::checksum_add(
      view->payload, pseudo
                         ? base::pseudo_header_sum(view->source, view->destination, view->protocol,
                                                   std::uint32_t(view->payload.size()))
                         : 0);
  base::store_be16(&packet[at + field], base::checksum_finish(sum));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 60000) return 0;
  test::Wire wire;
  test::ByteVector packet(size);
  std::copy_n(reinterpret_cast<const std::byte*>(data), size, packet.begin());
  wire.inject_and_flush(packet);
  repair(packet);
  wire.inject_and_flush(packet);
  if (wire.malformed != 0) __builtin_trap();
  return 0;
}
