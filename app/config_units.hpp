// How people write durations, sizes, rates and quotas; read by the configuration.
//   2h4m  120s  1d            20  (a bare number is seconds)
//   256KiB  1MiB  200GB       K, M, G, T are powers of 1000 with B, of 1024 with iB
//   50mbit  1.5gbit  800kbit  bits per second
//   200GB/month               per day, week or month
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "app/config.hpp"

namespace culvert::app {

std::optional<std::chrono::seconds> parse_duration(std::string_view text);
std::optional<std::uint64_t> parse_size(std::string_view text);  // bytes
std::optional<std::uint64_t> parse_rate(std::string_view text);  // bits per second
std::optional<Quota> parse_quota(std::string_view text);

}  // namespace culvert::app
