#include "app/dns_orders.hpp"

#include "app/dns_fields.hpp"
#include "app/dns_orders_json.hpp"
#include "app/message_json.hpp"

namespace culvert::app {
namespace {

using nlohmann::json;

template <class T>
concept listed = requires(T& value) {
  each_field(value, [](const char*, auto&) {});
};
template <class T>
concept enumeration = std::is_enum_v<T>;

// ---- writing

json written(bool value) {
  return value;
}
json written(std::uint64_t value) {
  return value;
}
json written(const std::string& text) {
  return text;
}
json written(const base::IpAddress& address) {
  return address ? address.to_string() : "";
}
json written(const base::Prefix& prefix) {
  return prefix.to_string();
}
json written(const std::optional<bool>& value) {
  return value ? json(*value) : json(nullptr);
}
template <class Rep, class Period>
json written(std::chrono::duration<Rep, Period> time) {
  return std::uint64_t(time.count());
}
template <enumeration T>
json written(T value) {
  return std::uint64_t(value);
}
template <listed T>
json written(const T& value);
template <class T>
json written(const std::vector<T>& values) {
  json list = json::array();
  for (const T& each : values) list.push_back(written(each));
  return list;
}
template <listed T>
json written(const T& value) {
  json object = json::object();
  each_field(value, [&](const char* key, const auto& field) { object[key] = written(field); });
  return object;
}

// ---- reading: false if it is not what was expected

bool read(const json& from, bool& value) {
  if (!from.is_boolean()) return false;
  value = from.get<bool>();
  return true;
}
bool read(const json& from, std::uint64_t& value) {
  const auto number = number_of(from);
  value = number.value_or(0);
  return number.has_value();
}
bool read(const json& from, std::string& text) {
  if (!from.is_string()) return false;
  text = from.get_ref<const std::string&>();
  return true;
}
bool read(const json& from, base::IpAddress& address) {
  std::string text;
  if (!read(from, text)) return false;
  const auto parsed = base::IpAddress::parse(text);
  address = parsed.value_or(base::IpAddress{});
  return parsed || text.empty();
}
bool read(const json& from, base::Prefix& prefix) {
  std::string text;
  if (!read(from, text)) return false;
  const auto parsed = base::Prefix::parse(text);
  prefix = parsed.value_or(base::Prefix{});
  return parsed.has_value();
}
bool read(const json& from, std::optional<bool>& value) {
  value.reset();
  return from.is_null() || read(from, value.emplace());
}
template <class Rep, class Period>
bool read(const json& from, std::chrono::duration<Rep, Period>& time) {
  const auto number = number_of(from, INT64_MAX);
  time = std::chrono::duration<Rep, Period>(Rep(number.value_or(0)));
  return number.has_value();
}
template <enumeration T>
bool read(const json& from, T& value) {
  const auto number = number_of(from, UINT8_MAX);
  value = T(number.value_or(0));
  return number.has_value();
}
template <listed T>
bool read(const json& from, T& value);
template <class T>
bool read(const json& from, std::vector<T>& values) {
  if (!from.is_array()) return false;
  values.clear();
  for (const json& each : from)
    if (!read(each, values.emplace_back())) return false;
  return true;
}
template <listed T>
bool read(const json& from, T& value) {
  if (!from.is_object()) return false;
  bool good = true;
  each_field(value, [&](const char* key, auto& field) {
    const auto found = from.find(key);
    good = good && found != from.end() && read(*found, field);
  });
  return good;
}

template <class T>
bool read(const json& object, const char* key, T& value) {
  const auto found = object.find(key);
  return found != object.end() && read(*found, value);
}

std::optional<Order::What> read_names(const json& object) {
  SetDnsNames order;
  const json* added = list_of(object, "added");
  if (!added || !read(object, "removed", order.removed)) return std::nullopt;
  for (const json& each : *added) {
    auto& [name, addresses] = order.added.emplace_back();
    if (!each.is_object() || !read(each, "name", name) || !read(each, "addresses", addresses))
      return std::nullopt;
  }
  return order;
}

}  // namespace

json order_json(const SetDnsPolicy& order) {
  return {{"do", "set_dns_policy"}, {"number", order.number}, {"policy", written(order.policy)}};
}
json order_json(const ForgetDnsPolicies& order) {
  return {{"do", "forget_dns_policies"}, {"numbers", order.numbers}};
}
json order_json(const SetDns& order) {
  return {{"do", "set_dns"}, {"settings", written(order.settings)}};
}
json order_json(const SetDnsNames& order) {
  json added = json::array();
  for (const auto& [name, addresses] : order.added)
    added.push_back({{"name", name}, {"addresses", written(addresses)}});
  return {{"do", "set_dns_names"}, {"removed", order.removed}, {"added", std::move(added)}};
}
json order_json(const UseRules& order) {
  return {{"do", "use_rules"}, {"any", order.any}};
}
json order_json(const FlushDnsCache&) {
  return {{"do", "flush_dns_cache"}};
}
json order_json(const SetTrust& order) {
  return {{"do", "set_trust"}, {"authorities", order.authorities}};
}

std::optional<Order::What> read_dns_order(std::string_view verb, const json& object) {
  if (verb == "flush_dns_cache") return FlushDnsCache{};
  if (verb == "set_dns_names") return read_names(object);
  if (verb == "use_rules") {
    UseRules order;
    if (read(object, "any", order.any)) return order;
  } else if (verb == "set_dns_policy") {
    SetDnsPolicy order;
    if (read(object, "number", order.number) && read(object, "policy", order.policy)) return order;
  } else if (verb == "forget_dns_policies") {
    ForgetDnsPolicies order;
    if (read(object, "numbers", order.numbers)) return order;
  } else if (verb == "set_trust") {
    SetTrust order;
    if (read(object, "authorities", order.authorities)) return order;
  } else if (verb == "set_dns") {
    SetDns order;
    if (read(object, "settings", order.settings)) return order;
  }
  return std::nullopt;
}

}  // namespace culvert::app
