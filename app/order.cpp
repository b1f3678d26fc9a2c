#include "app/order.hpp"

#include <algorithm>

#include "app/dns_orders_json.hpp"
#include "app/message_json.hpp"

namespace culvert::app {
namespace {

using nlohmann::json;

constexpr std::string_view key_start = R"({"preshared_key":")";
constexpr std::size_t key_text_size = 44;
constexpr std::string_view no_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

std::uint64_t as_number(std::size_t count) noexcept {
  return count;
}
std::uint64_t as_number(std::chrono::seconds wait) noexcept {
  return std::uint64_t(wait.count());
}
constexpr std::uint64_t most = std::uint64_t{1} << 40;

json limits_list(const proxy::Limits& limits) {
  json list = json::array();
  each_limit(limits, [&](auto value) { list.push_back(as_number(value)); });
  return list;
}

bool read_limits(const json& object, proxy::Limits& limits) {
  const json* list = list_of(object, "limits");
  if (!list || list->size() != sizeof(proxy::Limits) / sizeof(std::uint64_t)) return false;
  std::size_t at = 0;
  bool good = true;
  each_limit(limits, [&](auto& field) {
    const auto number = number_of((*list)[at++], most);
    good = good && number;
    if (number) field = std::remove_reference_t<decltype(field)>(*number);
  });
  return good;
}

json rules_list(const std::vector<proxy::EgressRule>& rules) {
  json list = json::array();
  for (const proxy::EgressRule& rule : rules) list.push_back(rule.to_string());
  return list;
}

bool read_rules(const json& object, const char* key, std::vector<proxy::EgressRule>& rules) {
  const json* list = list_of(object, key);
  if (!list) return false;
  for (const json& each : *list) {
    const auto rule = each.is_string()
                          ? proxy::EgressRule::parse(each.get_ref<const std::string&>())
                          : std::nullopt;
    if (!rule) return false;
    rules.push_back(*rule);
  }
  return true;
}

json prefix_list(const std::vector<base::Prefix>& prefixes) {
  json list = json::array();
  for (const base::Prefix& prefix : prefixes) list.push_back(prefix.to_string());
  return list;
}

bool read_prefixes(const json& object, std::vector<base::Prefix>& prefixes) {
  const json* list = list_of(object, "allowed_ips");
  if (!list) return false;
  for (const json& each : *list) {
    const auto prefix =
        each.is_string() ? base::Prefix::parse(each.get_ref<const std::string&>()) : std::nullopt;
    if (!prefix) return false;
    prefixes.push_back(*prefix);
  }
  return true;
}

void put_policy(json& object, const ClientPolicy& policy) {
  object["limits"] = limits_list(policy.limits);
  object["rules"] = policy.rules;
  object["full_cone"] = policy.full_cone;
  object["dns"] = policy.dns;
  object["group"] = policy.group;
}

bool read_policy(const json& object, ClientPolicy& policy) {
  const auto rules = number_of(object, "rules");
  const auto full_cone = flag_of(object, "full_cone");
  const auto dns = number_of(object, "dns");
  if (!rules || !full_cone || !dns) return false;
  policy.rules = *rules;
  policy.dns = *dns;
  policy.group = text_of(object, "group");
  policy.full_cone = *full_cone;
  return read_limits(object, policy.limits);
}

json route_list(const std::vector<ChangeRoutes::Route>& routes) {
  json list = json::array();
  for (const auto& [prefix, to] : routes)
    list.push_back(json::array({prefix.to_string(), to.peer, to.worker}));
  return list;
}

bool read_routes(const json& object, const char* key, std::vector<ChangeRoutes::Route>& routes) {
  const json* list = list_of(object, key);
  if (!list) return false;
  for (const json& each : *list) {
    if (!each.is_array() || each.size() != 3 || !each[0].is_string()) return false;
    const auto prefix = base::Prefix::parse(each[0].get_ref<const std::string&>());
    const auto peer = number_of(each[1], UINT32_MAX), worker = number_of(each[2], 255);
    if (!prefix || !peer || !worker) return false;
    routes.push_back({*prefix, {std::uint32_t(*peer), unsigned(*worker)}});
  }
  return true;
}

struct ToJson {
  template <class OfDns>
  json operator()(const OfDns& order) const {
    return order_json(order);
  }
  json operator()(const StopWorker&) const { return {{"do", "stop"}}; }
  json operator()(const AddPeer& o) const {
    json object{{"do", "add_peer"},
                {"slot", o.slot},
                {"name", o.name},
                {"public_key", o.public_key.to_string()},
                {"allowed_ips", prefix_list(o.allowed_ips)},
                {"keepalive", o.persistent_keepalive.count()}};
    if (o.endpoint) object["endpoint"] = o.endpoint->to_string();
    put_policy(object, o.policy);
    return object;
  }
  json operator()(const ChangePeer& o) const {
    json object{{"do", "change_peer"}, {"slot", o.slot}};
    if (o.name) object["name"] = *o.name;
    if (o.allowed_ips) object["allowed_ips"] = prefix_list(*o.allowed_ips);
    if (o.endpoint) object["endpoint"] = o.endpoint->to_string();
    if (o.persistent_keepalive) object["keepalive"] = o.persistent_keepalive->count();
    if (o.policy) put_policy(object, *o.policy);
    return object;
  }
  json operator()(const RemovePeer& o) const { return {{"do", "remove_peer"}, {"slot", o.slot}}; }
  json operator()(const ChangeRoutes& o) const {
    return {{"do", "change_routes"},
            {"removed", route_list(o.removed)},
            {"added", route_list(o.added)}};
  }
  json operator()(const SetRules& o) const {
    return {{"do", "set_rules"},
            {"rules", o.number},
            {"allow", rules_list(o.rules.allow)},
            {"deny", rules_list(o.rules.deny)}};
  }
  json operator()(const ForgetRules& o) const {
    return {{"do", "forget_rules"}, {"numbers", o.numbers}};
  }
  json operator()(const ChangeGlobals& o) const {
    return {{"do", "change_globals"},
            {"limits", limits_list(o.limits)},
            {"allow", rules_list(o.egress.allow)},
            {"deny", rules_list(o.egress.deny)},
            {"log_level", std::uint64_t(o.log_level)}};
  }
  json operator()(const ListFlows& o) const {
    json object{{"do", "list_flows"}, {"limit", o.limit}};
    if (o.slot) object["slot"] = *o.slot;
    return object;
  }
};

// Null if it has none.
const wg::PresharedKey* key_of(const Order::What& what) noexcept {
  if (const auto* add = std::get_if<AddPeer>(&what))
    return add->preshared_key.is_zero() ? nullptr : &add->preshared_key;
  if (const auto* change = std::get_if<ChangePeer>(&what))
    return change->preshared_key ? &*change->preshared_key : nullptr;
  return nullptr;
}

void wipe(std::string& text) noexcept {
  base::wipe(std::as_writable_bytes(std::span(text)));
}

using What = std::optional<Order::What>;

// Fields that AddPeer and ChangePeer may both have; false if one that is there makes no sense.
bool read_endpoint(const json& object, std::optional<base::Endpoint>& endpoint) {
  if (!object.contains("endpoint")) return true;
  endpoint = base::Endpoint::parse(text_of(object, "endpoint"));
  return endpoint.has_value();
}

What read_add(const json& object, std::uint32_t slot, std::optional<wg::PresharedKey>& key) {
  AddPeer add;
  add.slot = slot;
  add.name = text_of(object, "name");
  const auto public_key = wg::PublicKey::parse(text_of(object, "public_key"));
  const auto keepalive = number_of(object, "keepalive", UINT16_MAX);
  if (!public_key || !keepalive || !read_prefixes(object, add.allowed_ips) ||
      !read_endpoint(object, add.endpoint) || !read_policy(object, add.policy))
    return std::nullopt;
  add.public_key = *public_key;
  add.persistent_keepalive = std::chrono::seconds(*keepalive);
  if (key) add.preshared_key = std::move(*key);
  return add;
}

What read_change(const json& object, std::uint32_t slot, std::optional<wg::PresharedKey>& key) {
  ChangePeer change;
  change.slot = slot;
  change.preshared_key = std::move(key);
  if (object.contains("name")) change.name = text_of(object, "name");
  if (object.contains("allowed_ips") && !read_prefixes(object, change.allowed_ips.emplace()))
    return std::nullopt;
  if (!read_endpoint(object, change.endpoint)) return std::nullopt;
  if (object.contains("keepalive")) {
    const auto keepalive = number_of(object, "keepalive", UINT16_MAX);
    if (!keepalive) return std::nullopt;
    change.persistent_keepalive = std::chrono::seconds(*keepalive);
  }
  if (object.contains("limits") && !read_policy(object, change.policy.emplace()))
    return std::nullopt;
  return change;
}

What read_forget(const json& object) {
  const json* list = list_of(object, "numbers");
  if (!list) return std::nullopt;
  ForgetRules forget;
  for (const json& each : *list) {
    const auto number = number_of(each);
    if (!number) return std::nullopt;
    forget.numbers.push_back(*number);
  }
  return forget;
}

What read_globals(const json& object) {
  ChangeGlobals change;
  const auto level = number_of(object, "log_level", std::uint64_t(base::log::Level::off));
  if (!level || !read_limits(object, change.limits) ||
      !read_rules(object, "allow", change.egress.allow) ||
      !read_rules(object, "deny", change.egress.deny))
    return std::nullopt;
  change.log_level = base::log::Level(*level);
  return change;
}

What read_list_flows(const json& object) {
  const auto limit = number_of(object, "limit");
  if (!limit) return std::nullopt;
  ListFlows list{{}, *limit};
  if (object.contains("slot")) {
    const auto slot = number_of(object, "slot", UINT32_MAX);
    if (!slot) return std::nullopt;
    list.slot = std::uint32_t(*slot);
  }
  return list;
}

What read_what(const json& object, std::optional<wg::PresharedKey>& key) {
  const std::string verb = text_of(object, "do");
  if (verb == "stop") return StopWorker{};
  if (verb == "forget_rules") return read_forget(object);
  if (verb == "change_globals") return read_globals(object);
  if (verb == "list_flows") return read_list_flows(object);
  if (verb == "change_routes") {
    ChangeRoutes change;
    if (!read_routes(object, "removed", change.removed) ||
        !read_routes(object, "added", change.added))
      return std::nullopt;
    return change;
  }
  if (verb == "set_rules") {
    SetRules set;
    const auto number = number_of(object, "rules");
    if (!number || !read_rules(object, "allow", set.rules.allow) ||
        !read_rules(object, "deny", set.rules.deny))
      return std::nullopt;
    set.number = *number;
    return set;
  }
  if (auto of_dns = read_dns_order(verb, object)) return of_dns;
  const auto slot = number_of(object, "slot", UINT32_MAX);
  if (!slot) return std::nullopt;
  if (verb == "add_peer") return read_add(object, std::uint32_t(*slot), key);
  if (verb == "change_peer") return read_change(object, std::uint32_t(*slot), key);
  if (verb == "remove_peer") return RemovePeer{std::uint32_t(*slot)};
  return std::nullopt;
}

}  // namespace

bool same_limits(const proxy::Limits& a, const proxy::Limits& b) {
  std::vector<std::uint64_t> of_a, of_b;
  each_limit(a, [&](auto value) { of_a.push_back(as_number(value)); });
  each_limit(b, [&](auto value) { of_b.push_back(as_number(value)); });
  return of_a == of_b;
}

bool same_rules(const proxy::EgressRules& a, const proxy::EgressRules& b) {
  const auto same = [](const proxy::EgressRule& one, const proxy::EgressRule& two) {
    return one.prefix == two.prefix && one.first_port == two.first_port &&
           one.last_port == two.last_port && one.protocol == two.protocol;
  };
  return std::ranges::equal(a.allow, b.allow, same) && std::ranges::equal(a.deny, b.deny, same);
}

std::string to_line(const Order& order) {
  json object = std::visit(ToJson{}, order.what);
  object["order"] = order.number;
  const std::string rest = line_of(object);
  const wg::PresharedKey* key = key_of(order.what);
  if (!key) return rest;
  std::string text = wg::secret_key_text(*key);
  std::string line;
  line.reserve(key_start.size() + text.size() + 1 + rest.size());  // one buffer, for its wiper
  line.append(key_start).append(text).append("\",").append(rest, 1);
  wipe(text);
  return line;
}

std::optional<Order> parse_order(std::string& line) {
  std::optional<wg::PresharedKey> key;
  if (line.starts_with(key_start) && line.size() >= key_start.size() + key_text_size) {
    const auto text = std::span(line).subspan(key_start.size(), key_text_size);
    key = wg::parse_secret_key({text.data(), text.size()});
    std::ranges::copy(no_key, text.begin());
    if (!key) return std::nullopt;
  }
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object() || object.contains("preshared_key") != key.has_value())
    return std::nullopt;
  const auto number = number_of(object, "order");
  if (!number) return std::nullopt;
  auto what = read_what(object, key);
  if (!what) return std::nullopt;
  return Order{*number, std::move(*what)};
}

}  // namespace culvert::app
