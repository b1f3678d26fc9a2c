// The share of one worker in the limits that count for all workers together.
#pragma once

#include <algorithm>

#include "proxy/limits.hpp"

namespace culvert::app {

inline proxy::Limits limits_per_worker(proxy::Limits limits, unsigned workers) noexcept {
  const auto share = [workers](std::size_t& total) {
    if (total > 0) total = std::max<std::size_t>(1, total / workers);
  };
  share(limits.tcp_flows_total);
  share(limits.tcp_dials_total);
  share(limits.new_flows_per_second_total);
  share(limits.udp_mappings_total);
  return limits;
}

}  // namespace culvert::app
