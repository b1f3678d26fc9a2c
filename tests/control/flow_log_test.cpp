#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "control/flow_line.hpp"
#include "control/flow_recorder.hpp"
#include "control/rotating_log.hpp"
#include "tests/control/support/flow_source.hpp"
#include "tests/control/support/records.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;
using End = proxy::FlowRecord::End;

namespace {

const base::Time start{1000s};
const base::WallTime wall{std::chrono::nanoseconds(test_epoch)};

AccountingSettings log_to(const std::string& path) {
  AccountingSettings settings;
  settings.flow_log.path = path;
  return settings;
}

std::uint64_t size_of(const std::string& path) {
  return std::uint64_t(std::filesystem::file_size(path));
}

// A disk that is full at `bytes`.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) {
    handler = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit now{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
  rlimit before{};
  void (*handler)(int);
};

}  // namespace

TEST_CASE("a flow's line says who, where, how much and how it ended") {
  Folder folder;
  FlowSource server;
  server.add("laptop \"x\"", "family");
  FlowRecorder recorder(log_to(folder / "flows"));
  auto record = flow(7, "10.8.0.2:50000", "192.0.2.1:443", {10, 1000, 600}, {20, 20000, 19000});
  record.set_domain("www.exam\"ple.com");
  server.push(record);
  recorder.tick(server, start, wall);
  const auto lines = lines_of(folder / "flows");
  REQUIRE(lines.size() == 1);
  const auto line = nlohmann::json::parse(lines[0]);
  CHECK(line == nlohmann::json::parse(R"({
    "time": "2027-01-15T08:00:00.000Z", "start": "2027-01-15T08:00:00.000Z",
    "end": "2027-01-15T08:00:01.500Z", "duration": 1.5, "peer": "laptop \"x\"",
    "group": "family", "protocol": "tcp", "client": "10.8.0.2", "client_port": 50000,
    "origin": "192.0.2.1", "origin_port": 443, "domain": "www.exam\"ple.com",
    "forward": false, "up_packets": 10,
    "up_bytes": 1000, "up_payload": 600, "down_packets": 20, "down_bytes": 20000,
    "down_payload": 19000, "reason": "finished", "first": true, "id": "0-7"})"));
  struct stat info {};
  REQUIRE(::stat((folder / "flows").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("the lines of a long flow sum up to its totals") {
  Folder folder;
  FlowSource server;
  server.add("laptop");
  FlowRecorder recorder(log_to(folder / "flows"));
  const auto tell = [&](proxy::FlowTraffic up, proxy::FlowTraffic down, End end) {
    server.push(flow(1, "10.8.0.2:50000", "192.0.2.1:443", up, down, end));
    recorder.tick(server, start, wall);
  };
  tell({1, 100, 60}, {1, 1000, 900}, End::interim);
  tell({3, 300, 180}, {2, 2500, 2300}, End::interim);
  tell({3, 300, 180}, {2, 2500, 2300}, End::interim);  // rested
  tell({4, 340, 180}, {3, 2540, 2300}, End::finished);
  recorder.flush(server, start + 1s, wall);
  std::uint64_t up = 0, down = 0, payload = 0, first = 0;
  const auto lines = lines_of(folder / "flows");
  CHECK(lines.size() == 3);
  for (const std::string& text : lines) {
    const auto line = nlohmann::json::parse(text);
    up += line["up_bytes"].get<std::uint64_t>(), down += line["down_bytes"].get<std::uint64_t>();
    payload += line["down_payload"].get<std::uint64_t>(), first += line["first"].get<bool>();
  }
  CHECK(up == 340);
  CHECK(down == 2540);
  CHECK(payload == 2300);
  CHECK(first == 1);
  CHECK(recorder.stats().open_flows == 0);
}

TEST_CASE("other settings leave long flows known") {
  Folder folder;
  FlowSource server;
  server.add("laptop");
  AccountingSettings settings = log_to(folder / "before");
  FlowRecorder recorder(settings);
  server.push(flow(1, "10.8.0.2:1", "192.0.2.1:2", {1, 100, 60}, {}, End::interim));
  recorder.flush(server, start, wall);
  settings.flow_log.path = folder / "after";
  recorder.configure(settings);
  server.push(flow(1, "10.8.0.2:1", "192.0.2.1:2", {3, 300, 180}, {}, End::finished));
  recorder.flush(server, start, wall);
  const auto lines = lines_of(folder / "after");
  REQUIRE(lines.size() == 1);
  CHECK(nlohmann::json::parse(lines[0])["up_bytes"] == 200);
}

TEST_CASE("when no more flows can be remembered the last record tells everything") {
  FlowDeltas deltas(1);
  const auto record = [](std::uint64_t id, std::uint64_t bytes, End end) {
    return flow(id, "10.8.0.2:1", "192.0.2.1:2", {1, bytes, bytes}, {}, end);
  };
  CHECK(deltas.take(record(1, 10, End::interim), wall));
  CHECK_FALSE(deltas.take(record(2, 10, End::interim), wall));
  CHECK(deltas.take(record(2, 30, End::finished), wall)->up.bytes == 30);
  CHECK(deltas.take(record(1, 30, End::finished), wall)->up.bytes == 20);
  CHECK(deltas.size() == 0);
}

TEST_CASE("a flow whose worker died is forgotten after a long silence") {
  FlowDeltas deltas;
  CHECK(deltas.take(flow(1, "10.8.0.2:1", "192.0.2.1:2", {1, 10, 0}, {}, End::interim), wall));
  deltas.forget_silent(wall);
  CHECK(deltas.size() == 1);
  deltas.forget_silent(wall + 1s);
  CHECK(deltas.size() == 0);
}

TEST_CASE("a record of a peer that is gone carries its name until its slot has another peer") {
  Folder folder;
  FlowSource server;
  server.add("first");
  FlowRecorder recorder(log_to(folder / "flows"));
  const auto record = flow(1, "10.8.0.2:1", "192.0.2.1:2", {1, 10, 0}, {});
  server.push(record);
  recorder.flush(server, start, wall);
  CHECK(recorder.destinations().snapshot(0).size() == 1);
  server.peer(0).entry.name = "second";
  server.push(record);
  recorder.flush(server, start, wall);
  const auto lines = lines_of(folder / "flows");
  CHECK(nlohmann::json::parse(lines.at(0))["peer"] == "first");
  CHECK(nlohmann::json::parse(lines.at(1))["peer"] == "second");
  CHECK(recorder.destinations().snapshot(0).at(0).flows == 1);  // not the first one's
}

TEST_CASE("the flow log is turned by size and keeps to its cap with whole lines in every file") {
  Folder folder;
  RotatingLog log("flow log", {.path = folder / "flows", .rotate_at = 1000, .keep = 4000});
  const std::string line(99, 'x');
  for (int i = 0; i < 100; ++i) {
    log.add(line + "\n");
    log.flush(start + i * 1s, wall + i * 1s);
  }
  CHECK(log.stats().rotations == 9);
  const auto names = folder.names();
  CHECK(names.size() == 4);
  std::uint64_t all = 0;
  for (const std::string& name : names) {
    all += size_of(folder / name.c_str());
    for (const std::string& each : lines_of(folder / name.c_str())) CHECK(each == line);
  }
  CHECK(all <= 4000);
  CHECK(names[1] == "flows.20270115T080110.000Z");
}

TEST_CASE("files that were turned in one millisecond have different names") {
  Folder folder;
  RotatingLog log("flow log", {.path = folder / "flows", .rotate_at = 10, .keep = 1000});
  for (int i = 0; i < 5; ++i) log.add("123456789\n");
  log.flush(start, wall);
  CHECK(folder.names().size() == 5);
}

TEST_CASE("a new flow log counts the files of an earlier one and lets others alone") {
  Folder folder;
  for (const char* name : {"flows.20200101T000000.000Z", "flows.20210101T000000.000Z",
                           "flows.notes-of-somebody-else", "flows2.20200101T000000.000Z"})
    std::ofstream(folder / name) << std::string(500, 'o');
  RotatingLog log("flow log", {.path = folder / "flows", .rotate_at = 100, .keep = 800});
  log.add(std::string(99, 'a') + "\n");
  log.add(std::string(99, 'b') + "\n");
  log.flush(start, wall);
  CHECK(folder.names() == std::vector<std::string>{
                              "flows", "flows.20210101T000000.000Z", "flows.20270115T080000.000Z",
                              "flows.notes-of-somebody-else", "flows2.20200101T000000.000Z"});
}

TEST_CASE("a line that was cut off by a crash stays alone") {
  Folder folder;
  std::ofstream(folder / "flows") << "{\"time\":";
  RotatingLog log("flow log", {.path = folder / "flows"});
  log.add("{}\n");
  log.flush(start, wall);
  CHECK(lines_of(folder / "flows") == std::vector<std::string>{"{\"time\":", "{}"});
}

TEST_CASE("a file that somebody moved away is made anew") {
  Folder folder;
  RotatingLog log("flow log", {.path = folder / "flows"});
  log.add("1\n");
  log.flush(start, wall);
  std::filesystem::rename(folder / "flows", folder / "theirs");
  log.add("2\n");
  log.flush(start + 10s, wall);
  CHECK(lines_of(folder / "flows") == std::vector<std::string>{"2"});
}

TEST_CASE("a full disk is said, lines wait, and go on in whole when it takes them again") {
  Folder folder;
  RotatingLog log("flow log", {.path = folder / "flows"});
  const auto line = [](int i) { return std::to_string(1000000 + i) + "\n"; };
  {
    FileLimit full(100);
    for (int i = 0; i < 20; ++i) log.add(line(i));
    log.flush(start, wall);
    log.flush(start + 10s, wall);
    CHECK(log.trouble().find("cannot be written") != std::string::npos);
    CHECK(log.waiting() == 60);
  }
  log.flush(start + 20s, wall);
  CHECK(log.trouble().empty());
  const auto lines = lines_of(folder / "flows");
  REQUIRE(lines.size() == 20);
  for (int i = 0; i < 20; ++i) CHECK(lines[std::size_t(i)] + "\n" == line(i));
}

TEST_CASE("lines beyond the memory for them are lost and counted") {
  Folder folder;
  RotatingLog log("flow log", {.path = folder / "missing" + "/flows"});
  const std::string line(1023, 'x');
  for (int i = 0; i < 5000; ++i) log.add(line + "\n");
  log.flush(start, wall);
  CHECK_FALSE(log.trouble().empty());
  CHECK(log.stats().lines == 4096);
  CHECK(log.stats().lost == 5000 - 4096);
  CHECK(log.waiting() <= RotatingLog::max_waiting);
}

TEST_CASE("a FIFO or a folder is not a flow log") {
  Folder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  for (const std::string& path : {folder / "fifo", folder.path.string()}) {
    RotatingLog log("flow log", {.path = path});
    log.add("1\n");
    log.flush(start, wall);
    CHECK_FALSE(log.trouble().empty());
  }
}
