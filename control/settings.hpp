// The configuration of the control plane: [accounting], [[webhook]], [admission], and what [server]
// says of its doors.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"

namespace culvert::control {

struct FlowLogSettings {
  std::string path;                    // "" = off
  std::uint64_t rotate_at = 64 << 20;  // bytes of one file
  std::uint64_t keep = 512 << 20;      // bytes of all its files; the oldest go
  friend bool operator==(const FlowLogSettings&, const FlowLogSettings&) = default;
};

struct IpfixSettings {
  std::optional<base::Endpoint> collector;  // UDP; none = off
  std::uint32_t observation_domain = 1;
  std::chrono::seconds template_interval{60};
  friend bool operator==(const IpfixSettings&, const IpfixSettings&) = default;
};

struct AccountingSettings {
  std::string database;   // a connection string of SOCI; "" = SQLite in state_dir
  std::string time_zone;  // an IANA name; "" = the system's
  FlowLogSettings flow_log;
  IpfixSettings ipfix;
  std::chrono::seconds active_timeout{300};  // interim records of long flows
  std::size_t top_destinations = 100;        // remembered per client; 0 = off
  std::chrono::hours keep_minutes{48}, keep_hours{24 * 90}, keep_days{24 * 366 * 5};
  friend bool operator==(const AccountingSettings&, const AccountingSettings&) = default;
};

enum class EventKind : std::uint8_t {
  connect,
  disconnect,
  quota,
  denied_burst,
  worker_restarted,
  peer_added,
  peer_removed,
  reloaded,
  state_failed,
  state_recovered,
  list_updated,
  list_failed
};

struct WebhookSettings {
  std::string url;                // http or https
  std::string secret;             // of the HMAC-SHA256; "" = not signed
  std::vector<EventKind> events;  // empty = all
  std::string ca_file;            // "" = the system's
  friend bool operator==(const WebhookSettings&, const WebhookSettings&) = default;
};

struct AdmissionSettings {
  enum class Kind : std::uint8_t { off, command, http };
  Kind kind = Kind::off;
  std::vector<std::string> command;  // program and arguments
  std::string url;                   // http or https
  std::string secret;                // signs the request as a webhook's
  std::chrono::seconds ttl{60};      // how long a verdict holds; then it is asked again
  std::chrono::seconds timeout{5};
  bool fail_open = false;  // the verdict where none is to be had
  friend bool operator==(const AdmissionSettings&, const AdmissionSettings&) = default;
};

struct StatusLineSettings {
  std::chrono::seconds interval{0};  // 0 = off
  bool json = false;
  friend bool operator==(const StatusLineSettings&, const StatusLineSettings&) = default;
};

struct Settings {
  std::string
      token;  // of the API over TCP (server.http_token or http_token_file); "" = not offered
  AccountingSettings accounting;
  std::vector<WebhookSettings> webhooks;
  AdmissionSettings admission;
  StatusLineSettings status_line;
};

}  // namespace culvert::control
