// The backends behind wg/aead.hpp, one file each; for aead.cpp only. Each lives for the process and
// keeps its library's state per thread. Null: this build, this CPU or this library lacks it.
#pragma once

#include "wg/aead.hpp"

namespace culvert::wg {

#ifdef CULVERT_HAS_IPSEC_MB
const Aead* ipsec_mb_aead() noexcept;
#else
inline const Aead* ipsec_mb_aead() noexcept {
  return nullptr;
}
#endif
const Aead* openssl_aead() noexcept;
const Aead* sodium_aead() noexcept;

}  // namespace culvert::wg
