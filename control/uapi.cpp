#include "control/uapi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <set>

namespace culvert::control {
namespace {

constexpr std::size_t longest_key_shown = 40;

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

// The value of a hexadecimal digit, or above 15; without a branch or a table that a key decides on.
unsigned digit_of(char c) noexcept {
  const auto letter = (unsigned(c) | 0x20u) - 'a', number = unsigned(c) - '0';
  const auto is_letter = unsigned(0) - unsigned(letter < 6u),
             is_number = unsigned(0) - unsigned(number < 10u);
  return ((letter + 10) & is_letter) | (number & is_number) | (~(is_letter | is_number) & 0x100u);
}

bool parse_hex(std::string_view text, std::span<std::byte, wg::key_size> out) noexcept {
  if (text.size() != 2 * wg::key_size) return false;
  unsigned any = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    any |= high | low;
    out[i] = std::byte((high << 4 | low) & 0xff);
  }
  return any < 0x100;
}

std::optional<base::Secret<wg::key_size>> parse_secret(std::string_view text) {
  base::Secret<wg::key_size> key;
  if (!parse_hex(text, key.mutable_bytes())) return {};
  return key;
}

// replace_peers removes all peers and then adds those that are named, so these begin with nothing
// but what is said of them; the server keeps their sessions.
void make_peers_new(std::vector<PeerChange>& peers) {
  std::set<wg::PublicKey> seen;
  for (PeerChange& peer : peers) {
    if (!seen.insert(peer.public_key).second) continue;
    if (!peer.preshared_key) peer.preshared_key.emplace();
    if (!peer.persistent_keepalive) peer.persistent_keepalive = std::chrono::seconds(0);
    peer.replace_allowed_ips = true;
    if (peer.update_only) peer.remove = true;  // there was none to update any more
  }
}

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, longest_key_shown));
  for (char& c : shown)
    if (c < 0x20 || c > 0x7e) c = '?';
  return shown;
}

bool is_of(const Problem& problem, std::string_view field) noexcept {
  return std::ranges::find(problem.fields, field, &FieldProblem::field) != problem.fields.end();
}

class Printer {
 public:
  explicit Printer(WipedText& text) : text_(text) {}

  template <class T>
  void line(std::string_view key, const T& value) {
    fmt::format_to(std::back_inserter(text_), "{}={}\n", key, value);
  }
  void key_line(std::string_view name, std::span<const std::byte, wg::key_size> key) {
    text_.insert(text_.end(), name.begin(), name.end());
    text_.push_back('=');
    for (const std::byte byte : key) {
      hex_digit(std::to_integer<unsigned>(byte) >> 4);
      hex_digit(std::to_integer<unsigned>(byte) & 15);
    }
    text_.push_back('\n');
  }

 private:
  void hex_digit(unsigned value) {
    text_.push_back(char('0' + value + (unsigned('a' - '0' - 10) & (0u - unsigned(value > 9)))));
  }
  WipedText& text_;
};

void print_peer(Printer& out, const Peer& peer, const base::PeerCounters& counters) {
  const PeerEntry& entry = peer.entry;
  out.key_line("public_key", entry.public_key.bytes);
  out.key_line("preshared_key", entry.preshared_key.bytes());
  out.line("protocol_version", 1);
  if (peer.endpoint) out.line("endpoint", peer.endpoint->to_string());
  constexpr std::uint64_t second = 1'000'000'000;
  const std::uint64_t handshake = counters.last_handshake.get();
  out.line("last_handshake_time_sec", handshake / second);
  out.line("last_handshake_time_nsec", handshake % second);
  out.line("tx_bytes", counters.tx_bytes.get());
  out.line("rx_bytes", counters.rx_bytes.get());
  out.line("persistent_keepalive_interval", entry.persistent_keepalive.count());
  for (const base::Prefix& prefix : entry.allowed_ips) out.line("allowed_ip", prefix.to_string());
}

}  // namespace

bool UapiRequest::take(std::string_view line) {
  ++lines_;
  bytes_ += line.size() + 1;
  if (line.empty()) {
    if (operation_ == Operation::none) refuse(EPROTO, "", "a request begins with get=1 or set=1");
    return true;
  }
  if (error_ != 0) return false;
  if (line.size() > max_line || bytes_ > max_bytes) {
    refuse(EMSGSIZE, "", "too long");
    return false;
  }
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) {
    refuse(EPROTO, "", "expected KEY=VALUE");
    return false;
  }
  const std::string_view key = line.substr(0, equals), value = line.substr(equals + 1);
  if (operation_ == Operation::none)
    take_operation(key, value);
  else if (operation_ == Operation::get)
    refuse(EINVAL, key, "nothing follows get=1");
  else if (key == "public_key")
    take_public_key(value);
  else if (change_.peers.empty())
    take_device_key(key, value);
  else
    take_peer_key(change_.peers.back(), key, value);
  return false;
}

void UapiRequest::refuse(int error, std::string_view key, std::string_view reason) {
  if (error_ != 0) return;
  error_ = -error;
  reason_ = fmt::format("line {}: {}{}{}", lines_, printable(key), key.empty() ? "" : ": ", reason);
}

void UapiRequest::take_operation(std::string_view key, std::string_view value) {
  operation_ = key == "set" ? Operation::set : Operation::get;
  if (key != "get" && key != "set") refuse(EINVAL, key, "expected get=1 or set=1");
  if (value != "1") refuse(EINVAL, key, "expected version 1");
}

void UapiRequest::take_device_key(std::string_view key, std::string_view value) {
  if (key == "private_key") return take_private_key(value);
  if (key == "replace_peers") return take_flag(change_.replace_peers, key, value);
  if (key == "listen_port") {
    const auto port = parse_number<std::uint16_t>(value);
    if (!port) return refuse(EINVAL, key, "expected 0 to 65535");
    // 0 = any port will do, which setconf and syncconf send where the file names none. The present
    // one is any port, and clients know it.
    if (*port != 0) change_.listen_port = *port;
    return;
  }
  if (key == "fwmark") {
    change_.fwmark = parse_number<std::uint32_t>(value);
    if (!change_.fwmark) refuse(EINVAL, key, "expected 0 to 4294967295");
    return;
  }
  refuse(EINVAL, key, "no such key of a device");
}

// The protocol's zeros remove the key, and wg(8) sends them for a file without PrivateKey. A server
// without a key is none: its clients would be cut off by what is almost surely an oversight.
void UapiRequest::take_private_key(std::string_view value) {
  change_.private_key = parse_secret(value);
  if (!change_.private_key) return refuse(EINVAL, "private_key", "expected 64 hexadecimal digits");
  if (change_.private_key->is_zero())
    refuse(EOPNOTSUPP, "private_key",
           "a running server cannot be without one (is PrivateKey missing?)");
}

void UapiRequest::take_public_key(std::string_view value) {
  PeerChange& peer = change_.peers.emplace_back();
  if (!parse_hex(value, peer.public_key.bytes))
    refuse(EINVAL, "public_key", "expected 64 hexadecimal digits");
}

void UapiRequest::take_peer_key(PeerChange& peer, std::string_view key, std::string_view value) {
  if (key == "allowed_ip") return take_allowed_ip(peer, value);
  if (key == "update_only") return take_flag(peer.update_only, key, value);
  if (key == "remove") return take_flag(peer.remove, key, value);
  if (key == "preshared_key") {
    peer.preshared_key = parse_secret(value);
    if (!peer.preshared_key) refuse(EINVAL, key, "expected 64 hexadecimal digits");
  } else if (key == "endpoint") {
    peer.endpoint = base::Endpoint::parse(value);
    if (!peer.endpoint || peer.endpoint->port == 0)
      refuse(EINVAL, key, "expected ADDRESS:PORT or [ADDRESS]:PORT");
  } else if (key == "persistent_keepalive_interval") {
    const auto seconds = parse_number<std::uint16_t>(value);
    if (!seconds) return refuse(EINVAL, key, "expected 0 to 65535 seconds");
    peer.persistent_keepalive = std::chrono::seconds(*seconds);
  } else if (key == "replace_allowed_ips") {
    take_flag(peer.replace_allowed_ips, key, value);
    peer.allowed_ips.clear();  // those named before it are replaced too
  } else if (key == "protocol_version") {
    if (value != "1") refuse(EINVAL, key, "expected 1");
  } else {
    refuse(EINVAL, key, "no such key of a peer");
  }
}

void UapiRequest::take_allowed_ip(PeerChange& peer, std::string_view value) {
  const bool remove = value.starts_with('-');
  if (remove) value.remove_prefix(1);
  const auto prefix = base::Prefix::parse(value);
  if (!prefix || value.find('/') == std::string_view::npos)
    return refuse(EINVAL, "allowed_ip", "expected ADDRESS/LENGTH");
  peer.allowed_ips.push_back({*prefix, remove});
}

void UapiRequest::take_flag(bool& flag, std::string_view key, std::string_view value) {
  flag = value == "true";
  if (!flag) refuse(EINVAL, key, "expected true");
}

DeviceChange UapiRequest::take_change(const wg::PublicKey& own) {
  if (change_.replace_peers) make_peers_new(change_.peers);
  const wg::PublicKey key = change_.private_key ? wg::public_key_of(*change_.private_key) : own;
  std::erase_if(change_.peers, [&](const PeerChange& peer) { return peer.public_key == key; });
  return std::move(change_);
}

WipedText print_uapi(const Server& server) {
  WipedText text;
  const auto peers = server.peers();
  text.reserve(512 + peers.size() * 640);
  Printer out(text);
  out.key_line("private_key", server.private_key().bytes());
  const ServerInfo& info = server.info();
  if (!info.listen.empty()) out.line("listen_port", info.listen.front().port);
  if (server.fwmark() != 0) out.line("fwmark", server.fwmark());
  for (const Peer* peer : peers) print_peer(out, *peer, server.counters(peer->slot));
  out.line("errno", 0);
  text.push_back('\n');
  return text;
}

std::string uapi_status(int error) {
  return fmt::format("errno={}\n\n", error);
}

int errno_of(const Problem& problem) noexcept {
  switch (problem.status) {
    case 401:
    case 403:
      return -EPERM;
    case 404:
      return -ENOENT;
    case 409:
      return is_of(problem, "listen_port") ? -EADDRINUSE : -EEXIST;
    case 413:
      return -EMSGSIZE;
    case 501:
      return -EOPNOTSUPP;
    case 503:
      return -EBUSY;
    case 507:
      return -ENOSPC;
    default:
      return problem.status >= 500 ? -EIO : -EINVAL;
  }
}

}  // namespace culvert::control
