// walk_name: the one place that follows compression pointers (RFC 1035 section 4.1.4). Used by the
// readers of messages and of RDATA.
#pragma once

#include "base/headers.hpp"
#include "dns/message.hpp"

namespace culvert::dns {

// Hands the labels of the name at `offset` to `take`, run by run, without the root's; `take` says
// no where they become too many. Octets at `offset` stay below `limit`, `end` is set behind them.
// Each pointer leads before everything read of this name, which ends every loop, and there are at
// most as many as a name can have labels: the cost is bounded whatever the message says (RFC 9267
// sections 2 and 3).
template <class Take>
bool walk_name(base::Bytes message, std::size_t offset, std::size_t limit, std::size_t* end,
               Take take) noexcept {
  if (limit > message.size()) return false;
  std::size_t at = offset, run = offset;  // the labels since `run` are still to be handed on
  for (unsigned pointers = 0; at < limit;) {
    const auto length = std::to_integer<std::size_t>(message[at]);
    if (length != 0 && length <= Name::max_label) {
      at += 1 + length;
      if (at - run >= Name::max_size) return false;
      continue;
    }
    const bool last = length == 0;
    if (!last && (length < 0xc0 || at + 2 > limit)) return false;
    if (!take(message.subspan(run, at - run))) return false;
    if (pointers == 0 && end != nullptr) *end = at + (last ? 1 : 2);
    if (last) return true;
    const std::size_t target = base::load_be16(message.data() + at) & 0x3fffu;
    if (target >= run || target < header_size || ++pointers > Name::max_labels) return false;
    limit = message.size();
    at = run = target;
  }
  return false;
}

}  // namespace culvert::dns
