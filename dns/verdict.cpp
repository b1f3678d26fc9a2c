#include "dns/verdict.hpp"

namespace culvert::dns {

std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::special_name:
      return "special_name";
    case Reason::local_record:
      return "local_record";
    case Reason::peer_allow:
      return "peer_allow";
    case Reason::peer_block:
      return "peer_block";
    case Reason::schedule:
      return "schedule";
    case Reason::list:
      return "list";
    case Reason::canary:
      return "canary";
    case Reason::encrypted_resolver:
      return "encrypted_resolver";
    case Reason::safe_search:
      return "safe_search";
    case Reason::rebinding:
      return "rebinding";
    case Reason::ech:
      return "ech";
    case Reason::no_ipv6:
      return "no_ipv6";
    case Reason::answer_address:
      return "answer_address";
    case Reason::rate:
      return "rate";
    case Reason::in_flight:
      return "in_flight";
  }
  return "unknown";
}

}  // namespace culvert::dns
