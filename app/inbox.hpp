// Letters between workers: a handshake initiation that reached a worker which does not own the
// peer, and inner packets from a client of one worker to a client of another. One datagram
// socketpair a worker is its inbox; the others write to it. A full inbox drops, like a network.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/pieces.hpp"
#include "wg/outbox.hpp"

namespace culvert::app {

struct Letter {
  enum class Kind : std::uint8_t { initiation = 1, packet = 2 };
  Kind kind = Kind::initiation;
  wg::Path from;     // of an initiation
  base::Bytes body;  // an outer datagram, or an inner IP packet
};

inline constexpr std::size_t letter_head_size = 41;
inline constexpr std::size_t letter_max_size = letter_head_size + 65535;

// Kind, remote (family, 16 bytes of address, port), local (family, address), interface.
void build_letter_head(const Letter& letter, std::span<std::byte, letter_head_size> out) noexcept;
// The body points into `datagram`. Nothing if a length, a kind or a family is wrong.
std::optional<Letter> parse_letter(base::Bytes datagram) noexcept;

// The socketpairs of all workers; the supervisor makes and keeps them, so that letters wait while a
// worker restarts. Throws std::system_error.
struct Inboxes {
  explicit Inboxes(std::size_t workers);
  std::vector<base::FileDescriptor> read_ends, write_ends;
};

// False if the letter was dropped. Never blocks.
bool post_letter(int write_end, const Letter& letter) noexcept;

// Reads up to `max_letters`; true if more may be waiting. The body of a letter is scratch space of
// the handler during the call.
class LetterReader {
 public:
  using OnLetter = std::function<void(const Letter& letter, base::MutableBytes body)>;
  LetterReader() : buffer_(letter_max_size) {}
  bool read(int read_end, std::size_t max_letters, const OnLetter& on_letter) noexcept;

 private:
  std::vector<std::byte> buffer_;
};

}  // namespace culvert::app
