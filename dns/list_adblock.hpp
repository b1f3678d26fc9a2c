// The two halves of an Adblock rule. Each fills its part of the rule; false: the line gives no
// rule, and that is counted.
#pragma once

#include <string_view>

#include "dns/list_sink.hpp"

namespace culvert::dns {

// "||name^", "|name^", "://name^", "name", "*.name", "/expression/", a mask with '*', or an address.
bool read_pattern(std::string_view pattern, Rule& rule, ListSink& sink);
// What follows the '$'.
bool read_modifiers(std::string_view text, Rule& rule, bool& badfilter, ListSink& sink);
// The value of $dnsrewrite: a short form or "RCODE;TYPE;VALUE".
bool read_dnsrewrite(std::string_view value, Rule& rule, ListSink& sink);
// A rewrite to a record that is no address and no CNAME; false if its type is none of the
// usual, or the value none of its type.
bool set_record(std::string_view type, std::string_view value, Rule& rule);

}  // namespace culvert::dns
