// Reading the JSON lines of the control channel: what is missing or of another kind is nothing.
// For the two files that know the messages.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "wg/outbox.hpp"

namespace culvert::app {

inline constexpr std::size_t max_message_text = 500;

// Cut to a length and cleared of control characters: it may be on its way to a log.
inline std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  std::string text = found->get_ref<const std::string&>().substr(0, max_message_text);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

inline std::optional<std::uint64_t> number_of(const nlohmann::json& value,
                                              std::uint64_t most = UINT64_MAX) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto number = value.get<std::uint64_t>();
  if (number > most) return std::nullopt;
  return number;
}

inline std::optional<std::uint64_t> number_of(const nlohmann::json& object, const char* key,
                                              std::uint64_t most = UINT64_MAX) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  return number_of(*found, most);
}

inline std::optional<bool> flag_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

// Null if it is no array.
inline const nlohmann::json* list_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_array() ? nullptr : &*found;
}

// One line, with its newline. Text that is not UTF-8 is replaced, so that this cannot throw.
inline std::string line_of(const nlohmann::json& object) {
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace culvert::app
