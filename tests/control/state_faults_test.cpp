// The disk is taken from the store, and from the ledger above it: nothing escapes, nothing that was
// counted is lost, and all of it is said.
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "control/sql_database.hpp"
#include "tests/control/ledger_world.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace culvert::control::test;

namespace {

std::unique_ptr<StateStore> open(const std::string& connection) {
  auto opened = StateStore::open(connection);
  if (!opened) FAIL(opened.problem().to_line());
  return std::move(*opened);
}

Batch batch_of(std::uint64_t sequence, unsigned rows) {
  Batch batch;
  batch.sequence = sequence;
  for (unsigned n = 0; n < rows; ++n) batch.totals.push_back({subject_of(n), usage(sequence)});
  return batch;
}

std::size_t aside_files(const Scratch& scratch) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path()))
    count += entry.path().filename().string().starts_with("culvert.db.corrupt-") ? 1 : 0;
  return count;
}

// In a process of its own, whose limits and mounts are no one else's. `story` says what went wrong.
std::string apart(const std::function<std::string()>& story) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string said;
    try {
      said = story();
    } catch (const std::exception& error) {
      said = std::string("threw: ") + error.what();
    }
    if (::write(ends[1], said.data(), said.size()) < 0) ::_exit(2);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, std::size_t(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? said : "ended by signal " + std::to_string(WTERMSIG(status));
}

// Writes until it fails, gives the disk back by `relieve`, and writes what was refused.
std::string fill_and_relieve(const std::string& connection, const std::function<void()>& relieve) {
  auto opened = StateStore::open(connection);
  if (!opened) return opened.problem().to_line();
  StateStore& store = **opened;
  std::uint64_t sequence = 1;
  for (; sequence < 1000; ++sequence) {
    Batch batch = batch_of(sequence, 50);
    for (unsigned n = 0; n < 200; ++n)
      batch.history.push_back({subject_of(n), Span::minute, Seconds(sequence) * 60, usage(1)});
    if (!store.save(batch)) break;
  }
  if (sequence == 1000) return "it was never full";
  if (store.trouble().empty()) return "no trouble is told";
  relieve();
  if (!store.save(batch_of(sequence, 50))) return "still: " + store.trouble();
  if (!store.trouble().empty()) return "trouble stays";
  const Subject subject = subject_of(7);
  const auto found = store.recall(std::span(&subject, 1));
  if (!found || found->totals.at(0).usage.up_bytes != sequence) return "not what was written last";
  return found->sequence == sequence ? "" : "another sequence";
}

}  // namespace

TEST_CASE("a file that may not grow is trouble until it may") {
  const Scratch scratch;
  CHECK(apart([&] {
          ::signal(SIGXFSZ, SIG_IGN);
          rlimit limit{300'000, RLIM_INFINITY};
          ::setrlimit(RLIMIT_FSIZE, &limit);
          return fill_and_relieve(scratch.database(), [&] {
            limit.rlim_cur = RLIM_INFINITY;
            ::setrlimit(RLIMIT_FSIZE, &limit);
          });
        }) == "");
}

TEST_CASE("a full disk is trouble until it has room again") {
  if (::geteuid() != 0) {
    WARN("skipped: a file system of its own needs root");
    return;
  }
  const Scratch scratch;
  const std::string said = apart([&]() -> std::string {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "size=512k") != 0)
      return "no mount";
    return fill_and_relieve(scratch.database(), [&] {
      ::mount("tmpfs", scratch.path().c_str(), "tmpfs", MS_REMOUNT, "size=16m");
    });
  });
  if (said == "no mount")
    WARN("skipped: this system lets no file system be mounted");
  else
    CHECK(said == "");
}

TEST_CASE("a directory that cannot be written is trouble, and what is in it is still read") {
  const Scratch scratch;
  REQUIRE(open(scratch.database())->put_peer({key_of(1), "one", "{}"}));
  ::chmod(scratch.path().c_str(), 0755);
  ::chmod(scratch.file().c_str(), 0644);
  const std::string said = apart([&]() -> std::string {
    // Of nobody, if we are root, whom no mode stops.
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
      return "cannot become nobody";
    if (::geteuid() != 65534) {
      ::chmod(scratch.file().c_str(), 0444);
      ::chmod(scratch.path().c_str(), 0555);
    }
    auto opened = StateStore::open(scratch.database());
    if (!opened) return "not opened: " + opened.problem().to_line();
    const auto peers = (*opened)->peers();
    if (!peers || peers->size() != 1) return "not read: " + (*opened)->trouble();
    if ((*opened)->put_peer({key_of(2), "two", "{}"})) return "written";
    (void)(*opened)->begin_group();
    if ((*opened)->put_peer({key_of(2), "two", "{}"})) return "written in a group";
    if ((*opened)->end_group()) return "a group that failed was said to be written";
    return (*opened)->trouble().empty() ? "no trouble" : "";
  });
  ::chmod(scratch.path().c_str(), 0755);
  CHECK(said == "");
}

TEST_CASE("garbage in place of the database is moved aside and a new one begun") {
  const Scratch scratch;
  std::string garbage(20000, 'x');
  garbage += "and what somebody may want to look at";
  write_file(scratch.file(), garbage);
  const auto store = open(scratch.database());
  CHECK(store->trouble().empty());
  CHECK(store->generation() == 1);
  CHECK(store->renewal().find("was corrupt") != std::string::npos);
  REQUIRE(store->put_peer({key_of(1), "one", "{}"}));
  REQUIRE(aside_files(scratch) == 1);
  const std::string aside =
      store->renewal().substr(store->renewal().find(scratch.file() + ".corrupt-"));
  CHECK(read_file(aside.substr(0, aside.find(','))) == garbage);
}

TEST_CASE("peers that a damaged database still has are saved from it") {
  const Scratch scratch;
  {
    const auto store = open(scratch.database());
    for (unsigned n = 0; n < 40; ++n)
      REQUIRE(store->put_peer({key_of(n), "peer-" + std::to_string(n), "{}"}));
    for (std::uint64_t i = 1; i < 20; ++i) {
      Batch batch = batch_of(i, 300);
      REQUIRE(store->save(batch));
    }
  }
  // The pages at the end, where the totals are.
  std::string file = read_file(scratch.file());
  REQUIRE(file.size() > 60000);
  std::fill(file.begin() + 40960, file.end(), '\xa5');
  write_file(scratch.file(), file);
  const auto store = open(scratch.database());
  const Outcome<> saved = store->save(batch_of(100, 300));
  INFO(store->trouble());
  CHECK(saved);
  CHECK(store->generation() == 1);
  CHECK((*store->peers()).size() == 40);
}

TEST_CASE("a database that somebody deletes is written anew, with all that is known") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  Peer& dynamic = world.server.add("dynamic", std::byte{2});
  dynamic.source = Source::database;
  dynamic.definition = "{\"name\":\"dynamic\"}";
  world.give_quota(laptop, 1'000'000);
  world.tick();
  world.use(laptop, 5000);
  world.run(10s);
  REQUIRE(std::filesystem::remove(world.scratch.file()));
  world.use(dynamic, 1);
  world.run(10s);
  CHECK(world.count_events(EventKind::state_failed) == 1);
  world.kill();
  world.start_ledger();
  world.tick();
  CHECK(world.ledger->total(laptop.slot).up_bytes == 5000);
  CHECK(world.used(laptop) == 5000);
  REQUIRE((*world.store->peers()).size() == 1);
  CHECK((*world.store->peers())[0].definition == dynamic.definition);
}

TEST_CASE("another process has the database: it is waited for, and nothing is lost") {
  LedgerWorld world("2026-03-28 12:00");
  Peer& laptop = world.server.add("laptop", std::byte{1});
  world.tick();
  world.use(laptop, 100);
  world.run(10s);
  {
    const auto other = sqlite_database(world.scratch.file(), StateStore::Access::read)->connect();
    *other << "PRAGMA query_only = OFF";
    *other << "BEGIN EXCLUSIVE";
    world.use(laptop, 10);
    world.run(20s);
    CHECK(world.ledger->trouble().find("locked") != std::string::npos);
    CHECK(world.count_events(EventKind::state_failed) == 1);
    CHECK(world.ledger->total(laptop.slot).up_bytes == 110);
    *other << "COMMIT";
  }
  world.run(70s);
  CHECK(world.ledger->trouble().empty());
  CHECK(world.count_events(EventKind::state_recovered) == 1);
  world.kill();
  world.start_ledger();
  world.tick();
  CHECK(world.ledger->total(laptop.slot).up_bytes == 110);
  CHECK(world.bytes({{}, {}, UsageBy::day, "", ""}) == 110);
}

TEST_CASE("a second server is told who has the database") {
  const Scratch scratch;
  const auto store = open(scratch.database());
  const std::string said = apart([&]() -> std::string {
    auto second = StateStore::open(scratch.database());
    if (!second) return "not opened";
    return (*second)->trouble();
  });
  CHECK(said.find("process " + std::to_string(::getpid()) + " uses it") != std::string::npos);
}
