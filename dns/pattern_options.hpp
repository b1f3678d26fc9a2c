// How patterns of lists are read: the same where a line is checked and where rules are looked up.
// Only list_pattern.cpp and pattern_set.cpp include it.
#pragma once

#include <re2/re2.h>

namespace culvert::dns {

inline RE2::Options pattern_options(std::int64_t max_memory) {
  RE2::Options out(RE2::Quiet);
  out.set_max_mem(max_memory);
  out.set_encoding(RE2::Options::EncodingLatin1);  // names are octets
  out.set_never_capture(true);
  return out;
}

}  // namespace culvert::dns
