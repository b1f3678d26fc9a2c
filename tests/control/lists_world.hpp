// DnsLists in a folder of a test's own, beside a server that keeps the table it is given. Time is
// the test's; the children are real.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "control/dns_lists.hpp"
#include "control/list_files.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/control/http_receiver.hpp"
#include "tests/control/scratch.hpp"

namespace culvert::control::test {

struct RulesServer : FakeServer {
  Promise<> use_rules(base::FileDescriptor table) override {
    auto mapped = dns::RuleTable::map(table.get());
    if (!mapped) co_return Problem{500, "No table", mapped.error(), {}};
    rules = std::move(*mapped);
    ++given;
    co_return Nothing{};
  }
  std::shared_ptr<const dns::RuleTable> rules;
  int given = 0;
};

struct ListsWorld {
  ListsWorld() {
    listening = events.listen([this](const Event& event) { told.push_back(event); });
  }

  static dns::ListSettings of_url(std::string name, std::string url) {
    dns::ListSettings list;
    list.name = std::move(name);
    list.url = std::move(url);
    return list;
  }
  dns::ListSettings of_file(std::string name, const std::string& text) {
    write_file(scratch.file(name + ".txt"), text);
    dns::ListSettings list;
    list.path = scratch.file(name + ".txt");
    list.name = std::move(name);
    return list;
  }

  void start(std::vector<dns::ListSettings> configured) {
    server.dns_settings_.lists = std::move(configured);
    start();
  }
  void start() {
    lists.reset();
    lists = std::make_unique<DnsLists>(DnsLists::Parts{.executor = io.get_executor(),
                                                       .server = server,
                                                       .events = events,
                                                       .state_dir = state_dir,
                                                       .in_child = {},
                                                       .random = random,
                                                       .wall = [this] { return now; }});
    lists->prepare();
  }

  template <class Condition>
  bool run(Condition until) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!until() && std::chrono::steady_clock::now() < end) {
      if (lists) lists->tick();
      io.restart();
      io.run_one_for(std::chrono::milliseconds(10));
    }
    return until();
  }
  bool run_until_blocked(const std::string& name) {
    return run([&] { return blocked(name); });
  }

  std::vector<ListUpdate> update(std::vector<std::string> names, bool force = false) {
    std::optional<Outcome<std::vector<ListUpdate>>> result;
    asked(lists->update(std::move(names), force), result);
    if (!result || !*result) return {};
    return std::move(**result);
  }
  ListUpdate update_one(const std::string& name, bool force = false) {
    const auto results = update({name}, force);
    return results.empty() ? ListUpdate{} : results.front();
  }

  template <class T>
  static boost::asio::awaitable<void> keep(boost::asio::awaitable<T> promise,
                                           std::optional<T>* result) {
    *result = co_await std::move(promise);
  }
  template <class T>
  void ask(boost::asio::awaitable<T> promise, std::optional<T>& result) {
    boost::asio::co_spawn(io, keep(std::move(promise), &result), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }
  template <class T>
  void asked(boost::asio::awaitable<T> promise, std::optional<T>& result) {
    ask(std::move(promise), result);
    run([&] { return result.has_value(); });
  }

  bool blocked(const std::string& text) const {
    if (!server.rules) return false;
    std::array<dns::RuleTable::Match, dns::RuleTable::max_matches> matches;
    const std::size_t count = server.rules->find(*dns::Name::parse(text), matches);
    for (std::size_t i = 0; i < count; ++i)
      if (matches[i].said && matches[i].said->block.any()) return true;
    return false;
  }
  ListStatus status(std::size_t i = 0) const { return lists->lists().at(i); }
  std::size_t count(EventKind kind) const {
    return std::size_t(std::ranges::count(told, kind, &Event::kind));
  }
  std::string kept(const std::string& file) const { return state_dir + "/lists/" + file; }

  Scratch scratch;
  std::string state_dir = scratch.file("state");
  boost::asio::io_context io{1};
  RulesServer server;
  EventBus events;
  std::vector<Event> told;
  std::shared_ptr<void> listening;
  base::SystemRandom random;
  base::WallTime now{std::chrono::seconds(1'796'289'302)};
  std::unique_ptr<DnsLists> lists;
};

}  // namespace culvert::control::test
