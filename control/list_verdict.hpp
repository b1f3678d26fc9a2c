// What arrived in the place of a list: is it one, and is it likely to be what it was?
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dns/list_parser.hpp"

namespace culvert::control {

// A file of ours may be cut down by hand; from so many rules on, it was not by hand.
inline constexpr std::uint64_t guarded_file = 1000;

// Why it is refused, in words; "" = it is not. `before`: the rules of the copy it would replace.
// `fetched`: it came over the network.
std::string refuse_list(const dns::ListReport& arrived, std::optional<std::uint64_t> before,
                        bool fetched);

// "12 lines not understood (first: line 3), 1 of a public suffix (first: line 9)"; "" if none.
std::string describe_faults(const dns::ListReport& report);

}  // namespace culvert::control
