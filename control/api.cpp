#include "control/api.hpp"

#include <fmt/format.h>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/uri.hpp"

namespace culvert::control {
Api::Impl::Impl(ApiParts given)
    : parts(std::move(given)), gate(std::move(parts.token), parts.known_hosts), router([this] {
        const auto to = [this](Task (Impl::*member)(Call)) {
          return [this, member](Call call) { return (this->*member)(std::move(call)); };
        };
        constexpr auto none = Takes::nothing;
        return std::vector<Route>{
            {"GET", "/v1/status", none, false, to(&Impl::get_status)},
            {"GET", "/v1/peers", none, false, to(&Impl::list_peers)},
            {"POST", "/v1/peers", Takes::json, false, to(&Impl::add_peer)},
            {"GET", "/v1/peers/{peer}", none, false, to(&Impl::get_peer)},
            {"PATCH", "/v1/peers/{peer}", Takes::merge_patch, false, to(&Impl::change_peer)},
            {"DELETE", "/v1/peers/{peer}", none, false, to(&Impl::remove_peer)},
            {"GET", "/v1/peers/{peer}/config", none, false, to(&Impl::get_peer_config)},
            {"GET", "/v1/groups", none, false, to(&Impl::list_groups)},
            {"GET", "/v1/flows", none, false, to(&Impl::list_flows)},
            {"GET", "/v1/usage", none, false, to(&Impl::get_usage)},
            {"GET", "/v1/dns/log", none, false, to(&Impl::get_dns_log)},
            {"GET", "/v1/dns/stats", none, false, to(&Impl::get_dns_stats)},
            {"GET", "/v1/dns/lists", none, false, to(&Impl::get_dns_lists)},
            {"POST", "/v1/dns/lists/update", Takes::json, false, to(&Impl::update_dns_lists)},
            {"GET", "/v1/dns/explain", none, false, to(&Impl::explain_dns)},
            {"POST", "/v1/dns/pause", Takes::json, false, to(&Impl::pause_dns)},
            {"POST", "/v1/dns/cache/flush", none, false, to(&Impl::flush_dns_cache)},
            {"GET", "/v1/events", none, false, to(&Impl::stream_events)},
            {"POST", "/v1/config/reload", none, false, to(&Impl::reload)},
            {"GET", "/v1/openapi.json", none, false, to(&Impl::get_openapi)},
            {"GET", "/metrics", none, true, to(&Impl::get_metrics)},
            {"GET", "/healthz", none, true, to(&Impl::get_health)},
            {"GET", "/readyz", none, true, to(&Impl::get_readiness)}};
      }()) {}

// Over TCP a path is told from another only to who has the token.
std::optional<Response> Api::Impl::check(const Request& head, const Router::Match& match) {
  if (head.door == Door::tcp) {
    if (auto problem = gate.check_host(head)) return problem_response(*problem);
    const bool open = match.route != nullptr ? match.route->open : !head.path.starts_with("/v1");
    if (!open)
      if (auto no = gate.check_token(head, base::BootClock::now()))
        return problem_response(no->problem, std::move(no->fields));
  }
  if (match.route == nullptr) return problem_response(match.problem, match.fields);
  if (auto problem = wrong_body(*match.route, head)) return problem_response(*problem);
  return std::nullopt;
}

Api::Api(ApiParts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}

Api::~Api() = default;

std::optional<Response> Api::refuse(const Request& head) {
  return impl_->check(head, impl_->router.find(head));
}

// Only for what refuse() let pass.
boost::asio::awaitable<Response> Api::handle(Request request) {
  Router::Match match = impl_->router.find(request);
  if (match.route == nullptr) co_return problem_response(match.problem, match.fields);
  Call call{std::move(request), std::move(match.argument)};
  co_return co_await match.route->handler(std::move(call));
}

void Api::forget_token() noexcept {
  impl_->gate.forget_token();
}

Response Api::problem(int status, std::string title, std::string detail) {
  return problem_response({status, std::move(title), std::move(detail), {}});
}

std::vector<std::string> Api::routes() const {
  std::vector<std::string> list;
  for (const Route& each : impl_->router.routes())
    list.push_back(fmt::format("{} {}", each.method, each.path));
  return list;
}

}  // namespace culvert::control
