// HandedAddresses: which addresses our answers gave to one client, for which name, and until when.
// The oldest go first; what is given again becomes the newest. Owned by the resolver, one for each
// client whose policy needs it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip.hpp"
#include "base/time.hpp"
#include "dns/name.hpp"

namespace culvert::dns {

class HandedAddresses {
 public:
  static constexpr std::size_t most = 4096;

  // `name`: null where names are not to be kept.
  void note(const base::IpAddress& address, const Name* name, base::Time until);

  struct Found {
    bool known = false;
    base::Bytes name;  // wire form; empty = not kept
  };
  Found find(const base::IpAddress& address, base::Time now) const noexcept;
  void forget_names() noexcept;
  std::size_t size() const noexcept { return slots_.size(); }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  struct Slot {
    base::IpAddress address;
    base::Time until;
    std::string name;
    std::uint32_t newer = none, older = none;
  };
  void link(std::uint32_t place) noexcept;
  void unlink(std::uint32_t place) noexcept;
  std::uint32_t new_slot();

  std::vector<Slot> slots_;
  std::unordered_map<base::IpAddress, std::uint32_t, base::IpAddressHash> places_;
  std::uint32_t newest_ = none, oldest_ = none;
};

}  // namespace culvert::dns
