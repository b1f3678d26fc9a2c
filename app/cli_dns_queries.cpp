// dns log, stats, pause, flush
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/cli_dns.hpp"
#include "app/config_units.hpp"
#include "app/control_client.hpp"
#include "app/dns_text.hpp"
#include "app/human.hpp"

namespace culvert::app {
namespace {

using control::HttpClient;
using control::url_encode;
using nlohmann::json;

struct Options : ControlOptions {
  std::string peer, group, name, how, duration;
  unsigned limit = 50, top = 10;
  bool follow = false, blocked = false;
};

std::string log_target(const Options& options, unsigned limit, std::uint64_t after) {
  std::string target = fmt::format("/v1/dns/log?limit={}&after={}", limit, after);
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) target += fmt::format("&{}={}", key, url_encode(value));
  };
  add("peer", options.peer);
  add("name", options.name);
  add("how", options.blocked ? "blocked" : options.how);
  return target;
}

// Oldest first; returns the last id, or `last` if there is nothing new.
std::uint64_t print_queries(const json& log, bool as_json, std::uint64_t last) {
  const json& queries = human::member(log, "queries");
  for (auto query = queries.rbegin(); query != queries.rend(); ++query) {
    print(as_json ? query->dump() + "\n" : query_text(*query));
    last = std::max(last, human::number_of(*query, "id"));
  }
  return last;
}

int show_log(const Options& options) {
  HttpClient client(control_socket(options));
  const json log = ask(client, "GET", log_target(options, options.limit, 0));
  if (options.json && !options.follow) {
    print(to_text(log));
    return exit_done;
  }
  std::uint64_t last = print_queries(log, options.json, 0);
  if (last == 0 && !options.follow)
    fmt::print(stderr,
               "no question was written down: that is a matter of `log` in [dns], or dns_log of a "
               "group or peer\n");
  while (options.follow) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    constexpr unsigned most = 5000;
    last = print_queries(ask(client, "GET", log_target(options, most, last)), options.json, last);
  }
  return exit_done;
}

int show_stats(const Options& options) {
  HttpClient client(control_socket(options));
  const json stats = ask(client, "GET", fmt::format("/v1/dns/stats?top={}", options.top));
  print(options.json ? to_text(stats) : dns_stats_text(stats));
  return exit_done;
}

int pause(const Options& options) {
  const auto duration = parse_duration(options.duration);
  if (!duration)
    throw CommandError(
        fmt::format("how long = \"{}\", expected a duration such as 10m, or 0 to end it",
                    options.duration),
        exit_usage);
  if (!options.peer.empty() && !options.group.empty())
    throw CommandError("--peer and --group, expected one of them", exit_usage);
  json body{{"seconds", duration->count()}};
  std::string whose = "everybody";
  if (!options.peer.empty()) body["peer"] = whose = options.peer;
  if (!options.group.empty()) body["group"] = options.group, whose = "group " + options.group;
  HttpClient client(control_socket(options));
  const json paused = ask(client, "POST", "/v1/dns/pause", body.dump());
  print(options.json ? to_text(paused) : pause_text(paused, whose));
  return exit_done;
}

int flush(const Options& options) {
  HttpClient client(control_socket(options));
  const json done = ask(client, "POST", "/v1/dns/cache/flush");
  print(options.json ? to_text(done) : "all cached answers are forgotten\n");
  return exit_done;
}

}  // namespace

void add_dns_query_commands(CLI::App& dns, Action& action) {
  const auto command = [&](const char* name, const char* help, int (*function)(const Options&)) {
    return add_control_command(dns, name, help, function, action);
  };
  const auto [log, log_options] = command("log", "the latest questions, oldest first", show_log);
  log->add_option("--peer", log_options->peer, "only this peer's, by name");
  log->add_option("--name", log_options->name, "only names that contain this");
  log->add_flag("--blocked", log_options->blocked, "only what was blocked");
  log->add_option("--limit", log_options->limit, "how many at most")
      ->check(CLI::Range(1, 5000))
      ->capture_default_str();
  log->add_flag("-f,--follow", log_options->follow, "go on with what is asked from now");

  const auto [stats, stats_options] =
      command("stats", "how questions were answered, upstreams, most asked names", show_stats);
  stats->add_option("--top", stats_options->top, "how many names and peers")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();

  const auto [paused, pause_options] = command("pause", "filter nothing for a while", pause);
  paused->add_option("duration", pause_options->duration, "how long, such as 10m; 0 ends it")
      ->type_name("DURATION")
      ->required();
  paused->add_option("--peer", pause_options->peer, "only this peer");
  paused->add_option("--group", pause_options->group, "only this group's members");

  command("flush", "forget all cached answers", flush);
}

}  // namespace culvert::app
