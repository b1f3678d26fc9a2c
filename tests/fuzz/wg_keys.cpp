// Any text as a key: it is refused, or it is the one text of that key.
#include <cstdint>
#include <cstdlib>

#include "wg/keys.hpp"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto key = wg::PublicKey::parse(text);
  const auto secret = wg::parse_secret_key(text);
  if (key.has_value() != secret.has_value()) std::abort();
  if (key && (key->to_string() != text || wg::secret_key_text(*secret) != text)) std::abort();
  return 0;
}
