#include "dns/upstream_stream.hpp"

#include <array>

#include "dns/upstream_server.hpp"

namespace culvert::dns {

Exchange* StreamCarrier::find(std::uint16_t id) const noexcept {
  for (Exchange* exchange : exchanges_)
    if (exchange->sent.id == id) return exchange;
  return nullptr;
}

void StreamCarrier::send(Exchange& exchange) noexcept {
  // Its ID must be its own on this connection; at most 256 are taken.
  exchange.sent.id = 0;
  std::uint16_t id = 0;
  while (id == 0 || find(id) != nullptr) id = std::uint16_t(around_.random.u32());
  exchange.sent.id = id;
  std::array<std::byte, 2 + max_query> frame;
  const std::size_t size =
      write(base::MutableBytes(frame).subspan(2), exchange.sent, exchange.flags);
  frame[0] = std::byte(size >> 8), frame[1] = std::byte(size & 0xff);
  connection_.write(base::Bytes(frame).first(2 + size));
}

void StreamCarrier::received(base::Bytes bytes) noexcept {
  const bool good = frames_.take(bytes, [this](base::Bytes message) { return take(message); });
  if (!good) break_off();
}

// False: this server cannot be believed on this connection any more.
bool StreamCarrier::take(base::Bytes message) noexcept {
  const auto id = std::uint16_t(std::uint8_t(message[0]) << 8 | std::uint8_t(message[1]));
  Exchange* const exchange = find(id);
  // The question may have been answered by another server by now, or this is nobody's.
  if (exchange == nullptr) return ++bogus_ < most_bogus;
  const Fit found = fit(message, exchange->sent, exchange->flags.edns);
  // A stream has room for the whole message: TC is a lie here.
  if (found == Fit::yes || found == Fit::refused_opt) return reply(*exchange, found, message), true;
  server_.figures().bogus();
  fail(*exchange, Failure::protocol);
  return ++bogus_ < most_bogus;
}

}  // namespace culvert::dns
