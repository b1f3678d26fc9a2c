// /v1/events and /v1/config/reload
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "control/api_impl.hpp"
#include "control/api_json.hpp"
#include "control/uri.hpp"

namespace culvert::control {
namespace {

struct Wanted {
  std::vector<EventKind> kinds;  // empty = all
  std::optional<std::string> peer;

  bool operator()(const Event& event) const {
    return (kinds.empty() || std::ranges::find(kinds, event.kind) != kinds.end()) &&
           (!peer || event.peer == *peer);
  }
};

// The WHATWG's event stream format.
std::string stream_text(const Event& event) {
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", event.id, to_string(event.kind),
                     event.to_json());
}

Outcome<Wanted> wanted_of(const Query& query) {
  Wanted wanted;
  wanted.peer = query.get("peer");
  const std::string types = query.get("types").value_or("");
  for (std::size_t at = 0; at < types.size();) {
    const std::size_t end = std::min(types.find(',', at), types.size());
    const std::string name = types.substr(at, end - at);
    at = end + 1;
    const auto kind = parse_event_kind(name);
    if (!kind)
      return bad_query("types", fmt::format("there is no event \"{}\", expected names such as "
                                            "connect,disconnect,quota",
                                            shown(name)));
    wanted.kinds.push_back(*kind);
  }
  return wanted;
}

// What is remembered after that event. An id that this run of the server has not reached is of
// the one before, so all is new.
std::string replayed(const EventBus& events, std::uint64_t id, const Wanted& wanted) {
  std::uint64_t newest = 0;
  events.replay(0, [&](const Event& event) { newest = event.id; });
  std::string text;
  events.replay(id > newest ? 0 : id, [&](const Event& event) {
    if (wanted(event)) text += stream_text(event);
  });
  return text;
}

Outcome<std::optional<std::uint64_t>> last_event_id(const Request& request) {
  const std::string_view text = request.header("Last-Event-ID");
  if (text.empty()) return std::optional<std::uint64_t>();
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size())
    return Problem{400,
                   "Bad field",
                   "a field of the header is wrong",
                   {{"Last-Event-ID", fmt::format("\"{}\", expected a number", shown(text))}}};
  return std::optional(id);
}

}  // namespace

Api::Impl::Task Api::Impl::stream_events(Call call) {
  const auto query = Query::parse(call.request.query, {"types", "peer"});
  if (!query) co_return problem_response(query.problem());
  const auto wanted = wanted_of(*query);
  if (!wanted) co_return problem_response(wanted.problem());
  const auto id = last_event_id(call.request);
  if (!id) co_return problem_response(id.problem());
  Response response = text_response("retry: 3000\n\n");
  response.content_type = "text/event-stream";
  if (*id) response.body += replayed(parts.events, **id, *wanted);
  response.stream = std::make_shared<BodyStream>();
  response.stream->hold(parts.events.listen(
      [weak = std::weak_ptr(response.stream), wanted = *wanted](const Event& event) {
        const auto stream = weak.lock();
        if (stream && wanted(event)) stream->push(stream_text(event));
      }));
  co_return response;
}

Api::Impl::Task Api::Impl::reload(Call call) {
  const auto query = Query::parse(call.request.query, {});
  if (!query) co_return problem_response(query.problem());
  const auto report = co_await parts.server.reload();
  if (!report) co_return problem_response(report.problem());
  co_return json_response(to_json(*report));
}

}  // namespace culvert::control
