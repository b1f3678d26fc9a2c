#include "dns/query_record.hpp"

namespace culvert::dns {

std::string_view to_string(QueryRecord::How how) noexcept {
  switch (how) {
    case QueryRecord::How::local:
      return "local";
    case QueryRecord::How::cached:
      return "cached";
    case QueryRecord::How::stale:
      return "stale";
    case QueryRecord::How::forwarded:
      return "forwarded";
    case QueryRecord::How::blocked:
      return "blocked";
    case QueryRecord::How::rewritten:
      return "rewritten";
    case QueryRecord::How::failed:
      return "failed";
    case QueryRecord::How::refused:
      return "refused";
  }
  return "unknown";
}

}  // namespace culvert::dns
