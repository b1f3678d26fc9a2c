// /v1/peers
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/json_body.hpp"
#include "control/uri.hpp"

namespace culvert::control {

using nlohmann::json;

namespace {

Outcome<json> object_of(const std::string& body) {
  auto parsed = parse_json(body);
  if (parsed && !parsed->is_object())
    return Problem{422,
                   "Invalid peer",
                   "",
                   {{"", fmt::format("is {}, expected a JSON object", parsed->type_name())}}};
  return parsed;
}

// Routes without parameters refuse any.
std::optional<Problem> extra_query(const Request& request) {
  if (auto query = Query::parse(request.query, {}); !query) return query.problem();
  return std::nullopt;
}

// The list of peers as text, some at a time: ten thousand at once would hold up the supervisor for
// a third of a second. Between two steps peers may come and go.
class PeerList {
 public:
  PeerList(const ApiParts& parts, std::optional<std::string> group)
      : parts_(parts), group_(std::move(group)) {}

  // True if there may be more.
  bool add_some() {
    constexpr std::size_t a_step = 100;
    const auto peers = parts_.server.peers();
    auto at = std::ranges::lower_bound(peers, next_slot_, {}, &Peer::slot);
    for (std::size_t n = 0; at != peers.end() && n < a_step; ++at, ++n) {
      next_slot_ = (*at)->slot + 1;
      if (!group_ || (*at)->entry.group == *group_) add(**at);
    }
    return at != peers.end();
  }
  Response take() {
    Response response = text_response(std::move(text_) + "]}\n");
    response.content_type = "application/json";
    return response;
  }

 private:
  void add(const Peer& peer) {
    if (text_.back() != '[') text_ += ',';
    text_ += peer_json(parts_.server, parts_.ledger, peer)
                 .dump(-1, ' ', false, json::error_handler_t::replace);
  }

  const ApiParts& parts_;
  std::optional<std::string> group_;
  std::uint32_t next_slot_ = 0;
  std::string text_ = "{\"peers\":[";
};

}  // namespace

Problem no_such_peer(const std::string& name) {
  return {404, "Peer not found", fmt::format("there is no peer \"{}\"", shown(name)), {}};
}

Response Api::Impl::peer_response(const Peer* peer, const std::string& name, int status) const {
  if (peer == nullptr) return problem_response(no_such_peer(name));
  return json_response(peer_json(parts.server, parts.ledger, *peer), status);
}

Api::Impl::Task Api::Impl::list_peers(Call call) {
  const auto query = Query::parse(call.request.query, {"group"});
  if (!query) co_return problem_response(query.problem());
  std::optional<std::string> group;
  if (const auto named = query->get("group")) group = *named;
  PeerList list(parts, std::move(group));
  const auto executor = co_await boost::asio::this_coro::executor;
  while (list.add_some()) co_await boost::asio::post(executor, boost::asio::use_awaitable);
  co_return list.take();
}

Api::Impl::Task Api::Impl::get_peer(Call call) {
  if (const auto problem = extra_query(call.request)) co_return problem_response(*problem);
  co_return peer_response(parts.server.find(std::string_view(call.argument)), call.argument);
}

Api::Impl::Task Api::Impl::add_peer(Call call) {
  if (const auto problem = extra_query(call.request)) co_return problem_response(*problem);
  auto definition = object_of(call.request.body);
  if (!definition) co_return problem_response(definition.problem());
  json given = std::move(*definition);
  const auto name = co_await parts.server.add_peer(std::move(given));
  if (!name) co_return problem_response(name.problem());
  Response response = peer_response(parts.server.find(std::string_view(*name)), *name, 201);
  if (response.status == 201)
    response.fields.emplace_back("Location", "/v1/peers/" + url_encode(*name));
  co_return response;
}

Api::Impl::Task Api::Impl::change_peer(Call call) {
  if (const auto problem = extra_query(call.request)) co_return problem_response(*problem);
  const Peer* peer = parts.server.find(std::string_view(call.argument));
  if (peer == nullptr) co_return problem_response(no_such_peer(call.argument));
  auto patch = object_of(call.request.body);
  if (!patch) co_return problem_response(patch.problem());
  const wg::PublicKey key = peer->entry.public_key;
  std::string name = peer->entry.name;
  json given = std::move(*patch);
  const auto done = co_await parts.server.change_peer(std::move(name), std::move(given));
  if (!done) co_return problem_response(done.problem());
  // The patch may have changed the one or the other.
  peer = parts.server.find(key);
  if (peer == nullptr) peer = parts.server.find(std::string_view(call.argument));
  co_return peer_response(peer, call.argument);
}

Api::Impl::Task Api::Impl::remove_peer(Call call) {
  if (const auto problem = extra_query(call.request)) co_return problem_response(*problem);
  const Peer* peer = parts.server.find(std::string_view(call.argument));
  if (peer == nullptr) co_return problem_response(no_such_peer(call.argument));
  std::string name = peer->entry.name;
  const auto done = co_await parts.server.remove_peer(std::move(name));
  if (!done) co_return problem_response(done.problem());
  Response gone;
  gone.status = 204;
  co_return gone;
}

Api::Impl::Task Api::Impl::get_peer_config(Call call) {
  if (const auto problem = extra_query(call.request)) co_return problem_response(*problem);
  const Peer* peer = parts.server.find(std::string_view(call.argument));
  if (peer == nullptr) co_return problem_response(no_such_peer(call.argument));
  const auto text = parts.client_file(*peer);
  if (!text) co_return problem_response(text.problem());
  co_return text_response(*text);
}

}  // namespace culvert::control
