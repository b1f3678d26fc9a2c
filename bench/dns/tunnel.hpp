// Tunnel: a WireGuard client in the program itself, so that what a bench sends costs it less than
// it costs the server, and questions for DNS as inner packets.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "wg/device.hpp"
#include "wg/udp_socket.hpp"

namespace culvert::bench {

using ByteVector = std::vector<std::byte>;

inline constexpr std::uint16_t dns_port = 53;

// Nanoseconds of the clock that the kernel stamps datagrams with.
std::int64_t stamp_now() noexcept;

struct TunnelConfig {
  std::string private_key, server_key;  // base64
  base::Endpoint server;
  base::IpAddress address;   // ours, inside
  base::IpAddress resolver;  // who is asked, inside
};

class Tunnel final : wg::Device::Events {
 public:
  explicit Tunnel(const TunnelConfig& config);

  // Shakes hands; throws std::runtime_error where nobody answers in 10 s.
  void connect();
  void send(base::Bytes packet) noexcept { device_.send(base::Pieces(packet), now_); }
  void flush() noexcept;
  // Takes what has come for at most `wait`; `on_packet` gets each inner packet and when it came.
  using OnPacket = std::function<void(base::Bytes packet, std::int64_t stamp)>;
  void receive(std::chrono::nanoseconds wait, const OnPacket& on_packet);
  // Forgets what has come, without opening it.
  void discard() noexcept;

  // An inner datagram for port 53 of the resolver.
  ByteVector udp(std::uint16_t from, base::Bytes message) const;
  // An inner segment for it.
  ByteVector tcp(std::uint16_t from, std::uint32_t sequence, std::uint32_t acknowledgement,
                 std::uint8_t flags, base::Bytes payload) const;

 private:
  void on_packet(wg::PeerId, base::Packet packet) noexcept override;
  void on_session(wg::PeerId) noexcept override { connected_ = true; }
  void on_session_lost(wg::PeerId) noexcept override {}
  void on_endpoint(wg::PeerId, const wg::Path&) noexcept override {}
  void on_misrouted(unsigned, base::Bytes, const wg::Path&) noexcept override {}
  bool take_one();

  TunnelConfig config_;
  int fd_;
  base::WorkerCounters counters_;
  base::PeerCounters peer_counters_;
  base::SystemRandom random_;
  base::PacketPool packets_{2048, 64};
  wg::UdpSocket socket_;
  wg::Device device_;
  base::Time now_;
  std::int64_t stamp_ = 0;
  const OnPacket* on_packet_ = nullptr;
  bool connected_ = false;
};

// A question for A of `name`, whose labels are divided by dots.
ByteVector question(const std::string& name, std::uint16_t id);

}  // namespace culvert::bench
