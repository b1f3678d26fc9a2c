#include "wg/aead.hpp"

#include <array>

#include "wg/aead_backends.hpp"

namespace culvert::wg {
namespace {

// Best first, by ns per 1420-byte packet (bench/seal). OpenSSL is ahead of libsodium only where
// packets are large, which is where the time goes.
struct Backends {
  std::array<const Aead*, 3> all{};
  std::size_t count = 0;

  Backends() noexcept {
    for (const Aead* backend : {ipsec_mb_aead(), openssl_aead(), sodium_aead()})
      if (backend != nullptr) all[count++] = backend;
  }
};

const Backends& backends() noexcept {
  static const Backends found;
  return found;
}

const Aead* chosen = nullptr;

// "ipsec-mb" names the backend that calls itself "ipsec-mb avx512".
bool names(std::string_view short_name, std::string_view full_name) noexcept {
  return full_name.substr(0, full_name.find(' ')) == short_name;
}

}  // namespace

std::span<const Aead* const> aead_backends() noexcept {
  return std::span(backends().all).first(backends().count);
}

const Aead& aead() noexcept {
  if (chosen == nullptr) chosen = aead_backends().front();
  return *chosen;
}

bool set_aead(std::string_view name) noexcept {
  for (const Aead* backend : aead_backends()) {
    if (name != "auto" && !names(name, backend->name())) continue;
    chosen = backend;
    return true;
  }
  return false;
}

}  // namespace culvert::wg
