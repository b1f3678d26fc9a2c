// show, flows, usage, reload, events: what the running server says.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli.hpp"
#include "app/control_client.hpp"
#include "app/human.hpp"
#include "app/report_text.hpp"
#include "app/show_text.hpp"

namespace culvert::app {
namespace {

using control::HttpClient;
using control::url_encode;
using nlohmann::json;

struct Options : ControlOptions {
  std::string peer, group, since, until, by = "peer", types;
  unsigned limit = 1000;
  bool csv = false, follow = false;
};

base::WallTime now() {
  return base::WallTime(std::chrono::system_clock::now());
}

bool colours() {
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && (none == nullptr || *none == '\0') &&
         terminal != nullptr && std::string_view(terminal) != "dumb";
}

int show(const Options& options) {
  HttpClient client(control_socket(options));
  if (!options.peer.empty()) {
    const json peer = ask(client, "GET", "/v1/peers/" + url_encode(options.peer));
    print(options.json ? to_text(peer) : peer_text(peer, now(), colours()));
    return exit_done;
  }
  const json status = ask(client, "GET", "/v1/status");
  const json peers = human::member(ask(client, "GET", "/v1/peers"), "peers");
  print(options.json ? to_text({{"status", status}, {"peers", peers}})
                     : interface_text(status, colours()) + peers_text(peers, now(), colours()));
  return exit_done;
}

int flows(const Options& options) {
  HttpClient client(control_socket(options));
  std::string target = fmt::format("/v1/flows?limit={}", options.limit);
  if (!options.peer.empty()) target += "&peer=" + url_encode(options.peer);
  const json list = ask(client, "GET", target);
  print(options.json ? to_text(list) : flows_text(list, now()));
  return exit_done;
}

std::string time_of(const std::string& time) {
  return time == "today" ? human::today(now()) : time;
}

int usage(const Options& options) {
  HttpClient client(control_socket(options));
  std::string target = "/v1/usage?by=" + url_encode(options.by);
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) target += fmt::format("&{}={}", key, url_encode(value));
  };
  add("since", time_of(options.since));
  add("until", time_of(options.until));
  add("peer", options.peer);
  add("group", options.group);
  add("format", options.csv ? "csv" : "json");
  if (options.csv) {
    const control::Answer answer = client.get(target);
    if (!answer.ok()) refuse(answer);
    print(answer.body);
    return exit_done;
  }
  const json report = ask(client, "GET", target);
  print(options.json ? to_text(report) : usage_text(report));
  return exit_done;
}

int reload(const Options& options) {
  HttpClient client(control_socket(options));
  const control::Answer answer = client.request("POST", "/v1/config/reload");
  const json report = json::parse(answer.body, nullptr, false);
  if (!answer.ok()) {
    // The findings as `check` prints them.
    for (const json& each : human::member(report, "errors")) {
      const std::string place = human::text_of(each, "field");
      fmt::print(stderr, "{}{}{}\n", place, place.empty() ? "" : ": ",
                 human::text_of(each, "detail"));
    }
    const std::string detail = human::text_of(report, "detail");
    const std::string title = human::text_of(report, "title");
    throw CommandError(fmt::format("not reloaded, the server goes on as before: {}{}{}",
                                   title.empty() ? "it gave no reason" : title,
                                   detail.empty() ? "" : ": ", detail));
  }
  for (const json& warning : human::member(report, "warnings"))
    if (warning.is_string())
      fmt::print(stderr, "warning: {}\n", human::clean(warning.get_ref<const std::string&>()));
  print(options.json ? to_text(report) : reload_text(report));
  return exit_done;
}

int events(const Options& options) {
  HttpClient client(control_socket(options));
  std::string target = "/v1/events";
  char next = '?';
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) target += fmt::format("{}{}={}", next, key, url_encode(value)), next = '&';
  };
  add("types", options.types);
  add("peer", options.peer);
  using Clock = std::chrono::steady_clock;
  // What is remembered comes at once; after that much silence it has all come.
  constexpr auto silence = std::chrono::milliseconds(300);
  Clock::time_point last = Clock::now();
  const auto each = [&](const HttpClient::Event& event) {
    last = Clock::now();
    print(options.json ? event.data + "\n" : event_text(event.data));
    return true;
  };
  const auto poll = [&] { return options.follow || Clock::now() - last < silence; };
  const control::Answer answer = client.events(target, each, poll, "0");
  if (!answer.ok()) refuse(answer);
  if (options.follow) throw CommandError("the server ended");
  return exit_done;
}

}  // namespace

void add_report_commands(CLI::App& app, Action& action) {
  const auto command = [&](const char* name, const char* help, int (*function)(const Options&)) {
    return add_control_command(app, name, help, function, action);
  };
  const auto [shown, show_options] =
      command("show", "the server and its peers, in the layout of wg show", show);
  shown->add_option("peer", show_options->peer, "only this peer, by name or public key")
      ->type_name("PEER");

  const auto [listed, flow_options] = command("flows", "flows that are open now", flows);
  listed->add_option("--peer", flow_options->peer, "only this peer's");
  listed->add_option("--limit", flow_options->limit, "how many at most")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();

  const auto [used, usage_options] = command("usage", "who used how much, when", usage);
  used->add_option("--since", usage_options->since,
                   "a date, a date and a time, today, or how long ago: 24h, 7d; left out: 24h")
      ->type_name("TIME");
  used->add_option("--until", usage_options->until, "the same; a date is included; left out: now")
      ->type_name("TIME");
  used->add_option("--by", usage_options->by, "what a row is")
      ->check(CLI::IsMember({"peer", "group", "destination", "day", "hour", "minute"}))
      ->capture_default_str();
  used->add_option("--peer", usage_options->peer, "only this peer's");
  used->add_option("--group", usage_options->group, "only this group's");
  used->add_flag("--csv", usage_options->csv, "as CSV");

  command("reload", "have the running server read its configuration file again", reload);

  const auto [heard, event_options] =
      command("events", "what happened: connects, disconnects, quotas, ...", events);
  heard->add_flag("-f,--follow", event_options->follow, "go on with what happens from now");
  heard->add_option("--type", event_options->types, "only these")->type_name("TYPE,...");
  heard->add_option("--peer", event_options->peer, "only about this peer, by name");
}

}  // namespace culvert::app
