#include "control/host_limits.hpp"

#include <sys/resource.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace culvert::control {
namespace {

std::vector<std::uint64_t> numbers_of(const std::string& name) {
  std::ifstream file("/proc/sys/net/" + name);
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t number; file >> number;) numbers.push_back(number);
  return numbers;
}

double percent(std::uint64_t part, std::uint64_t all) {
  return all > 0 ? double(part * 1000 / all) / 10 : 0;
}

void add_files(nlohmann::ordered_json& to) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  to["nofile_soft"] = limit.rlim_cur, to["nofile_hard"] = limit.rlim_max;
}

void add_ports(nlohmann::ordered_json& to, std::uint64_t in_use) {
  const auto range = numbers_of("ipv4/ip_local_port_range");
  if (range.size() != 2 || range[1] < range[0]) return;
  const std::uint64_t size = range[1] - range[0] + 1;
  to["eph_low"] = range[0], to["eph_high"] = range[1], to["eph_size"] = size;
  to["eph_used_est"] = in_use, to["eph_util_pct"] = percent(in_use, size);
}

void add_tracking(nlohmann::ordered_json& to) {
  const auto used = numbers_of("netfilter/nf_conntrack_count");
  const auto most = numbers_of("netfilter/nf_conntrack_max");
  if (used.empty() || most.empty()) return;
  to["ct_used"] = used[0], to["ct_max"] = most[0], to["ct_util_pct"] = percent(used[0], most[0]);
}

void add_memory(nlohmann::ordered_json& to) {
  for (const char* name : {"rmem_max", "wmem_max"})
    if (const auto value = numbers_of(std::string("core/") + name); !value.empty())
      to[name] = value[0];
  const auto triple = [&](const char* name, const char*(&&parts)[3]) {
    const auto values = numbers_of(std::string("ipv4/") + name);
    for (std::size_t i = 0; values.size() == 3 && i < 3; ++i)
      to[std::string(name) + parts[i]] = values[i];
  };
  for (const char* name : {"tcp_mem", "udp_mem"}) triple(name, {"_low", "_pressure", "_high"});
  for (const char* name : {"tcp_rmem", "tcp_wmem"}) triple(name, {"_min", "_default", "_max"});
}

}  // namespace

void add_host_limits(nlohmann::ordered_json& to, std::uint64_t ports_in_use) {
  add_files(to);
  add_ports(to, ports_in_use);
  add_tracking(to);
  add_memory(to);
}

}  // namespace culvert::control
