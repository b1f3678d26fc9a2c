// dns lists, update, explain
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli_dns.hpp"
#include "app/control_client.hpp"
#include "app/dns_list_text.hpp"
#include "app/human.hpp"

namespace culvert::app {
namespace {

using control::HttpClient;
using control::url_encode;
using nlohmann::json;

// Downloads end after 5 minutes, and two are under way at a time.
constexpr auto update_patience = std::chrono::minutes(30);

struct Options : ControlOptions {
  std::vector<std::string> lists;
  std::string name, peer, type;
  bool force = false;
};

int lists(const Options& options) {
  HttpClient client(control_socket(options));
  const json answer = ask(client, "GET", "/v1/dns/lists");
  print(options.json ? to_text(answer)
                     : dns_lists_text(answer, base::WallTime(std::chrono::system_clock::now())));
  return exit_done;
}

int update(const Options& options) {
  HttpClient client(control_socket(options), update_patience);
  const json order{{"lists", options.lists}, {"force", options.force}};
  const json answer = ask(client, "POST", "/v1/dns/lists/update", order.dump());
  print(options.json ? to_text(answer) : dns_update_text(answer));
  for (const json& each : human::member(answer, "results"))
    if (human::text_of(each, "outcome") == "failed") return exit_failed;
  return exit_done;
}

int explain(const Options& options) {
  HttpClient client(control_socket(options));
  std::string target = "/v1/dns/explain?name=" + url_encode(options.name);
  if (!options.peer.empty()) target += "&peer=" + url_encode(options.peer);
  if (!options.type.empty()) target += "&type=" + url_encode(options.type);
  const json answer = ask(client, "GET", target);
  print(options.json ? to_text(answer) : dns_explain_text(answer));
  return exit_done;
}

}  // namespace

void add_dns_list_commands(CLI::App& dns, Action& action) {
  const auto command = [&](const char* name, const char* help, int (*function)(const Options&)) {
    return add_control_command(dns, name, help, function, action);
  };
  command("lists", "the lists: rules, age, what was not understood and where", lists);

  const auto [updated, update_options] =
      command("update", "look for lists now; exit code 1 if one could not be had", update);
  updated->add_option("list", update_options->lists, "only these, by name")->type_name("LIST");
  updated->add_flag("--force", update_options->force,
                    "take them even if they shrank or look like no list");

  const auto [explained, explain_options] =
      command("explain", "what becomes of a name: which list, which line, which rule", explain);
  explained->add_option("name", explain_options->name, "a domain name")
      ->type_name("NAME")
      ->required();
  explained->add_option("--peer", explain_options->peer,
                        "asked by this peer, by name; left out: by one without a group");
  explained->add_option("--type", explain_options->type, "of the question; left out: A");
}

}  // namespace culvert::app
