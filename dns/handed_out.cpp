#include "dns/handed_out.hpp"

#include <algorithm>

namespace culvert::dns {
namespace {

std::string_view text_of(const Name& name) noexcept {
  return {reinterpret_cast<const char*>(name.wire().data()), name.size()};
}

}  // namespace

std::uint32_t HandedAddresses::new_slot() {
  if (slots_.size() < most) {
    slots_.emplace_back();
    return std::uint32_t(slots_.size() - 1);
  }
  const std::uint32_t place = oldest_;
  unlink(place);
  places_.erase(slots_[place].address);
  return place;
}

void HandedAddresses::note(const base::IpAddress& address, const Name* name, base::Time until) {
  std::uint32_t place;
  if (const auto known = places_.find(address); known != places_.end()) {
    place = known->second;
    unlink(place);
    until = std::max(until, slots_[place].until);
  } else {
    place = new_slot();
    places_.emplace(address, place);
    slots_[place].address = address;
  }
  Slot& slot = slots_[place];
  slot.until = until;
  if (name == nullptr)
    slot.name.clear();
  else if (slot.name != text_of(*name))
    slot.name = text_of(*name);
  link(place);
}

HandedAddresses::Found HandedAddresses::find(const base::IpAddress& address,
                                             base::Time now) const noexcept {
  const auto known = places_.find(address);
  if (known == places_.end() || slots_[known->second].until < now) return {};
  const std::string& name = slots_[known->second].name;
  return {true, std::as_bytes(std::span(name))};
}

void HandedAddresses::forget_names() noexcept {
  for (Slot& slot : slots_) slot.name = std::string();
}

void HandedAddresses::link(std::uint32_t place) noexcept {
  Slot& slot = slots_[place];
  slot.newer = none;
  slot.older = newest_;
  (newest_ != none ? slots_[newest_].newer : oldest_) = place;
  newest_ = place;
}

void HandedAddresses::unlink(std::uint32_t place) noexcept {
  const Slot& slot = slots_[place];
  (slot.newer != none ? slots_[slot.newer].older : newest_) = slot.older;
  (slot.older != none ? slots_[slot.older].newer : oldest_) = slot.newer;
}

}  // namespace culvert::dns
