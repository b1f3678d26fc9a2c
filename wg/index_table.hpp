// The receiver indices of one Device: random 32-bit numbers, one for every handshake that waits and
// every session, unique among them. Their low byte (the first on the wire) is the worker's number,
// by which the kernel steers datagrams to the worker's socket; the other 24 bits are unpredictable.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.hpp"

namespace culvert::wg {

class Peer;
class Session;

class IndexTable {
 public:
  struct Entry {
    std::uint32_t index = 0;
    Peer* peer = nullptr;        // none: a free place
    Session* session = nullptr;  // none: the peer's handshake
  };

  IndexTable(unsigned worker, base::Random& random) : worker_(worker & 0xff), random_(random) {}

  std::uint32_t allocate(Peer& peer);
  // A handshake's index lives on as its session's.
  void set_session(std::uint32_t index, Session& session) noexcept;
  void erase(std::uint32_t index) noexcept;
  const Entry* find(std::uint32_t index) const noexcept;
  std::size_t size() const noexcept { return size_; }

 private:
  // The indices are our own random numbers, so their bits are as good as a hash of them.
  std::size_t home(std::uint32_t index) const noexcept {
    return (index >> 8) & (slots_.size() - 1);
  }
  std::size_t place_of(std::uint32_t index) const noexcept;  // its place, or a free one
  void grow();

  unsigned worker_;
  base::Random& random_;
  std::vector<Entry> slots_ = std::vector<Entry>(64);  // a power of two, at most half full
  std::size_t size_ = 0;
};

}  // namespace culvert::wg
