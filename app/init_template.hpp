// The culvert.toml that `culvert init` writes: every key, its default and what it is for.
#pragma once

#include <cstdint>
#include <string>

namespace culvert::app {

struct InitTemplate {
  std::uint16_t port = 51820;
  std::string endpoint, client, client_public_key, preshared_key;
};

std::string init_template(const InitTemplate& with);

}  // namespace culvert::app
