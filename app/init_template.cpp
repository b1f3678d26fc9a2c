#include "app/init_template.hpp"

#include <fmt/format.h>

#include <string_view>

namespace culvert::app {
namespace {

constexpr std::string_view form =
    R"toml(# culvert: the whole configuration. `culvert check --config FILE` names every mistake.
# Paths are relative to this file. A line that starts with '#' shows a default, or an example.

[server]
private_key_file = "server.key"            # must be 0600; or private_key = "..."
# listen: UDP, at most one of each family; or listen_port = {port}
listen = ["0.0.0.0:{port}", "[::]:{port}"]
address = ["10.8.0.1/24", "fd08::1/64"]    # of the server inside the tunnel
# endpoint: where clients find the server; used for their files only
endpoint = "{endpoint}"
mtu = 1420                                 # of the tunnel
# workers = "auto"                         # processes; auto = one for each core
# log_level = "info"                       # debug, info, warn, error, off
# log_format = "text"                      # text, json
# overlay = false                          # true: clients may reach each other
# aead = "auto"                            # ipsec-mb, openssl, libsodium
# gso = true                               # batches of datagrams to the kernel, where it takes them
# gro = true                               # and from it
# sandbox = true                           # seccomp and Landlock for the workers
# state_dir: where usage, quotas and peers added at run time are kept; left out:
# $STATE_DIRECTORY, else $XDG_STATE_HOME/culvert, else ~/.local/state/culvert; "" = nowhere
# control_socket: for `culvert show` and the like; left out: control.sock in state_dir
# interface = "culvert0"                   # the name that `wg show` prints
# uapi_dir = "/var/run/wireguard"          # where `wg` looks for it; "" = off
# http = "127.0.0.1:9586"                  # metrics, and the API for who has http_token; "" = off
# http_token_file: a file with the token of the API, mode 0600
# status_line = "0"                        # "60s": a line in the log with totals, so often
# status_line_format = "text"              # or "json"

[egress]
# Loopback, this host, link-local, cloud metadata, multicast and private networks are refused unless
# allowed here: a prefix, optionally ports, optionally a protocol. deny wins over allow.
# allow = ["192.168.1.0/24:443/tcp", "[fd00::]/8:80-90/tcp"]
# deny = ["0.0.0.0/0:25/tcp", "[::]/0:25/tcp"]
# source_address = ["192.0.2.1", "2001:db8::1"]   # of this host, at most one of each family

[limits]
# For each client:
# tcp_flows = 16384
# tcp_dials = 128                          # connections being opened
# new_flows_per_second = 10000
# new_flows_burst = 40000
# udp_mappings = 1024
# echo_per_second = 50                     # pings, and ICMP errors
# For the whole server:
# tcp_flows_total = 0                      # 0 = what the limit of open files allows
# tcp_dials_total = 2048
# new_flows_per_second_total = 100000
# udp_mappings_total = 32768
# reserved_descriptors = 64
# tcp_idle = "2h4m"
# tcp_half_closed = "5m"
# tcp_dial = "60s"
# tcp_no_progress = "15m"                  # a client that acknowledges nothing
# tcp_no_progress_crowded = "2m"           # the same above 80 % of a flow cap
# udp_idle = "120s"
# udp_idle_dns = "30s"                     # towards port 53
# echo_idle = "30s"
# tcp_refused = "rst"                      # or "icmp": what a client gets for a refused connection
# receive_window_max = "16MiB"             # of one flow
# send_buffer_max = "16MiB"
# window_budget = "512MiB"                 # of all flows together

[dns]
# Every question of a client to port 53, wherever it was sent, is answered here.
# upstream = ["tls://9.9.9.9#dns.quad9.net"]   # left out: the resolvers of this host
# fallback = []                            # asked when those fail
# encrypted_only = false                   # true: rather no answer than an unencrypted question
# zone = "culvert.internal"                # NAME.culvert.internal is a peer's address
# lists = []                               # names of [[dns.list]] that hold for everybody
# allow = ["example.com"]                  # and all below it, whatever lists say
# block = ["example.net"]
# answer = "null"                          # to what is blocked; nxdomain, nodata, refused, drop
# log = "counts"                           # of questions: off, counts, blocked, full
# safe_search = false
# Groups and peers have the same keys with dns_ before them.

# [[dns.list]]
# name = "ads"
# url = "https://example.org/ads.txt"      # or path = "lists/ads.txt"
# format = "auto"                          # hosts, domains, adblock, dnsmasq, rpz, regex, addresses
# match = "exact"                          # "suffix": plain names stand for all below them

# [dns.query_log]
# path = ""                                # one JSON object a line for each question; "" = off
# rotate_at = "64MiB"
# keep = "256MiB"                          # all files together

# [accounting]
# time_zone = ""                           # "Europe/Berlin"; "" = the system's
# database = ""                            # "postgresql://..."; "" = SQLite in state_dir
# active_timeout = "5m"                    # a flow that goes on is recorded so often
# top_destinations = 100                   # remembered for each client; 0 = none
# keep_minutes = "2d"                      # usage by the minute, by the hour and by the day
# keep_hours = "90d"
# keep_days = "1830d"

# [accounting.flow_log]
# path = ""                                # one JSON object a line for each flow; "" = off
# rotate_at = "64MiB"
# keep = "512MiB"                          # all files together

# [accounting.ipfix]
# collector = ""                           # "192.0.2.1:4739", UDP; "" = off
# observation_domain = 1
# template_interval = "60s"

# [[webhook]]                              # a url that is told of events
# url = "https://example.org/culvert"
# secret_file: signs each request
# events = ["quota", "disconnect"]         # left out: all

# [admission]                              # asks whether a peer may connect
# url = "https://example.org/admit"        # or command = ["/usr/local/bin/may-connect"]
# ttl = "60s"                              # a verdict holds so long
# on_failure = "refuse"                    # or "admit": what holds without a verdict

# Peers may share a policy, and override it:
# [group.family]
# full_cone = false                        # true: UDP answers from anyone
# egress = {{ allow = ["192.168.1.10"], deny = [] }}
# limits = {{ tcp_flows = 1024 }}
# down = "50mbit"                          # each member's, as up and quota are
# up = "10mbit"
# quota = "200GB/month"                    # or /week, /day
# quota_action = "throttle"                # or "block"
# quota_reset_day = 1
# throttle_down = "1mbit"
# throttle_up = "1mbit"
# expires = "2036-12-31"
# hours = "mon-fri 08:00-20:00"
# total_down = "100mbit"                   # of all members together, as total_up, total_quota

# A port of this host that leads to a client:
# [[forward]]
# listen = "0.0.0.0:8080"
# to = "10.8.0.2:80"
# protocol = "tcp"                         # or "udp"

# Clients. `culvert peer add NAME` adds one, with its file in clients/.
[[peer]]
name = "{name}"
public_key = "{public_key}"
preshared_key = "{preshared_key}"
allowed_ips = ["10.8.0.2/32", "fd08::2/128"]
)toml";

}  // namespace

std::string init_template(const InitTemplate& with) {
  return fmt::format(form, fmt::arg("port", with.port), fmt::arg("endpoint", with.endpoint),
                     fmt::arg("name", with.client), fmt::arg("public_key", with.client_public_key),
                     fmt::arg("preshared_key", with.preshared_key));
}

}  // namespace culvert::app
