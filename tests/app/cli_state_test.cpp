// culvert state check, export, import: on databases that a server left.
#include <nlohmann/json.hpp>

#include "control/state_store.hpp"
#include "tests/app/command.hpp"

using namespace culvert;
using namespace culvert::test;
using control::StateStore;
using nlohmann::json;

namespace {

constexpr const char* key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string connection(const std::string& file) {
  return "sqlite3://" + file;
}

// A database with a peer of its own, its total and a day.
std::string database(const Folder& folder, const char* name = "culvert.db") {
  const std::string where = connection(folder / name);
  const auto store = StateStore::open(where);
  REQUIRE(store);
  REQUIRE((*store)->put_peer(
      {*wg::PublicKey::parse(key), "phone", json{{"name", "phone"}, {"public_key", key}}.dump()}));
  control::Usage usage;
  usage.up_bytes = 1234;
  const control::Subject subject{control::Subject::Kind::peer, key, "phone", "family"};
  control::Batch batch;
  batch.sequence = 1;
  batch.totals = {{subject, usage}};
  batch.history = {{subject, control::Span::day, 1'796'083'200, usage}};
  REQUIRE((*store)->save(batch));
  return where;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

}  // namespace

TEST_CASE("a database that is sound is said to be, in words and as JSON") {
  const Folder folder;
  const std::string where = database(folder);
  const Said said = command({"state", "check", "--database", where});
  INFO(said.error);
  CHECK(said.code == 0);
  CHECK(said.out == "the state database is sound\n");
  const Said machine = command({"state", "check", "--json", "--database", where});
  CHECK(machine.code == 0);
  CHECK(json::parse(machine.out) == json{{"problems", json::array()}});
}

TEST_CASE("a database that is damaged or not there fails the check, and none is made") {
  const Folder folder;
  const std::string where = database(folder);
  std::string bytes = content(folder / "culvert.db");
  REQUIRE(bytes.size() > 8192);
  std::fill(bytes.begin() + 4096, bytes.end(), '\xa5');
  std::filesystem::remove(folder / "culvert.db-wal");
  std::filesystem::remove(folder / "culvert.db-shm");
  folder.write("culvert.db", bytes);
  const Said broken = command({"state", "check", "--database", where});
  INFO(broken.out << broken.error);
  CHECK(broken.code == 1);
  CHECK_FALSE(has(broken.out, "is sound"));
  CHECK(content(folder / "culvert.db") == bytes);

  const Said none = command({"state", "check", "--database", connection(folder / "none.db")});
  CHECK(none.code == 1);
  CHECK(has(none.error, "none.db"));
  CHECK_FALSE(std::filesystem::exists(folder / "none.db"));
}

TEST_CASE("the database is found by the configuration") {
  const Folder folder;
  std::filesystem::create_directory(folder / "s");
  database(folder, "s/culvert.db");
  const auto configuration = [&](const std::string& state_dir) {
    return folder.write("culvert.toml",
                        "[server]\nprivate_key = \"QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=\"\n"
                        "address = \"10.8.0.1/24\"\nstate_dir = \"" +
                            state_dir + "\"\n");
  };
  const Said said = command({"state", "export", "--config", configuration("s")});
  INFO(said.error);
  CHECK(said.code == 0);
  CHECK(has(said.out, key));
  const Said none = command({"state", "check", "--config", configuration("")});
  CHECK(none.code == 1);
  CHECK(has(none.error, "nothing persists"));
}

TEST_CASE("what is exported can be imported elsewhere, and comes out the same") {
  const Folder folder;
  const Said exported = command({"state", "export", "--database", database(folder)});
  INFO(exported.error);
  REQUIRE(exported.code == 0);
  REQUIRE(lines(exported.out).size() == 4);  // a header, the peer, its total, its day
  for (const std::string& line : lines(exported.out)) CHECK(json::parse(line).is_object());

  const std::string file = folder.write("dump.jsonl", exported.out);
  const std::string other = connection(folder / "other.db");
  const Said imported = command({"state", "import", "--database", other, file});
  INFO(imported.error);
  CHECK(imported.code == 0);
  CHECK(imported.out == "1 peers and 2 rows are imported\n");
  CHECK(command({"state", "export", "--database", other}).out == exported.out);
  CHECK(command({"state", "import", "--database", other, file}).code == 0);  // replaces
  CHECK(command({"state", "export", "--database", other}).out == exported.out);
}

TEST_CASE("an import with a bad line changes nothing and names the line") {
  const Folder folder;
  const std::string where = database(folder);
  const std::string before = command({"state", "export", "--database", where}).out;
  auto all = lines(before);
  REQUIRE(all.size() > 2);
  const std::string file = folder.write("dump.jsonl", all[0] + "\n" + all[1] + "\n{\"type\": 7}\n");
  const std::string other = connection(folder / "other.db");
  const Said said = command({"state", "import", "--database", other, file});
  CHECK(said.code == 1);
  CHECK(has(said.error, "dump.jsonl"));
  CHECK(has(said.error, "3"));
  CHECK(has(said.error, "nothing was imported"));
  const Said after = command({"state", "export", "--database", other});
  CHECK_FALSE(has(after.out, key));

  const std::string strange = folder.write("strange.jsonl", "hello\n");
  CHECK(command({"state", "import", "--database", where, strange}).code == 1);
  const Said none = command({"state", "import", "--database", where, folder / "none"});
  CHECK(none.code == 1);
  CHECK(has(none.error, "cannot be read"));
  CHECK(command({"state", "export", "--database", where}).out == before);
  CHECK(command({"state", "import", "--database", where}).code == 2);  // no file named
}
