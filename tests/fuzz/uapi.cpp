// Requests of wg's protocol of any bytes are taken or refused; a change that is taken is one that
// the server could be given.
#include <cstddef>
#include <cstdint>

#include "control/uapi.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  control::UapiRequest request;
  while (!text.empty()) {
    const auto newline = text.find('\n');
    const bool whole = request.take(text.substr(0, newline));
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (!whole) continue;
    if (request.error() > 0 || (request.error() == 0) != request.reason().empty()) __builtin_trap();
    if (request.error() == 0 && request.is_set()) {
      const control::DeviceChange change = request.take_change({});
      if (change.private_key && change.private_key->is_zero()) __builtin_trap();
      for (const auto& peer : change.peers)
        if (peer.endpoint && (!peer.endpoint->address || peer.endpoint->port == 0))
          __builtin_trap();
    }
    request = control::UapiRequest();
  }
  return 0;
}
