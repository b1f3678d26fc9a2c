#include "app/client_file.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <qrencode.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "app/config_files.hpp"
#include "app/config_policy.hpp"

namespace culvert::app {
namespace {

constexpr int quiet_zone = 4;  // light modules around the code (ISO/IEC 18004)

// The local address of a UDP socket connected to `target`; none if there is no route.
base::IpAddress source_towards(const char* target) {
  sockaddr_storage name{};
  socklen_t length = base::Endpoint{*base::IpAddress::parse(target), 9}.to_sockaddr(name);
  const int fd = ::socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  base::IpAddress address;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&name), length) == 0) {
    length = sizeof name;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) == 0)
      address = base::Endpoint::from_sockaddr(name).address;
  }
  ::close(fd);
  return address;
}

}  // namespace

std::string client_text(const ClientFile& client, const Config& server) {
  return client_text(client, wg::public_key_of(server.private_key), server.mtu);
}

std::string client_text(const ClientFile& client, const wg::PublicKey& server, std::size_t mtu) {
  std::vector<std::string> addresses;
  for (const base::Prefix& prefix : client.addresses) addresses.push_back(prefix.to_string());
  std::string text = fmt::format("# {}\n[Interface]\n", client.name);
  text += client.private_key == nullptr
              ? "# PrivateKey = the client's own; only the client has it\n"
              : fmt::format("PrivateKey = {}\n", wg::secret_key_text(*client.private_key));
  text += fmt::format("Address = {}\n", fmt::join(addresses, ", "));
  if (!client.dns.empty()) text += fmt::format("DNS = {}\n", fmt::join(client.dns, ", "));
  text += fmt::format("MTU = {}\n\n[Peer]\nPublicKey = {}\n", mtu, server.to_string());
  if (client.preshared_key != nullptr)
    text += fmt::format("PresharedKey = {}\n", wg::secret_key_text(*client.preshared_key));
  text += "AllowedIPs = 0.0.0.0/0, ::/0\n";
  if (client.guessed_endpoint)
    text +=
        "# The server's own address. Behind NAT write the public one here, and forward the UDP "
        "port.\n";
  return text + fmt::format("Endpoint = {}\nPersistentKeepalive = 25\n", client.endpoint);
}

std::string client_path(const Config& config, const std::string& name) {
  return path_of(config, "clients/" + name + ".conf");
}

std::string client_file_of(const PeerEntry& peer, const Config& config) {
  if (is_client_name(peer.name))
    if (const auto kept = read_file(client_path(config, peer.name))) return kept->text;
  ClientFile client{.name = peer.name, .addresses = peer.allowed_ips, .dns = {}, .endpoint = {}};
  if (!peer.preshared_key.is_zero()) client.preshared_key = &peer.preshared_key;
  client.dns = default_client_dns(config);
  client.guessed_endpoint = config.endpoint.empty();
  client.endpoint = client.guessed_endpoint ? with_port(own_address(), config.listen.front().port)
                                            : config.endpoint;
  return client_text(client, config);
}

bool is_client_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), plain);
}

std::vector<std::string> default_client_dns(const Config& config) {
  std::vector<std::string> out;
  for (const Config::Address& own : config.address) out.push_back(own.address.to_string());
  return out;
}

std::string own_address() {
  for (const char* target : {"9.9.9.9", "2620:fe::fe"})
    if (const base::IpAddress address = source_towards(target)) return address.to_string();
  return "127.0.0.1";
}

std::string with_port(const std::string& host, std::uint16_t port) {
  if (is_host_port(host) && !base::IpAddress::parse(host)) return host;
  const auto address = base::IpAddress::parse(host);
  const std::string whole = address && address->is_v6() ? fmt::format("[{}]:{}", host, port)
                                                        : fmt::format("{}:{}", host, port);
  return is_host_port(whole) ? whole : "";
}

std::string qr_code(const std::string& text, bool colours) {
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_L), QRcode_free);
  if (code == nullptr) return {};
  const int width = code->width;
  const auto light = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= width || y >= width) return true;
    return (code->data[y * width + x] & 1) == 0;
  };
  std::string out;
  for (int y = -quiet_zone; y < width + quiet_zone; y += 2) {
    if (colours) out += "\033[40;37;1m";
    for (int x = -quiet_zone; x < width + quiet_zone; ++x) {
      // Below the last row there is nothing: its lower half stays dark.
      const bool upper = light(x, y), lower_half = y + 1 < width + quiet_zone && light(x, y + 1);
      out += upper ? (lower_half ? "█" : "▀") : (lower_half ? "▄" : " ");
    }
    out += colours ? "\033[0m\n" : "\n";
  }
  return out;
}

}  // namespace culvert::app
