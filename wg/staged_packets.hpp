// Inner packets that wait for a session: 128 a peer, the oldest dropped. They lie in memory of
// their own, bounded for all peers of a device together, so that peers who never answer can starve
// neither the packet pool nor each other's traffic. Idle it owns nothing.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "base/pieces.hpp"
#include "wg/messages.hpp"

namespace culvert::wg {

// Bytes staged by all peers of one device.
struct StagingBudget {
  std::size_t left = std::size_t(64) << 20;
};

class StagedPackets {
 public:
  explicit StagedPackets(StagingBudget& budget) noexcept : budget_(budget) {}
  ~StagedPackets() { clear(); }
  StagedPackets(const StagedPackets&) = delete;
  StagedPackets& operator=(const StagedPackets&) = delete;

  // Returns how many packets were dropped for it: old ones of this peer, or the packet itself where
  // others have used the memory up.
  std::size_t add(const base::Pieces& packet) noexcept;
  std::size_t clear() noexcept;  // returns how many there were
  bool empty() const noexcept { return !ring_; }
  std::size_t size() const noexcept { return ring_ ? ring_->count : 0; }

  // Takes the oldest out; nothing if there is none.
  struct Item {
    std::unique_ptr<std::byte[]> data;
    std::size_t size = 0;
    base::Bytes bytes() const noexcept { return {data.get(), size}; }
  };
  std::optional<Item> take() noexcept;

 private:
  struct Ring {
    std::array<Item, max_staged_packets> items;
    std::size_t first = 0, count = 0;
  };

  StagingBudget& budget_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace culvert::wg
