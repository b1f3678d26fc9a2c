#include "wg/staged_packets.hpp"

#include <new>
#include <utility>

namespace culvert::wg {

std::size_t StagedPackets::add(const base::Pieces& packet) noexcept {
  std::size_t dropped = 0;
  while (size() == max_staged_packets || (!empty() && packet.size() > budget_.left)) {
    take();
    ++dropped;
  }
  if (packet.size() > budget_.left) return dropped + 1;
  Item item{std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[packet.size()]),
            packet.size()};
  if (!item.data) return dropped + 1;
  if (!ring_) ring_.reset(new (std::nothrow) Ring);
  if (!ring_) return dropped + 1;
  packet.copy_to({item.data.get(), item.size});
  budget_.left -= item.size;
  ring_->items[(ring_->first + ring_->count++) % max_staged_packets] = std::move(item);
  return dropped;
}

std::optional<StagedPackets::Item> StagedPackets::take() noexcept {
  if (!ring_) return std::nullopt;
  Item item = std::move(ring_->items[ring_->first]);
  ring_->first = (ring_->first + 1) % max_staged_packets;
  if (--ring_->count == 0) ring_.reset();
  budget_.left += item.size;
  return item;
}

std::size_t StagedPackets::clear() noexcept {
  const std::size_t count = size();
  while (take()) {
  }
  return count;
}

}  // namespace culvert::wg
