// A server of plain members, a store, a clock that the test turns, and the ledger among them.
#pragma once

#include <chrono>
#include <optional>

#include "control/ledger_book.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/control/scratch.hpp"
#include "tests/support/catch.hpp"

namespace culvert::control::test {

using namespace std::chrono_literals;

class LedgerWorld {
 public:
  // "2026-03-28 12:00" in `zone`; `persists`: with a database.
  explicit LedgerWorld(const std::string& start, std::string zone = "UTC", bool persists = true)
      : zone_(std::move(zone)) {
    at(start);
    if (persists) reopen();
    listener_ = bus.listen([this](const Event& event) { events.push_back(event); });
    start_ledger();
  }

  void at(const std::string& text) { wall = *calendar().parse(text); }
  Calendar calendar() const { return std::move(*Calendar::open(zone_)); }

  void reopen() {
    store.reset();
    auto opened = StateStore::open(scratch.database());
    REQUIRE(opened);
    store = std::move(*opened);
  }
  void start_ledger() { ledger.emplace(server, store.get(), bus, calendar(), settings); }
  // As kill -9: nothing is said, the counters are another process's.
  void kill() {
    ledger.reset();
    if (store != nullptr) reopen();
    for (auto& [slot, counters] : server.counters_) clear(slot);
    server.controls_.clear();
    server.group_controls_.clear();
  }
  void clear(std::uint32_t slot) {
    auto& counters = server.counters_[slot];
    counters.~PeerCounters();
    new (&counters) base::PeerCounters();
  }

  void tick() { ledger->tick(wall, boot); }
  // A tick a second.
  void run(std::chrono::seconds time) {
    for (std::chrono::seconds i{0}; i < time; ++i) {
      wall += 1s;
      boot += 1s;
      tick();
    }
  }
  void use(const Peer& peer, std::uint64_t up, std::uint64_t down = 0) {
    base::PeerCounters& counters = server.counters_[peer.slot];
    counters.up_bytes.add(up);
    counters.up_packets.add(1);
    counters.down_bytes.add(down);
    counters.rx_bytes.add(up + 32);
    counters.tcp_up.add(up / 2);
  }
  Quota& give_quota(Peer& peer, std::uint64_t bytes, Quota::Period period = Quota::Period::day) {
    peer.entry.policy.quota = Quota{bytes, period, 1, 0, 0};
    return *peer.entry.policy.quota;
  }
  base::PeerControls& controls(const Peer& peer) { return server.controls_[peer.slot]; }
  std::uint64_t used(const Peer& peer) const { return ledger->quota(peer.slot)->used; }

  std::vector<UsageRow> query(const UsageQuery& query) {
    auto rows = ledger->query(query);
    if (!rows) FAIL(rows.problem().to_line());
    return std::move(*rows);
  }
  std::uint64_t bytes(UsageQuery asked) {
    std::uint64_t sum = 0;
    for (const UsageRow& row : query(asked)) sum += row.usage.inner();
    return sum;
  }
  std::size_t count_events(EventKind kind) const {
    return static_cast<std::size_t>(std::ranges::count(events, kind, &Event::kind));
  }

  Scratch scratch;
  FakeServer server;
  EventBus bus;
  AccountingSettings settings;
  std::unique_ptr<StateStore> store;
  base::WallTime wall{};
  base::Time boot{1000s};
  std::vector<Event> events;
  std::optional<LedgerBook> ledger;

 private:
  std::string zone_;
  std::shared_ptr<void> listener_;
};

}  // namespace culvert::control::test
