// LiveServer: the running server as the control plane sees and changes it. A change is first
// checked as a whole, then stored if it must outlive the process, then made in the Runtime, and
// then told to the workers concerned; its promise is kept when they have done it. Changes wait for
// one another.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/answers.hpp"
#include "app/device_plan.hpp"
#include "app/differences.hpp"
#include "app/runtime.hpp"
#include "app/workers.hpp"
#include "control/events.hpp"
#include "control/server.hpp"
#include "control/state_store.hpp"

namespace culvert::app {

class LiveServer final : public control::Server {
 public:
  struct Parts {
    boost::asio::io_context& io;
    Runtime& runtime;
    Workers& workers;
    control::EventBus& events;
    control::StateStore* store = nullptr;  // null: peers added at run time end with the process
    std::function<Loaded()> load_again;    // the same configuration, as it is now
  };

  explicit LiveServer(Parts parts);

  // Before the workers start: the peers of the file, then those of the database. One of these that
  // does not fit any more is named in the log, stays stored and is inactive.
  void enter_peers(std::vector<PeerEntry> of_file);
  // Told of peers from now on; null: nobody is.
  void observe(control::PeerObserver* observer) noexcept { observer_ = observer; }
  // Who takes the control plane's settings at a reload; returns the keys that wait for a restart.
  using Configure = std::function<std::vector<std::string>(const control::Settings& settings)>;
  void configure_with(Configure configure) { configure_ = std::move(configure); }
  // To be spawned once: peers that the database could not give at start come when it can, and a
  // database that was renewed gets them again.
  boost::asio::awaitable<void> keep_store();

  const control::ServerInfo& info() const override { return info_; }
  const wg::PrivateKey& private_key() const override { return runtime_.config->private_key; }
  std::uint32_t fwmark() const override { return fwmark_; }
  std::vector<control::WorkerState> workers() const override { return workers_.states(); }
  std::vector<const control::Peer*> peers() const override { return runtime_.registry.peers(); }
  const control::Peer* find(const wg::PublicKey& key) const override;
  const control::Peer* find(std::string_view name) const override;
  const std::vector<GroupConfig>& groups() const override { return runtime_.groups.list(); }
  const base::PeerCounters& counters(std::uint32_t slot) const override;
  base::PeerControls& controls(std::uint32_t slot) override;
  const base::WorkerCounters& worker_counters(unsigned worker) const override;
  base::GroupControls& group_controls(std::size_t group) override;
  void take_records(const std::function<void(const proxy::FlowRecord&)>& each) override;

  const dns::Settings& dns_settings() const override { return runtime_.config->dns; }
  const dns::DnsCounters& dns_counters(unsigned worker) const override;
  void take_queries(const std::function<void(const dns::QueryRecord&)>& each) override;
  Promise<> use_rules(base::FileDescriptor table) override;
  Promise<> flush_dns_cache() override;

  Promise<std::string> add_peer(nlohmann::json definition) override;
  Promise<> change_peer(std::string name, nlohmann::json merge_patch) override;
  Promise<> remove_peer(std::string name) override;
  Promise<> change_device(control::DeviceChange change) override;
  Promise<control::ReloadReport> reload() override;
  Promise<std::vector<proxy::FlowRecord>> flows(control::FlowFilter filter) override;

 private:
  using Wait = std::shared_ptr<Answers>;
  struct Wanted {  // a peer as it is to be
    PeerEntry entry;
    control::Source source = control::Source::file;
    std::string definition;
  };
  struct Inactive {
    control::StoredPeer stored;
    std::string why;
  };
  struct Taken {  // what no other peer may have
    std::set<std::string> names;
    std::set<wg::PublicKey> keys;
    std::set<base::Prefix> prefixes;
    void add(const PeerEntry& entry);
    std::string clash(const PeerEntry& entry) const;  // empty if there is none
  };

  // In the Runtime only.
  const control::Peer& enter(Wanted wanted);
  // In the Runtime and in the workers; each order's answer is waited for by `wait`.
  const control::Peer& insert(Wanted wanted, Answers& wait);
  // True if anything differs.
  bool replace(std::uint32_t slot, PeerEntry entry, Answers& wait);
  void erase(std::uint32_t slot, Answers& wait);
  void note_routes(const control::Peer& peer, bool added);
  void note_name(const std::string& name) { names_.insert(name); }
  void tell_all(Answers& wait);  // what was noted
  void tell_routes(Answers& wait);
  void tell_names(Answers& wait);
  template <class What>
  void order_all(const What& what, Answers& wait) {
    for (unsigned worker = 0; worker < runtime_.workers; ++worker)
      workers_.order(worker, what, wait.expect());
  }
  void give_trust(Answers& wait);
  void forget_unused_policies();

  std::optional<control::Problem> store(const wg::PublicKey& key, const std::string& name,
                                        const std::string& definition);
  std::optional<control::Problem> unstore(const wg::PublicKey& key);
  void begin_storing();  // what is stored up to end_storing() is written to the disk together
  std::optional<control::Problem> end_storing();
  std::vector<control::StoredPeer> read_store();
  std::vector<Wanted> stored_peers(std::vector<control::StoredPeer> stored, Taken taken);
  boost::asio::awaitable<void> enter_late();
  void store_all();
  std::optional<control::Problem> give_addresses(nlohmann::json& definition) const;
  const control::Peer* changeable(std::string_view name,
                                  std::optional<control::Problem>& why) const;

  // change_device
  std::optional<control::Problem> open_sockets(const control::DeviceChange& change,
                                               TunnelSockets& opened) const;
  std::optional<control::Problem> keep(const std::vector<DevicePlan::Kept>& kept);
  bool take_device(control::DeviceChange& change, TunnelSockets& sockets);
  void take_peers(DevicePlan& plan, std::vector<DevicePlan::Kept> kept, Answers& wait);
  boost::asio::awaitable<std::string> restart_workers();

  // reload
  std::optional<control::Problem> plan(Config& config, std::vector<Wanted>& wanted);
  void apply_settings(Config& config, control::ReloadReport& report, Answers& wait);
  void apply_peers(std::vector<Wanted> wanted, control::ReloadReport& report, Answers& wait);

  boost::asio::io_context& io_;
  Runtime& runtime_;
  Workers& workers_;
  control::EventBus& events_;
  control::StateStore* store_;
  control::PeerObserver* observer_ = nullptr;
  std::function<Loaded()> load_again_;
  Configure configure_;
  control::ServerInfo info_;
  Turns turns_;
  std::uint32_t fwmark_ = 0;
  std::vector<Inactive> inactive_;
  bool storing_ = false;            // there is something that end_storing() writes
  bool stored_known_ = false;       // the database's peers were read
  unsigned stored_generation_ = 0;  // of the database that has them
  ChangeRoutes routes_;             // to be told
  std::set<std::string> names_;     // of peers that came, went or moved: likewise
};

}  // namespace culvert::app
