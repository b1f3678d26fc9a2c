// What is sent to a server and what fits as its reply (RFC 5452 section 9): the ID, and the
// question octet by octet, in the random case it was sent in (0x20).
#pragma once

#include <array>
#include <cstdint>

#include "base/random.hpp"
#include "dns/message.hpp"

namespace culvert::dns {

// Draws from a source that costs a system call in larger portions; what was drawn is wiped.
class BufferedRandom final : public base::Random {
 public:
  explicit BufferedRandom(base::Random& source) noexcept : source_(source) {}
  void fill(base::MutableBytes out) noexcept override;

 private:
  base::Random& source_;
  std::array<std::byte, 512> buffer_;
  std::size_t used_ = sizeof buffer_;
};

// The question as it left.
struct SentQuestion {
  std::array<std::byte, Name::max_size> name;
  std::uint8_t name_size = 0;
  std::uint16_t id = 0, type = 0, class_ = 0;
  bool mixed_case = false;

  base::Bytes wire_name() const noexcept { return {name.data(), name_size}; }
};

struct QueryFlags {
  bool dnssec_ok = false, checking_disabled = false;
  bool edns = true;     // without: for servers that do not know OPT
  std::size_t pad = 0;  // RFC 8467: 128 on encrypted transports
};

// The name in random case, or as it is.
void set_name(SentQuestion& sent, const Name& name, bool mix_case, base::Random& random) noexcept;
inline constexpr std::size_t max_query = 512;
// The message; returns its size. `out` has max_query octets.
std::size_t write(base::MutableBytes out, const SentQuestion& sent,
                  const QueryFlags& flags) noexcept;

enum class Fit : std::uint8_t {
  no,           // somebody else's: go on waiting
  case_broken,  // all but the letters' case
  refused_opt,  // FORMERR: the server does not know EDNS
  truncated,    // TC is set
  yes,
};
Fit fit(base::Bytes reply, const SentQuestion& sent, bool edns) noexcept;

}  // namespace culvert::dns
