#include "tests/control/store_promises.hpp"

#include "tests/control/scratch.hpp"
#include "tests/support/catch.hpp"

namespace culvert::control::test {
namespace {

std::unique_ptr<StateStore> open(const std::string& connection) {
  auto opened = StateStore::open(connection);
  if (!opened) FAIL(opened.problem().to_line());
  INFO((*opened)->trouble());
  REQUIRE((*opened)->trouble().empty());
  return std::move(*opened);
}

template <class T>
T need(Outcome<T> outcome) {
  if (!outcome) FAIL(outcome.problem().to_line());
  return std::move(*outcome);
}

Remembered recall(StateStore& store, const Subject& subject) {
  return need(store.recall(std::span(&subject, 1)));
}

}  // namespace

void check_peers(const std::string& connection) {
  const std::string odd = "{\"name\": \"it's :one %s\", \"psk\": \"\\\"\"}";
  {
    const auto store = open(connection);
    need(store->put_peer({key_of(1), "one", "{}"}));
    need(store->put_peer({key_of(2), "two", "{}"}));
    need(store->put_peer({key_of(1), "uno", odd}));
  }
  const auto store = open(connection);
  auto peers = need(store->peers());
  REQUIRE(peers.size() == 2);
  CHECK(peers[1].name == "uno");
  CHECK(peers[1].public_key == key_of(1));
  CHECK(peers[1].definition == odd);
  need(store->remove_peer(key_of(1)));
  need(store->remove_peer(key_of(9)));
  CHECK(need(store->peers()).size() == 1);
}

void check_groups(const std::string& connection) {
  {
    const auto store = open(connection);
    need(store->put_peer({key_of(1), "one", "{}"}));
    need(store->begin_group());
    for (unsigned n = 20; n < 120; ++n)
      need(store->put_peer({key_of(n), "grouped-" + std::to_string(n), "{}"}));
    need(store->remove_peer(key_of(1)));
    need(store->end_group());
  }
  {
    const auto store = open(connection);
    CHECK(need(store->peers()).size() == 100);
    need(store->begin_group());
    need(store->remove_peer(key_of(20)));
  }  // ended before the group did
  const auto store = open(connection);
  CHECK(need(store->peers()).size() == 100);
  for (unsigned n = 20; n < 120; ++n) need(store->remove_peer(key_of(n)));
}

void check_batches(const std::string& connection) {
  const Subject peer = subject_of(10, "family"),
                group{Subject::Kind::group, "family", "family", ""};
  Batch batch;
  batch.sequence = recall(*open(connection), peer).sequence + 1;
  batch.totals = {{peer, usage(1000, 500)}, {group, usage(3000)}};
  batch.quotas = {{peer, 86400, 1500}};
  batch.history = {{peer, Span::day, 86400, usage(10)}, {peer, Span::day, 86400, usage(5)}};
  need(open(connection)->save(batch));
  need(open(connection)->save(batch));  // its answer was lost
  auto found = recall(*open(connection), peer);
  CHECK(found.sequence == batch.sequence);
  REQUIRE(found.totals.size() == 1);
  CHECK(found.totals[0].usage == usage(1000, 500));
  CHECK(found.totals[0].subject.group == "family");
  REQUIRE(found.quotas.size() == 1);
  CHECK(found.quotas[0].used == 1500);
  CHECK(need(open(connection)->used_since(peer, 86400)) == 15);
  CHECK(need(open(connection)->used_since(peer, 86401)) == 0);

  ++batch.sequence;
  batch.totals = {{peer, usage(UINT64_MAX, 700)}};
  batch.totals[0].subject.name = "renamed";
  need(open(connection)->save(batch));
  found = recall(*open(connection), peer);
  CHECK(found.totals.at(0).usage.up_bytes == INT64_MAX);
  CHECK(found.totals.at(0).subject.name == "peer-10");  // the history's rows said so, last
  CHECK(need(open(connection)->used_since(peer, 86400)) == 30);
  CHECK(recall(*open(connection), group).totals.at(0).usage == usage(3000));

  batch = {batch.sequence + 1, {}, {}, {}, {}};
  for (unsigned n = 1000; n < 1500; ++n) batch.totals.push_back({subject_of(n), usage(n)});
  need(open(connection)->save(batch));
  std::vector<Subject> many;
  for (unsigned n = 1200; n < 1400; ++n) many.push_back(subject_of(n));
  CHECK(need(open(connection)->recall(many)).totals.size() == 200);
}

void check_history(const std::string& connection) {
  const Subject a = subject_of(21, "g"), b = subject_of(22, "g"), c = subject_of(23);
  constexpr Seconds hour = 3600, day = 100 * 86400;
  Batch batch;
  batch.sequence = recall(*open(connection), a).sequence + 1;
  for (const Seconds h : {0, 1, 2}) {
    batch.history.push_back({a, Span::hour, day + h * hour, usage(100)});
    batch.history.push_back({b, Span::hour, day + h * hour, usage(10)});
  }
  batch.history.push_back({c, Span::hour, day, usage(1)});
  batch.history.push_back({a, Span::minute, day + 3 * hour, usage(7)});
  batch.destinations = {{a, day, "example.org", usage(70)},
                        {a, day, "o'hara.example", usage(80)},
                        {b, day, "example.org", usage(20)}};
  const auto store = open(connection);
  need(store->save(batch));

  HistoryQuery query{
      Subject::Kind::peer, {{Span::hour, day + hour, day + 9 * hour}}, "", "", false};
  auto rows = need(store->history(query));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].key == "peer-21");
  CHECK(rows[0].usage.up_bytes == 200);
  query.segments.push_back({Span::minute, day + 3 * hour, day + 4 * hour});
  query.name = "peer-21";
  rows = need(store->history(query));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].usage.up_bytes == 207);
  query = {Subject::Kind::peer, {{Span::hour, day, day + 9 * hour}}, "", "g", true};
  rows = need(store->history(query));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].start == day + hour);
  CHECK(rows[1].usage.up_bytes == 110);

  auto places = need(store->destinations({day, day + 86400, "", "", 100}));
  REQUIRE(places.size() == 2);
  CHECK(places[0].key == "example.org");
  CHECK(places[0].usage.up_bytes == 90);
  places = need(store->destinations({day, day + 86400, a.key, "", 1}));
  REQUIRE(places.size() == 1);
  CHECK(places[0].key == "o'hara.example");
}

void check_pruning(const std::string& connection) {
  const Subject peer = subject_of(31);
  Batch batch;
  batch.sequence = recall(*open(connection), peer).sequence + 1;
  for (Seconds at = 0; at < 7200; at += 60)
    batch.history.push_back({peer, Span::minute, 1000 * 86400 + at, usage(1)});
  batch.quotas = {{peer, 0, 1}, {peer, 1000 * 86400, 2}};
  const auto store = open(connection);
  need(store->save(batch));
  const Seconds middle = 1000 * 86400 + 3600;
  int bites = 1;
  while (need(store->prune({middle, middle, 0, 86400})))
    if (++bites > 100) FAIL("it never ends");
  CHECK(bites > 1);
  HistoryQuery query{Subject::Kind::peer, {{Span::minute, 0, INT64_MAX}}, peer.key, "", true};
  CHECK(need(store->history(query)).size() == 60);
  CHECK(recall(*store, peer).quotas.size() == 1);
}

}  // namespace culvert::control::test
