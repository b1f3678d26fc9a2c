#include "control/usage.hpp"

namespace culvert::control {

Usage& Usage::operator+=(const Usage& other) noexcept {
  for (const UsageField& field : usage_fields) this->*field.value += other.*field.value;
  return *this;
}

Usage operator-(const Usage& a, const Usage& b) noexcept {
  Usage difference;
  for (const UsageField& field : usage_fields)
    difference.*field.value = a.*field.value - b.*field.value;
  return difference;
}

Usage usage_of(const base::PeerCounters& counters) noexcept {
  Usage usage;
  usage.up_bytes = counters.up_bytes.get();
  usage.up_packets = counters.up_packets.get();
  usage.down_bytes = counters.down_bytes.get();
  usage.down_packets = counters.down_packets.get();
  usage.up_payload = counters.tcp_up.get() + counters.udp_up.get();
  usage.down_payload = counters.tcp_down.get() + counters.udp_down.get();
  usage.rx_bytes = counters.rx_bytes.get();
  usage.tx_bytes = counters.tx_bytes.get();
  usage.flows = counters.tcp_flows.get() + counters.udp_flows.get() + counters.echo_flows.get();
  usage.denied = counters.denied.get();
  usage.handshakes = counters.handshakes.get();
  return usage;
}

bool ran_backwards(const Usage& before, const Usage& after) noexcept {
  for (const UsageField& field : usage_fields)
    if (after.*field.value < before.*field.value) return true;
  return false;
}

}  // namespace culvert::control
