#include "control/hook_signature.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <iterator>
#include <stdexcept>

namespace culvert::control {

std::string hook_signature(std::string_view secret, std::string_view timestamp,
                           std::string_view body) {
  std::string message(timestamp);
  message += '.';
  message += body;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (!::HMAC(::EVP_sha256(), secret.data(), int(secret.size()),
              reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
              &length))
    throw std::runtime_error("HMAC-SHA256 is not to be had");
  std::string text = "sha256=";
  for (unsigned i = 0; i < length; ++i)
    fmt::format_to(std::back_inserter(text), "{:02x}", digest[i]);
  return text;
}

}  // namespace culvert::control
