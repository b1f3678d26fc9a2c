#include "proxy/flow_record.hpp"

namespace culvert::proxy {

std::string_view to_string(FlowRecord::End end) noexcept {
  switch (end) {
    case FlowRecord::End::none:
      return "none";
    case FlowRecord::End::idle:
      return "idle";
    case FlowRecord::End::interim:
      return "interim";
    case FlowRecord::End::finished:
      return "finished";
    case FlowRecord::End::forced:
      return "forced";
    case FlowRecord::End::lack:
      return "lack";
  }
  return "?";
}

std::string_view to_string(FlowRecord::State state) noexcept {
  switch (state) {
    case FlowRecord::State::dialling:
      return "dialling";
    case FlowRecord::State::handshake:
      return "handshake";
    case FlowRecord::State::open:
      return "open";
    case FlowRecord::State::half_closed:
      return "half_closed";
    case FlowRecord::State::closed:
      return "closed";
  }
  return "?";
}

}  // namespace culvert::proxy
