// A store whose answers are lost or wrong at random, as over a network: what the ledger gives it is
// there once.
#include <random>

#include "tests/control/ledger_world.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace culvert::control::test;

namespace {

class FlakyStore : public StateStore {
 public:
  explicit FlakyStore(StateStore& store) : store_(store) {}
  bool healthy = false;
  unsigned lost_answers = 0;

  Outcome<> save(const Batch& batch) override {
    const unsigned luck = healthy ? 0 : unsigned(random_() % 3);
    if (luck == 1) return fail();
    const auto done = store_.save(batch);
    if (luck == 2) {
      ++lost_answers;
      return fail();
    }
    trouble_.clear();
    return done;
  }
  Outcome<Remembered> recall(std::span<const Subject> subjects) override {
    if (!healthy && random_() % 4 == 0) return fail();
    return store_.recall(subjects);
  }
  Outcome<std::uint64_t> used_since(const Subject& subject, Seconds day) override {
    if (!healthy && random_() % 4 == 0) return fail();
    return store_.used_since(subject, day);
  }
  Outcome<std::vector<HistorySum>> history(const HistoryQuery& query) override {
    return store_.history(query);
  }
  Outcome<std::vector<HistorySum>> destinations(const DestinationQuery& query) override {
    return store_.destinations(query);
  }
  Outcome<bool> prune(const Retention& retention) override { return store_.prune(retention); }
  Outcome<std::vector<StoredPeer>> peers() override { return store_.peers(); }
  Outcome<> put_peer(const StoredPeer& peer) override { return store_.put_peer(peer); }
  Outcome<> remove_peer(const wg::PublicKey& key) override { return store_.remove_peer(key); }
  Outcome<std::vector<std::string>> check() override { return store_.check(); }
  Outcome<> each_record(const std::function<void(const StateRecord&)>& take) override {
    return store_.each_record(take);
  }
  Outcome<> put_records(const std::function<std::optional<StateRecord>()>& next) override {
    return store_.put_records(next);
  }
  std::string trouble() const override { return trouble_; }
  unsigned generation() const override { return store_.generation(); }
  std::string renewal() const override { return store_.renewal(); }

 private:
  Problem fail() {
    trouble_ = "the line is bad";
    return {503, trouble_, "", {}};
  }
  StateStore& store_;
  std::mt19937 random_{7};
  std::string trouble_;
};

}  // namespace

TEST_CASE("lost answers and faults lose nothing and count nothing twice") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  Peer& phone = world.server.add("phone", std::byte{2});
  world.give_quota(laptop, 1'000'000'000);
  FlakyStore flaky(*world.store);
  world.ledger.emplace(world.server, &flaky, world.bus, world.calendar(), world.settings);
  std::uint64_t sent = 0;
  for (int i = 0; i < 3000; ++i) {
    world.use(laptop, 100);
    if (i % 7 == 0) world.use(phone, 3);
    sent += 100;
    world.run(1s);
    if (i % 500 != 250) continue;
    auto rows = world.ledger->query({{}, {}, UsageBy::day, "laptop", ""});
    for (int again = 0; !rows && again < 20; ++again)
      rows = world.ledger->query({{}, {}, UsageBy::day, "laptop", ""});
    REQUIRE(rows);
    CHECK(rows->at(0).usage.inner() == sent);
  }
  CHECK(flaky.lost_answers > 5);
  CHECK(world.ledger->total(laptop.slot).up_bytes == sent);
  CHECK(world.used(laptop) == sent);
  flaky.healthy = true;
  world.ledger->close(world.wall, world.boot);
  world.kill();
  world.start_ledger();
  world.tick();
  CHECK(world.ledger->total(laptop.slot).up_bytes == sent);
  CHECK(world.used(laptop) == sent);
  for (const UsageBy by : {UsageBy::minute, UsageBy::hour, UsageBy::day, UsageBy::peer})
    CHECK(world.bytes({{}, {}, by, "laptop", ""}) == sent);
}

TEST_CASE("a store that is away at the start is asked when it comes back") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 10'000);
  world.tick();
  world.use(laptop, 9000);
  world.run(10s);
  world.kill();
  world.store.reset();
  const std::string away = world.scratch.file("away");
  std::filesystem::rename(world.scratch.file(), away);
  std::filesystem::create_directory(world.scratch.file());  // no database can be opened there
  auto opened = StateStore::open(world.scratch.database());
  REQUIRE(opened);
  CHECK_FALSE((*opened)->trouble().empty());
  world.store = std::move(*opened);
  world.start_ledger();
  world.run(5s);
  world.use(laptop, 500);
  world.run(5s);
  CHECK(world.used(laptop) == 500);
  CHECK_FALSE(world.ledger->trouble().empty());
  std::filesystem::remove(world.scratch.file());
  std::filesystem::rename(away, world.scratch.file());
  world.run(70s);
  CHECK(world.used(laptop) == 9500);
  CHECK(world.ledger->total(laptop.slot).up_bytes == 9500);
  CHECK(world.ledger->trouble().empty());
}
