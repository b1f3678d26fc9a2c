// ReverseMap: the names that addresses are known by, found by their reverse names. For LocalZone.
#pragma once

#include <map>
#include <vector>

#include "base/ip.hpp"
#include "dns/name.hpp"

namespace culvert::dns {

class ReverseMap {
 public:
  struct Pointer {
    Name name;
    std::uint32_t ttl = 0;
  };
  using Pointers = std::vector<Pointer>;

  void clear() { pointers_.clear(); }
  // Loopback addresses and 0.0.0.0 are left out: they stand for many names.
  void add(const base::IpAddress& address, const Name& name, std::uint32_t ttl);
  void remove(const base::IpAddress& address, const Name& name);

  struct Found {
    const Pointers* pointers = nullptr;
    bool exists = false;  // it, or names below it: "0.8.10.in-addr.arpa" where 10.8.0.2 is known
  };
  Found find(const Name& reverse_name) const noexcept;

 private:
  struct Less {
    bool operator()(const base::IpAddress& a, const base::IpAddress& b) const noexcept {
      return a.family() != b.family() ? a.family() < b.family() : a < b;
    }
  };
  std::map<base::IpAddress, Pointers, Less> pointers_;
};

}  // namespace culvert::dns
