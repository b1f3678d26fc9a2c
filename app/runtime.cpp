#include "app/runtime.hpp"

namespace culvert::app {

void write_controls(Runtime& runtime, std::uint32_t slot) {
  const control::PeerEntry& entry = runtime.registry.at(slot)->entry;
  base::PeerControls& controls = runtime.shared.controls(slot);
  const auto place = runtime.groups.place_of(entry.group);
  controls.up.set(entry.policy.up);
  controls.down.set(entry.policy.down);
  controls.group.set(place ? *place + 1 : 0);
}

void write_group_controls(Runtime& runtime) {
  const auto& groups = runtime.groups.list();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    base::GroupControls& controls = runtime.shared.groups()[i];
    controls.up.set(groups[i].total_up);
    controls.down.set(groups[i].total_down);
  }
}

}  // namespace culvert::app
