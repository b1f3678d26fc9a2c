// Frames of RFC 7766 in pieces of any size give the same messages as in one.
#include "base/assert.hpp"
#include "dns/upstream_stream.hpp"

using namespace culvert;

namespace {

using Messages = std::vector<std::vector<std::byte>>;

// The first octet chooses the size of the pieces.
bool cut(base::Bytes stream, std::size_t piece, Messages& out) {
  dns::FrameReader reader;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const base::Bytes part = stream.subspan(at, std::min(piece, stream.size() - at));
    const bool good = reader.take(part, [&](base::Bytes message) {
      out.emplace_back(message.begin(), message.end());
      return true;
    });
    if (!good) return false;
    BASE_ASSERT(reader.pending() < 2 + dns::max_message);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const base::Bytes stream(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  Messages whole, pieces;
  const bool good = cut(stream, stream.size(), whole);
  BASE_ASSERT(cut(stream, 1u + data[0], pieces) == good);
  BASE_ASSERT(whole == pieces);
  return 0;
}
