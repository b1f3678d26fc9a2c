// Holds JSON to a schema of control/openapi.json: the keywords that the description uses, and an
// error for one that it does not know, so that nothing passes unseen.
#pragma once

#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

namespace culvert::control {

class Schema {
 public:
  explicit Schema(const nlohmann::json& document) : document_(document) {}

  // What is wrong, each with its place; empty if nothing is.
  std::vector<std::string> check(const nlohmann::json& schema, const nlohmann::json& value) const {
    std::vector<std::string> wrong;
    check(schema, value, "", wrong);
    return wrong;
  }

 private:
  using Json = nlohmann::json;

  void check(const Json& schema, const Json& value, const std::string& at,
             std::vector<std::string>& wrong) const {
    for (const auto& [keyword, argument] : schema.items()) {
      if (!holds(keyword, argument, schema, value, at, wrong))
        wrong.push_back(at + ": " + keyword + " of " + value.dump());
    }
  }

  bool holds(const std::string& keyword, const Json& argument, const Json& schema,
             const Json& value, const std::string& at, std::vector<std::string>& wrong) const {
    if (keyword == "$ref") {
      const std::string pointer = argument.get<std::string>().substr(1);
      check(document_.at(Json::json_pointer(pointer)), value, at, wrong);
      return true;
    }
    if (keyword == "type") return is_type(argument, value);
    if (keyword == "enum")
      return std::find(argument.begin(), argument.end(), value) != argument.end();
    if (keyword == "minimum") return !value.is_number() || value >= argument;
    if (keyword == "maximum") return !value.is_number() || value <= argument;
    if (keyword == "pattern")
      return !value.is_string() ||
             std::regex_search(value.get<std::string>(), std::regex(argument.get<std::string>()));
    if (keyword == "format") return !value.is_string() || is_format(argument, value);
    if (keyword == "oneOf") {
      std::size_t fit = 0;
      for (const Json& each : argument) fit += check(each, value).empty();
      return fit == 1;
    }
    if (keyword == "items") {
      for (std::size_t i = 0; value.is_array() && i < value.size(); ++i)
        check(argument, value[i], at + "/" + std::to_string(i), wrong);
      return true;
    }
    return holds_of_object(keyword, argument, schema, value, at, wrong);
  }

  bool holds_of_object(const std::string& keyword, const Json& argument, const Json& schema,
                       const Json& value, const std::string& at,
                       std::vector<std::string>& wrong) const {
    if (keyword == "required") {
      for (const Json& name : argument)
        if (value.is_object() && !value.contains(name.get<std::string>()))
          wrong.push_back(at + "/" + name.get<std::string>() + " is missing");
      return true;
    }
    if (keyword == "properties") {
      for (const auto& [name, each] : argument.items())
        if (value.is_object() && value.contains(name))
          check(each, value[name], at + "/" + name, wrong);
      return true;
    }
    if (keyword == "additionalProperties") {
      if (!value.is_object()) return true;
      for (const auto& [name, each] : value.items()) {
        if (schema.contains("properties") && schema["properties"].contains(name)) continue;
        if (argument.is_boolean() && !argument.get<bool>())
          wrong.push_back(at + "/" + name + " is not described");
        else if (argument.is_object())
          check(argument, each, at + "/" + name, wrong);
      }
      return true;
    }
    if (keyword == "description" || keyword == "example" || keyword == "default" ||
        keyword == "writeOnly" || keyword == "minLength" || keyword == "maxLength")
      return true;
    throw std::logic_error("the schema checker does not know " + keyword);
  }

  static bool is_type(const Json& types, const Json& value) {
    if (types.is_array())
      return std::any_of(types.begin(), types.end(),
                         [&](const Json& each) { return is_type(each, value); });
    const std::string type = types;
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    return type == value.type_name();
  }

  static bool is_format(const std::string& format, const std::string& value) {
    if (format != "date-time") return true;
    static const std::regex rfc3339(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)");
    return std::regex_match(value, rfc3339);
  }

  const Json& document_;
};

}  // namespace culvert::control
