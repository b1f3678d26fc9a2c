// Owners in RPZ zone files: their place in the zone, and the trigger that is left without it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ip.hpp"

namespace culvert::dns {

class RpzOrigin {
 public:
  void set_origin(std::string_view name);  // $ORIGIN
  void set_zone(std::string_view owner);   // of the SOA

  // The name without the zone's, and without a last dot; none if it is outside. "" is the zone's
  // own. The view lives until the next call, or as `owner`.
  std::optional<std::string_view> trigger(std::string_view owner);
  // A name in RDATA, with all its labels.
  std::string absolute(std::string_view name) const;

 private:
  std::string origin_, zone_;  // without the last dot; "" = not known
  std::string text_;
};

// "24.0.2.0.192" and "48.zz.101.db8.2001" (before ".rpz-ip"): the length, then the address with
// its parts in reverse; "zz" is "::".
std::optional<base::Prefix> parse_rpz_address(std::string_view text);

}  // namespace culvert::dns
