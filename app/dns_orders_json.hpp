// How orders about DNS look in a line: for order.cpp.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "app/order.hpp"

namespace culvert::app {

nlohmann::json order_json(const SetDnsPolicy& order);
nlohmann::json order_json(const ForgetDnsPolicies& order);
nlohmann::json order_json(const SetDns& order);
nlohmann::json order_json(const SetDnsNames& order);
nlohmann::json order_json(const UseRules& order);
nlohmann::json order_json(const FlushDnsCache& order);
nlohmann::json order_json(const SetTrust& order);

// None if it is no order about DNS, or makes no sense.
std::optional<Order::What> read_dns_order(std::string_view verb, const nlohmann::json& object);

}  // namespace culvert::app
