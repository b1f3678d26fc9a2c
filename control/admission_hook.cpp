#include "control/admission_hook.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "control/command.hpp"
#include "control/hook_signature.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using Answer = AdmissionVerdict::Answer;

constexpr std::int64_t longest_ttl = 30 * 24 * 60 * 60;

AdmissionVerdict no_verdict(std::string why) {
  AdmissionVerdict verdict;
  verdict.reason = std::move(why);
  return verdict;
}

// What the hook says beside its exit code or status.
AdmissionVerdict with_answer(Answer answer, const std::string& text) try {
  AdmissionVerdict verdict;
  verdict.answer = answer;
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos || text[begin] != '{') return verdict;
  const json body = json::parse(text);
  if (body.contains("ttl")) {
    const auto& ttl = body["ttl"];
    if (!ttl.is_number_integer() || ttl.get<std::int64_t>() < 0)
      return no_verdict("the answer's ttl is not a number of seconds");
    verdict.ttl = std::chrono::seconds(std::min(ttl.get<std::int64_t>(), longest_ttl));
  }
  if (body.contains("reason")) body["reason"].get_to(verdict.reason);
  if (!body.value("admit", true)) verdict.answer = Answer::refuse;
  return verdict;
} catch (const json::exception&) {
  return no_verdict("the answer is not the JSON object that was expected");
}

AdmissionVerdict verdict_of(const CommandResult& result) {
  if (result.exit_code == 0) return with_answer(Answer::admit, result.output);
  if (result.exit_code == 1) return with_answer(Answer::refuse, result.output);
  if (result.exit_code > 1) return no_verdict(fmt::format("exit code {}", result.exit_code));
  return no_verdict(result.error);
}

AdmissionVerdict verdict_of(const HttpReply& reply) {
  if (reply.status == 200 || reply.status == 204) return with_answer(Answer::admit, reply.body);
  if (reply.status == 403) return with_answer(Answer::refuse, reply.body);
  if (reply.status != 0) return no_verdict(fmt::format("HTTP status {}", reply.status));
  return no_verdict(reply.error);
}

asio::awaitable<void> ask_command(CommandRequest request, Admission::Done done) {
  const CommandResult result = co_await run_command(std::move(request));
  done(verdict_of(result));
}

using SettingsPtr = std::shared_ptr<const AdmissionSettings>;

Admission::Ask command_hook(asio::any_io_executor executor, SettingsPtr settings) {
  return [executor, settings = std::move(settings)](const AdmissionRequest& who,
                                                    Admission::Done done) {
    CommandRequest request;
    request.arguments = settings->command;
    request.environment = {{"CULVERT_PEER", who.peer},
                           {"CULVERT_PUBLIC_KEY", who.public_key.to_string()},
                           {"CULVERT_ENDPOINT", who.endpoint},
                           {"CULVERT_GROUP", who.group}};
    request.timeout = settings->timeout;
    // A program that is not there is known at once, and the answer must still come later.
    asio::post(executor, [executor, request, done = std::move(done)] {
      asio::co_spawn(executor, ask_command(request, done), asio::detached);
    });
  };
}

HttpRequest http_request(const AdmissionSettings& settings, const AdmissionRequest& who,
                         base::WallTime now) {
  HttpRequest request;
  request.url = settings.url;
  request.timeout = settings.timeout;
  const json body = {{"peer", who.peer},
                     {"public_key", who.public_key.to_string()},
                     {"endpoint", who.endpoint},
                     {"group", who.group}};
  request.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  const std::string stamp = std::to_string(seconds.count());
  request.headers = {{"Culvert-Event", "admission"}, {"Culvert-Timestamp", stamp}};
  if (!settings.secret.empty())
    request.headers.emplace_back("Culvert-Signature",
                                 hook_signature(settings.secret, stamp, request.body));
  return request;
}

Admission::Ask http_hook(SettingsPtr settings, HookWorld world) {
  return [settings = std::move(settings), world = std::move(world)](const AdmissionRequest& who,
                                                                    Admission::Done done) {
    world.post(http_request(*settings, who, world.wall()),
               [done = std::move(done)](HttpReply reply) { done(verdict_of(reply)); });
  };
}

}  // namespace

Admission::Ask make_admission_hook(asio::any_io_executor executor,
                                   std::shared_ptr<const AdmissionSettings> settings,
                                   HookWorld world) {
  if (settings->kind == AdmissionSettings::Kind::command)
    return command_hook(std::move(executor), std::move(settings));
  return http_hook(std::move(settings), std::move(world));
}

}  // namespace culvert::control
