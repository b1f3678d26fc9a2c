// What the kernel allows this network namespace, and how much of it is used (proc(5)).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace culvert::control {

// As members for srv_limits; what the kernel does not tell is left out. `ports_in_use`: of the
// ephemeral range, estimated.
void add_host_limits(nlohmann::ordered_json& to, std::uint64_t ports_in_use);

}  // namespace culvert::control
