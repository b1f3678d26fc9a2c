// What the kernel says of a process of ours (proc(5)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace culvert::control {

struct ProcessStats {
  double cpu_seconds = 0;  // user and system
  std::uint64_t resident_bytes = 0, virtual_bytes = 0;
};

std::optional<ProcessStats> process_stats(int pid) noexcept;
// Of this process; 0 if it cannot be counted.
std::size_t open_descriptors() noexcept;

}  // namespace culvert::control
