// A configuration file of any bytes, TOML or wg-quick, is read or refused; nothing else happens.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "app/config_node.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert::app;
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Host names would be looked up and key files opened: those inputs stop at the tree.
  std::vector<Finding> list;
  Findings findings(list);
  Node tree = is_wg_quick(text) ? parse_wg_quick(text, "f", findings) : parse_toml(text, "f", findings);
  if (text.find("endpoint") != std::string::npos || text.find("Endpoint") != std::string::npos ||
      text.find("_file") != std::string::npos)
    return 0;
  const Loaded loaded = load_config_text(text, "f", {});
  bool fatal = false;
  for (const Finding& finding : loaded.findings) fatal = fatal || finding.fatal;
  if (fatal == (loaded.config != nullptr)) __builtin_trap();
  return 0;
}
