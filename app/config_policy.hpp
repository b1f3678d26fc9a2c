// The parts of the configuration that stand in more than one place: egress rules and limits are
// global, of a group and of a peer.
#pragma once

#include <string_view>

#include "app/config_reader.hpp"

namespace culvert::app {

// server.state_dir and server.control_socket; server.uapi_dir and server.interface
void read_paths(TableReader& server, Config& config, Findings& findings);
void read_uapi(TableReader& server, Config& config, Findings& findings);
// allow and deny
void read_egress_rules(TableReader& egress, proxy::EgressRules& rules);
// What one client may have; the rest is of the whole server.
void read_client_limits(TableReader& limits, proxy::Limits& out);
void read_worker_limits(TableReader& limits, proxy::Limits& out);
// dns_*, full_cone, egress, limits
void read_policy(TableReader& table, Policy& policy, Findings& findings);
// [dns] as a whole.
void read_dns(TableReader dns, Config& config, Findings& findings);
void check_dns_records(const Config& config, Findings& findings);  // of check_dns()
// The keys of a DNS policy, each with `prefix` ("dns_" in a group or peer, none in [dns]). `policy`
// is what was inherited; it stays the same object if nothing else is said.
void read_dns_policy(TableReader& table, const std::string& prefix,
                     std::shared_ptr<const dns::Policy>& policy, Findings& findings);
// [], where a key without anything in it makes no sense.
bool is_empty_list(const Node& node);
// Resolvers, as dns::UpstreamAddress reads them. They replace what the field had.
void read_upstreams(TableReader& table, const std::string& key, std::vector<std::string>& field);
// rotate_at and keep of a log.
void read_log_sizes(TableReader& table, std::uint64_t& rotate_at, std::uint64_t& keep,
                    Findings& findings);
// "https://host:8443/path": what the HTTP client takes.
bool is_url(std::string_view text);
// down, up, quota and what belongs to it, expires, hours; of a group (its members are bound each
// for itself, and a quota may come with them) or of a peer. `policy` and `terms` are what was
// inherited.
enum class Whose { members, peer };
void read_allowance(TableReader& table, Whose whose, const control::Calendar& calendar,
                    Policy& policy, QuotaTerms& terms, Findings& findings);
// total_down, total_up, total_quota and what belongs to it
void read_totals(TableReader& table, GroupConfig& group, Findings& findings);

// KEY, or KEY_file with a file of mode 0600; "" if there is neither. The secret is in no finding.
std::string read_secret(TableReader& table, const std::string& key, const Config& config,
                        Findings& findings);

// "name:80", "1.2.3.4:80" or "[::1]:80"; nothing is looked up.
bool is_host_port(std::string_view text);
// The same, looked up in a family of addresses (AF_UNSPEC: any); the reason if it cannot be.
base::Result<base::Endpoint> look_up(const std::string& text, int family);
// A prefix whose host bits are zero (or masked, where the node is lenient); reports what it is not.
bool read_prefix(TableReader& table, std::string_view key, const Node& node, Findings& findings,
                 base::Prefix& out);

}  // namespace culvert::app
