// /v1/dns/lists, /v1/dns/lists/update
#include <fmt/format.h>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/json_body.hpp"
#include "control/list_keeper.hpp"
#include "control/uri.hpp"
#include "control/url.hpp"

namespace culvert::control {
namespace {

Json time_or_null(const std::optional<base::WallTime>& time) {
  return time ? Json(timestamp(*time)) : Json(nullptr);
}

Json faults_json(const dns::ListReport& report) {
  Json faults = Json::array();
  for (std::size_t i = 0; i < report.faults.size(); ++i)
    if (report.faults[i] > 0)
      faults.push_back({{"fault", to_string(dns::LineFault(i))},
                        {"lines", report.faults[i]},
                        {"first_line", report.first[i]}});
  return faults;
}

// A URL's query may hold a token.
Json url_json(const std::string& text) {
  const auto url = Url::parse(text);
  return url ? Json(url->shown()) : Json(nullptr);
}

Json list_json(const ListStatus& list) {
  return {{"name", list.settings.name},
          {"url", url_json(list.settings.url)},
          {"path", text_or_null(list.settings.path)},
          {"kind", list.settings.allows ? "allow" : "block"},
          {"format", to_string(list.settings.format)},
          {"taken_as", list.has_copy ? Json(to_string(list.report.format)) : Json(nullptr)},
          {"trusted", list.settings.trusted},
          {"rules", list.report.rules},
          {"lines", list.report.lines},
          {"faults", faults_json(list.report)},
          {"bytes", list.bytes},
          {"in_force", list.in_force},
          {"updating", list.updating},
          {"checked", time_or_null(list.checked)},
          {"changed", time_or_null(list.changed)},
          {"next", time_or_null(list.next)},
          {"failures", list.failures},
          {"error", text_or_null(list.error)}};
}

Json result_json(const ListUpdate& result) {
  return {{"name", result.name},
          {"outcome", to_string(result.outcome)},
          {"rules", result.rules},
          {"error", text_or_null(result.error)}};
}

struct Order {
  std::vector<std::string> lists;
  bool force = false;
};

Outcome<Order> order_of(const std::string& body) {
  const auto parsed = parse_json(body);
  if (!parsed) return parsed.problem();
  const auto wrong = [](std::string field, std::string detail) {
    return Problem{422, "Invalid update", "", {{std::move(field), std::move(detail)}}};
  };
  if (!parsed->is_object()) return wrong("", "expected a JSON object");
  Order order;
  for (const auto& [key, value] : parsed->items()) {
    if (key == "force" && value.is_boolean()) {
      order.force = value.get<bool>();
    } else if (key == "force") {
      return wrong(key, "expected true or false");
    } else if (key != "lists") {
      return wrong(key, "is not known, expected lists, force");
    } else {
      if (!value.is_array()) return wrong(key, "expected names of lists");
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (!value[i].is_string()) return wrong(fmt::format("lists/{}", i), "expected a name");
        order.lists.push_back(value[i].get<std::string>());
      }
    }
  }
  return order;
}

}  // namespace

Api::Impl::Task Api::Impl::get_dns_lists(Call call) {
  const auto none = Query::parse(call.request.query, {});
  if (!none) co_return problem_response(none.problem());
  Json lists = Json::array();
  for (const ListStatus& each : parts.lists->lists()) lists.push_back(list_json(each));
  const RulesStatus rules = parts.lists->rules();
  co_return json_response({{"lists", std::move(lists)},
                           {"rules", rules.rules},
                           {"bytes", rules.bytes},
                           {"error", text_or_null(rules.error)},
                           {"awaited", rules.awaited},
                           {"trouble", text_or_null(rules.trouble)}});
}

Api::Impl::Task Api::Impl::update_dns_lists(Call call) {
  const auto none = Query::parse(call.request.query, {});
  if (!none) co_return problem_response(none.problem());
  const auto order = order_of(call.request.body);
  if (!order) co_return problem_response(order.problem());
  const auto results = co_await parts.lists->update(order->lists, order->force);
  if (!results) co_return problem_response(results.problem());
  Json list = Json::array();
  for (const ListUpdate& each : *results) list.push_back(result_json(each));
  co_return json_response({{"results", std::move(list)}});
}

}  // namespace culvert::control
