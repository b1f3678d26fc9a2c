// The configuration file of a client, as wg-quick and the WireGuard apps take it, and its QR code.
// Written by `init` and `peer add`, kept as clients/NAME.conf beside the server's configuration.
#pragma once

#include <string>
#include <vector>

#include "app/config.hpp"

namespace culvert::app {

struct ClientFile {
  std::string name;
  const wg::PrivateKey* private_key = nullptr;  // null: the client made its own
  const wg::PresharedKey* preshared_key = nullptr;
  std::vector<base::Prefix> addresses;
  std::vector<std::string> dns;
  std::string endpoint;
  bool guessed_endpoint = false;
};

std::string client_text(const ClientFile& client, const Config& server);
std::string client_text(const ClientFile& client, const wg::PublicKey& server, std::size_t mtu);
std::string client_path(const Config& config, const std::string& name);
// The file of a peer: the one that is kept, with the client's own key; else one made of what the
// server knows, where the client puts its key.
std::string client_file_of(const PeerEntry& peer, const Config& config);
// A name that may be part of a path: letters, digits, '.', '_' and '-', not a dot first.
bool is_client_name(const std::string& name);

// The tunnel addresses: DNS is served there, and what filters a client is.
std::vector<std::string> default_client_dns(const Config& config);
// This host's address on the way to the internet: the local address of a connected UDP socket. No
// packet is sent. "127.0.0.1" where there is no way.
std::string own_address();
// HOST or HOST:PORT, with brackets where they are needed; empty if it is neither.
std::string with_port(const std::string& host, std::uint16_t port);

// UTF-8 half blocks, light on dark; with `colours` the terminal's own are overridden. Empty if the
// text is too long for a QR code.
std::string qr_code(const std::string& text, bool colours);

}  // namespace culvert::app
