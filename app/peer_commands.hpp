// What the commands of `peer` do: to a configuration file (peer_file.cpp), or to the running server
// (peer_live.cpp). cli_peer.cpp decides which.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/client_file.hpp"
#include "app/control_client.hpp"

namespace culvert::app {

struct PeerOptions : ControlOptions {
  std::string name, public_key, group, endpoint;
  std::vector<std::string> allowed_ips, dns;
  std::map<std::string, std::string>
      policy;  // down, up, quota, expires, hours: as the file has them
  bool qr = false, file = false;
};

int add_to_file(PeerOptions& options);
int remove_from_file(PeerOptions& options);
int list_file(PeerOptions& options);
int show_in_file(PeerOptions& options);
int client_file_of(PeerOptions& options);

// A server that answers, and its /v1/status.
struct Running {
  control::HttpClient client;
  nlohmann::json status;
};

int add_live(PeerOptions& options, Running& server);
int remove_live(PeerOptions& options, Running& server);
int list_live(PeerOptions& options, Running& server);
int show_live(PeerOptions& options, Running& server);
int client_file_live(PeerOptions& options, Running& server);

// For both. What `cut_from_file` and `retire_client_file` say is for the user.
std::string cut_from_file(PeerOptions& options);
std::string retire_client_file(const std::string& path, const std::string& name);
void set_endpoint(ClientFile& client, const PeerOptions& options, const Config& config);
void print_client_file(const std::string& text, bool qr);

}  // namespace culvert::app
