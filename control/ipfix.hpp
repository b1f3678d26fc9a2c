// IPFIX: flow records to a collector over UDP (RFC 7011, elements of RFC 7012), one bidirectional
// record each (RFC 5103): source is who opened the flow, the reverse elements count what came back.
//
// Counts are deltas since the flow's last record. Templates go out at start, every
// template_interval and when a collector that was away is back. A collector that is away costs
// records, counted, and no time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "control/flow_change.hpp"
#include "control/settings.hpp"

namespace culvert::control {

// The bytes of messages; no socket, no clock.
class IpfixEncoder {
 public:
  static constexpr std::size_t max_message = 1400;
  // Templates: IPv4 and IPv6, with ports and for ICMP echo.
  enum Template : std::uint16_t { transport4 = 256, transport6, echo4, echo6 };

  explicit IpfixEncoder(std::uint32_t domain) : domain_(domain) { begin(); }

  void add_templates();                // into an empty message
  bool add(const FlowChange& change);  // false: no room, finish() first
  bool empty() const noexcept { return bytes_.size() == header_size; }
  std::size_t records() const noexcept { return records_; }  // of flows, in this message
  // Completes the message; it holds until begin().
  std::span<const std::uint8_t> finish(base::WallTime when);
  void begin();

 private:
  static constexpr std::size_t header_size = 16;

  void put(std::uint64_t value, std::size_t size);
  void put_at(std::size_t place, std::uint64_t value, std::size_t size);
  void put(const base::IpAddress& address);
  void put(std::string_view text);
  void open_set(std::uint16_t id);
  void close_set();
  void put_template(Template id);
  void put_record(const FlowChange& change, bool echo);

  std::uint32_t domain_;
  std::uint32_t sequence_ = 0;  // data records of all messages before this one
  std::vector<std::uint8_t> bytes_;
  std::size_t set_ = 0;  // where the open set begins; 0 = none
  std::uint16_t set_id_ = 0;
  std::size_t records_ = 0;
};

class IpfixExporter {
 public:
  struct Stats {
    std::uint64_t messages = 0, records = 0;  // that left
    std::uint64_t failed = 0, lost = 0;  // messages that did not or were refused; records in them
  };

  explicit IpfixExporter(const IpfixSettings& settings);
  ~IpfixExporter();
  IpfixExporter(const IpfixExporter&) = delete;
  IpfixExporter& operator=(const IpfixExporter&) = delete;

  void add(const FlowChange& change, base::Time now, base::WallTime wall);
  // Sends templates when they are due, and a message that waits since the last second.
  void tick(base::Time now, base::WallTime wall);
  void flush(base::WallTime wall);

  const Stats& stats() const noexcept { return stats_; }
  const std::string& trouble() const noexcept { return trouble_; }  // empty = messages leave

 private:
  bool open() noexcept;
  int send(std::span<const std::uint8_t> message) noexcept;  // errno, or 0
  void send_templates(base::Time now, base::WallTime wall);
  void failed(std::size_t records, int error);

  IpfixSettings settings_;
  IpfixEncoder encoder_;
  int fd_ = -1;
  base::Time next_templates_{}, due_ = base::never;
  std::size_t last_records_ = 0;  // of the last message that left
  Stats stats_;
  std::string trouble_;
};

}  // namespace culvert::control
