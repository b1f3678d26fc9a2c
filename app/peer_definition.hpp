// The definition of a peer that is added while the server runs: a JSON object with the keys of
// [[peer]], read by the reader of the configuration file, so that the same is allowed and mistakes
// are said in the same words. A finding names its field as a JSON pointer.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "app/config.hpp"
#include "control/outcome.hpp"

namespace culvert::app {

// By the groups, limits and addresses of `config`. Files and host names are not looked up: this
// comes from a client of the API, and the server waits for nobody. The problem has status 400, and
// 422 where the definition is well-formed and makes no sense.
control::Outcome<PeerEntry> read_definition(const nlohmann::json& definition, const Config& config);

// Zeroes the text of the preshared key, if there is one.
void wipe_definition(nlohmann::json& definition) noexcept;

}  // namespace culvert::app
