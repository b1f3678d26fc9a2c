#include "tunnel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <stdexcept>

#include "base/checksum.hpp"
#include "base/headers.hpp"

namespace culvert::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t largest = 2048;

ByteVector packet_of(const base::IpHeaderSpec& spec, base::Bytes upper) {
  std::array<std::byte, base::max_ip_header> header;
  const std::size_t size = base::build_ip_header(spec, upper.size(), header);
  ByteVector packet(header.begin(), header.begin() + std::ptrdiff_t(size));
  packet.insert(packet.end(), upper.begin(), upper.end());
  return packet;
}

base::IpHeaderSpec header_of(const TunnelConfig& config, std::uint8_t protocol) {
  base::IpHeaderSpec spec;
  spec.source = config.address;
  spec.destination = config.resolver;
  spec.protocol = protocol;
  return spec;
}

void set_checksum(const base::IpHeaderSpec& spec, ByteVector& upper, std::size_t field) {
  const std::uint64_t sum = base::pseudo_header_sum(spec.source, spec.destination, spec.protocol,
                                                    std::uint32_t(upper.size()));
  base::store_be16(&upper[field], base::checksum_finish(base::checksum_add(upper, sum)));
}

}  // namespace

std::int64_t stamp_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

Tunnel::Tunnel(const TunnelConfig& config)
    : config_(config),
      fd_(wg::bind_udp({base::IpAddress::any(config.server.address.family()), 0}, false)),
      socket_(config.server.address.is_v4() ? fd_ : -1, config.server.address.is_v4() ? -1 : fd_,
              {.gro = false}, counters_),
      device_({.private_key = wg::parse_secret_key(config.private_key).value(),
               .wall_clock = [] { return base::WallTime(std::chrono::system_clock::now()); }},
              socket_, *this, packets_, random_, counters_),
      now_(base::BootClock::now()) {
  const int on = 1;
  ::setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  wg::PeerConfig peer;
  peer.public_key = wg::PublicKey::parse(config.server_key).value();
  peer.allowed_ips = {*base::Prefix::parse("0.0.0.0/0"), *base::Prefix::parse("::/0")};
  peer.endpoint = config.server;
  if (!device_.add_peer(std::move(peer), peer_counters_, now_))
    throw std::runtime_error("the server's key cannot be used");
}

void Tunnel::connect() {
  const base::Time limit = now_ + std::chrono::seconds(10);
  const ByteVector probe = udp(1023, question("connect.invalid", 1));
  send(probe);
  while (!connected_) {
    if (now_ > limit) throw std::runtime_error("the server does not shake hands");
    flush();
    receive(milliseconds(50), [this](base::Bytes, std::int64_t) { connected_ = true; });
  }
}

void Tunnel::flush() noexcept {
  now_ = base::BootClock::now();
  if (device_.next_deadline() <= now_) device_.tick(now_);
  socket_.flush();
}

void Tunnel::receive(std::chrono::nanoseconds wait, const OnPacket& on_packet) {
  on_packet_ = &on_packet;
  pollfd readable{fd_, POLLIN, 0};
  const timespec most{std::chrono::duration_cast<std::chrono::seconds>(wait).count(),
                      (wait % std::chrono::seconds(1)).count()};
  ::ppoll(&readable, 1, &most, nullptr);
  now_ = base::BootClock::now();
  while (take_one()) {
  }
  on_packet_ = nullptr;
}

bool Tunnel::take_one() {
  std::array<std::byte, largest> room;
  alignas(cmsghdr) std::array<std::byte, 256> control;
  iovec place{room.data(), room.size()};
  sockaddr_storage name{};
  msghdr header{};
  header.msg_name = &name, header.msg_namelen = sizeof name;
  header.msg_iov = &place, header.msg_iovlen = 1;
  header.msg_control = control.data(), header.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(fd_, &header, MSG_DONTWAIT);
  if (size < 0) return false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS) continue;
    timespec at{};
    std::memcpy(&at, CMSG_DATA(c), sizeof at);
    stamp_ = std::int64_t(at.tv_sec) * 1'000'000'000 + at.tv_nsec;
  }
  device_.receive({room.data(), std::size_t(size)}, {base::Endpoint::from_sockaddr(name), {}, 0},
                  now_);
  return true;
}

void Tunnel::discard() noexcept {
  std::byte one;
  while (::recv(fd_, &one, sizeof one, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
  }
}

void Tunnel::on_packet(wg::PeerId, base::Packet packet) noexcept {
  if (on_packet_ != nullptr) (*on_packet_)(packet.bytes(), stamp_);
}

ByteVector Tunnel::udp(std::uint16_t from, base::Bytes message) const {
  const base::IpHeaderSpec spec = header_of(config_, 17);
  ByteVector upper(8);
  base::store_be16(&upper[0], from);
  base::store_be16(&upper[2], dns_port);
  base::store_be16(&upper[4], std::uint16_t(8 + message.size()));
  upper.insert(upper.end(), message.begin(), message.end());
  set_checksum(spec, upper, 6);
  return packet_of(spec, upper);
}

ByteVector Tunnel::tcp(std::uint16_t from, std::uint32_t sequence, std::uint32_t acknowledgement,
                       std::uint8_t flags, base::Bytes payload) const {
  const base::IpHeaderSpec spec = header_of(config_, 6);
  ByteVector upper(20);
  base::store_be16(&upper[0], from);
  base::store_be16(&upper[2], dns_port);
  base::store_be32(&upper[4], sequence);
  base::store_be32(&upper[8], acknowledgement);
  upper[12] = std::byte{0x50};
  upper[13] = std::byte{flags};
  base::store_be16(&upper[14], 65535);
  upper.insert(upper.end(), payload.begin(), payload.end());
  set_checksum(spec, upper, 16);
  return packet_of(spec, upper);
}

ByteVector question(const std::string& name, std::uint16_t id) {
  ByteVector message(12);
  base::store_be16(&message[0], id);
  message[2] = std::byte{1};  // RD
  message[5] = std::byte{1};  // one question
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    message.push_back(std::byte(end - at));
    for (; at < end; ++at) message.push_back(std::byte(name[at]));
    ++at;
  }
  for (const int octet : {0, 0, 1, 0, 1}) message.push_back(std::byte(octet));
  return message;
}

}  // namespace culvert::bench
