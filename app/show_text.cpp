#include "app/show_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/human.hpp"

namespace culvert::app {
namespace {

using human::member;
using human::number_of;
using human::text_of;
using nlohmann::json;

constexpr const char *bold = "\033[1m", *plain = "\033[0m", *green = "\033[32m",
                     *yellow = "\033[33m";

class Block {
 public:
  Block(const char* colour, std::string_view kind, const std::string& name, bool colours)
      : colours_(colours) {
    text_ = colours_ ? fmt::format("{0}{1}{3}{2}: {0}{4}{2}\n", colour, bold, plain, kind, name)
                     : fmt::format("{}: {}\n", kind, name);
  }

  void line(std::string_view key, const std::string& value) {
    if (value.empty()) return;
    text_ += colours_ ? fmt::format("  {}{}{}: {}\n", bold, key, plain, value)
                      : fmt::format("  {}: {}\n", key, value);
  }
  std::string take() { return std::move(text_); }

 private:
  bool colours_;
  std::string text_;
};

// "1 GB down, 2 GB up" of the two that are there.
std::string both(const json& of, std::string (*show)(std::uint64_t)) {
  std::string text;
  for (const auto& [key, name] : {std::pair("down", "down"), std::pair("up", "up")})
    if (number_of(of, key) != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", show(number_of(of, key)), name);
  return text;
}

std::string quota_text(const json& quota) {
  if (!quota.is_object()) return {};
  const std::uint64_t bytes = number_of(quota, "bytes"), used = number_of(quota, "used");
  std::string text = fmt::format(
      "{} of {} ({:.1f} %) this {}, resets {}", human::decimal(used), human::decimal(bytes),
      bytes == 0 ? 0.0 : 100.0 * static_cast<double>(used) / static_cast<double>(bytes),
      text_of(quota, "period"), human::local_time(text_of(quota, "resets")));
  const bool throttle = text_of(quota, "action") == "throttle";
  return text + (throttle ? ", then throttled" : ", then stopped");
}

std::string handshake_text(const json& peer, base::WallTime now) {
  const auto when = human::time(text_of(peer, "latest_handshake"));
  if (!when) return {};
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(now - *when);
  return passed.count() <= 0 ? "Now" : human::span(passed) + " ago";
}

std::string flows_text(const json& open) {
  const std::uint64_t tcp = number_of(open, "tcp"), udp = number_of(open, "udp");
  return tcp + udp == 0 ? "" : fmt::format("{} TCP, {} UDP", tcp, udp);
}

std::string transfer_text(const json& peer) {
  const std::uint64_t received = number_of(peer, "rx_bytes"), sent = number_of(peer, "tx_bytes");
  if (received + sent == 0) return {};
  return fmt::format("{} received, {} sent", human::bytes(received), human::bytes(sent));
}

std::string total_text(const json& usage) {
  const std::uint64_t up = number_of(usage, "up_bytes"), down = number_of(usage, "down_bytes");
  if (up + down == 0) return {};
  return fmt::format("{} down, {} up, {} flows, {} denied", human::bytes(down), human::bytes(up),
                     number_of(usage, "flows"), number_of(usage, "denied"));
}

std::string port_of(const json& listen) {
  std::vector<std::string> ports;
  for (const json& each : listen) {
    const std::string text = each.is_string() ? each.get<std::string>() : "";
    const std::string port = human::clean(text.substr(std::min(text.rfind(':') + 1, text.size())));
    if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
  }
  return fmt::format("{}", fmt::join(ports, ", "));
}

}  // namespace

std::string state_text(const json& peer) {
  const std::string why = text_of(peer, "stopped");
  const json& limits = member(peer, "limits");
  if (why == "quota") return "stopped: the quota is used up";
  if (why == "expired") return "stopped: it has expired";
  if (why == "hours") return "stopped: outside its hours";
  if (why == "admission") return "stopped: not admitted";
  const bool connected = member(peer, "connected") == json(true);
  if (member(limits, "throttled") == json(true))
    return connected ? "connected, throttled: the quota is used up" : "throttled";
  return connected ? "connected" : "not connected";
}

std::string interface_text(const json& status, bool colours) {
  Block block(green, "interface", text_of(status, "interface"), colours);
  block.line("public key", text_of(status, "public_key"));
  block.line("private key", "(hidden)");
  block.line("listening port", port_of(member(status, "listen")));
  block.line("address", human::joined(member(status, "address")));
  const json& peers = member(status, "peers");
  block.line("peers", fmt::format("{}, {} connected, {} stopped", number_of(peers, "total"),
                                  number_of(peers, "connected"), number_of(peers, "stopped")));
  block.line("rate", both(member(status, "rates"), human::rate));
  block.line("total", total_text(member(status, "usage")));
  block.line("up for", human::span(std::chrono::seconds(number_of(status, "uptime_seconds"))));
  if (const auto trouble = text_of(member(status, "ledger"), "trouble"); !trouble.empty())
    block.line("accounting", trouble);
  return block.take();
}

std::string peer_text(const json& peer, base::WallTime now, bool colours) {
  Block block(yellow, "peer", text_of(peer, "public_key"), colours);
  block.line("name", text_of(peer, "name"));
  if (member(peer, "has_preshared_key") == json(true)) block.line("preshared key", "(hidden)");
  block.line("endpoint", text_of(peer, "endpoint"));
  const std::string ips = human::joined(member(peer, "allowed_ips"));
  block.line("allowed ips", ips.empty() ? "(none)" : ips);
  block.line("latest handshake", handshake_text(peer, now));
  block.line("transfer", transfer_text(peer));
  if (const auto interval = number_of(peer, "persistent_keepalive"); interval != 0)
    block.line("persistent keepalive", "every " + human::span(std::chrono::seconds(interval)));
  block.line("group", text_of(peer, "group"));
  block.line("state", state_text(peer));
  block.line("rate", both(member(peer, "rates"), human::rate));
  block.line("limit", both(member(peer, "limits"), human::rate));
  block.line("quota", quota_text(member(peer, "quota")));
  block.line("total", total_text(member(peer, "usage")));
  block.line("open flows", flows_text(member(peer, "open_flows")));
  block.line("expires", human::local_time(text_of(peer, "expires")));
  block.line("hours", text_of(peer, "hours"));
  const std::string place = text_of(peer, "place");
  block.line("written at", place.empty() ? "the state database" : place);
  return block.take();
}

std::string peers_text(const json& peers, base::WallTime now, bool colours) {
  std::vector<const json*> order;
  for (const json& peer : peers) order.push_back(&peer);
  std::stable_sort(order.begin(), order.end(), [](const json* a, const json* b) {
    return text_of(*a, "latest_handshake") > text_of(*b, "latest_handshake");
  });
  std::string text;
  for (const json* peer : order) text += "\n" + peer_text(*peer, now, colours);
  return text;
}

}  // namespace culvert::app
