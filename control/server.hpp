// Server: the running culvert as the control plane sees it. The supervisor implements it; the API,
// UAPI, metrics and accounting ask it and change it. All on the supervisor's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/controls.hpp"
#include "base/counters.hpp"
#include "base/file_descriptor.hpp"
#include "control/outcome.hpp"
#include "control/peer.hpp"
#include "dns/counters.hpp"
#include "dns/query_record.hpp"
#include "proxy/flow_record.hpp"

namespace culvert::control {

// Whose word a peer is: the configuration file's, or the state database's (added at run time).
enum class Source : std::uint8_t { file, database };

struct Peer {
  PeerEntry entry;
  Source source = Source::file;
  std::uint32_t slot = 0;  // its counters; nobody else's while it exists, a later peer's after that
  unsigned worker = 0;     // its owner
  std::string definition;  // of a peer of the database: the JSON object it was added with
  std::optional<base::Endpoint> endpoint;  // where it was last seen, or is configured to be
  bool connected = false;                  // it has a session
};

struct WorkerState {
  unsigned index = 0;
  int pid = 0;  // 0 = not running now
  bool ready = false;
  std::string aead, gso, gro, sandbox;
};

struct ServerInfo {
  std::string version, interface;
  wg::PublicKey public_key;
  std::vector<base::Endpoint> listen;  // as bound
  std::vector<std::string> address;    // "10.8.0.1/24"
  std::string config_file;             // "" = environment
  std::size_t mtu = 0;
  base::WallTime started{};
  std::size_t file_limit = 0;
};

struct ReloadReport {
  std::vector<std::string> added, removed, changed;  // peers, by name
  std::vector<std::string> applied;                  // other keys that changed and hold now
  std::vector<std::string> need_restart;             // keys whose change waits for a restart
  std::vector<std::string> warnings;
};

// What the UAPI sets of a peer; what is not named stays.
struct PeerChange {
  wg::PublicKey public_key;
  bool remove = false;
  bool update_only = false;                       // do nothing if there is no such peer
  std::optional<wg::PresharedKey> preshared_key;  // zeros clear it
  std::optional<base::Endpoint> endpoint;
  std::optional<std::chrono::seconds> persistent_keepalive;
  bool replace_allowed_ips = false;
  struct AllowedIp {
    base::Prefix prefix;
    bool remove = false;
  };
  std::vector<AllowedIp> allowed_ips;  // in order
};

struct DeviceChange {
  std::optional<wg::PrivateKey> private_key;
  std::optional<std::uint16_t> listen_port;
  std::optional<std::uint32_t> fwmark;
  bool replace_peers = false;  // those not named go
  std::vector<PeerChange> peers;
};

struct FlowFilter {
  std::optional<std::uint32_t> peer;  // slot
  std::size_t limit = 1000;
};

// Who wants to know at once that peers come and go. Called on the supervisor's thread.
class PeerObserver {
 public:
  virtual ~PeerObserver() = default;
  virtual void on_peer_added(const Peer& peer) = 0;  // before its worker lets it in
  virtual void on_peer_connected(const Peer& peer) = 0;
  virtual void on_peer_disconnected(const Peer& peer) = 0;
  // Its worker let go of it; the slot's counters are its own until this returns.
  virtual void on_peer_left(std::uint32_t slot) = 0;
};

class Server {
 public:
  template <class T = Nothing>
  using Promise = boost::asio::awaitable<Outcome<T>>;

  virtual ~Server() = default;

  virtual const ServerInfo& info() const = 0;
  virtual const wg::PrivateKey& private_key() const = 0;
  virtual std::uint32_t fwmark() const = 0;
  virtual std::vector<WorkerState> workers() const = 0;

  // All peers in order of their slots; a pointer holds until the next change of the set of peers.
  virtual std::vector<const Peer*> peers() const = 0;
  virtual const Peer* find(const wg::PublicKey& key) const = 0;
  virtual const Peer* find(std::string_view name) const = 0;   // a name, or a key in base64
  virtual const std::vector<GroupConfig>& groups() const = 0;  // by their place in shared memory

  virtual const base::PeerCounters& counters(std::uint32_t slot) const = 0;
  virtual base::PeerControls& controls(std::uint32_t slot) = 0;
  virtual const base::WorkerCounters& worker_counters(unsigned worker) const = 0;
  virtual base::GroupControls& group_controls(std::size_t group) = 0;
  // Takes what the workers' rings hold.
  virtual void take_records(const std::function<void(const proxy::FlowRecord&)>& each) = 0;

  // DNS: the settings in force, what the workers count, and what their rings of questions hold.
  virtual const dns::Settings& dns_settings() const = 0;
  virtual const dns::DnsCounters& dns_counters(unsigned worker) const = 0;
  virtual void take_queries(const std::function<void(const dns::QueryRecord&)>& each) = 0;
  // A compiled rule table for all workers, now and after a restart; takes the descriptor. Before
  // the workers are started it is theirs from the first packet on.
  virtual Promise<> use_rules(base::FileDescriptor table) = 0;
  virtual Promise<> flush_dns_cache() = 0;

  // Changes. Each is complete, in every worker concerned, when its promise is kept. The definition
  // is a JSON object with the keys of [[peer]]; an unknown key or a wrong value is a problem of its
  // field. A peer of the file cannot be changed or removed here (status 409): the file would bring
  // it back. A definition that lacks public_key is a problem.
  virtual Promise<std::string> add_peer(nlohmann::json definition) = 0;             // its name
  virtual Promise<> change_peer(std::string name, nlohmann::json merge_patch) = 0;  // RFC 7396
  virtual Promise<> remove_peer(std::string name) = 0;
  // The UAPI's changes: they also take peers of the file, until the next reload.
  virtual Promise<> change_device(DeviceChange change) = 0;
  virtual Promise<ReloadReport> reload() = 0;

  virtual Promise<std::vector<proxy::FlowRecord>> flows(FlowFilter filter) = 0;
};

}  // namespace culvert::control
