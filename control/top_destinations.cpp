#include "control/top_destinations.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

void sort(std::vector<Destination>& of) {
  std::ranges::sort(of, [](const Destination& a, const Destination& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.address < b.address;
  });
}

}  // namespace

void TopDestinations::add(std::uint32_t slot, const base::IpAddress& origin, std::uint64_t up,
                          std::uint64_t down, std::uint64_t flows) {
  if (counters_ == 0) return;
  std::vector<Destination>& of = clients_[slot];
  auto place = std::ranges::find(of, origin, &Destination::address);
  if (place == of.end()) {
    if (of.size() < counters_) {
      of.push_back({.address = origin});
      place = of.end() - 1;
    } else {
      // The newcomer takes the smallest counter and inherits its weight as its possible error.
      place = std::ranges::min_element(of, {}, &Destination::weight);
      *place = {.address = origin, .weight = place->weight, .error = place->weight};
    }
  }
  place->weight += up + down;
  place->up += up, place->down += down, place->flows += flows;
}

std::vector<Destination> TopDestinations::snapshot(std::uint32_t slot) const {
  const auto found = clients_.find(slot);
  if (found == clients_.end()) return {};
  std::vector<Destination> of = found->second;
  sort(of);
  return of;
}

void TopDestinations::drain(
    const std::function<void(std::uint32_t, std::span<const Destination>)>& each) {
  for (auto& [slot, of] : clients_) {
    sort(of);
    each(slot, of);
  }
  clients_.clear();
}

}  // namespace culvert::control
