// The store's promises with a PostgreSQL server of the test's own, on a Unix socket. Skipped, with
// the reason, where its programs are not installed.
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>

#include "tests/control/ledger_world.hpp"
#include "tests/control/store_promises.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace culvert::control::test;

namespace {

// Where Debian has the server's programs: the newest version's; "" = nowhere.
std::string programs() {
  std::string newest;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none))
    if (std::filesystem::exists(entry.path() / "bin/initdb"))
      newest = std::max(newest, (entry.path() / "bin").string());
  return newest;
}

class Postgres {
 public:
  explicit Postgres(const std::string& bin) : bin_(bin), directory_(scratch_.file("pg")) {
    std::filesystem::create_directory(directory_);
    // It refuses to run as root.
    const passwd* nobody = ::geteuid() == 0 ? ::getpwnam("nobody") : nullptr;
    if (nobody != nullptr) {
      prefix_ = "setpriv --reuid=nobody --clear-groups ";
      std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
      if (::chown(directory_.c_str(), nobody->pw_uid, gid_t(-1)) != 0) return;
    }
    running = shell("initdb -A trust -U culvert --no-sync -D " + directory_ + "/data") && start();
  }
  ~Postgres() { stop(); }

  bool start() {
    return shell("pg_ctl -w -t 30 -l " + directory_ + "/log -D " + directory_ +
                 "/data -o \"-c listen_addresses='' -c fsync=off -k " + directory_ + "\" start");
  }
  bool stop() { return shell("pg_ctl -w -m immediate -D " + directory_ + "/data stop"); }
  std::string connection() const {
    return "postgresql://host=" + directory_ + " user=culvert dbname=postgres";
  }
  bool running = false;

 private:
  bool shell(const std::string& command) const {
    const std::string line = "cd / && " + prefix_ + bin_ + "/" + command + " >/dev/null 2>&1";
    return std::system(line.c_str()) == 0;
  }
  Scratch scratch_;
  std::string bin_, directory_, prefix_;
};

}  // namespace

TEST_CASE("PostgreSQL keeps the same promises, and may go and come back") {
  const std::string bin = programs();
  if (bin.empty()) {
    WARN("skipped: there is no initdb below /usr/lib/postgresql");
    return;
  }
  Postgres postgres(bin);
  REQUIRE(postgres.running);
  check_groups(postgres.connection());
  check_peers(postgres.connection());
  check_batches(postgres.connection());
  check_history(postgres.connection());
  check_pruning(postgres.connection());

  LedgerWorld world("2026-03-28 12:00", "UTC", false);
  world.store = std::move(*StateStore::open(postgres.connection()));
  world.start_ledger();
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.give_quota(laptop, 1'000'000);
  world.tick();
  world.use(laptop, 1000);
  world.run(10s);
  REQUIRE(postgres.stop());
  world.use(laptop, 500);
  world.run(10s);
  CHECK_FALSE(world.ledger->trouble().empty());
  CHECK(world.ledger->total(laptop.slot).up_bytes == 1500);
  const auto second = StateStore::open(postgres.connection());
  REQUIRE(second);
  CHECK_FALSE((*second)->trouble().empty());
  REQUIRE(postgres.start());
  world.run(70s);
  CHECK(world.ledger->trouble().empty());
  CHECK(world.bytes({{}, {}, UsageBy::day, "laptop", ""}) == 1500);
  CHECK((*second)->trouble().find("cannot be") != std::string::npos);
  CHECK_FALSE((*second)->put_peer({key_of(1), "one", "{}"}));
  CHECK((*second)->trouble().find("another culvert uses") != std::string::npos);
}
